"""What a job can and cannot do in a box: the same questions to a sandboxed venv and to a container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnnbox import boxes
from dnnbox.boxes.base import Box
from dnnbox.boxes.container import open_container
from dnnbox.boxes.failures import error_of
from dnnbox.boxes.venv import open_venv
from dnnbox.errors import BadOutput, OutOfMemory, OutputLimit, RunFailed, RunSignal, TimedOut
from dnnbox.records.environment import Limits, Mount
from dnnbox.records.run import RunOutcome
from tests.engine.boxes.conftest import LIMITS, PROBE, ask, facts

pytestmark = pytest.mark.engine

KINDS = ("venv", "docker", pytest.param("podman", marks=pytest.mark.long))


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """One kind of box per round; skips where the machine cannot make it."""
    needed = {"venv": "bubblewrap", "docker": "docker_engine", "podman": "podman_engine"}
    request.getfixturevalue(needed[request.param])
    return str(request.param)


def open_box(kind: str, interpreter: Path, mounts: list[Mount], limits: Limits = LIMITS) -> Box:
    if kind == "venv":
        return open_venv(interpreter, mounts, limits, harness_dir=PROBE)
    return open_container(kind, boxes.DEFAULT_IMAGE, "/usr/bin/python3", mounts, limits, harness_dir=PROBE)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that only its owner may read, as safetensors writes them."""
    path = tmp_path_factory.mktemp("weights") / "a model, [1]: x.bin"
    path.write_bytes(b"weights")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def box(kind: str, interpreter: Path, checkpoint: Path) -> Iterator[Box]:
    mounts = [Mount(str(checkpoint), f"/dnnbox/checkpoint/{checkpoint.name}")]
    with open_box(kind, interpreter, mounts) as opened:
        yield opened


def error_name(outcome: RunOutcome, limits: Limits = LIMITS, timeout_s: float = 60) -> str:
    error = error_of(outcome, limits, timeout_s)
    return "OK" if error is None else error.name


def test_box__a_job_that_answers__is_a_result_with_times(box: Box, job_dir: Path) -> None:
    outcome = ask(box, job_dir, "facts['x'] = 1")
    assert facts(outcome) == {"x": 1}
    assert error_of(outcome, LIMITS, 60) is None
    assert outcome.result is not None
    assert 0 < outcome.result.started_ns - outcome.spawned_ns < outcome.wall_s * 1e9
    assert sorted(path.name for path in job_dir.iterdir()) == [
        "request.json",
        "result.json",
        "stderr.txt",
        "stdout.txt",
    ]


def test_box__privileges__are_none(box: Box, job_dir: Path) -> None:
    code = "facts.update(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())"
    status = {name: str(value).strip() for name, value in facts(ask(box, job_dir, code)).items()}
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Uid"].split()[0] != "0"


def test_box__network__leads_nowhere(box: Box, job_dir: Path) -> None:
    code = """
        import socket
        facts["interfaces"] = sorted(name for _, name in socket.if_nameindex())
        facts["routes"] = open("/proc/net/route").read().count("\\n") - 1
        for address in ("1.1.1.1", "169.254.169.254", "172.17.0.1"):
            try:
                socket.create_connection((address, 80), 2)
                facts[address] = "reached"
            except OSError:
                facts[address] = "no"
        try:
            facts["dns"] = socket.gethostbyname("pypi.org")
        except OSError:
            facts["dns"] = "no"
    """
    found = facts(ask(box, job_dir, code))
    assert found.pop("interfaces") == ["lo"]
    assert found == {"routes": 0, "1.1.1.1": "no", "169.254.169.254": "no", "172.17.0.1": "no", "dns": "no"}


def test_box__writing__works_in_the_run_directory_and_private_places_only(box: Box, job_dir: Path) -> None:
    code = """
        places = ["/", "/usr", "/etc", "/dev", "/dnnbox", "/dnnbox/lib", "/dnnbox/lib/dnnbox_harness",
                  "/dnnbox/checkpoint", "/var/tmp", "/home", "/root", "/proc/sys/kernel", "/sys/kernel",
                  "/tmp", "/dev/shm", os.environ["HOME"], "/dnnbox/run"]
        for place in places:
            try:
                with open(place + "/canary", "w") as file:
                    file.write("x")
                facts[place] = True
                os.unlink(place + "/canary")
            except OSError:
                facts[place] = False
    """
    found = facts(ask(box, job_dir, code))
    assert sorted(place for place, written in found.items() if written) == [
        "/dev/shm",
        "/dnnbox/run",
        "/home/dnnbox",
        "/tmp",
    ]


def test_box__private_places__are_empty_for_every_job(box: Box, job_dir: Path, tmp_path: Path) -> None:
    code = """
        for place in ("/tmp", "/dev/shm", os.environ["HOME"]):
            facts[place] = os.listdir(place)
            open(place + "/left", "w").close()
    """
    ask(box, job_dir, code)
    assert facts(ask(box, tmp_path / "second", code)) == {"/tmp": [], "/dev/shm": [], "/home/dnnbox": []}


