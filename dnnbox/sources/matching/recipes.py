"""How a source tree itself builds a class: calls in scripts and documents, and the functions that return it."""

from __future__ import annotations

import ast
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from dnnbox.sources.matching.bindings import Given, constructors, parameters, passed
from dnnbox.sources.matching.bytext import is_of_imported
from dnnbox.sources.matching.classes import Classes, ClassInfo, called
from dnnbox.sources.matching.lookups import file_of, looked_up
from dnnbox.sources.matching.options import Options
from dnnbox.sources.matching.reading import Config, Module, Tree, walk
from dnnbox.sources.matching.registries import names_of, registries
from dnnbox.sources.matching.sections import Sections, handed, path_of, spread
from dnnbox.sources.matching.tables import Tables, names_called
from dnnbox.sources.matching.values import Evaluator, Value

How = Literal["call", "factory"]
_MOST_COMBINATIONS = 24
_MOST_SITES = 60
_MOST_FOUND = 1_000  # recipes of one class, before equal ones are merged
_MOST_CALLERS = 4
_MOST_TRIED = 24  # command lines and ways to one call
_MOST_COMMANDS, _MOST_COMMANDED = 6, 4  # command lines for one call, and readings of it for each of them
_HOPS = 4
_CLASSES_OWN = ("forward", "__call__", "__init__")
NO_FACTORIES = frozenset(
    (*_CLASSES_OWN, "main", "train", "test", "validate", "evaluate", "setup", "run", "cli", "worker")
)


@dataclass(frozen=True)
class Recipe:
    """One call that may build the model. ``callee``: ``file.py:name``, ``file.py:Class.method`` or, where an instance
    comes first, ``file.py:Class().method``; of a library ``package.module:name``. ``unread``: the keywords of which
    nothing is known."""

    callee: str
    how: How
    where: str
    args: tuple[Value, ...] = ()
    kwargs: dict[str, Value] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Function:
    """A function of the tree, with the class that holds it."""

    module: Module
    node: ast.FunctionDef
    owner: ast.ClassDef | None = None

    @property
    def place(self) -> str:
        return f"{self.module.path}:{self.node.lineno}"

    @property
    def is_bound(self) -> bool:
        """Whether the class itself is enough to call it."""
        return any(
            isinstance(d, ast.Name) and d.id in ("classmethod", "staticmethod") for d in self.node.decorator_list
        )


