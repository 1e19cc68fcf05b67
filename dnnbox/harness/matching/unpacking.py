"""Arguments that are several things at once: a tuple that a method takes apart, the state of a recurrent layer."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any, Iterator, List, Optional

from .values import is_tensor, tensor

_STATES = ("hx", "cx", "h", "c", "h0", "c0", "hidden", "cell", "state", "states", "hidden_state", "hiddens", "rnn_hxs")
_MAKERS = ("init_hidden", "init_state", "initial_state", "get_initial_state", "zero_state", "begin_state", "initHidden")
_EDGES = ("edge_index", "edges", "edge_indices")
_MOST_ITEMS, _MOST_EDGES, _DEEPEST = 6, 64, 3


def parsed(function: Any) -> ast.AST:
    """Return the code of a method; an empty module where there is none."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return ast.parse("")


def unpacked(module: Any, function: Any, name: str, main: Any) -> Optional[Any]:
    """Return the tuple that a method takes a parameter apart into, ``x, (h, c) = x``; None where it does not.

    Where a method hands it to a part first, that part tells.
    """
    target = _target(module, function, name, 0)
    return _taken(module, target, main) if target is not None else None


def _target(module: Any, function: Any, name: str, depth: int) -> Any:
    """Return what a parameter is assigned to where it is taken apart, by the method or by the part that it goes to."""
    for node in _statements(function):
        if isinstance(node, ast.Assign) and _is_name(node.value, name):
            for target in node.targets:
                if isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) <= _MOST_ITEMS:
                    return target
        if any(_is_name(each, name) and isinstance(each.ctx, ast.Store) for each in ast.walk(node)):  # type: ignore[attr-defined]
            break  # another thing of that name
    part: Any = _receiver(module, function, name) if depth < _DEEPEST else None
    names = _parameters(part)
    return _target(part, part.forward, names[0], depth + 1) if names else None


def _statements(function: Any) -> List[ast.stmt]:
    """Return what a method does under no condition."""
    tree = parsed(function)
    tops = [node for node in getattr(tree, "body", ()) if isinstance(node, ast.FunctionDef)]
    return tops[0].body if tops else []


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _receiver(module: Any, function: Any, name: str) -> Any:
    """Return the part of a module that a method hands a parameter to, before it does anything else with it."""
    tree = parsed(function)
    lines = [node.lineno for node in ast.walk(tree) if _is_name(node, name)]  # type: ignore[attr-defined]
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or len(call.args) != 1 or not isinstance(call.func, ast.Attribute):
            continue
        if _is_name(call.args[0], name) and call.lineno == min(lines) and _is_name(call.func.value, "self"):
            return _first_of(getattr(module, call.func.attr, None))
    return None


def _first_of(part: Any) -> Any:
    """Return the first layer of a sequence."""
    while type(part).__name__ == "Sequential" and len(part):
        part = part[0]
    return part


def _parameters(part: Any) -> List[str]:
    forward = getattr(part, "forward", None)
    try:
        return list(inspect.signature(forward).parameters) if forward is not None else []
    except (TypeError, ValueError):
        return []


def _taken(module: Any, target: Any, main: Any) -> Any:
    items = []
    for element in target.elts:
        name = element.id if isinstance(element, ast.Name) else ""
        states = list(_layer_states(module)) if name in _STATES else []
        if isinstance(element, (ast.Tuple, ast.List)):
            items.append(_taken(module, element, main))
        elif name in _EDGES and is_tensor(main):
            items.append(edges(main["$tensor"][1]))
        else:
            items.append(states[0] if states else main)
    return {"$tuple": items}


def edges(shape: List[int]) -> Any:
    """Return edges between the nodes of a matrix of features."""
    return tensor("int64", [2, _MOST_EDGES], shape[-2] if len(shape) > 1 else 1)


def beside(module: Any, name: str, shape: List[int]) -> Any:
    """Return edges where a parameter is called so, or what the module itself makes as the first state, for as many as
    its recurrent layer reads at once; None where a parameter is no state, or nothing makes one."""
    if name in _EDGES:
        return edges(shape)
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
