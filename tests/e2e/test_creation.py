"""The environment is made once, whatever happens meanwhile: eight runs at once, and kill -9 at twenty points."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnnbox import integrity
from dnnbox.store import MARKER, Store
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.long, pytest.mark.usefixtures("bubblewrap")]

AT_ONCE = 8
POINTS = 20


@pytest.fixture
def warm(dnnbox_home: Path, tmp_path: Path) -> Store:
    """A store that has fetched everything, by hard links from the tests' own, and no environment."""
    store = Store(tmp_path / "home")
    being_written = shutil.ignore_patterns(".tmp*")  # by uv, for another test at the same time
    fetched = dnnbox_home / "container" / "uv"
    shutil.copytree(fetched, store.uv_cache, ignore=being_written, copy_function=os.link, symlinks=True)
    return store


def command(checkpoint: Path, *more: str) -> list[str]:
    options = ["--box", "venv", "--threads", "1", "--quick", "--yes", "--json", *more]
    return [sys.executable, "-m", "dnnbox", "run", str(checkpoint), *options]


def environ(store: Store) -> dict[str, str]:
    return {**os.environ, "DNNBOX_HOME": str(store.root), "NO_COLOR": "1"}


def test_run__eight_at_once_of_a_new_environment__one_creation_eight_successes(
    zoo: Zoo, workspace: Path, warm: Store
) -> None:
    started = [
        subprocess.Popen(
            command(zoo.path("onnx")), cwd=workspace, env=environ(warm), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(AT_ONCE)
    ]  # fmt: skip
    ended = [(process.communicate(timeout=500), process.returncode) for process in started]

    assert [code for _, code in ended] == [0] * AT_ONCE, [err[-400:] for (_, err), code in ended if code]
    places = {workspace / json.loads(out)["experiment"] for (out, _), _ in ended}
    assert len(places) == AT_ONCE
    logs = [place / "logs" / "environment.log" for place in places]
    creations = sum(log.read_text("utf-8").count("pip sync") for log in logs if log.exists())
    assert creations == 1
    assert len(list(warm.entries())) == 1


def test_clean__while_a_run_uses_its_environment__leaves_it_and_the_run_ends_well(
    zoo: Zoo, workspace: Path, warm: Store
) -> None:
    argv = [*command(zoo.path("onnx")), "--out", "experiment"]
    process = subprocess.Popen(
        argv, cwd=workspace, env=environ(warm), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 200
    while not (workspace / "experiment" / "outputs" / "jobs" / "01-infer").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)

    clean = [sys.executable, "-m", "dnnbox", "clean", "--all", "--json"]
    during = subprocess.run(clean, cwd=workspace, env=environ(warm), capture_output=True, text=True, check=True)
    _, errors = process.communicate(timeout=300)
    after = subprocess.run(clean, cwd=workspace, env=environ(warm), capture_output=True, text=True, check=True)

    assert (json.loads(during.stdout)["environments"], json.loads(during.stdout)["in_use"]) == ([], 1)
    assert process.returncode == 0, errors[-2000:]
    assert len(json.loads(after.stdout)["environments"]) == 1
    assert list(warm.entries()) == []
    assert not warm.uv_cache.exists()


def half_made(store: Store) -> Iterator[Path]:
    """Yield what lies where environments lie without being finished, hidden places aside."""
    for path in (store.root / "venvs").glob("[!.]*"):
        if not (path / MARKER).is_file():
            yield path


def test_run__killed_at_twenty_points_of_the_creation__the_next_one_rebuilds(
    zoo: Zoo, workspace: Path, warm: Store
) -> None:
    """What an interrupted creation left is never taken: what the next run uses is whole, byte for byte."""
    whole = creation_s(zoo, workspace, warm)
    for number in range(POINTS):
        process = subprocess.Popen(
            command(zoo.path("onnx")), cwd=workspace, env=environ(warm), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        wait_for_creation(warm, process)
        time.sleep(whole * number / POINTS)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)

        assert list(half_made(warm)) == []
        assert subprocess.run(creation(zoo), cwd=workspace, env=environ(warm), check=False).returncode == 0
        (entry,) = list(warm.entries())
        assert list(integrity.differences(entry.path)) == []
        assert warm.remove(entry.path)
    time.sleep(1)  # an installer may outlive the process that started it
    warm.remove_leftovers()
    assert [path.name for path in (warm.root / "venvs").iterdir()] == [".locks"]


def creation(zoo: Zoo) -> list[str]:
    """Return a command that does what a run does up to the first inference: plan, make, import."""
    code = """
import subprocess, sys
from pathlib import Path
from dnnbox import environments
from dnnbox.events import Silent
from dnnbox.pipeline.prepare import prepare
from dnnbox.records.options import RunOptions
from dnnbox.store import Store

options = RunOptions(sys.argv[1], Path.cwd(), box="venv", yes=True, offline=True)
prepared = prepare(options, Silent())
python = environments.realise(prepared.spec, prepared.lock, Store.default(), offline=True, progress=Silent())
subprocess.run([str(python), "-I", "-c", "import onnxruntime"], check=True)
"""
    return [sys.executable, "-c", code, str(zoo.path("onnx"))]


def creation_s(zoo: Zoo, workspace: Path, store: Store) -> float:
    """Make the lock and the compiled files, then return how long a creation takes from its first folder on."""
    argv = command(zoo.path("onnx"))
    done = subprocess.run(argv, cwd=workspace, env=environ(store), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (entry,) = list(store.entries())
    assert store.remove(entry.path)
    process = subprocess.Popen(creation(zoo), cwd=workspace, env=environ(store))
    wait_for_creation(store, process)
    start = time.monotonic()
    while not list(store.entries()):
        assert process.poll() in (None, 0)
        time.sleep(0.002)
    process.wait(timeout=60)
    (entry,) = list(store.entries())
    assert store.remove(entry.path)
    return time.monotonic() - start


def wait_for_creation(store: Store, process: subprocess.Popen[bytes]) -> None:
    """Return once the creator has made its folder."""
    deadline = time.monotonic() + 120
    while not list((store.root / "venvs").glob(".*.part")):
        assert process.poll() is None, "it ended before it made anything"
        assert time.monotonic() < deadline
        time.sleep(0.001)
