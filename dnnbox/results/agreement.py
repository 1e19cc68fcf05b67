"""How near two sets of outputs are, tensor by tensor, from the kept arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from dnnbox.harness.arrays import Array, load
from dnnbox.records.evaluation import TensorAgreement
from dnnbox.records.run import RunOutcome
from dnnbox.text import visible

LARGEST_VALUES = 16 << 20
"""Above this only every k-th value is compared, because both sides are read without numpy."""

Named = Sequence[tuple[str, Array]]


def kept_outputs(outcome: RunOutcome) -> list[tuple[str, Array]]:
    """Return the output arrays that a verified inference left on the host."""
    assert outcome.result is not None
    kept = [record for record in outcome.result.arrays if record.role == "output" and record.path in outcome.files]
    return [(record.name, load(outcome.files[record.path])) for record in kept]


def saved_outputs(path: Path) -> list[tuple[str, Array]]:
    """Return the arrays of a .npy file, a folder of them, or an experiment; in the order of their names.

    Raises:
        ValueError: a file is no array.
    """
    if path.is_file():
        return [("", load(str(path)))]
    folder = path / "outputs" / "arrays" if (path / "outputs" / "arrays").is_dir() else path
    return [(file.stem, load(str(file))) for file in sorted(folder.glob("*.npy")) if file.is_file()]


def compare(ours: Named, theirs: Named) -> tuple[TensorAgreement, ...]:
    """Compare by name where the names agree, else in order; an output without a partner says so."""
    by_name = dict(theirs)
    left = list(theirs)
    found = []
    for place, (name, array) in enumerate(ours):
        partner = (name, by_name[name]) if name in by_name else _ending(name, left)
        if partner is None and place < len(theirs) and len(theirs) == len(ours):
            partner = theirs[place]
        found.append(_compared(name, array, partner))
    return tuple(found)


def _ending(name: str, theirs: Named) -> tuple[str, Array] | None:
    """Return the array of a file that dnnbox named: 01_output_logits."""
    return next((one for one in theirs if one[0].endswith(f"_output_{name}")), None)


def _compared(name: str, ours: Array, partner: tuple[str, Array] | None) -> TensorAgreement:
    told = visible(name, 80)
    shape = tuple(int(size) for size in ours.shape)
    if partner is None:
        return TensorAgreement(told, "", shape, ours.dtype, problem="the reference has no such output")
    other, theirs = partner
    label = visible(other, 80)
    if tuple(theirs.shape) != tuple(ours.shape):
        problem = f"the reference has the shape {list(theirs.shape)}"
        return TensorAgreement(told, label, shape, ours.dtype, problem=problem)
    if ours.dtype == theirs.dtype and bytes(ours.data) == bytes(theirs.data):
        return TensorAgreement(told, label, shape, ours.dtype, True, 0.0, 0.0, 0.0, 1.0, 1.0)
    return _measured(TensorAgreement(told, label, shape, ours.dtype), ours, theirs)


def _measured(record: TensorAgreement, ours: Array, theirs: Array) -> TensorAgreement:
    from dataclasses import replace

    a, b = ours.values(), theirs.values()
    step = max(1, len(a) // LARGEST_VALUES)
    one, two = [float(value) for value in a[::step]], [float(value) for value in b[::step]]
    if not all(map(math.isfinite, one)) or not all(map(math.isfinite, two)):
        return replace(record, problem="one side is not finite")
    gaps = [abs(x - y) for x, y in zip(one, two, strict=True)]
    largest = max(map(abs, two), default=0.0)
    length = math.sqrt(math.fsum(x * x for x in one)) * math.sqrt(math.fsum(y * y for y in two))
    cosine = math.fsum(x * y for x, y in zip(one, two, strict=True)) / length if length else None
    return replace(
        record,
        max_abs=max(gaps, default=0.0),
        max_rel=max(gaps, default=0.0) / largest if largest else None,
        mean_abs=math.fsum(gaps) / len(gaps) if gaps else None,
        cosine=min(1.0, cosine) if cosine is not None else None,
        same_best=_same_best(record.shape, one, two) if step == 1 else None,
    )


def _same_best(shape: Sequence[int], one: Sequence[float], two: Sequence[float]) -> float | None:
    """Return the share of rows whose largest value stands in the same place, for scores of classes."""
    if len(shape) != 2 or shape[1] < 2 or not shape[0]:
        return None
    width = shape[1]
    same = 0
    for start in range(0, len(one), width):
        x, y = one[start : start + width], two[start : start + width]
        same += max(range(width), key=x.__getitem__) == max(range(width), key=y.__getitem__)
    return same / shape[0]


def summary(tensors: Sequence[TensorAgreement]) -> Mapping[str, float | None]:
    """Return the worst of all tensors, as targets name them; None where a tensor could not be compared."""
    if not tensors or any(tensor.problem for tensor in tensors):
        return {"agreement_max_abs": None, "agreement_max_rel": None, "agreement_cosine": None}

    def worst(name: str, pick: object) -> float | None:
        values = [getattr(tensor, name) for tensor in tensors]
        known = [value for value in values if value is not None]
        return (max if pick is max else min)(known) if len(known) == len(values) else None

    return {
        "agreement_max_abs": worst("max_abs", max),
        "agreement_max_rel": worst("max_rel", max),
        "agreement_cosine": worst("cosine", min),
    }
