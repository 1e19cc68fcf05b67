"""kill -9 at random points of whole runs: what was finished stays, and every experiment can be resumed.

``make fault-kill N=200`` runs it for a sandboxed venv and for containers. Each experiment is killed again and again,
also after it was resumed, until a run gets through. After every kill the JSON files are read and the finished jobs are
hashed; after every end they are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.zoo import Zoo

LABEL = "org.dnnbox"
LONGEST_S = 300.0


@dataclass
class Tally:
    """What a campaign has seen. Everything below ``experiments`` must be 0 but ``resumed``, which must be all."""

    box: str
    seed: int
    kills: int = 0
    experiments: int = 0
    before_anything: int = 0  # killed before the experiment's index was there: run again
    resumed: int = 0
    jobs_kept: int = 0
    not_resumable: list[str] = field(default_factory=list)
    corrupt_json: list[str] = field(default_factory=list)
    lost_steps: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    foreign_touched: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost and nothing left."""
        found = (self.not_resumable, self.corrupt_json, self.lost_steps, self.leftovers, self.orphans)
        return not any(found) and not self.foreign_touched


class Campaign:
    """One box, one seed, one folder of its own for temporary files."""

    def __init__(self, box: str, seed: int, place: Path, home: Path, image: str) -> None:
        self.tally, self.place, self.image = Tally(box, seed), place, image
        self.chance = random.Random(seed)
        self.checkpoint = Zoo().path("onnx")
        self.temporary = place / "tmp"
        self.temporary.mkdir(parents=True)
        self.environ = {
            **os.environ,
            "DNNBOX_HOME": str(home),
            "TMPDIR": str(self.temporary),
            "NO_COLOR": "1",
        }
        if "PIP_FIND_LINKS" in os.environ:
            self.environ.setdefault("UV_FIND_LINKS", os.environ["PIP_FIND_LINKS"])
        self.pids: set[int] = set()

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the command line in the campaign's folder."""
        command = [sys.executable, "-m", "dnnbox", *arguments, "--progress", "none", "--json"]
        started = subprocess.Popen(
            command,
            cwd=self.place,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.pids.add(started.pid)
        return started

    def begin(self, experiment: Path) -> subprocess.Popen[bytes]:
        """Start a new run, or go on with the experiment that is there."""
        if (experiment / "experiment.json").exists():
            return self.start("run", "--resume", str(experiment))
        box = ["--box", self.tally.box, *(["--base-image", self.image] if self.tally.box != "venv" else [])]
        return self.start("run", str(self.checkpoint), *box, "--quick", "--yes", "--out", str(experiment))

    def whole(self) -> float:
        """Return how long a run takes when nobody disturbs it; makes the environment first."""
        for name in ("first", "timed"):
            start = time.monotonic()
            done = self.begin(self.place / name)
            output, _ = done.communicate(timeout=LONGEST_S)
            if done.returncode != 0:
                raise SystemExit(f"an undisturbed run fails: {output.decode()[-2000:]}")
        return time.monotonic() - start

    def run(self, kills: int) -> Tally:
        """Kill until ``kills`` is reached; every experiment is brought to its end."""
        neighbours = self.neighbours()
        try:
            length_s = self.whole()
            while self.tally.kills < kills:
                self.one(self.place / f"e{self.tally.experiments}", length_s, kills)
            self.sweep()
        finally:
            self.tally.foreign_touched += self.gone(neighbours)
        return self.tally

    def one(self, experiment: Path, length_s: float, kills: int) -> None:
        """Bring one experiment to its end through as many kills as chance has it."""
        tally = self.tally
        tally.experiments += 1
        finished: dict[str, str] = {}
        while True:
            process = self.begin(experiment)
            if tally.kills < kills and self.ended(process, self.chance.uniform(0.0, 1.05 * length_s)) is None:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                tally.kills += 1
                tally.before_anything += not (experiment / "experiment.json").exists()
                self.check(experiment, finished)
                finished = jobs(experiment)
                continue
            output, _ = process.communicate(timeout=LONGEST_S)
            break
        if process.returncode == 0 and index(experiment).get("status") == "success":
            tally.resumed += 1
        else:
            tally.not_resumable.append(f"{experiment.name}: {process.returncode} {output.decode()[-300:]}")
        self.check(experiment, finished)
        tally.jobs_kept += len(finished)
        tally.leftovers += [str(path.relative_to(self.place)) for path in leftovers(experiment)]
        if self.tally.box != "venv":
            tally.orphans += [name for name, labels in self.containers() if labels.get(f"{LABEL}.pid") in self.dead()]
        shutil.rmtree(experiment, ignore_errors=True)  # where it could not begin, there is none

    def ended(self, process: subprocess.Popen[bytes], seconds: float) -> int | None:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def dead(self) -> set[str]:
        return {str(pid) for pid in self.pids}

    def check(self, experiment: Path, finished: dict[str, str]) -> None:
        """Read every JSON file, and compare the jobs that had ended before."""
        for path in experiment.rglob("*.json"):
            if ".staging" in path.parts:
                continue  # the job's own, never read after a kill
            try:
                json.loads(path.read_text("utf-8"))
            except (ValueError, OSError) as error:
                self.tally.corrupt_json.append(f"{path.relative_to(self.place)}: {error}")
        now = jobs(experiment)
        self.tally.lost_steps += [f"{experiment.name}/{name}" for name in finished if now.get(name) != finished[name]]

    def sweep(self) -> None:
        """One more start, long after the kills: the temporary folders of the dead are gone then."""
        for folder in self.temporary.iterdir():
            os.utime(folder, (0, 0))
        done = self.begin(self.place / "last")
        done.communicate(timeout=LONGEST_S)
        self.tally.leftovers += [f"tmp/{path.name}" for path in self.temporary.iterdir()]
        self.tally.orphans += [
            f"process {process.name}" for process in Path("/proc").glob("[0-9]*") if self.owns(process)
        ]

    def owns(self, process: Path) -> bool:
        """Return whether a process was started from the campaign's temporary folders."""
        try:
            return os.fsencode(self.temporary) + b"/" in (process / "cmdline").read_bytes()
        except OSError:
            return False

    def docker(self, *arguments: str) -> str:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=120)
        return done.stdout.strip()

    def containers(self) -> list[tuple[str, dict[str, str]]]:
        """Return name and labels of every container that a dnnbox on this host has made."""
        ids = self.docker("ps", "-aq", "--filter", f"label={LABEL}.host={socket.gethostname()}").split()
        found = []
        for one in ids:
            try:
                facts: list[dict[str, Any]] = json.loads(self.docker("inspect", one))
            except subprocess.CalledProcessError:
                continue  # gone meanwhile
            found.append((facts[0]["Name"], facts[0]["Config"]["Labels"]))
        return found

    def neighbours(self) -> dict[str, str]:
        """Start two containers that are none of dnnbox's business: without labels, and of an owner elsewhere."""
        if self.tally.box == "venv":
            return {}
        elsewhere = {f"{LABEL}": "1", f"{LABEL}.host": "another-machine", f"{LABEL}.pid": "1", f"{LABEL}.pidstart": "1"}
        made = {}
        for kind, labels in {"plain": {}, "elsewhere": elsewhere}.items():
            options = [option for name, value in labels.items() for option in ("--label", f"{name}={value}")]
            made[kind] = self.docker("run", "-d", "--network", "none", *options, self.image, "sleep", "36000")
        return made

    def gone(self, neighbours: dict[str, str]) -> list[str]:
        """Return the neighbours that no longer run; removes them."""
        gone = []
        for kind, one in neighbours.items():
            state = subprocess.run(
                ["docker", "inspect", "-f", "{{.State.Running}}", one], capture_output=True, text=True, check=False
            )
            if state.stdout.strip() != "true":
                gone.append(kind)
            subprocess.run(["docker", "rm", "-f", one], capture_output=True, check=False)
        return gone


