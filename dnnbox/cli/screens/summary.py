"""What ``dnnbox run`` says at the end: the same cells in the same order, also where the answer is "not measured"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dnnbox.cli.screens import judged
from dnnbox.cli.screens.layout import PLAIN, Cell, Look, cells, clock, grid, heading
from dnnbox.records.evaluation import Quality, TrainingCheck
from dnnbox.records.experiment import ExperimentIndex
from dnnbox.records.measurements import Contract, Profile, Stats, Target, Throughput, Verdict
from dnnbox.reports import numbers, words
from dnnbox.text import redact, visible

_MOST_DOUBTS = 3
_LABEL, _VALUE, _INDENT = 12, 15, 2
_STAGES = {
    "preprocess": "pre",
    "host_to_device": "to device",
    "model": "model",
    "device_to_host": "back",
    "postprocess": "post",
}
_NOISE = {"quiet": "met", "contended": "unknown", "unstable": "missed"}
_DECISIONS = {"go": "met", "no-go": "missed", "unknown": "unknown"}
_P95_SAMPLES, _P99_SAMPLES = 90, 460


@dataclass(frozen=True)
class RunNames:
    """How things are called on the screen: the model's title, and paths as the user may open them."""

    title: str
    experiment: str
    reports: tuple[str, ...] = ()
    device: str = ""
    next_step: str = ""


