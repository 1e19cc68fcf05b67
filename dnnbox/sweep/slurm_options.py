"""The table ``[slurm]`` of a matrix → submitit's parameters for a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnnbox.errors import Usage
from dnnbox.text import visible

DEFAULT_WORKERS = 32
_OURS = ("workers", "device", "partitions", "setup", "additional")
_NAMES = {
    "partition": "slurm_partition",
    "account": "slurm_account",
    "qos": "slurm_qos",
    "constraint": "slurm_constraint",
    "exclusive": "slurm_exclusive",
    "array_parallelism": "slurm_array_parallelism",
    "gres": "slurm_gres",
    "use_srun": "slurm_use_srun",
    "timeout_min": "timeout_min",
    "cpus_per_task": "cpus_per_task",
    "gpus_per_node": "gpus_per_node",
    "mem_gb": "mem_gb",
    "nodes": "nodes",
}


def parameters(settings: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Return submitit's parameters for a device: the common ones, the device's, then those of the partition.

    Raises:
        Usage: an option that is not known.
    """
    common = {key: value for key, value in settings.items() if key not in ("device", "partitions")}
    by_device = settings.get("device", {}).get(device.partition(":")[0], {})
    chosen = {**common, **by_device}
    partition = settings.get("partitions", {}).get(str(chosen.get("partition", "")), {})
    chosen = {**partition, **chosen}
    if device.startswith(("cuda", "rocm")):
        chosen.setdefault("gpus_per_node", 1)
    if unknown := sorted(set(chosen) - set(_NAMES) - set(_OURS)):
        hint = f"known: {', '.join((*_NAMES, *_OURS))}; others go into `additional`"
        raise Usage(f"[slurm]: unknown option `{visible(unknown[0], 60)}`", hint=hint, phase="sweep")
    found = {_NAMES[key]: value for key, value in chosen.items() if key in _NAMES}
    found.setdefault("timeout_min", 240)
    # A second program between the batch script and the worker would only add its start.
    found.setdefault("slurm_use_srun", False)
    if additional := chosen.get("additional"):
        found["slurm_additional_parameters"] = dict(additional)
    if setup := chosen.get("setup"):
        found["slurm_setup"] = list(setup)
    return found


def workers(settings: Mapping[str, Any], calls: int) -> int:
    """Return how many jobs share that many calls.

    Raises:
        Usage: `workers` is no number above 0.
    """
    wanted = settings.get("workers", settings.get("array_parallelism", DEFAULT_WORKERS))
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise Usage(f"[slurm]: `workers` is {visible(str(wanted), 40)}, no number above 0", phase="sweep")
    return min(calls, wanted)


def placement(settings: Mapping[str, Any]) -> str:
    """Return what decides on which machines cells land: figures of other machines are other figures."""
    tables = {"": settings, **settings.get("device", {})}
    parts = [
        f"{device} {name} {table[name]}".strip()
        for device, table in tables.items()
        for name in ("partition", "constraint", "gres")
        if isinstance(table, Mapping) and name in table
    ]
    return ", ".join(parts) or "partition default"
