"""A script's code, in which a statement that fails is no end: what it would have made is stood in for.

Only code around the models is changed. A model's own class stays as it is: what fails there has to fail.
"""

from __future__ import annotations

import ast
import builtins
import importlib.abc
import importlib.machinery
import sys
import time
from typing import Any, Callable, Dict, List, Sequence

from ... import oldsyntax
from .. import standins

_FAILED, _HELPED, _ENOUGH = "dnnbox_failed_", "dnnbox_helped_", "dnnbox_enough_"
_SIMPLE = (ast.Global, ast.Nonlocal, ast.Pass, ast.Break, ast.Continue)
_LOOPS = (ast.For, ast.While, ast.AsyncFor)
_BLOCKS = ("body", "orelse", "finalbody")
_MOST_ROUNDS, _MOST_SECONDS = 20_000, 2.0  # of one loop


def compiled(code: bytes, path: str) -> Any:
    """Return the code of a file with its statements made lenient."""
    tree = oldsyntax.parsed(code, path)
    tree.body = _block(tree.body)
    return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


def install(roots: Sequence[str], helped: Callable[[BaseException], bool]) -> None:
    """Import the source's own files leniently; ``helped`` lets an import that failed be tried again."""
    loops: Dict[int, List[float]] = {}

    def enough(loop: int) -> bool:
        rounds = loops.setdefault(loop, [0, time.monotonic()])
        rounds[0] += 1
        return rounds[0] > _MOST_ROUNDS or time.monotonic() - rounds[1] > _MOST_SECONDS

    setattr(builtins, _FAILED, lambda _: standins.Anything())
    setattr(builtins, _HELPED, helped)
    setattr(builtins, _ENOUGH, enough)
    sys.meta_path.insert(0, _Finder(roots))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds files below the roots as Python does, and has them loaded leniently."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = tuple(root.rstrip("/") + "/" for root in roots)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and (spec.origin or "").startswith(self.roots) and (spec.origin or "").endswith(".py"):
            spec.loader = _Loader(fullname, str(spec.origin))
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a file leniently; what is kept of its code elsewhere is not."""

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        return compiled(self.get_data(path), path)


def _block(statements: List[ast.stmt]) -> List[ast.stmt]:
    return [each for statement in statements for each in _lenient(statement)]


def _lenient(statement: ast.stmt) -> List[ast.stmt]:
    """Return a statement so that it does not fail, with what is inside of it."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return _imported(statement)
    if isinstance(statement, _SIMPLE) or _is_text(statement):
        return [statement]
    if isinstance(statement, ast.ClassDef):
        if not _is_model(statement):
            statement.body = [_inside(each) if _is_function(each) else each for each in statement.body]
        return _guarded(statement, [statement.name])
    if _is_function(statement):
        return [_inside(statement)] if not statement.decorator_list else _guarded(_inside(statement), [statement.name])  # type: ignore[attr-defined]
    if isinstance(statement, ast.Try):
        for handler in statement.handlers:
            handler.body = _block(handler.body)
        statement.orelse, statement.finalbody = _block(statement.orelse), _block(statement.finalbody)
        if not statement.handlers:  # else the handlers are for what fails inside
            statement.body = _block(statement.body)
        return _guarded(statement, [])
    if isinstance(statement, ast.Return):
        return _returned(statement)
    return _guarded(_inside(statement), _targets(statement))


def _inside(statement: Any) -> Any:
    for name in _BLOCKS:
        if getattr(statement, name, None):
            setattr(statement, name, _block(getattr(statement, name)))
    if isinstance(statement, _LOOPS):
        check = ast.parse("if %s(%d): break" % (_ENOUGH, id(statement))).body[0]
        statement.body = [ast.copy_location(check, statement), *statement.body]
    return statement


def _is_function(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))


def _is_text(statement: ast.stmt) -> bool:
    """Tell whether a statement is a docstring, or any other constant."""
    return isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Call) and not _has_calls(statement)


def _has_calls(node: ast.AST) -> bool:
    return any(isinstance(each, (ast.Call, ast.Await, ast.Yield, ast.YieldFrom)) for each in ast.walk(node))


def _is_model(node: ast.ClassDef) -> bool:
    bases = [getattr(base, "attr", getattr(base, "id", "")) for base in node.bases]
    methods = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
    return "forward" in methods or any(base.endswith("Module") for base in bases)


def _targets(statement: ast.stmt) -> List[str]:
    """Return what a statement binds, as expressions: names and attributes."""
    assigned = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    if isinstance(statement, (ast.With, ast.AsyncWith)):
        assigned = [item.optional_vars for item in statement.items]
    if isinstance(statement, (ast.AugAssign, ast.Delete)):
        return []
    return [text for target in assigned if target is not None for text in _leaves(target)]


def _leaves(target: ast.AST) -> List[str]:
    if isinstance(target, (ast.Tuple, ast.List)):
        return [text for item in target.elts for text in _leaves(item)]
    if isinstance(target, ast.Starred):
        return _leaves(target.value)
    names = []
    while isinstance(target, ast.Attribute):
        names.append(target.attr)
        target = target.value
    return [".".join([target.id, *reversed(names)])] if isinstance(target, ast.Name) else []


def _handled(statement: ast.stmt, handler: str, kinds: str = "(Exception, SystemExit)") -> List[ast.stmt]:
    code = "try:\n    pass\nexcept %s as dnnbox_error_:\n%s" % (kinds, handler)
    (guard,) = ast.parse(code).body
    for node in ast.walk(guard):
        ast.copy_location(node, statement)
    guard.body = [statement]  # type: ignore[attr-defined]
    return [guard]


def _guarded(statement: ast.stmt, bound: Sequence[str]) -> List[ast.stmt]:
    lines = ["    %s(dnnbox_error_)" % _FAILED]
    lines += ["    %s = %s(dnnbox_error_)" % (name, _FAILED) for name in bound]
    return _handled(statement, "\n".join(lines))


def _returned(statement: ast.Return) -> List[ast.stmt]:
    if statement.value is None or not _has_calls(statement):
        return [statement]
    return _handled(statement, "    return %s(dnnbox_error_)" % _FAILED)


def _imported(statement: Any) -> List[ast.stmt]:
    """Return an import that is tried again once something stands in for what is missing."""
    if getattr(statement, "module", "") == "__future__":
        return [statement]
    if any(alias.name == "*" for alias in statement.names):
        again: List[ast.stmt] = _guarded(statement, [])
    else:
        names = [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
        again = _guarded(statement, names)
    (first,) = _handled(statement, "    %s(dnnbox_error_)" % _HELPED)
    first.handlers[0].body += again  # type: ignore[attr-defined]
    return [first]
