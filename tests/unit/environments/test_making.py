"""From a description to an interpreter, with the real uv and hand-made wheels; no network but the loopback."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox.environments import platform_of_host, realise, resolve
from dnnbox.environments.locking import MAX_AGE_S, question_key
from dnnbox.environments.torch_build import CONFIGURED
from dnnbox.errors import EnvFailed, IntegrityFailed, NetworkFailed
from dnnbox.records.environment import EnvSpec, Indexes
from dnnbox.store import Store
from tests.unit.environments.conftest import Notes
from tests.unit.environments.wheels import make_wheel, serving

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A find-links folder: alpha needs beta, which has two versions."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "alpha", "1.0", requires=["beta>=1"], script=True)
    make_wheel(folder, "beta", "1.0")
    make_wheel(folder, "beta", "2.0")
    return folder


def spec_of(folder: Path | None, *requirements: str, **indexes: object) -> EnvSpec:
    links = (str(folder),) if folder else ()
    return EnvSpec("adapter", requirements, PYTHON, platform_of_host(), indexes=Indexes(find_links=links, **indexes))  # type: ignore[arg-type]


def run(python: Path, code: str) -> str:
    return subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_resolve__find_links_offline__newest_versions_with_hashes(wheels: Path, store: Store, progress: Notes) -> None:
    lock = resolve(spec_of(wheels, "alpha"), store, offline=True, progress=progress)

    assert [(p.name, p.version) for p in lock.packages] == [("alpha", "1.0"), ("beta", "2.0")]
    digest = hashlib.sha256((wheels / "beta-2.0-py3-none-any.whl").read_bytes()).hexdigest()
    assert f"beta==2.0 \\\n    --hash=sha256:{digest}\n" in lock.text
    assert str(wheels) not in lock.text
    assert lock.download_bytes == 0
    assert not lock.from_cache


def test_resolve__asked_again__cached_lock_without_uv(
    wheels: Path, store: Store, progress: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(wheels, "alpha")
    first = resolve(spec, store, offline=True, progress=progress)
    monkeypatch.setattr("dnnbox.process.run", lambda *_, **__: pytest.fail("nothing may be started"))

    again = resolve(spec, store, offline=False, progress=progress)

    assert again.from_cache
    assert (again.text, again.sha256) == (first.text, first.sha256)


def test_resolve__wheel_added_to_find_links__asks_anew(wheels: Path, store: Store, progress: Notes) -> None:
    spec = spec_of(wheels, "alpha")
    before = resolve(spec, store, offline=True, progress=progress)
    make_wheel(wheels, "beta", "3.0")

    after = resolve(spec, store, offline=True, progress=progress)

    assert after.packages[1].version == "3.0"
    assert after.sha256 != before.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"python": "3.10"},
        {"platform": "aarch64-manylinux_2_28"},
        {"requirements": ("beta",)},
        {"indexes": Indexes(constraints=("beta<2",))},
        {"indexes": Indexes(default="https://index.example/simple")},
        {"indexes": Indexes(pinned={"torch": "https://index.example/cpu"})},
    ],
)
def test_question_key__anything_that_matters__changes_it(change: dict[str, object]) -> None:
    spec = spec_of(None, "alpha")

    assert question_key(replace(spec, **change)) != question_key(spec)  # type: ignore[arg-type]


def test_question_key__only_the_reasons_differ__same(wheels: Path) -> None:
    spec = spec_of(wheels, "alpha")

    assert question_key(spec) == question_key(replace(spec, indexes=replace(spec.indexes, reasons=("because",))))


def test_resolve__constraint__holds(wheels: Path, store: Store, progress: Notes) -> None:
    lock = resolve(spec_of(wheels, "alpha", constraints=("beta<2",)), store, offline=True, progress=progress)

    assert lock.packages[1].version == "1.0"


def test_resolve__index_tells_sizes__download_is_known_until_fetched(
    wheels: Path, store: Store, progress: Notes
) -> None:
    with serving(wheels) as index:
        spec = spec_of(None, "alpha", default=f"{index.url}/simple")
        lock = resolve(spec, store, offline=False, progress=progress)
        sizes = [(wheels / f"{name}-py3-none-any.whl").stat().st_size for name in ("alpha-1.0", "beta-2.0")]
        assert [p.size_bytes for p in lock.packages] == sizes
        assert lock.download_bytes == sum(sizes)

        realise(spec, lock, store, offline=False, progress=progress)

    assert resolve(spec, store, offline=True, progress=progress).download_bytes == 0


def test_resolve__index_down_and_nothing_cached__network(store: Store, progress: Notes, tmp_path: Path) -> None:
    spec = spec_of(None, "alpha", default="http://127.0.0.1:9/simple")
    log = tmp_path / "logs" / "resolve.log"

    with pytest.raises(NetworkFailed) as caught:
        resolve(spec, store, offline=False, progress=progress, log=log)

    assert "alpha" in caught.value.what
    assert "\n" not in caught.value.line()
    assert "pip compile" in log.read_text("utf-8")


def test_resolve__offline_and_nothing_cached__says_run_once_online(store: Store, progress: Notes) -> None:
    with pytest.raises(NetworkFailed) as caught:
        resolve(spec_of(None, "alpha"), store, offline=True, progress=progress)

    assert "--offline" in caught.value.hint


def test_resolve__no_such_version__env_failed(wheels: Path, store: Store, progress: Notes) -> None:
    with serving(wheels) as index, pytest.raises(EnvFailed) as caught:
        resolve(spec_of(None, "beta>=7", default=f"{index.url}/simple"), store, offline=False, progress=progress)

    assert "beta" in caught.value.what
    assert "\n" not in caught.value.line()


def test_resolve__wheel_for_another_platform_only__env_failed(tmp_path: Path, store: Store, progress: Notes) -> None:
    make_wheel(tmp_path / "w", "gamma", "1.0", tag="cp36-cp36m-win32")

    with serving(tmp_path / "w") as index, pytest.raises(EnvFailed):
        resolve(spec_of(None, "gamma", default=f"{index.url}/simple"), store, offline=False, progress=progress)


def test_resolve__credentials_in_the_index__neither_in_lock_nor_log_nor_error(
    wheels: Path, store: Store, progress: Notes, tmp_path: Path
) -> None:
    log = tmp_path / "log.txt"
    with serving(wheels) as index:
        secret = index.url.replace("http://", "http://robot:hunter2@")
        lock = resolve(
            spec_of(None, "alpha", default=f"{secret}/simple"), store, offline=False, progress=progress, log=log
        )
        with pytest.raises(EnvFailed) as caught:
            resolve(spec_of(None, "zeta", default=f"{secret}/simple"), store, offline=False, progress=progress, log=log)
    kept = [path for path in store.lock_dir.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]

    assert not kept
    assert "hunter2" not in lock.text + log.read_text("utf-8") + caught.value.line()


def test_resolve__old_lock_and_index_down__used_with_a_note(wheels: Path, store: Store, progress: Notes) -> None:
    with serving(wheels) as index:
        spec = spec_of(None, "alpha", default=f"{index.url}/simple")
        lock = resolve(spec, store, offline=False, progress=progress)
    (file,) = store.lock_dir.glob("*.json")
    os.utime(file, (time.time() - MAX_AGE_S - 10,) * 2)

    again = resolve(spec, store, offline=False, progress=progress)

    assert again.sha256 == lock.sha256
    assert "not reached" in progress.notes[0]


def test_resolve__old_lock_and_index_up__newer_version(wheels: Path, store: Store, progress: Notes) -> None:
    with serving(wheels) as index:
        spec = spec_of(None, "alpha", default=f"{index.url}/simple")
        resolve(spec, store, offline=False, progress=progress)
        (file,) = store.lock_dir.glob("*.json")
        os.utime(file, (time.time() - MAX_AGE_S - 10,) * 2)
        make_wheel(wheels, "beta", "9.0")

        assert resolve(spec, store, offline=False, refresh=True, progress=progress).packages[1].version == "9.0"


def test_resolve__cuda_packages_for_a_cpu__refused_unless_configured(
    tmp_path: Path, store: Store, progress: Notes
) -> None:
    folder = tmp_path / "w"
    make_wheel(folder, "torch", "9.9", requires=["nvidia-cublas"])
    make_wheel(folder, "nvidia-cublas", "13.0")
    spec = spec_of(folder, "torch")

    with pytest.raises(EnvFailed, match="CUDA"):
        resolve(spec, store, offline=True, progress=progress)
    meant = replace(spec, indexes=replace(spec.indexes, reasons=(f"{CONFIGURED}torch==9.9+cu1",)))
    assert len(resolve(meant, store, offline=True, progress=progress).packages) == 2


def test_resolve__pinned_index__torch_comes_from_there_and_nothing_else(
    tmp_path: Path, store: Store, progress: Notes
) -> None:
    make_wheel(tmp_path / "pypi", "torch", "2.0", requires=["helper"])
    make_wheel(tmp_path / "pypi", "helper", "2.0")
    make_wheel(tmp_path / "cpu", "torch", "2.0+cpu", requires=["helper"])
    make_wheel(tmp_path / "cpu", "helper", "1.0")
    with serving(tmp_path / "pypi") as pypi, serving(tmp_path / "cpu") as cpu:
        spec = spec_of(None, "torch", default=f"{pypi.url}/simple", pinned={"torch": f"{cpu.url}/simple"})
        lock = resolve(spec, store, offline=False, progress=progress)
        python = realise(spec, lock, store, offline=False, progress=progress)

    assert [(p.name, p.version) for p in lock.packages] == [("helper", "2.0"), ("torch", "2.0+cpu")]
    assert run(python, "import torch, helper; print(torch.VERSION, helper.VERSION)") == "2.0+cpu 2.0"


def test_realise__lock__interpreter_with_exactly_that(wheels: Path, store: Store, progress: Notes) -> None:
    spec = spec_of(wheels, "alpha")
    lock = resolve(spec, store, offline=True, progress=progress)

    python = realise(spec, lock, store, offline=True, progress=progress)

    assert run(python, "import alpha, beta; print(alpha.VERSION, beta.VERSION)") == "1.0 2.0"
    assert python.is_relative_to(store.venv_dir(lock.sha256))
    script = subprocess.run([python.parent / "alpha"], capture_output=True, text=True, check=True)
    assert script.stdout == "1.0\n"
    assert list(python.parent.parent.rglob("alpha/__pycache__/*.pyc"))


def test_realise__second_time__starts_nothing(
    wheels: Path, store: Store, progress: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(wheels, "alpha")
    lock = resolve(spec, store, offline=True, progress=progress)
    first = realise(spec, lock, store, offline=True, progress=progress)
    monkeypatch.setattr("dnnbox.process.run", lambda *_, **__: pytest.fail("nothing may be started"))

    start = time.perf_counter()
    assert realise(spec, lock, store, offline=True, progress=progress) == first
    assert time.perf_counter() - start < 0.05


@pytest.mark.parametrize("how", ["damaged", "exchanged"])
def test_realise__package_changed_on_the_index__integrity(
    how: str, wheels: Path, store: Store, progress: Notes, tmp_path: Path
) -> None:
    name = "beta-2.0-py3-none-any.whl"
    with serving(wheels) as index:
        spec = spec_of(None, "alpha", default=f"{index.url}/simple")
        lock = resolve(spec, store, offline=False, progress=progress)
        if how == "damaged":
            index.damaged.add(name)
        else:
            index.exchanged[name] = make_wheel(tmp_path / "evil", "beta", "2.0", files={"evil.py": ""}).read_bytes()
        fresh = Store(store.root.parent / "other")

        with pytest.raises(IntegrityFailed) as caught:
            realise(spec, lock, fresh, offline=False, progress=progress)

    assert "beta" in caught.value.what
    assert not fresh.venv_dir(lock.sha256).exists()


def test_realise__offline_and_not_cached__network_with_a_way_out(wheels: Path, store: Store, progress: Notes) -> None:
    with serving(wheels) as index:
        spec = spec_of(None, "alpha", default=f"{index.url}/simple")
        lock = resolve(spec, store, offline=False, progress=progress)
        asked = len(index.requests)

        with pytest.raises(NetworkFailed) as caught:
            realise(spec, lock, Store(store.root.parent / "other"), offline=True, progress=progress)

        assert len(index.requests) == asked
    assert "--offline" in caught.value.hint


def test_realise__half_made_entry_of_a_dead_process__made_anew(wheels: Path, store: Store, progress: Notes) -> None:
    spec = spec_of(wheels, "alpha")
    lock = resolve(spec, store, offline=True, progress=progress)
    target = store.venv_dir(lock.sha256)
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (target / "bin" / "python").chmod(0o755)

    python = realise(spec, lock, store, offline=True, progress=progress)

    assert run(python, "import alpha; print(alpha.VERSION)") == "1.0"


def test_realise__interpreter_is_gone__made_anew(wheels: Path, store: Store, progress: Notes) -> None:
    spec = spec_of(wheels, "alpha")
    lock = resolve(spec, store, offline=True, progress=progress)
    python = realise(spec, lock, store, offline=True, progress=progress)
    python.unlink()
    python.symlink_to("/nowhere/python")

    assert run(realise(spec, lock, store, offline=True, progress=progress), "print(1)") == "1"


SCRIPT = """
import sys
from pathlib import Path
from dnnbox.environments import platform_of_host, realise, resolve
from dnnbox.events import Silent
from dnnbox.records.environment import EnvSpec, Indexes
from dnnbox.store import Store

