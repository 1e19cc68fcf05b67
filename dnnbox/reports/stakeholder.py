"""The stakeholder report: a first honest analysis by rules, for people who decide. Words from the JSON, no guesses.

Percentile names and operator counts stay in the experiment report; every finding links to its evidence there.
"""

from __future__ import annotations

from collections.abc import Sequence

from dnnbox.records.measurements import Target
from dnnbox.reports import failed, numbers, risks, words
from dnnbox.reports.blocks import (
    Banner,
    Beside,
    Block,
    Column,
    Finding,
    Findings,
    Page,
    Pairs,
    Section,
    Status,
    Step,
    Steps,
    Table,
    Words,
)
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, code, data, link, marked, say, sentences
from dnnbox.reports.summary import largest_cold, largest_warm

_REPORT = "experiment-report.html"
_WORDS = {"met": "Met", "missed": "Missed", "unknown": "Unknown"}


def page(outputs: Outputs) -> Page:
    """Return the stakeholder report."""
    name = words.model_name(outputs) or outputs.index.checkpoint or "this model"
    sections = (
        _short(outputs),
        Section("findings", "What we found", (Findings(_findings(outputs)),), nav="Findings"),
        _bottleneck(outputs),
        _risks(outputs),
        _criteria(outputs),
        _next(outputs),
    )
    return Page(
        kind="decision",
        id=outputs.index.id,
        title=say("Can {name} be used as asked?", name=name),
        lede=NOTHING,
        eyebrow=tuple(
            p for p in (code(outputs.index.checkpoint), data(words.day_and_time(outputs.index.created_utc))) if p
        ),
        sections=tuple(section for section in sections if section is not None),
        banner=_banner(outputs),
        footer=(
            say(
                "Written by rules from the files in `outputs/`. Edit it freely: an edited report is never overwritten."
            ),
            say("Every number links to the {report}.", report=link("experiment report", _REPORT)),
        ),
    )


def evidence(words_: str, anchor: str) -> Prose:
    """Return a link into the experiment report."""
    return link(words_, f"{_REPORT}#{anchor}")


def _banner(outputs: Outputs) -> Banner:
    verdict = outputs.verdict
    reasons = "; ".join(verdict.reasons)
    for target in verdict.targets:
        reasons = reasons.replace(target.expression, _plain_requirement(target))
    because = say("Reason: {why}.", why=reasons) if reasons else say("Nothing was judged.")
    runs = say("The model runs.") if outputs.has_run else say("The model was not shown to run.")
    rule = sentences(
        say(
            "Rule: **go** when every required target is met, **no-go** when one is missed or the run failed, "
            "**unknown** when one cannot be judged or none was given."
        ),
        evidence("See the targets", "summary"),
    )
    return Banner(verdict.decision, sentences(runs, because), rule)


def _short(outputs: Outputs) -> Section:
    if failed.is_failed(outputs):
        paragraphs = (
            _failure(outputs),
            say("No speed or memory is known, because nothing was measured. Unknown is not the same as bad."),
        )
    else:
        paragraphs = (_speed_in_words(outputs), _trust_in_words(outputs))
    left = Words(tuple(p for p in paragraphs if p))
    return Section("short", "In short", (Beside((left,), (_tested(outputs),)),), nav="In short")


def _failure(outputs: Outputs) -> Prose:
    error = outputs.index.error or {}
    what = str(error.get("message", "")) or "it failed without a message"
    return say("We tried to run the model and it did not get to its end: {what}.", what=what.rstrip("."))


def _speed_in_words(outputs: Outputs) -> Prose:
    warm, cold = outputs.stats.warm.latency_ms, outputs.stats.cold.total_ms
    if warm.p50 is None:
        return say("The model gave a verified result, but its speed was not measured.")
    rate = next((t.items_per_s for t in outputs.stats.throughput if t.batch == outputs.stats.batch), None)
    return sentences(
        say("We ran the model {n} times {where}.", n=numbers.count(warm.n), where=words.device(outputs)),
        say("**Half of the requests take {time} or less**", time=numbers.duration(warm.p50, warm.ci95))
        + (
            say(", 19 of 20 take {time} or less.", time=numbers.duration(warm.p95))
            if warm.p95 is not None
            else say(".")
        ),
        say("That is {rate} items per second, one request at a time.", rate=numbers.rate(rate))
        if rate is not None
        else NOTHING,
        say("Starting it takes {time}.", time=numbers.duration(cold.p50)) if cold.p50 is not None else NOTHING,
    )


