"""Submodules of a checkout: read from .gitmodules and the index as data, fetched by whoever may start git."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from dnnbox.errors import DnnboxError
from dnnbox.sources.git_index import entries
from dnnbox.walk import read_head

MOST, DEEPEST = 10, 2
_SCHEMES = ("https", "http", "ssh", "git", "file")
_PATH = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/+-]*$")
_MISSING = "dnnbox-submodules-missing"

Fetch = Callable[[str, str, Path], None]


@dataclass(frozen=True)
class Submodule:
    """One submodule: where it lies, where it comes from, which commit the parent names."""

    path: str
    url: str
    commit: str


def listed(checkout: Path, parent_url: str) -> tuple[Submodule, ...]:
    """Return the submodules of a checkout whose path and address are harmless and whose commit is known."""
    text = (read_head(checkout / ".gitmodules", 1 << 20) or b"").decode("utf-8", "replace")
    return tuple(_parsed(text, dict(entries(checkout / ".git" / "index")), parent_url))[:MOST] if text else ()


def _parsed(text: str, commits: dict[str, str], parent_url: str) -> Iterator[Submodule]:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except configparser.Error:
        return
    for section in parser.sections():
        path, url = parser.get(section, "path", fallback="") or "", parser.get(section, "url", fallback="") or ""
        if url.startswith(("./", "../")):
            url = urljoin(parent_url.rstrip("/") + "/", url)
        harmless = _PATH.match(path) and ".." not in path.split("/") and ".git" not in path.split("/")
        if harmless and urlsplit(url).scheme in _SCHEMES and "@" not in urlsplit(url).path and path in commits:
            yield Submodule(path, url, commits[path])


def fetch(source: object, checkout: Path, get: Fetch) -> None:
    """Fetch every submodule below ``checkout``, those of submodules too; note those that could not be had."""
    missing = list(_fetch(str(getattr(source, "url", "")), checkout, get, 0))
    if missing:
        (checkout / ".git" / _MISSING).write_text("\n".join(missing), encoding="utf-8")


def _fetch(url: str, checkout: Path, get: Fetch, depth: int) -> Iterator[str]:
    for submodule in listed(checkout, url):
        target = checkout / submodule.path
        try:
            if target.is_symlink() or not target.resolve().is_relative_to(checkout.resolve()):
                continue
            target.mkdir(parents=True, exist_ok=True)
            get(submodule.url, submodule.commit, target)
        except (DnnboxError, OSError):
            yield submodule.path
            continue
        if depth < DEEPEST:
            yield from (f"{submodule.path}/{path}" for path in _fetch(submodule.url, target, get, depth + 1))


def missing(checkout: Path) -> tuple[str, ...]:
    """Return the submodules that could not be fetched when ``checkout`` was made."""
    text = (read_head(checkout / ".git" / _MISSING, 64 << 10) or b"").decode("utf-8", "replace")
    return tuple(text.splitlines())
