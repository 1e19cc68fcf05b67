"""Where the user lets packages come from: dnnbox's settings, uv's and pip's variables and configuration files.

All of it goes into one Indexes, so that a container and a lock's key see the same as a resolver on this machine.
"""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dnnbox import uv
from dnnbox.errors import Usage
from dnnbox.records.environment import Indexes, Workspace
from dnnbox.text import visible


def indexes_of(workspace: Workspace) -> Indexes:
    """Return the configured indexes; the more explicit source comes first and wins."""
    settings, pip = workspace.settings, _pip_options()
    uv_tables = tuple(_uv_tables(Path(workspace.root)))
    default, extra, pinned = _settings_indexes(settings)
    uv_default, uv_extra, uv_pinned = _uv_indexes(uv_tables)
    default = default or _variable("UV_DEFAULT_INDEX") or _variable("UV_INDEX_URL")
    default = default or uv_default or pip.get("index-url", "").strip()
    from_uv = (*_variable("UV_INDEX").split(), *_variable("UV_EXTRA_INDEX_URL").split())
    constraints = (*_strings(settings, "constraints"), *_constraint_files(pip))
    return Indexes(
        default=default,
        extra=_unique((*extra, *from_uv, *uv_extra, *_remote(pip.get("extra-index-url", "").split()))),
        find_links=_unique((*_strings(settings, "find-links"), *_find_links(uv_tables, pip))),
        pinned={**uv_pinned, **pinned},
        constraints=_unique(constraints),
        ca_bundle=str(settings.get("ca-bundle", "")) or _pip_certificates(pip),
    )


_MEND = "mend it where it is configured: dnnbox's settings, uv's or pip's variables and files"


def refuse_missing(indexes: Indexes) -> None:
    """Refuse what is configured on this machine and not there for us: uv would say that a package does not exist.

    Raises:
        Usage: an index, a find-links folder or the bundle of certificates is not there, or may not be read.
    """
    places = [("find-links", place) for place in indexes.find_links]
    places += [("the index", url) for url in (indexes.default, *indexes.extra, *indexes.pinned.values()) if url]
    for what, place in places:
        folder = uv.local_path(place)
        if folder is not None and not os.access(folder.expanduser(), os.F_OK):
            raise Usage(f"{what} {visible(place, 120)} is no URL and is not on this machine", hint=_MEND, phase="plan")
        if folder is not None and not os.access(folder.expanduser(), os.R_OK):
            raise Usage(f"{what} {visible(place, 120)} may not be read by this user", hint=_MEND, phase="plan")
    if indexes.ca_bundle and not (Path(indexes.ca_bundle).is_file() and os.access(indexes.ca_bundle, os.R_OK)):
        name = visible(indexes.ca_bundle, 120)
        raise Usage(f"the bundle of certificates {name} cannot be read", hint="mend `ca-bundle`", phase="plan")


def _pip_certificates(pip: Mapping[str, str]) -> str:
    """Return pip's bundle where no variable names one: those are for every program, and stronger than a file."""
    return "" if any(_variable(name) for name in uv.CERTIFICATES) else pip.get("cert", "").strip()


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _unique(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _strings(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, ())
    return tuple(value) if isinstance(value, (list, tuple)) else (str(value),)


def _remote(urls: Sequence[str]) -> tuple[str, ...]:
    """Drop folders: pip takes the best version of all its indexes, uv all versions of the first one.

    A partial local mirror that pip looks into besides PyPI would therefore hide PyPI's newer versions from uv.
    """
    return tuple(url for url in urls if urlsplit(url).scheme != "file")


def _settings_indexes(settings: Mapping[str, Any]) -> tuple[str, tuple[str, ...], dict[str, str]]:
    """Return (default, extra, pinned) of ``indexes``: URLs, or tables with url, default, packages."""
    default, extra, pinned = "", [], {}
    for entry in settings.get("indexes", ()):
        table = entry if isinstance(entry, dict) else {"url": entry}
        url = str(table["url"])
        if table.get("default"):
            default = url
        elif packages := table.get("packages"):
            pinned.update(dict.fromkeys(packages, url))
        else:
            extra.append(url)
    return default, tuple(extra), pinned


def _uv_tables(root: Path) -> Iterator[Mapping[str, Any]]:
    """Yield uv's own settings: the workspace's uv.toml or [tool.uv], then the user's and the system's uv.toml."""
    if os.environ.get("UV_NO_CONFIG"):
        return
    project = read_toml(root / "uv.toml") or read_toml(root / "pyproject.toml").get("tool", {}).get("uv", {})
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for table in (project, read_toml(config / "uv" / "uv.toml"), read_toml(Path("/etc/uv/uv.toml"))):
        if isinstance(table, dict) and table:
            yield table


def _uv_indexes(tables: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[str, ...], dict[str, str]]:
    """Return (default, extra, pinned). An explicit index is for the packages that tool.uv.sources sends there."""
    default = ""
    extra: list[str] = []
    pinned: dict[str, str] = {}
    for table in tables:
        named: dict[object, str] = {}
        for entry in table.get("index", ()):
            url = str(entry.get("url", ""))
            named[entry.get("name")] = url
            if entry.get("default"):
                default = default or url
            elif not entry.get("explicit"):
                extra.append(url)
        default = default or str(table.get("index-url", ""))
        extra += [str(url) for url in table.get("extra-index-url", ())]
        for package, source in table.get("sources", {}).items():
            # A list holds sources by marker; which one applies is the user's project's matter, not ours.
            if isinstance(source, dict) and source.get("index") in named:
                pinned.setdefault(package, named[source["index"]])
    return default, tuple(extra), pinned


def _find_links(uv_tables: Sequence[Mapping[str, Any]], pip: Mapping[str, str]) -> tuple[str, ...]:
    from_uv = re.split(r"[,\s]+", _variable("UV_FIND_LINKS"))
    tables = [str(place) for table in uv_tables for place in table.get("find-links", ())]
    return (*from_uv, *tables, *pip.get("find-links", "").split())


def _constraint_files(pip: Mapping[str, str]) -> tuple[str, ...]:
    """Return the plain requirement lines of the constraint files that pip's and uv's variables name."""
    names = (*pip.get("constraint", "").split(), *_variable("UV_CONSTRAINT").split())
    lines: list[str] = []
    for name in names:
        try:
            text = Path(name).expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Usage(f"the constraint file {Path(name).name} cannot be read: {error}", phase="plan") from error
        stripped = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
        lines += [line for line in stripped if line and not line.startswith("-")]
    return tuple(lines)


def _pip_options() -> dict[str, str]:
    """Return pip's options as pip would see them: its files, then PIP_* variables over them."""
    options: dict[str, str] = {}
    for path in _pip_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself will tell its user; it is no reason to stop here
        for section in ("global", "install"):
            if parser.has_section(section):
                options |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    prefix = "PIP_"
    variables = {n[len(prefix) :].lower().replace("_", "-"): v for n, v in os.environ.items() if n.startswith(prefix)}
    return options | {name: value for name, value in variables.items() if value}


def _pip_files() -> Iterator[Path]:
    """Yield pip's configuration files, the strongest last."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    yield Path("/etc/pip.conf")
    yield Path.home() / ".pip" / "pip.conf"
    yield config / "pip" / "pip.conf"
    if named:
        yield Path(named)


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's table; {} where there is none.

    Raises:
        Usage: the file is there and broken.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Usage(f"{path.name} is not valid TOML: {error}", phase="plan") from error
