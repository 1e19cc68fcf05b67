"""What scripts and configurations set by name: options with their defaults and choices, and files of plain values."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dnnbox.sources.matching.bindings import assignments, defaults
from dnnbox.sources.matching.classes import called, last_name
from dnnbox.sources.matching.plain import Unknown, encoded
from dnnbox.sources.matching.reading import Module, Tree

_FEWEST_SETTINGS = 4
_MOST_CHOICES = 24
_MOST_SIDES, _LARGEST_SIDE = 4, 1024
_SIDES = ("img_size", "image_size", "imgsize", "input_size", "crop_size", "resolution", "img_height")
_SIZES = ("n_", "num", "vocab", "size", "dim", "class")


def options_of(module: Module) -> dict[str, list[Any]]:
    """Return the options that a script declares: the default first, then the choices."""
    found: dict[str, list[Any]] = {}
    for call in module.calls:
        name = called(call)
        if name in ("add_argument", "add_option") and (dest := _destination(call)):
            found.setdefault(dest, [])
            found[dest] += [value for value in _values(call) if value not in found[dest]]
        elif flag := _flag(name, call):
            found.setdefault(flag, []).extend(_flags(name, call))
        elif name in ("HParams", "Namespace", "EasyDict", "Munch", "SimpleNamespace", "AttrDict"):
            for keyword in call.keywords:
                if keyword.arg:
                    found.setdefault(keyword.arg, []).extend(literal(keyword.value))
    return found


def _destination(call: ast.Call) -> str:
    dest = next((k.value for k in call.keywords if k.arg == "dest"), None)
    if isinstance(dest, ast.Constant):
        return str(dest.value)
    names = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    longest = max(names, key=lambda name: name.startswith("--"), default="")
    return longest.lstrip("-").replace("-", "_")


def _flag(name: str, call: ast.Call) -> str:
    """Return the name that ``flags.DEFINE_integer("width", 64, "…")`` or ``@click.option("--width")`` declares."""
    texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if name.startswith("DEFINE_") and len(call.args) + len(call.keywords) > 1:
        return texts[0] if texts and texts[0].isidentifier() else ""
    return _destination(call) if name == "option" and any(text.startswith("--") for text in texts) else ""


def _flags(name: str, call: ast.Call) -> Iterator[Any]:
    """Yield the default of such a declaration, then what it may be chosen from; a bare switch of click's is off."""
    given = dict(zip(("default", "enum_values"), call.args[1:3], strict=False)) if name.startswith("DEFINE_") else {}
    given.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
    if "default" in given:
        values = literal(given["default"])
        is_several = "_multi_" in name  # one value stands for a list of it
        yield from ([v] if is_several and not isinstance(v, list) and v is not None else v for v in values)
    elif "is_flag" in given:
        yield False
    if name == "DEFINE_enum" and "enum_values" in given:
        yield from _words([given["enum_values"]])


def _values(call: ast.Call) -> Iterator[Any]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if "default" in keywords:
        yield from literal(keywords["default"])
    elif (action := keywords.get("action")) is not None:
        yield from [False, True] if "true" in ast.unparse(action) else [True, False]
    if "choices" in keywords:
        for value in literal(keywords["choices"]):
            yield from value.get("$tuple", ()) if isinstance(value, dict) else value if isinstance(value, list) else ()
    if "default" not in keywords and "action" not in keywords and "choices" not in keywords:
        yield None


def literal(node: ast.expr) -> list[Any]:
    """Return the plain value that stands there, a sum or product of two numbers and ``dict(width=8)`` too; [] where it
    is none."""
    try:
        return [encoded(ast.literal_eval(node))]
    except (Unknown, ValueError, TypeError, SyntaxError):
        return _calculated(node) or _called_dict(node)


