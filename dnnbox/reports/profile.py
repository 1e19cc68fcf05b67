"""The section of the profile: operators, their work, and how near the model is to what this device can do."""

from __future__ import annotations

from dnnbox.records.measurements import Operator
from dnnbox.reports import figures, numbers, words
from dnnbox.reports.blocks import Beside, Block, Cell, Column, Figure, Pairs, Section, Table
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, code, data, say, sentences
from dnnbox.reports.roofline_figure import Dot, Roof, roofline
from dnnbox.reports.speed import share_graphic, standalone

_MOST_DOTS = 8


def profile(outputs: Outputs) -> Section | None:
    """Return the section; None where no profile was taken."""
    if not outputs.profile.operators:
        return None
    drawing, roof = _drawing(outputs), _roof(outputs)
    near: tuple[Block, ...] = (Beside(drawing, (roof,)),) if drawing else (roof,)
    blocks: tuple[Block, ...] = (_operators(outputs), *_fallbacks(outputs), *near)
    sub = say("A pass of its own: its times say what is large, not how long a request takes.")
    return Section("profile", "Where the time goes", blocks, sub, nav="Profile")


def _operators(outputs: Outputs) -> Table:
    found = outputs.profile
    columns = (
        Column("Operator"),
        Column("Time", numeric=True),
        Column("", only_html=True),
        Column("Calls", numeric=True),
        Column("Own time", numeric=True),
        Column("Work", numeric=True),
        Column("Moves", numeric=True),
        Column("Runs on"),
    )
    rows = tuple(_row(operator, is_first=i == 0) for i, operator in enumerate(found.operators))
    largest = found.operators[0]
    title = say("{name} takes {share} of the operators' time", name=largest.name, share=numbers.percent(largest.share))
    measured = say("**Measured:** {what}.", what=found.definitions.get("operators", ""))
    others = found.shares.get("others_share")
    note = sentences(
        _slowdown(outputs),
        say("Listed are {n} of {all} kinds; the others take {share}.", n=len(found.operators), all=found.operators_n,
            share=numbers.percent(others)) if others and found.operators_n > len(found.operators) else NOTHING,
    )  # fmt: skip
    return Table("Operators", columns, rows, title, measured, note, kind="")


def _slowdown(outputs: Outputs) -> Prose:
    found = outputs.profile
    if found.slowdown is None:
        return NOTHING
    return say(
        "Profiled with the {tool}: a call took {time}, {factor} times the measured one.",
        tool=found.tool,
        time=numbers.duration(found.profiled_ms),
        factor=numbers.significant(found.slowdown),
    )


def _row(operator: Operator, *, is_first: bool) -> tuple[Cell, ...]:
    return (
        code(operator.name),
        data(numbers.percent_cell(operator.share)),
        share_graphic(operator.share, is_first=is_first),
        data(numbers.plain(operator.calls)),
        data(numbers.duration(operator.self_ms)),
        data(numbers.work(operator.flops)),
        data(numbers.size(operator.bytes)),
        data(operator.provider),
    )


def _fallbacks(outputs: Outputs) -> tuple[Table, ...]:
    """Return the nodes of a GPU run that the CPU ran: each of them copies its inputs back, and its outputs forth."""
    found = outputs.profile
    if not found.fallbacks:
        return ()
    columns = (Column("Node"), Column("Operator"), Column("Ran on"), Column("Time of a call", numeric=True))
    rows = tuple(
        (
            code(str(node.get("name", ""))),
            code(str(node.get("operator", ""))),
            data(str(node.get("provider", ""))),
            data(numbers.duration(node.get("self_ms"))),
        )
        for node in found.fallbacks
    )
    share = found.shares.get("fallbacks_share")
    title = say("The CPU ran {n} of this GPU run", n=numbers.counted(found.fallbacks_n, "node"))
    told = say("They take {share} of the operators' time.", share=numbers.percent(share)) if share else NOTHING
    return (Table("CPU fallbacks", columns, rows, title, NOTHING, told, kind=""),)


