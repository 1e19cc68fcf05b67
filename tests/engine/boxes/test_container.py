"""What only containers do: refuse, be swept, lose their engine, be interrupted, make environments."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox import boxes
from dnnbox.boxes import hardened, owner
from dnnbox.boxes.container import open_container
from dnnbox.boxes.engine import Session
from dnnbox.boxes.hardened import Wanted
from dnnbox.errors import EngineLimit, EngineLost, EngineUnavailable, EnvFailed, GpuUnavailable
from dnnbox.harness.protocol import RunRequest
from dnnbox.records.environment import Limits, Mount
from tests.engine.boxes.conftest import LIMITS, PROBE, ask, facts

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("docker_engine")]

PYTHON = "/usr/bin/python3"


@pytest.fixture
def session() -> Iterator[Session]:
    with Session("docker") as opened:
        yield opened


def containers(session: Session) -> list[str]:
    """Return the names of all containers that this process has made."""
    ours = [f"{owner.LABEL}.pid={os.getpid()}", f"{owner.LABEL}.host={socket.gethostname()}"]
    return [str(c.name) for c in session.client.containers.list(all=True, filters={"label": ours})]


def labelled(session: Session, labels: dict[str, str]) -> str:
    """Make a container and return its name. It is not started: a run beside the test may sweep it at any time."""
    name = f"dnnbox-test-{os.urandom(4).hex()}"
    session.client.containers.create(boxes.DEFAULT_IMAGE, ["true"], name=name, labels=labels, network_mode="none")
    return name


@pytest.fixture
def no_container_left(session: Session) -> Iterator[None]:
    before = set(containers(session))
    yield
    assert set(containers(session)) <= before


@pytest.mark.usefixtures("no_container_left")
def test_run__ctrl_c__leaves_no_container_and_no_staging(job_dir: Path) -> None:
    timer = threading.Timer(2.0, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    with open_container("docker", boxes.DEFAULT_IMAGE, PYTHON, [], LIMITS, harness_dir=PROBE) as box:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            ask(box, job_dir, "import time; time.sleep(60)")
    assert not (job_dir / ".staging").exists()


@pytest.mark.usefixtures("no_container_left")
def test_run__gpu_that_the_engine_cannot_pass__is_gpu_unavailable(job_dir: Path) -> None:
    with (
        open_container("docker", boxes.DEFAULT_IMAGE, PYTHON, [], LIMITS, device="cuda", harness_dir=PROBE) as box,
        pytest.raises(GpuUnavailable, match="could not select device driver") as caught,
    ):
        ask(box, job_dir, "")
    assert "nvidia-ctk runtime configure" in caught.value.hint


def test_open__image_missing__says_how_to_make_one() -> None:
    with (
        pytest.raises(EngineUnavailable, match="no image") as caught,
        open_container("docker", "no-such-image:never", PYTHON, [], LIMITS, harness_dir=PROBE),
    ):
        pass
    assert "make engines" in caught.value.hint


def test_image_python__is_read_once_per_image(tmp_path: Path) -> None:
    from dnnbox.store import Store

    store = Store(tmp_path)
    version = boxes.image_python("docker", boxes.DEFAULT_IMAGE, store=store)
    start = time.monotonic()
    assert boxes.image_python("docker", boxes.DEFAULT_IMAGE, store=store) == version == "3.11"
    assert time.monotonic() - start < 0.1
    assert boxes.image_facts("docker", boxes.DEFAULT_IMAGE, store=store).platform.startswith("x86_64-manylinux_2_")


def test_image_python__image_missing__is_engine_unavailable(tmp_path: Path) -> None:
    from dnnbox.store import Store

    with pytest.raises(EngineUnavailable, match="no image"):
        boxes.image_python("docker", "no-such-image:never", store=Store(tmp_path))


@pytest.fixture
def empty_image(session: Session, tmp_path: Path) -> Iterator[str]:
    """An image with nothing in it."""
    archive, name = tmp_path / "empty.tar", f"dnnbox-test-empty:{os.urandom(4).hex()}"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("readme"))
    repository, _, tag = name.partition(":")
    session.client.api.import_image(str(archive), repository=repository, tag=tag)
    yield name
    session.client.images.remove(name, force=True)


@pytest.mark.usefixtures("no_container_left")
def test_image_python__image_without_python__says_to_choose_another(empty_image: str, tmp_path: Path) -> None:
    from dnnbox.store import Store

    with pytest.raises(EnvFailed, match="no usable python3") as caught:
        boxes.image_python("docker", empty_image, store=Store(tmp_path))
    assert "--base-image" in caught.value.hint


@pytest.mark.usefixtures("no_container_left")
def test_image_python__engine_that_cannot_start_it__is_the_engines_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is not to blame, and another one would be no better."""
    from dnnbox.store import Store

    arguments = hardened.create_arguments
    monkeypatch.setattr(hardened, "create_arguments", lambda *given: {**arguments(*given), "user": "no-such-user"})
    monkeypatch.setattr(hardened, "differences", lambda *_: [])
    with pytest.raises(EngineUnavailable, match="no-such-user"):
        boxes.image_python("docker", boxes.DEFAULT_IMAGE, store=Store(tmp_path))


