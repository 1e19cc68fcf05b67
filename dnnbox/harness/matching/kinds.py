"""What a method's code says of its inputs: arrays or tensors, words of which vocabulary, how many dimensions."""

from __future__ import annotations

import ast
import inspect
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from .parsing import dotted, index_of, is_name, is_shape, parameters, parsed, statements, whole
from .values import tensor

_ARRAY_CALLS = {
    "torch.from_numpy": "",
    "torch.LongTensor": "int64",
    "torch.IntTensor": "int32",
    "torch.FloatTensor": "float32",
}
_OF_NUMPY = ("np.", "numpy.")
_DEEPEST, _MOST_DIMENSIONS = 5, 6
# Methods whose answer holds the same numbers.
SAME = ("to", "cuda", "cpu", "long", "int", "float", "type", "clone", "contiguous", "detach", "type_as")


class Use:
    """How an input is used. ``rank``: the number of its dimensions, 0 where nothing tells; ``least``: how large some of
    them are at least; ``words``: of the embedding that gets it."""

    def __init__(self) -> None:
        self.is_array, self.dtype, self.words, self.rank = False, "", 0, 0
        self.least: Dict[int, int] = {}

    def add(self, other: "Use") -> None:
        """Put in what another place says; what was known before stays."""
        self.is_array = self.is_array or other.is_array
        self.dtype, self.words = self.dtype or other.dtype, self.words or other.words
        self.rank = max(self.rank, other.rank)
        for axis, size in other.least.items():
            self.least[axis] = max(size, self.least.get(axis, 0))


def used(module: Any, function: Any, name: str, depth: int = 0, is_local: bool = False) -> Use:
    """Return how a method uses a parameter, itself or where it hands it on: to other methods, to parts; ``is_local``:
    a name of its own, of what it took out of a parameter."""
    use = Use()
    if depth >= _DEEPEST:
        return use
    tree = parsed(function)
    until = _reassigned(function, name, is_local)
    for node in ast.walk(tree):
        if getattr(node, "lineno", 0) > until:
            continue
        if isinstance(node, ast.Call):
            _note_call(use, node, name)
            for target, parameter in receivers(module, node, name):
                use.add(_received(module, target, parameter, depth + 1))
        elif isinstance(node, ast.Subscript):
            _note_subscript(use, node, name)
        elif isinstance(node, ast.Assign) and is_shape(node.value, name):
            _note_rank(use, max(len(getattr(target, "elts", ())) for target in node.targets))
    return use


def as_used(value: Any, use: Use) -> Any:
    """Return a tensor as the code takes it: an array, words that the vocabulary has."""
    dtype, shape, high = value["$tensor"]
    wanted = use.dtype if use.is_array or use.words else ""
    if wanted and wanted != dtype:
        dtype, shape = wanted, shape[:2] if wanted.startswith("int") else shape
    is_array = use.is_array or bool(value.get("array"))
    return tensor(dtype, list(shape), use.words or high, value.get("filled"), is_array)


def item_names(function: Any, name: str) -> Dict[int, str]:
    """Return what a method calls the things that it takes out of a parameter by number: ``ids, kinds = x[0], x[1]``."""
    found: Dict[int, str] = {}
    for node in ast.walk(parsed(function)):
        for target, value in assigned(node):
            if isinstance(value, ast.Subscript) and is_name(value.value, name) and isinstance(target, ast.Name):
                number = whole(value.slice)
                if number is not None:
                    found.setdefault(number, target.id)
    return found


def assigned(node: ast.AST) -> Iterator[Tuple[ast.expr, ast.expr]]:
    """Yield (target, value) of an assignment, those of ``a, b = x, y`` each."""
    for target in node.targets if isinstance(node, ast.Assign) else ():
        if isinstance(target, (ast.Tuple, ast.List)) and isinstance(node.value, (ast.Tuple, ast.List)):  # type: ignore[attr-defined]
            for pair in zip(target.elts, node.value.elts):  # type: ignore[attr-defined]
                yield pair
        else:
            yield target, node.value  # type: ignore[attr-defined]


def _received(module: Any, target: Any, parameter: str, depth: int) -> Use:
    """Return how a part or another method uses what it is handed."""
    target = first_of(target)
    words = getattr(target, "num_embeddings", 0)
    if type(words) is int and words:
        use = Use()
        use.words, use.dtype = words, "int64"
        return use
    if inspect.ismethod(target):
        return used(getattr(target, "__self__", module), target, parameter, depth)
    names = parameters(target.forward)
    return used(target, target.forward, parameter if parameter in names else (names or [""])[0], depth)


def first_of(part: Any) -> Any:
    """Return the first layer of a sequence, any other part as it is."""
    while type(part).__name__ == "Sequential" and len(part):
        part = part[0]
    return part