def _drawing(outputs: Outputs) -> tuple[Figure, ...]:
    """Return the roofline; nothing where a peak or the model's work is not known."""
    roof, peaks = outputs.profile.roofline, outputs.profile.peaks
    values = (roof.get("flops_per_byte"), roof.get("flops_per_s"), peaks.get("flops_per_s"), peaks.get("bytes_per_s"))
    if not all(isinstance(value, int | float) and value > 0 for value in values):
        return ()
    model = Dot("model", float(roof["flops_per_byte"]), float(roof["flops_per_s"]))
    drawn = Roof(float(peaks["flops_per_s"]), float(peaks["bytes_per_s"]), model, _dots(outputs))
    draw = roofline(drawn)
    reached = numbers.work_rate(roof["flops_per_s"])
    title = say("The model reaches {rate} of {peak}", rate=reached, peak=numbers.work_rate(peaks["flops_per_s"]))
    measured = say("**Measured:** the roof, {peaks}.", peaks=outputs.profile.definitions.get("peaks", ""))
    caption = say("Small dots are operators, by their own time in the profile, which is slower than the measured one.")
    return (
        Figure(
            "roofline",
            title,
            measured,
            figures.variants(draw),
            standalone(draw),
            f"Roofline, the model reaches {reached}",
            caption,
        ),
    )


def _dots(outputs: Outputs) -> list[Dot]:
    return [
        Dot(each.name, each.flops / each.bytes, each.flops / each.self_ms * 1e3)
        for each in outputs.profile.operators[:_MOST_DOTS]
        if each.flops and each.bytes and each.self_ms > 0
    ]


def _roof(outputs: Outputs) -> Pairs:
    found = outputs.profile
    verdict = str(found.bound_by.get("verdict", ""))
    roof, peaks = found.roofline, found.peaks
    reached = _rates(roof.get("flops_per_s"), roof.get("bytes_per_s"))
    highest = _rates(peaks.get("flops_per_s"), peaks.get("bytes_per_s"))
    nodes = ", ".join(f"{numbers.count(n)} on {name}" for name, n in found.providers.items())
    trace = say("{path}, opens in Perfetto", path=code(found.trace))
    evidence = found.bound_by.get("evidence", "")
    items = [
        ("Bound by", say("{what}: {why}", what=words.BOUNDS.get(verdict, "not known"), why=evidence)),
        ("Work of a call", _or_reason(outputs, numbers.work(found.total_flops), "total_flops")),
        ("Moved by a call", _or_reason(outputs, numbers.size(found.total_bytes), "total_bytes")),
        ("Reached", reached),
        ("Peaks of this device", highest or _or_reason(outputs, numbers.MISSING, "peaks")),
        ("Peaks measured with", data(f"{peaks.get('library', '')}, {peaks.get('dtype', '')}") if peaks else NOTHING),
        ("Work per byte", _intensity(roof.get("flops_per_byte"), roof.get("ridge_flops_per_byte"))),
        ("Nodes", data(nodes)),
        ("Trace", trace if found.trace else _or_reason(outputs, numbers.MISSING, "trace")),
    ]
    measured = say("**Measured:** {roofline}; peaks: {peaks}.", roofline=found.definitions.get("roofline", ""),
                   peaks=found.definitions.get("peaks", ""))  # fmt: skip
    return Pairs(tuple((name, value) for name, value in items if value), say("How near to the roof"), measured)


def _or_reason(outputs: Outputs, text: str, name: str) -> Prose:
    """Return a figure, or why it is missing."""
    if text != numbers.MISSING:
        return data(text)
    return say("{dash} {why}", dash=text, why=outputs.profile.reasons.get(name, "not known"))


def _rates(flops_per_s: float | None, bytes_per_s: float | None) -> Prose:
    told = [numbers.work_rate(flops_per_s)] if flops_per_s else []
    told += [numbers.byte_rate(bytes_per_s)] if bytes_per_s else []
    return data(", ".join(told))


def _intensity(model: float | None, ridge: float | None) -> Prose:
    if model is None or ridge is None:
        return NOTHING
    return say(
        "{model} FLOP; below {ridge} the copy rate is the lower roof",
        model=numbers.significant(model),
        ridge=numbers.significant(ridge),
    )