def test_sweep__dead_owner__is_removed_and_nobody_else(session: Session) -> None:
    mine = owner.labels()
    dead = {**mine, f"{owner.LABEL}.pid": "4194300", f"{owner.LABEL}.pidstart": "1"}
    elsewhere = {**dead, f"{owner.LABEL}.host": "another-machine"}
    earlier = {**dead, f"{owner.LABEL}.boot": "another boot"}
    owners = {"mine": mine, "dead": dead, "elsewhere": elsewhere, "earlier": earlier, "foreign": {}}
    names = {kind: labelled(session, labels) for kind, labels in owners.items()}
    try:
        boxes.sweep("docker")  # a run beside this test may have swept first
        left = {str(container.name) for container in session.client.containers.list(all=True)}
        assert {kind for kind, name in names.items() if name in left} == {"mine", "elsewhere", "earlier", "foreign"}
    finally:
        for kind, name in names.items():
            if kind != "dead":
                session.client.api.remove_container(name, force=True)


def test_differences__setting_that_the_engine_dropped__is_found(session: Session) -> None:
    wanted = Wanted(
        image=boxes.DEFAULT_IMAGE,
        command=("true",),
        user="1234:1234",
        environment={"A": "1"},
        mounts=(Mount("/usr", "/dnnbox/source"),),
        limits=LIMITS,
        labels=owner.labels(),
    )
    container = session.client.containers.create(**hardened.create_arguments(session.engine, wanted))
    try:
        assert hardened.differences(session.engine, wanted, container.attrs) == []
        for other in (
            replace(wanted, user="1:1"),
            replace(wanted, network="bridge"),
            replace(wanted, limits=replace(LIMITS, memory_bytes=1 << 30)),
            replace(wanted, limits=replace(LIMITS, pids=7)),
            replace(wanted, environment={}),
            replace(wanted, mounts=(Mount("/usr", "/dnnbox/source", writable=True),)),
            replace(wanted, mounts=()),
        ):
            assert len(hardened.differences(session.engine, other, container.attrs)) >= 1, other
    finally:
        container.remove(force=True)


def test_run__engine_that_cannot_limit_memory__is_engine_limit(session: Session) -> None:
    session.engine = replace(session.engine, limits={**session.engine.limits, "memory": False})
    wanted = Wanted(boxes.DEFAULT_IMAGE, ("true",), "1:1", {}, (), LIMITS, owner.labels())
    with pytest.raises(EngineLimit, match="memory"):
        session.run(wanted, timeout_s=10)


def test_run__variables_of_the_image__do_not_reach_the_job(session: Session, job_dir: Path) -> None:
    base = session.client.containers.create(boxes.DEFAULT_IMAGE, ["true"])
    try:
        image = base.commit(
            "dnnbox-test-env",
            conf={"Env": ["LD_PRELOAD=/nowhere.so", "SECRET=1", "PATH=/opt"], "Entrypoint": ["false"]},
        )
    finally:
        base.remove()
    try:
        with open_container("docker", "dnnbox-test-env", PYTHON, [], LIMITS, harness_dir=PROBE) as box:
            found = facts(ask(box, job_dir, "facts.update(os.environ)"))
    finally:
        session.client.images.remove(str(image.id), force=True)
    assert not {"LD_PRELOAD", "SECRET"} & set(found)
    assert found["PATH"] == "/usr/local/bin:/usr/bin:/bin"


@pytest.mark.usefixtures("no_container_left")
def test_run__image_with_a_volume__is_refused(session: Session, job_dir: Path) -> None:
    base = session.client.containers.create(boxes.DEFAULT_IMAGE, ["true"])
    try:
        image = base.commit("dnnbox-test-volume", conf={"Volumes": {"/data": {}}})
    finally:
        base.remove()
    try:
        with (
            open_container("docker", "dnnbox-test-volume", PYTHON, [], LIMITS, harness_dir=PROBE) as box,
            pytest.raises(EngineLimit, match="/data was not asked for") as caught,
        ):
            ask(box, job_dir, "")
        assert "--base-image" in caught.value.hint
    finally:
        session.client.images.remove(str(image.id), force=True)