class Recipes:
    """Finds recipes in one tree; what all classes share is computed once. ``kept``: options of the checkpoint."""

    def __init__(self, tree: Tree, classes: Classes, evaluator: Evaluator, kept: Sequence[Config] = ()) -> None:
        self.tree, self.classes, self.evaluator = tree, classes, evaluator
        self._options = Options(tree, evaluator.settings, kept)
        self._tables = Tables(evaluator.homes)
        self._registries, self._constructors = registries(tree), constructors(tree)
        self._wanted = ""

    def calls(self, info: ClassInfo) -> list[Recipe]:
        """Return the calls of a class, with every combination of values that their arguments may have."""
        self._wanted = info.name
        found = (
            recipe
            for module, call, function in self._by_name[info.name]
            if self.tree.clock.goes_on() and self.is_of(info, call, module)
            for recipe in self._combined(info.ref, "call", module, call, function)
        )
        return _distinct(list(itertools.islice(found, _MOST_FOUND)))

    def is_of(self, info: ClassInfo, call: ast.Call, module: Module) -> bool:
        """Tell whether a call is one of this class. A document calls whatever is named so, unless what it imports from
        the source's own package is a class of that name in another file, and other code."""
        if not module.document:
            is_chosen = info.name in self._tables.names(call, module)
            name = info.name if is_chosen else called(call)
            return info in self.classes.resolve(name, module)[:1] or is_of_imported(call, module)
        home = self.evaluator.homes.origin(called(call), module)
        meant = next((other for other in self.classes.by_name.get(info.name, ()) if other.module is home), info)
        return meant is info or meant.digest() == info.digest()

    def factories(self, info: ClassInfo) -> list[Recipe]:
        """Return calls of the functions that return the class, over up to four steps; the nearest first."""
        found: list[Recipe] = []
        self._wanted = info.name
        for function in self._builders(info):
            for callee in self._callees(function):
                calls = self._calls_of(function, callee)
                found += [Recipe(callee, "factory", function.place), *calls]
                if len(found) >= _MOST_FOUND or not self.tree.clock.goes_on():
                    return _distinct(found)
        return _distinct(found)

    def of_function(self, module: Module, node: ast.FunctionDef) -> list[Recipe]:
        """Return the calls of one function, itself without arguments first."""
        callee, place = f"{module.path}:{node.name}", f"{module.path}:{node.lineno}"
        return _distinct([Recipe(callee, "factory", place), *self._calls_of(Function(module, node), callee)])

    def sites(self, name: str) -> list[tuple[Module, ast.Call, ast.FunctionDef | None]]:
        """Return every call of something of that name, with its module and the function that it stands in."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, list[tuple[Module, ast.Call, ast.FunctionDef | None]]]:
        """Every call by the called one's own name, with the function that it stands in."""
        found: dict[str, list[tuple[Module, ast.Call, ast.FunctionDef | None]]] = defaultdict(list)
        for module in self.tree.modules:
            spans = sorted(module.functions, key=lambda node: node.lineno)
            for call in module.calls:
                for name in (module.original(called(call)), *sorted(self._tables.names(call, module))):
                    if name and len(found[name]) < _MOST_SITES:
                        found[name].append((module, call, _enclosing(spans, call)))
        return found

    def _combined(
        self, callee: str, how: How, module: Module, call: ast.Call, function: ast.FunctionDef | None
    ) -> Iterator[Recipe]:
        """Yield what the call may pass: as callers of the function around it have it, then by that function alone; then
        as command lines of these scripts have it."""
        ways = [*self._callers(function, ()), {}]
        found: list[Recipe] = []
        for given in ways:
            with self.evaluator.calling(given):
                found += self._evaluated(callee, how, module, call, function)
        known = {repr((recipe.args, recipe.kwargs)) for recipe in found}
        kept = ((given, each) for given in ways for each in self._options.kept(_scripts(module, given)))
        yield from self._with_options(kept, known, callee, how, module, call, function)
        yield from found
        yield from self._of_sections(callee, how, module, call, function)
        commanded = ((given, each) for given in ways for each in self._options.commands(_scripts(module, given)))
        yield from self._with_options(
            itertools.islice(commanded, _MOST_TRIED), known, callee, how, module, call, function
        )

    def _with_options(
        self,
        ways: Iterable[tuple[dict[int, dict[str, Given]], Config]],
        known: set[str],
        callee: str,
        how: How,
        module: Module,
        call: ast.Call,
        function: ast.FunctionDef | None,
    ) -> Iterator[Recipe]:
        """Yield what the call passes where options are given together, as far as that is not known yet."""
        told = 0
        for given, options in ways:
            with self.evaluator.calling(given, options.values):
                read = list(self._evaluated(callee, how, module, call, function))[:_MOST_COMMANDED]
            new = [recipe for recipe in read if repr((recipe.args, recipe.kwargs)) not in known]
            yield from (replace(recipe, where=options.path) for recipe in new)
            known |= {repr((recipe.args, recipe.kwargs)) for recipe in new}
            told += bool(new)
            if told >= _MOST_COMMANDS or not self.tree.clock.goes_on():
                return

    def _callers(
        self, function: ast.FunctionDef | None, below: tuple[ast.FunctionDef, ...]
    ) -> list[dict[int, dict[str, Given]]]:
        """Return what each way of calls that leads to a function passes to it, and to those on the way; calls of a
        class lead to its constructor."""
        name, home = self._constructors.get(id(function), ("" if function is None else function.name, None))
        if function is None or not parameters(function) or name in NO_FACTORIES or len(below) >= _HOPS:
            return []
        found: list[dict[int, dict[str, Given]]] = []
        for module, call, inside in self._by_name[name]:
            if home is not None and self.evaluator.homes.is_another(called(call), module, home):
                continue
            if len(found) >= _MOST_CALLERS or inside in (function, *below) or not _is_plain_call(module, call):
                continue
            own = {id(function): passed(function, call, module, inside)}
            found += [{**own, **more} for more in self._callers(inside, (function, *below)) or [{}]]
        return found[:_MOST_CALLERS]

    def _evaluated(
        self, callee: str, how: How, module: Module, call: ast.Call, function: ast.FunctionDef | None
    ) -> Iterator[Recipe]:
        positional: list[list[Value]] = []
        for argument in call.args:
            if isinstance(argument, ast.Starred):
                break
            positional.append(self.evaluator.possible(argument, module, function))
        names: list[str] = []
        choices: list[list[Value]] = []
        splats: list[list[dict[str, Value]]] = []
        paths: list[list[str]] = []
        for keyword in call.keywords:
            values = self.evaluator.possible(keyword.value, module, function)
            if keyword.arg is not None:
                names.append(keyword.arg)
                choices.append(values)
            elif mappings := [v for v in values if isinstance(v, dict) and not any(k.startswith("$") for k in v)]:
                splats.append(mappings)
            else:
                paths.append(path_of(keyword.value))
        where = f"{module.path}:{call.lineno}" if not module.document else module.path
        product = itertools.product(
            itertools.product(*positional), itertools.product(*choices), itertools.product(*splats)
        )
        for args, named, splat in itertools.islice(product, _MOST_COMBINATIONS):
            kwargs = dict(zip(names, named, strict=True))
            for mapping in splat:
                kwargs |= mapping
            known = {k: v for k, v in kwargs.items() if not _is_unknown(v)}
            unread = tuple(name for name in kwargs if name not in known)
            for each in spread(paths, self.tree.configs) or [Sections(where)]:
                yield Recipe(callee, how, each.where, args, {**known, **each.kwargs}, unread)

    def _of_sections(
        self, callee: str, how: How, module: Module, call: ast.Call, function: ast.FunctionDef | None
    ) -> Iterator[Recipe]:
        """Yield the call with the sections of each configuration that it is handed."""
        for each in handed(call, self.tree.configs, self._wanted):
            args = tuple(
                each.args[place] if place in each.args else self.evaluator.possible(argument, module, function)[0]
                for place, argument in enumerate(call.args)
            )
            others = {k.arg: self.evaluator.possible(k.value, module, function)[0] for k in call.keywords if k.arg}
            known = {name: value for name, value in others.items() if not _is_unknown(value)}
            yield Recipe(callee, how, each.where, args, {**known, **each.kwargs})

    # -- factories ---------------------------------------------------------------------------------------------------

    @cached_property
    def _functions(self) -> list[tuple[Function, frozenset[str], frozenset[str]]]:
        """Every function with the names that it calls, and the files that it takes a function from by a string."""
        found = []
        for module in self.tree.modules:
            if module.document:
                continue
            owners = {
                id(child): node
                for node in module.nodes
                if isinstance(node, ast.ClassDef)
                for child in node.body
                if isinstance(child, ast.FunctionDef)
            }
            top = {id(node) for node in module.tree.body}
            guarded = {id(child) for statement in module.tree.body for child in _blocks(statement)}
            for node in module.functions:
                owner = owners.get(id(node))
                if owner is not None or id(node) in top or id(node) in guarded:
                    below = walk(node)
                    names = names_called(module, below, self._tables) | names_of(module, below, self._registries)
                    found.append((Function(module, node, owner), names, frozenset(self._dispatched(module, below))))
        return found

    def _dispatched(self, module: Module, below: Sequence[ast.AST]) -> Iterator[str]:
        """Yield files whose functions are called by a name that is put together: ``models.__dict__[arch]()``."""
        for each in below:
            lookup = looked_up(each) if isinstance(each, (ast.Subscript, ast.Call)) else None
            target = file_of(lookup, module, self.evaluator.homes) if lookup is not None else None
            if target is not None:
                yield target.path

    def _builders(self, info: ClassInfo) -> list[Function]:
        wanted, files = {info.name}, set[str]()
        builders: dict[int, tuple[int, Function]] = {}
        for hop in range(_HOPS):
            fresh = [
                function
                for function, names, dispatched in self._functions
                if id(function.node) not in builders
                and self._may_build(function, info)
                and (names & wanted or dispatched & files or _calls_itself(function, names, info))
            ]
            if not fresh:
                break
            builders |= {id(function.node): (hop, function) for function in fresh}
            wanted |= {function.node.name for function in fresh}
            files |= {function.module.path for function in fresh if function.owner is None}
        here = info.module.path.rpartition("/")[0]
        ordered = sorted(builders.values(), key=lambda pair: (pair[0], _distance(pair[1].module.path, here)))
        return [function for _, function in ordered]

    def _may_build(self, function: Function, info: ClassInfo) -> bool:
        if function.node.name in NO_FACTORIES or function.node.name.startswith("test_"):
            return False
        owner = function.owner
        if owner is None:
            return True
        held = [each for each in self.classes.by_name.get(owner.name, ()) if each.node is owner]
        is_module = bool(held) and held[0].is_module
        return function.is_bound if is_module or owner.name == info.name else not function.node.name.startswith("__")

    def _callees(self, function: Function) -> Iterator[str]:
        name, path = function.node.name, function.module.path
        if function.owner is None:
            yield f"{path}:{name}"
        elif function.is_bound:
            yield f"{path}:{function.owner.name}.{name}"
        else:
            for info in self._derived(function.owner.name)[:60]:
                yield f"{info.ref}().{name}"

    def _derived(self, name: str) -> list[ClassInfo]:
        """Return the classes of that name and those derived from them, at any distance."""
        names, found = {name}, list(self.classes.by_name.get(name, ()))
        for _ in range(3):
            more = [
                info
                for infos in self.classes.by_name.values()
                for info in infos
                if info not in found and any(info.module.original(base) in names for base in info.bases)
            ]
            if not more:
                break
            found += more
            names |= {info.name for info in more}
        return found

    def _calls_of(self, function: Function, callee: str) -> list[Recipe]:
        if not _takes_anything(function.node):
            return []
        own = function.node.name
        sites = [
            (module, call, inside)
            for module, call, inside in self._by_name[own][:_MOST_SITES]
            if inside is not function.node
        ]
        found: list[Recipe] = []
        for module, call, inside in sites[:20] if self.tree.clock.goes_on() else ():
            found += self._combined(callee, "factory", module, call, inside)
        return found[:80]


