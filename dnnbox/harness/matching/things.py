"""Inputs that are objects of several tensors, by what is read from them: ``data.x, data.edge_index``."""

from __future__ import annotations

import ast
import inspect
from typing import Any, Dict, List, Sequence

from .kinds import receivers
from .parsing import is_name, parsed
from .receiving import NODES, first_layer, is_graph_layer, shape_of, width_of
from .unpacking import EDGES, edges
from .values import tensor

_DEEPEST, _MOST = 4, 16
_COUNTS = {"num_graphs": 1, "batch_size": 1, "num_nodes": NODES}
_PLACES = ("pos", "position", "positions", "coords", "coord", "xyz")
_PICTURE = 4  # dimensions


def things(module: Any, function: Any, needed: Sequence[inspect.Parameter], side: int) -> Dict[str, Any]:
    """Return the plain form of each parameter that is read by attributes which no tensor has, by its name."""
    found: Dict[str, Any] = {}
    for p in needed:
        names = _read(module, function, p.name, 0)
        if any(not _is_of_tensors(name) for name in names) and len(names) <= _MOST:
            shapes: Dict[str, Any] = {}
            for name in names:
                shapes[name] = _value(module, function, p.name, name, side)
            found[p.name] = {"$object": _with_masks(shapes)}
    return found


def _is_of_tensors(name: str) -> bool:
    import torch

    return hasattr(torch.Tensor, name)


def _read(module: Any, function: Any, name: str, depth: int) -> List[str]:
    """Return the attributes of a parameter that a method reads and does not call, and those whom it hands it to."""
    tree = parsed(function)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {id(call.func) for call in calls}
    found = {
        node.attr: None
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and is_name(node.value, name) and id(node) not in called
    }
    for call in calls if depth < _DEEPEST else ():
        for target, parameter in receivers(module, call, name):
            owner, method = getattr(target, "__self__", target), getattr(target, "forward", target)
            found.update(dict.fromkeys(_read(owner, method, parameter, depth + 1)))
    return list(found)


def _value(module: Any, function: Any, name: str, attribute: str, side: int) -> Any:
    if attribute in EDGES:
        return edges([NODES, 1])
    if attribute in _COUNTS:
        return _COUNTS[attribute]
    if attribute.endswith("batch"):
        return tensor("int64", [NODES], 1)  # all of one graph
    received = first_layer(module, function, "%s.%s" % (name, attribute))
    rows = edges([NODES, 1])["$tensor"][1][1] if attribute.startswith("edge") else NODES
    if received is not None:
        made = shape_of(received, 2, side)
        dtype, shape, high = made["$tensor"]
        is_table = len(shape) <= 2 and not is_graph_layer(received.layer)
        is_one = dtype == "int64" and not received.steps  # one word for each row
        return tensor(dtype, [rows] if is_one else [rows, *shape[1:]], high) if is_table else made
    if attribute.startswith("edge"):
        return tensor("float32", [rows])
    return tensor("float32", [rows, 3 if attribute in _PLACES else _first_width(module)])


def _first_width(module: Any) -> int:
    """Return how many features the first layer takes that takes any."""
    return next((width for width in map(width_of, module.modules()) if width), 1)


def _with_masks(values: Dict[str, Any]) -> Dict[str, Any]:
    """Return the things with a mask beside a picture that leaves nothing out."""
    pictures = [v["$tensor"][1] for v in values.values() if isinstance(v, dict) and len(v["$tensor"][1]) == _PICTURE]
    masks = {name for name in values if "mask" in name.lower()} if pictures else set()
    return {
        name: tensor("bool", [pictures[0][0], *pictures[0][2:]], filled=0) if name in masks else value
        for name, value in values.items()
    }
