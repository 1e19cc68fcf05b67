"""The first screen of the experiment report: title, lede, the six answers in their order, the targets."""

from __future__ import annotations

from collections.abc import Sequence

from dnnbox.records.measurements import Target
from dnnbox.reports import bars, failed, numbers, words
from dnnbox.reports.blocks import Answer, Cell, Column, Graphic, State, Status, Table
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, code, data, link, listed, marked, say, sentence_case, sentences


def eyebrow(outputs: Outputs) -> tuple[Prose, ...]:
    """Return the line above the title: file, size, hash, time."""
    index, inspection = outputs.index, outputs.inspection
    digest = index.identities.get("checkpoint") or (inspection.sha256 if inspection else None)
    return tuple(
        part
        for part in (
            code(index.checkpoint),
            data(numbers.size(inspection.size_bytes)) if inspection else NOTHING,
            say("sha256 {digest}", digest=words.short_hash(digest)) if digest else NOTHING,
            data(words.day_and_time(index.created_utc)),
        )
        if part
    )


def title(outputs: Outputs) -> Prose:
    """Return the finding: what it is, what it does, how fast and where."""
    latency = outputs.stats.warm.latency_ms
    fields = {"what": words.subject(outputs), "does": words.action(outputs), "where": words.device(outputs)}
    if latency.p50 is None:
        return say("{what} runs {where}, but was not measured" if outputs.has_run else "{what} was not run", **fields)
    return say("{what} {does} in {time} {where}", time=numbers.duration(latency.p50, latency.ci95), **fields)


def lede(outputs: Outputs) -> Prose:
    """Return the summary in a few sentences: runs, targets, noise, the largest part of a cold start."""
    runs = "**runs**" if outputs.has_run else "was not shown to run"
    return sentences(
        say("The checkpoint " + runs + "{targets}.", targets=_targets_clause(outputs.verdict.targets)),
        doubts(outputs),
        writing(outputs),
        _noise_sentence(outputs),
        _cold_sentence(outputs),
    )


def _targets_clause(targets: Sequence[Target]) -> Prose:
    required = [target for target in targets if target.required]
    if not required:
        return say("; no required target was given, so there is no decision")
    missed = [words.requirement(t) for t in required if t.status == "missed"]
    unknown = [words.requirement(t) for t in required if t.status == "unknown"]
    if missed:
        return say(" and **misses {what}**", what=", ".join(missed))
    if unknown:
        return say("; whether it meets **{what} is unknown**", what=", ".join(unknown))
    how_many = {1: "its required target", 2: "both required targets"}
    return say(" and **meets {all}**", all=how_many.get(len(required), f"all {len(required)} required targets"))


def doubts(outputs: Outputs) -> Prose:
    """Return that what the model is fed is not what it expects, for the summaries: the figures hide it."""
    facts = dict.fromkeys(str(warning.get("fact", "")).replace("_", " ") for warning in outputs.contract.warnings)
    if not any(facts):
        return NOTHING
    named = listed(data(fact) for fact in facts if fact)
    return say("**How it is fed is doubtful** ({facts} of the input), so its answers may be wrong.", facts=named)


def _noise_sentence(outputs: Outputs) -> Prose:
    if outputs.stats.quality == "contended":
        return say("Other work used the machine during the run, so the times are too long rather than too short.")
    if outputs.stats.quality == "unstable":
        return say("The figures did not settle: read them as a rough size.")
    return NOTHING


def _cold_sentence(outputs: Outputs) -> Prose:
    total = outputs.stats.cold.total_ms.p50
    largest = largest_cold(outputs)
    if total is None or largest is None:
        return NOTHING
    name, share = largest
    what = words.COLD_FINDINGS.get(name, name)
    return say(
        "A cold start takes {total}; {share} of that is {what}.",
        total=numbers.duration(total),
        share=numbers.percent(share),
        what=what[:1].lower() + what[1:],
    )


def writing(outputs: Outputs) -> Prose:
    """Return how long a whole text takes, for the summaries: what is timed there is the reading of the prompt."""
    found = outputs.stats.generation
    if found is None or found.total_ms.p50 is None:
        return NOTHING
    return say(
        "Writing {new} takes {time}.",
        new=numbers.counted(found.new_tokens, "token"),
        time=numbers.duration(found.total_ms.p50, found.total_ms.ci95),
    )


def largest_cold(outputs: Outputs) -> tuple[str, float] | None:
    """Return the cold stage with the largest share."""
    shares = {k.removeprefix("cold."): v for k, v in outputs.stats.shares.items() if k.startswith("cold.")}
    return max(shares.items(), key=lambda item: item[1]) if shares else None


