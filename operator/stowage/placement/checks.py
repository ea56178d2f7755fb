"""The checks: a plain chain of small functions ``check(candidate) -> Reason | None``.

``RUNS`` asks whether the variant can run on the pool by the runtime at all; ``SUITS`` asks, of those
that can, whether the deployment and the policy want it. All that fail are kept.
"""

from __future__ import annotations

from collections.abc import Callable

from stowage.api.quantity import gib
from stowage.api.reasons import Code
from stowage.placement.candidates import Candidate, device_counts
from stowage.placement.fetching import why_unfetched
from stowage.placement.pools import slice_hosts
from stowage.placement.quality import built, quality
from stowage.placement.reasons import Reason
from stowage.placement.requirements import budget, latency, throughput, unit_of
from stowage.placement.selectors import selects_pool

Check = Callable[[Candidate], Reason | None]


def tier(c: Candidate) -> Reason | None:
    policy, accelerator = c.demand.policy, c.pool.accelerator_class
    if c.pool.is_cpu and not policy.spec.allow_cpu:
        return Reason(Code.CPU_NOT_ALLOWED, f"policy {policy.name} doesn't set allowCPU")
    if c.tier is None:
        return Reason(
            Code.EXCLUDED_BY_POLICY,
            f"no tier of policy {policy.name} includes {c.pool.capacity_type} {accelerator.name}",
        )
    return None


def protocol(c: Candidate) -> Reason | None:
    wanted = c.demand.workload.spec.model.wire_protocol
    spoken = [p.name for p in c.runtime.spec.protocols]
    if wanted in spoken:
        return None
    return Reason(
        Code.PROTOCOL_MISMATCH, f"{c.runtime.name} speaks {', '.join(spoken)}, the model's clients {wanted}"
    )


def artefact_format(c: Candidate) -> Reason | None:
    if c.variant.format in c.runtime.spec.formats:
        return None
    loads = ", ".join(c.runtime.spec.formats)
    return Reason(Code.FORMAT_NOT_SUPPORTED, f"{c.runtime.name} loads {loads}, not {c.variant.format}")


def uri_scheme(c: Candidate) -> Reason | None:
    scheme = c.variant.location.partition("://")[0]
    if scheme in ("pvc", "oci") or scheme in c.runtime.spec.loads:
        return None
    why = why_unfetched(c.variant, c.runtime, c.demand.policy)
    return None if why is None else Reason(Code.UNSUPPORTED_SCHEME, why)


def accelerator(c: Candidate) -> Reason | None:
    if c.support is not None:
        return None
    return Reason(
        Code.ACCELERATOR_NOT_SUPPORTED, f"{c.runtime.name} doesn't run on {c.pool.accelerator_class.name}"
    )


def architecture(c: Candidate) -> Reason | None:
    if c.support is None or c.pool.architecture in c.support.architectures:
        return None
    has = ", ".join(c.support.architectures)
    return Reason(
        Code.ARCHITECTURE_MISMATCH,
        f"{c.support.image} exists for {has}, the nodes of {c.pool.name} are {c.pool.architecture}",
    )


def hardware_binding(c: Candidate) -> Reason | None:
    bound = c.variant.accelerators
    if bound is None or selects_pool(bound, c.pool):
        return None
    return Reason(
        Code.HARDWARE_BOUND,
        f"variant {c.variant.name} was made for other hardware than {c.pool.accelerator_class.name}",
    )


def native_precision(c: Candidate) -> Reason | None:
    needed, name = c.variant.activations, c.pool.accelerator_class.name
    if not c.pool.accelerator_class.spec.precisions:
        return Reason(Code.PRECISION_NOT_NATIVE, f"what {name} computes isn't known; override the class")
    if any(p.name == needed for p in c.pool.accelerator_class.spec.precisions):
        return None
    return Reason(Code.PRECISION_NOT_NATIVE, f"{needed} is not native on {name}")


def runtime_precision(c: Candidate) -> Reason | None:
    if c.support is None:
        return None
    variant, support = c.variant, c.support
    if variant.weights == variant.activations:
        known = variant.precision in support.precisions
        readable = not (variant.scheme and support.schemes) or variant.scheme in support.schemes
        if known and readable:
            return None
        what = variant.precision if not known else f"{variant.scheme} of {variant.precision}"
    else:
        for entry in support.weight_only:
            if (
                entry.weights == variant.weights
                and variant.activations in entry.activations
                and (not (variant.scheme and entry.schemes) or variant.scheme in entry.schemes)
            ):
                return None
        scheme = f" by {variant.scheme}" if variant.scheme else ""
        what = f"{variant.weights} weights with {variant.activations} activations{scheme}"
    return Reason(
        Code.PRECISION_NOT_SUPPORTED,
        f"{c.runtime.name} doesn't serve {what} on {c.pool.accelerator_class.name}",
    )


