"""The first layer that gets an input, through methods, parts and other names: its weights say the input's shape."""

from __future__ import annotations

import ast
import inspect
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .kinds import SAME, assigned, kind_of
from .parsing import index_of, is_name, parameters, parsed, whole, word
from .values import tensor

NODES = 32  # of a graph
_DEEPEST = 6
_OF_GRAPHS = ("torch_geometric", "dgl")
_SERIES, _VOLUME = 64, 32
_ORDERED = (ast.Assign, ast.Call, ast.For, ast.comprehension)
_WIDEST = 1_000  # columns of a line
_TOP = 4  # columns before a statement of a function's own level
_LIKE_THEIR_INPUT = ("Dropout", "ReLU", "Identity", "GELU", "SiLU", "LeakyReLU", "ELU", "Tanh", "Sigmoid")

# What was done to the input on its way: ("swap", a, b), ("order", [axes]), ("new", axis), ("column", name, how many).
Step = Tuple[Any, ...]
Ways = Dict[str, List[Step]]  # the names that an input has in a method


class Received(NamedTuple):
    """A layer that gets an input, and what is done to the input before."""

    layer: Any
    steps: List[Step]


def first_layer(
    module: Any, function: Any, name: str, bound: Optional[Dict[str, Any]] = None, depth: int = 0
) -> Optional[Received]:
    """Return the layer that a method hands a parameter to first, itself or through others; None where it is not found.

    ``name`` may be a thing in a mapping, ``batch['image']``. ``bound``: other parameters that are parts of the model.
    """
    if depth >= _DEEPEST:
        return None
    ways: Ways = {name: []}
    known = dict(bound or {})
    for node in _in_order(function):
        if isinstance(node, ast.Assign):
            _note(ways, node)
            continue
        if isinstance(node, (ast.For, ast.comprehension)):
            known.update(_first_items(module, node, known))
            continue
        for target, parameter, steps in _handed(module, node, ways, known):
            found = _in_target(module, target, parameter, node, known, depth)
            if found is not None:
                counted = [_counted(module, function, node, step, known) for step in steps]
                return Received(found.layer, counted + found.steps)
    return None


def shape_of(received: Received, rank: int, side: int) -> Dict[str, Any]:
    """Return the input that a layer takes, as it is before what is done to it on the way. ``rank``: how many dimensions
    it has where the layer takes any number of them; ``side``: of pictures."""
    layer, kind = received.layer, kind_of(received.layer)
    dtype, high = ("int64", layer.num_embeddings) if kind.startswith("Embedding") else ("float32", 0)
    shape = [NODES, width_of(layer)] if is_graph_layer(layer) else _shape(layer, kind, rank, side)
    for step in reversed(received.steps):
        shape = _undone(shape, step)
    return tensor(dtype, shape, high)


def is_graph_layer(layer: Any) -> bool:
    """Tell whether a layer is one of a library of graphs: it takes the features of nodes first."""
    return type(layer).__module__.partition(".")[0] in _OF_GRAPHS and bool(width_of(layer))


def width_of(layer: Any) -> int:
    """Return how many features a layer takes; 0 where it does not say so."""
    widths = [getattr(layer, name, None) for name in ("in_channels", "in_features", "input_size", "in_feats")]
    first = next((width for width in widths if width), 0)
    first = first[0] if isinstance(first, (tuple, list)) else first
    return first if type(first) is int and first > 0 else 0


def any_rank(received: Received) -> bool:
    """Tell whether a layer takes inputs of any number of dimensions."""
    return kind_of(received.layer) in ("Linear", "Embedding", "LayerNorm")


def _shape(layer: Any, kind: str, rank: int, side: int) -> List[int]:
    if kind.startswith("Conv"):
        sizes = {"1d": [_SERIES], "2d": [side, side], "3d": [_VOLUME] * 3}[kind[-2:]]
        return [1, layer.in_channels] + sizes
    if kind == "Embedding":
        return [1, *[_SERIES] * (max(rank, 2) - 1)]
    if kind.endswith("Cell"):
        return [1, layer.input_size]
    if kind in ("LSTM", "GRU", "RNN", "MultiheadAttention"):
        batch = [1, _SERIES] if layer.batch_first else [_SERIES, 1]
        return [*batch, layer.embed_dim if kind == "MultiheadAttention" else layer.input_size]
    if kind.startswith("BatchNorm"):
        return [1, layer.num_features] + [side] * (int(kind[-2]) if kind[-2] != "1" else 0)
    width = layer.in_features if kind == "Linear" else layer.normalized_shape[-1]
    return [1, *[_SERIES] * (max(rank, 2) - 2), width]


