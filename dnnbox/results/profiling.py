"""The profile: which operators take the time, how much work they do, and what bounds the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dnnbox.records.measurements import Operator, Profile, Stats
from dnnbox.records.run import RunOutcome
from dnnbox.results.bounds import bound_by

_SHOWN = 20
_NODES = 40
_DEFINITIONS = {
    "operators": "own time of each kind of operator per call of the model, in a pass that is slower than the measured "
    "one; share of the time of all operators",
    "operators.bytes": "inputs, weights and outputs of the operator, as if no cache kept anything between two of them",
    "total_flops": "multiplications and additions of convolutions, matrix products and attention; "
    "other operators are not counted",
    "fallbacks": "nodes that ran on the CPU although a GPU was asked for: the provider of each node, as the "
    "runtime's own profile names it",
    "slowdown": "median profiled call of the model over p50 of the stage that is not profiled",
    "peaks": "best of several matrix products and of several copies, in the process of the profile",
    "roofline": "work per call over p50 of the model, against the measured peaks",
}


def profile(outcomes: Sequence[RunOutcome], stats: Stats, *, reason: str = "", trace: str = "") -> Profile:
    """Return ``outputs/profile.json``; ``reason`` says why no profile was taken, ``trace`` where the trace lies."""
    raw = _raw(outcomes)
    if not raw:
        why = reason or "no profile was taken"
        return Profile(bound_by=bound_by(stats, Profile(), why), reasons={"operators": why})
    rows = [row for row in raw.get("operators", []) if isinstance(row, Mapping)]
    whole = number(raw.get("self_ns")) or 1.0
    model = stats.warm.stages_ms.get("model")
    model_ms = model.p50 if model else None
    profiled_ms = _ms(raw.get("profiled_ns"))
    peaks = raw.get("peaks")
    found = Profile(
        tool=str(raw.get("tool", "")),
        calls=int(number(raw.get("calls")) or 0),
        profiled_ms=profiled_ms,
        slowdown=round(profiled_ms / model_ms, 3) if profiled_ms and model_ms else None,
        operators=tuple(_operator(row, whole) for row in rows[:_SHOWN]),
        operators_n=int(number(raw.get("operators_n")) or len(rows)),
        total_flops=_whole(raw.get("flops")),
        total_bytes=_whole(raw.get("bytes")),
        peaks=dict(peaks) if isinstance(peaks, Mapping) else {},
        shares=_shares(raw),
        providers=_counts(raw.get("providers")),
        nodes=tuple(_node(node) for node in raw.get("nodes", [])[:_NODES] if isinstance(node, Mapping)),
        fallbacks=tuple(_node(node) for node in raw.get("fallbacks", [])[:_NODES] if isinstance(node, Mapping)),
        fallbacks_n=int(number(raw.get("fallbacks_n")) or 0),
        trace=trace,
        definitions=_DEFINITIONS,
        reasons=_reasons(raw, trace),
    )
    found = _with_roofline(found, model_ms)
    return replace(found, bound_by=bound_by(stats, found, ""))


def _raw(outcomes: Sequence[RunOutcome]) -> Mapping[str, Any]:
    results = [o.result for o in outcomes if o.job == "profile" and o.result is not None and o.result.error is None]
    return results[-1].profile if results else {}


def number(value: Any) -> float | None:
    """Return a number that the box told, None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value >= 0 else None


def _whole(value: Any) -> int | None:
    found = number(value)
    return int(found) if found else None


def _ms(value: Any) -> float | None:
    found = number(value)
    return round(found / 1e6, 6) if found else None


def _operator(row: Mapping[str, Any], whole_ns: float) -> Operator:
    own = number(row.get("self_ns")) or 0.0
    return Operator(
        name=str(row.get("name", ""))[:120],
        calls=number(row.get("calls")) or 0.0,
        self_ms=round(own / 1e6, 6),
        share=round(own / whole_ns, 6),
        flops=_whole(row.get("flops")),
        bytes=_whole(row.get("bytes")),
        provider=str(row.get("provider", ""))[:40],
        shapes=str(row.get("shapes", ""))[:200],
    )


def _node(node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": str(node.get("name", ""))[:200],
        "operator": str(node.get("operator", ""))[:80],
        "provider": str(node.get("provider", ""))[:40],
        "self_ms": _ms(node.get("self_ns")),
    }


def _counts(value: Any) -> dict[str, int]:
    pairs = value.items() if isinstance(value, Mapping) else ()
    return {str(name)[:40]: count for name, count in pairs if isinstance(count, int)}


def _shares(raw: Mapping[str, Any]) -> dict[str, float]:
    """Return what part of a profiled call the operators fill, and what part of their time is listed."""
    own, mean = number(raw.get("self_ns")), number(raw.get("mean_ns"))
    shares = {"operators_share": round(min(1.0, own / mean), 6)} if own and mean else {}
    listed = [number(row.get("self_ns")) or 0.0 for row in raw.get("operators", []) if isinstance(row, Mapping)]
    back = number(raw.get("fallbacks_ns"))
    if own and back:
        shares["fallbacks_share"] = round(back / own, 6)
    if own and listed:
        shares["others_share"] = round(max(0.0, 1 - sum(listed[:_SHOWN]) / own), 6)
    return shares


def _reasons(raw: Mapping[str, Any], trace: str) -> dict[str, str]:
    told = raw.get("reasons")
    reasons = {str(key)[:40]: str(text)[:300] for key, text in told.items()} if isinstance(told, Mapping) else {}
    names = {"flops": "total_flops", "bytes": "total_bytes"}
    reasons = {names.get(key, key): text for key, text in reasons.items()}
    if not trace:
        reasons.setdefault("trace", "the profiler left no trace")
    if not raw.get("peaks"):
        reasons.setdefault("peaks", "nothing in the box measures this device")
    if _whole(raw.get("flops")) is None:
        reasons.setdefault("total_flops", "no operator that can be counted")
    return reasons


def _with_roofline(profile: Profile, model_ms: float | None) -> Profile:
    """Add the achieved rates and their shares of the measured peaks."""
    flops_peak, bytes_peak = number(profile.peaks.get("flops_per_s")), number(profile.peaks.get("bytes_per_s"))
    if not model_ms or not flops_peak or not bytes_peak:
        return profile
    roofline: dict[str, float] = {"model_ms": model_ms, "ridge_flops_per_byte": round(flops_peak / bytes_peak, 3)}
    if profile.total_flops:
        roofline["flops_per_s"] = profile.total_flops / model_ms * 1e3
        roofline["compute_share"] = round(roofline["flops_per_s"] / flops_peak, 6)
    if profile.total_bytes:
        roofline["bytes_per_s"] = profile.total_bytes / model_ms * 1e3
        roofline["memory_share"] = round(roofline["bytes_per_s"] / bytes_peak, 6)
    if profile.total_flops and profile.total_bytes:
        roofline["flops_per_byte"] = round(profile.total_flops / profile.total_bytes, 3)
    return replace(profile, roofline=roofline)
