"""What one replica asks of its node: devices, CPU, memory and local storage."""

from __future__ import annotations

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.quantity import GIB, gib, parse_bytes, parse_millis
from stowage.api.variant import Variant
from stowage.placement.snapshot import Amounts, Pool

HOST_MEMORY_FACTOR = 1.3
HOST_MEMORY_BASE = 4 * GIB
CPU_PER_DEVICE = 4000
"""Thousandths of a core for each device, where its share of the node isn't less."""
DAEMON_CPU = 500
"""Thousandths of a core of each node that are left to the pods of DaemonSets: our own figure, about what
a network plugin, a proxy, a device plugin and a metrics exporter request together."""
CPU_STEP = 100
STORAGE_FACTOR = 1.1
MEBIBYTE = 1024**2


def cpu_share(cpu: int, devices: int) -> int:
    """What one of a node's devices has by default of its CPU, at most four cores.

    Args:
        cpu: thousandths of a core that pods can have there.
    """
    share = (cpu - DAEMON_CPU) // max(1, devices) // CPU_STEP * CPU_STEP
    return max(CPU_STEP, min(CPU_PER_DEVICE, share))


def replica_requests(
    workload: InferenceDeployment, variant: Variant, pool: Pool, devices: int, model_memory: int
) -> Amounts:
    """Requests of one replica by resource name, in base units.

    Host memory is weights x 1.3 + 4 GiB (the weights pass through it while loading), CPU four cores
    a device or, where that is less, the device's share of its node (see ``cpu_share``), local storage the
    weights x 1.1; the template overrides each. On a CPU class a device is a core, and the host's memory is
    where the model lives.

    Args:
        model_memory: bytes that the model needs in the devices' memory, for CPU classes.
    """
    given = workload.spec.template.resources
    weights = variant.stored_bytes
    cpu = devices * (1000 if pool.is_cpu else pool.cpu_per_device or CPU_PER_DEVICE)
    memory = int(weights * HOST_MEMORY_FACTOR) + HOST_MEMORY_BASE
    if pool.is_cpu or pool.device_memory is None:
        memory = max(memory, model_memory)
    storage = int(weights * STORAGE_FACTOR)
    if given is not None:
        cpu = parse_millis(given.cpu) if given.cpu and not pool.is_cpu else cpu
        memory = parse_bytes(given.memory) if given.memory else memory
        storage = parse_bytes(given.ephemeral_storage) if given.ephemeral_storage else storage
    amounts = {"cpu": cpu, "memory": whole_mebibytes(memory), "ephemeral-storage": whole_mebibytes(storage)}
    if not pool.is_cpu:
        amounts[pool.resource] = devices
    return amounts


def too_large(requests: Amounts, pool: Pool, workload: InferenceDeployment) -> str | None:
    """Which of CPU and memory no node has, be it empty, and what to do; None where one has both."""
    shape = pool.provision.shape if pool.provision else {}
    cpu = max(pool.node_cpu, shape.get("cpu", 0))
    memory = max(pool.node_memory, shape.get("memory", 0))
    if requests["memory"] > memory:
        has = f"a node has {gib(memory)} of memory"
    elif requests["cpu"] > cpu and not pool.is_cpu:
        has = f"a node has {cpu / 1000:g} CPU cores"
    else:
        return None
    given = workload.spec.template.resources
    return f"{has}; {'lower' if given else 'set less in'} template.resources"


def whole_mebibytes(count: int) -> int:
    """Bytes, rounded up to mebibytes."""
    return -(-count // MEBIBYTE) * MEBIBYTE
