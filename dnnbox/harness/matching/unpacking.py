"""Arguments that are several things at once: a tuple that a method takes apart, the state of a recurrent layer."""

from __future__ import annotations

import ast
from typing import Any, Iterator, List, Optional, Tuple

from .kinds import as_used, first_of, used
from .parsing import is_name, parameters, parsed, statements
from .states import handed
from .values import is_tensor, tensor

_STATES = ("hx", "cx", "h", "c", "h0", "c0", "hidden", "cell", "state", "states", "hidden_state", "hiddens", "rnn_hxs")
_MAKERS = ("init_hidden", "init_state", "initial_state", "get_initial_state", "zero_state", "begin_state", "initHidden")
LENGTHS = ("lengths", "length", "_lens", "_len")
EDGES = ("edge_index", "edges", "edge_indices")
_MOST_ITEMS, _MOST_EDGES, _DEEPEST = 6, 64, 3


def unpacked(module: Any, function: Any, name: str, main: Any) -> Optional[Any]:
    """Return the tuple that a method takes a parameter apart into, ``x, (h, c) = x``; None where it does not.

    Where a method hands it to a part first, that part tells.
    """
    found = _target(module, function, name, 0)
    return _taken(module, found[0], main, found[1], found[2]) if found is not None else None


def _target(module: Any, function: Any, name: str, depth: int) -> Optional[Tuple[Any, Any, Any]]:
    """Return (what a parameter is assigned to where it is taken apart, the module, its method that does so): the method
    itself or that of the part that it goes to."""
    for node in statements(function):
        if isinstance(node, ast.Assign) and is_name(node.value, name):
            for target in node.targets:
                if isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) <= _MOST_ITEMS:
                    return target, module, function
        if any(is_name(each, name) and isinstance(each.ctx, ast.Store) for each in ast.walk(node)):  # type: ignore[attr-defined]
            break  # another thing of that name
    part: Any = _receiver(module, function, name) if depth < _DEEPEST else None
    names = parameters(getattr(part, "forward", None))
    return _target(part, part.forward, names[0], depth + 1) if names else None


def _receiver(module: Any, function: Any, name: str) -> Any:
    """Return the part of a module that a method hands a parameter to, before it does anything else with it."""
    tree = parsed(function)
    lines = [node.lineno for node in ast.walk(tree) if is_name(node, name)]  # type: ignore[attr-defined]
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or len(call.args) != 1 or not isinstance(call.func, ast.Attribute):
            continue
        if is_name(call.args[0], name) and call.lineno == min(lines) and is_name(call.func.value, "self"):
            return first_of(getattr(module, call.func.attr, None))
    return None


def _taken(module: Any, target: Any, main: Any, owner: Any, function: Any) -> Any:
    items: List[Any] = []
    for element in target.elts:
        name = element.id if isinstance(element, ast.Name) else ""
        states = list(_layer_states(module)) if name in _STATES else []
        if isinstance(element, (ast.Tuple, ast.List)):
            items.append(_taken(module, element, main, owner, function))
        elif name in EDGES and is_tensor(main):
            items.append(edges(main["$tensor"][1]))
        elif name.endswith(LENGTHS) and is_tensor(main):
            items.append(as_used(lengths(main["$tensor"][1]), used(owner, function, name, is_local=True)))
        else:
            items.append(states[0] if states else main)
    return {"$tuple": items}


def lengths(shape: List[int]) -> Any:
    """Return how long the series of a batch are: all as long as the longest."""
    return tensor("int64", shape[:1], filled=shape[1] if len(shape) > 1 else 1)


def flipped(value: Any) -> Any:
    """Return inputs whose lengths are of series side by side, as a recurrent layer reads them that has the batch on its
    second axis."""
    if isinstance(value, list):
        return [flipped(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "filled" in value and len(value["$tensor"][1]) == 1:
        dtype, shape, _ = value["$tensor"]
        return tensor(dtype, [value["filled"]], filled=shape[0], is_array=bool(value.get("array")))
    return value if is_tensor(value) else {key: flipped(item) for key, item in value.items()}


def edges(shape: List[int]) -> Any:
    """Return edges between the nodes of a matrix of features."""
    return tensor("int64", [2, _MOST_EDGES], shape[-2] if len(shape) > 1 else 1)


def beside(module: Any, function: Any, name: str, shape: List[int]) -> Any:
    """Return edges where a parameter is called so, or what the module itself makes as the first state, for as many as
    its recurrent layer reads at once, else the state of the layer that gets it; None where a parameter is no state."""
    if name in EDGES:
        return edges(shape)
    if name == "batch" and set(EDGES).intersection(parameters(function)):
        return tensor("int64", shape[:1], 1)  # all nodes are of one graph
    return _first_state(module, name, shape) or handed(module, function, name, shape)


def _first_state(module: Any, name: str, shape: List[int]) -> Any:
    """Return what a module makes as the first state, where a parameter is called as states are."""
    maker = next((getattr(module, each, None) for each in _MAKERS if callable(getattr(module, each, None))), None)
    if name not in _STATES or maker is None:
        return None
    is_batch_first = any(getattr(layer, "batch_first", False) for layer in module.modules())
    count = shape[0] if is_batch_first or len(shape) < 2 else shape[1]
    for arguments in ((count,), ()):
        try:
            return _plain(maker(*arguments))
        except Exception:  # foreign code: then it is guessed as any other argument
            continue
    return None


def _plain(value: Any) -> Any:
    """Return the plain form of tensors in lists and tuples."""
    if isinstance(value, (list, tuple)):
        items = [_plain(item) for item in value]
        return {"$tuple": items} if isinstance(value, tuple) else items
    return tensor(str(value.dtype).rpartition(".")[2], list(value.shape))


def _layer_states(module: Any) -> Iterator[Any]:
    """Yield the states of the recurrent layers for a batch of one."""
    for layer in module.modules():
        size = getattr(layer, "hidden_size", None)
        if type(size) is int and type(layer).__name__.endswith("Cell"):
            yield tensor("float32", [1, size])
        elif type(size) is int and type(getattr(layer, "num_layers", None)) is int:
            yield tensor("float32", [layer.num_layers * (1 + bool(getattr(layer, "bidirectional", False))), 1, size])