def _called_dict(node: ast.expr) -> list[Any]:
    """Return what calls of ``dict`` hold by name, one inside another or in lists, as far as it is plain."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return [{k.arg: value for k in node.keywords if k.arg for value in literal(k.value)}]
    if isinstance(node, ast.List):
        items = [literal(item) for item in node.elts]
        return [[value for item in items for value in item]] if items and all(items) else []
    return []


def _calculated(node: ast.expr) -> list[Any]:
    """Return a sum or product of two numbers: ``22050 * 2`` is common among defaults."""
    if isinstance(node, ast.BinOp):
        sides = [side.value for side in (node.left, node.right) if isinstance(side, ast.Constant)]
        if len(sides) == 2 and all(_is_number(side) for side in sides):
            left, right = (float(str(side)) if isinstance(side, float) else int(str(side)) for side in sides)
            results: dict[type[ast.operator], Any] = {
                ast.Mult: left * right,
                ast.Add: left + right,
                ast.Sub: left - right,
            }
            return [results[type(node.op)]] if type(node.op) in results else []
    return []


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def tables(tree: Tree) -> dict[str, dict[str, list[Any]]]:
    """Return the options of every file that declares some: path → name → values."""
    found = {module.path: options_of(module) for module in tree.modules if not module.document}
    return {path: options for path, options in found.items() if options}


def as_declared(values: Mapping[str, Any], options: Iterable[Mapping[str, Sequence[Any]]]) -> dict[str, Any]:
    """Return what a command line gives with numbers as texts where the script whose options it gives keeps texts."""
    table = max(options, key=lambda each: sum(name in each for name in values), default={})

    def typed(name: str, value: Any) -> Any:
        default = next((each for each in table.get(name, ()) if each is not None), None)
        return str(value) if isinstance(default, str) and _is_number(value) else value

    return {name: typed(name, value) for name, value in values.items()}


def python_configs(tree: Tree) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield Python files that mostly set plain values at their top level, and dictionaries that stand there."""
    for module in tree.modules:
        if module.document:
            continue
        plain = _set_at_top(module)
        for name, value in plain.items():
            if isinstance(value, dict) and len(value) >= _FEWEST_SETTINGS:
                yield f"{module.path}: {name}", value
        if _is_little_else(module, plain):
            yield module.path, plain


def _set_at_top(module: Module) -> dict[str, Any]:
    found = {
        name: [v for node in nodes for v in literal(node)] for name, nodes in assignments(module.tree.body).items()
    }
    return {name: values[-1] for name, values in found.items() if values}


def is_config(module: Module) -> bool:
    """Tell whether a file does little else than setting plain values at its top level."""
    return _is_little_else(module, _set_at_top(module))


def _is_little_else(module: Module, plain: Mapping[str, Any]) -> bool:
    statements = [n for n in module.tree.body if not isinstance(n, (ast.Import, ast.ImportFrom, ast.Expr))]
    return _count(plain) >= _FEWEST_SETTINGS and len(plain) >= 0.5 * len(statements)


def _count(values: Mapping[str, Any]) -> int:
    """Return how many settings there are, those inside mappings too."""
    return sum(_count(value) if isinstance(value, Mapping) and value else 1 for value in values.values())