_KINDS: Tuple[str, ...] = ("Linear", "Embedding", "MultiheadAttention", "LayerNorm", "BatchNorm1d", "BatchNorm2d")
_KINDS += ("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
_KINDS += ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")


def _undone(shape: List[int], step: Step) -> List[int]:
    """Return the shape before a step; as it is where the step does not go with it."""
    try:
        before = list(shape)
        if step[0] == "swap":
            before[step[1]], before[step[2]] = shape[step[2]], shape[step[1]]
        elif step[0] == "new":
            del before[step[1]]
        elif step[0] == "column":
            before = [shape[0], step[2]]
        elif sorted(axis % len(shape) for axis in step[1]) == list(range(len(shape))):
            for place, axis in enumerate(step[1]):
                before[axis] = shape[place]
        return before
    except IndexError:
        return shape


def _in_order(function: Any) -> Iterator[ast.AST]:
    """Yield calls, loops and assignments as they are run, where nothing branches: a value comes before its name."""
    nodes = [node for node in ast.walk(parsed(function)) if isinstance(node, _ORDERED)]

    def place(node: Any) -> Tuple[int, int, int]:
        last = max(getattr(each, "lineno", 0) for each in ast.walk(node))
        if isinstance(node, (ast.For, ast.comprehension)):
            return (node.target.lineno, 0, -_WIDEST)
        return (last, 1, 0) if isinstance(node, ast.Assign) else (node.lineno, 0, -node.col_offset)

    return iter(sorted(nodes, key=place))


def _note(ways: Ways, node: ast.Assign) -> None:
    """Note another name of an input; one that is given something else is none any more."""
    for target, value in assigned(node):
        steps = _way(value, ways)
        if isinstance(target, ast.Name):
            if steps is not None:
                ways[target.id] = steps
            elif node.col_offset <= _TOP:  # under no condition
                ways.pop(target.id, None)


def _first_items(module: Any, loop: Any, bound: Dict[str, Any]) -> Dict[str, Any]:
    """Return what the names of a loop over parts are at first: ``for i, block in enumerate(self.blocks)``."""
    source, target = loop.iter, loop.target
    callee = source.func.id if isinstance(source, ast.Call) and isinstance(source.func, ast.Name) else ""
    targets = list(target.elts) if isinstance(target, ast.Tuple) else [target]
    lists = list(source.args) if isinstance(source, ast.Call) and callee in ("zip", "enumerate") else [source]
    pairs = zip(targets[1:] if callee == "enumerate" else targets, lists)
    found = {name.id: _object(module, each, bound) for name, each in pairs if isinstance(name, ast.Name)}
    held = {name: parts for name, parts in found.items() if _first(parts) is not None}
    return {**{name: _first(parts) for name, parts in held.items()}, **{"%s of" % name: held[name] for name in held}}


def _first(parts: Any) -> Any:
    """Return the first of several parts, of tables of words the smallest; None for anything else."""
    if kind_of(parts) not in ("ModuleList", "Sequential") or not len(parts):
        return None
    are_words = all(kind_of(part) == "Embedding" for part in parts)
    return min(parts, key=lambda part: part.num_embeddings) if are_words else next(iter(parts))


def _way(node: Any, ways: Ways) -> Optional[List[Step]]:
    """Return what is done to an input in an expression that still is that input; None for any other expression."""
    key = _key(node)
    if key in ways:
        return ways[key]
    if isinstance(node, ast.Subscript) and _is_column(node):
        whole_one = _way(node.value, ways)
        return None if whole_one is None else [*whole_one, ("column", _key(node.value), 1)]
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    inner, method = _way(node.func.value, ways), node.func.attr
    numbers = [whole(argument) for argument in (_elements(node.args))]
    if inner is None or (method not in SAME and None in numbers):
        return None
    if method in SAME:
        return inner
    if method in ("transpose", "swapaxes") and len(numbers) == 2:
        return [*inner, ("swap", *numbers)]
    if method == "unsqueeze" and len(numbers) == 1:
        return [*inner, ("new", numbers[0])]
    return [*inner, ("order", numbers)] if method == "permute" else None


def _is_column(node: ast.Subscript) -> bool:
    """Tell whether it is a column of a table: ``x[:, 0]``, ``x[:, i]``."""
    index = index_of(node.slice)
    elements: List[Any] = list(index.elts) if isinstance(index, ast.Tuple) else []
    is_all = len(elements) == 2 and isinstance(elements[0], ast.Slice) and elements[0].upper is None
    return is_all and not isinstance(elements[1], ast.Slice) and getattr(elements[1], "value", 0) is not None


def _counted(module: Any, function: Any, call: Any, step: Step, bound: Dict[str, Any]) -> Step:
    """Return a step that takes a column with how many there are: as many as are written, or as there are parts, one for
    each: ``self.tables[i](x[:, i])``."""
    if step[0] != "column":
        return step
    subscripts = [node for node in ast.walk(parsed(function)) if isinstance(node, ast.Subscript) and _is_column(node)]
    written = [whole(index_of(node.slice).elts[1]) for node in subscripts if _key(node.value) == step[1]]
    parts = _object(module, call.func.value, bound) if isinstance(call.func, ast.Subscript) else None
    parts = bound.get("%s of" % call.func.id) if isinstance(call.func, ast.Name) else parts
    return "column", step[1], max([1, *[each + 1 for each in written if each is not None], len(parts or ())])


def _elements(args: List[Any]) -> List[Any]:
    """Return the arguments, those of a tuple or a list where it is the only one."""
    return args[0].elts if len(args) == 1 and isinstance(args[0], (ast.Tuple, ast.List)) else args


def _key(node: Any) -> str:
    """Return ``x`` for a name, ``x.word`` and ``x['word']`` for a thing in an object or a mapping; "" for others."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return "%s.%s" % (node.value.id, node.attr)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        key = word(node.slice)
        return "" if key is None else "%s[%r]" % (node.value.id, key)
    return ""


def _handed(module: Any, call: Any, ways: Ways, bound: Dict[str, Any]) -> Iterator[Tuple[Any, str, List[Step]]]:
    """Yield (part or method, its parameter, what was done before) for what a call hands an input to."""
    target = _object(module, call.func, bound)
    function = target if inspect.ismethod(target) else getattr(target, "forward", None)
    names = parameters(function) if function is not None else []
    given = [(names[place], value) for place, value in enumerate(call.args) if place < len(names)]
    given += [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg in names]
    for parameter, value in given:
        steps = _way(value, ways)
        if steps is not None:
            yield target, parameter, steps
        for key in ways if isinstance(value, ast.Name) else ():
            if key.startswith(("%s[" % value.id, "%s." % value.id)):
                yield target, parameter + key[len(value.id) :], ways[key]


def _object(module: Any, node: Any, bound: Dict[str, Any]) -> Any:
    """Return the part or the method that an expression names: ``self.body.stem``, ``self.layers[0]``, a parameter."""
    if isinstance(node, ast.Attribute):
        holder = module if is_name(node.value, "self") else _object(module, node.value, bound)
        return getattr(holder, node.attr, None) if holder is not None else None
    if isinstance(node, ast.Subscript):
        holder, number = _object(module, node.value, bound), whole(node.slice)
        try:
            return _first(holder) if number is None else holder[number] if holder is not None else None
        except (IndexError, KeyError, TypeError):
            return None
    return bound.get(node.id) if isinstance(node, ast.Name) else None


def _in_target(
    module: Any, target: Any, parameter: str, call: Any, bound: Dict[str, Any], depth: int
) -> Optional[Received]:
    """Return the first layer inside a part or a method that gets a parameter."""
    if inspect.ismethod(target):
        names = parameters(target)
        parts = {name: _object(module, value, bound) for name, value in zip(names, call.args)}
        parts.update({k.arg: _object(module, k.value, bound) for k in call.keywords if k.arg})
        known = {name: part for name, part in parts.items() if part is not None}
        return first_layer(getattr(target, "__self__", module), target, parameter, known, depth + 1)
    return _in_part(target, parameter, depth)


def _in_part(part: Any, parameter: str, depth: int) -> Optional[Received]:
    for layer in _opened(part):
        if is_graph_layer(layer):
            return Received(layer, [])
        if kind_of(layer) in _KINDS and type(layer).__module__.startswith("torch."):
            return Received(layer, []) if parameter == parameters(layer.forward)[0] or layer is not part else None
        if kind_of(layer) not in _LIKE_THEIR_INPUT:
            names = parameters(layer.forward)
            name = parameter if layer is part else names[0] if names else ""
            return first_layer(layer, layer.forward, name, None, depth + 1) if name else None
    return None


def _opened(part: Any) -> Iterator[Any]:
    """Yield the layers of a sequence, those of sequences inside it too; a part of another kind itself."""
    if kind_of(part) == "Sequential" and type(part).__module__.startswith("torch."):
        for layer in part:
            for each in _opened(layer):
                yield each
    elif hasattr(part, "forward"):
        yield part
