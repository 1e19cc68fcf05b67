"""What goes in and what comes out: the observed tensors, put together with what the file and the configs declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dnnbox.harness.protocol import TensorRecord
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.records.measurements import Contract, ContractField, ContractStep
from dnnbox.records.run import RunOutcome

BY_SIZES = "the sizes of the dimensions"
_CHANNELS = (1, 3, 4)
_MAX_DECODED = 20


def contract(outcome: RunOutcome | None, hints: IoHints) -> Contract:
    """Return the contract of one verified inference; without one, what is declared or assumed only.

    What ran is ``observed``; a dimension that a declaration names stays symbolic when its rank and fixed sizes agree.
    """
    result = outcome.result if outcome else None
    if result is None:
        return Contract(
            inputs=tuple(_declared(hint) for hint in hints.inputs),
            outputs=tuple(_declared(hint) for hint in hints.outputs),
        )
    ranges = {(a.role, a.name): (a.minimum, a.maximum) for a in result.arrays}
    sizes = {(a.role, a.name): tuple(a.shape) for a in result.arrays}
    inputs = _Side("input", hints.inputs, hints.modality, ranges, sizes)
    outputs = _Side("output", hints.outputs, "", ranges, sizes)
    return Contract(
        inputs=tuple(inputs.field(record, i) for i, record in enumerate(result.inputs)) or inputs.declared(),
        outputs=tuple(outputs.field(record, i) for i, record in enumerate(result.outputs)) or outputs.declared(),
        preprocessing=_steps(result.preprocessing),
        postprocessing=_steps(result.postprocessing),
        checks=tuple({"name": c.name, "passed": c.passed, "detail": c.detail} for c in result.checks),
        decoded=tuple(result.decoded[:_MAX_DECODED]),
    )


def opened(found: Contract, memory: RunOutcome | None) -> Contract:
    """Return the contract with N as the first dimension of what doubled with the batch."""
    told = memory.result.findings.get("open_batch") if memory is not None and memory.result is not None else None
    if not isinstance(told, Mapping):
        return found
    inputs = _with_open_batch(found.inputs, told.get("inputs"))
    return replace(found, inputs=inputs, outputs=_with_open_batch(found.outputs, told.get("outputs")))


def _with_open_batch(tensors: Sequence[ContractField], names: Any) -> tuple[ContractField, ...]:
    opened_names = names if isinstance(names, list) else []
    return tuple(
        replace(tensor, shape=("N", *tensor.shape[1:])) if _is_fixed(tensor) and tensor.name in opened_names else tensor
        for tensor in tensors
    )


def _is_fixed(tensor: ContractField) -> bool:
    """Say whether the first dimension has a size and no name."""
    return bool(tensor.shape) and isinstance(tensor.shape[0], int)


@dataclass(frozen=True)
class _Side:
    """All inputs or all outputs: how they were declared, and what the kept arrays hold."""

    role: str
    hints: Sequence[IoField]
    modality: str
    ranges: Mapping[tuple[str, str], tuple[float | None, float | None]]
    sizes: Mapping[tuple[str, str], tuple[int, ...]]

    def declared(self) -> tuple[ContractField, ...]:
        return tuple(_declared(hint) for hint in self.hints)

    def field(self, record: TensorRecord, place: int) -> ContractField:
        hint = self._hint(record, place)
        status, source = {"dtype": record.status}, {"dtype": record.source or "the run"}
        shape = _merged(record, hint)
        is_declared = hint is not None and shape == hint.shape and hint.status != "observed"
        status["shape"] = hint.status if hint is not None and is_declared else record.status
        source["shape"] = (hint.source if hint is not None and is_declared else record.source) or "the run"
        layout = picture_layout(shape) if self.modality == "image" else None
        if layout:
            status["layout"], source["layout"] = "assumed", BY_SIZES
        low, high = self.ranges.get((self.role, record.name), (None, None))
        span = (low, high) if low is not None and high is not None else None
        if span:
            status["range"], source["range"] = "observed", "the kept array"
        ran_with = self.sizes.get((self.role, record.name), ())
        return ContractField(record.name, shape, record.dtype, layout, span, status, source, ran_with=ran_with)

    def _hint(self, record: TensorRecord, place: int) -> IoField | None:
        named = next((hint for hint in self.hints if hint.name == record.name), None)
        if named is not None:
            return named
        is_alone = len(self.hints) == 1 and place == 0
        return self.hints[0] if is_alone else None


def _declared(hint: IoField) -> ContractField:
    known = {"shape": hint.shape is not None, "dtype": bool(hint.dtype)}
    return ContractField(
        name=hint.name,
        shape=hint.shape or (),
        dtype=hint.dtype,
        status={name: hint.status for name, is_known in known.items() if is_known},
        source={name: hint.source for name, is_known in known.items() if is_known and hint.source},
    )


def _merged(record: TensorRecord, hint: IoField | None) -> tuple[int | str, ...]:
    observed: tuple[int | str, ...] = tuple(size if isinstance(size, int) else str(size) for size in record.shape)
    return hint.shape if hint is not None and hint.shape is not None and hint.takes(observed) else observed


def picture_layout(shape: Sequence[int | str]) -> str | None:
    """Return the order of a picture's dimensions, by where its channels can be; None for other shapes."""
    if len(shape) not in (3, 4):
        return None
    batch = "N" if len(shape) == 4 else ""
    if shape[-3] in _CHANNELS:
        return f"{batch}CHW"
    return f"{batch}HWC" if shape[-1] in _CHANNELS else None


def _steps(steps: Sequence[Mapping[str, Any]]) -> tuple[ContractStep, ...]:
    return tuple(
        ContractStep(
            step=str(step.get("step", "")),
            parameters=dict(parameters) if isinstance(parameters := step.get("parameters"), Mapping) else {},
            status=str(step.get("status") or "assumed"),
            source=str(step.get("source") or ""),
        )
        for step in steps
    )