def _trust_in_words(outputs: Outputs) -> Prose:
    told = {
        "quiet": "The machine did nothing else meanwhile, so the figures can be relied on for this machine.",
        "contended": "Other work used the machine meanwhile. The model may be faster than shown; "
        "run again on a quiet machine before deciding on speed.",
        "unstable": "The figures did not settle. Take them as a rough size and measure again before deciding on speed.",
    }
    quality = told.get(outputs.stats.quality or "", "")
    return sentences(data(quality), say("Nothing here says how often the model is right: that needs labelled data."))


def _tested(outputs: Outputs) -> Pairs:
    environment, inspection = outputs.environment, outputs.inspection
    machine = environment.machine if environment else {}
    inputs = [
        artifact for artifact in outputs.artifacts if artifact.role == "input" and artifact.path.startswith("inputs/")
    ]
    items = (
        (
            "Model",
            say(
                "{name} {size}",
                name=words.model_name(outputs) or "unknown architecture",
                size=f"({numbers.size(inspection.size_bytes)})" if inspection else "",
            ),
        ),
        ("Machine", sentences(data(str(machine.get("cpu") or "")), words.device(outputs))),
        ("Software", data(_software(outputs))),
        ("Input", data(", ".join(artifact.path.removeprefix("inputs/") for artifact in inputs[:4]))),
        (
            "Output checks",
            data(
                f"{sum(1 for c in outputs.contract.checks if c.get('passed'))} of {len(outputs.contract.checks)} passed"
            )
            if outputs.contract.checks
            else NOTHING,
        ),
        ("Result", data(outputs.index.status)),
    )
    return Pairs(tuple((name, value) for name, value in items if value), say("What was tested"))


def _software(outputs: Outputs) -> str:
    environment = outputs.environment
    if environment is None or not environment.python:
        return ""
    return f"Python {environment.python}, {numbers.counted(len(environment.packages), 'package')}, {environment.box}"


def _findings(outputs: Outputs) -> tuple[Finding, ...]:
    found = [_works(outputs), *(_on_target(target) for target in outputs.verdict.targets)]
    judged = {target.metric for target in outputs.verdict.targets}
    cold, peak = outputs.stats.cold.total_ms.p50, outputs.stats.memory.host_peak_mib
    if cold is not None and "cold_total_ms" not in judged:
        found.append(
            _fact(
                "Time to start",
                say("{time} from starting the program to the first result.", time=numbers.duration(cold)),
                evidence("Cold start", "cold"),
            )
        )
    if peak is not None and "host_peak_mib" not in judged:
        found.append(
            _fact(
                "Memory", say("{ram} of main memory at its peak.", ram=numbers.memory(peak)), evidence("Memory", "cold")
            )
        )
    if outputs.stats.quality in ("contended", "unstable"):
        reasons = "; ".join(str(reason) for reason in outputs.stats.noise.get("reasons", []))
        found.append(
            Finding(
                say("The figures are {quality}", quality=outputs.stats.quality),
                data(reasons),
                Status("unknown", outputs.stats.quality.capitalize()),
                evidence("Noise", "noise"),
            )
        )
    return tuple(found)


def _fact(title: str, text: Prose, where: Prose) -> Finding:
    return Finding(data(title), text, Status("", "Measured"), where)


