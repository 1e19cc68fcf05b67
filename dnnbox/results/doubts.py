"""Is the model fed as it should be? Sizes, ranges, statistics and colour order that ran, against what is declared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dnnbox import text
from dnnbox.records.inspection import Inspection
from dnnbox.records.measurements import Contract, ContractField, SizeTried
from dnnbox.records.run import RunOutcome
from dnnbox.results import contracts
from dnnbox.results.stated import Stated

_RGB_LIBRARIES = ("timm", "torchvision", "transformers", "sentence-transformers")
_MOST_TRIED = 60


@dataclass(frozen=True)
class Expected:
    """What pictures should look like when they reach the model; empty where nobody says. ``source`` by fact."""

    size: tuple[int, int] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    colour_order: str = ""
    source: Mapping[str, str] = field(default_factory=dict)

    def why(self, fact: str) -> str:
        """Return who says so."""
        return self.source.get(fact, "")


def expected(inspection: Inspection, options: Mapping[str, Any], stated: Stated | None) -> Expected:
    """Return what is stated, else declared by the checkpoint's own files, else the library's rule for colours."""
    steps = options.get("preprocess")
    given: Mapping[str, Any] = steps if isinstance(steps, Mapping) else {}
    source = str(given.get("source") or "")
    sources: dict[str, str] = {}
    size = _size(given.get("size"))
    if size is None:
        size = _declared_size(inspection)
        sources["size"] = "the declared shape" if size else ""
    elif source:
        sources["size"] = source
    mean, std = _numbers(given.get("mean")), _numbers(given.get("std"))
    if mean and std:
        sources["normalize"] = source
    order = _stated_order(stated)
    if order and stated is not None:
        sources["colour_order"] = stated.source
    best = inspection.identity.best
    if not order and best is not None and best.library in _RGB_LIBRARIES:
        order, sources["colour_order"] = "RGB", f"{best.library} takes pictures as RGB"
    return Expected(size, mean, std, order, sources)


def _size(value: Any) -> tuple[int, int] | None:
    sides = value if isinstance(value, list | tuple) else [value, value]
    if len(sides) < 2 or not all(isinstance(side, int) for side in sides[-2:]):
        return None
    return int(sides[-2]), int(sides[-1])


def _declared_size(inspection: Inspection) -> tuple[int, int] | None:
    for hint in inspection.io_hints.inputs:
        shape = hint.shape or ()
        sides = _sides(shape)
        if sides is not None and hint.status != "assumed":
            high, wide = shape[sides[0]], shape[sides[1]]
            if isinstance(high, int) and isinstance(wide, int):
                return high, wide
    return None


def _sides(shape: Sequence[int | str]) -> tuple[int, int] | None:
    if len(shape) != 4:
        return None
    if shape[1] in (1, 3, 4):
        return 2, 3
    return (1, 2) if shape[3] in (1, 3, 4) else None


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple):
        return ()
    return tuple(float(one) for one in value if isinstance(one, int | float))


def _stated_order(stated: Stated | None) -> str:
    fields = stated.inputs if stated is not None else ()
    return next((str(item["colour_order"]).upper() for item in fields if item.get("colour_order")), "")


def completed(
    contract: Contract,
    *,
    first: RunOutcome | None,
    memory: RunOutcome | None,
    sizes: RunOutcome | None,
    sizes_reason: str,
    expected: Expected,
    labels: tuple[str, ...],
) -> Contract:
    """Return the contract with labels, the sizes tried, whether it runs when fed back, and what is doubtful."""
    seen = _seen(first)
    inputs = tuple(_with_order(tensor, seen.get(tensor.name, {})) for tensor in contract.inputs)
    tried, stopped = _tried(sizes)
    return replace(
        contract,
        inputs=inputs,
        labels=tuple(text.visible(label, 80) for label in labels[:1000]),
        fed_back=_fed_back(memory),
        sizes=tried,
        sizes_reason=sizes_reason or stopped,
        warnings=tuple(warning for tensor in inputs for warning in _doubts(tensor, seen.get(tensor.name, {}), expected))
        + tuple(_label_doubts(contract, labels)),
    )


def _seen(first: RunOutcome | None) -> Mapping[str, Mapping[str, Any]]:
    found = first.result.findings.get("inputs") if first is not None and first.result is not None else None
    if not isinstance(found, Mapping):
        return {}
    return {str(name): entry for name, entry in found.items() if isinstance(entry, Mapping)}


def _with_order(tensor: ContractField, seen: Mapping[str, Any]) -> ContractField:
    order = seen.get("colour_order")
    if order not in ("RGB", "BGR"):
        return tensor
    if tensor.colour_order is not None:
        return tensor
    status = {**tensor.status, "colour_order": "observed"}
    source = {**tensor.source, "colour_order": "the input held against its file"}
    layout = tensor.layout or contracts.picture_layout(tensor.shape)
    if layout and not tensor.layout:
        status["layout"], source["layout"] = "assumed", contracts.BY_SIZES
    return replace(tensor, colour_order=order, layout=layout, status=status, source=source)


def _fed_back(memory: RunOutcome | None) -> Mapping[str, Any]:
    found = memory.result.findings.get("fed_back") if memory is not None and memory.result is not None else None
    if not isinstance(found, Mapping):
        return {}
    runs = found.get("runs")
    return {
        "runs": runs if isinstance(runs, bool) else None,
        "detail": text.visible(str(found.get("detail", "")), 300),
    }


def _tried(sizes: RunOutcome | None) -> tuple[tuple[SizeTried, ...], str]:
    found = sizes.result.findings if sizes is not None and sizes.result is not None else {}
    listed = found.get("tried")
    tried = tuple(_one(item) for item in (listed if isinstance(listed, list) else [])[:_MOST_TRIED])
    return tuple(one for one in tried if one is not None), text.visible(str(found.get("stopped") or ""), 200)


def _one(item: Any) -> SizeTried | None:
    if not isinstance(item, Mapping) or not isinstance(item.get("size"), int):
        return None
    outputs = item.get("outputs")
    return SizeTried(
        dimension=text.visible(str(item.get("dimension", "")), 60),
        size=int(item["size"]),
        runs=item.get("runs") is True,
        problem=text.visible(str(item.get("problem", "")), 240),
        outputs={
            text.visible(str(name), 60): tuple(int(size) for size in shape if isinstance(size, int))
            for name, shape in (outputs.items() if isinstance(outputs, Mapping) else ())
            if isinstance(shape, list)
        },
    )


# -- doubts ----------------------------------------------------------------------------------------------------------


def _doubts(tensor: ContractField, seen: Mapping[str, Any], wanted: Expected) -> Iterator[Mapping[str, str]]:
    sides = _sides(tensor.shape)
    if sides is None:
        return
    yield from _size_doubt(tensor, sides, wanted)
    yield from _order_doubt(tensor, seen, wanted)
    yield from _scale_doubt(tensor, seen, wanted)


def _told(tensor: ContractField, fact: str, expected_: str, found: str, words: str) -> Mapping[str, str]:
    name = text.visible(tensor.name, 60)
    return {"field": name, "fact": fact, "expected": expected_, "found": found, "text": f"{name}: {words}"}


def _label_doubts(contract: Contract, labels: tuple[str, ...]) -> Iterator[Mapping[str, str]]:
    """Doubt names of classes that are not as many as the classes of the one output that is decoded by them."""
    rows = [tensor for tensor in contract.outputs if len(tensor.shape) == 2]
    is_classes = any(entry.get("kind") == "classes" for entry in contract.decoded)
    if not labels or not is_classes or len(rows) != 1 or not isinstance(classes := rows[0].shape[1], int):
        return
    if classes not in (1, len(labels)):
        words = f"{len(labels)} labels are given for {classes} classes, so names may be wrong"
        yield _told(rows[0], "labels", f"{classes} classes", f"{len(labels)} labels", words)


def _size_doubt(tensor: ContractField, sides: tuple[int, int], wanted: Expected) -> Iterator[Mapping[str, str]]:
    high, wide = tensor.shape[sides[0]], tensor.shape[sides[1]]
    if wanted.size is None or not isinstance(high, int) or not isinstance(wide, int) or (high, wide) == wanted.size:
        return
    found, meant = f"{high} × {wide}", f"{wanted.size[0]} × {wanted.size[1]}"
    words = f"pictures reach the model as {found}, {meant} is expected ({wanted.why('size')})"
    yield _told(tensor, "size", meant, found, words)


def _order_doubt(tensor: ContractField, seen: Mapping[str, Any], wanted: Expected) -> Iterator[Mapping[str, str]]:
    observed = seen.get("colour_order")
    if not wanted.colour_order or observed not in ("RGB", "BGR") or observed == wanted.colour_order:
        return
    words = f"colours come as {observed}, {wanted.colour_order} is expected ({wanted.why('colour_order')})"
    yield _told(tensor, "colour_order", wanted.colour_order, str(observed), words)


def _scale_doubt(tensor: ContractField, seen: Mapping[str, Any], wanted: Expected) -> Iterator[Mapping[str, str]]:
    """Compare the range, and the means of the channels where the file's own are known."""
    span = tensor.range
    if span is None or not wanted.mean or len(wanted.mean) != len(wanted.std) or not all(wanted.std):
        return
    low = min((0 - mean) / std for mean, std in zip(wanted.mean, wanted.std, strict=True))
    high = max((1 - mean) / std for mean, std in zip(wanted.mean, wanted.std, strict=True))
    meant, found = f"{low:.3g} to {high:.3g}", f"{span[0]:.3g} to {span[1]:.3g}"
    why = wanted.why("normalize")
    slack = 0.05 * (high - low)
    if span[0] < low - slack or span[1] > high + slack:
        scaled = "; they look like bytes that were not scaled" if span[1] > 20 else ""
        words = f"values reach from {found}, normalised ones from {meant} ({why}){scaled}"
        yield _told(tensor, "range", meant, found, words)
    elif span[0] >= 0 and low < -0.5 and span[1] <= 1.0001:
        words = f"values reach from {found}, normalised ones from {meant} ({why}); normalisation seems to be missing"
        yield _told(tensor, "range", meant, found, words)
    else:
        yield from _mean_doubt(tensor, seen, wanted, why)


def _mean_doubt(
    tensor: ContractField, seen: Mapping[str, Any], wanted: Expected, why: str
) -> Iterator[Mapping[str, str]]:
    means, sources = _numbers(seen.get("channel_means")), _numbers(seen.get("source_means"))
    if len(means) != 3 or len(sources) != 3 or len(wanted.mean) != 3:
        return
    if tensor.colour_order == "BGR" and wanted.colour_order != "BGR":
        sources = sources[::-1]
    meant = [(source - mean) / std for source, mean, std in zip(sources, wanted.mean, wanted.std, strict=True)]
    if math.dist(means, meant) < 1.0:
        return
    told = [", ".join(f"{value:.2f}" for value in values) for values in (meant, means)]
    words = f"the channels' means are {told[1]}, the file's colours normalised would give {told[0]} ({why})"
    yield _told(tensor, "statistics", told[0], told[1], words)
