"""Every reason code of the API. They are documented constants: tools and people rely on them."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why a candidate was not chosen, or why a condition has its status.

    The text behind each member is its documentation and appears in the reference.
    """

    doc: str

    def __new__(cls, value: str, doc: str) -> Code:
        member = str.__new__(cls, value)
        member._value_ = value
        member.doc = doc
        return member

    # Of a candidate: what the hardware, the runtime or the variant can't do.
    PROTOCOL_MISMATCH = "ProtocolMismatch", "The runtime doesn't speak the model's protocol."
    FORMAT_NOT_SUPPORTED = "FormatNotSupported", "The runtime doesn't load the variant's format."
    UNSUPPORTED_SCHEME = "UnsupportedScheme", "Nothing can fetch the variant's uri."
    ACCELERATOR_NOT_SUPPORTED = "AcceleratorNotSupported", "The runtime doesn't run on the accelerator."
    ARCHITECTURE_MISMATCH = "ArchitectureMismatch", "The image doesn't exist for the nodes' CPU."
    HARDWARE_BOUND = "HardwareBound", "The variant was compiled for other hardware."
    PRECISION_NOT_NATIVE = "PrecisionNotNative", "The device doesn't compute the precision."
    PRECISION_NOT_SUPPORTED = "PrecisionNotSupported", "The runtime doesn't serve the precision there."
    DIALECT_MISMATCH = "DialectMismatch", "Device and variant mean different fp8 formats."
    INSUFFICIENT_MEMORY = "InsufficientMemory", "The variant doesn't fit into the devices' memory."
    TOO_FEW_DEVICES = "TooFewDevices", "A node of the pool has too few devices for one replica."
    MULTI_HOST_TOPOLOGY = "MultiHostTopology", "The slice spans hosts; a Deployment can't serve it."
    DYNAMIC_ONLY = (
        "DynamicResourceAllocationOnly",
        "Only DRA publishes the device, and no DeviceClass gives it an extended resource name.",
    )
    UNKNOWN_MEMORY = "UnknownMemory", "The memory of the device is not known."
    UNKNOWN_PERFORMANCE = "UnknownPerformance", "A bound is asked for, and no figure is known."
    # Of a candidate: what the deployment or the policy doesn't want.
    EXCLUDED_BY_POLICY = "ExcludedByPolicy", "No tier of the policy includes it."
    CPU_NOT_ALLOWED = "CPUNotAllowed", "The policy doesn't allow CPUs to serve."
    SHARED_DEVICE = "SharedDevice", "Its devices are shared, which the policy doesn't allow."
    QUALITY_TOO_LOW = "QualityTooLow", "The variant's quality is below what is required."
    LATENCY_TOO_HIGH = "LatencyTooHigh", "It would not meet the latency asked for."
    OVER_BUDGET = "OverBudget", "It would cost more than the deployment may."
    UNKNOWN_PRICE = "UnknownPrice", "A budget is set, and the pool's price is unknown."
    # Of a candidate: what the cluster hasn't got at the moment.
    NO_USABLE_NODE = "NoUsableNode", "All nodes are cordoned, not ready or tainted."
    NO_CAPACITY = "NoCapacity", "No node has room for one replica."
    IN_BACKOFF = "InBackoff", "It failed lately and is left alone for a while."
    # Of a candidate that could serve.
    LATER_TIER = "LaterTier", "A candidate of an earlier tier serves."
    LESS_ROOM = "LessRoom", "Another candidate has room for more replicas, or for certain."
    NOT_BEST = "NotBest", "Another candidate is better on the policy's goal."
    KEPT_CURRENT = "KeptCurrent", "What serves is feasible and stays."
    # Of conditions.
    PLACED = "Placed", "All wanted replicas have a place."
    PARTIALLY_PLACED = "PartiallyPlaced", "Some of the wanted replicas have a place."
    SCALED_TO_ZERO = "ScaledToZero", "No replicas are wanted."
    NO_CANDIDATE = "NoFeasibleCandidate", "No variant can be served on any pool."
    NO_POOL = "NoAccelerators", "The cluster has no pool that Stowage recognises."
    NO_SPARE_DEVICE = "NoSpareDevice", "A move is due and waits for a spare device."
    UNKNOWN_POLICY = "UnknownPolicy", "The policy named doesn't exist."
    POLICY_NOT_ADMITTED = "PolicyNotAdmitted", "The policy doesn't admit the namespace."
    NO_RUNTIME = "NoRuntime", "No runtime serves any of the variants."
    INVALID_SPEC = "InvalidSpec", "The object can't be understood."
    RESERVED_ARGUMENT = "ReservedArgument", "An extra argument is the runtime's own."
    PRIORITY_NOT_ALLOWED = "PriorityNotAllowed", "The policy doesn't list the priority class."
    NAME_CONFLICT = "NameConflict", "A child's name is taken by somebody else's object."
    APPLY_FAILED = "ApplyFailed", "The API server refused a child."
    PAUSED = "Paused", "The object is frozen."
    SERVING = "Serving", "The wanted replicas serve."
    STARTING = "Starting", "Replicas are starting."
    MOVING = "Moving", "A new placement starts while the old one serves."
    NOT_PLACED = "NotPlaced", "Nothing is placed."
    SETTLED = "Settled", "Nothing is under way."
    DEFAULT_CONFLICT = "DefaultConflict", "Two policies are the default; the oldest wins."


TRANSIENT = frozenset({Code.NO_USABLE_NODE, Code.NO_CAPACITY, Code.IN_BACKOFF, Code.LESS_ROOM})
"""Reasons that come and go with other people's pods: alone, they are no cause to rewrite a status."""