def test_box__environment__holds_nothing_of_the_caller(
    box: Box, job_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "LD_PRELOAD_X", "PYTHONPATH"):
        monkeypatch.setenv(name, "canary-4711")
    found = facts(ask(box, job_dir, "facts.update(os.environ)"))
    assert "canary-4711" not in str(found)
    by_podman = {"TERM", "container"}  # two words about the box itself
    assert set(found) - {"PWD", "HOSTNAME", "LC_CTYPE"} - by_podman == {
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "PYTHONUNBUFFERED"),
        *("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"),
        *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"),
    }


def test_box__the_users_files__are_not_there(box: Box, job_dir: Path, checkpoint: Path) -> None:
    home = Path.home()
    code = f"""
        facts["shadow"] = os.access("/etc/shadow", os.R_OK)
        facts["home"] = os.path.exists({str(home / ".ssh")!r}) or os.path.exists({str(home / ".bashrc")!r})
        facts["repository"] = os.path.exists({str(Path(__file__))!r})
        facts["beside"] = os.path.exists({str(checkpoint)!r})
        facts["processes"] = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
        facts["engine"] = [p for p in ("/var/run/docker.sock", "/run/podman/podman.sock") if os.path.exists(p)]
    """
    found = facts(ask(box, job_dir, code))
    processes = found.pop("processes")
    assert isinstance(processes, list)
    assert len(processes) <= 3
    assert found == {"shadow": False, "home": False, "repository": False, "beside": False, "engine": []}


def test_box__checkpoint__can_be_read_and_not_changed(box: Box, job_dir: Path, checkpoint: Path) -> None:
    code = f"""
        path = {box.path(checkpoint)!r}
        facts["content"] = open(path, "rb").read().decode()
        for name, change in (("write", lambda: open(path, "ab")), ("remove", lambda: os.unlink(path)),
                             ("mode", lambda: os.chmod(path, 0o777))):
            try:
                change()
                facts[name] = "done"
            except OSError:
                facts[name] = "refused"
    """
    found = facts(ask(box, job_dir, code))
    assert found == {"content": "weights", "write": "refused", "remove": "refused", "mode": "refused"}
    assert oct(checkpoint.stat().st_mode & 0o777) == "0o600"