def class_configs(tree: Tree) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what classes of settings set, as attributes of the class or in ``__init__``, where it is plain."""
    for module in tree.modules:
        for node in () if module.document else module.nodes:
            if isinstance(node, ast.ClassDef) and (values := _kept(node)):
                yield f"{module.path}:{node.name}", values


def _kept(node: ast.ClassDef) -> dict[str, Any]:
    """Return the plain values of a class that holds little else; its only method is then ``__init__``, if any."""
    found = dict(assignments(node.body))
    methods = [child for child in node.body if isinstance(child, ast.FunctionDef) and child.name == "__init__"]
    given = dict(defaults(methods[0])) if methods and _only_holds(node) else {}
    for statement in (each for method in methods for each in method.body if isinstance(each, ast.Assign)):
        value = (
            given.get(statement.value.id, statement.value) if isinstance(statement.value, ast.Name) else statement.value
        )
        for target in statement.targets:
            if isinstance(target, ast.Attribute) and last_name(target.value) == "self":
                found.setdefault(target.attr, []).append(value)
    plain = {name: values[-1] for name, nodes in found.items() if (values := [v for n in nodes for v in _either(n)])}
    plain = {name: value for name, value in plain.items() if not is_open(name, value)}
    return plain if len(plain) >= _FEWEST_SETTINGS and 2 * len(plain) >= len(found) else {}


def _only_holds(node: ast.ClassDef) -> bool:
    """Tell whether a class does nothing but keep what it is given, and turn it into other forms."""
    methods = [child for child in node.body if isinstance(child, ast.FunctionDef)]
    return all(method.decorator_list or method.name.startswith(("__", "to_", "from_")) for method in methods)


def is_open(name: str, value: Any) -> bool:
    """Tell whether a class leaves a size to those who use it: none is 0."""
    return type(value) is int and value == 0 and any(part in name.lower() for part in _SIZES)


def _either(node: ast.expr) -> list[Any]:
    """Return a literal, or the one that a condition chooses."""
    branches = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    return [value for branch in branches for value in literal(branch)]


def choices(tree: Tree) -> dict[str, list[str]]:
    """Return the words that each name is compared with anywhere: ``if mode == "bilinear"``."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for module in tree.modules:
        for node in module.nodes:
            if isinstance(node, ast.Compare):
                name = last_name(node.left) or _subscripted(node.left)
                for word in _words(node.comparators):
                    found[name][word] = None
    return {name: list(words)[:_MOST_CHOICES] for name, words in found.items() if name}


def siblings(tree: Tree, wanted: Collection[str]) -> dict[str, list[str]]:
    """Return the words that stand beside each of some words, as the keys of a table or in a list: names of variants."""
    sought = set(wanted)
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for module in tree.modules:
        for node in module.nodes:
            elements = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
            words = [e.value for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)]
            for word in sought.intersection(words) if len(words) > 1 else ():
                found[word].update(dict.fromkeys(words))
    return {word: [other for other in others if other != word][:_MOST_CHOICES] for word, others in found.items()}


def sides(sets: Iterable[Mapping[str, Any]]) -> list[int]:
    """Return the sides of pictures that sets of settings name, the most frequent first."""
    found: Counter[int] = Counter()
    for values in (inner for each in sets for inner in nested(each)):
        named = (value for name, value in values.items() if isinstance(name, str) and name.lower() in _SIDES)
        for value in named:
            listed = value if isinstance(value, list) else [value]
            found.update({side for side in listed if type(side) is int and 8 <= side <= _LARGEST_SIDE})
    return [side for side, _ in found.most_common(_MOST_SIDES)]


def reassigned(tree: Tree) -> Iterator[tuple[Module, str, ast.expr]]:
    """Yield what scripts make of an option after they have read it: ``args.sizes = [int(s) for s in args.sizes…]``."""
    for module in tree.modules:
        for node in () if module.document else module.nodes:
            target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id != "self":
                assert isinstance(node, ast.Assign)
                yield module, target.attr, node.value


def set_by_name(tree: Tree) -> dict[str, Any]:
    """Return what scripts set on some object by a text, ``setattr(cfg, "mode", "plain")``: what a file left open."""
    found: dict[str, Any] = {}
    for module in tree.modules:
        for call in () if module.document else module.calls:
            if called(call) == "setattr" and len(call.args) == 3 and isinstance(call.args[1], ast.Constant):
                for value in literal(call.args[2]):
                    found.setdefault(str(call.args[1].value), value)
    return found


def _subscripted(node: ast.expr) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):  # name.lower() == "relu"
        return last_name(node.func.value)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return ""


def _words(nodes: Sequence[ast.expr]) -> Iterator[str]:
    for node in nodes:
        elements = node.elts if isinstance(node, (ast.List, ast.Tuple, ast.Set)) else [node]
        for element in elements:
            if isinstance(element, ast.Constant) and isinstance(element.value, str):
                yield element.value


def nested(values: Mapping[str, Any], depth: int = 4) -> Iterator[Mapping[str, Any]]:
    """Yield a configuration and the mappings inside it."""
    yield values
    if depth:
        for value in values.values():
            if isinstance(value, Mapping):
                yield from nested(value, depth - 1)
