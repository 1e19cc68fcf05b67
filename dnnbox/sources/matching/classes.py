"""The module classes of a source tree: what each holds by name, read from its methods."""

from __future__ import annotations

import ast
import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dnnbox.sources.matching.external import ATTRIBUTES, CONTAINERS, LEAVES, MODULES, WITHOUT_KEYS
from dnnbox.sources.matching.reading import Module, Tree, children, walk

Form = Literal["class", "leaf", "parameter", "sequence", "nothing", "argument", "constant", "unknown"]
_WRAPPERS = frozenset(("DataParallel", "DistributedDataParallel", "compile", "weight_norm", "spectral_norm"))
_REGISTERING = {"register_buffer": "parameter", "register_parameter": "parameter", "add_module": "unknown"}
_MOVES = frozenset(
    ("to", "cuda", "cpu", "float", "half", "eval", "train", "contiguous", "detach", "clone", "requires_grad_")
)
_OF_WHOLE_NUMBERS = ("randint", "arange")
_EVERY_NAME = r"\w+"
_PUTTING = ("append", "extend", "insert", "add_module")


@dataclass(frozen=True)
class Kind:
    """What an attribute may be. ``names``: the class, or the classes of a sequence's items."""

    form: Form
    names: tuple[str, ...] = ()


@dataclass
class Attribute:
    """An attribute of ``self``; ``optional``: set under a condition, or outside ``__init__``."""

    kinds: set[Kind] = field(default_factory=set)
    optional: bool = True