def _works(outputs: Outputs) -> Finding:
    if outputs.has_run:
        text = say("It loads, answers, and gives the same answer twice where that was checked.")
        return Finding(data("It works"), text, Status("met", "Yes"), evidence("Checks of the output", "contract"))
    if failed.is_failed(outputs):
        return Finding(
            data("It did not run"), _failure(outputs), Status("missed", "No"), evidence("Cause and log", "failure")
        )
    return Finding(
        data("Not shown to work"),
        say("No verified output."),
        Status("unknown", "Unknown"),
        evidence("Summary", "summary"),
    )


def _on_target(target: Target) -> Finding:
    value = words.metric_value(target.metric, target.measured, target.interval)
    limit = words.limit_value(target.metric, target.target)
    told = {
        "met": say("Measured {value}; the limit is {limit}.", value=value, limit=limit),
        "missed": say(
            "Measured {value}; the limit is {limit}. It is beyond it by {by}.",
            value=value,
            limit=limit,
            by=words.margin(target).lstrip("−"),
        ),
        "unknown": say("Measured {value}; the limit of {limit} lies inside the uncertainty.", value=value, limit=limit)
        if target.measured is not None
        else say("{why}. The limit is {limit}.", why=words.sentence_case(target.method), limit=limit),
    }
    word = _WORDS[target.status] + ("" if target.required else ", not required")
    anchor = "cold" if target.metric.startswith(("cold", "host", "vram")) else "speed"
    anchor = anchor if target.measured is not None else "summary"
    return Finding(
        data(_plain_name(target.metric)), told[target.status], Status(target.status, word), evidence("Figures", anchor)
    )


def _plain_name(metric: str) -> str:
    names = {
        "latency_p50_ms": "Usual response time",
        "latency_mean_ms": "Average response time",
        "latency_p90_ms": "Response time of 9 in 10 requests",
        "latency_p95_ms": "Response time of 19 in 20 requests",
        "latency_p99_ms": "Response time of 99 in 100 requests",
        "latency_min_ms": "Fastest response",
        "cold_total_ms": "Time to start",
        "host_peak_mib": "Memory",
        "vram_peak_mib": "Graphics memory",
    }
    return names.get(metric, words.metric_name(metric))


def _plain_requirement(target: Target) -> str:
    return words.requirement(target).replace(words.metric_name(target.metric), _plain_name(target.metric), 1)


def _bottleneck(outputs: Outputs) -> Section | None:
    warm, cold = largest_warm(outputs), largest_cold(outputs)
    if warm is None and cold is None:
        return None
    lines = []
    if warm is not None:
        what = words.WARM_FINDINGS.get(warm[0], warm[0])
        lines.append(
            say(
                "**{what} takes {share} of each request.** {advice} {more}",
                what=what,
                share=numbers.percent(warm[1]),
                advice=_warm_advice(warm[0]),
                more=evidence("Stages", "speed"),
            )
        )
    if cold is not None:
        what = words.COLD_FINDINGS.get(cold[0], cold[0])
        lines.append(
            say(
                "**{what} is {share} of a start.** {advice} {more}",
                what=what,
                share=numbers.percent(cold[1]),
                advice=_cold_advice(cold[0]),
                more=evidence("Cold start", "cold"),
            )
        )
    return Section("bottleneck", "What limits it", (Words(tuple(lines)),), nav="Limits")


def _warm_advice(stage: str) -> str:
    if stage == "model":
        return "Faster hardware, a lower precision or a smaller model would help; faster file handling would not."
    return "The model itself is not the limit: improve this step first."


def _cold_advice(stage: str) -> str:
    told = {
        "import": "Keep the process running, or import fewer packages.",
        "load": "Keep the process running; a format that can be mapped into memory loads faster.",
        "first": "Send one test request before opening traffic.",
    }
    return told.get(stage, "Keep the process running between requests.")


def _risks(outputs: Outputs) -> Section | None:
    found = risks.of(outputs)
    if not found:
        return None
    columns = (Column("Risk or assumption"), Column("Effect"), Column("What to do about it"))
    rows = tuple((data(risk.what), data(risk.effect), marked(risk.remedy)) for risk in found)
    return Section("risks", "Risks and assumptions", (Table("Risks and assumptions", columns, rows),), nav="Risks")


