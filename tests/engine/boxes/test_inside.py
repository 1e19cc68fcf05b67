"""More of what a job finds in a box: system calls, mounts, devices, limits. The same questions to every kind of box."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnnbox.boxes import hardened, owner, seccomp
from dnnbox.boxes.base import Box
from dnnbox.boxes.container import open_container
from dnnbox.boxes.engine import Session
from dnnbox.boxes.hardened import Wanted
from dnnbox.errors import EngineLimit
from tests.conftest import BASE_IMAGE
from tests.engine.boxes.conftest import LIMITS, PROBE, ask, facts
from tests.engine.boxes.test_sandbox import KINDS, open_box

pytestmark = pytest.mark.engine

CLONE = 56 if os.uname().machine == "x86_64" else 220


@pytest.fixture(scope="module", params=KINDS)
def box(request: pytest.FixtureRequest, interpreter: Path) -> Iterator[Box]:
    request.getfixturevalue({"venv": "bubblewrap"}.get(request.param, f"{request.param}_engine"))
    with open_box(request.param, interpreter, []) as opened:
        yield opened


def test_inside__system_calls__are_filtered(box: Box, job_dir: Path) -> None:
    code = f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
        facts["mode"] = status["Seccomp"].strip()
        for name, number in {dict(seccomp.refused())!r}.items():
            ctypes.set_errno(0)
            answer = libc.syscall(number, *[ctypes.c_long(-1)] * 6) if name != "unshare" else libc.unshare(0x10000000)
            facts[name] = ctypes.get_errno() if answer == -1 else "done"
        facts["clone into a user namespace"] = libc.syscall({CLONE}, 0x10000011, 0)
    """
    found = facts(ask(box, job_dir, code))
    assert found.pop("mode") == "2"
    assert found.pop("clone into a user namespace") == -1
    # Some container engines answer with "no such call" where others answer "not permitted".
    assert {name: number for name, number in found.items() if number not in (1, 38)} == {}


def test_inside__mounts__are_read_only_or_private_and_never_setuid(box: Box, job_dir: Path) -> None:
    code = """
        for line in open("/proc/self/mounts"):
            _, place, kind, options, *_ = line.split()
            facts[place] = [kind, options.split(",")]
    """
    found = facts(ask(box, job_dir, code))
    found.pop(
        "/sys/fs/cgroup", None
    )  # an engine with cgroup v1 mounts an empty folder there; what is in it is read-only
    writable = {place for place, (_, options) in found.items() if "rw" in options}  # type: ignore[misc]
    allowed = {"/dnnbox/run", "/tmp", "/home/dnnbox", "/dev/shm", "/dev", "/dev/pts", "/dev/mqueue", "/proc"}
    if found.get("/run", [""])[0] == "tmpfs":
        allowed.add("/run")  # podman gives every read-only container a private one
    devices = {place for place in writable if place.startswith(("/dev/", "/proc/"))}
    assert writable - devices <= allowed
    setuid = {p for p in writable - {"/dnnbox/run", "/dev"} - devices if "nosuid" not in found[p][1]}  # type: ignore[index]
    assert setuid == set()


def test_inside__devices__are_the_harmless_ones(box: Box, job_dir: Path) -> None:
    found = facts(ask(box, job_dir, "facts['nodes'] = sorted(os.listdir('/dev'))"))
    harmless = {"core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout"}
    assert set(found["nodes"]) <= harmless | {"tty", "urandom", "zero", "console"}  # type: ignore[call-overload]


def test_inside__fork_bomb__is_stopped_and_the_job_goes_on(box: Box, job_dir: Path) -> None:
    code = """
        import time
        made = []
        try:
            for _ in range(5000):
                pid = os.fork()
                if pid == 0:
                    time.sleep(30)
                    os._exit(0)
                made.append(pid)
        except OSError as error:
            facts["errno"] = error.errno
        facts["made"] = len(made)
        for pid in made:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    """
    found = facts(ask(box, job_dir, code))
    assert found["errno"] == 11
    assert int(str(found["made"])) < LIMITS.pids


def test_inside__shared_memory_and_temporary_places__have_their_size(box: Box, job_dir: Path) -> None:
    code = """
        for place in ("/dev/shm", "/tmp"):
            facts[place] = os.statvfs(place).f_blocks * os.statvfs(place).f_frsize
    """
    found = facts(ask(box, job_dir, code))
    assert found == {"/dev/shm": LIMITS.shm_bytes, "/tmp": LIMITS.memory_bytes}


def test_inside__limits_and_names__are_the_boxs(box: Box, job_dir: Path) -> None:
    code = """
        import resource, socket
        facts["core"] = resource.getrlimit(resource.RLIMIT_CORE)[1]
        facts["file"] = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        facts["host"] = socket.gethostname()
        facts["first"] = open("/proc/1/cmdline").read().split("\\0")[0].rpartition("/")[2]
        facts["session"] = os.getsid(0) > 0
        facts["terminal"] = [os.isatty(number) for number in (0, 1, 2)]
    """
    found = facts(ask(box, job_dir, code))
    assert found.pop("first") in ("bwrap", "docker-init", "tini", "catatonit", "python3", "python", "podman-init")
    assert found == {
        "core": 0, "file": LIMITS.file_bytes, "host": "dnnbox", "session": True, "terminal": [False, False, False],
    }  # fmt: skip


