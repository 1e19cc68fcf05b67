"""The output gate: nothing is timed before the output is there, finite, and the same the second time."""

from __future__ import annotations

import hashlib
import math
import sys
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from .arrays import Array
from .failures import Failure
from .protocol import Check

TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 5e-2}
"""Largest difference between two runs on one input, as a share of the output's largest magnitude."""

Named = List[Tuple[str, Array]]


class Summary(NamedTuple):
    """Figures of one array; None where there are no real values, only ``finite`` where a value is not finite."""

    finite: Optional[bool] = None
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    mean: Optional[float] = None
    std: Optional[float] = None


def _vector(array: Array) -> Any:
    """Return a numpy vector where the model loaded numpy anyway (100 times faster), else None."""
    numpy = sys.modules.get("numpy")
    return None if numpy is None else numpy.frombuffer(bytes(array.data), dtype=array.dtype)


def summarise(array: Array) -> Summary:
    """Return the figures of one array."""
    if not len(array.data) or array.dtype.startswith("complex"):
        return Summary()
    vector = _vector(array)
    if vector is not None:
        return _summary_of_vector(vector)
    values = array.values()
    if not all(map(math.isfinite, values)):
        return Summary(finite=False)
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    return Summary(True, float(min(values)), float(max(values)), mean, spread)


def _summary_of_vector(vector: Any) -> Summary:
    import numpy as np

    if not np.isfinite(vector).all():
        return Summary(finite=False)
    wide = vector.astype("float64")
    return Summary(True, *(float(figure) for figure in (wide.min(), wide.max(), wide.mean(), wide.std())))


def is_finite(array: Array) -> bool:
    """Say whether no value is NaN or infinite; true for an empty array."""
    if not array.dtype.startswith(("float", "complex")):
        return True
    vector = _vector(array)
    if vector is None:
        return all(map(math.isfinite, array.values()))
    import numpy as np

    return bool(np.isfinite(vector).all())


def relative_difference(first: Array, second: Array) -> float:
    """Return max |a - b| / max |a| of two finite arrays of one shape and dtype; 0.0 where they are equal."""
    if bytes(first.data) == bytes(second.data):
        return 0.0
    a, b = _vector(first), _vector(second)
    if a is not None:
        kind = "complex128" if first.dtype.startswith("complex") else "float64"
        a, b = a.astype(kind), b.astype(kind)
        return float(abs(a - b).max() / max(float(abs(a).max()), 1e-30))
    x, y = first.values(), second.values()
    largest = max(abs(value) for value in x)
    return float(max(abs(p - q) for p, q in zip(x, y)) / max(largest, 1e-30))


def gate(first: Named, second: Named, precision: str) -> List[Check]:
    """Return the checks over two outputs for the same input; a failed one is in the list too."""
    shape = _same_shape(first, second)
    checks = [_something(first), _finite(first), shape]
    if shape.passed and checks[1].passed:
        checks.append(_repeatable(first, second, TOLERANCE.get(precision, TOLERANCE["fp32"])))
    return checks


def require(checks: Sequence[Check]) -> None:
    """Raise the ``bad_output`` failure of the first check that did not pass."""
    for check in checks:
        if not check.passed:
            raise Failure("bad_output", "%s: %s" % (check.name, check.detail), "check")


def digest(outputs: Named) -> str:
    """Return the sha256 over the names, dtypes, shapes and bytes of all outputs."""
    total = hashlib.sha256()
    for name, array in outputs:
        total.update(repr((name, array.dtype, tuple(array.shape))).encode("utf-8"))
        total.update(bytes(array.data))
    return total.hexdigest()


def _something(outputs: Named) -> Check:
    return Check(
        "output",
        bool(outputs),
        "%d array%s" % (len(outputs), "" if len(outputs) == 1 else "s") if outputs else "the model returned no array",
    )


def _finite(outputs: Named) -> Check:
    bad = [name for name, array in outputs if not is_finite(array)]
    return Check("finite", not bad, "NaN or infinite values in %s" % ", ".join(bad) if bad else "every value is finite")


def _same_shape(first: Named, second: Named) -> Check:
    kinds = [[(name, array.dtype, tuple(array.shape)) for name, array in outputs] for outputs in (first, second)]
    if kinds[0] == kinds[1]:
        return Check("shape", True, "names, dtypes and shapes are the same in two runs")
    changed = [(a, b) for a, b in zip(*kinds) if a != b] or [(len(kinds[0]), len(kinds[1]))]
    return Check("shape", False, "first run %s, second run %s" % changed[0])


def _repeatable(first: Named, second: Named, tolerance: float) -> Check:
    worst_name, worst = "", 0.0
    for (name, a), (_, b) in zip(first, second):
        difference = relative_difference(a, b)
        if difference > worst:
            worst_name, worst = name, difference
    if worst == 0.0:
        return Check("repeatable", True, "two runs on one input are equal, bit for bit")
    detail = "%s differs by %.2g of its largest value between two runs (allowed %.2g)" % (worst_name, worst, tolerance)
    return Check("repeatable", worst <= tolerance, detail)