def largest_warm(outputs: Outputs) -> tuple[str, float] | None:
    """Return the stage of a warm request with the largest share."""
    shares = {
        name: outputs.stats.shares[f"warm.{name}"]
        for name in outputs.stats.warm.stages_ms
        if f"warm.{name}" in outputs.stats.shares
    }
    return max(shares.items(), key=lambda item: item[1]) if shares else None


def answers(outputs: Outputs) -> tuple[Answer, ...]:
    """Return the six cells, always in this order."""
    return (_what(outputs), _runs(outputs), _fast(outputs), _sure(outputs), _met(outputs), _bound(outputs))


def _what(outputs: Outputs) -> Answer:
    inspection, best = outputs.inspection, outputs.identity.best
    name = words.model_name(outputs)
    size = (
        say(
            "{n} parameters in {t} tensors.",
            n=numbers.parameters(inspection.tensors.parameters),
            t=numbers.count(inspection.tensors.count),
        )
        if inspection and inspection.tensors.parameters
        else NOTHING
    )
    task = words.task(outputs).replace("-", " ").capitalize()
    note = sentences(
        data(f"{task}." if task else ""),
        size,
        _how_known(outputs),
        link("Evidence", "#identity") if inspection or best else NOTHING,
    )
    if name:
        return Answer("What is it", data(name), note)
    kind = words.kind_of_file(outputs)
    return Answer("What is it", data(f"{'An' if kind[:1] in 'AEIOUaeiou' else 'A'} {kind}"), note, "unknown")


def _how_known(outputs: Outputs) -> Prose:
    best = outputs.identity.best
    if best:
        return say("Identified: {match}.", match=words.MATCHES[best.match])
    if words.model_name(outputs):
        return say("The file names its own class; no known architecture fits.")
    return say("Which architecture it is, is not known.")


def _runs(outputs: Outputs) -> Answer:
    checks = outputs.contract.checks
    passed = sum(1 for check in checks if check.get("passed"))
    if outputs.has_run:
        names = listed(data(str(check.get("name", "")).replace("_", " ")) for check in checks)
        note = say("{passed} of {n} checks of the output passed: {names}.", passed=passed, n=len(checks), names=names)
        return Answer("Does it run", data("Yes"), note, "met")
    if checks:
        broken = listed(data(str(check.get("name", ""))) for check in checks if not check.get("passed"))
        return Answer("Does it run", data("No"), say("The output failed: {checks}.", checks=broken), "missed")
    stopped = next((stage for stage in outputs.index.stages if stage.status == "failed"), None)
    if stopped is not None:
        inside = words.BOX_STEPS.get(str(outputs.failure.get("stage")), "")
        where = inside or words.STAGES.get(stopped.name, stopped.name)
        note = say("Stopped at: {stage}. Nothing after it was tried.", stage=where)
        if failed.has_answered(outputs):
            note = sentences(say("It answers, but the answer cannot be used."), note)
        return Answer("Does it run", data("No"), note, "missed")
    return Answer("Does it run", data("Not tried"), say("No inference was made."), "unknown")


def _fast(outputs: Outputs) -> Answer:
    stats = outputs.stats
    latency = stats.warm.latency_ms
    if latency.p50 is None:
        why = stats.reasons.get("warm.latency_ms", "needs a model that runs")
        return Answer("How fast", data("Not measured"), data(f"{sentence_case(why)}."), "unknown")
    number, unit = numbers.duration_parts(latency.p50, latency.ci95)
    rate = next((t.items_per_s for t in stats.throughput if t.batch == stats.batch), None)
    note = sentences(
        say("95 % CI {ci}.", ci=numbers.duration_interval(latency.p50, latency.ci95)) if latency.ci95 else NOTHING,
        data(", ".join(_setting(outputs)) + "."),
        say("{rate} items per second.", rate=numbers.rate(rate)) if rate is not None else NOTHING,
        link("Distribution", "#speed"),
    )
    return Answer("How fast", NOTHING, note, "", (number, f"{unit}, p50"))


def _setting(outputs: Outputs) -> list[str]:
    stats = outputs.stats
    threads = [numbers.counted(stats.threads, "thread")] if stats.threads else []
    return [f"Batch {stats.batch}", *([stats.precision] if stats.precision else []), *threads]


