"""Targets against figures: met, missed, or unknown where the figure or its interval cannot tell."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dnnbox.errors import Usage
from dnnbox.records.measurements import Contract, Statistics, Stats, Target, Verdict

Interval = tuple[float, float]
Figure = tuple[float | None, Interval | None]


@dataclass(frozen=True)
class Metric:
    """One thing that a target may name. ``reason_keys`` are looked up in ``Stats.reasons`` when there is no figure."""

    name: str
    read: Callable[[Stats], Figure]
    reason_keys: tuple[str, ...]
    method: str


def _warm(name: Literal["p50", "p90", "p95", "p99", "mean", "min"]) -> Callable[[Stats], Figure]:
    return lambda stats: _figure(stats.warm.latency_ms, name)


def _figure(summary: Statistics, name: str) -> Figure:
    value: float | None = getattr(summary, name)
    return value, summary.ci95 if name == "p50" else summary.intervals.get(name)


def _memory(name: str) -> Callable[[Stats], Figure]:
    return lambda stats: (getattr(stats.memory, name), None)


def _throughput(stats: Stats) -> Figure:
    found = next((t for t in stats.throughput if t.batch == stats.batch), None)
    return (found.items_per_s, found.interval) if found else (None, None)


def _best_throughput(stats: Stats) -> Figure:
    best = max(stats.throughput, key=lambda t: t.items_per_s, default=None)
    return (best.items_per_s, best.interval) if best else (None, None)


_WARM_METHODS = {
    "p50": "half of the warm requests take at most this",
    "p90": "9 of 10 warm requests take at most this",
    "p95": "19 of 20 warm requests take at most this",
    "p99": "99 of 100 warm requests take at most this",
    "mean": "average of the warm requests",
    "min": "fastest warm request",
}


def _metrics() -> tuple[Metric, ...]:
    warm = tuple(
        Metric(
            f"latency_{name}_ms",
            _warm(name),
            (f"warm.latency_ms.{name}", "warm.latency_ms"),
            f"{_WARM_METHODS[name]} (definition warm.latency_ms)",
        )
        for name in ("p50", "p90", "p95", "p99", "mean", "min")
    )
    memory = tuple(
        Metric(name, _memory(name), (f"memory.{name}",), f"a pass of its own (definition memory.{name})")
        for name in ("host_peak_mib", "host_after_load_mib", "vram_peak_mib")
    )
    return (
        *warm,
        Metric(
            "cold_total_ms",
            lambda stats: _figure(stats.cold.total_ms, "p50"),
            ("cold.total_ms",),
            "median over fresh processes (definition cold.total_ms)",
        ),
        Metric(
            "throughput_items_s", _throughput, ("warm.latency_ms",), "at the reported batch (definition throughput)"
        ),
        Metric(
            "throughput_best_items_s",
            _best_throughput,
            ("warm.latency_ms",),
            "at the best batch (definition throughput)",
        ),
        *memory,
    )


METRICS = {metric.name: metric for metric in _metrics()}
_EXPRESSION = re.compile(r"\s*([A-Za-z_][\w@.]*)\s*(<=|>=|<|>|≤|≥)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")
_PLAIN = {"≤": "<=", "≥": ">="}


@dataclass(frozen=True)
class Expression:
    """``metric relation limit``, for example ``latency_p50_ms<=10``."""

    metric: Metric
    relation: str
    limit: float

    def __str__(self) -> str:
        return f"{self.metric.name}{self.relation}{self.limit:g}"

    def holds(self, value: float) -> bool:
        """Whether ``value`` is on the allowed side."""
        return {
            "<=": value <= self.limit,
            "<": value < self.limit,
            ">=": value >= self.limit,
            ">": value > self.limit,
        }[self.relation]


def parse(text: str) -> Expression:
    """Read one target; raises Usage that names the nearest metric or shows the grammar."""
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        raise Usage(
            f"cannot read the target `{text}`", hint="write it as METRIC<=NUMBER, for example latency_p50_ms<=10"
        )
    name, relation, limit = match.groups()
    if name not in METRICS:
        near = difflib.get_close_matches(name, METRICS, n=1, cutoff=0.5)
        guess = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(METRICS)}"
        raise Usage(f"unknown metric `{name}` in the target `{text}`", hint=guess)
    return Expression(METRICS[name], _PLAIN.get(relation, relation), float(limit))


def judge(
    stats: Stats, contract: Contract, targets: Sequence[str] = (), wants: Sequence[str] = (), *, failed: bool = False
) -> Verdict:
    """Return each target with its verdict, and the decision that the required ones make.

    Raises:
        Usage: a target that cannot be read or names an unknown metric.
    """
    judged = tuple(_judge_one(stats, parse(text), is_required) for text, is_required in _all(targets, wants))
    broken = [str(check.get("name", "")) for check in contract.checks if check.get("passed") is False]
    decision, reasons = _decide([t for t in judged if t.required], failed=failed, broken=broken)
    if stats.quality in ("contended", "unstable"):
        reasons.append(f"the machine was {stats.quality} while it measured")
    return Verdict(decision=decision, reasons=tuple(reasons), targets=judged)


def _all(targets: Sequence[str], wants: Sequence[str]) -> list[tuple[str, bool]]:
    return [(text, True) for text in targets] + [(text, False) for text in wants]


def _judge_one(stats: Stats, wanted: Expression, is_required: bool) -> Target:
    value, interval = wanted.metric.read(stats)
    status: Literal["met", "missed", "unknown"] = "unknown"
    method = wanted.metric.method
    if value is None:
        reason = next((stats.reasons[key] for key in wanted.metric.reason_keys if key in stats.reasons), "not measured")
        method = f"not measured: {reason}"
    elif interval is not None and wanted.holds(interval[0]) != wanted.holds(interval[1]):
        method = f"{method}; the limit lies inside the 95 % interval"
    else:
        status = "met" if wanted.holds(value) else "missed"
    return Target(
        expression=str(wanted),
        metric=wanted.metric.name,
        measured=value,
        target=wanted.limit,
        delta=None if value is None else value - wanted.limit,
        status=status,
        method=method,
        required=is_required,
        interval=interval,
    )


def _decide(
    required: Sequence[Target], *, failed: bool, broken: Sequence[str]
) -> tuple[Literal["go", "no-go", "unknown"], list[str]]:
    if failed:
        return "no-go", ["the run failed"]
    if broken:
        return "no-go", [f"the check {name} failed" for name in broken]
    if not required:
        return "unknown", ["no required target was given"]
    missed = [t for t in required if t.status == "missed"]
    if missed:
        return "no-go", [f"{t.expression} is missed" for t in missed]
    unknown = [t for t in required if t.status == "unknown"]
    if unknown:
        return "unknown", [f"{t.expression} cannot be judged" for t in unknown]
    return "go", [f"{len(required)} of {len(required)} required targets are met"]
