"""Targets and baseline → met, missed or unknown per rule, and the one exit code of them all.

A rule is missed only where the change is beyond the noise of both sides *and* beyond the least effect that matters. It
is met only where such a change would have been seen. Everything else is unknown: a gate must not cry wolf, and
silence must mean something.

Latency is compared where the machine itself was equally fast (:mod:`dnnbox.handoff.pacing`). Where that cannot be, it
has two witnesses: neighbours on the machine move the median, but hardly the fastest request, while a slower model moves
both; so a regression needs both, and more than the machine's own difference explains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dnnbox import results
from dnnbox.errors import DnnboxError, Regression, TargetMissed, Unstable
from dnnbox.handoff import pacing, spread
from dnnbox.handoff.experiments import Opened, refuse_other_class, require_figures
from dnnbox.handoff.pacing import Paced
from dnnbox.handoff.spread import BLIND, Change, Figure, Side
from dnnbox.records.measurements import Stats, Target
from dnnbox.results.pace import SLOW

Status = Literal["met", "missed", "unknown"]

LEAST_MIB = 16.0
"""What resident memory differs by between equal runs, as files happen to be mapped."""


@dataclass(frozen=True)
class Limit:
    """One figure that must not get worse; ``least_effect`` is the share that nobody minds."""

    figure: Figure
    least_effect: float
    required: bool


@dataclass(frozen=True)
class Rule:
    """One line of the gate. ``base`` and ``change`` are None for a target; figures are in the metric's unit.

    ``basis`` says which part of the two runs was compared, where it was not all.
    """

    name: str
    metric: str
    kind: Literal["target", "baseline"]
    status: Status
    required: bool
    value: float | None
    base: float | None = None
    change: Change | None = None
    least_effect: float | None = None
    reason: str = ""
    basis: str = ""


@dataclass(frozen=True)
class Gate:
    """The whole answer. ``code`` is the exit code: 0, 1 target missed, 3 regression, 4 cannot be judged."""

    experiment: str
    baseline: str
    rules: tuple[Rule, ...]
    code: int
    notes: tuple[str, ...] = ()
    schema: str = "dnnbox.gate/1"

    @property
    def error(self) -> DnnboxError | None:
        """Return the code as the error that the command line ends with."""
        bad = [rule for rule in self.rules if rule.required and rule.status != "met"]
        first = next((r for r in bad if self.code == _code_of(r)), None)
        if first is None:
            return None
        leaf = {1: TargetMissed, 3: Regression, 4: Unstable}[self.code]
        return leaf(f"{first.name}: {first.reason}" if first.reason else first.name, hint=leaf.remedy, phase="gate")


def limits(min_effect: float) -> tuple[Limit, ...]:
    """Return what is compared: warm latency and memory decide, a cold start is told."""
    return (
        Limit("latency_p50_ms", min_effect, required=True),
        Limit("host_peak_mib", max(min_effect, 0.05), required=True),
        Limit("vram_peak_mib", max(min_effect, 0.05), required=True),
        Limit("cold_total_ms", max(min_effect, 0.05), required=False),
    )


def gate(
    candidate: Opened,
    baseline: Opened | None = None,
    *,
    targets: Sequence[str] = (),
    wants: Sequence[str] = (),
    min_effect: float = 0.02,
) -> Gate:
    """Judge an experiment. Without targets of its own it is held against those that it was run with.

    Raises:
        Usage: an unreadable target, or a baseline of another hardware class.
        DnnboxError: what a run that has no figures ended with, so that a broken machine is told from a slow model.
    """
    require_figures(candidate)
    outputs = candidate.outputs
    judged = _targets(candidate, targets, wants)
    rules = [_target_rule(target, outputs.stats) for target in judged]
    if baseline is not None:
        require_figures(baseline)
        refuse_other_class(candidate, baseline)
        compared = (_baseline_rule(candidate, baseline, limit) for limit in limits(min_effect))
        rules += [rule for rule in compared if rule is not None]
    codes = [_code_of(rule) for rule in rules if rule.required]
    code = next((code for code in (3, 1, 4) if code in codes), 0)
    notes = _notes(candidate, baseline)
    return Gate(candidate.name, baseline.name if baseline else "", tuple(rules), code, notes)


def _code_of(rule: Rule) -> int:
    if rule.status == "met":
        return 0
    if rule.status == "unknown":
        return Unstable.code
    return TargetMissed.code if rule.kind == "target" else Regression.code


def _targets(candidate: Opened, targets: Sequence[str], wants: Sequence[str]) -> tuple[Target, ...]:
    outputs = candidate.outputs
    if targets or wants:
        return results.judge(outputs.stats, outputs.contract, targets, wants).targets
    return outputs.verdict.targets


def _target_rule(target: Target, stats: Stats) -> Rule:
    reason = "" if target.status == "met" else target.method
    status: Status = target.status
    is_timing = target.metric.startswith(("latency", "throughput", "cold"))
    if status == "missed" and is_timing and stats.quality in ("contended", "unstable"):
        status, reason = "unknown", f"missed while the machine was {stats.quality}: {_noise(stats)}"
    return Rule(target.expression, target.metric, "target", status, target.required, target.measured, reason=reason)


def _baseline_rule(candidate: Opened, baseline: Opened, limit: Limit) -> Rule | None:
    sides = [spread.side(each.outputs.stats, each.outputs.samples, limit.figure) for each in (baseline, candidate)]
    base, other = sides
    if base is None or other is None:
        return None
    stats = (baseline.outputs.stats, candidate.outputs.stats)
    on_cpu = candidate.outputs.index.device == "cpu"
    paced = pacing.at_equal_pace(*stats, on_cpu=on_cpu) if limit.figure == "latency_p50_ms" else None
    if paced is not None and paced.sides is not None:
        base, other = paced.sides
    changed = spread.change(base, other)
    if limit.figure.endswith("_mib"):
        limit = replace(limit, least_effect=max(limit.least_effect, LEAST_MIB / base.value))
    status, reason = _judge(changed, _fastest(candidate, baseline, limit), paced, limit, stats)
    if status == "missed":
        reason = _cause(candidate, baseline, limit, base, other)
    return Rule(
        name=_rule_name(limit),
        metric=limit.figure,
        kind="baseline",
        status=status,
        required=limit.required,
        value=other.value,
        base=base.value,
        change=changed,
        least_effect=limit.least_effect,
        reason=reason,
        basis=paced.basis if paced is not None and paced.sides is not None else "",
    )


def _fastest(candidate: Opened, baseline: Opened, limit: Limit) -> Change | None:
    if limit.figure != "latency_p50_ms":
        return None
    base, other = (
        spread.side(each.outputs.stats, each.outputs.samples, "latency_min_ms") for each in (baseline, candidate)
    )
    return spread.change(base, other) if base is not None and other is not None else None


_NAMES = {
    "latency_p50_ms": "p50 not slower than",
    "cold_total_ms": "cold start not above",
    "host_peak_mib": "RAM not above",
    "vram_peak_mib": "VRAM not above",
}


def _rule_name(limit: Limit) -> str:
    return f"{_NAMES[limit.figure]} +\u00a0{100 * limit.least_effect:.3g}\u00a0%"


def _judge(
    changed: Change, fastest: Change | None, paced: Paced | None, limit: Limit, stats: Sequence[Stats]
) -> tuple[Status, str]:
    is_timing = limit.figure.endswith("_ms")
    is_paced = paced is not None and paced.sides is not None
    unstable = next((each for each in stats if _is_unstable(each) and not (is_paced and _only_spread(each))), None)
    if is_timing and unstable is not None:
        return "unknown", f"a side is unstable: {_noise(unstable)}"
    if paced is not None and paced.sides is not None:
        return _of_one(changed, paced.scale, limit)
    witnesses = [each for each in (changed, fastest) if each is not None]
    return _of_witnesses(witnesses, paced.drift if paced is not None else 1.0, limit, stats)


def _is_unstable(stats: Stats) -> bool:
    return stats.quality in ("unstable", None)


def _only_spread(stats: Stats) -> bool:
    """Say whether its processes only differ from each other: at equal pace the interval holds that."""
    checks = {check.get("text") for check in stats.noise.get("checks") or () if isinstance(check, Mapping)}
    return stats.quality is not None and checks.issuperset(stats.noise.get("reasons") or ("no reason is known",))


def _of_one(changed: Change, scale: float, limit: Limit) -> tuple[Status, str]:
    """Judge a change that only the model or its packages can have made.

    Not all models follow the clock one to one: a correction for it (``scale``) makes no regression on its own.
    """
    measured = (1 + changed.share) / scale - 1
    if min(changed.share, measured) > limit.least_effect and changed.interval[0] > 0:
        return "missed", ""
    if changed.interval[1] <= limit.least_effect or changed.noise <= BLIND:
        return "met", ""
    return "unknown", f"only a change above {100 * changed.noise:.0f} % would have been seen"


def _of_witnesses(
    witnesses: Sequence[Change], drift: float, limit: Limit, stats: Sequence[Stats]
) -> tuple[Status, str]:
    """Judge a change that the machine may have made. ``drift``: how much slower its own pace was, 1 for equal."""
    changed = witnesses[0]
    excuse = max(0.0, drift - 1)
    if all(each.share > limit.least_effect + excuse for each in witnesses) and any(
        each.interval[0] > excuse for each in witnesses
    ):
        return "missed", ""
    if drift > SLOW or drift < 1 / SLOW:
        slower = f"{100 * abs(drift - 1):.0f} % {'slower' if drift > 1 else 'faster'}"
        return "unknown", f"the machine itself was {slower} than for the baseline; run it again when it is quiet"
    if changed.interval[1] <= limit.least_effect:
        return "met", ""
    if changed.interval[0] > 0 and changed.share > limit.least_effect:
        return (
            "unknown",
            "the median is slower, the fastest request is not: more like a busy machine than a slower model",
        )
    noise = min(each.noise for each in witnesses)
    if noise <= BLIND:
        return "met", ""
    contended = next((each for each in stats if each.quality == "contended"), None)
    reason = f"only a change above {100 * noise:.0f} % would have been seen"
    return "unknown", f"{reason}: {_noise(contended)}" if contended is not None else reason


def _noise(stats: Stats) -> str:
    reasons = stats.noise.get("reasons") or ()
    return "; ".join(str(reason) for reason in reasons[:2]) or f"quality {stats.quality}"


def _cause(candidate: Opened, baseline: Opened, limit: Limit, base: Side, other: Side) -> str:
    """Return which stage took most of the change, where there are stages.

    Stages are of whole runs: where only a part was compared, the rest may hide what the part shows.
    """
    if limit.figure != "latency_p50_ms":
        return ""
    before, after = (each.outputs.stats.warm.stages_ms for each in (baseline, candidate))
    grown = {
        name: (after[name].p50 or 0.0) - (before[name].p50 or 0.0) for name in after if name in before and name != ""
    }
    name = max(grown, key=lambda each: grown[each], default="")
    if not name or grown[name] <= 0:
        return ""
    share = grown[name] / (other.value - base.value)
    return f"{name} +{grown[name]:.3g} ms, {100 * min(share, 1.0):.0f} % of the change"


def _notes(candidate: Opened, baseline: Opened | None) -> tuple[str, ...]:
    if baseline is None:
        return ()
    pairs = {
        "checkpoint": "the checkpoint",
        "lock": "the packages",
        "parameters": "the parameters",
    }
    one, other = candidate.outputs.index.identities, baseline.outputs.index.identities
    found = [words for key, words in pairs.items() if one.get(key) != other.get(key)]
    boxes = {each.outputs.index.box for each in (candidate, baseline)}
    if len(boxes) > 1:
        found.append(f"the box ({' and '.join(sorted(boxes))})")
    return (f"differs from the baseline: {', '.join(found)}",) if found else ("the same checkpoint and packages",)
