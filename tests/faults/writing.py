"""Every write that can fail, failing: a full disk (ENOSPC, from then on), a broken one (EIO), a forbidden one (EACCES).

``make fault-writes N=60`` spoils N writes of each kind, spread over the end of an experiment (its figures, scripts and
reports), and some at its beginning. Wanted: the right exit code, finished jobs byte for byte as they were, no temporary
file, and an experiment that can be resumed once the disk is well again.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import killing
from tests.zoo import Zoo

SOURCE = Path(__file__).with_name("failing_writes.c")
KINDS = {"ENOSPC": (errno.ENOSPC, "1", 50), "EIO": (errno.EIO, "0", 52), "EACCES": (errno.EACCES, "0", 52)}
"""What fails, whether it goes on failing, and the exit code."""


@dataclass
class Tally:
    """What a campaign has seen; every list must be empty."""

    writes_at_the_end: int = 0
    writes_at_the_beginning: int = 0
    spoiled: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    wrong_code: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    corrupt_json: list[str] = field(default_factory=list)
    not_resumable: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.wrong_code or self.changed or self.leftovers or self.corrupt_json or self.not_resumable)


class Writes:
    """One experiment whose jobs are finished, and a library that spoils writes."""

    def __init__(self, place: Path, home: Path) -> None:
        self.place, self.tally = place, Tally()
        self.library = place / "failing_writes.so"
        compiler = shutil.which("cc") or "cc"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", self.library, SOURCE, "-ldl"], check=True)
        self.environ = {**os.environ, "DNNBOX_HOME": str(home), "NO_COLOR": "1"}
        if "PIP_FIND_LINKS" in os.environ:
            self.environ.setdefault("UV_FIND_LINKS", os.environ["PIP_FIND_LINKS"])
        self.checkpoint = Zoo().path("onnx")
        self.finished = place / "finished"
        self.new = ["run", str(self.checkpoint), "--box", "venv", "--quick", "--yes"]
        done = self.call(*self.new, "--out", str(self.finished))
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        self._reopen(home)

    def _reopen(self, home: Path) -> None:
        """Make it an experiment that was cut off after its last job."""
        index = json.loads((self.finished / "experiment.json").read_text("utf-8"))
        index.update(status="running", exit_code=None)
        (self.finished / "experiment.json").write_text(json.dumps(index), "utf-8")

    def call(self, *arguments: str, **fault: str) -> subprocess.CompletedProcess[str]:
        """Run the command line, with a fault where one is given."""
        preload = {"LD_PRELOAD": str(self.library), **fault} if fault else {}
        command = [sys.executable, "-m", "dnnbox", *arguments, "--progress", "none", "--json"]
        return subprocess.run(
            command, cwd=self.place, env=self.environ | preload, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=300,
        )  # fmt: skip

    def resume(self, experiment: Path, **fault: str) -> subprocess.CompletedProcess[str]:
        """Go on with a copy of the finished experiment: the whole command, for nobody remembers it any more."""
        return self.call(*self.new, "--resume", str(experiment), **fault)

    def count(self, *, begin: bool) -> int:
        """Return how many writes there are to spoil."""
        counter, experiment = self.place / "count", self.place / "counted"
        if not begin:
            shutil.copytree(self.finished, experiment)
        fault = {"FAULT_ROOT": str(experiment), "FAULT_AT": "-1", "FAULT_COUNT": str(counter)}
        done = self.start(experiment, begin=begin, **fault)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        size = counter.stat().st_size
        counter.unlink()
        shutil.rmtree(experiment)
        return size

    def start(self, experiment: Path, *, begin: bool, **fault: str) -> subprocess.CompletedProcess[str]:
        if begin:
            return self.call(*self.new, "--out", str(experiment), **fault)
        return self.resume(experiment, **fault)

    def spoil(self, kind: str, number: int, *, begin: bool) -> None:
        """Let one write fail and look at what is left."""
        tally, experiment = self.tally, self.place / "spoiled"
        code, stays, wanted = KINDS[kind]
        if not begin:
            shutil.copytree(self.finished, experiment)
        before = killing.jobs(experiment)
        fault = {"FAULT_ROOT": str(experiment), "FAULT_AT": str(number), "FAULT_ERRNO": str(code), "FAULT_STAYS": stays}
        done = self.start(experiment, begin=begin, **fault)
        name = f"{kind} at write {number} of the {'beginning' if begin else 'end'}"
        tally.spoiled[kind] = tally.spoiled.get(kind, 0) + 1
        tally.codes[f"{kind} {done.returncode}"] = tally.codes.get(f"{kind} {done.returncode}", 0) + 1
        # A write that may fail (a lock file's, a status that is written again) may also be got over.
        if done.returncode not in (0, wanted) or "Traceback" in done.stderr:
            tally.wrong_code.append(f"{name}: {done.returncode} {done.stderr[-300:]}")
        now = killing.jobs(experiment)
        tally.changed += [f"{name}: {job}" for job in before if now.get(job) != before[job]]
        tally.leftovers += [f"{name}: {path.name}" for path in experiment.rglob("*") if path.name.endswith(".part")]
        tally.corrupt_json += [f"{name}: {path.name}" for path in experiment.rglob("*.json") if not _is_json(path)]
        if not begin and self.resume(experiment).returncode != 0:
            tally.not_resumable.append(name)
        shutil.rmtree(experiment, ignore_errors=True)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text("utf-8"))
    except (ValueError, OSError):
        return False
    return True


def campaign(count: int, seed: int, home: Path, *, beginnings: int) -> Tally:
    """Spoil ``count`` writes of each kind at the end of an experiment, and ``beginnings`` at its beginning."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="dnnbox-writes-") as folder:
        writes = Writes(Path(folder), home)
        tally = writes.tally
        tally.writes_at_the_end = writes.count(begin=False)
        ends = range(tally.writes_at_the_end)
        for kind in KINDS:
            for number in sorted(chance.sample(ends, min(count, len(ends)))):
                writes.spoil(kind, number, begin=False)
        if beginnings:
            tally.writes_at_the_beginning = writes.count(begin=True)
            for kind in KINDS:
                for number in sorted(chance.sample(range(tally.writes_at_the_beginning // 2), beginnings)):
                    writes.spoil(kind, number, begin=True)
        return tally


def main() -> None:
    """Run the campaign and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=60)
    parser.add_argument("--beginnings", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, default=Path(".cache/test-home").absolute())
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    tally = campaign(options.writes, options.seed, options.home, beginnings=options.beginnings)
    document: dict[str, Any] = asdict(tally)
    text = json.dumps(document, indent=2) + "\n"
    print(text, end="")
    if options.record:
        options.record.write_text(text, "utf-8")
    sys.exit(not tally.clean)


if __name__ == "__main__":
    main()
