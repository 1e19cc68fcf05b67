"""Measures making an environment from a warm cache, against `python -m venv` and pip with the same lock; and the no-op.

    .venv/bin/python benchmarks/environments.py [--runtime NAME]… [--repeat N]

Paired: each round makes both, one after the other. dnnbox and pip have everything in their caches, and both end with
compiled files. Prints a table and writes benchmarks/results/environments.json. Seconds are wall time.
"""

from __future__ import annotations

import argparse
import json
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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dnnbox import catalog, environments, uv  # noqa: E402
from dnnbox.environments.planning import interpreter  # noqa: E402
from dnnbox.events import Silent  # noqa: E402
from dnnbox.records.dependencies import Dependencies  # noqa: E402
from dnnbox.records.environment import EnvSpec, Lock  # noqa: E402
from dnnbox.store import Store  # noqa: E402


def seconds(call: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def with_pip(spec: EnvSpec, lock: Lock, folder: Path) -> None:
    """Make the same environment as people do by hand; pip has its own cache below ``folder``'s parent."""
    python = interpreter(spec.python)
    assert python is not None
    subprocess.run([python, "-m", "venv", folder], check=True)
    requirements = folder / "lock.txt"
    requirements.write_text(lock.text, "utf-8")
    links = [part for place in uv.local_folders(spec.indexes) for part in ("--find-links", str(place))]
    command = [folder / "bin" / "pip", "install", "-q", "--require-hashes", "--only-binary", ":all:", *links]
    environ = {**os.environ, "PIP_CACHE_DIR": str(folder.parent / "pip-cache")}
    subprocess.run([*command, "-r", requirements], check=True, env=environ, stderr=subprocess.DEVNULL)


def measure(runtime: str, repeat: int, folder: Path) -> dict[str, object]:
    """Return medians and the paired ratio for one runtime."""
    store = Store(folder / "store")
    entry = catalog.runtime(runtime)
    wanted = Dependencies(runtime, entry.required_for("torch-zip"), entry.python)
    spec = environments.plan(wanted, environments.detect(folder), box="venv", device="cpu")
    lock = environments.resolve(spec, store, offline=False, progress=Silent())
    target = store.venv_dir(lock.sha256)

    def realise() -> None:
        environments.realise(spec, lock, store, offline=True, progress=Silent())

    environments.realise(spec, lock, store, offline=False, progress=Silent())
    with_pip(spec, lock, folder / "warm-up")
    ours, theirs = [], []
    for number in range(repeat):
        store.remove(target)
        ours.append(seconds(realise))
        theirs.append(seconds(lambda number=number: with_pip(spec, lock, folder / f"pip-{number}")))  # type: ignore[misc]
        shutil.rmtree(folder / f"pip-{number}")
    warm = [seconds(realise) for _ in range(50)]
    again = [seconds(lambda: environments.resolve(spec, store, offline=True, progress=Silent())) for _ in range(50)]
    return {
        "packages": len(lock.packages),
        "dnnbox_s": round(statistics.median(ours), 3),
        "pip_s": round(statistics.median(theirs), 3),
        "ratio": round(statistics.median(t / o for t, o in zip(theirs, ours, strict=True)), 1),
        "no_op_ms": round(statistics.median(warm) * 1e3, 3),
        "cached_lock_ms": round(statistics.median(again) * 1e3, 3),
        "rounds": repeat,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runtime", action="append", choices=catalog.runtimes())
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    rows = {}
    for runtime in options.runtime or ("onnxruntime", "torchscript"):
        with tempfile.TemporaryDirectory(prefix="dnnbox-bench-") as folder:
            rows[runtime] = measure(runtime, options.repeat, Path(folder))
        print(runtime, json.dumps(rows[runtime]))
    facts = {"taken": datetime.now(UTC).strftime("%Y-%m-%d"), "cores": os.cpu_count(), "machine": platform.machine()}
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / "environments.json").write_text(json.dumps({**facts, "runtimes": rows}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
