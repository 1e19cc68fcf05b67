"""Adding packages to a pixi project: in its manifest, comments and order kept, then by pixi itself; never past it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from dnnbox import process, uv
from dnnbox.errors import EnvFailed
from dnnbox.files import write_atomic
from dnnbox.records.dependencies import Requirement
from dnnbox.records.environment import Workspace

_TIMEOUT_S = 3600.0


def binary() -> Path | None:
    """Return pixi's executable, else None."""
    found = shutil.which("pixi") or shutil.which("pixi", path=str(Path.home() / ".pixi" / "bin"))
    return Path(found) if found else None


def add_to_manifest(
    workspace: Workspace, requirements: Sequence[Requirement], record_dir: Path, *, log: Path | None = None
) -> None:
    """Add PyPI requirements to the manifest and let pixi install; manifest and lock are put back if it fails.

    Raises:
        EnvFailed: pixi is not there (the error says what to run), or could not install.
    """
    lines = [requirement.line() for requirement in requirements]
    program = binary()
    if program is None:
        quoted = " ".join(f'"{line}"' for line in lines)
        raise EnvFailed(
            "this project is managed by pixi, and pixi is not on PATH",
            hint=f"install pixi and run `pixi add --pypi {quoted}`, or use `--box venv`",
            phase="environment",
        )
    manifest = Path(workspace.manifest)
    lock = manifest.parent / "pixi.lock"
    saved = {path: path.read_bytes() if path.exists() else None for path in (manifest, lock)}
    _keep(record_dir, saved, "before")
    try:
        write_atomic(manifest, with_requirements(manifest.read_text("utf-8"), manifest.name, requirements))
        argv = [str(program), "install", "--manifest-path", str(manifest)]
        ended = process.run(argv, timeout_s=_TIMEOUT_S)
        uv.log_transcript(log, argv, ended)
        if ended.returncode != 0:
            from dnnbox.text import visible

            last = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise EnvFailed(f"pixi could not install {', '.join(lines)}: {visible(last)}", phase="environment")
    except BaseException:
        _restore(saved)
        raise
    _keep(record_dir, {path: path.read_bytes() if path.exists() else None for path in saved}, "after")


def with_requirements(manifest: str, name: str, requirements: Sequence[Requirement]) -> str:
    """Return the manifest's text with the requirements in its pypi-dependencies; everything else stays as it is."""
    import tomlkit

    document = tomlkit.parse(manifest)
    table = document
    for key in () if name == "pixi.toml" else ("tool", "pixi"):
        table = table[key]
    if "pypi-dependencies" not in table:
        table["pypi-dependencies"] = tomlkit.table()
    entries = table["pypi-dependencies"]
    for requirement in requirements:
        entries[requirement.name] = requirement.specifier or "*"
    return tomlkit.dumps(document)


def _keep(record_dir: Path, contents: dict[Path, bytes | None], when: str) -> None:
    for path, data in contents.items():
        if data is not None:
            write_atomic(record_dir / f"{path.stem}-{when}{path.suffix}", data)


def _restore(contents: dict[Path, bytes | None]) -> None:
    for path, data in contents.items():
        if data is None:
            path.unlink(missing_ok=True)
        elif not path.exists() or path.read_bytes() != data:
            write_atomic(path, data)
