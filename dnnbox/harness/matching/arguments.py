"""One argument of a forward pass, made up from its annotation, its name, and how the method uses it."""

from __future__ import annotations

import ast
import inspect
from typing import Any, Dict, Iterator, List, Set, Tuple

from .describing import described
from .kinds import Use, as_used, item_names, receivers, used
from .parsing import is_name, parsed, word
from .lookups import columns
from .receiving import first_layer, shape_of
from .unpacking import LENGTHS, beside, unpacked
from .values import is_tensor, tensor

TEXT = (
    "text",
    "tokens",
    "token",
    "idx",
    "ids",
    "input_ids",
    "caption",
    "captions",
    "prompt",
    "src",
    "tgt",
    "tokenized_text",
)
_STEPS, _MOST_STEPS = ("t", "timestep", "timesteps", "sigma", "noise_level"), 100
_LATENTS = ("z", "noise", "latent", "latents", "code")
_LATENT_WIDTHS = ("dim_z", "z_dim", "latent_dim", "dim_latent", "nz", "noise_dim", "z_size", "latent_size", "code_dim")
_MEL = ("mel", "mels", "spect", "spec", "spectrogram")
_FLAGS = (
    "return_loss",
    "train",
    "training",
    "inference",
    "multimask_output",
    "return_features",
    "return_attn",
    "test_mode",
    "return_all",
)
SIDES = (64, 224, 256, 128, 32, 84, 96, 112, 518, 384, 512, 1024)  # small ones first: a search has to be cheap

_MOST_NUMBERED = 6
_DEEPEST = 4

Guess = Tuple[str, List[int], str, int]


def argument(module: Any, layers: Dict[str, Any], p: inspect.Parameter, guess: Guess, place: int, function: Any) -> Any:
    """Return a plain value for one parameter, by its annotation, its use and its name; an array where it is made a
    tensor of."""
    value = _made(module, layers, p, guess, place, function)
    use = used(module, function, p.name) if is_tensor(value) else None
    return as_used(value, use) if use is not None and use.is_array else value


def _made(module: Any, layers: Dict[str, Any], p: inspect.Parameter, guess: Guess, place: int, function: Any) -> Any:
    name = p.name
    dtype, shape, _, high = guess
    side, channels = (shape[-1], shape[1]) if len(shape) == 4 else (SIDES[0], 3)
    own, of_items = _keys_below(module, function, name)
    if of_items:
        return [{key: _item(key, [channels, side, side]) for key in of_items}]
    if own:
        return {key: _item_of(module, function, name, key, list(shape)) for key in own}
    rows = columns(module, function, name)
    if rows is not None:
        return rows
    count = _numbered(function, name)
    if count:
        return _items(module, function, name, count, tensor(dtype, list(shape), high))
    taken = unpacked(module, function, name, tensor(dtype, list(shape), high))
    taken = beside(module, function, name, list(shape)) if taken is None and place else taken
    return _by_name(module, layers, p, guess, place, function) if taken is None else taken


def _by_name(module: Any, layers: Dict[str, Any], p: inspect.Parameter, guess: Guess, place: int, function: Any) -> Any:
    name, annotation = p.name, str(p.annotation)
    dtype, shape, _, high = guess
    if annotation in ("<class 'bool'>", "bool") or name in _FLAGS or (place and is_switch(function, name)):
        return False
    told = described(function, name, shape, layers.get("sizes", {})) if place else []
    if told:
        return tensor("float32", told)
    if name in TEXT and layers["tokens"]:
        lengths = [getattr(module, n, None) for n in ("context_length",)]
        length = next((v for v in lengths if isinstance(v, int)), 16)
        return tensor("int64", [1, shape[1] if dtype == "int64" and place == 0 else length], layers["tokens"])
    if name in _MEL and layers["mel"] and dtype != "int64":
        return tensor("float32", [1, layers["mel"], shape[-1]])
    if "mask" in name and place:
        return None
    if annotation in ("<class 'int'>", "int"):
        return 1
    words = embedded(module, function, name) if place and dtype != "int64" else 0
    if words:
        return tensor("int64", shape[:1], words)
    most = _MOST_STEPS if name in _STEPS else max(shape) if place and name.endswith(LENGTHS) else 0
    if most:
        return tensor("int64", [1], most)
    return tensor(dtype, list(shape), high)


