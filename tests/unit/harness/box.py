"""Running the harness as a box does: another interpreter, isolated, with the package on its own under its box name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dnnbox.harness import protocol
from dnnbox.harness.protocol import RunRequest, RunResult

HARNESS = Path(protocol.__file__).parent
START = "import sys; sys.path.append({lib!r}); from dnnbox_harness.main import main; sys.exit(main({run!r}))"


@dataclass(frozen=True)
class Ran:
    """One finished harness process; ``result`` is None when it wrote none."""

    code: int
    result: RunResult | None
    stdout: str
    stderr: str
    folder: Path
    events: tuple[str, ...] = field(default=())

    @property
    def answer(self) -> RunResult:
        """The result, which has to be there."""
        assert self.result is not None, self.stderr
        return self.result


def command(python: Path | str, folder: Path) -> list[str]:
    """Return the argv that starts the harness over ``folder``."""
    library = folder.parent / "lib"
    library.mkdir(exist_ok=True)
    mounted = library / "dnnbox_harness"
    if not mounted.exists():
        mounted.symlink_to(HARNESS)
    return [str(python), "-I", "-B", "-c", START.format(lib=str(library), run=str(folder))]


def run(python: Path | str, folder: Path, request: RunRequest, *, environ: Mapping[str, str] | None = None) -> Ran:
    """Write the request, run the harness and read what it left."""
    folder.mkdir(parents=True, exist_ok=True)
    protocol.write(request, str(folder / protocol.REQUEST))
    done = subprocess.run(
        command(python, folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        env={**os.environ, **(environ or {})},
        check=False,
    )
    path = folder / protocol.RESULT
    result = protocol.read(RunResult, str(path)) if path.exists() else None
    events = folder / protocol.EVENTS
    lines = tuple(events.read_text().splitlines()) if events.exists() else ()
    return Ran(done.returncode, result, done.stdout, done.stderr, folder, lines)