@dataclass(eq=False)
class ClassInfo:
    """One class. ``patterns``: regular expressions of names that are made up while it runs."""

    name: str
    module: Module
    node: ast.ClassDef
    bases: tuple[str, ...]
    is_module: bool = False
    attributes: dict[str, Attribute] = field(default_factory=dict)
    patterns: list[str] = field(default_factory=list)
    calls: int = 0

    @property
    def ref(self) -> str:
        """Where it is, as ``models/net.py:Net``."""
        return f"{self.module.path}:{self.name}"

    @property
    def place(self) -> str:
        """The file and line."""
        return f"{self.module.path}:{self.node.lineno}"

    def method(self, name: str) -> ast.FunctionDef | None:
        """Return one of its own methods."""
        return next((n for n in self.node.body if isinstance(n, ast.FunctionDef) and n.name == name), None)

    def digest(self) -> str:
        """Return a hash of the code, and of what it uses of its own module: equal for copies of a class.

        Layout, comments, docstrings and decorators do not count: copies are registered under other names.
        """
        tops = {n.name: n for n in self.module.tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
        digest, waiting, seen = hashlib.sha256(), [self.name], set[str]()
        while waiting:
            name = waiting.pop(0)
            node = self.node if name == self.name else tops.get(name)
            if node is None or name in seen:
                continue
            seen.add(name)
            head: list[ast.AST] = [node.args] if isinstance(node, ast.FunctionDef) else [*node.bases]
            parts = [*head, *_without_docstring(node.body)]
            digest.update("\n".join(map(ast.dump, parts)).encode("utf-8", "backslashreplace"))
            waiting += [each.id for part in parts for each in walk(part) if isinstance(each, ast.Name)]
        return digest.hexdigest()[:16]


class Classes:
    """All classes of a tree, by name."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.by_name: dict[str, list[ClassInfo]] = defaultdict(list)
        for module in tree.modules:
            if not module.document:
                for node in module.nodes:
                    if isinstance(node, ast.ClassDef):
                        self.by_name[node.name].append(_class(module, node))
        self._mark_modules()
        for info in self.modules():
            _read_attributes(info, self)
        self._count_calls()

    def modules(self) -> Iterator[ClassInfo]:
        """Yield the classes that are torch modules."""
        return (info for found in self.by_name.values() for info in found if info.is_module)

    def resolve(self, name: str, module: Module) -> list[ClassInfo]:
        """Return the module classes that a name in ``module`` may mean, those of the same file first."""
        original = module.original(name)
        found = [info for info in self.by_name.get(original, ()) if info.is_module]
        own = [info for info in found if info.module is module]
        if own and name not in module.aliases:
            return own
        return imported_first(found, module.aliases.get(name, ("", ""))[0], module)

    def bases_of(self, info: ClassInfo) -> list[ClassInfo]:
        """Return the base classes that the tree itself defines."""
        found = []
        for base in info.bases:
            found += [other for other in self.resolve(base, info.module) if other is not info][:2]
        return found

    def _mark_modules(self) -> None:
        everyone = [info for found in self.by_name.values() for info in found]
        for info in everyone:
            info.is_module = any(info.module.original(base) in MODULES for base in info.bases) or _forwards(info)
        changed = True
        while changed:
            changed = False
            for info in everyone:
                if not info.is_module and any(self._is_module_base(base, info) for base in info.bases):
                    info.is_module = changed = True

    def _is_module_base(self, base: str, info: ClassInfo) -> bool:
        original = info.module.original(base)
        if any(other.is_module and other is not info for other in self.by_name.get(original, ())):
            return True
        return original in ATTRIBUTES and original not in self.by_name

    def _count_calls(self) -> None:
        for module in self.tree.modules:
            for call in module.calls:
                for info in self.by_name.get(module.original(called(call)), ()):
                    info.calls += 1


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_text else body


def imported_first(found: list[ClassInfo], source: str, module: Module) -> list[ClassInfo]:
    """Return the classes with those first whose file ends as the import says, and lies nearest to who imports it.

    Where nothing says where a name comes from, it may be from any module all of whose names are imported.
    """
    wanted = tuple(name.lstrip(".").replace(".", "/") for name in ([source] if source else module.stars))
    folder = module.path.split("/")[:-1]

    def near(info: ClassInfo) -> tuple[bool, int]:
        is_named = any(name and _stem(info.module.path).endswith(name) for name in wanted)
        parts = info.module.path.split("/")
        shared = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(folder, parts, strict=False)))
        return not is_named, -shared

    return sorted(found, key=near)


def _stem(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__")


def called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    return last_name(call.func)


def unmoved(call: ast.Call) -> ast.expr:
    """Return what a call only moves or marks and answers with, ``Net(6).to(device)``; the call where it does more."""
    inner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if not isinstance(inner, ast.Call):
        return call
    is_same = called(call) in _MOVES or (called(call) == "long" and called(inner) in _OF_WHOLE_NUMBERS)
    return unmoved(inner) if is_same else call


def last_name(node: ast.expr) -> str:
    """Return ``Name`` for ``a.b.Name``; "" for anything but a name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _class(module: Module, node: ast.ClassDef) -> ClassInfo:
    return ClassInfo(node.name, module, node, tuple(filter(None, map(last_name, node.bases))))


def _forwards(info: ClassInfo) -> bool:
    """Tell whether a class that is derived from an unknown library's looks like a module: forward, and super's init."""
    external = any(base in info.module.aliases for base in info.bases)
    return external and info.method("forward") is not None and info.method("__init__") is not None


# -- attributes ------------------------------------------------------------------------------------------------------


def _read_attributes(info: ClassInfo, classes: Classes) -> None:
    for method in info.node.body:
        if isinstance(method, ast.FunctionDef):
            _Reader(info, classes).read(method, optional=method.name != "__init__")
        elif isinstance(method, (ast.Assign, ast.AnnAssign)) and isinstance(method.value, ast.Call):
            targets = method.targets if isinstance(method, ast.Assign) else [method.target]
            for name in (target.id for target in targets if isinstance(target, ast.Name)):
                info.attributes.setdefault(name, Attribute({Kind("unknown")}))


class _Reader:
    def __init__(self, info: ClassInfo, classes: Classes) -> None:
        self.info, self.classes = info, classes
        self.lists: dict[str, list[ast.AST]] = {}

    def read(self, method: ast.FunctionDef, *, optional: bool) -> None:
        """Read a method: first what its lists are made of, then what it assigns."""
        for node in walk(method):
            for name, value in _put_into(node):
                self.lists.setdefault(name, []).append(value)
        self.visit(method, optional=optional)

    def visit(self, node: ast.AST, *, optional: bool) -> None:
        """Read what stands below a node."""
        for child in children(node):
            guarded = optional or isinstance(node, (ast.If, ast.IfExp, ast.Try))
            if isinstance(child, ast.Assign):
                for target in child.targets:
                    self._assign(target, child.value, guarded)
            elif isinstance(child, ast.AnnAssign) and child.value is not None:
                self._assign(child.target, child.value, guarded)
            elif isinstance(child, ast.Call):
                self._register(child)
            self.visit(child, optional=guarded)

    def _assign(self, target: ast.expr, value: ast.expr, optional: bool) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            same = isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts)
            for index, element in enumerate(target.elts):
                one = value.elts[index] if same and isinstance(value, (ast.Tuple, ast.List)) else None
                self._assign(element, one if one is not None else ast.Constant(...), optional)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
            attribute = self.info.attributes.setdefault(target.attr, Attribute(optional=optional))
            attribute.kinds |= self.kinds(value)
            attribute.optional = attribute.optional and optional

    def _register(self, call: ast.Call) -> None:
        name = called(call)
        arguments = call.args[1:] if name == "setattr" else call.args
        if name not in _REGISTERING and name != "setattr":
            return
        if not arguments:
            return
        kind = Kind("parameter" if _REGISTERING.get(name) == "parameter" else "unknown")
        if isinstance(arguments[0], ast.Constant):
            self.info.attributes.setdefault(str(arguments[0].value), Attribute()).kinds.add(kind)
        else:
            self.info.patterns.append(_pattern(arguments[0]))

    def kinds(self, value: ast.expr) -> set[Kind]:
        """Return what an expression may be."""
        if isinstance(value, ast.IfExp):
            return self.kinds(value.body) | self.kinds(value.orelse)
        if isinstance(value, ast.BoolOp):
            return {kind for part in value.values for kind in self.kinds(part)}
        if isinstance(value, ast.Call):
            return {self._call(value)}
        if isinstance(value, ast.Constant) and value.value is not ...:
            return {Kind("constant")}
        if isinstance(value, ast.Name):
            return {Kind("argument")}
        if isinstance(value, (ast.List, ast.ListComp)):
            return {Kind("constant")}
        return {Kind("unknown")}

    def _call(self, call: ast.Call) -> Kind:
        module, name = self.info.module, called(call)
        original = module.original(name)
        if original in CONTAINERS:
            return Kind("sequence", tuple(sorted(self._items(call))))
        if original == "Parameter":
            return Kind("parameter")
        if original in _WRAPPERS and call.args:
            return next(iter(self.kinds(call.args[0])))
        if self.classes.resolve(name, module):
            return Kind("class", (name,))
        if original in WITHOUT_KEYS:
            return Kind("nothing")
        return Kind("leaf") if original in LEAVES else Kind("unknown")

    def _items(self, call: ast.Call) -> Iterator[str]:
        named = [node.id for argument in call.args for node in walk(argument) if isinstance(node, ast.Name)]
        for argument in (*call.args, *(value for name in named for value in self.lists.get(name, ()))):
            for node in walk(argument):
                if isinstance(node, ast.Call) and self.info.module.original(called(node)) in self.classes.by_name:
                    yield called(node)


