"""Measures making environments from a warm cache against what people do by hand, and what the warm path costs.

    .venv/bin/python benchmarks/environments.py [--part onnxruntime|torch|container]… [--repeat N] [--jobs N]
        [--record FILE]

Paired: each round makes both, one after the other, in turns first; what an earlier one left to the disk is written
before. All sides have every wheel on this machine, and all end with compiled files. Against `python -m venv` and pip
with the same lock; against `docker build`; a job in a container against `docker run … python -c 'import onnxruntime'`.
Prints a line per part and merges it into FILE; wall seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dnnbox import boxes, catalog, environments, uv  # noqa: E402
from dnnbox.boxes.container import open_container  # noqa: E402
from dnnbox.environments.planning import interpreter  # noqa: E402
from dnnbox.events import Silent  # noqa: E402
from dnnbox.harness.protocol import RunRequest  # noqa: E402
from dnnbox.records.dependencies import Dependencies  # noqa: E402
from dnnbox.records.environment import EnvSpec, Limits, Lock  # noqa: E402
from dnnbox.store import Store  # noqa: E402

RUNTIMES = {"onnxruntime": "onnxruntime", "torch": "torchscript"}
IMAGE = boxes.DEFAULT_IMAGE
IMPORT = "import onnxruntime"
PROBE = ROOT / "tests" / "engine" / "boxes" / "probe"
DOCKERFILE = f"""FROM {IMAGE}
COPY wheels /wheels
COPY lock.txt /lock.txt
RUN python3 -m venv /opt/venv && \
    /opt/venv/bin/pip install -q --no-index --find-links /wheels --require-hashes --only-binary :all: -r /lock.txt
"""


def seconds(call: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def taking_turns(number: int, ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of both; every other pair begins with theirs, so that a drift of the machine cancels out."""
    taken = {}
    for name, call in (("ours", ours), ("theirs", theirs))[:: 1 if number % 2 == 0 else -1]:
        os.sync()
        taken[name] = seconds(call)
    return taken["ours"], taken["theirs"]


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Return the median, its 95 % interval by the sign test where there are enough values for one, and the range."""
    ordered, n = sorted(values), len(values)
    left = max((k for k in range(n // 2) if tail(n, k) <= 0.025), default=None)
    interval = {} if left is None else {"low": round(ordered[left], digits), "high": round(ordered[-1 - left], digits)}
    return {"median": round(statistics.median(values), digits), **interval, "min": round(ordered[0], digits),
            "max": round(ordered[-1], digits), "n": n}  # fmt: skip


def tail(n: int, k: int) -> float:
    """Return the chance that no more than ``k`` of ``n`` values lie below the true median."""
    return float(sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


def ratios(theirs: list[float], ours: list[float]) -> dict[str, float]:
    """Return how many times longer the other way takes, pair by pair."""
    return spread([t / o for t, o in zip(theirs, ours, strict=True)], 1)


def locked(runtime: str, store: Store, *, python: str | None = None) -> tuple[EnvSpec, Lock]:
    """Return what a checkpoint of this runtime needs on a CPU, resolved."""
    entry = catalog.runtime(runtime)
    wanted = Dependencies(runtime, entry.required_for("torch-zip"), entry.python)
    workspace = environments.detect(store.root.parent)
    spec = environments.plan(wanted, workspace, box="venv", device="cpu", python=python)
    return spec, environments.resolve(spec, store, offline=False, progress=Silent())


def links_of(spec: EnvSpec) -> list[str]:
    return [part for place in uv.local_folders(spec.indexes) for part in ("--find-links", str(place))]


def with_pip(spec: EnvSpec, lock: Lock, folder: Path) -> None:
    """Make the same environment as people do by hand; pip has its own cache below ``folder``'s parent."""
    python = interpreter(spec.python)
    assert python is not None
    subprocess.run([python, "-m", "venv", folder], check=True)
    requirements = folder / "lock.txt"
    requirements.write_text(lock.text, "utf-8")
    command = [folder / "bin" / "pip", "install", "-q", "--require-hashes", "--only-binary", ":all:", *links_of(spec)]
    environ = {**os.environ, "PIP_CACHE_DIR": str(folder.parent / "pip-cache")}
    subprocess.run([*command, "-r", requirements], check=True, env=environ, stderr=subprocess.DEVNULL)


def venv_part(runtime: str, repeat: int, folder: Path) -> dict[str, object]:
    """Return both times and the paired ratio for one runtime, and what there being one already costs."""
    store = Store(folder / "store")
    spec, lock = locked(runtime, store)
    target = store.venv_dir(lock.sha256)

    def realise() -> None:
        environments.realise(spec, lock, store, offline=True, progress=Silent())

    environments.realise(spec, lock, store, offline=False, progress=Silent())
    with_pip(spec, lock, folder / "warm-up")
    shutil.rmtree(folder / "warm-up")
    ours, theirs = [], []
    for number in range(repeat):
        store.remove(target)
        place = folder / f"pip-{number}"
        own, other = taking_turns(number, realise, partial(with_pip, spec, lock, place))
        ours.append(own)
        theirs.append(other)
        shutil.rmtree(place)
    warm = [1e3 * seconds(realise) for _ in range(50)]
    again = [
        1e3 * seconds(lambda: environments.resolve(spec, store, offline=True, progress=Silent())) for _ in range(50)
    ]
    return {
        "packages": len(lock.packages),
        "dnnbox_s": spread(ours),
        "venv_and_pip_s": spread(theirs),
        "times_faster": ratios(theirs, ours),
        "no_op_ms": spread(warm),
        "cached_lock_ms": spread(again),
    }


