"""What changes the figures, as far as the run tried it: batch, precision, threads, other ways to run, input sizes.

Each row says what was tried and what it did; what was not tried says so, with the option that would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dnnbox.records.measurements import SizeTried, Variant
from dnnbox.reports import numbers
from dnnbox.reports.blocks import Column, Section, Table
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, data, link, marked, say, sentences

_HALF = ("fp16", "bf16", "fp32")
_REPORT = "experiment-report.html"


def section(outputs: Outputs) -> Section | None:
    """Return the section of the stakeholder report; None where nothing was measured."""
    if not outputs.is_measured:
        return None
    variants = outputs.stats.variants
    rows = (
        (data("Several at once"), *_batches(outputs)),
        (data("Lower precision"), *_variants(variants, lambda name: name in _HALF, "`--variant bf16`")),
        (
            data("Processor threads"),
            *_variants(variants, lambda name: name.startswith("threads-"), "`--variant threads-1,threads-2`"),
        ),
        (
            data("Other ways to run it"),
            *_variants(variants, lambda name: name not in _HALF and not name.startswith("threads-"), ""),
        ),
        (data("Size of the input"), *_sizes(outputs)),
    )
    shown = tuple(row for row in rows if row[1])
    columns = (Column("What was changed"), Column("Tried"), Column("What it did"))
    sub = say("Only what this run tried. Everything else may behave differently.")
    return Section(
        "sensitivity", "What changes the figures", (Table("Sensitivities", columns, shown),), sub, nav="Changes"
    )


def _batches(outputs: Outputs) -> tuple[Prose, Prose]:
    points = outputs.stats.throughput
    tried = ", ".join(str(point.batch) for point in points)
    if len(points) < 2:
        return say("one at a time only"), say("Not tried: `--batch 1,8,32`.")
    first = points[0]
    best = max(points, key=lambda point: point.items_per_s)
    if best.batch == first.batch:
        told = say("More at once is no faster: {rate} items per second at best.", rate=numbers.rate(best.items_per_s))
    else:
        told = sentences(
            say(
                "{batch} at once give {rate} items per second, one at a time {alone}.",
                batch=best.batch,
                rate=numbers.rate(best.items_per_s),
                alone=numbers.rate(first.items_per_s),
            ),
            say("Each answer then takes {time}.", time=numbers.duration(best.latency_p50_ms))
            if best.latency_p50_ms is not None
            else NOTHING,
        )
    saturates = outputs.stats.throughput_best.get("saturates_at")
    more = say("More than {n} at once gains little.", n=saturates) if saturates else NOTHING
    return data(tried), sentences(told, more, link("Figures", f"{_REPORT}#speed"))


def _variants(variants: Sequence[Variant], is_of: Callable[[str], bool], untried: str) -> tuple[Prose, Prose]:
    found = [variant for variant in variants if is_of(variant.name)]
    if not found:
        return (data("not tried"), say("Not tried: {how}.", how=marked(untried))) if untried else (NOTHING, NOTHING)
    return data(", ".join(variant.name for variant in found)), sentences(*_effects(found))


def _effects(variants: Sequence[Variant]) -> Iterator[Prose]:
    for variant in variants:
        if variant.speedup is None:
            yield say("{name}: not to be had ({why}).", name=variant.name, why=variant.reason or "no figure")
            continue
        yield say(
            "{name}: {speed} times as fast{difference}.",
            name=variant.name,
            speed=numbers.significant(variant.speedup),
            difference=_difference(variant),
        )
    yield link("Figures", f"{_REPORT}#speed")


def _difference(variant: Variant) -> Prose:
    if variant.difference is None:
        return NOTHING
    if variant.difference == 0:
        return say(", with the same answers")
    return say(", its answers differ by {share} of the largest value", share=f"{variant.difference:.2g}")


def _sizes(outputs: Outputs) -> tuple[Prose, Prose]:
    found = outputs.contract
    if not found.sizes:
        why = found.sizes_reason or "no open size is known"
        return data("not tried"), say("Not known: {why}.", why=marked(why))
    by_name: dict[str, list[SizeTried]] = {}
    for one in found.sizes:
        by_name.setdefault(one.dimension, []).append(one)
    return data(", ".join(by_name)), sentences(
        *(_one_size(name, tried) for name, tried in list(by_name.items())[:6]),
        link("Sizes that were tried", f"{_REPORT}#contract"),
    )


def _one_size(name: str, tried: Sequence[SizeTried]) -> Prose:
    ran = ", ".join(str(one.size) for one in tried if one.runs)
    not_ran = ", ".join(str(one.size) for one in tried if not one.runs)
    if not ran:
        return say("{name}: no other size ran ({failed} failed).", name=name, failed=not_ran)
    failed = say("; {failed} failed", failed=not_ran) if not_ran else NOTHING
    return say("{name}: {ran} ran", name=name, ran=ran) + failed + say(".")
