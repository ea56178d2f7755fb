"""Every reason code of the API. They are documented constants: tools and people rely on them."""

from __future__ import annotations

from enum import StrEnum

# What carries a reason: a candidate of a verdict, or conditions with these statuses.
REJECTED = "a Rejected candidate"
FEASIBLE = "a Feasible candidate"
WAITS = "Placed=False, Ready=False, Reconciling=True"
REJECTED_OR_WAITS = f"{REJECTED}; {WAITS}"
UNDER_WAY = "Ready=False, Reconciling=True"
FAILED = f"an entry of status.backoffs; beside others: {UNDER_WAY}; while nothing else can serve: {WAITS}"
STALLS = "Placed=False, Ready=False, Stalled=True"
REFUSED = "Ready=False, Stalled=True"
FROZEN = "Ready, Placed, Reconciling=False, Stalled=False"
NOTHING_WANTED = f"Placed=True; {FEASIBLE}"
QUIET = "Reconciling=False, Stalled=False; a PlacementPolicy's Ready=True"
CONFLICT = "a PlacementPolicy's Ready=False"
EVENT = "an event"


class Code(StrEnum):
    """Why a candidate was not chosen, or why a condition has its status.

    The texts behind each member are its documentation and appear in docs/reference/reasons.md.
    """

    doc: str
    """What it means."""
    where: str
    """What carries it: conditions, a candidate's verdict, or both."""
    remedy: str
    """What a user can do about it."""

    def __new__(cls, value: str, doc: str, where: str, remedy: str) -> Code:
        member = str.__new__(cls, value)
        member._value_ = value
        member.doc = doc
        member.where = where
        member.remedy = remedy
        return member

    # fmt: off
    # Of a candidate: what the hardware, the runtime or the variant can't do.
    PROTOCOL_MISMATCH = (
        "ProtocolMismatch", "The runtime doesn't speak the model's protocol.", REJECTED,
        "Add an InferenceRuntime that speaks it; spec.model.protocol itself can't be changed.",
    )
    FORMAT_NOT_SUPPORTED = (
        "FormatNotSupported", "The runtime doesn't load the variant's format.", REJECTED,
        "Add a variant in a format that the runtime loads (stowage catalog lists them), or add a runtime.",
    )
    UNSUPPORTED_SCHEME = (
        "UnsupportedScheme", "Nothing can fetch the variant's uri.", REJECTED,
        "Store the variant as pvc:// or oci://, as one file by https://, or use a runtime whose spec.loads"
        " names the scheme; the message says what is in the way.",
    )
    ACCELERATOR_NOT_SUPPORTED = (
        "AcceleratorNotSupported", "The runtime doesn't run on the accelerator.", REJECTED,
        "Add a variant in a format of a runtime that runs there, or a support to the runtime.",
    )
    ARCHITECTURE_MISMATCH = (
        "ArchitectureMismatch", "The image doesn't exist for the nodes' CPU.", REJECTED,
        "Use nodes that the image exists for, or override the runtime with an image for their architecture.",
    )
    HARDWARE_BOUND = (
        "HardwareBound", "The variant was compiled for other hardware.", REJECTED,
        "Add a variant compiled for this device, or one that is bound to none.",
    )
    PRECISION_NOT_NATIVE = (
        "PrecisionNotNative", "The device doesn't compute the precision.", REJECTED,
        "Add a variant that the device computes; if only weights are narrow, say so in quantization.",
    )
    PRECISION_NOT_SUPPORTED = (
        "PrecisionNotSupported", "The runtime doesn't serve the precision there.", REJECTED,
        "Add a variant in a precision and scheme that the runtime's supports list for the accelerator.",
    )
    DIALECT_MISMATCH = (
        "DialectMismatch", "Device and variant mean different fp8 formats.", REJECTED,
        "Add a variant in the device's dialect of fp8, or use a runtime whose dialects name both.",
    )
    INSUFFICIENT_MEMORY = (
        "InsufficientMemory", "The variant doesn't fit into the devices' memory.", REJECTED,
        "Add a smaller variant, lower attention.contextLength, or add a pool with more memory on a node.",
    )
    TOO_FEW_DEVICES = (
        "TooFewDevices", "A node of the pool has too few devices for one replica.", REJECTED,
        "Add a smaller variant, or a pool with more devices on a node.",
    )
    MULTI_HOST_TOPOLOGY = (
        "MultiHostTopology", "The slice spans hosts; a Deployment can't serve it.", REJECTED,
        "Add a pool whose slices lie on one host.",
    )
    DYNAMIC_ONLY = (
        "DynamicResourceAllocationOnly",
        "Only DRA publishes the device, and no DeviceClass gives it an extended resource name.", REJECTED,
        "Set spec.extendedResourceName of the DeviceClass that the reason names.",
    )
    UNKNOWN_MEMORY = (
        "UnknownMemory", "The memory of the device is not known.", REJECTED,
        "Override the AcceleratorClass with the device's memory, or label its nodes as memoryLabels say.",
    )
    UNKNOWN_PERFORMANCE = (
        "UnknownPerformance", "A bound is asked for, and no figure is known.", REJECTED,
        "Give the variant a profile for the class, give the class its figures, or drop the bound.",
    )
    # Of a candidate: what the deployment or the policy doesn't want.
    EXCLUDED_BY_POLICY = (
        "ExcludedByPolicy", "No tier of the policy includes it.", REJECTED,
        "Name another policy, or include the accelerator in one of its tiers.",
    )
    CPU_NOT_ALLOWED = (
        "CPUNotAllowed", "The policy doesn't allow CPUs to serve.", REJECTED,
        "Name a policy that sets allowCPU, or set it.",
    )
    SHARED_DEVICE = (
        "SharedDevice", "Its devices are shared, which the policy doesn't allow.", REJECTED,
        "Name a policy that sets sharedDevices, or use a pool whose devices are not shared.",
    )
    QUALITY_TOO_LOW = (
        "QualityTooLow", "The variant's quality is below what is required.", REJECTED,
        "Add a variant of higher quality, or lower requirements.minQuality.",
    )
    LATENCY_TOO_HIGH = (
        "LatencyTooHigh", "It would not meet the latency asked for.", REJECTED,
        "Add a faster variant, relax requirements.latency, or replace an estimate by a measured profile.",
    )
    OVER_BUDGET = (
        "OverBudget", "It would cost more than the deployment may.", REJECTED,
        "Raise requirements.maxCostPerHour, lower replicas or throughput, or add a cheaper pool.",
    )
    UNKNOWN_PRICE = (
        "UnknownPrice", "A budget is set, and the pool's price is unknown.", REJECTED,
        "Create an AcceleratorPool with costPerHour for the pool, or drop requirements.maxCostPerHour.",
    )
    # Of a candidate: its variant is to be built.
    VARIANT_NOT_BUILT = (
        "VariantNotBuilt", "The variant is to be built, and isn't yet.", REJECTED_OR_WAITS,
        "Wait: it is built when a candidate that could serve needs it; status.variants says how far it is.",
    )
    VARIANT_BUILDING = (
        "VariantBuilding", "The variant is being built.", REJECTED_OR_WAITS,
        "Wait: status.variants names the Job, and kubectl logs job/NAME shows how far it is.",
    )
    BUILD_FAILED = (
        "BuildFailed", "The variant could not be built.", REJECTED,
        "Mend what the message names. It is tried anew an hour later, or at once when its Job is deleted.",
    )
    BUILD_NOT_ALLOWED = (
        "BuildNotAllowed", "The policy doesn't let the variant be built.", REJECTED,
        "Name a policy that sets builds (and builds.scripts), or store the variant and write its uri.",
    )
    QUALITY_UNKNOWN = (
        "QualityUnknown", "Nobody measured the built variant's quality.", REJECTED,
        "Give build.evaluation data, or name a policy whose builds.unknownQuality is Serve.",
    )
    VARIANT_BUILT = (
        "VariantBuilt", "The variant was built.", EVENT,
        "Nothing is to be done: status.variants has its size, quality and digest.",
    )
    # Of a candidate: what the cluster hasn't got at the moment.
    NO_USABLE_NODE = (
        "NoUsableNode", "All nodes are cordoned, not ready or tainted.", REJECTED,
        "Uncordon or mend the nodes; for a taint that is named, list its key in the policy's tolerations.",
    )
    NO_CAPACITY = (
        "NoCapacity", "No node has room for one replica.", REJECTED_OR_WAITS,
        "Free devices or add nodes; stowage pools shows what is free. It is placed when room comes.",
    )
    IN_BACKOFF = (
        "InBackoff", "It failed lately and is left alone for a while.", REJECTED,
        "Mend what status.backoffs names; it is tried again when the time given there is over.",
    )
    # Of a placement that failed, and of its backoff.
    UNSCHEDULABLE = (
        "Unschedulable", "No node took the placement's pods in the policy's time.", FAILED,
        "See kubectl describe pod: what the scheduler misses there, Stowage doesn't know of.",
    )
    PODS_REFUSED = (
        "PodsRefused", "No pod could be made: a quota, a LimitRange or admission refused it.", FAILED,
        "Raise the quota that the message names, or mend what refuses the pod.",
    )
    NODE_LOST = (
        "NodeLost", "The node on which it served is gone or not ready.", FAILED,
        "Mend or replace the node; spot nodes may go at any time, so that others take over at once.",
    )
    IMAGE_PULL_BACK_OFF = (
        "ImagePullBackOff", "The image can't be pulled.", FAILED,
        "Mend the image, its registry or template.imagePullSecrets; the message has the kubelet's words.",
    )
    CRASH_LOOP = (
        "CrashLoop", "The container crashes again and again.", FAILED,
        "kubectl logs --previous shows why; extra arguments and the model's files are the usual causes.",
    )
    OOM_KILLED = (
        "OOMKilled", "The container takes more host memory than it may.", FAILED,
        "Raise template.resources.memory, or lower what the runtime loads at once.",
    )
    FETCH_FAILED = (
        "FetchFailed", "The variant's model can't be fetched, wherever it is placed.", FAILED,
        "Mend what the message names: mostly the variant's uri, digest or size, or the policy's fetch."
        " Other variants may serve meanwhile; the pod goes on trying.",
    )
    NO_ROOM_FOR_MODEL = (
        "NoRoomForModel", "The disk of the node has too little room for the model.", FAILED,
        "Free the node's disk or use nodes with more; see that the variant's size is right.",
    )
    START_TIMEOUT = (
        "StartTimeout", "The model was not ready in the policy's startTimeout.", FAILED,
        "See the pod's log; if loading only takes long, raise fallback.startTimeout.",
    )
    # Of a candidate that could serve.
    LATER_TIER = (
        "LaterTier", "A candidate of an earlier tier serves.", FEASIBLE,
        "Nothing is wrong. To prefer it, put its tier earlier in the policy.",
    )
    LESS_ROOM = (
        "LessRoom", "Another candidate has room for more replicas, or for certain.", FEASIBLE,
        "Nothing is wrong. To prefer it, give its pool more nodes, or want fewer replicas.",
    )
    NOT_BEST = (
        "NotBest", "Another candidate is better on the policy's goal.", FEASIBLE,
        "Nothing is wrong. To prefer it, choose another goal or order of tiers in the policy.",
    )
    KEPT_CURRENT = (
        "KeptCurrent", "What serves is feasible and stays.", FEASIBLE,
        "Nothing is wrong. To move, exclude what serves in the policy or name another policy.",
    )
    # Of conditions.
    PLACED = (
        "Placed", "All wanted replicas have a place.", "Placed=True",
        "Nothing is to be done.",
    )
    PARTIALLY_PLACED = (
        "PartiallyPlaced", "Some of the wanted replicas have a place.", WAITS,
        "Add nodes or allow split in the policy; if the message speaks of cost, raise the budget.",
    )
    SCALED_TO_ZERO = (
        "ScaledToZero", "No replicas are wanted.", NOTHING_WANTED,
        "Raise spec.replicas to serve.",
    )
    NO_CANDIDATE = (
        "NoFeasibleCandidate", "No variant can be served on any pool.", STALLS,
        "Mend what the message names for the nearest candidate; status.candidates has the others.",
    )
    NO_POOL = (
        "NoAccelerators", "The cluster has no pool that Stowage recognises.", STALLS,
        "See that the device plugin runs; add an AcceleratorClass for a device that isn't known.",
    )
    NO_SPARE_DEVICE = (
        "NoSpareDevice", "A move is due and waits for a spare device.", WAITS,
        "Free a device or add a node, or set disruption.whenFull to Replace, which ends what serves first.",
    )
    UNKNOWN_POLICY = (
        "UnknownPolicy", "The policy named doesn't exist.", STALLS,
        "Name one that exists (kubectl get plp), or none for the default one.",
    )
    POLICY_NOT_ADMITTED = (
        "PolicyNotAdmitted", "The policy doesn't admit the namespace.", STALLS,
        "Name another policy, or give the namespace the labels that spec.namespaces of the policy asks for.",
    )
    NO_RUNTIME = (
        "NoRuntime", "No runtime serves any of the variants.", STALLS,
        "Add a variant in a format that a runtime loads (stowage catalog lists them), or add a runtime.",
    )
    INVALID_SPEC = (
        "InvalidSpec", "The object can't be understood.", STALLS,
        "Correct the field that the message names; until then the last good spec goes on serving.",
    )
    RESERVED_ARGUMENT = (
        "ReservedArgument", "An extra argument is the runtime's own.", REFUSED,
        "Leave it out of spec.template.extraArguments.",
    )
    RESERVED_VARIABLE = (
        "ReservedVariable", "An environment variable is the runtime's own.", REFUSED,
        "Leave it out of spec.template.env.",
    )
    SERVICE_ACCOUNT_NOT_ALLOWED = (
        "ServiceAccountNotAllowed", "The policy doesn't list the ServiceAccount.", STALLS,
        "Leave spec.template.serviceAccountName out, or name one that the policy's serviceAccounts list.",
    )
    PRIORITY_NOT_ALLOWED = (
        "PriorityNotAllowed", "The policy doesn't list the priority class.", STALLS,
        "Name one that the policy's priorityClasses list, or none.",
    )
    NAME_CONFLICT = (
        "NameConflict", "A child's name is taken by somebody else's object.", REFUSED,
        "Delete or rename that object, or give the InferenceDeployment another name.",
    )
    APPLY_FAILED = (
        "ApplyFailed", "The API server refused a child.", REFUSED,
        "Mend what the message names, such as a quota or a webhook; it is tried again by itself.",
    )
    PAUSED = (
        "Paused", "The object is frozen.", FROZEN,
        "Set spec.paused to false to let changes through.",
    )
    SERVING = (
        "Serving", "The wanted replicas serve.", "Ready=True",
        "Nothing is to be done.",
    )
    STARTING = (
        "Starting", "Replicas are starting.", UNDER_WAY,
        "Wait: large models take minutes to load. kubectl describe pod shows what holds one up.",
    )
    MOVING = (
        "Moving", "A new placement starts while the old one serves.", UNDER_WAY,
        "Wait: the old placement goes on serving until the new one is ready.",
    )
    NOT_PLACED = (
        "NotPlaced", "Nothing is placed.", WAITS,
        "Wait: the operator has not decided yet. If it lasts, see that the operator runs.",
    )
    SETTLED = (
        "Settled", "Nothing is under way.", QUIET,
        "Nothing is to be done.",
    )
    DEFAULT_CONFLICT = (
        "DefaultConflict", "Two policies are the default; the oldest wins.", CONFLICT,
        "Unset spec.default in all policies but one.",
    )
    # fmt: on


TRANSIENT = frozenset({Code.NO_USABLE_NODE, Code.NO_CAPACITY, Code.IN_BACKOFF, Code.LESS_ROOM})
"""Reasons that come and go with other people's pods: alone, they are no cause to rewrite a status."""
