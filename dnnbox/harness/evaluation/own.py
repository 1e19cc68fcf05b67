"""The user's own metrics: a Python file with ``metrics(items)``, run here beside the model and nowhere else."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any, Dict, Iterable, Iterator, List

from ..failures import Failure
from .base import Answered, Figure, tensors


def run(path: str, answers: Iterable[Answered]) -> List[Figure]:
    """Return the figures of ``metrics(items)``; each item is a dict with path, text, label, outputs and decoded.

    ``metrics`` returns {name: number}, or {name: {"value": number, "values": [one per item], "definition": text}}.
    """
    name = os.path.basename(path)
    spec = importlib.util.spec_from_file_location("dnnbox_metrics", path)
    if spec is None or spec.loader is None:
        raise Failure("unsupported", "%s is not a Python file" % name, "evaluate")
    sys.path.append(os.path.dirname(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, "metrics", None)
    if not callable(function):
        raise Failure("unsupported", "%s has no function metrics(items)" % name, "evaluate")
    found = function(_items(answers))
    if not isinstance(found, dict):
        raise Failure("bad_output", "metrics(items) of %s returned a %s, not a dict" % (name, type(found).__name__))
    return [_figure(str(key), value, name) for key, value in found.items()]


def _items(answers: Iterable[Answered]) -> Iterator[Dict[str, Any]]:
    for answered in answers:
        item = dict(answered.row)
        item.update(outputs=_row(answered), decoded=answered.decoded)
        yield item


def _row(answered: Answered) -> List[Any]:
    """Return the item's own rows of the outputs, as the library's tensors."""
    found = []
    for value in tensors(answered.outputs):
        is_batched = len(value.shape) > 0 and int(value.shape[0]) == answered.size
        found.append(value[answered.place] if is_batched else value)
    return found


def _figure(name: str, value: Any, source: str) -> Figure:
    given = value if isinstance(value, dict) else {"value": value}
    number = given.get("value")
    values = [float(one) for one in given.get("values") or []]
    if number is None and values:
        number = sum(values) / len(values)
    try:
        number = float(number)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise Failure("bad_output", "metric %s of %s is %r, not a number" % (name, source, number)) from error
    figure: Figure = {"name": name, "value": number, "library": source, "better": str(given.get("better") or "")}
    figure["definition"] = str(given.get("definition") or "as %s defines it" % source)
    figure["method"] = "metrics(items) of %s" % source
    if values:
        figure.update(values=values, n=len(values))
    if given.get("unit"):
        figure["unit"] = str(given["unit"])
    return figure