def test_run__path_that_is_not_utf8__works(tmp_path: Path, job_dir: Path) -> None:
    name = os.fsdecode(b"model \xff\n.bin")
    path = tmp_path / name
    path.write_bytes(b"weights")
    with open_container(
        "docker",
        boxes.DEFAULT_IMAGE,
        PYTHON,
        [Mount(str(path), "/dnnbox/checkpoint/model.bin")],
        LIMITS,
        harness_dir=PROBE,
    ) as box:
        found = facts(ask(box, job_dir, "facts['x'] = open('/dnnbox/checkpoint/model.bin').read()"))
    assert found == {"x": "weights"}


class Relay:
    """A socket in front of the engine's own, so that the engine can be taken away."""

    def __init__(self, place: Path) -> None:
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(place))
        self.server.listen()
        self.pairs: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self.server.accept()
            except OSError:
                return
            there = socket.socket(socket.AF_UNIX)
            self.pairs += [here, there]
            there.connect("/var/run/docker.sock")
            for source, target in ((here, there), (there, here)):
                self.threads.append(threading.Thread(target=self._copy, args=(source, target), daemon=True))
                self.threads[-1].start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def cut(self, *, for_good: bool) -> None:
        """Break every connection; also refuse new ones where it is for good."""
        if for_good:
            with contextlib.suppress(OSError):
                self.server.shutdown(socket.SHUT_RDWR)
            self.server.close()
        for end in self.pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the threads that read from it

    def close(self) -> None:
        """Release everything."""
        self.cut(for_good=True)
        for thread in self.threads:
            thread.join(5)
        for end in self.pairs:
            end.close()


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    folder = Path(f"/tmp/dnnbox-relay-{os.getpid()}")
    folder.mkdir()
    relay = Relay(folder / "s")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder / 's'}")
    yield relay
    relay.close()
    shutil.rmtree(folder)


def test_run__engine_goes_away_for_good__is_engine_lost(
    relay: Relay, job_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnnbox.boxes.engine._RETURN_S", 1.0)
    with open_container("docker", boxes.DEFAULT_IMAGE, PYTHON, [], LIMITS, harness_dir=PROBE) as box:
        threading.Timer(2.0, relay.cut, kwargs={"for_good": True}).start()
        with pytest.raises(EngineLost):
            ask(box, job_dir, "import time; time.sleep(5)")
    monkeypatch.delenv("DOCKER_HOST")
    with Session("docker") as session:
        for name in containers(session):
            session.client.api.remove_container(name, force=True)


def test_run__connection_breaks_and_the_engine_is_still_there__goes_on(relay: Relay, job_dir: Path) -> None:
    with open_container("docker", boxes.DEFAULT_IMAGE, PYTHON, [], LIMITS, harness_dir=PROBE) as box:
        threading.Timer(2.0, relay.cut, kwargs={"for_good": False}).start()
        outcome = ask(box, job_dir, "import time; time.sleep(4); facts['done'] = True")
    assert facts(outcome) == {"done": True}
    assert outcome.exit_code == 0


def test_session__engine_not_running__says_how_to_start_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'none'}")
    with pytest.raises(EngineUnavailable) as caught:
        Session("docker")
    assert "systemctl start docker" in caught.value.hint


def test_session__engine_elsewhere_does_not_answer__names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(EngineUnavailable, match="does not answer") as caught:
        Session("docker")
    assert "DOCKER_HOST" in caught.value.hint


@pytest.mark.parametrize("has_cdi", [False, True])
@pytest.mark.parametrize(
    ("gpus", "inside"),
    [("", "cuda:0"), ("device=3", "cuda:0"), ("all", "cuda:3"), ("4", "cuda:3"), ("device=0,1,2,3", "cuda:3")],
)
def test_request__device_with_a_number__is_the_first_one_inside_where_it_is_the_only_one(
    tmp_path: Path, gpus: str, inside: str, has_cdi: bool
) -> None:
    (tmp_path / "nvidia.yaml").write_text("kind: nvidia.com/gpu\n")
    box = open_container("docker", boxes.DEFAULT_IMAGE, PYTHON, [], LIMITS, device="cuda:3", harness_dir=PROBE)
    from dnnbox.boxes import gpu

    box._gpu = gpu.request("cuda:3", gpus, [str(tmp_path)] if has_cdi else [])

    assert box._renumbered(RunRequest("infer", "x", "y", device="cuda:3")).device == inside


def test_limits__container_on_some_processors__sees_only_those(job_dir: Path) -> None:
    limits = Limits(memory_bytes=256 << 20, cpus="0")
    with open_container("docker", boxes.DEFAULT_IMAGE, PYTHON, [], limits, harness_dir=PROBE) as box:
        assert facts(ask(box, job_dir, "facts['cpus'] = sorted(os.sched_getaffinity(0))")) == {"cpus": [0]}