def _criteria(outputs: Outputs) -> Section | None:
    targets = outputs.verdict.targets
    if not targets:
        text = say("No target was given. Agree on limits for response time and memory, then run with `--target`.")
        return Section("criteria", "What would decide", (Words((text,)),), nav="Criteria")
    columns = (Column("Target"), Column("Decides"), Column("Status"), Column("Measured"), Column("How it is measured"))
    rows = tuple(
        (
            data(_plain_requirement(t)),
            data("yes" if t.required else "no, wanted only"),
            Status(t.status, _WORDS[t.status]),
            data(words.metric_value(t.metric, t.measured, t.interval)),
            data(t.method),
        )
        for t in targets
    )
    return Section("criteria", "What decides", (Table("Targets", columns, rows),), nav="Criteria")


def _next(outputs: Outputs) -> Section:
    steps = Steps(tuple(_steps(outputs)), say("Next steps"))
    guide: tuple[Block, ...] = (_integration(outputs),) if outputs.has_run else ()
    return Section("next", "What to do now", (Beside((steps,), guide),) if guide else (steps,), nav="Next steps")


def _steps(outputs: Outputs) -> list[Step]:
    found: list[Step] = []
    if failed.is_failed(outputs):
        hint = str((outputs.index.error or {}).get("hint", ""))
        found.append(Step(say("**Remove the cause of the failure.** {hint}", hint=marked(hint))))
    missed = [t for t in outputs.verdict.targets if t.status == "missed" and t.required]
    found += [Step(say("**Reach {what}**, or agree on another limit.", what=_plain_requirement(t))) for t in missed]
    if outputs.stats.quality in ("contended", "unstable"):
        found.append(Step(say("**Measure again on a quiet machine** before deciding on speed.")))
    if not any(t.required for t in outputs.verdict.targets):
        found.append(Step(say("**Set the targets** that decide.")))
    found += [Step(say("{todo}.", todo=marked(risk.remedy))) for risk in risks.of(outputs)][:4]
    found.append(Step(say("**Test with labelled data** to learn how often the model is right.")))
    return found


def _integration(outputs: Outputs) -> Pairs:
    contract, stats = outputs.contract, outputs.stats
    items = (
        ("Send", data("; ".join(_field(f.name, f.dtype, f.shape) for f in contract.inputs[:3]))),
        ("Receive", data("; ".join(_field(f.name, f.dtype, f.shape) for f in contract.outputs[:3]))),
        ("Prepare", data(", then ".join(step.step for step in contract.preprocessing[:6]))),
        ("Start from", code("scripts/10_infer.py")),
        ("Reserve", data(_reserve(outputs))),
        (
            "At start",
            say(
                "allow {time}, send one test request, then open traffic", time=numbers.duration(stats.cold.total_ms.p50)
            )
            if stats.cold.total_ms.p50 is not None
            else NOTHING,
        ),
        ("Watch", data(_watch(stats.warm.latency_ms.p95))),
        ("Keep", data("the checkpoint with its sha256, the lock of the packages, and this folder")),
    )
    return Pairs(tuple((name, value) for name, value in items if value), say("How to build it in"))


def _field(name: str, dtype: str, sizes: Sequence[int | str]) -> str:
    return " ".join(part for part in (name, dtype, words.shape(tuple(sizes))) if part)


def _reserve(outputs: Outputs) -> str:
    memory = outputs.stats.memory
    parts = [f"{numbers.memory(memory.host_peak_mib)} RAM"] if memory.host_peak_mib is not None else []
    parts += [f"{numbers.memory(memory.vram_peak_mib)} graphics memory"] if memory.vram_peak_mib is not None else []
    parts += [numbers.counted(outputs.stats.threads, "thread")] if outputs.stats.threads else []
    return ", ".join(parts)


def _watch(p95: float | None) -> str:
    usual = f"19 of 20 answers in {numbers.duration(p95)} or less; " if p95 is not None else ""
    return f"{usual}the range and the shape of the inputs; the share of failed requests"
