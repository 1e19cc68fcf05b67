"""A source tree read for matching: syntax trees, examples in documents, and configurations. Nothing is imported."""

from __future__ import annotations

import ast
import itertools
import json
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dnnbox.sources.matching.clock import Clock
from dnnbox.sources.matching.commands import commands, runs
from dnnbox.sources.matching.worth import by_worth
from dnnbox.syntax import parse
from dnnbox.walk import Budget, folders, read_head

_LARGEST_CODE_BYTES, _LARGEST_CONFIG_BYTES, _LARGEST_NOTEBOOK_BYTES = 2 << 20, 256 << 10, 4 << 20
_MOST_MODULES, _MOST_CONFIGS, _MOST_BLOCKS, _MOST_COMMANDS = 3_000, 600, 200, 3_000
_MOST_DOCUMENTS = 1_000  # blocks of code in them, beside the modules
_MANY_FILES = 400  # of code, from which on their order may matter
_READING_SHARE = 0.35  # of the time
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})[ \t]*\{?\.?([\w+-]*)")
_LITERAL = re.compile(r"^(\s*)(?:\.\. (?:code|code-block|sourcecode)::\s*(?:python3?|py|ipython)?\s*|.*[^:\s.]?::\s*)$")
_LANGUAGES = ("", "python", "python3", "py", "pycon", "ipython")
_PLAIN_FIELDS = {
    "id",
    "attr",
    "arg",
    "kind",
    "type_comment",
    "level",
    "module",
    "ctx",
    "is_async",
    "conversion",
    "asname",
}
_HOLDING: dict[type[ast.AST], tuple[str, ...]] = {}  # by kind of node, what may hold others
_PROMPT = re.compile(r"^\s*(>>> ?|\.\.\. ?)", re.MULTILINE)


@dataclass
class Module:
    """One piece of Python. ``path`` is relative to the root; ``document``: an example from a README or a notebook.

    ``aliases``: the local name of an import → (the module's dotted name as written, the name in it or ""). ``stars``:
    the modules all of whose names are imported, the last one first.
    """

    path: str
    tree: ast.Module
    document: bool = False
    aliases: dict[str, tuple[str, str]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node, walked once."""
        return tuple(walk(self.tree))

    @cached_property
    def calls(self) -> tuple[ast.Call, ...]:
        """Every call."""
        return tuple(node for node in self.nodes if isinstance(node, ast.Call))

    @cached_property
    def functions(self) -> tuple[ast.FunctionDef, ...]:
        """Every function and method."""
        return tuple(node for node in self.nodes if isinstance(node, ast.FunctionDef))

    @cached_property
    def definitions(self) -> frozenset[str]:
        """The classes and functions that stand at the top."""
        return frozenset(node.name for node in self.tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef)))

    @cached_property
    def given(self) -> dict[int, set[str]]:
        """The names that a call is assigned to, with what stands around it, by ``id`` of the call."""
        found: dict[int, set[str]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Assign):
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
                for call in walk(node.value) if names else ():
                    if isinstance(call, ast.Call):
                        found.setdefault(id(call), set()).update(names)
        return found

    @cached_property
    def by_text(self) -> frozenset[str]:
        """The names of modules that are imported by a text: ``models = importlib.import_module(args.model)``."""
        made = [node for node in self.nodes if isinstance(node, ast.Assign) and _imports_by_text(node.value)]
        return frozenset(target.id for node in made for target in node.targets if isinstance(target, ast.Name))

    def original(self, name: str) -> str:
        """Return the name that an import gave another name here."""
        return (self.aliases.get(name) or ("", ""))[1] or name


@dataclass(frozen=True)
class Config:
    """One configuration file, parsed into plain values, or the options of one command line."""

    path: str
    values: Mapping[str, Any]


@dataclass
class Tree:
    """All that was read below one root. ``runs``: (``file:line``, script, words) of the lines that run one;
    ``said``: what command lines gave already."""

    root: Path
    modules: list[Module] = field(default_factory=list)
    configs: list[Config] = field(default_factory=list)
    commands: list[Config] = field(default_factory=list)
    runs: list[tuple[str, str, list[str]]] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    clock: Clock = field(default_factory=Clock)

    @cached_property
    def by_path(self) -> dict[str, Module]:
        """The importable modules by their relative path."""
        return {module.path: module for module in self.modules if not module.document}


def walk(node: ast.AST) -> list[ast.AST]:
    """Return a node and all below it, level by level, without Load and Store: walking is most of what reading costs."""
    found = [node]
    for each in found:  # grows while it is read
        kind = type(each)
        if names := _HOLDING[kind] if kind in _HOLDING else _holding(kind):
            held = each.__dict__
            for name in names:
                value = held.get(name)
                if value.__class__ is list:
                    found += [item for item in value if isinstance(item, ast.AST)]
                elif isinstance(value, ast.AST):
                    found.append(value)
    return found


def children(node: ast.AST) -> list[ast.AST]:
    """Return the nodes right below one, in order."""
    found: list[ast.AST] = []
    for name in _holding(type(node)):
        value = node.__dict__.get(name)
        if value.__class__ is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def _holding(kind: type[ast.AST]) -> tuple[str, ...]:
    """Return the fields of a kind of node that may hold others, and no texts or numbers, which most of them are."""
    if kind not in _HOLDING:
        _HOLDING[kind] = (
            () if kind is ast.Constant else tuple(name for name in kind._fields if name not in _PLAIN_FIELDS)
        )
    return _HOLDING[kind]


def _imports_by_text(node: ast.expr) -> bool:
    function = node.func if isinstance(node, ast.Call) and node.args else None
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def read_tree(root: Path, words: Collection[str] = (), clock: Clock | None = None) -> Tree:
    """Return everything below ``root`` that can tell how a model is built. Where there are very many files of code,
    those that have to do with ``words``, pieces of names of tensors, come first, as long as ``clock`` goes on."""
    tree, budget = Tree(root, clock=clock or Clock()), Budget(entries=60_000, seconds=20.0)
    files = [file for folder in folders(root, budget, depth=10) for file in folder.files]
    code = _parsed([file for file in files if file.suffix.lower() == ".py"], words, tree.clock)
    for file in files:
        if file not in code:
            _add(tree, file, file.relative_to(root).as_posix())
        elif (parsed := code[file]) is not None:
            tree.modules.append(module_of(file.relative_to(root).as_posix(), parsed))
    return tree


def _parsed(files: Sequence[Path], words: Collection[str], clock: Clock) -> dict[Path, ast.Module | None]:
    """Return each file with its syntax tree; None for those that have none, or were left out for want of time."""
    found: dict[Path, ast.Module | None] = dict.fromkeys(files)
    ordered = by_worth(files, words) if words and len(files) > _MANY_FILES else files
    with clock.until(_READING_SHARE):
        for number, file in enumerate(ordered):
            if number >= _MOST_MODULES or not clock.goes_on():
                clock.cut.append(f"{len(files) - number} of {len(files)} files of code were not read")
                break
            found[file] = parse(read_head(file, _LARGEST_CODE_BYTES) or b"")
    return found


def _add(tree: Tree, file: Path, path: str) -> None:
    suffix = file.suffix.lower()
    if suffix in (".md", ".rst", ".ipynb") and len(tree.modules) < _MOST_MODULES + _MOST_DOCUMENTS:
        limit = _LARGEST_NOTEBOOK_BYTES if suffix == ".ipynb" else _LARGEST_CONFIG_BYTES
        text = (read_head(file, limit) or b"").decode("utf-8", "replace")
        tree.modules.extend(_examples(path, text))
        _add_commands(tree, path, text if suffix != ".ipynb" else "")
    elif suffix == ".sh":
        _add_commands(tree, path, (read_head(file, _LARGEST_CONFIG_BYTES) or b"").decode("utf-8", "replace"))
    elif suffix in (".yaml", ".yml", ".json") and len(tree.configs) < _MOST_CONFIGS:
        data = read_head(file, _LARGEST_CONFIG_BYTES + 1) or b""
        if len(data) <= _LARGEST_CONFIG_BYTES and (values := _plain(data, suffix)):
            tree.configs.append(Config(path, values))


def _add_commands(tree: Tree, path: str, text: str) -> None:
    for line, options in commands(text):
        if len(tree.commands) < _MOST_COMMANDS and (said := repr(sorted(options.items()))) not in tree.said:
            tree.said.add(said)
            tree.commands.append(Config(f"{path}:{line}", options))
    tree.runs += [(f"{path}:{line}", script, words) for line, script, words in runs(text)]
    del tree.runs[_MOST_COMMANDS:]


def module_of(path: str, tree: ast.Module, *, document: bool = False) -> Module:
    """Return the module with its imports collected."""
    module = Module(path, tree, document)
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                module.aliases[alias.asname or alias.name] = (base, alias.name)
                if alias.name == "*":
                    module.stars.insert(0, base)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                module.aliases[alias.asname or alias.name.partition(".")[0]] = (alias.name, "")
    return module


def _examples(path: str, text: str) -> Iterator[Module]:
    by_ending = {".ipynb": _cells, ".rst": _literals}
    blocks = by_ending.get(path[path.rindex(".") :].lower(), _fenced)(text)
    for block in blocks[:_MOST_BLOCKS]:
        code = _PROMPT.sub("", block) if ">>>" in block else block
        if (parsed := parse(code)) is not None and parsed.body:
            yield module_of(path, parsed, document=True)


def _fenced(text: str) -> list[str]:
    """Return the blocks of Python between fences. What closes one block must not open the next."""
    found: list[str] = []
    fence, lines, wanted = "", list[str](), False
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if not fence and mark:
            fence, lines, wanted = mark[1], [], mark[2].lower() in _LANGUAGES
        elif fence and mark and mark[1].startswith(fence) and not mark[2]:
            found += ["\n".join(lines)] if wanted else []
            fence = ""
        elif fence:
            lines.append(line)
    return [textwrap.dedent(block) for block in found]


def _literals(text: str) -> list[str]:
    """Return the indented blocks of reStructuredText that follow ``::`` or a code directive."""
    found: list[str] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        mark = _LITERAL.match(line)
        if mark:
            inside = itertools.takewhile(
                lambda each: not each.strip() or each.startswith(f"{mark[1]} "),  # noqa: B023 - used up at once
                lines[number + 1 :],
            )
            found.append(textwrap.dedent("\n".join(inside)))
    return found


def _cells(text: str) -> list[str]:
    """Return a notebook's code as one block: later cells use what earlier ones define."""
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        return []
    kept = [[line for line in source.split("\n") if not line.lstrip().startswith(("!", "%"))] for source in sources]
    return ["\n".join(lines) for lines in kept if parse("\n".join(lines)) is not None]


def _plain(data: bytes, suffix: str) -> dict[str, Any]:
    text = data.decode("utf-8", "replace")
    try:
        values = _unmarked(json.loads(text) if suffix == ".json" else _yaml(text))
    except (ValueError, RecursionError):  # a list in YAML may hold itself
        return {}
    return values if isinstance(values, dict) else {}


def _unmarked(values: Any) -> Any:
    """Return values of a file without keys that begin as the marks of plain values do: ``{"$ref": "#/parts/a"}``."""
    if isinstance(values, list):
        return [_unmarked(value) for value in values]
    if not isinstance(values, dict):
        return values
    return {key: _unmarked(value) for key, value in values.items() if not str(key).startswith("$")}


def _yaml(text: str) -> Any:
    """Return what a file says; several documents in one, each a mapping, are one."""
    import yaml

    try:
        documents = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError:
        return None
    mappings = [document for document in documents if isinstance(document, dict)]
    return {name: value for mapping in mappings for name, value in mapping.items()}
