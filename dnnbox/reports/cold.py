"""The section of a cold start, and of what the process needs: memory over time, its peaks, energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.reports import figures, memory_figure, numbers, words
from dnnbox.reports.blocks import Beside, Block, Column, Figure, Pairs, Section, Table
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, data, say, sentence_case, sentences
from dnnbox.reports.speed import definition, limit, stage_row, standalone
from dnnbox.reports.summary import largest_cold

_ONLY_WHERE_KNOWN = ("vram_process_peak_mib", "cgroup_peak_mib")


def cold(outputs: Outputs) -> Section | None:
    """Return the section of the cold start and the memory; None where neither was measured."""
    left, right = _cold(outputs), _memory(outputs)
    if not left and not right:
        return None
    blocks: tuple[Block, ...] = (Beside(left, right),) if left and right else left or right
    return Section("cold", "Cold start and memory", blocks, nav="Cold start")


def _cold(outputs: Outputs) -> tuple[Block, ...]:
    measured = outputs.stats.cold
    total = measured.total_ms.p50
    shown = [
        figures.Bar(words.COLD_STAGES.get(name, name), stage.p50)
        for name, stage in measured.stages_ms.items()
        if stage.p50 is not None
    ]
    if total is None or not shown:
        return ()
    target = limit(outputs, "cold_")
    draw = figures.waterfall(
        shown, total, target.target if target else None, missed=target is not None and target.status == "missed"
    )
    largest = largest_cold(outputs)
    title = say("A cold start takes {total}", total=numbers.duration(total))
    if largest and largest[1] >= 0.3:
        title = say(
            "{what} is {share} of a {total} cold start",
            what=words.COLD_FINDINGS.get(largest[0], largest[0]),
            share=numbers.percent(largest[1]),
            total=numbers.duration(total),
        )
    told = say(
        "**Measured:** medians of {n}. Total: {what}.",
        n=numbers.counted(measured.processes, "fresh process", "fresh processes"),
        what=outputs.stats.definitions.get("cold.total_ms", ""),
    )
    columns = (
        Column("Stage"),
        Column("p50", numeric=True),
        Column("95 % CI", numeric=True),
        Column("Share", numeric=True),
    )
    rows = [
        stage_row(outputs, "cold", name, stage, words.COLD_STAGES.get(name, name))
        for name, stage in measured.stages_ms.items()
    ]
    rows.append(
        (
            say("**Total**"),
            data(numbers.duration(total, measured.total_ms.ci95)),
            data(numbers.duration_interval(total, measured.total_ms.ci95)),
            data(""),
        )
    )
    alt = ", ".join(f"{bar.name} {numbers.duration(bar.milliseconds)}" for bar in shown)
    caption = sentences(say("Medians of the stages do not add up to the median of the whole."), _page_cache(outputs))
    return (
        Figure("cold", title, told, figures.variants(draw), standalone(draw), alt, caption),
        Table("Stages of a cold start", columns, tuple(rows), kind="", is_folded=True),
    )


def _page_cache(outputs: Outputs) -> Prose:
    """Say whether the files came from the disk or from memory: that is another figure."""
    found = outputs.stats.cold.page_cache
    share = found.get("checkpoint_share")
    if not isinstance(share, float):
        return NOTHING
    where = "Before each start {share} of the checkpoint lay in memory"
    if found.get("dropped") is True:
        where = "The page cache was dropped: before each start {share} of the checkpoint lay in memory"
    return say(f"{where}.", share=numbers.percent(share))


def _memory(outputs: Outputs) -> tuple[Block, ...]:
    memory = outputs.stats.memory
    items = tuple(
        (title, _or_reason(outputs, numbers.memory(value), f"memory.{name}", value is None))
        for name, title, value in (
            ("host_peak_mib", "RAM, peak", memory.host_peak_mib),
            ("host_after_load_mib", "RAM, model loaded", memory.host_after_load_mib),
            ("vram_peak_mib", "VRAM, peak", memory.vram_peak_mib),
            ("vram_process_peak_mib", "VRAM, as the driver counts", memory.vram_process_peak_mib),
            ("cgroup_peak_mib", "Box, page cache included", memory.cgroup_peak_mib),
        )
        if value is not None or name not in _ONLY_WHERE_KNOWN
    )
    if memory.host_peak_mib is None and memory.vram_peak_mib is None:
        return ()
    title = say("The process needs {ram} of RAM", ram=numbers.memory(memory.host_peak_mib))
    table = Pairs(items, title, definition(outputs, "memory.host_peak_mib"))
    return (table, *_timeline(outputs), _energy(outputs))


def _timeline(outputs: Outputs) -> tuple[Figure, ...]:
    """Return the memory over time; nothing where the system does not tell it."""
    found = outputs.samples.get("memory")
    series = found if isinstance(found, Mapping) else {}
    points = [(float(ms), float(mib)) for ms, mib in _pairs(series.get("points")) if mib]
    phases = [(str(name), float(ms)) for name, ms in _pairs(series.get("phases"))]
    if len(points) < 2:
        return ()
    draw = memory_figure.memory(memory_figure.MemorySeries(points, phases))
    peak = numbers.memory(outputs.stats.memory.host_peak_mib)
    return (
        Figure(
            "memory",
            say("Memory while it loads and runs"),
            say("**Measured:** resident memory, read at most a hundred times a second, in a pass that is not timed."),
            figures.variants(draw),
            standalone(draw),
            f"Memory over time, {peak} at most",
            say("A peak between two looks is in the figure above, not in the drawing."),
        ),
    )


def _pairs(value: Any) -> Sequence[Sequence[Any]]:
    return [pair for pair in value if isinstance(pair, list) and len(pair) == 2] if isinstance(value, list) else ()


def _energy(outputs: Outputs) -> Pairs:
    """Return what a call costs in energy, source by source, or why that is not known."""
    found = outputs.stats.energy
    if found is None:
        return Pairs((("Energy", _or_reason(outputs, "", "energy", True)),), say("Energy"))
    sources = found.get("sources")
    items: list[tuple[str, Prose]] = []
    for name, facts in sources.items() if isinstance(sources, Mapping) else ():
        title = "GPU" if name == "gpu" else sentence_case(str(name))
        items.append((f"{title}, an item", data(numbers.energy(facts.get("joules_per_item")))))
        items.append((f"{title}, power", _power(facts)))
    if isinstance(gpu := found.get("gpu"), Mapping):
        clocks = gpu.get("sm_clock_mhz")
        if isinstance(clocks, list) and len(clocks) == 3:
            items.append(
                ("GPU clock", say("{now} MHz of {most} MHz", now=clocks[1], most=gpu.get("highest_sm_clock_mhz")))
            )
        if gpu.get("reasons"):
            items.append(("GPU held back by", data(", ".join(map(str, gpu["reasons"])))))
    return Pairs(tuple(items), say("Energy"), definition(outputs, "energy"))


def _power(facts: Mapping[str, Any]) -> Prose:
    return say(
        "{watts}, idle {idle}; by {how}",
        watts=numbers.power(facts.get("watts")),
        idle=numbers.power(facts.get("idle_watts")),
        how=facts.get("counter", ""),
    )


def _or_reason(outputs: Outputs, value: str, name: str, is_missing: bool) -> Prose:
    return (
        say("{missing} {why}", missing=numbers.MISSING, why=outputs.stats.reasons.get(name, "not measured"))
        if is_missing
        else data(value)
    )
