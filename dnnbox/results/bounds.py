"""What bounds a model, with the evidence: its stages first, then how its operators fill a call and how near they are
to what this device reached when it was asked for nothing but products and copies."""

from __future__ import annotations

from dnnbox.records.measurements import Profile, Stats

STAGE_SHARE = 0.5
"""A stage around the model that takes half of a request is what bounds it."""
FILLED_SHARE = 0.6
"""Below this, a call spends too much time between operators for their work to matter."""
SLOWDOWN = 2.0
"""A call that the profiler slows down more than this shows the profiler's own gaps."""
ROOF_SHARE = 0.3
"""A model of many shapes that reaches a third of a roof is held by it; one big matrix product defines the roof."""
TINY_US = 20.0
"""Operators shorter than this mostly cost their start."""

_STAGES = {
    "preprocess": ("preprocess", "preprocessing takes"),
    "postprocess": ("postprocess", "decoding the output takes"),
}


def bound_by(stats: Stats, profile: Profile, reason: str) -> dict[str, str]:
    """Return ``verdict`` and ``evidence``; ``reason`` says why there is no profile."""
    return (
        _by_stage(stats)
        or _unsettled(stats, reason)
        or _by_roof(profile)
        or _by_gaps(profile)
        or _by_starts(profile)
        or {"verdict": "unknown", "evidence": _why_unknown(profile, reason)}
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%" if share >= 0.0095 else f"{100 * share:.1f}\u00a0%"


def _by_stage(stats: Stats) -> dict[str, str] | None:
    shares = {name.removeprefix("warm."): share for name, share in stats.shares.items() if name.startswith("warm.")}
    for name, (verdict, words) in _STAGES.items():
        if shares.get(name, 0.0) >= STAGE_SHARE:
            return {"verdict": verdict, "evidence": f"{words} {_percent(shares[name])} of a request"}
    copies = shares.get("host_to_device", 0.0) + shares.get("device_to_host", 0.0)
    if copies >= STAGE_SHARE:
        return {
            "verdict": "transfer",
            "evidence": f"copies to and from the device take {_percent(copies)} of a request",
        }
    return None


def _unsettled(stats: Stats, reason: str) -> dict[str, str] | None:
    if stats.quality != "unstable" or reason:
        return None
    return {"verdict": "unknown", "evidence": "the figures did not settle, so they say nothing of how near the roof is"}


def _by_gaps(profile: Profile) -> dict[str, str] | None:
    filled = profile.shares.get("operators_share")
    if filled is None or filled >= FILLED_SHARE or (profile.slowdown or 0.0) > SLOWDOWN:
        return None
    on_gpu = any(operator.provider.lower() not in ("cpu", "") for operator in profile.operators)
    is_python = profile.tool.startswith("torch") and not on_gpu and not _is_scripted(profile)
    evidence = f"operators fill {_percent(filled)} of a profiled call; the rest is spent between them"
    return {"verdict": "python" if is_python else "launch", "evidence": evidence}


def _is_scripted(profile: Profile) -> bool:
    return any(operator.name == "forward" for operator in profile.operators)


def _by_roof(profile: Profile) -> dict[str, str] | None:
    compute, memory = (profile.roofline.get(f"{name}_share", 0.0) for name in ("compute", "memory"))
    if max(compute, memory) < ROOF_SHARE or compute > 1:
        return None
    more = ", so its data stays in caches" if memory > 1 else ""
    return {"verdict": "compute" if compute >= memory else "memory", "evidence": _reached(profile) + more}


def _reached(profile: Profile) -> str:
    names = (("compute_share", "measured compute peak"), ("memory_share", "measured copy rate"))
    told = [f"{_percent(profile.roofline[key])} of the {what}" for key, what in names if key in profile.roofline]
    return f"the model reaches {' and '.join(told)}" if told else ""


def _by_starts(profile: Profile) -> dict[str, str] | None:
    """Many operators in little time: what it takes to start them is what counts."""
    calls = sum(operator.calls for operator in profile.operators)
    if not calls or not profile.profiled_ms or not profile.slowdown or profile.roofline.get("compute_share", 0.0) > 1:
        return None
    each_us = 1e3 * profile.profiled_ms / profile.slowdown / calls
    if each_us >= TINY_US:
        return None
    evidence = f"a call has {calls:.0f} operators, one in {each_us:.1f}\u00a0µs: starting them is what takes the time"
    return {"verdict": "launch", "evidence": evidence}


def _why_unknown(profile: Profile, reason: str) -> str:
    reached = _reached(profile)
    if profile.roofline.get("compute_share", 0.0) > 1:
        return f"{reached}, which was measured too low on a busy machine"
    if not reached:
        missing = (profile.reasons.get(name) for name in ("peaks", "total_flops"))
        return reason or next(filter(None, missing), "the model was not timed")
    largest = profile.operators[0] if profile.operators else None
    more = f"; most time goes to {largest.name}, {_percent(largest.share)}" if largest else ""
    return f"{reached}, so neither holds it{more}"
