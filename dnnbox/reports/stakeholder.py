"""The stakeholder report: a first honest analysis by rules, for people who decide. Words from the JSON, no guesses.

Percentile names and operator counts stay in the experiment report; every finding links to its evidence there.
"""

from __future__ import annotations

from collections.abc import Mapping

from dnnbox.records.measurements import Target
from dnnbox.reports import expected, failed, guide, numbers, risks, sensitivity, words
from dnnbox.reports.blocks import (
    Banner,
    Beside,
    Block,
    Column,
    Finding,
    Findings,
    Lines,
    Page,
    Pairs,
    Section,
    Status,
    Table,
    Words,
)
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, code, data, link, marked, say, sentence_case, sentences
from dnnbox.reports.summary import doubts, largest_cold, largest_warm, writing

_REPORT = "experiment-report.html"
_LOG_LINES = 8
_NOISE_REASONS = 3


def page(outputs: Outputs) -> Page:
    """Return the stakeholder report."""
    sections = (
        _short(outputs),
        Section("findings", "What we found", (Findings(_findings(outputs)),), nav="Findings"),
        _bottleneck(outputs),
        sensitivity.section(outputs),
        expected.section(outputs),
        _risks(outputs),
        guide.criteria(outputs),
        guide.next_steps(outputs),
    )
    return Page(
        kind="decision",
        id=outputs.index.id,
        title=say("Can {name} be used as asked?", name=words.named_model(outputs)),
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
        reasons = reasons.replace(target.expression, words.plain_requirement(target))
    because = say("Reason: {why}.", why=reasons) if reasons else say("Nothing was judged.")
    if failed.is_failed(outputs):
        because = failed.told(outputs)
    rule = sentences(
        say(
            "Rule: **go** when every required target is met, **no-go** when one is missed or the run failed, "
            "**unknown** when one cannot be judged or none was given."
        ),
        link("What decides", "#criteria"),
    )
    return Banner(verdict.decision, sentences(_runs(outputs), because), rule)


def _runs(outputs: Outputs) -> Prose:
    if outputs.has_run:
        return say("The model runs.")
    return say("Its answer cannot be used." if failed.has_answered(outputs) else "The model was not shown to run.")


def _short(outputs: Outputs) -> Section:
    left: tuple[Block, ...] = (Words(_in_short(outputs)),)
    if failed.is_failed(outputs) and (lines := failed.log(outputs)[-_LOG_LINES:]):
        left += (Lines(failed.LOG_LABEL, lines, failed.marked_line(lines)),)
    return Section("short", "In short", (Beside(left, (_tested(outputs),)),), nav="In short")


def _in_short(outputs: Outputs) -> tuple[Prose, ...]:
    found: tuple[Prose, ...] = (
        _failure(outputs),
        say("No speed or memory is known, because nothing was measured. Unknown is not the same as bad."),
    )
    if not failed.is_failed(outputs):
        found = (doubts(outputs), _speed_in_words(outputs), _quality_in_words(outputs), _trust_in_words(outputs))
    return tuple(paragraph for paragraph in found if paragraph)


def _failure(outputs: Outputs) -> Prose:
    return sentences(
        say("We tried to run the model and it did not get to its end."), failed.told(outputs), failed.passed(outputs)
    )


def _quality_in_words(outputs: Outputs) -> Prose:
    found = outputs.quality
    first = next((figure for figure in found.figures if figure.value is not None), None) if found else None
    if found is None or first is None or first.value is None:
        return say("Nothing here says how often the model is right: that needs labelled data.")
    name = words.plain_metric(first.name)
    value = numbers.plain(first.value)
    on = say("On {n} labelled items: **{name} {value}**", n=numbers.count(first.n or found.n), name=name, value=value)
    if first.hits is not None:
        on += say(", {hits} of {n}", hits=numbers.count(first.hits), n=numbers.count(first.n or found.n))
    if first.interval is not None:
        low, high = (numbers.plain(bound) for bound in first.interval)
        on += say("; on other items like these, {low} to {high} is to be expected", low=low, high=high)
    left_out = say(" {n} could not be read.", n=numbers.counted(found.failed, "item")) if found.failed else NOTHING
    return on + say(".") + left_out


def _speed_in_words(outputs: Outputs) -> Prose:
    warm, cold = outputs.stats.warm.latency_ms, outputs.stats.cold.total_ms
    if warm.p50 is None:
        return say("The model gave a verified result, but its speed was not measured.")
    rate = next((t.items_per_s for t in outputs.stats.throughput if t.batch == outputs.stats.batch), None)
    text = writing(outputs)
    return sentences(
        say("We ran the model {n} times {where}.", n=numbers.count(warm.n), where=words.device(outputs)),
        say("A request reads a prompt.") if text else NOTHING,
        say("**Half of the requests take {time} or less**", time=numbers.duration(warm.p50, warm.ci95))
        + (
            say(", 19 of 20 take {time} or less.", time=numbers.duration(warm.p95))
            if warm.p95 is not None
            else say(".")
        ),
        say("That is {rate} items per second, one request at a time.", rate=numbers.rate(rate))
        if rate is not None
        else NOTHING,
        text,
        say("Starting it takes {time}.", time=numbers.duration(cold.p50)) if cold.p50 is not None else NOTHING,
    )


def _trust_in_words(outputs: Outputs) -> Prose:
    told = {
        "quiet": "The machine did nothing else meanwhile, so the figures can be relied on for this machine.",
        "contended": "Other work used the machine meanwhile. The model may be faster than shown; "
        "run again on a quiet machine before deciding on speed.",
        "unstable": "The figures did not settle. Take them as a rough size and measure again before deciding on speed.",
    }
    return data(told.get(outputs.stats.quality or "", ""))


def _tested(outputs: Outputs) -> Pairs:
    checks = outputs.contract.checks
    passed = sum(1 for check in checks if check.get("passed"))
    items = (
        ("Model", _model(outputs)),
        ("Machine", _machine(outputs)),
        ("Software", data(_software(outputs))),
        ("Input", data(_input(outputs))),
        ("Output checks", say("{passed} of {n} passed", passed=passed, n=len(checks)) if checks else NOTHING),
        ("Result", data(outputs.index.status)),
    )
    return Pairs(tuple((name, value) for name, value in items if value), say("What was tested"))


def _model(outputs: Outputs) -> Prose:
    inspection = outputs.inspection
    size = f"({numbers.size(inspection.size_bytes)})" if inspection else ""
    return sentences(words.named_model(outputs), data(size))


def _machine(outputs: Outputs) -> Prose:
    if outputs.environment is None:
        return NOTHING
    machine = outputs.environment.machine
    if not machine:
        return say("not recorded: the run ended before it could say")
    memory = machine.get("memory_bytes")
    parts = [
        str(machine.get("cpu") or ""),
        words.device(outputs).plain().removeprefix("on "),
        f"{numbers.memory(memory / 2**20)} RAM" if isinstance(memory, int) else "",
        str(machine.get("os") or ""),
    ]
    return data(", ".join(part for part in parts if part))


def _software(outputs: Outputs) -> str:
    environment = outputs.environment
    if environment is None or not environment.python:
        return ""
    wanted = outputs.dependencies.requirements if outputs.dependencies is not None else ()
    known = [(r.name, environment.packages[r.name]) for r in wanted if r.name in environment.packages]
    first = [f"{name} {version}" for name, version in known[:3]]
    count = numbers.counted(len(environment.packages), "package")
    return ", ".join([f"Python {environment.python}", *first, f"{count} in all", environment.box])


def _input(outputs: Outputs) -> str:
    given = [file for file in outputs.params.get("inputs") or [] if isinstance(file, Mapping)]
    names = [str(file.get("file", "")) for file in given]
    if not names:
        return "made up, no file was given or found" if outputs.has_run else ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _memory_in_words(peak_mib: float, outputs: Outputs) -> Prose:
    ram = numbers.memory(peak_mib)
    memory = outputs.stats.memory
    vram_mib = memory.vram_process_peak_mib or memory.vram_peak_mib
    if vram_mib is None:
        return say("{ram} of main memory at its peak.", ram=ram)
    vram = numbers.memory(vram_mib)
    return say("{ram} of main memory at its peak, {vram} of the GPU's memory.", ram=ram, vram=vram)


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
        found.append(_fact("Memory", _memory_in_words(peak, outputs), evidence("Memory", "cold")))
    found += _checked(outputs)
    if outputs.stats.quality in ("contended", "unstable"):
        found.append(
            Finding(
                say("The figures are {quality}", quality=outputs.stats.quality),
                _noise_in_words(outputs),
                Status("unknown", outputs.stats.quality.capitalize()),
                evidence("Noise", "noise"),
            )
        )
    return tuple(found)


def _noise_in_words(outputs: Outputs) -> Prose:
    """Return what disturbed the run; how far each process came is in the experiment report."""
    reasons = [str(reason) for reason in outputs.stats.noise.get("reasons", [])]
    first = [reason for reason in reasons if not reason.startswith("process ")][:_NOISE_REASONS]
    return data(f"{sentence_case('; '.join(first))}.") if first else say("The times did not settle.")


def _checked(outputs: Outputs) -> list[Finding]:
    """Return what was asked for beyond measuring: the agreement with a reference, the training check."""
    found = []
    agreement = outputs.quality.agreement if outputs.quality is not None else None
    if agreement is not None and agreement.tensors:
        largest = max((tensor.max_abs for tensor in agreement.tensors if tensor.max_abs is not None), default=None)
        told = (
            say("The largest difference of an output is {value}.", value=numbers.plain(largest))
            if largest is not None
            else say("The outputs could not be compared.")
        )
        title = say("Beside {name}", name=agreement.reference)
        found.append(Finding(title, told, Status("", "Compared"), evidence("Agreement", "quality")))
    training = outputs.training
    if training is not None and training.passed is not None:
        text = (
            "Twenty steps on one batch: gradients arrive and the loss falls."
            if training.passed
            else ("Twenty steps on one batch went wrong; the report names the check.")
        )
        status = Status("met", "Yes") if training.passed else Status("missed", "No")
        found.append(Finding(data("It can be trained"), data(text), status, evidence("Training check", "training")))
    return found


def _fact(title: str, text: Prose, where: Prose) -> Finding:
    return Finding(data(title), text, Status("", "Measured"), where)


def _works(outputs: Outputs) -> Finding:
    if outputs.has_run:
        text = say("It loads, answers, and gives the same answer twice where that was checked.")
        return Finding(data("It works"), text, Status("met", "Yes"), evidence("Checks of the output", "contract"))
    if failed.is_failed(outputs):
        title = "Its answer cannot be used" if failed.has_answered(outputs) else "It did not run"
        return Finding(data(title), failed.told(outputs), Status("missed", "No"), evidence("Cause and log", "failure"))
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
        else say("{why}. The limit is {limit}.", why=sentence_case(target.method), limit=limit),
    }
    word = words.JUDGED[target.status] + ("" if target.required else ", not required")
    anchor = "summary" if target.measured is None else _anchor(target.metric)
    return Finding(
        data(words.plain_metric(target.metric)),
        told[target.status],
        Status(target.status, word),
        evidence("Figures", anchor),
    )


def _anchor(metric: str) -> str:
    if metric.startswith(("cold", "host", "vram")):
        return "cold"
    return "speed" if metric.startswith(("latency", "throughput")) else "quality"


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
    inside = words.BOUNDS.get(str(outputs.profile.bound_by.get("verdict")), "")
    if inside:
        lines.append(
            say("Looked at closely, the limit is **{what}**. {more}", what=inside, more=evidence("Profile", "profile"))
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