def index(experiment: Path) -> dict[str, Any]:
    """Return experiment.json, empty where it cannot be read."""
    try:
        found = json.loads((experiment / "experiment.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def jobs(experiment: Path) -> dict[str, str]:
    """Return the finished jobs and a digest of what they left."""
    found = {}
    for mark in sorted(experiment.glob("outputs/jobs/*/outcome.json")):
        digest = hashlib.sha256(mark.read_bytes())
        for place, _ in json.loads(mark.read_text("utf-8"))["files"].values():
            digest.update((experiment / place).read_bytes())
        found[mark.parent.name] = digest.hexdigest()
    return found


def leftovers(experiment: Path) -> list[Path]:
    """Return what a finished experiment must not hold any more."""
    return [path for path in experiment.rglob("*") if path.name.endswith(".part") or path.name in (".staging", ".lock")]


def campaign(box: str, kills: int, seed: int, home: Path, image: str) -> Tally:
    """Run one campaign in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="dnnbox-faults-") as place:
        return Campaign(box, seed, Path(place), home, image).run(kills)


def main() -> None:
    """Run the campaigns and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--box", action="append", choices=("venv", "docker", "podman"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, default=Path(".cache/test-home").absolute())
    parser.add_argument("--image", default="dnnbox-base:bookworm")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    tallies = [
        campaign(box, options.kills, options.seed, options.home, options.image)
        for box in options.box or ("venv", "docker")
    ]
    text = json.dumps([asdict(tally) for tally in tallies], indent=2) + "\n"
    print(text, end="")
    if options.record:
        options.record.write_text(text, "utf-8")
    sys.exit(not all(tally.clean for tally in tallies))


if __name__ == "__main__":
    main()