def test_box__path_that_is_not_mounted__is_refused(box: Box, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not visible"):
        box.path(tmp_path)


def test_box__setuid_program__gives_nothing(box: Box, job_dir: Path) -> None:
    code = """
        import shutil, subprocess
        shutil.copy("/bin/cat", "/dnnbox/run/cat")
        os.chmod("/dnnbox/run/cat", 0o6755)
        def run(*argv):
            return subprocess.run(argv, capture_output=True)
        facts["shadow"] = run("/dnnbox/run/cat", "/etc/shadow").returncode
        facts["caps"] = run("/bin/grep", "CapEff", "/proc/self/status").stdout.decode()
    """
    found = facts(ask(box, job_dir, code))
    assert found["shadow"] != 0
    assert found["caps"] == "CapEff:\t0000000000000000\n"
    assert not (job_dir / "cat").exists()


def test_box__new_namespaces_and_mounts__are_refused(box: Box, job_dir: Path) -> None:
    code = """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        facts["unshare"] = libc.unshare(0x10000000)
        facts["mount"] = libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)
    """
    found = facts(ask(box, job_dir, code))
    assert found["mount"] == -1
    assert found["unshare"] == -1


def test_box__stdin__is_closed_and_output_is_kept(box: Box, job_dir: Path) -> None:
    code = """
        import sys
        facts["stdin"] = sys.stdin.read() if sys.stdin else ""
        print("said")
        sys.stderr.write("e" * (1 << 20))
    """
    outcome = ask(box, job_dir, code)
    assert facts(outcome) == {"stdin": ""}
    assert (job_dir / "stdout.txt").read_text() == "said\n"
    assert (job_dir / "stderr.txt").stat().st_size == 1 << 20


def test_box__timeout__ends_the_job_and_keeps_what_it_wrote(box: Box, job_dir: Path) -> None:
    code = """
        import time
        os.mkdir("arrays")
        open("arrays/partial.npy", "w").write("half")
        time.sleep(60)
    """
    outcome = ask(box, job_dir, code, timeout_s=1.5)
    assert isinstance(error_of(outcome, LIMITS, 1.5), TimedOut)
    assert outcome.wall_s < 15
    assert (job_dir / "arrays" / "partial.npy").read_text() == "half"


def test_box__memory__ends_in_oom(kind: str, interpreter: Path, job_dir: Path) -> None:
    limits = Limits(memory_bytes=64 << 20)
    with open_box(kind, interpreter, [], limits) as small:
        outcome = ask(small, job_dir, "x = [bytearray(1 << 20) for _ in range(500)]")
    assert isinstance(error_of(outcome, limits, 60), OutOfMemory), outcome
    assert outcome.oom_killed


def test_box__child_killed_for_memory__is_no_success(kind: str, interpreter: Path, job_dir: Path) -> None:
    limits = Limits(memory_bytes=64 << 20)
    code = """
        import subprocess, sys
        child = "x = [bytearray(1 << 20) for _ in range(500)]"
        facts["child"] = subprocess.run([sys.executable, "-I", "-S", "-c", child]).returncode
    """
    with open_box(kind, interpreter, [], limits) as small:
        outcome = ask(small, job_dir, code)
    assert facts(outcome) == {"child": -9}
    assert error_name(outcome, limits) == "OOM"


def test_box__fork_bomb__is_contained(box: Box, job_dir: Path) -> None:
    code = """
        import time
        started = 0
        try:
            for _ in range(1000):
                if os.fork() == 0:
                    time.sleep(30)
                    os._exit(0)
                started += 1
        except OSError as error:
            facts["error"] = error.errno
        facts["started"] = started
    """
    found = facts(ask(box, job_dir, code))
    assert found["error"] == 11
    assert isinstance(found["started"], int)
    assert 100 < found["started"] <= LIMITS.pids


def test_box__signal__is_named(box: Box, job_dir: Path) -> None:
    error = error_of(ask(box, job_dir, "os.kill(os.getpid(), 11)"), LIMITS, 60)
    assert isinstance(error, RunSignal)
    assert "SIGSEGV" in error.what


def test_box__exit_without_answer__is_bad_output_or_a_failure(box: Box, job_dir: Path, tmp_path: Path) -> None:
    assert isinstance(error_of(ask(box, job_dir, "answer = False"), LIMITS, 60), BadOutput)
    error = error_of(ask(box, tmp_path / "2", "raise SystemExit('no such thing')"), LIMITS, 60)
    assert isinstance(error, RunFailed)
    assert "no such thing" in error.what


def test_box__file_over_the_limit__is_refused_to_the_job(box: Box, job_dir: Path) -> None:
    code = """
        try:
            with open("big", "wb") as file:
                file.truncate(1 << 40)
            facts["sparse"] = "made"
        except OSError as error:
            facts["sparse"] = error.errno
    """
    assert facts(ask(box, job_dir, code)) == {"sparse": 27}


def test_box__many_files__are_stopped_at_the_cap(kind: str, interpreter: Path, job_dir: Path) -> None:
    limits = Limits(memory_bytes=512 << 20, file_bytes=8 << 20, output_bytes=32 << 20)
    code = """
        import time
        for number in range(40):
            open(str(number), "wb").write(b"x" * (4 << 20))
        time.sleep(30)
    """
    with open_box(kind, interpreter, [], limits) as small:
        outcome = ask(small, job_dir, code)
    assert isinstance(error_of(outcome, limits, 60), OutputLimit)
    assert outcome.wall_s < 25


def test_box__hostile_outputs__are_not_followed(box: Box, job_dir: Path) -> None:
    code = """
        import socket
        os.makedirs("arrays/deep")
        os.symlink("/etc/passwd", "arrays/link.npy")
        os.symlink("/etc", "artifacts")
        os.mkfifo("arrays/fifo.npy")
        socket.socket(socket.AF_UNIX).bind("arrays/socket.npy")
        open("arrays/good.npy", "w").write("good")
        os.chmod("arrays/good.npy", 0o6755)
        open("arrays/\\x1b[2Jname", "w").close()
        open("elsewhere", "w").close()
        here = "arrays/deep"
        for _ in range(40):
            here += "/d"
            os.mkdir(here)
        os.mkdir("arrays/closed")
        os.chmod("arrays/closed", 0)
        result["arrays"] = [{"name": "y", "role": "output", "path": "arrays/good.npy", "dtype": "float32"},
                            {"name": "z", "role": "output", "path": "arrays/link.npy", "dtype": "float32"}]
        result["artifacts"] = [{"path": "../../escape"}, {"path": "/etc/passwd"}]
    """
    outcome = ask(box, job_dir, code)
    assert sorted(outcome.files) == ["arrays/good.npy", "result.json"]
    good = job_dir / "arrays" / "good.npy"
    assert (good.read_text(), oct(good.stat().st_mode & 0o7777)) == ("good", "0o644")
    assert not [path for path in job_dir.rglob("*") if path.is_symlink()]
    assert (good.stat().st_uid, good.stat().st_gid) == (os.getuid(), os.getgid())
    assert "\x1b" not in str(outcome.rejected)
    error = error_of(outcome, LIMITS, 60)
    assert isinstance(error, BadOutput)
    assert "link.npy" in error.what


def test_box__result_that_is_a_link__is_bad_output(box: Box, job_dir: Path) -> None:
    outcome = ask(box, job_dir, "answer = False; os.symlink('/etc/passwd', 'result.json')")
    assert outcome.result is None
    assert isinstance(error_of(outcome, LIMITS, 60), BadOutput)
    assert not (job_dir / "result.json").exists()
