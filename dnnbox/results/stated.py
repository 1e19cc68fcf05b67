"""What the user knows of inputs and outputs (``--contract FILE``): it steers the run, and is held against what runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dnnbox.errors import BadOutput, NotReadable, Usage
from dnnbox.records.measurements import Contract, ContractField, ContractStep
from dnnbox.text import visible

_FIELDS = ("name", "shape", "dtype", "layout", "range", "colour_order")
_KEYS = ("schema", "inputs", "outputs", "preprocessing", "postprocessing", "labels")
_LARGEST = 8 << 20


@dataclass(frozen=True)
class Stated:
    """The file's own words. ``source`` is its name."""

    source: str
    inputs: tuple[Mapping[str, Any], ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()
    preprocessing: tuple[Mapping[str, Any], ...] = ()
    postprocessing: tuple[Mapping[str, Any], ...] = ()
    labels: tuple[str, ...] = ()

    def options(self) -> dict[str, Any]:
        """Return what of it the runtime is told: sizes of open dimensions, picture steps, labels."""
        told: dict[str, Any] = {}
        if self.inputs:
            told["inputs"] = [
                {"name": str(f.get("name", "")), "shape": list(f["shape"]), "dtype": str(f.get("dtype", "")),
                 "status": "stated", "source": self.source}
                for f in self.inputs if f.get("shape")
            ]  # fmt: skip
        if self.labels:
            told["labels"] = list(self.labels)
        steps = dict(self._picture_steps())
        if steps:
            told["preprocess"] = {**steps, "status": "stated", "source": self.source}
        return {key: value for key, value in told.items() if value}

    def _picture_steps(self) -> Iterator[tuple[str, Any]]:
        for step in self.preprocessing:
            parameters = step.get("parameters") or {}
            name = str(step.get("step", "")).lower()
            if name == "normalize":
                yield from ((key, parameters[key]) for key in ("mean", "std") if key in parameters)
            if name == "resize" and "shorter_side" in parameters:
                yield "resize", parameters["shorter_side"]
            if name == "center_crop" and "height" in parameters:
                yield "size", [parameters["height"], parameters.get("width", parameters["height"])]


def read(path: Path) -> Stated:
    """Return the contract of a JSON file.

    Raises:
        NotReadable: the file cannot be read.
        Usage: it is no JSON object of the form of io_contract.json.
    """
    name = visible(path.name, 80)
    try:
        if path.stat().st_size > _LARGEST:
            raise Usage(f"--contract `{name}` is larger than 8 MiB", phase="inspect")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotReadable(f"--contract `{name}` cannot be read: {error.strerror}", phase="inspect") from error
    except (ValueError, RecursionError) as error:
        raise Usage(f"--contract `{name}` is not JSON: {visible(str(error), 80)}", phase="inspect") from error
    if not isinstance(document, dict):
        raise Usage(f"--contract `{name}` is no JSON object", hint=_FORM, phase="inspect")
    unknown = [key for key in document if key not in (*_KEYS, "checks", "decoded", "sizes", "fed_back", "warnings")]
    if unknown:
        raise Usage(f"--contract `{name}` has the key `{visible(unknown[0], 40)}`", hint=_FORM, phase="inspect")
    return Stated(
        source=name,
        inputs=tuple(_field(item, name) for item in _items(document, "inputs", name)),
        outputs=tuple(_field(item, name) for item in _items(document, "outputs", name)),
        preprocessing=tuple(_items(document, "preprocessing", name)),
        postprocessing=tuple(_items(document, "postprocessing", name)),
        labels=_labels(document.get("labels"), name),
    )


_FORM = f"keys are {', '.join(_KEYS)}; an input has {', '.join(_FIELDS)}"


def _labels(found: Any, name: str) -> tuple[str, ...]:
    """Return the classes' names in order, from a list or from an object of their numbers, as configs have it."""
    if isinstance(found, dict):
        numbered = [found.get(str(number)) for number in range(len(found))]
        found = numbered if None not in numbered else found
    if not isinstance(found or [], list) or any(isinstance(label, list | dict) for label in found or ()):
        hint = 'write ["cat", "dog"] or {"0": "cat", "1": "dog"}'
        raise Usage(f"--contract `{name}`: labels are no list of names", hint=hint, phase="inspect")
    return tuple(str(label) for label in found or ())


def _items(document: Mapping[str, Any], key: str, name: str) -> list[Mapping[str, Any]]:
    found = document.get(key) or []
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise Usage(f"--contract `{name}`: {key} is no list of objects", hint=_FORM, phase="inspect")
    return found


def _field(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    shape, span = item.get("shape"), item.get("range")
    if shape is not None and not (isinstance(shape, list) and all(_is_size(size) for size in shape)):
        raise Usage(f"--contract `{name}`: a shape is a list of sizes and names", hint=_FORM, phase="inspect")
    is_span = isinstance(span, list) and len(span) == 2 and all(_is_number(end) for end in span) and span[0] <= span[1]
    if span is not None and not is_span:
        raise Usage(f"--contract `{name}`: a range is [lowest, highest]", hint=_FORM, phase="inspect")
    return item


def _is_size(size: Any) -> bool:
    return isinstance(size, str) or (isinstance(size, int) and not isinstance(size, bool) and size > 0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def require(contract: Contract, stated: Stated) -> None:
    """Raise BadOutput where what ran contradicts what was stated, with both values."""
    problems = [*_contradictions("input", contract.inputs, stated.inputs)]
    problems += _contradictions("output", contract.outputs, stated.outputs)
    if problems:
        raise BadOutput(
            f"{stated.source} contradicts what ran: {'; '.join(problems)}"[:300],
            hint="mend the contract, or give the model other inputs",
            phase="infer",
            details={"contradictions": problems},
        )


def _contradictions(side: str, fields: Sequence[ContractField], stated: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for place, item in enumerate(stated):
        name = str(item.get("name") or "")
        field = _matching(fields, name, place)
        if field is None:
            names = ", ".join(visible(known.name, 40) for known in fields)
            yield f"{side} {visible(name, 40)} is stated, the model has {names}"
            continue
        yield from (f"{side} {visible(field.name, 40)}: {problem}" for problem in _differs(field, item))


def _matching(fields: Sequence[ContractField], name: str, place: int) -> ContractField | None:
    if name:
        return next((field for field in fields if field.name == name), None)
    return fields[place] if place < len(fields) else None


def _differs(field: ContractField, item: Mapping[str, Any]) -> Iterator[str]:
    shape = item.get("shape")
    if shape is not None and not _shapes_agree(shape, field.shape):
        yield f"shape {shape} stated, {list(field.shape)} observed"
    dtype = item.get("dtype")
    if dtype and field.dtype and dtype != field.dtype:
        yield f"dtype {visible(str(dtype), 20)} stated, {field.dtype} observed"
    layout = item.get("layout")
    if layout and field.layout and layout != field.layout:
        yield f"layout {visible(str(layout), 20)} stated, {field.layout} from the sizes of the dimensions"
    span = item.get("range")
    if span is not None and field.range is not None:
        slack = 1e-3 * max(1.0, abs(span[0]), abs(span[1]))
        if field.range[0] < span[0] - slack or field.range[1] > span[1] + slack:
            yield f"range {span} stated, {field.range[0]:.4g} to {field.range[1]:.4g} observed"


def _shapes_agree(stated: Sequence[int | str], observed: Sequence[int | str]) -> bool:
    return len(stated) == len(observed) and all(
        isinstance(a, str) or isinstance(b, str) or a == b for a, b in zip(stated, observed, strict=True)
    )


def merged(contract: Contract, stated: Stated) -> Contract:
    """Return the contract with what was stated in its place, marked as such."""
    return replace(
        contract,
        inputs=tuple(
            _merged(field, place, stated.inputs, stated.source) for place, field in enumerate(contract.inputs)
        ),
        outputs=tuple(
            _merged(field, place, stated.outputs, stated.source) for place, field in enumerate(contract.outputs)
        ),
        preprocessing=_steps(contract.preprocessing, stated.preprocessing, stated.source),
        postprocessing=_steps(contract.postprocessing, stated.postprocessing, stated.source),
    )


def _merged(field: ContractField, place: int, stated: Sequence[Mapping[str, Any]], source: str) -> ContractField:
    item = next((one for one in stated if one.get("name") == field.name), None)
    if item is None and place < len(stated) and not stated[place].get("name"):
        item = stated[place]
    if item is None:
        return field
    changed: dict[str, Any] = {}
    status, sources = dict(field.status), dict(field.source)
    for key in ("shape", "dtype", "layout", "range", "colour_order"):
        if item.get(key) is None:
            continue
        value = item[key]
        changed[key] = tuple(value) if isinstance(value, list) else value
        status[key], sources[key] = "stated", source
    return replace(field, **changed, status=status, source=sources)


def _steps(known: Sequence[ContractStep], stated: Sequence[Mapping[str, Any]], source: str) -> tuple[ContractStep, ...]:
    """Return the stated steps in place of those of the same name; further ones at the end.

    The box calls all steps stated once one of them is: those that the user did not name are its own and assumed.
    """
    named = {str(item.get("step", "")): item for item in stated}
    own = [replace(step, status="assumed", source="dnnbox") if step.status == "stated" else step for step in known]
    found = [replace(step, status="stated", source=source) if step.step in named else step for step in own]
    there = {step.step for step in known}
    found += [
        ContractStep(visible(name, 60), dict(item.get("parameters") or {}), "stated", source)
        for name, item in named.items()
        if name not in there
    ]
    return tuple(found)
