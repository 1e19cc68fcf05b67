"""Tensor names → the family, with its arguments solved; nothing is read but names, shapes and what the file says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from dnnbox.records.evidence import Evidence
from dnnbox.records.inspection import Inspection
from dnnbox.records.source import Recipe
from dnnbox.sources.known.catalogue import Known, families
from dnnbox.sources.known.solving import Shapes, Solver, Unsolved

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""The twin of ``harness.states.fitting.WRAPPERS``, which the host may not import; a test holds them together."""

_MOST_TENSORS = 50_000
_FORMATS = ("torch-zip", "torch-legacy", "torch-tar", "safetensors", "pickle")


def recognise(inspection: Inspection) -> Recipe | None:
    """Return how the first family that fits is built, None where none does."""
    if inspection.kind != "file" or not inspection.format.startswith(_FORMATS) or not inspection.tensor_list:
        return None
    if len(inspection.tensor_list) > _MOST_TENSORS or not inspection.plain_weights:
        return None
    shapes = {_unwrapped(tensor.name): tensor.shape for tensor in inspection.tensor_list}
    for prefix in _prefixes(shapes):
        below = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
        for family in families():
            if (recipe := _recipe(family, below, inspection.metadata, prefix)) is not None:
                return recipe
    return None


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _prefixes(shapes: Shapes) -> Iterator[str]:
    """Yield "" and what at least half of the names begin with."""
    yield ""
    counts: Counter[str] = Counter()
    for name in shapes:
        parts = name.split(".")
        counts.update(".".join(parts[:end]) + "." for end in range(1, min(3, len(parts))))
    yield from (prefix for prefix, count in counts.most_common(6) if count * 2 >= len(shapes))


def _recipe(family: Known, shapes: Shapes, metadata: Mapping[str, Any], prefix: str) -> Recipe | None:
    if not all(any(re.search(pattern, name) for name in shapes) for pattern in family.keys):
        return None
    solver = Solver(shapes, metadata)
    try:
        if not all(solver.value(condition) for condition in family.when):
            return None
        arguments = {name: solver.value(expression) for name, expression in family.arguments.items()}
        inputs = tuple(_input(item, Solver(shapes, metadata, arguments)) for item in family.inputs)
        preprocess = _settings(family.preprocess, Solver(shapes, metadata, arguments))
    except Unsolved:
        return None
    seen = ", ".join(pattern.replace("\\", "").strip("^$") for pattern in family.keys[:3])
    evidence = (
        Evidence(f"{family.title} of {family.url}", "tensor names", f"pattern {seen}"[:200], 0.8),
        Evidence("source, arguments and constants", "catalogue of known families", f"checked {family.checked}", 0.8),
        *(Evidence("assumed", "catalogue of known families", text, 0.3) for text in family.assumes),
    )
    return Recipe(
        family=family.name,
        title=family.title,
        cls=family.cls,
        file=family.file,
        entry=family.entry,
        arguments=arguments,
        build=_build(family, arguments),
        bare=family.bare,
        call=family.call,
        inputs=inputs,
        prefix=prefix,
        url=family.url,
        commit=family.commit,
        tag=family.tag,
        licence=family.licence,
        root=family.root,
        package=family.package,
        requires=family.requires,
        stubs=family.stubs,
        bounds=family.bounds,
        needs=family.needs,
        device=family.device,
        repeatable=family.repeatable,
        preprocess=preprocess,
        postprocess=dict(family.postprocess),
        sources=dict(family.sources),
        evidence=evidence,
    )


def _input(entry: Mapping[str, Any], solver: Solver) -> dict[str, Any]:
    """Return an example input with its numbers; "n" stays, because the batch is chosen later."""
    shape = [size if size == "n" or isinstance(size, int) else solver.value(size) for size in entry["shape"]]
    solved = {"shape": shape}
    if isinstance(entry.get("high"), str):
        solved["high"] = solver.value(entry["high"])
    return {"dtype": "float32", **entry, **solved}


def _settings(entry: Mapping[str, Any], solver: Solver) -> dict[str, Any]:
    """Return constants of the preprocessing; the size may stand for an argument."""
    numbers = ("size", "n_mels")
    return {
        name: solver.value(value) if name in numbers and isinstance(value, str) else value
        for name, value in entry.items()
    }


def _build(family: Known, arguments: Mapping[str, Any]) -> str:
    """Return the body of ``build()``: Python with the solved arguments written out."""
    shown = {name: str(value) if name in family.plain else repr(value) for name, value in arguments.items()}
    if family.build:
        text = family.build.strip("\n")
        for name, value in shown.items():
            text = text.replace("{" + name + "}", value)
        return text
    module, _, name = family.cls.rpartition(".")
    listed = "".join(f"    {key}={value},\n" for key, value in shown.items())
    return f"from {module} import {name}\n\nreturn {name}(\n{listed})"