def container_part(repeat: int, jobs_wanted: int, folder: Path) -> dict[str, object]:
    """Return the same for a container's environment and `docker build`, and what one warm job costs."""
    store = Store(folder / "store")
    spec, lock = locked("onnxruntime", store, python=boxes.image_python("docker", IMAGE, store=store))

    def make() -> str:
        return boxes.make_container_env("docker", IMAGE, spec, lock, store, offline=True, progress=Silent())

    made = boxes.make_container_env("docker", IMAGE, spec, lock, store, offline=False, progress=Silent())
    context = build_context(spec, lock, folder / "context")
    target = store.container_root / "envs" / Path(made).parent.parent.name
    ours, theirs = [], []
    for number in range(repeat):
        store.remove(target)
        name = f"dnnbox-bench-{os.getpid()}-{number}"
        build = ["docker", "build", "-q", "--no-cache", "--network", "none", "-t", name, str(context)]
        own, other = taking_turns(number, make, partial(subprocess.run, build, check=True, capture_output=True))
        ours.append(own)
        theirs.append(other)
        subprocess.run(["docker", "rmi", "-f", name], check=True, capture_output=True)
    jobs, plain = warm_jobs(made, target, store, jobs_wanted, folder)
    return {
        "packages": len(lock.packages),
        "dnnbox_s": spread(ours),
        "docker_build_s": spread(theirs),
        "times_faster": ratios(theirs, ours),
        "job_s": spread(jobs),
        "docker_run_s": spread(plain),
        "job_beyond_docker_run_ms": spread([1e3 * (j - p) for j, p in zip(jobs, plain, strict=True)], 1),
    }


def build_context(spec: EnvSpec, lock: Lock, folder: Path) -> Path:
    """Return a folder with the Dockerfile, the lock and all its wheels: nothing is fetched during the build."""
    folder.mkdir()
    (folder / "lock.txt").write_text(lock.text, "utf-8")
    (folder / "Dockerfile").write_text(DOCKERFILE, "utf-8")
    python = interpreter(spec.python)
    fetch = [python, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    into = ["-d", folder / "wheels", "-r", folder / "lock.txt"]
    subprocess.run([*fetch, *links_of(spec), *into], check=True, stderr=subprocess.DEVNULL)  # type: ignore[list-item]
    return folder


def warm_jobs(made: str, target: Path, store: Store, repeat: int, folder: Path) -> tuple[list[float], list[float]]:
    """Return the times of a whole job of dnnbox, from opening the box, and of `docker run`, pair by pair.

    Both import onnxruntime with the interpreter of the same environment.
    """
    limits = Limits(memory_bytes=2 << 30)
    request = RunRequest("probe", "none", "", options={"code": IMPORT})

    def job() -> None:
        with open_container("docker", IMAGE, made, [], limits, store=store, harness_dir=PROBE) as box:
            outcome = box.run(request, folder / "job", timeout_s=60)
        assert outcome.exit_code == 0, outcome.stderr_tail

    place = str(Path(made).parent.parent)
    plain = ["docker", "run", "--rm", "--network", "none", "-v", f"{target}:{place}:ro", IMAGE, made, "-c", IMPORT]
    ours, theirs = [], []
    for number in range(repeat + 2):  # the first imports the SDK and fills the page cache
        own, other = taking_turns(number, job, partial(subprocess.run, plain, check=True, capture_output=True))
        ours.append(own)
        theirs.append(other)
    return ours[2:], theirs[2:]


def record(file: Path, rows: dict[str, dict[str, object]]) -> None:
    """Merge the parts into the file, each with the day and the machine that it was taken on."""
    kept = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    facts = {"taken": datetime.now(UTC).strftime("%Y-%m-%d"), "cores": os.cpu_count(), "machine": platform.machine(),
             "load_5min": round(os.getloadavg()[1], 1)}  # fmt: skip
    for name, row in rows.items():
        kept[name] = {**facts, **row}
    file.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--part", action="append", choices=(*RUNTIMES, "container"))
    parser.add_argument("--repeat", type=int, default=5, help="pairs of environments")
    parser.add_argument("--jobs", type=int, default=40, help="pairs of warm jobs")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    rows: dict[str, dict[str, object]] = {}
    for part in options.part or (*RUNTIMES, "container"):
        with tempfile.TemporaryDirectory(prefix="dnnbox-bench-") as folder:
            if part == "container":
                rows[part] = container_part(options.repeat, options.jobs, Path(folder))
            else:
                rows[part] = venv_part(RUNTIMES[part], options.repeat, Path(folder))
        print(part, json.dumps(rows[part]))
    if options.record:
        record(options.record, rows)


if __name__ == "__main__":
    main()
