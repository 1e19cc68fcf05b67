"""Jobs that ended well, kept so that an experiment which was cut off goes on behind them.

``outcome.json`` in the job's folder is written last. A job without one did not end, whatever else lies there.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dnnbox import codec
from dnnbox.boxes.collect import remove_tree
from dnnbox.boxes.strict import read_result
from dnnbox.files import write_atomic
from dnnbox.harness.protocol import RESULT, ProtocolError, RunRequest, encode
from dnnbox.records.run import RunOutcome

OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Kept:
    """What the host saw of a job. ``files`` are paths in the experiment, with their sizes."""

    job: str
    asked: str  # digest of the request and of what it ran in
    exit_code: int | None
    spawned_ns: int
    wall_s: float
    files: dict[str, tuple[str, int]]
    rejected: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    schema: str = "dnnbox.outcome/1"


def question(request: RunRequest, inside: str) -> str:
    """Return the digest of a request and of ``inside``, what names the environment that it runs in.

    What the host knows of the machine's pace at that time is no part of the question.
    """
    request = replace(request, plan=replace(request.plan, usual_pace_ns=0))
    text = json.dumps(encode(request), sort_keys=True)
    return hashlib.sha256(f"{inside}\n{text}".encode()).hexdigest()


def keep(outcome: RunOutcome, job_dir: Path, root: Path, asked: str) -> None:
    """Note that the job is finished: its files reach the disk first."""
    files = {}
    for name, host in outcome.files.items():
        path = Path(host)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[name] = (str(path.absolute().relative_to(root.absolute())), path.stat().st_size)
    kept = Kept(
        outcome.job, asked, outcome.exit_code, outcome.spawned_ns, outcome.wall_s, files, outcome.rejected,
        dict(outcome.settings),
    )  # fmt: skip
    write_atomic(job_dir / OUTCOME, codec.dumps(kept))


def kept(job_dir: Path, root: Path, asked: str) -> RunOutcome | None:
    """Return the outcome of the same question from an earlier run, None where it has to be asked again."""
    try:
        found = codec.loads(Kept, (job_dir / OUTCOME).read_text(encoding="utf-8"))
        if found.asked != asked:
            return None
        files = {name: root / place for name, (place, _) in found.files.items()}
        if any(files[name].stat().st_size != size for name, (_, size) in found.files.items()):
            return None
        result = read_result(files[RESULT].read_bytes())
    except (OSError, ValueError, KeyError, ProtocolError, RecursionError):
        return None
    return RunOutcome(
        job=found.job,
        result=result,
        exit_code=found.exit_code,
        spawned_ns=found.spawned_ns,
        wall_s=found.wall_s,
        files={name: str(path) for name, path in files.items()},
        rejected=found.rejected,
        settings=found.settings,
    )


def fresh(job_dir: Path) -> None:
    """Empty a job's folder of what a run that was cut off has left there."""
    remove_tree(job_dir)
    job_dir.mkdir(parents=True, exist_ok=True)


__all__ = ["OUTCOME", "Kept", "fresh", "keep", "kept", "question"]