def test_inside__kernel__tells_and_takes_nothing(box: Box, job_dir: Path) -> None:
    code = """
        import socket
        def attempt(name, action):
            try:
                action()
                facts[name] = "done"
            except OSError:
                facts[name] = "refused"
        def write(path, text):
            file = os.open(path, os.O_WRONLY)
            try:
                os.write(file, text)
            finally:
                os.close(file)
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches",
                     "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper",
                     "/sys/power/state", "/sys/module/kernel/parameters/panic", "/dev/mem", "/dev/kmsg"):
            attempt(path, lambda: os.close(os.open(path, os.O_WRONLY)))
        attempt("kmsg", lambda: open("/dev/kmsg").read(1))
        attempt("mem", lambda: open("/dev/mem", "rb").read(1))
        attempt("oom", lambda: write("/proc/self/oom_score_adj", b"-1000"))
        attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
        attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        attempt("chroot", lambda: os.chroot("/tmp"))
        attempt("nice", lambda: os.nice(-5))
        attempt("node", lambda: os.mknod("/tmp/sda", 0o60600, os.makedev(8, 0)))
        attempt("uid", lambda: os.setuid(0 if os.getuid() else 4711))
        attempt("groups", lambda: os.setgroups([0]))
    """
    found = facts(ask(box, job_dir, code))
    assert {name for name, what in found.items() if what == "done"} == set()


def test_inside__log_flood__is_cut_and_the_job_goes_on(box: Box, job_dir: Path) -> None:
    code = """
        import sys
        for _ in range(60):
            sys.stdout.write("x" * (1 << 20))
        facts["done"] = True
    """
    assert facts(ask(box, job_dir, code)) == {"done": True}
    assert (job_dir / "stdout.txt").stat().st_size < 34 << 20


@pytest.fixture
def session(docker_engine: str) -> Iterator[Session]:
    with Session("docker") as opened:
        yield opened


# The container checks of the CIS Docker Benchmark, chapter 5, as far as they concern one container: number, what, test.
CHECKS = {
    "5.3 capabilities": lambda c, h: h["CapDrop"] == ["ALL"] and not h["CapAdd"],
    "5.4 privileged": lambda c, h: not h["Privileged"],
    "5.5 sensitive mounts": lambda c, h: not h["Binds"],
    "5.7 privileged ports": lambda c, h: not h["PortBindings"],
    "5.9 host network": lambda c, h: h["NetworkMode"] == "none",
    "5.10 memory": lambda c, h: h["Memory"] > 0,
    "5.11 processor shares": lambda c, h: h["CpuShares"] not in (0, 1024),
    "5.12 read-only root": lambda c, h: h["ReadonlyRootfs"],
    "5.13 incoming traffic": lambda c, h: not h["PublishAllPorts"],
    "5.14 restarts": lambda c, h: h["RestartPolicy"]["Name"] in ("", "no"),
    "5.15 process namespace": lambda c, h: h["PidMode"] != "host",
    "5.16 ipc namespace": lambda c, h: h["IpcMode"] == "private",
    "5.17 devices": lambda c, h: not h["Devices"],
    "5.18 ulimits": lambda c, h: {limit["Name"] for limit in h["Ulimits"]} >= {"core", "fsize"},
    "5.19 propagation": lambda c, h: all(m["BindOptions"]["Propagation"] == "rprivate" for m in h["Mounts"]),
    "5.20 uts namespace": lambda c, h: h["UTSMode"] != "host",
    "5.21 seccomp": lambda c, h: not any("unconfined" in option for option in h["SecurityOpt"]),
    "5.24 cgroup": lambda c, h: not h["CgroupParent"],
    "5.25 new privileges": lambda c, h: any(o.startswith("no-new-privileges") for o in h["SecurityOpt"]),
    "5.28 processes": lambda c, h: 0 < h["PidsLimit"] <= 4096,
    "5.29 bridge": lambda c, h: h["NetworkMode"] != "bridge",
    "5.30 user namespace": lambda c, h: h["UsernsMode"] != "host",
    "5.31 socket": lambda c, h: not any("docker.sock" in m["Source"] for m in h["Mounts"]),
    "4.1 user": lambda c, h: c["User"].partition(":")[0] not in ("", "0", "root"),
    "4.10 secrets": lambda c, h: not any("PROXY" in entry.upper() or "TOKEN" in entry for entry in c["Env"]),
}


def wanted(**changes: object) -> Wanted:
    fields: dict[str, object] = {
        "image": BASE_IMAGE, "command": ("true",), "user": "1234:1234", "environment": {"A": "1"},
        "mounts": (), "limits": LIMITS, "labels": owner.labels(),
    }  # fmt: skip
    return Wanted(**{**fields, **changes})  # type: ignore[arg-type]


def test_created__container__passes_the_benchmarks_checks(session: Session) -> None:
    container = session.client.containers.create(**hardened.create_arguments(session.engine, wanted()))
    try:
        config, host = container.attrs["Config"], container.attrs["HostConfig"]
        host["Mounts"] = host.get("Mounts") or []
        assert [name for name, check in CHECKS.items() if not check(config, host)] == []
    finally:
        container.remove(force=True)


def test_runtime__known__is_taken_and_checked(session: Session, job_dir: Path) -> None:
    runtime = "runsc" if "runsc" in session.engine.runtimes else "runc"
    with open_container(
        "docker", BASE_IMAGE, "/usr/bin/python3", [], LIMITS, runtime=runtime, harness_dir=PROBE
    ) as box:
        outcome = ask(box, job_dir, "facts['x'] = 1")
    assert outcome.settings["runtime"] == runtime


def test_runtime__unknown__is_an_engine_limit(session: Session) -> None:
    with pytest.raises(EngineLimit, match="no runtime `gone`"):
        session.run(wanted(runtime="gone"), timeout_s=5)
