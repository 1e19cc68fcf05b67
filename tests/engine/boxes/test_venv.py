"""What only the venv box does: other interpreters, no control group, no sandbox, another user, interrupts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnnbox.boxes import bubblewrap, cgroup
from dnnbox.boxes.failures import error_of
from dnnbox.boxes.venv import open_venv
from dnnbox.errors import EngineLimit, EnvFailed, GpuUnavailable, OutOfMemory, Usage
from dnnbox.records.environment import Limits, Mount
from tests.engine.boxes.conftest import LIMITS, PROBE, ask, facts

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("bubblewrap")]


@pytest.fixture
def no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where this user may make no control group."""
    monkeypatch.setattr(cgroup, "make", lambda limits: None)


@pytest.fixture
def no_group_left() -> Iterator[None]:
    pattern = f"*/**/dnnbox-{os.getpid()}-*"
    yield
    assert list(Path("/sys/fs/cgroup").glob(pattern)) == []


@pytest.mark.usefixtures("no_group_left")
def test_run__ctrl_c__leaves_no_process_no_group_no_staging(interpreter: Path, job_dir: Path) -> None:
    timer = threading.Timer(1.0, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    with open_venv(interpreter, [], LIMITS, harness_dir=PROBE) as box:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            ask(box, job_dir, "import time; time.sleep(61.25)")
    assert not (job_dir / ".staging").exists()
    left = subprocess.run(["pgrep", "-f", "dnnbox_harness.main"], capture_output=True, text=True, check=False).stdout
    mine = [pid for pid in left.split() if f"PPid:\t{os.getpid()}\n" in Path(f"/proc/{pid}/status").read_text()]
    assert mine == []


@pytest.mark.usefixtures("no_group")
def test_run__without_control_group__memory_still_ends_in_oom(interpreter: Path, job_dir: Path) -> None:
    limits = Limits(memory_bytes=64 << 20)
    with open_venv(interpreter, [], limits, harness_dir=PROBE) as box:
        outcome = ask(box, job_dir, "x = [bytearray(1 << 20) for _ in range(500)]")
    assert outcome.settings["memory"] == "rlimit"
    assert isinstance(error_of(outcome, limits, 60), OutOfMemory), outcome


@pytest.mark.usefixtures("no_group")
def test_run__without_control_group__limits_of_the_process_hold(interpreter: Path, job_dir: Path) -> None:
    code = """
        import resource
        for name in ("CORE", "FSIZE", "DATA", "NOFILE"):
            facts[name] = list(resource.getrlimit(getattr(resource, "RLIMIT_" + name)))
    """
    with open_venv(interpreter, [], LIMITS, harness_dir=PROBE) as box:
        found = facts(ask(box, job_dir, code))
    assert (found["CORE"], found["FSIZE"]) == ([0, 0], [LIMITS.file_bytes] * 2)
    assert found["DATA"] == [LIMITS.memory_bytes] * 2


def test_run__some_processors__are_the_only_ones(interpreter: Path, job_dir: Path) -> None:
    limits = Limits(memory_bytes=256 << 20, cpus="1")
    with open_venv(interpreter, [], limits, harness_dir=PROBE) as box:
        assert facts(ask(box, job_dir, "facts['cpus'] = sorted(os.sched_getaffinity(0))")) == {"cpus": [1]}


def test_run__no_sandbox__says_so_and_still_limits(interpreter: Path, job_dir: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    mounts = [Mount(str(source), "/dnnbox/source")]
    with open_venv(interpreter, mounts, LIMITS, sandbox="none", harness_dir=PROBE) as box:
        assert box.sandbox == "none: not asked for"
        assert box.path(source) == str(source)
        found = facts(ask(box, job_dir, "facts.update(os.environ); facts['cwd'] = os.getcwd()"))
    assert found["cwd"] == str(job_dir / ".staging")
    assert not Path(str(found["HOME"])).exists()  # private, and gone with the box
    assert "PYTHONPATH" not in found


def test_open__bubblewrap_missing__falls_back_with_the_reason(
    interpreter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    bubblewrap.find.cache_clear()
    try:
        box = open_venv(interpreter, [], LIMITS, harness_dir=PROBE)
    finally:
        monkeypatch.undo()
        bubblewrap.find.cache_clear()
    assert box.sandbox == "none: bubblewrap is not installed"


def test_run__sandbox_that_cannot_be_made__is_engine_limit(interpreter: Path, job_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with open_venv(interpreter, [Mount(str(folder), "/dnnbox/source")], LIMITS, harness_dir=PROBE) as box:
        folder.rmdir()
        with pytest.raises(EngineLimit, match="sandbox could not be made"):
            ask(box, job_dir, "")


def test_open__mount_missing_or_gpu_missing__is_refused(interpreter: Path, tmp_path: Path) -> None:
    with pytest.raises(Usage, match="does not exist"):
        open_venv(interpreter, [Mount(str(tmp_path / "no"), "/dnnbox/source")], LIMITS)
    with pytest.raises(EnvFailed):
        open_venv(tmp_path / "bin" / "python", [], LIMITS)
    if not Path("/dev/nvidiactl").exists() and not Path("/dev/kfd").exists():
        with pytest.raises(GpuUnavailable):
            open_venv(interpreter, [], LIMITS, device="cuda")


def test_run__path_that_is_not_utf8__works(interpreter: Path, tmp_path: Path, job_dir: Path) -> None:
    path = tmp_path / os.fsdecode(b"model \xff\n.bin")
    path.write_bytes(b"weights")
    with open_venv(interpreter, [Mount(str(path), "/dnnbox/checkpoint/m")], LIMITS, harness_dir=PROBE) as box:
        found = facts(ask(box, job_dir, "facts['x'] = open('/dnnbox/checkpoint/m').read()"))
    assert found == {"x": "weights"}


def test_run__hub_cache__links_to_blobs_lead_there(interpreter: Path, tmp_path: Path, job_dir: Path) -> None:
    root = tmp_path / "models--org--name"
    (root / "snapshots" / "abc").mkdir(parents=True)
    (root / "blobs").mkdir()
    (root / "blobs" / "1234").write_text("weights")
    (root / "snapshots" / "abc" / "model.bin").symlink_to("../../blobs/1234")
    snapshot = root / "snapshots" / "abc"
    with open_venv(interpreter, [Mount(str(snapshot), "/dnnbox/checkpoint/abc")], LIMITS, harness_dir=PROBE) as box:
        code = f"facts['x'] = open({box.path(snapshot / 'model.bin')!r}).read()"
        assert facts(ask(box, job_dir, code)) == {"x": "weights"}


def test_run__staging_of_a_killed_run__is_replaced(interpreter: Path, job_dir: Path) -> None:
    (job_dir / ".staging" / "deep").mkdir(parents=True)
    (job_dir / ".staging" / "result.json").write_text("old")
    with open_venv(interpreter, [], LIMITS, harness_dir=PROBE) as box:
        outcome = ask(box, job_dir, "facts['seen'] = sorted(os.listdir('.'))")
    assert facts(outcome) == {"seen": ["request.json"]}


def test_run__two_boxes_at_once__do_not_meet(interpreter: Path, tmp_path: Path) -> None:
    found: dict[int, object] = {}

    def one(number: int) -> None:
        with open_venv(interpreter, [], LIMITS, harness_dir=PROBE) as box:
            code = f"""
                import time
                open('/tmp/x', 'w').write('{number}')
                time.sleep(0.2)
                facts['x'] = open('/tmp/x').read()
            """
            found[number] = facts(ask(box, tmp_path / str(number), code))["x"]

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: str(number) for number in range(4)}


def test_open__store_that_cannot_be_written__is_no_obstacle(
    interpreter: Path, job_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DNNBOX_HOME", str(tmp_path / "file" / "store"))
    with open_venv(interpreter, [], LIMITS, harness_dir=PROBE) as box:
        assert facts(ask(box, job_dir, "facts['x'] = 1")) == {"x": 1}


def test_run__harness__is_compiled_beforehand(interpreter: Path, job_dir: Path) -> None:
    with open_venv(interpreter, [], LIMITS, harness_dir=PROBE) as box:
        found = facts(
            ask(box, job_dir, "import sys; m = sys.modules['dnnbox_harness.main']; facts['x'] = m.__cached__")
        )
    assert str(found["x"]).startswith("/dnnbox/lib/dnnbox_harness/__pycache__/main.cpython-")


_AS_NOBODY = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from dnnbox.boxes.venv import open_venv
from dnnbox.harness.protocol import RunRequest
from dnnbox.records.environment import Limits
code = "facts['uid'] = os.getuid(); facts['home'] = os.listdir(os.environ['HOME'])"
limits = Limits(memory_bytes=256 << 20, pids=50)
with open_venv(Path("/usr/bin/python3"), [], limits, harness_dir=Path({probe!r})) as box:
    outcome = box.run(RunRequest("probe", "none", "", options={{"code": code}}), Path({job!r}), timeout_s=30)
print(box.sandbox, outcome.exit_code, outcome.result and outcome.result.effective, outcome.settings["memory"])
print(outcome.stderr_tail)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_run__caller_without_privileges__has_the_same_sandbox() -> None:
    if not Path("/usr/bin/python3").exists():
        pytest.skip("no Python outside of the user's home")
    folder = Path(tempfile.mkdtemp(prefix="dnnbox-nobody-", dir="/var/tmp"))
    try:
        shutil.copytree(PROBE, folder / "probe", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(Path(__file__).parents[3] / "dnnbox", folder / "lib" / "dnnbox")
        subprocess.run(["chown", "-R", "12345:12345", str(folder)], check=True)
        code = _AS_NOBODY.format(path=[str(folder / "lib")], probe=str(folder / "probe"), job=str(folder / "job"))
        environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "DNNBOX_HOME": str(folder / "home")}
        done = subprocess.run(
            ["/usr/bin/python3", "-I", "-B", "-c", code], user=12345, group=12345, extra_groups=[], cwd="/",
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout.startswith("bubblewrap 0 {'uid': 1000, 'home': []} rlimit"), (done.stdout, done.stderr)
        assert (folder / "job" / "result.json").stat().st_uid == 12345
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
@pytest.mark.usefixtures("no_group_left")
def test_run__timeout__leaves_no_group(interpreter: Path, job_dir: Path) -> None:
    with open_venv(interpreter, [], LIMITS, harness_dir=PROBE) as box:
        code = """
            import time
            for _ in range(5):
                if os.fork() == 0:
                    os.setsid()
            time.sleep(60)
        """
        outcome = ask(box, job_dir, code, timeout_s=1)
    assert outcome.timed_out
