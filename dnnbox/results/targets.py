"""Targets against figures: met, missed, or unknown where the figure or its interval cannot tell."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from dnnbox.errors import Usage
from dnnbox.records.evaluation import MetricFigure, Quality, TrainingCheck
from dnnbox.records.measurements import Contract, Statistics, Stats, Target, Verdict
from dnnbox.results.agreement import summary
from dnnbox.results.needed import needed

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
        *_generation(),
        Metric("energy_j_per_item", _energy, ("energy",), "the largest of the sources (definition energy)"),
    )


def _generation() -> tuple[Metric, ...]:
    def part(name: str, figure: str) -> Callable[[Stats], Figure]:
        return lambda stats: _figure(getattr(stats.generation, name), figure) if stats.generation else (None, None)

    def rate(stats: Stats) -> Figure:
        return (stats.generation.decode_tokens_per_s, None) if stats.generation else (None, None)

    names = {"first_token": "first_token_ms", "inter_token": "between_tokens_ms"}
    times = tuple(
        Metric(
            f"{name}_{figure}_ms",
            part(place, figure),
            (f"generation.{place}.{figure}", "generation"),
            f"definition generation.{place}",
        )
        for name, place in names.items()
        for figure in ("p50", "p95", "p99")
    )
    method = "tokens after the first (definition generation.decode_tokens_per_s)"
    return (*times, Metric("decode_tokens_s", rate, ("generation",), method))


def _energy(stats: Stats) -> Figure:
    sources = (stats.energy or {}).get("sources")
    found = [s.get("joules_per_item") for s in sources.values()] if isinstance(sources, Mapping) else []
    values = [value for value in found if isinstance(value, float)]
    return (max(values), None) if values else (None, None)


def _quality(name: str, method: str) -> Metric:
    """Return a metric that only an evaluation gives; :func:`judge` reads it from there."""
    return Metric(name, lambda _: (None, None), (f"metrics.{name}", "metrics"), method)


QUALITY: Mapping[str, str] = {
    "top1": "share of items whose best class is right (needs --dataset)",
    "top5": "share of items whose right class is among the five best (needs --dataset)",
    "precision_macro": "macro precision over classes (needs --dataset)",
    "recall_macro": "macro recall over classes (needs --dataset)",
    "f1_macro": "macro F1 over classes (needs --dataset)",
    "miou": "mean intersection over union (needs --dataset)",
    "pixel_accuracy": "share of right pixels (needs --dataset)",
    "map": "average precision over IoU 0.50 to 0.95 (needs --dataset)",
    "map50": "average precision at IoU 0.50 (needs --dataset)",
    "wer": "word error rate (needs --dataset)",
    "cer": "character error rate (needs --dataset)",
    "psnr_db": "peak signal-to-noise ratio in dB (needs --dataset)",
    "ssim": "structural similarity (needs --dataset)",
    "spearman": "rank correlation of cosine and label (needs --dataset)",
    "pearson": "linear correlation of cosine and label (needs --dataset)",
    "roc_auc": "area under the ROC curve of the cosine (needs --dataset)",
    "cosine": "mean cosine of pairs (needs --dataset)",
    "mae": "mean absolute error (needs --dataset)",
    "rmse": "root mean squared error (needs --dataset)",
    "agreement_max_abs": "largest difference to the reference's outputs (needs --reference)",
    "agreement_max_rel": "largest difference over the reference's largest value (needs --reference)",
    "agreement_cosine": "smallest cosine of an output and the reference's (needs --reference)",
}
METRICS = {metric.name: metric for metric in (*_metrics(), *(_quality(name, text) for name, text in QUALITY.items()))}
_EXPRESSION = re.compile(r"\s*([A-Za-z_][\w@.]*)\s*(<=|>=|<|>|≤|≥)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")
_PLAIN = {"≤": "<=", "≥": ">="}
_DOUBTS = {
    "contended": "the machine was contended while it measured",
    "unstable": "the figures did not settle",
}


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


def parse(text: str, *, has_own: bool = False) -> Expression:
    """Read one target; raises Usage that names the nearest metric or shows the grammar.

    ``has_own``: the user brings metrics, so that a name that is not known here may be one of those.
    """
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        raise Usage(
            f"cannot read the target `{text}`", hint="write it as METRIC<=NUMBER, for example latency_p50_ms<=10"
        )
    name, relation, limit = match.groups()
    if name not in METRICS and has_own:
        own = _quality(name, "as the user's metrics define it")
        return Expression(own, _PLAIN.get(relation, relation), float(limit))
    if name not in METRICS:
        near = [known for known in METRICS if known.startswith(name)][:1]
        near = near or difflib.get_close_matches(name, METRICS, n=1, cutoff=0.5)
        guess = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(METRICS)}"
        raise Usage(f"unknown metric `{name}` in the target `{text}`", hint=guess)
    return Expression(METRICS[name], _PLAIN.get(relation, relation), float(limit))


def judge(
    stats: Stats,
    contract: Contract,
    targets: Sequence[str] = (),
    wants: Sequence[str] = (),
    *,
    failed: bool = False,
    quality: Quality | None = None,
    training: TrainingCheck | None = None,
    has_own: bool = False,
) -> Verdict:
    """Return each target with its verdict, and the decision that the required ones make.

    Raises:
        Usage: a target that cannot be read or names an unknown metric.
    """
    judged = tuple(
        _judge_one(stats, parse(text, has_own=has_own), is_required, quality)
        for text, is_required in _all(targets, wants)
    )
    broken = [str(check.get("name", "")) for check in contract.checks if check.get("passed") is False]
    broken += [f"{check.get('name', '')} of the training" for check in _failed(training)]
    decision, reasons = _decide([t for t in judged if t.required], failed=failed, broken=broken)
    if stats.quality in _DOUBTS:
        reasons.append(_DOUBTS[stats.quality])
    return Verdict(decision=decision, reasons=tuple(reasons), targets=judged)


def _failed(training: TrainingCheck | None) -> Sequence[Mapping[str, Any]]:
    return [check for check in training.checks if check.get("passed") is False] if training is not None else ()


def _all(targets: Sequence[str], wants: Sequence[str]) -> list[tuple[str, bool]]:
    return [(text, True) for text in targets] + [(text, False) for text in wants]


def _judge_one(stats: Stats, wanted: Expression, is_required: bool, quality: Quality | None) -> Target:
    value, interval = wanted.metric.read(stats)
    status: Literal["met", "missed", "unknown"] = "unknown"
    method, figure = wanted.metric.method, _figure_of(quality, wanted.metric.name)
    if figure is not None:
        value, interval = figure.value, figure.interval
        method = f"{figure.method}, n = {figure.n}; {figure.interval_method}" if figure.n else figure.method
    if value is None:
        method = f"not measured: {_why_not(stats, quality, wanted.metric)}"
    elif interval is not None and wanted.holds(interval[0]) != wanted.holds(interval[1]):
        method = f"{method}; the limit lies inside the 95 % interval"
    else:
        status = "met" if wanted.holds(value) else "missed"
    target = Target(
        expression=str(wanted),
        metric=wanted.metric.name,
        measured=value,
        target=wanted.limit,
        delta=None if value is None else value - wanted.limit,
        status=status,
        method=method,
        required=is_required,
        interval=interval,
        definition=figure.definition if figure is not None else wanted.metric.method,
    )
    return replace(target, needed=needed(target, wanted.relation, figure))


def _figure_of(quality: Quality | None, name: str) -> MetricFigure | None:
    """Return a figure of the evaluation, or one of the agreement with the reference."""
    if quality is None:
        return None
    if name.startswith("agreement_") and quality.agreement is not None:
        value = summary(quality.agreement.tensors).get(name)
        definition = QUALITY.get(name, "")
        return MetricFigure(name, value, definition=definition, method=f"against {quality.agreement.reference}")
    return quality.figure(name)


def _why_not(stats: Stats, quality: Quality | None, metric: Metric) -> str:
    reasons = {**stats.reasons, **(dict(quality.reasons) if quality is not None else {})}
    named = [reasons[key] for key in (*metric.reason_keys, "figures") if key in reasons and _belongs(key, metric)]
    if named:
        return named[0]
    if quality is not None and quality.agreement is not None and metric.name.startswith("agreement_"):
        problems = [tensor.problem for tensor in quality.agreement.tensors if tensor.problem]
        return quality.agreement.problem or (problems[0] if problems else "not measured")
    return metric.method if metric.name in QUALITY else "not measured"


def _belongs(key: str, metric: Metric) -> bool:
    """Whether a reason under this key speaks of the metric: "figures" only of those of an evaluation."""
    return key != "figures" or metric.method.endswith("(needs --dataset)") or metric.name not in METRICS


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
