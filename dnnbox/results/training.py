"""What the training check in the box found becomes ``training.json``. The box's words and numbers are foreign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dnnbox import text
from dnnbox.records.evaluation import TrainingCheck
from dnnbox.records.run import RunOutcome
from dnnbox.results import told

_DEFINITIONS = {
    "losses": "the loss of one batch before each step; the same batch every time, labels made up and seeded",
    "finite_loss": "no loss is NaN or infinite",
    "finite_gradients": "no gradient of the first step is NaN or infinite",
    "gradients": "at most a tenth of the trainable weights got no gradient in the first step; those are named",
    "weights_change": "at least one weight differs after the last step",
    "loss_falls": "the mean of the last three losses is below the first one",
    "step_ms": "median wall time of a step after the first; not a benchmark",
    "memory.host_peak_mib": "largest resident memory of the process, from its start to the last step",
}


def training(outcome: RunOutcome | None, *, wanted: bool, reason: str = "") -> TrainingCheck | None:
    """Return ``training.json``; None where no training check was asked for."""
    if not wanted:
        return None
    found = outcome.result.findings if outcome is not None and outcome.result is not None else {}
    if not found:
        return TrainingCheck(reasons={"checks": reason or "the training check was not made"})
    checks = tuple(_check(item) for item in _list(found.get("checks")))
    memory = found.get("memory")
    sizes = memory if isinstance(memory, Mapping) else {}
    return TrainingCheck(
        passed=bool(checks) and all(check["passed"] for check in checks),
        checks=checks,
        optimizer=_word(found, "optimizer"),
        loss=_word(found, "loss"),
        precision=_word(found, "precision"),
        device=_word(found, "device"),
        losses=tuple(told.real(value) for value in _list(found.get("losses"))[:1000]),
        without_gradient=tuple(text.visible(str(name), 120) for name in _list(found.get("without_gradient"))[:20]),
        zero_gradient=tuple(text.visible(str(name), 120) for name in _list(found.get("zero_gradient"))[:20]),
        memory={
            name: size / 2**20 if (size := told.real(sizes.get(name.replace("_mib", "_bytes")))) is not None else None
            for name in ("host_peak_mib", "vram_peak_mib")
        },
        definitions=_DEFINITIONS,
        reasons={"memory.vram_peak_mib": "no GPU"} if sizes.get("vram_peak_bytes") is None else {},
        **_numbers(found),
    )


_REALS = ("learning_rate", "weight_decay", "first_loss", "last_loss", "gradient_norm", "step_ms", "first_step_ms")
_COUNTS = ("batch", "steps", "trained_weights", "frozen_weights", "parameters", "zero_gradient_n")


def _numbers(found: Mapping[str, Any]) -> dict[str, Any]:
    reals = {name: told.real(found.get(name)) for name in _REALS}
    return {**reals, **{name: int(told.real(found.get(name)) or 0) for name in _COUNTS}}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _word(found: Mapping[str, Any], name: str) -> str:
    return text.visible(str(found.get(name) or ""), 200)


def _check(item: Any) -> dict[str, Any]:
    entry = item if isinstance(item, Mapping) else {}
    return {
        "name": text.visible(str(entry.get("name", "")), 60),
        "passed": entry.get("passed") is True,
        "detail": text.visible(str(entry.get("detail", "")), 300),
    }
