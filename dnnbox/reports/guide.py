"""What to do now: next steps in the order of what they decide, what stays unknown, and how to build the model in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dnnbox.records.measurements import Target
from dnnbox.reports import failed, numbers, risks, words
from dnnbox.reports.blocks import Beside, Block, Column, Pairs, Section, Status, Step, Steps, Table
from dnnbox.reports.blocks import Words as Paragraphs
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, data, marked, say

_MOST_STEPS = 9
_RULE = (
    "**Go** when every required target is met. **No-go** when one is missed or the run failed. **Unknown** when one "
    "cannot be judged or none was given."
)


# -- criteria --------------------------------------------------------------------------------------------------------


def criteria(outputs: Outputs) -> Section:
    """Return what decides, and what nobody knows yet."""
    blocks: list[Block] = [_targets(outputs)]
    open_ones = tuple(_unknowns(outputs))
    if open_ones:
        columns = (Column("Not known"), Column("What would tell"))
        blocks.append(Table("Unknowns", columns, open_ones, say("What remains unknown")))
    return Section("criteria", "What decides", tuple(blocks), say(_RULE), nav="Criteria")


def _targets(outputs: Outputs) -> Block:
    targets = outputs.verdict.targets
    if not targets:
        text = say(
            "No target was given. Agree on limits for response time, memory and quality, then run with `--target`."
        )
        return Paragraphs((text,))
    has_needs = any(target.needed for target in targets)
    columns = [Column(name) for name in ("Target", "Decides", "Status", "Measured", "How it is measured")]
    columns += [Column("What would change it")] if has_needs else []
    rows = tuple(
        (
            data(words.plain_requirement(t)),
            data("yes" if t.required else "no, wanted only"),
            Status(t.status, words.JUDGED[t.status]),
            data(words.metric_value(t.metric, t.measured, t.interval)),
            data(t.method),
            *((data(t.needed),) if has_needs else ()),
        )
        for t in targets
    )
    return Table("Targets", tuple(columns), rows)


def _unknowns(outputs: Outputs) -> Iterator[tuple[Prose, Prose]]:
    stats, quality = outputs.stats, outputs.quality
    if failed.is_failed(outputs):
        yield data("Everything about speed, memory and quality"), say("A run that gets to its end")
        return
    if quality is None or not quality.figures:
        yield data("How often the model is right"), say("Labelled data: `--dataset DIR|CSV|COCO.json`")
    if stats.warm.latency_ms.p99 is None and outputs.is_measured:
        yield data("How slow the slowest 1 in 100 requests are"), say("More samples: without `--quick`")
    if stats.memory.vram_peak_mib is None and outputs.index.device in ("", "cpu"):
        yield data("How it runs on a graphics card"), say("The same command with `--device cuda` on such a machine")
    if not outputs.profile.operators and outputs.is_measured:
        yield data("What limits it inside the model"), say("A profile: `--profile`")
    if not outputs.contract.sizes and outputs.is_measured:
        yield data("Which sizes of input it takes"), say("A run that tries them: without `--quick`")
    for target in outputs.verdict.targets:
        if target.status == "unknown":
            yield (
                say("Whether {what} holds", what=_requirement(target)),
                data(target.needed or target.method),
            )


# -- next steps ------------------------------------------------------------------------------------------------------


def next_steps(outputs: Outputs) -> Section:
    """Return the next steps, the first one first, beside how to build the model in."""
    steps = Steps(tuple(_steps(outputs))[:_MOST_STEPS], say("Next steps, the most urgent first"))
    guide: tuple[Block, ...] = (integration(outputs),) if outputs.has_run else ()
    blocks: tuple[Block, ...] = (Beside((steps,), guide),) if guide else (steps,)
    return Section("next", "What to do now", blocks, nav="Next steps")


def _steps(outputs: Outputs) -> Iterator[Step]:
    """Yield first what stops or decides, then what must be settled before use, then what makes the answer better."""
    yield from _deciding(outputs)
    found = risks.of(outputs)
    for remedy in dict.fromkeys(risk.remedy for risk in found if risk.is_urgent):
        yield Step(say("**Before use:** {todo}.", todo=_lower(remedy)))
    if outputs.quality is None or not outputs.quality.figures:
        yield Step(say("**Before use:** test with labelled data to learn how often the model is right."))
    for remedy in dict.fromkeys(risk.remedy for risk in found if not risk.is_urgent):
        yield Step(say("**Later:** {todo}.", todo=_lower(remedy)))


def _requirement(target: Target) -> str:
    return words.inside_a_sentence(words.plain_requirement(target))


def _lower(sentence: str) -> Prose:
    """Return a remedy as it goes on after a colon; backticks mark code."""
    return marked(f"{sentence[:1].lower()}{sentence[1:]}")


def _deciding(outputs: Outputs) -> Iterator[Step]:
    if failed.is_failed(outputs):
        yield Step(say("**Remove the cause of the failure.** {hint}", hint=failed.way_out(outputs)))
        again = say("**Run it again** {when}, and read the decision anew.", when=failed.when_to_repeat(outputs))
        yield Step(again, words.command(outputs))
    for target in outputs.verdict.targets:
        if target.status == "missed" and target.required:
            needed = say(" It takes {needed}.", needed=target.needed.rstrip(".")) if target.needed else NOTHING
            yield Step(say("**Now:** reach {what}, or agree on another limit.", what=_requirement(target)) + needed)
    if outputs.stats.quality in ("contended", "unstable"):
        yield Step(say("**Now:** measure again on a quiet machine before deciding on speed."))
    if not any(t.required for t in outputs.verdict.targets):
        example = f"dnnbox run {outputs.index.checkpoint} --target 'latency_p50_ms<=10'"
        yield Step(say("**Now:** set the targets that decide, for example:"), example)


# -- integration -----------------------------------------------------------------------------------------------------


def integration(outputs: Outputs) -> Pairs:
    """Return how to build the model in: what to send, what to start from, what to keep and what to watch."""
    contract, stats = outputs.contract, outputs.stats
    items = (
        ("Send", data("; ".join(_field(f.name, f.dtype, f.shape) for f in contract.inputs[:3]))),
        ("Prepare", data(", then ".join(_step(step.step) for step in contract.preprocessing[:6]))),
        ("Receive", data("; ".join(_field(f.name, f.dtype, f.shape) for f in contract.outputs[:3]))),
        ("Read it by", data(", then ".join(_step(step.step) for step in contract.postprocessing[:6]))),
        ("Entry point", _entry(outputs)),
        ("Packages", say("`outputs/requirements.lock`; `dnnbox env` writes them for other tools")),
        ("Reserve", data(_reserve(outputs))),
        ("At start", _start(outputs)),
        ("Watch", data(_watch(outputs, stats.warm.latency_ms.p95))),
        ("Keep", say("the checkpoint with its sha256, `outputs/`, `scripts/`, and the lock")),
        ("Hand over", say("`dnnbox bundle` packs all of it into one file that can be checked and run again")),
    )
    return Pairs(tuple((name, value) for name, value in items if value), say("How to build it in"))


def _entry(outputs: Outputs) -> Prose:
    if outputs.params.get("runtime") == "adapter":
        return say("`scripts/adapter.py` (class Adapter), called by `scripts/10_infer.py`")
    return say(
        "`scripts/10_infer.py`, with the {runtime} runtime", runtime=str(outputs.params.get("runtime") or "same")
    )


def _step(name: str) -> str:
    return name.replace("_", " ")


def _field(name: str, dtype: str, sizes: Sequence[int | str]) -> str:
    return " ".join(part for part in (name, dtype, words.shape(tuple(sizes))) if part)


def _reserve(outputs: Outputs) -> str:
    memory = outputs.stats.memory
    parts = [f"{numbers.memory(memory.host_peak_mib)} RAM"] if memory.host_peak_mib is not None else []
    parts += [f"{numbers.memory(memory.vram_peak_mib)} graphics memory"] if memory.vram_peak_mib is not None else []
    parts += [numbers.counted(outputs.stats.threads, "thread")] if outputs.stats.threads else []
    return ", ".join(parts)


def _start(outputs: Outputs) -> Prose:
    total = outputs.stats.cold.total_ms.p50
    if total is None:
        return NOTHING
    return say("allow {time}, send one test request, then open traffic", time=numbers.duration(total))


def _watch(outputs: Outputs, p95: float | None) -> str:
    found = [f"19 of 20 answers in {numbers.duration(p95)} or less"] if p95 is not None else []
    ranges = [field for field in outputs.contract.inputs if field.range is not None][:1]
    found += [
        f"values of {field.name} that leave {numbers.plain(field.range[0])} to {numbers.plain(field.range[1])}"
        for field in ranges
        if field.range is not None
    ]
    found.append("inputs of another size or kind")
    found.append("the share of failed requests")
    return "; ".join(found)
