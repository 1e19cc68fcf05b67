"""What an expression may be worth, without running it: a few plain values, references to names, or calls of them.

Values are JSON. What JSON lacks is an object with one key: ``{"$tuple": […]}``, ``{"$ref": "models/net.py:Block"}``
(a name in a file of the tree, or in a library: ``"torch.nn:GELU"``), ``{"$call": [callee, […], {…}]}``, the same
with attributes that are set on it afterwards, ``{"$with": [call, {"patch.size": 16}]}``, and ``{"$unknown": "the
expression's text"}``.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from dnnbox.sources.matching import sequences
from dnnbox.sources.matching.bindings import (
    Given,
    assignments,
    attributes_put,
    before,
    defaults,
    items_put,
    kept_on_self,
)
from dnnbox.sources.matching.classes import called, last_name, unmoved
from dnnbox.sources.matching.homes import Homes, definitions, has_members, joined, of_library, reference
from dnnbox.sources.matching.lookups import looked_up, references
from dnnbox.sources.matching.plain import (
    Unknown,
    Value,
    calculated,
    encoded,
    is_known,
    is_made,
    is_mapping,
    is_plain,
    is_reference,
    items,
)
from dnnbox.sources.matching.reading import Module
from dnnbox.sources.matching.settings import is_config
from dnnbox.syntax import ARITHMETIC

THE_CHECKPOINT = "the checkpoint"  # in the place of a file, where it says something itself
_MOST_VALUES, _MOST_COMBINATIONS = 16, 24
_MOST_HELD, _MOST_CALLEES, _DEEPEST = 4, 4, 7


class Evaluator:
    """Evaluates expressions of a tree. ``settings``: what options and configurations may be, by file and by name."""

    def __init__(self, homes: Homes, settings: Mapping[str, Mapping[str, Sequence[Value]]]) -> None:
        self.homes, self.tree, self.settings = homes, homes.tree, settings
        self._globals: dict[str, dict[str, list[ast.expr]]] = {}
        self._locals: dict[int, dict[str, list[ast.expr]]] = {}
        self._given: Mapping[int, Mapping[str, Given]] = {}
        self._commanded: Mapping[str, Value] = {}
        self._remembered: dict[tuple[str, int], list[Value]] = {}

    @contextmanager
    def calling(
        self, given: Mapping[int, Mapping[str, Given]], commanded: Mapping[str, Value] | None = None
    ) -> Iterator[None]:
        """Evaluate what stands inside functions as one call of each has it; ``given``: by ``id`` of the function,
        ``commanded``: options that a command line gives."""
        before = self._given, self._commanded, self._remembered
        self._given = given
        if commanded:
            self._commanded, self._remembered = commanded, {}
        try:
            yield
        finally:
            self._given, self._commanded, self._remembered = before

    def possible(self, node: ast.expr, module: Module, function: ast.FunctionDef | None = None) -> list[Value]:
        """Return up to sixteen values that the expression may have, the likeliest first; one unknown if it is none."""
        try:
            return self._values(node, module, function, 0)[:_MOST_VALUES]
        except (Unknown, ArithmeticError, TypeError, ValueError, RecursionError, MemoryError):
            return [{"$unknown": ast.unparse(node)[:80]}]

    def _values(self, node: ast.expr, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        if depth > _DEEPEST:
            raise Unknown
        try:
            return [encoded(ast.literal_eval(node))]
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            pass
        method = getattr(self, f"_of_{type(node).__name__.lower()}", None)
        if method is None:
            raise Unknown
        values: list[Value] = method(node, module, function, depth + 1)
        if not values:  # an option without a default, say
            raise Unknown
        return values[:_MOST_VALUES]

    # -- names -------------------------------------------------------------------------------------------------------

    def _of_name(self, node: ast.Name, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        name = node.id
        if function is not None and (given := self._given.get(id(function), {}).get(name)):
            try:
                return self._values(given.node, given.module, given.function, depth)
            except Unknown:  # then what the function itself says
                pass
        if function is not None and (found := self._in_function(function).get(name)):
            values = self._any_of(before(found, node), module, function, depth)
            return self._changed(values, node, module, function, depth)
        if found := self._in_module(module).get(name):
            values = self._any_of(before(found, node) if function is None else found, module, None, depth)
            return self._changed(values, node, module, None, depth)
        if name in module.aliases:
            return self._imported(module, name, depth)
        if name in definitions(module):
            return [reference(module, name)]
        home = self.homes.home(name, module)
        return (
            self._option(name, module) if home in (module, None) else self._of_name(ast.Name(name), home, None, depth)
        )

    def _changed(
        self, values: list[Value], node: ast.Name, module: Module, function: ast.FunctionDef | None, depth: int
    ) -> list[Value]:
        """Return mappings with the items, and made objects with attributes, that they are given before their use."""
        body = module.tree.body if function is None else function.body

        def put(pairs: Iterator[tuple[str, ast.expr]], *, with_open: bool) -> dict[str, Value]:
            more: dict[str, Value] = {}
            for key, value in pairs:
                with suppress(Unknown, ArithmeticError, TypeError, ValueError):
                    found = self._values(value, module, function, depth)[0]
                    more |= {key: found} if with_open or found is not None or isinstance(value, ast.Constant) else {}
            return more

        items = put(items_put(body, node.id, node), with_open=True) if any(map(is_mapping, values)) else {}
        attributes = put(attributes_put(body, node.id, node), with_open=False) if any(map(is_made, values)) else {}
        values = [{**value, **items} if is_mapping(value) else value for value in values]
        return [{"$with": [value, attributes]} if attributes and is_made(value) else value for value in values]

    def _any_of(
        self, nodes: Sequence[ast.expr], module: Module, function: ast.FunctionDef | None, depth: int
    ) -> list[Value]:
        values: list[Value] = []
        for node in nodes[:12]:
            try:
                values += [v for v in self._values(node, module, function, depth) if v not in values]
            except (Unknown, ArithmeticError, TypeError, ValueError):
                continue
        if not values:
            raise Unknown
        return values

    def _imported(self, module: Module, name: str, depth: int) -> list[Value]:
        source, original = module.aliases[name]
        target = self.homes.file_of(module, source)
        if target is None or not original:
            if source.startswith("."):
                raise Unknown
            return [{"$ref": f"{source}:{original}"}] if original else [{"$ref": f"{source}:"}]
        if found := self._in_module(target).get(original):
            try:
                return self._any_of(found, target, None, depth)
            except Unknown:
                pass
        return [reference(target, original)]

    def _in_module(self, module: Module) -> dict[str, list[ast.expr]]:
        key = f"{module.path}#{id(module)}"
        if key not in self._globals:
            self._globals[key] = assignments(module.tree.body)
        return self._globals[key]

    def _in_function(self, function: ast.FunctionDef) -> dict[str, list[ast.expr]]:
        if id(function) not in self._locals:
            found = assignments(function.body)
            for name, default in defaults(function):
                found.setdefault(name, []).append(default)
            self._locals[id(function)] = found
        return self._locals[id(function)]

    def _option(self, name: str, module: Module, _: int = 0) -> list[Value]:
        """Return what a name may be as an option of a script: of the command line, the same file, else of any."""
        if name in self._commanded:
            return [self._commanded[name]]
        own = self.settings.get(module.path, {})
        if name in own:
            return list(own[name])
        for options in self.settings.values():
            if name in options:
                return list(options[name])
        raise Unknown

    # -- expressions -------------------------------------------------------------------------------------------------

    def _of_attribute(self, node: ast.Attribute, module: Module, _: ast.FunctionDef | None, depth: int) -> list[Value]:
        base = node.value
        home = self.homes.home(base.id, module) if isinstance(base, ast.Name) else None
        if isinstance(base, ast.Name) and home is not None and base.id in home.aliases:
            source, original = home.aliases[base.id]
            target = self.homes.file_of(home, joined(source, original))
            if target is not None:
                return self._of_name(ast.Name(node.attr), target, None, depth)
            holder = self.homes.file_of(home, source) if original else None
            if holder is not None and (holder := self.homes.home(original, holder)) is not None:
                return self._member(holder, original, node.attr, depth)
            if not source.startswith("."):
                return [of_library(source, original, node.attr)]
        if isinstance(base, ast.Name) and home is not None and has_members(home, base.id):
            return [reference(home, f"{base.id}.{node.attr}")]
        dotted = ast.unparse(base)
        if dotted.startswith(("nn.", "torch.")) or dotted in ("nn", "torch"):
            return [{"$ref": f"{dotted.replace('nn', 'torch.nn', 1) if dotted[:2] == 'nn' else dotted}:{node.attr}"}]
        for known in (self._option, self._held, self._set_in_a_file):
            with suppress(Unknown):
                return known(node.attr, module, depth)
        raise Unknown

    def _member(self, home: Module, name: str, attribute: str, depth: int) -> list[Value]:
        """Return what an object or a class of another file holds: an option of that name goes before an object's, and
        so does what a file of settings sets, for such an object may be filled from it."""
        for known in () if has_members(home, name) else (self._option, self._set_in_a_file):
            with suppress(Unknown):
                return known(attribute, home, depth)
        return [reference(home, f"{name}.{attribute}")]

    def _set_in_a_file(self, name: str, _: Module, depth: int) -> list[Value]:
        """Return what a file that does little but set values says under a name."""
        if name not in self._files_of_settings:
            raise Unknown
        return self._of_name(ast.Name(name), self._files_of_settings[name], None, depth)

    @cached_property
    def _files_of_settings(self) -> dict[str, Module]:
        files = [module for module in self.tree.modules if not module.document and is_config(module)]
        return {name: module for module in reversed(files) for name in self._in_module(module)}

    def _held(self, name: str, _: Module, depth: int) -> list[Value]:
        """Return what objects of the tree keep under that name, ``self.name = …``, where it is plain.

        Such names lead to each other, and every way is tried: what was found at a depth is remembered.
        """
        if (name, depth) not in self._remembered:
            self._remembered[name, depth] = self._kept(name, depth)
        if not self._remembered[name, depth]:
            raise Unknown
        return self._remembered[name, depth]

    def _kept(self, name: str, depth: int) -> list[Value]:
        values: list[Value] = []
        for module, node in self._attributes.get(name, ())[:_MOST_HELD]:
            try:
                values += [v for v in self._values(node, module, None, depth) if v not in values and is_plain(v)]
            except (Unknown, ArithmeticError, TypeError, ValueError):
                continue
        return values

    @cached_property
    def _attributes(self) -> dict[str, list[tuple[Module, ast.expr]]]:
        return kept_on_self(self.tree)

    def _of_subscript(
        self, node: ast.Subscript, module: Module, function: ast.FunctionDef | None, depth: int
    ) -> list[Value]:
        if looked_up(node) is not None:
            return self._looked_up(node, module, function, depth)
        try:
            bases = self._values(node.value, module, function, depth)
        except Unknown:
            if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
                said = self.settings.get(THE_CHECKPOINT, {}).get(node.slice.value)
                return list(said) if said else self._option(node.slice.value, module)
            raise
        try:
            keys = self._values(node.slice, module, function, depth)
        except Unknown:
            keys = []
        values = [value for base in bases for value in items(base, keys)]
        if not values:
            raise Unknown
        return values

    def _of_ifexp(self, node: ast.IfExp, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        return self._any_of([node.body, node.orelse], module, function, depth)

    def _of_boolop(self, node: ast.BoolOp, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        return self._any_of(node.values, module, function, depth)

    def _of_unaryop(
        self, node: ast.UnaryOp, module: Module, function: ast.FunctionDef | None, depth: int
    ) -> list[Value]:
        values = self._values(node.operand, module, function, depth)
        if isinstance(node.op, ast.Not):
            return [not value for value in values]
        return [-value for value in values] if isinstance(node.op, ast.USub) else values

    def _of_binop(self, node: ast.BinOp, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        action = ARITHMETIC.get(type(node.op))
        if action is None:
            raise Unknown
        left, right = (self._values(side, module, function, depth) for side in (node.left, node.right))
        pairs = itertools.islice(itertools.product(left, right), _MOST_COMBINATIONS)
        return [calculated(action, a, b) for a, b in pairs]

    def _of_compare(self, *_: Any) -> list[Value]:
        return [True, False]

    def _of_list(self, node: ast.List, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        return [list(combined) for combined in self._product(node.elts, module, function, depth)]

    def _of_tuple(self, node: ast.Tuple, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        return [{"$tuple": list(combined)} for combined in self._product(node.elts, module, function, depth)]

    def _of_dict(self, node: ast.Dict, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        if not all(isinstance(key, str) for key in keys):
            raise Unknown
        product = self._product(node.values, module, function, depth)
        return [dict(zip(map(str, keys), combined, strict=True)) for combined in product]

    def _product(
        self, nodes: Sequence[ast.expr], module: Module, function: ast.FunctionDef | None, depth: int
    ) -> list[tuple[Value, ...]]:
        choices = [self._values(node, module, function, depth) for node in nodes]
        return list(itertools.islice(itertools.product(*choices), _MOST_COMBINATIONS))

    def _of_call(self, node: ast.Call, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        if (moved := unmoved(node)) is not node:
            return self._values(moved, module, function, depth)
        name = called(node)
        if name == "dict" and not node.args:
            keys = [keyword.arg or "" for keyword in node.keywords]
            product = self._product([keyword.value for keyword in node.keywords], module, function, depth)
            return [dict(zip(keys, combined, strict=True)) for combined in product]
        if name in ("get", "pop") and isinstance(node.func, ast.Attribute) and node.args:
            return self._of_get(node, module, function, depth)
        if name in ("list", "tuple", "eval") and len(node.args) == 1:
            return self._values(node.args[0], module, function, depth)
        if name in sequences.CALLS and len(node.args) in (1, 2):
            return self._some(sequences.called(name, node, lambda part: self._values(part, module, function, depth)))
        if name in ("parse_args", "load", "safe_load"):
            raise Unknown
        if name == "getattr" and looked_up(node) is not None:
            return self._looked_up(node, module, function, depth)
        if any(isinstance(argument, ast.Starred) for argument in node.args) or not all(k.arg for k in node.keywords):
            raise Unknown
        callees = self._some([v for v in self._values(node.func, module, function, depth) if is_reference(v)])
        found: list[Value] = []
        for callee in callees[:_MOST_CALLEES]:
            arguments = [self._passed(argument, callee, module, function, depth) for argument in node.args]
            named = {str(k.arg): self._passed(k.value, callee, module, function, depth) for k in node.keywords}
            found.append({"$call": [callee, arguments, named]})
        return found

    def _looked_up(self, node: ast.expr, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        """Return what a text names in a module; of another object, what it holds under a word that is written there."""
        lookup = looked_up(node)
        assert lookup is not None
        found = references(lookup, self._values(lookup.key, module, function, depth), module, self.homes)
        if found or not isinstance(lookup.key, ast.Constant) or lookup.place is None:
            return self._some(found)
        held = ast.Attribute(lookup.place, str(lookup.key.value))
        others = node.args[2:3] if isinstance(node, ast.Call) else []
        return self._any_of([held, *others], module, function, depth)

    def _of_listcomp(
        self, node: ast.ListComp | ast.GeneratorExp, module: Module, function: ast.FunctionDef | None, depth: int
    ) -> list[Value]:
        return self._some(sequences.comprehended(node, lambda part: self._values(part, module, function, depth)))

    _of_generatorexp = _of_listcomp

    def _some(self, found: list[Value]) -> list[Value]:
        if not found:
            raise Unknown
        return found

    def _passed(
        self, node: ast.expr, callee: Value, module: Module, function: ast.FunctionDef | None, depth: int
    ) -> Value:
        """Return the likeliest value of an argument; what is not known may stay so where the tree's own class gets it:
        ``Config(len(vocab), width=6)`` still says the width."""
        try:
            return self._values(node, module, function, depth)[0]
        except (Unknown, ArithmeticError, TypeError, ValueError):
            place, _, name = callee["$ref"].partition(":")
            if not place.endswith(".py") or not name[:1].isupper():
                raise Unknown from None
            return {"$unknown": ast.unparse(node)[:80]}

    def _of_get(self, node: ast.Call, module: Module, function: ast.FunctionDef | None, depth: int) -> list[Value]:
        assert isinstance(node.func, ast.Attribute)
        item = ast.Subscript(node.func.value, node.args[0])
        return self._any_of([item, *node.args[1:2]], module, function, depth)


__all__ = ["Evaluator", "Unknown", "Value", "encoded", "is_known", "last_name"]