def latents(module: Any, name: str) -> List[int]:
    """Return how wide a module says that the noise is which it makes something of; [] for any other input."""
    widths = [getattr(module, each, None) for each in _LATENT_WIDTHS] if name in _LATENTS else []
    return list(dict.fromkeys(width for width in widths if type(width) is int and width > 0))


def embedded(module: Any, function: Any, name: str) -> int:
    """Return how many words the embedding has that gets a parameter alone, ``self.label_emb(y)``; 0 for none."""
    for call in ast.walk(parsed(function)):
        is_part = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and len(call.args) == 1
        if is_part and getattr(call.func.value, "id", "") == "self" and getattr(call.args[0], "id", "") == name:  # type: ignore[attr-defined]
            words = getattr(getattr(module, call.func.attr, None), "num_embeddings", 0)  # type: ignore[attr-defined]
            if type(words) is int and words:
                return words
    return 0


def is_switch(function: Any, name: str) -> bool:
    """Tell whether a method asks a parameter itself for yes or no: ``if inference:``; a tensor has no such answer."""
    tests = [node.test for node in ast.walk(parsed(function)) if isinstance(node, (ast.If, ast.IfExp))]
    asked = [test.operand if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) else test for test in tests]
    return any(isinstance(test, ast.Name) and test.id == name for test in asked)


def pyramid(module: Any, function: Any, name: str) -> List[Any]:
    """Return maps of an encoder for a method that takes them by number, as wide as the module says; [] for others."""
    widths = next((found for found in map(_widths, vars(module).values()) if found), [])
    if not widths or not any(_is_number(node.slice) for node in _subscripts(parsed(function), {name})):
        return []
    return [tensor("float32", [1, width, SIDES[0] >> place, SIDES[0] >> place]) for place, width in enumerate(widths)]


def _widths(value: Any) -> List[int]:
    """Return the widths of several maps, from a list or an array of three to six of them."""
    listed = value.tolist() if type(value).__module__ == "numpy" and hasattr(value, "tolist") else value
    if not isinstance(listed, (list, tuple)) or not 3 <= len(listed) <= 6:
        return []
    return list(listed) if all(type(width) is int and width >= 8 for width in listed) else []


def _is_number(node: Any) -> bool:
    node = getattr(node, "value", node)  # before Python 3.9 an index lies between
    node = getattr(node, "operand", node)
    return isinstance(getattr(node, "value", getattr(node, "n", node)), int)


def _keys(function: Any, name: str) -> Tuple[List[str], List[str]]:
    """Return the keys that a method reads from a parameter, whatever comes, and from its items: ``for x in batch``."""
    tree = parsed(function)
    items = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, (ast.For, ast.comprehension))
        for target, source in _pairs(node)
        if isinstance(target, ast.Name) and isinstance(source, ast.Name) and source.id == name
    }
    compared = (node.left for node in ast.walk(tree) if isinstance(node, ast.Compare))
    tested = {left.value for left in compared if isinstance(left, ast.Constant)}
    found = [[key for key in _read(tree, names) if key not in tested] for names in ({name}, items)]
    return found[0], found[1]


def _keys_below(module: Any, function: Any, name: str, depth: int = 0) -> Tuple[List[str], List[str]]:
    """Return the keys that a method reads, and that the methods and parts read that it hands a parameter to."""
    own, of_items = (dict.fromkeys(keys) for keys in _keys(function, name))
    put = _put(function, name)
    for call in ast.walk(parsed(function)) if depth < _DEEPEST else ():
        for target, parameter in receivers(module, call, name) if isinstance(call, ast.Call) else ():
            owner = getattr(target, "__self__", target)
            more = _keys_below(owner, getattr(target, "forward", target), parameter, depth + 1)
            own.update(dict.fromkeys(key for key in more[0] if key not in put))
            of_items.update(dict.fromkeys(more[1]))
    return [key for key in own if key not in put], list(of_items)