def _sure(outputs: Outputs) -> Answer:
    stats = outputs.stats
    latency = stats.warm.latency_ms
    if stats.quality is None or latency.p50 is None:
        return Answer("How sure", data("Not measured"), say("Nothing was timed."), "unknown")
    width = stats.shares.get("warm.ci_half_width")
    half = f"CI is {numbers.half_width(width)} of p50" if width is not None else "No interval"
    sample = say(
        "n = {n} in {p}.", n=numbers.count(latency.n), p=numbers.counted(stats.warm.processes, "process", "processes")
    )
    drift = say("Latency {drift}.", drift=stats.warm.drift) if stats.warm.drift else NOTHING
    more = link("Noise", "#noise")
    if stats.quality == "quiet":
        return Answer("How sure", data(half), sentences(sample, say("The machine was **quiet**."), drift, more))
    reasons = stats.noise.get("reasons") or []
    why = data(f"{sentence_case(str(reasons[0]))}.") if reasons else NOTHING
    return Answer(
        "How sure", data(stats.quality.capitalize()), sentences(data(f"{half}."), why, sample, more), "unknown"
    )


def _met(outputs: Outputs) -> Answer:
    required = [target for target in outputs.verdict.targets if target.required]
    wanted = [target for target in outputs.verdict.targets if not target.required]
    if not required:
        note = sentences(say("Give one with `--target`, for example `latency_p50_ms<=10`."), _wanted(wanted))
        return Answer("Targets met", data("No target given"), note, "unknown")
    met, missed, unknown = (sum(1 for t in required if t.status == s) for s in ("met", "missed", "unknown"))
    value = f"{met} of {len(required)} required" if met == len(required) else f"{met} of {len(required)}"
    value += f", {unknown} unknown" if unknown else ""
    state: State = "missed" if missed else "unknown" if unknown else "met"
    notes = [data(f"{words.requirement(t)}: {t.status}.") for t in required if t.status != "met"][:2]
    if not outputs.is_measured and unknown:
        notes = [say("Unknown is not missed: nothing was measured.")]
    return Answer(
        "Targets met", data(value), sentences(*notes, _wanted(wanted)) or say("All are inside their limits."), state
    )


def _wanted(wanted: Sequence[Target]) -> Prose:
    if not wanted:
        return NOTHING
    open_ones = [
        f"{sum(1 for t in wanted if t.status == s)} {s}"
        for s in ("met", "missed", "unknown")
        if any(t.status == s for t in wanted)
    ]
    return say("Wanted, not deciding: {what}.", what=", ".join(open_ones))


def _bound(outputs: Outputs) -> Answer:
    """Name what bounds the model, with the evidence; else why that is not known and which stage is the largest."""
    found = outputs.profile.bound_by
    largest = largest_warm(outputs)
    more = link("Profile", "#profile") if outputs.profile.operators else link("Stages", "#speed")
    evidence = str(found.get("evidence") or "")
    if found.get("verdict") in words.BOUNDS:
        text = data(sentence_case(evidence))
        return Answer("Bound by", data(words.BOUNDS[found["verdict"]]), say("{why}. {more}", why=text, more=more))
    if largest is None:
        return Answer("Bound by", data("Not measured"), say("Needs a measured run."), "unknown")
    name, share = largest
    what = words.WARM_FINDINGS.get(name, name)
    why = evidence or "what limits it inside needs a profile"
    note = say(
        "{share} of a request. Not known further: {why}. {more}",
        share=numbers.percent(share),
        why=marked(why),
        more=more,
    )
    return Answer("Bound by", data(what), note)


def targets_table(outputs: Outputs) -> tuple[Table, ...]:
    """Return the table of targets, or nothing where none was given."""
    if not outputs.verdict.targets:
        return ()
    columns = (
        Column("Requirement"),
        Column("Status"),
        Column("Measured"),
        Column("Against the limit", only_html=True),
        Column("Margin", numeric=True),
    )
    rows = tuple(_target_row(target) for target in outputs.verdict.targets)
    return (Table("Targets", columns, rows, kind="stack tgt"),)


def _target_row(target: Target) -> tuple[Cell, ...]:
    tag = "required" if target.required else "wanted"
    measured = words.metric_value(target.metric, target.measured, target.interval)
    told = data(measured) if target.measured is not None else data(target.method)
    if target.interval and target.metric.endswith("_ms"):
        told = say("{value}, CI {ci}", value=measured, ci=numbers.duration_interval(target.measured, target.interval))
    graphic: Cell = NOTHING
    if target.measured is not None:
        upper = words.relation(target).startswith("<")
        graphic = Graphic(
            bars.bullet(target.measured, target.interval, target.target, upper=upper, state=target.status)
        )
    return (
        say("{what} ({tag})", what=words.requirement(target), tag=tag),
        Status(target.status, words.JUDGED[target.status]),
        told,
        graphic,
        data(words.margin(target)),
    )