def _takes_anything(node: ast.FunctionDef) -> bool:
    return bool(parameters(node) or node.args.vararg or node.args.kwarg)


def _calls_itself(function: Function, names: frozenset[str], info: ClassInfo) -> bool:
    """Tell whether it is a class method of the class that calls the class by its first parameter: ``cls(…)``."""
    return function.is_bound and "cls" in names and function.owner is info.node


def _is_plain_call(module: Module, call: ast.Call) -> bool:
    """Tell whether a function is called, ``make(…)`` or ``models.make(…)``, and no method of an object."""
    base = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    return isinstance(base, ast.Name) and (base is call.func or base.id in module.aliases)


def _scripts(module: Module, given: Mapping[int, Mapping[str, Given]]) -> set[str]:
    """Return the file of a call and those that a way to it passes."""
    return {module.path, *(each.module.path for passed in given.values() for each in passed.values())}


def _is_unknown(value: Any) -> bool:
    return isinstance(value, dict) and "$unknown" in value


def _blocks(statement: ast.stmt) -> list[ast.stmt]:
    if isinstance(statement, (ast.If, ast.Try)):
        return [*statement.body, *statement.orelse]
    return []


def _enclosing(functions: Sequence[ast.FunctionDef], call: ast.Call) -> ast.FunctionDef | None:
    """Return the innermost function around a call; ``functions`` are sorted by their first line."""
    found = None
    for node in functions:
        if node.lineno > call.lineno:
            break
        if call.lineno <= (node.end_lineno or node.lineno):
            found = node
    return found


def _distance(path: str, folder: str) -> tuple[int, int]:
    name = path.rpartition("/")
    near = name[0] == folder or "hubconf" in name[2]
    return (0 if near else 1, path.count("/"))


def _distinct(recipes: Sequence[Recipe]) -> list[Recipe]:
    seen: dict[str, Recipe] = {}
    for recipe in recipes:
        seen.setdefault(repr((recipe.callee, recipe.args, sorted(recipe.kwargs.items(), key=str))), recipe)
    return list(seen.values())
