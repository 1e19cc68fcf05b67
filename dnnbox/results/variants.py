"""Variants of the same model beside the plain run: their latency, and how far their output is from the plain one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.records.measurements import Statistics, Variant
from dnnbox.records.run import RunOutcome
from dnnbox.results import noise, statistics
from dnnbox.results.samples import read_all


def name_of(outcome: RunOutcome) -> str:
    """Return the variant that a job measured, "" for the plain model."""
    return str(outcome.settings.get("variant") or "")


def variants(outcomes: Sequence[RunOutcome], plain: Statistics) -> tuple[Variant, ...]:
    """Return one record for each variant that was asked for, with the reason where it has no figure."""
    return tuple(_variant(o, plain) for o in outcomes if o.job == "measure" and name_of(o))


def _variant(outcome: RunOutcome, plain: Statistics) -> Variant:
    result, name = outcome.result, name_of(outcome)
    if result is None:
        return Variant(name, reason="the process did not survive it")
    facts: Mapping[str, Any] = result.variant
    if result.error is not None:
        return Variant(name, difference=_number(facts.get("difference")), tolerance=_number(facts.get("tolerance")),
                       reason=result.error.detail[:300])  # fmt: skip
    processes = read_all([outcome])
    latency = statistics.summarise([ms for process in processes for ms in process.total_ms])
    threads = result.effective.get("threads")
    first = _number(facts.get("first_ns"))
    return Variant(
        name,
        latency,
        round(plain.p50 / latency.p50, 4) if plain.p50 and latency.p50 else None,
        _number(facts.get("difference")),
        _number(facts.get("tolerance")),
        str(result.effective.get("precision") or ""),
        threads if isinstance(threads, int) else None,
        noise.judge([outcome], processes)[0] if processes else None,
        round(first / 1e6, 3) if first is not None else None,
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
