"""The command lines that documents and shell scripts show: which options upstream itself gives together."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Collection, Iterable, Iterator
from typing import Any

_FEWEST_OPTIONS = 2
_MOST_LINES = 4_000
_CONTINUED = re.compile(r"\\[ \t]*\n")
_OPTION = re.compile(r"--?([A-Za-z][\w-]*)(?:=(.*))?", re.DOTALL)
_SHELL_ENDS = frozenset(("|", "||", "&&", "&", ";", ">", ">>", "<", "2>&1"))


def commands(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, options by name) of every line with at least two long options; what the shell would fill in is left
    out, and so are values that only a run can tell."""
    for line, joined in _numbered(text):
        if joined.count("--") >= _FEWEST_OPTIONS and len(options := _options(_words(joined))) >= _FEWEST_OPTIONS:
            yield line, options


def likeness(values: Iterable[Any], sizes: Collection[int], names: Collection[str]) -> tuple[int, int]:
    """Return how well the words of a command line go with a checkpoint: how many name a file that may define its class,
    and how many numbers are the sizes of its tensors."""
    words = {str(value) for value in values}
    return len(words & set(names)), len(words & {str(size) for size in sizes})


def runs(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield (line, script or module, its words) of every line that runs a file of Python; an option whose value only a
    shell knows is left out."""
    for line, joined in _numbered(text):
        if "python" in joined or "torchrun" in joined or "launch" in joined:
            words = _until_end(_words(joined))
            place = next((place for place, word in enumerate(words) if _is_run(words, place)), None)
            if place is not None:
                yield line, words[place], _known(words[place + 1 :])


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first lines, each with its number; those that a backslash continues are one."""
    line = 1
    for joined in _logical(text)[:_MOST_LINES]:
        yield line, joined
        line += joined.count("\0") + 1


def _until_end(words: list[str]) -> list[str]:
    return words[: next((place for place, word in enumerate(words) if word in _SHELL_ENDS), len(words))]


def _is_run(words: list[str], place: int) -> bool:
    """Tell whether a word is the script of its line, or the module behind ``-m`` that is no launcher."""
    word, before = words[place], words[place - 1] if place else ""
    if word.endswith(".py"):
        return re.fullmatch(r"[\w./-]+", word) is not None
    return before == "-m" and re.fullmatch(r"[\w.]+", word) is not None and not word.startswith("torch.")


def _known(words: list[str]) -> list[str]:
    """Return words without those that a shell would fill in, and without the options that these belong to."""
    found: list[str] = []
    for word in words:
        if "$" in word or word.startswith("<"):
            if found and found[-1].startswith("-") and not word.startswith("-"):
                found.pop()
            continue
        found.append(word)
    return found


def _logical(text: str) -> list[str]:
    """Return lines with those joined that a backslash continues, a mark for every one that was."""
    return _CONTINUED.sub("\0 ", text).split("\n")


def _words(line: str) -> list[str]:
    """Return a line's words; ``FLAGS="--a 1 --b 2"`` and ``[--a 1]`` are options too."""
    text = line.replace("\0", " ").strip("`$> \t")
    try:
        words = shlex.split(text, comments=True)
    except ValueError:  # an apostrophe in prose
        words = text.split()
    found: list[str] = []
    for word in (each.strip("`[](),") for each in words):
        inner = word.partition("=")[2] if not word.startswith("-") else ""
        found += inner.split() if inner.startswith("--") else [word]
    return found


def _options(words: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    name, values = "", list[str]()
    for word in [*words, ";"]:
        option = _OPTION.fullmatch(word)
        if option is None and word not in _SHELL_ENDS:
            values.append(word)
            continue
        if name and not any("$" in value for value in values):
            found[name] = _value(values)
        if option is None:
            break
        name = option[1].replace("-", "_") if word.startswith("--") else ""
        values = [] if option[2] is None else [option[2]]
    return found


def _value(words: list[str]) -> Any:
    if not words:
        return True
    values = [_literal(word) for word in words]
    return values[0] if len(values) == 1 else values


def _literal(word: str) -> Any:
    try:
        value = ast.literal_eval(word)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return word
    is_plain = isinstance(value, (bool, int, float))  # "None" is a word to the parser that gets it
    return value if is_plain else word
