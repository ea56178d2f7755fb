"""What one replica asks of its node: devices, CPU, memory and local storage."""

from __future__ import annotations

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.quantity import GIB, parse_bytes, parse_millis
from stowage.api.variant import Variant
from stowage.placement.snapshot import Amounts, Pool

HOST_MEMORY_FACTOR = 1.3
HOST_MEMORY_BASE = 4 * GIB
CPU_PER_DEVICE = 4
STORAGE_FACTOR = 1.1
MEBIBYTE = 1024**2


def replica_requests(
    workload: InferenceDeployment, variant: Variant, pool: Pool, devices: int, model_memory: int
) -> Amounts:
    """Requests of one replica by resource name, in base units.

    Host memory is weights x 1.3 + 4 GiB (the weights pass through it while loading), CPU four cores
    a device, local storage the weights x 1.1; the template overrides each. On a CPU class a device
    is a core, and the host's memory is where the model lives.

    Args:
        model_memory: bytes that the model needs in the devices' memory, for CPU classes.
    """
    given = workload.spec.template.resources
    weights = parse_bytes(variant.size)
    cpu = devices * 1000 * (1 if pool.is_cpu else CPU_PER_DEVICE)
    memory = int(weights * HOST_MEMORY_FACTOR) + HOST_MEMORY_BASE
    if pool.is_cpu or pool.device_memory is None:
        memory = max(memory, model_memory)
    storage = int(weights * STORAGE_FACTOR)
    if given is not None:
        cpu = parse_millis(given.cpu) if given.cpu and not pool.is_cpu else cpu
        memory = parse_bytes(given.memory) if given.memory else memory
        storage = parse_bytes(given.ephemeral_storage) if given.ephemeral_storage else storage
    amounts = {"cpu": cpu, "memory": _whole_mebibytes(memory), "ephemeral-storage": _whole_mebibytes(storage)}
    if not pool.is_cpu:
        amounts[pool.resource] = devices
    return amounts


def _whole_mebibytes(count: int) -> int:
    return -(-count // MEBIBYTE) * MEBIBYTE