def _put(function: Any, name: str) -> Set[str]:
    """Return the keys that a method puts into a mapping itself before it reads them: ``batch.update({"size": …})``."""
    lines: Dict[str, int] = {}
    tree = parsed(function)
    for node in ast.walk(tree):
        for key in _updated(node, name):
            lines[key] = min(node.lineno, lines.get(key, node.lineno))  # type: ignore[attr-defined]
    read = [(word(node.slice), node.lineno) for node in _subscripts(tree, {name})]
    return {key for key, at in lines.items() if not any(each == key and line <= at for each, line in read)}


def _updated(node: ast.AST, name: str) -> List[str]:
    """Return the keys that a statement puts into a mapping."""
    keys: List[Any] = []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
        first = node.args[0] if node.args and is_name(node.func.value, name) else None
        keys = list(first.keys) if isinstance(first, ast.Dict) else []
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and is_name(node.value, name):
        keys = [node.slice]
    return [key for key in map(word, keys) if key is not None]


def _subscripts(tree: ast.AST, names: Set[str]) -> Iterator[ast.Subscript]:
    """Yield where something of these names is read by a subscript."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in names:
            if isinstance(node.ctx, ast.Load):
                yield node


def _numbered(function: Any, name: str) -> int:
    """Return how many things a method takes out of a parameter by number, ``x[0], x[1]``, where that is all it does
    with it; 0 for any other use."""
    tree = parsed(function)
    taken = [node for node in _subscripts(tree, {name}) if _is_number(node.slice)]
    numbers = {_number(node.slice) for node in taken}
    used = sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))
    is_all = used == len(taken) and numbers == set(range(len(numbers)))
    return len(numbers) if is_all and 2 <= len(numbers) <= _MOST_NUMBERED else 0


def _items(module: Any, function: Any, name: str, count: int, one: Any) -> List[Any]:
    """Return the things that a method takes out of a parameter by number, each as the code uses it."""
    names = item_names(function, name)
    uses = [
        used(module, function, names[number], is_local=True) if number in names else Use() for number in range(count)
    ]
    return [as_used(one, use) for use in uses]


def _number(node: Any) -> int:
    """Return a number that is not negative; -1 for anything else."""
    for name in ("value", "value", "n"):  # before Python 3.9 an index lies between, and numbers were no constants
        node = getattr(node, name, node)
    return node if type(node) is int else -1


def _read(tree: ast.AST, names: Set[str]) -> List[str]:
    """Return the words by which something of these names is subscripted, in order, but for what is read where another
    word is in it that need not be: ``x["a"] * x["b"] if "c" in x else x["a"]``."""
    keys: Dict[str, None] = {}
    guarded = {id(each) for body in _guarded(tree, names) for each in ast.walk(body)}
    for node in _subscripts(tree, names):
        if id(node) in guarded:
            continue
        key = word(node.slice)
        if key is not None:
            keys[key] = None
    return list(keys)


def _guarded(tree: ast.AST, names: Set[str]) -> Iterator[ast.AST]:
    """Yield what is only run where a word is in something of these names."""
    for node in ast.walk(tree):
        test = node.test if isinstance(node, (ast.If, ast.IfExp)) else None
        asks = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.In)
        if asks and getattr(test.comparators[0], "id", "") in names:  # type: ignore[union-attr]
            body = node.body  # type: ignore[attr-defined]
            for each in body if isinstance(body, list) else [body]:
                yield each


def _pairs(node: Any) -> List[Tuple[Any, Any]]:
    """Return (loop variable, what it runs over), through ``zip``."""
    source, target = node.iter, node.target
    if isinstance(source, ast.Call) and getattr(source.func, "id", "") == "zip" and isinstance(target, ast.Tuple):
        return list(zip(target.elts, source.args))
    return [(target, source)]


def _item_of(module: Any, function: Any, name: str, key: str, shape: List[int]) -> Any:
    """Return what stands under a key of a mapping, as the first layer wants it that gets it."""
    received = first_layer(module, function, "%s[%r]" % (name, key))
    return _item(key, shape) if received is None else shape_of(received, len(shape), shape[-1])


def _item(key: str, shape: List[int]) -> Any:
    if "size" in key:
        return {"$tuple": shape[-2:]}
    return tensor("float32", shape)
