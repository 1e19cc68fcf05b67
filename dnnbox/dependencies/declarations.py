"""One reader per way of declaring requirements: text → (requirement line, line number). Nothing is run."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from dnnbox.syntax import parse

Read = Callable[[str], Iterator[tuple[str, int]]]

_CONDA_NAMES = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
}
"""What conda channels call packages that have another name on an index."""

_NO_PACKAGES = ("python", "pip", "cudatoolkit", "cudnn", "pytorch-cuda", "nodefaults", "ffmpeg", "git")


def of_pyproject(text: str) -> Iterator[tuple[str, int]]:
    """Yield ``project.dependencies``, and poetry's own table."""
    try:
        table = tomllib.loads(text)
    except ValueError:
        return
    lines = text.splitlines()
    project = table.get("project")
    listed = project.get("dependencies") if isinstance(project, dict) else None
    for item in listed if isinstance(listed, list) else ():
        yield str(item), _number(lines, str(item))
    poetry = (table.get("tool") or {}).get("poetry") if isinstance(table.get("tool"), dict) else None
    named = poetry.get("dependencies") if isinstance(poetry, dict) else None
    for name, version in named.items() if isinstance(named, dict) else ():
        if name != "python":
            yield f"{name}{_caret(version)}", _number(lines, name)


def _caret(version: Any) -> str:
    """Return poetry's version as PEP 440; what has no equal becomes no constraint."""
    text = version.get("version", "") if isinstance(version, dict) else str(version)
    if found := re.fullmatch(r"\^(\d+)((?:\.\d+)*)", text):
        return f">={found[1]}{found[2]},<{int(found[1]) + 1}"
    return text if re.fullmatch(r"[<>=!~][<>=!~\d., ]*", text) else f"=={text}" if re.fullmatch(r"[\d.]+", text) else ""


def of_setup_cfg(text: str) -> Iterator[tuple[str, int]]:
    """Yield ``options.install_requires``."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    lines = text.splitlines()
    for line in parser.get("options", "install_requires", fallback="").splitlines():
        if line.strip():
            yield line.strip(), _number(lines, line.strip())


def of_setup_py(text: str) -> Iterator[tuple[str, int]]:
    """Yield the texts of ``install_requires``: a list in the call, or one that a name was given."""
    tree = parse(text)
    if tree is None:
        return
    named = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "install_requires":
            value = named.get(node.value.id, node.value) if isinstance(node.value, ast.Name) else node.value
            for item in value.elts if isinstance(value, (ast.List, ast.Tuple)) else ():
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    yield item.value, item.lineno


def of_conda(text: str) -> Iterator[tuple[str, int]]:
    """Yield the dependencies of a conda environment by their names on an index, those under ``pip:`` as they are.

    Read by lines: a flat list with one nested list is all that these files hold.
    """
    inside, pip = False, False
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split(" #")[0].rstrip()
        if re.match(r"^\w", line):
            inside, pip = line.startswith("dependencies:"), False
            continue
        item = re.match(r"^(\s*)-\s*(.+)$", line) if inside else None
        if item is None:
            continue
        if item[2].rstrip() == "pip:":
            pip = True
        elif pip and len(item[1]) > 2:
            yield item[2].strip("'\" "), number
        elif (name := _conda_name(item[2].strip("'\" "))) is not None:
            yield name, number


def _conda_name(item: str) -> str | None:
    found = re.match(r"^(?:[\w.-]+::)?([\w.-]+?)\s*(?:(==?|>=|<=|<|>)\s*([\d.]+)(?:=[\w.]+)?)?$", item)
    if found is None or found[1] in _NO_PACKAGES or found[1].startswith(("nvidia", "cuda", "lib", "_")):
        return None
    sign = "==" if found[2] == "=" else found[2] or ""
    version = f"{found[3]}.*" if found[2] == "=" else found[3] or ""
    return f"{_CONDA_NAMES.get(found[1], found[1])}{sign}{version}"


_PIP = re.compile(r"(?:^|[\s`$!])(?:uv )?pip3? install ([^`\n]+)")
_TAKES_A_VALUE = ("-r", "-c", "-e", "-f", "-i", "--index-url", "--extra-index-url", "--find-links", "--requirement")


def of_readme(text: str) -> Iterator[tuple[str, int]]:
    """Yield what the README tells people to install with pip; options, files and addresses are passed over."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue  # a heading or a comment: "pip install required packages"
        for found in _PIP.finditer(line):
            try:
                words = iter(shlex.split(found[1], comments=True))
            except ValueError:
                continue
            yield from ((word, number) for word in _packages(words))


def _packages(words: Iterator[str]) -> Iterator[str]:
    for word in words:
        if word in _TAKES_A_VALUE:
            next(words, None)
        elif word in ("&&", ";", "|", "||"):
            return
        elif re.fullmatch(r"[A-Za-z][\w.-]*(\[[\w,-]+\])?([=<>!~]=?[\w.,<>=!~*]+)?", word):
            yield word


def _number(lines: list[str], wanted: str) -> int:
    return next((number for number, line in enumerate(lines, 1) if wanted in line), 0)