def run_summary(
    index: ExperimentIndex,
    stats: Stats,
    verdict: Verdict,
    contract: Contract,
    names: RunNames,
    seconds: float,
    *,
    look: Look = PLAIN,
    profile: Profile | None = None,
    quality: Quality | None = None,
    training: TrainingCheck | None = None,
) -> str:
    """Return the summary of one finished experiment."""
    blocks = [
        [_title(look, index, stats, names)],
        _cells(look, index, stats, contract, profile or Profile(), judged.rows(look, quality, training)),
        _time(look, stats),
        _targets(look, verdict),
        _decision(look, verdict),
        _assumed(look, contract),
        _paths(look, names),
        grid(look, (0,), [(_closing(names, seconds),)]),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _title(look: Look, index: ExperimentIndex, stats: Stats, names: RunNames) -> str:
    device = visible(names.device or index.device or "cpu", 60)
    where = ", ".join(
        filter(None, (device, visible(stats.precision, 12), f"batch {stats.batch}", visible(index.box, 12)))
    )
    return heading(
        look, f"{visible(names.title, 60)} on {where}", f"experiment {visible(index.id, 40)}" if index.id else ""
    )


def _cells(
    look: Look,
    index: ExperimentIndex,
    stats: Stats,
    contract: Contract,
    profile: Profile,
    judgements: Sequence[judged.Row],
) -> list[str]:
    rows = [
        ("Runs", *_runs(look, index, contract)),
        *judgements,
        ("Latency", *_latency(stats)),
        ("Throughput", *_throughput(stats)),
        *_variants(stats),
        *_tokens(stats),
        ("Cold start", *_cold(stats)),
        ("Memory", *_memory(stats)),
        ("Bound by", *_bound(stats, profile)),
        ("Noise", *_noise(stats)),
    ]
    return grid(
        look, (_LABEL, _VALUE, 0), [(Cell(label, "accent"), value, detail) for label, value, detail in rows], _INDENT
    )


def _reason(stats: Stats, *places: str) -> str:
    return next((visible(stats.reasons[place], 160) for place in places if place in stats.reasons), "")


def _bound(stats: Stats, profile: Profile) -> tuple[Cell, str]:
    verdict, evidence = (visible(str(profile.bound_by.get(key, "")), 160) for key in ("verdict", "evidence"))
    if not profile.operators and verdict in ("", "unknown"):
        return Cell("not measured", "unknown"), evidence or _reason(stats, "profile") or "no profile was taken"
    return (Cell(verdict) if verdict != "unknown" else Cell("not known", "unknown")), evidence


def _absent(stats: Stats, *places: str) -> tuple[Cell, str]:
    return Cell("not measured", "unknown"), _reason(stats, *places)


def _runs(look: Look, index: ExperimentIndex, contract: Contract) -> tuple[Cell, str]:
    passed = sum(1 for check in contract.checks if check.get("passed"))
    checked = f"{passed} of {len(contract.checks)} checks of the output passed" if contract.checks else "no check ran"
    failed = [visible(str(check.get("name", "")), 40) for check in contract.checks if not check.get("passed")]
    if index.status == "success":
        return look.mark("met", "yes"), checked + (f"; not: {', '.join(failed)}" if failed else "")
    message = visible(redact(str((index.error or {}).get("message", ""))), 200)
    if index.status == "partial":
        return look.mark("unknown", "partly"), message or checked
    return look.mark("missed", "no"), message or checked


def _latency(stats: Stats) -> tuple[Cell, str]:
    latency = stats.warm.latency_ms
    if latency.p50 is None:
        return _absent(stats, "warm.latency_ms", "warm.latency_ms.p50", "warm")
    interval = numbers.duration_interval(latency.p50, latency.ci95)
    parts = [f"p50, 95 % CI {interval}" if latency.ci95 else "p50, interval not known"]
    parts += [f"p90 {numbers.duration(latency.p90)}"] if latency.p90 is not None else []
    parts.append(_percentile("p95", latency.p95, latency.n, _P95_SAMPLES))
    parts.append(_percentile("p99", latency.p99, latency.n, _P99_SAMPLES))
    return Cell(numbers.duration(latency.p50, latency.ci95), "title"), _dotted(parts)


def _dotted(parts: Sequence[str]) -> str:
    """Join facts by dots; a line breaks between them, not inside."""
    return " · ".join(part.replace(" ", "\u00a0") for part in parts if part)


def _percentile(name: str, value: float | None, n: int, wanted: int) -> str:
    if value is not None:
        return f"{name} {numbers.duration(value)}"
    return f"{name} n too small: {n} of {wanted}" if n < wanted else f"{name} –"


def _throughput(stats: Stats) -> tuple[Cell, str]:
    if not stats.throughput:
        return _absent(stats, "throughput")
    first, *others = stats.throughput
    detail = [f"{_per_second(point)} at batch {point.batch}" for point in others[:4]]
    if saturates := stats.throughput_best.get("saturates_at"):
        detail.append(f"saturates at batch {saturates}")
    return Cell(_per_second(first)), _dotted([f"batch {first.batch}", *detail])


def _variants(stats: Stats) -> list[tuple[str, Cell, str]]:
    rows = []
    for number, found in enumerate(stats.variants):
        latency = found.latency_ms
        value = numbers.duration(latency.p50, latency.ci95) if latency.p50 else "not measured"
        speed = f" · {numbers.significant(found.speedup)} times as fast" if found.speedup else ""
        detail = f"{visible(found.name, 40)}{speed}" + (f" · {visible(found.reason, 160)}" if found.reason else "")
        rows.append(("" if number else "Variants", Cell(value), detail))
    return rows


def _tokens(stats: Stats) -> list[tuple[str, Cell, str]]:
    """Return the row of a model that continues a text; none for the others."""
    found = stats.generation
    if found is None or found.decode_tokens_per_s is None:
        return []
    detail = [
        f"first token {numbers.duration(found.first_token_ms.p50, found.first_token_ms.ci95)}",
        f"then {numbers.duration(found.between_tokens_ms.p50, found.between_tokens_ms.ci95)} each",
        f"prompt of {numbers.counted(found.prompt_tokens, 'token')}",
    ]
    return [("Tokens", Cell(f"{numbers.rate(found.decode_tokens_per_s)} tokens/s"), _dotted(detail))]


def _per_second(point: Throughput) -> str:
    return f"{numbers.rate(point.items_per_s)} items/s"


def _cold(stats: Stats) -> tuple[Cell, str]:
    total = stats.cold.total_ms.p50
    if total is None:
        return _absent(stats, "cold.total_ms", "cold")
    stages = {name: figures.p50 for name, figures in stats.cold.stages_ms.items() if figures.p50}
    shares = sorted(stages.items(), key=lambda item: -(item[1] or 0))
    detail = (
        f"{numbers.percent((shares[0][1] or 0) / total)} of it {visible(shares[0][0], 20)}" if shares and total else ""
    )
    processes = f"median of {stats.cold.processes} fresh processes" if stats.cold.processes else ""
    return Cell(numbers.duration(total)), _dotted([detail, processes])


def _memory(stats: Stats) -> tuple[Cell, str]:
    figures = stats.memory
    if figures.vram_peak_mib is not None:
        return Cell(
            numbers.memory(figures.vram_peak_mib)
        ), f"VRAM peak · RAM peak {numbers.memory(figures.host_peak_mib)}"
    if figures.host_peak_mib is None:
        return _absent(stats, "memory.host_peak_mib", "memory")
    loaded = (
        f" · {numbers.memory(figures.host_after_load_mib)} once loaded"
        if figures.host_after_load_mib is not None
        else ""
    )
    return Cell(numbers.memory(figures.host_peak_mib)), f"RAM peak{loaded}"


def _noise(stats: Stats) -> tuple[Cell, str]:
    if stats.quality is None:
        return Cell("unknown", "unknown"), _reason(stats, "quality")
    checks = [check for check in _listed(stats.noise.get("checks")) if isinstance(check, Mapping)]
    bad = [visible(str(check.get("text", "")), 60) for check in checks if not check.get("ok")]
    counted = [f"{len(checks) - len(bad)} of {len(checks)} checks ok"] if checks else []
    waited = stats.noise.get("waited")
    if isinstance(waited, Mapping):
        enough = ", not enough" if waited.get("used_up_processes") else ""
        counted.append(f"{numbers.duration(1e3 * float(waited.get('seconds') or 0))} waited for quiet{enough}")
    said = bad or [visible(str(reason), 100) for reason in _listed(stats.noise.get("reasons"))]
    return Cell(stats.quality, _NOISE[stats.quality]), _dotted([*counted, *said[:2], _reason(stats, "quality")])


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()


def _time(look: Look, stats: Stats) -> list[str]:
    """Return the stage bar: one part per stage, as wide as its share, the numbers below for those that are narrow."""
    stages = [(_STAGES.get(k, k), v.p50) for k, v in stats.warm.stages_ms.items() if v.p50]
    total = stats.warm.latency_ms.p50
    if not stages or not total:
        return []
    known = [(visible(name, 20), value) for name, value in stages if value is not None]
    rest = total - sum(value for _, value in known)
    room = look.columns - _INDENT - _LABEL - 2
    drawn, small = _bar(known, total, room)
    if rest > 0.05 * total:
        small.append(f"not attributed {numbers.duration(rest)}")
    rows = [(Cell("Time", "accent"), drawn)] + ([("", Cell(_dotted(small), "quiet"))] if small else [])
    return grid(look, (_LABEL, 0), rows, _INDENT)


def _bar(stages: Sequence[tuple[str, float]], whole: float, room: int) -> tuple[str, list[str]]:
    """Return the bar, at most ``room`` cells wide, and the labels of the parts that are too narrow for theirs.

    A part is as wide as its share of the stages' sum; its label says its share of the ``whole``, as the reports do.
    """
    total = sum(value for _, value in stages)
    spare = room - 3 * len(stages)  # each part has two edges and at least one cell
    pieces, small = [], []
    for name, value in stages:
        width = 1 + int(spare * value / total)
        label = f"{name} {numbers.duration(value)}, {numbers.percent(value / whole)}"
        if width < cells(label):
            small.append(label)
            label = name if width >= cells(name) else ""
        pieces.append(f"▏{label.center(width)}▕".replace(" ", "\u00a0"))
    return "".join(pieces), small


def _targets(look: Look, verdict: Verdict) -> list[str]:
    is_wide = look.columns >= 96
    rows: list[tuple[Cell | str, ...]] = []
    for number, target in enumerate(verdict.targets):
        kind = "required" if target.required else "wanted"
        requirement = words.requirement(target)
        measured = words.metric_value(target.metric, target.measured, target.interval)
        label = Cell("" if number else "Targets", "accent")
        row = (label, look.mark(target.status), requirement if is_wide else f"{requirement}, {kind}", measured)
        rows.append((*row, margin(target), Cell(kind, "quiet")) if is_wide else row)
    return grid(look, (_LABEL, 10, 0, 13, 17, 8) if is_wide else (_LABEL, 10, 0, 13), rows, _INDENT)


def margin(target: Target) -> str:
    """Return how far the measured value is from the limit, in words that say on which side."""
    if target.measured is None or target.status == "unknown":
        return ""
    distance = words.margin(target).lstrip("−")
    if target.status == "met":
        return f"margin {distance}"
    return f"{'over' if target.measured > target.target else 'short'} by {distance}"


def _decision(look: Look, verdict: Verdict) -> list[str]:
    word = Cell(verdict.decision.upper(), _DECISIONS[verdict.decision])
    reasons = [visible(redact(reason), 200) for reason in verdict.reasons[:3]]
    rows = [(Cell("Decision", "accent"), word, reasons[0] if reasons else "")]
    rows += [(Cell(""), Cell(""), reason) for reason in reasons[1:]]
    return grid(look, (_LABEL, _VALUE, 0), rows, _INDENT)


def assumed(contract: Contract) -> tuple[str, ...]:
    """Return what nobody observed or declared: the first thing to check when results look odd."""
    guessed = {
        item.name or "input": [fact for fact, status in item.status.items() if status == "assumed"]
        for item in (*contract.inputs, *contract.outputs)
    }
    fields = [f"{name}: {', '.join(facts)}" for name, facts in guessed.items() if facts]
    all_steps = (*contract.preprocessing, *contract.postprocessing)
    steps = [_step(item.step, item.parameters) for item in all_steps if item.status == "assumed"]
    return tuple(visible(text, 80) for text in (*fields, *steps))


def _step(step: str, parameters: Mapping[str, object]) -> str:
    values = ", ".join(f"{key} {value}" for key, value in list(parameters.items())[:2])
    return f"{step} ({values})" if values else step


def _assumed(look: Look, contract: Contract) -> list[str]:
    told = [visible(str(warning.get("text", "")), 200) for warning in contract.warnings[:_MOST_DOUBTS]]
    if names := assumed(contract):
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        told.append(f"{'; '.join(names[:6])}{more} {'is' if len(names) == 1 else 'are'} assumed")
    rows = [(Cell("" if number else "Please check", "unknown"), text) for number, text in enumerate(told)]
    return grid(look, (_LABEL, 0), rows, _INDENT) if rows else []


def _paths(look: Look, names: RunNames) -> list[str]:
    """Return the paths, each on one line however narrow the terminal is: a broken one cannot be opened or copied."""
    paths = [("Reports" if not n else "", path) for n, path in enumerate(names.reports)]
    margin_ = " " * _INDENT
    return [
        f"{margin_}{look.paint(f'{label:<{_LABEL}}', 'accent')}  {look.fold(visible(path, 200))}"
        for label, path in (*paths, ("Experiment", names.experiment))
        if path
    ]


def _closing(names: RunNames, seconds: float) -> str:
    tail = f" Next: {visible(names.next_step, 200)}" if names.next_step else ""
    return f"Finished in {numbers.seconds(seconds) if seconds < 100 else clock(seconds)}.{tail}"
