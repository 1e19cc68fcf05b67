"""The user's project around a directory: who manages its environment, and dnnbox's settings in it. Nothing is run."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dnnbox.environments.configured import read_toml
from dnnbox.errors import Usage
from dnnbox.records.environment import Workspace

SETTINGS: Mapping[str, type | tuple[type, ...]] = {
    "indexes": list,
    "find-links": list,
    "constraints": list,
    "channels": list,
    "ca-bundle": str,
    "base-images": dict,
    "box": str,
}
"""The keys of [tool.dnnbox] and dnnbox.toml, and their TOML types."""

BOXES = ("auto", "current", "venv", "pixi", "docker", "podman")


def detect(cwd: Path) -> Workspace:
    """Return the workspace around ``cwd``: the nearest folder, up to the git root, that manages an environment.

    Raises:
        Usage: the settings are wrong.
    """
    folders = tuple(_upwards(cwd.absolute()))
    pythons = _pythons(folders)
    settings, _ = _settings(folders)
    root = next((folder for folder in folders if _manages(folder)), folders[-1] if _is_git(folders[-1]) else folders[0])
    manifest = next((path for folder in folders if (path := _pixi_manifest(folder)) is not None), None)
    current = next((python for python in pythons.values() if python), "")
    return Workspace(str(root), tuple(pythons), current, str(manifest or ""), settings, pythons)


def _upwards(cwd: Path) -> Iterator[Path]:
    """Yield ``cwd`` and its parents up to the git root; only ``cwd`` outside of a repository."""
    chain = (cwd, *cwd.parents)
    top = next((number for number, folder in enumerate(chain) if _is_git(folder)), 0)
    yield from chain[: top + 1]


def _is_git(folder: Path) -> bool:
    return (folder / ".git").exists()


def _manages(folder: Path) -> bool:
    return _pixi_manifest(folder) is not None or _venv_python(folder / ".venv") != ""


def _pythons(folders: tuple[Path, ...]) -> dict[str, str]:
    """Return the managers in order of preference with their interpreters, "" where pixi has none installed yet.

    An activated conda environment counts only where the project itself says nothing: base is often always active.
    """
    found: dict[str, str] = {}
    manifest = next((path for folder in folders if (path := _pixi_manifest(folder)) is not None), None)
    if manifest is not None:
        pixi = manifest.parent / ".pixi" / "envs" / "default" / "bin" / "python"
        found["pixi"] = str(pixi) if os.access(pixi, os.F_OK) else ""
    venvs = (venv for folder in folders if (venv := _venv_python(folder / ".venv")))
    active = os.environ.get("VIRTUAL_ENV", "")
    if python := next(venvs, "") or (_venv_python(Path(active)) if active and not found else ""):
        found["venv"] = python
    conda = Path(os.environ.get("CONDA_PREFIX", "/nowhere")) / "bin" / "python"
    if not found and os.access(conda, os.F_OK):  # after `su` it may be that of somebody else
        found["conda"] = str(conda)
    return found


def _pixi_manifest(folder: Path) -> Path | None:
    if (folder / "pixi.toml").is_file():
        return folder / "pixi.toml"
    project = folder / "pyproject.toml"
    if (
        os.access(project, os.R_OK)
        and project.is_file()
        and b"[tool.pixi" in project.read_bytes()
        and "pixi" in read_toml(project).get("tool", {})
    ):
        return project
    return None


def _venv_python(venv: Path) -> str:
    python = venv / "bin" / "python"
    return str(python) if os.access(venv / "pyvenv.cfg", os.R_OK) and os.access(python, os.F_OK) else ""


def _settings(folders: tuple[Path, ...]) -> tuple[dict[str, Any], Path | None]:
    """Return the nearest settings and their file; dnnbox.toml wins over pyproject.toml beside it."""
    for folder in folders:
        own = folder / "dnnbox.toml"
        if own.is_file():
            return _checked(read_toml(own), own), own
        project = folder / "pyproject.toml"
        table = read_toml(project).get("tool", {}).get("dnnbox")
        if table is not None:
            return _checked(table, project), project
    return {}, None


def _checked(table: Mapping[str, Any], file: Path) -> dict[str, Any]:
    for key, value in table.items():
        if key not in SETTINGS:
            near = difflib.get_close_matches(key, SETTINGS, n=1)
            guess = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(SETTINGS)}"
            raise Usage(f"{file.name}: unknown setting `{key}`", hint=guess, phase="plan")
        wanted = SETTINGS[key]
        if not isinstance(value, wanted):
            name = {list: "a list", str: "a string", dict: "a table"}[wanted]  # type: ignore[index]
            raise Usage(f"{file.name}: `{key}` must be {name}", phase="plan")
    _check_values(table, file)
    return {**table, **_absolute(table, file.parent)}


def _check_values(table: Mapping[str, Any], file: Path) -> None:
    for key in ("find-links", "constraints", "channels"):
        if not all(isinstance(item, str) for item in table.get(key, ())):
            raise Usage(f"{file.name}: `{key}` must hold strings", phase="plan")
    for entry in table.get("indexes", ()):
        if not isinstance(entry, (str, dict)) or (isinstance(entry, dict) and not isinstance(entry.get("url"), str)):
            raise Usage(
                f"{file.name}: an entry of `indexes` is neither a URL nor a table with `url`",
                hint='{url = "https://…/simple", default = true} or {url = "https://…", packages = ["torch"]}',
                phase="plan",
            )
    if table.get("box", "auto") not in BOXES:
        raise Usage(f"{file.name}: unknown box `{table['box']}`", hint=f"one of {', '.join(BOXES)}", phase="plan")


def _absolute(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the settings that hold paths, relative to the file that they stand in."""
    changed: dict[str, Any] = {}
    if "find-links" in table:
        places = table["find-links"]
        changed["find-links"] = [p if "://" in p else str(folder / Path(p).expanduser()) for p in places]
    if "channels" in table:
        channels = table["channels"]
        changed["channels"] = [str(folder / Path(c).expanduser()) if c.startswith((".", "~")) else c for c in channels]
    if "ca-bundle" in table:
        changed["ca-bundle"] = str(folder / Path(table["ca-bundle"]).expanduser())
    return changed