def dialect(c: Candidate) -> Reason | None:
    if c.variant.activations != "fp8" or c.support is None:
        return None
    meant = (c.variant.quantization and c.variant.quantization.dialect) or "ocp"
    native = next((p for p in c.pool.accelerator_class.spec.precisions if p.name == "fp8"), None)
    computed = (native and native.dialect) or "ocp"
    if meant == computed or {meant, computed} <= set(c.support.dialects):
        return None
    return Reason(
        Code.DIALECT_MISMATCH,
        f"the variant's fp8 is {meant}, {c.pool.accelerator_class.name} computes {computed}, "
        f"and {c.runtime.name} doesn't convert",
    )


def shared_device(c: Candidate) -> Reason | None:
    if not c.pool.shared or c.demand.policy.spec.shared_devices:
        return None
    return Reason(
        Code.SHARED_DEVICE,
        f"devices of {c.pool.name} are shared; policy {c.demand.policy.name} doesn't set sharedDevices",
    )


def topology(c: Candidate) -> Reason | None:
    hosts = slice_hosts(c.pool)
    if hosts <= 1:
        return None
    return Reason(
        Code.MULTI_HOST_TOPOLOGY,
        f"a slice of topology {c.pool.topology} spans {hosts} hosts of {c.pool.devices_per_node} devices",
    )


def requestable(c: Candidate) -> Reason | None:
    dra, count = c.pool.accelerator_class.spec.dra, c.pool.devices_per_node
    if not c.pool.dra_only or dra is None:
        return None
    text = f"only DRA ({dra.driver}) publishes the {count} devices of a node of {c.pool.name}; set"
    return Reason(Code.DYNAMIC_ONLY, f"{text} spec.extendedResourceName of DeviceClass {dra.device_class}")


def known_memory(c: Candidate) -> Reason | None:
    """Memory of a device of its own must be known: the node's isn't it."""
    spec = c.pool.accelerator_class.spec
    if c.pool.is_cpu or spec.host_memory or c.pool.device_memory is not None:
        return None
    return Reason(
        Code.UNKNOWN_MEMORY, f"memory of {c.pool.accelerator_class.name} isn't known; override the class"
    )


def memory(c: Candidate) -> Reason | None:
    if c.fit is None or c.fit.fits:
        return None
    name, short = c.pool.accelerator_class.name, gib(c.fit.needed - c.fit.usable)
    if c.pool.is_cpu or c.pool.device_memory is None:
        offers = f"a node of {c.pool.name} has {gib(c.fit.usable)}"
    elif c.fit.devices == 1:
        offers = f"one {name} offers {gib(c.fit.usable)} usable"
    else:
        offers = f"each of {c.fit.devices} {name} offers {gib(c.fit.usable)} usable"
    return Reason(Code.INSUFFICIENT_MEMORY, f"needs {gib(c.fit.needed)}, {offers}: {short} short")


def devices_per_node(c: Candidate) -> Reason | None:
    if c.fit is None:
        counts = ", ".join(str(n) for n in device_counts(c)) or "none"
        return Reason(
            Code.TOO_FEW_DEVICES,
            f"{c.runtime.name} can't split the model over the {c.pool.devices_per_node} devices "
            f"of a node (usable counts: {counts})",
        )
    if c.fit.devices <= c.pool.devices_per_node:
        return None
    return Reason(
        Code.TOO_FEW_DEVICES,
        f"one replica needs {c.fit.devices} {unit_of(c)} on one node, "
        f"{c.pool.name} has {c.pool.devices_per_node}",
    )


RUNS: tuple[Check, ...] = (
    protocol,
    artefact_format,
    accelerator,
    uri_scheme,
    architecture,
    hardware_binding,
    native_precision,
    runtime_precision,
    dialect,
    topology,
    requestable,
    known_memory,
)
SUITS: tuple[Check, ...] = (
    memory,
    devices_per_node,
    tier,
    shared_device,
    built,
    quality,
    latency,
    throughput,
    budget,
)

UNMEASURED: tuple[Check, ...] = (tier, shared_device, built, quality)
"""Of ``SUITS`` those that need no measuring, and in which the runtime has no part."""
MEASURED: tuple[Check, ...] = tuple(c for c in SUITS if c not in UNMEASURED)


def failures(candidate: Candidate, chain: tuple[Check, ...]) -> tuple[Reason, ...]:
    """The reasons of all checks of the chain that fail, in its order."""
    return tuple([r for check in chain if (r := check(candidate)) is not None])
