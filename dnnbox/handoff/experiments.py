"""Opens an experiment for a comparison, and says what two of them must share to be compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnnbox.errors import BadOutput, DnnboxError, Usage, by_name
from dnnbox.experiment import INDEX
from dnnbox.reports.outputs import Outputs, load
from dnnbox.text import visible

_NEEDED = ("experiment.json", "stats.json", "verdict.json", "environment.json", "samples.json")


@dataclass(frozen=True)
class Opened:
    """An experiment that was measured. ``name`` is what a reader recognises it by."""

    root: Path
    outputs: Outputs

    @property
    def name(self) -> str:
        return self.outputs.index.id or visible(self.root.name, 40)

    @property
    def machine(self) -> Mapping[str, Any]:
        return self.outputs.environment.machine if self.outputs.environment else {}


def open_experiment(root: Path) -> Opened:
    """Return the experiment in ``root``.

    Raises:
        Usage: the folder is no experiment.
        BadOutput: its results cannot be read.
        DnnboxError: the error that the run itself ended with, where it did not come to its figures.
    """
    if not (root / INDEX).is_file():
        raise Usage(
            f"{visible(root.name, 60)} is no experiment folder", hint="give the folder that holds experiment.json"
        )
    outputs = load(root)
    if broken := [name for name in outputs.unread if name in _NEEDED]:
        raise BadOutput(
            f"{visible(root.name, 60)}: {', '.join(broken)} cannot be read", hint="run the experiment again"
        )
    return Opened(root, outputs)


def require_figures(opened: Opened) -> None:
    """Raise the error that the run ended with: a gate must not call a broken machine a slow model."""
    index = opened.outputs.index
    if index.status == "success" and opened.outputs.is_measured:
        return
    error = index.error or {}
    leaf = by_name(str(error.get("code", index.exit_code))) or BadOutput
    if leaf.code in (0, 1):
        leaf = BadOutput
    message = str(error.get("message") or f"its status is {index.status}")
    raised: DnnboxError = leaf(
        f"the experiment {opened.name} has no figures to judge: {visible(message, 200)}",
        hint=leaf.remedy,
        phase="gate",
    )
    raise raised


def hardware_class(opened: Opened) -> dict[str, str]:
    """Return what two experiments must share before their figures are held against each other."""
    outputs, machine = opened.outputs, opened.machine
    found = {
        "device": _device(outputs.index.device, machine),
        "driver": re.split(r"[.\s]", str(machine.get("driver") or "none"))[0],
        "precision": outputs.stats.precision,
        "threads": str(outputs.stats.threads or "default"),
        "batch": str(outputs.stats.batch),
    }
    return {name: visible(value, 80) for name, value in found.items()}


def _device(device: str, machine: Mapping[str, Any]) -> str:
    gpus = machine.get("gpu")
    if device.startswith(("cuda", "rocm")) and isinstance(gpus, list) and gpus:
        number = int(device.partition(":")[2] or 0)
        chosen = gpus[min(number, len(gpus) - 1)]
        return str(chosen.get("name", chosen) if isinstance(chosen, Mapping) else chosen)
    if device.startswith(("cuda", "rocm", "mps")):
        return device
    cores = machine.get("cores_available") or machine.get("cores") or "?"
    return f"{machine.get('cpu', 'unknown CPU')}, {cores} cores"


def refuse_other_class(one: Opened, other: Opened) -> None:
    """Raise where two experiments are not of one hardware class, naming every field that differs.

    Raises:
        Usage: they cannot be compared.
    """
    mine, theirs = hardware_class(one), hardware_class(other)
    different = [f"{name} {mine[name]} against {theirs[name]}" for name in mine if mine[name] != theirs[name]]
    if different:
        raise Usage(
            f"{one.name} and {other.name} are of different hardware classes and are not compared: "
            f"{'; '.join(different)}",
            hint="run the baseline again on this class of machine, with the same options",
            phase="gate",
        )