links, root = sys.argv[1:]
indexes = Indexes(find_links=(links,))
spec = EnvSpec("adapter", ("alpha",), "%d.%d" % sys.version_info[:2], platform_of_host(), indexes=indexes)
store = Store(Path(root))
lock = resolve(spec, store, offline=True, progress=Silent())
print("ready", flush=True)
print(realise(spec, lock, store, offline=True, progress=Silent()))
"""


def start(wheels: Path, store: Store) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(wheels), str(store.root)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ, start_new_session=True)


@pytest.mark.slow
def test_realise__eight_processes_at_once__one_creation_eight_successes(
    wheels: Path, store: Store, progress: Notes
) -> None:
    spec = spec_of(wheels, "alpha")
    lock = resolve(spec, store, offline=True, progress=progress)

    processes = [start(wheels, store) for _ in range(8)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]

    assert [process.returncode for process in processes] == [0] * 8
    assert len({output.splitlines()[-1] for output in outputs}) == 1
    log = (store.log_dir / f"environment-{lock.sha256[:12]}.log").read_text("utf-8")
    assert log.count("pip sync") == 1


@pytest.mark.slow
def test_realise__killed_at_any_point__next_one_is_whole(wheels: Path, store: Store, progress: Notes) -> None:
    spec = spec_of(wheels, "alpha")
    lock = resolve(spec, store, offline=True, progress=progress)
    target = store.venv_dir(lock.sha256)
    for delay in (0.0, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5):
        process = start(wheels, store)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

        python = realise(spec, lock, store, offline=True, progress=progress)
        assert run(python, "import alpha, beta; print(beta.VERSION)") == "2.0"
        assert store.verified(target)
        assert store.remove(target)
    time.sleep(1)  # an installer may outlive the process that started it
    store.remove_leftovers()
    assert [path.name for path in target.parent.iterdir()] == [".locks"]