def _put_into(node: ast.AST) -> list[tuple[str, ast.AST]]:
    """Return (name, value) for what is put into a list: ``parts = […]``, ``parts += …``, ``parts.append(…)``."""
    if isinstance(node, ast.Assign):
        return [(target.id, node.value) for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return [(node.target.id, node.value)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and called(node) in _PUTTING:
        return [(last_name(node.func.value), argument) for argument in node.args]
    return []


def _pattern(node: ast.expr) -> str:
    """Return a regular expression for a name that is put together from pieces."""
    if isinstance(node, ast.JoinedStr):
        parts = [re.escape(str(v.value)) if isinstance(v, ast.Constant) else _EVERY_NAME for v in node.values]
        return "".join(parts)
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    if not texts:
        return _EVERY_NAME
    return re.sub(r"(%[ds]|\\\{\w*\\\})", lambda _: _EVERY_NAME, re.escape(texts[0])) + r"\w*"


def lineage(info: ClassInfo, classes: Classes) -> Iterator[ClassInfo]:
    """Yield the class and its bases in the tree, nearest first."""
    seen: list[ClassInfo] = []
    waiting: list[ClassInfo] = [info]
    while waiting and len(seen) < 40:
        current = waiting.pop(0)
        if current not in seen:
            seen.append(current)
            yield current
            waiting += classes.bases_of(current)


def external_attributes(infos: Sequence[ClassInfo], classes: Classes) -> Iterator[str]:
    """Yield the names that the library classes hold which the given classes are derived from."""
    for info in infos:
        for base in info.bases:
            original = info.module.original(base)
            if original in ATTRIBUTES and not any(o is not info for o in classes.by_name.get(original, ())):
                yield from ATTRIBUTES[original]