def receivers(module: Any, call: ast.Call, name: str) -> Iterator[Tuple[Any, str]]:
    """Yield (part or method of the module, its parameter) that a call hands a name to."""
    if not isinstance(call.func, ast.Attribute) or not is_name(call.func.value, "self"):
        return
    target = getattr(module, call.func.attr, None)
    function = target if inspect.ismethod(target) else getattr(target, "forward", None)
    if function is None:
        return
    names = parameters(function)
    for place, argument in enumerate(call.args):
        if is_same(argument, name) and place < len(names):
            yield target, names[place]
    for keyword in call.keywords:
        if keyword.arg in names and is_same(keyword.value, name):
            yield target, str(keyword.arg)


def apart(module: Any, function: Any, names: Sequence[str]) -> List[Any]:
    """Return the parts of a module that a method calls with nothing but these parameters."""
    calls = [node for node in ast.walk(parsed(function)) if isinstance(node, ast.Call) and not node.keywords]
    found: List[Any] = []
    for call in calls:
        target = getattr(module, getattr(call.func, "attr", ""), None) if _is_of_self(call.func) else None
        if hasattr(target, "modules") and call.args and all(getattr(bare(a), "id", "") in names for a in call.args):
            found.append(target)
    return found


def _is_of_self(node: Any) -> bool:
    return isinstance(node, ast.Attribute) and is_name(node.value, "self")


def is_same(node: Any, name: str) -> bool:
    """Tell whether an expression has a name's numbers, as another type or somewhere else."""
    return is_name(bare(node), name)


def bare(node: Any, also: Sequence[str] = ()) -> Any:
    """Return the expression whose numbers another has, as another type or somewhere else; ``also``: other methods that
    leave the numbers as they are."""
    while True:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in (*SAME, *also):
            node = node.func.value
        elif isinstance(node, ast.Call) and dotted(node.func) in _ARRAY_CALLS and len(node.args) == 1:
            node = node.args[0]
        else:
            return node


def _note_call(use: Use, call: ast.Call, name: str) -> None:
    """Note arrays, and methods whose arguments are numbers of dimensions."""
    callee = dotted(call.func)
    given = [node.operand if isinstance(node, ast.UnaryOp) else node for node in call.args]
    is_given = any(is_name(node, name) for node in given)
    if is_given and (callee in _ARRAY_CALLS or callee.startswith(_OF_NUMPY)):
        use.is_array = True
        use.dtype = use.dtype or _ARRAY_CALLS.get(callee, "")
    method = call.func.attr if isinstance(call.func, ast.Attribute) and is_name(call.func.value, name) else ""
    numbers = [number for number in map(whole, call.args) if number is not None]
    if method == "permute" and len(numbers) == len(call.args):
        _note_rank(use, len(numbers))
    elif method in ("size", "transpose") and numbers and min(numbers) >= 0:
        _note_rank(use, max(numbers) + 1)


def _note_subscript(use: Use, node: ast.Subscript, name: str) -> None:
    """Note how many dimensions ``x[:, :, 1]`` takes, and how large they are at least."""
    index = index_of(node.slice)
    if is_shape(node.value, name):
        number = whole(index)
        _note_rank(use, number + 1 if number is not None and number >= 0 else 0)
    if not is_name(node.value, name) or not isinstance(index, ast.Tuple):
        return
    axes = [each for each in index.elts if not _is_none(each)]
    if any(_is_ellipsis(each) for each in axes):
        return
    _note_rank(use, len(axes))
    for axis, each in enumerate(axes):
        number = whole(each)
        if number is not None and number >= 0:
            use.least[axis] = max(number + 1, use.least.get(axis, 0))


def _note_rank(use: Use, rank: int) -> None:
    if rank <= _MOST_DIMENSIONS:
        use.rank = max(use.rank, rank)


def _reassigned(function: Any, name: str, is_local: bool) -> int:
    """Return the line from which on a name is another thing, whatever comes; a large number where it never is."""
    lines = [
        statement.lineno
        for statement in statements(function)
        if isinstance(statement, ast.Assign)
        and any(is_name(each, name) for target in statement.targets for each in ast.walk(target))
    ]
    return (lines[is_local:] or [1 << 30])[0]


def _is_none(node: ast.AST) -> bool:
    return type(node).__name__ in ("Constant", "NameConstant") and getattr(node, "value", 0) is None


def _is_ellipsis(node: ast.AST) -> bool:
    return type(node).__name__ == "Ellipsis" or getattr(node, "value", None) is ...


def kind_of(layer: Any) -> str:
    """Return the name of torch's own class that a layer is or comes from."""
    return next((cls.__name__ for cls in type(layer).__mro__ if cls.__module__.startswith("torch.nn.modules.")), "")
