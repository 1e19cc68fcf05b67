"""What a source tree calls itself as a distribution: pyproject.toml, setup.cfg, setup.py; read, never run."""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

from dnnbox.sources.classes import parsed
from dnnbox.walk import read_head

_LARGEST_BYTES = 1 << 20
_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,80}[A-Za-z0-9])?$")


def package_of(root: Path) -> str:
    """Return the distribution's normalised name, "" where nothing declares one."""
    for found in (_of_pyproject(root), _of_setup_cfg(root), _of_setup_py(root)):
        if isinstance(found, str) and _NAME.match(found):
            return re.sub(r"[-_.]+", "-", found).lower()
    return ""


def _of_pyproject(root: Path) -> Any:
    data = read_head(root / "pyproject.toml", _LARGEST_BYTES)
    try:
        table = tomllib.loads(data.decode("utf-8")) if data else {}
    except ValueError:
        return ""
    project, poetry = table.get("project"), (table.get("tool") or {}).get("poetry")
    return next((part.get("name") for part in (project, poetry) if isinstance(part, dict)), "")


def _of_setup_cfg(root: Path) -> str:
    text = (read_head(root / "setup.cfg", _LARGEST_BYTES) or b"").decode("utf-8", "replace")
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return ""
    return parser.get("metadata", "name", fallback="")


def _of_setup_py(root: Path) -> str:
    tree = parsed(root / "setup.py", "setup")
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "setup":
            for keyword in node.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
    return ""
