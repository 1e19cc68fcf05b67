"""The script that was running when a module was pickled: its definitions are needed, its actions are not.

``torch.save(model)`` in a script writes ``__main__.Net``. The script is loaded under another name, statement by
statement, without what it does at the top level (calls, loops, ``if __name__ == "__main__"``), which would train again.
"""

from __future__ import annotations

import ast
import os
import sys
import types
from typing import List

from .failures import Failure, missing_module

NAME = "dnnbox_saved_script"
_ACTIONS = (ast.Expr, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Delete, ast.Assert, ast.Raise)


def provide(root: str, relative: str) -> List[str]:
    """Set the names that the script ``relative`` below ``root`` defines on ``__main__``; return what was left out.

    Its own folder joins ``sys.path``, as it does for a running script.
    """
    path = os.path.join(root, relative)
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), filename=path)
    except (OSError, SyntaxError, ValueError) as error:
        raise Failure("load_failed", "the script %s does not load: %s" % (relative, error), "load") from error
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.append(folder)
    module = types.ModuleType(NAME)
    module.__file__ = path
    sys.modules[NAME] = module  # dataclasses and pickles look their own module up
    skipped = _execute(tree, module, path, relative)
    main = sys.modules["__main__"]
    for name, value in vars(module).items():
        if not name.startswith("__"):
            setattr(main, name, value)
    return skipped


def _execute(tree: ast.Module, module: types.ModuleType, path: str, relative: str) -> List[str]:
    skipped: List[str] = []
    for statement in tree.body:
        if isinstance(statement, _ACTIONS) or _is_guard(statement):
            continue
        part = ast.parse("")
        part.body = [statement]
        try:
            exec(compile(part, path, "exec", dont_inherit=True), vars(module))
        except (Exception, SystemExit) as error:  # foreign code: data or files of the training may be missing here
            if missing_module(error) or isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
                raise
            skipped.append("%s:%d raises %s" % (relative, statement.lineno, type(error).__name__))
    return skipped


def _is_guard(statement: ast.stmt) -> bool:
    """Say whether a statement is ``if __name__ == …:``."""
    if not isinstance(statement, ast.If):
        return False
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test))
