"""The pure pieces of boxes: layout, limits, devices, owners, users, choices."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnnbox.boxes import bubblewrap, cgroup, choose, engines, facts, gpu, hardened, limits, owner
from dnnbox.boxes.base import inside, start_argv, with_blobs
from dnnbox.boxes.hardened import Engine
from dnnbox.boxes.readable import readable
from dnnbox.errors import EngineLimit, EngineUnavailable, GpuUnavailable, Usage
from dnnbox.records.environment import Limits, Mount, Workspace
from tests.listening import listening


def test_inside__deepest_mount__wins() -> None:
    mounts = [Mount("/a", "/dnnbox/source"), Mount("/a/b", "/dnnbox/inputs")]
    assert inside(mounts, Path("/a/x.py")) == "/dnnbox/source/x.py"
    assert inside(mounts, Path("/a/b/c")) == "/dnnbox/inputs/c"
    assert inside(mounts, Path("/a")) == "/dnnbox/source"
    with pytest.raises(ValueError, match="not visible"):
        inside(mounts, Path("/ab"))


def test_with_blobs__snapshot_of_a_hub_cache__shows_what_its_links_lead_to(tmp_path: Path) -> None:
    root = tmp_path / "models--org--name"
    (root / "snapshots" / "abc").mkdir(parents=True)
    (root / "blobs").mkdir()
    mount = Mount(str(root / "snapshots" / "abc"), "/dnnbox/checkpoint/abc")
    assert with_blobs([mount]) == (mount, Mount(str(root / "blobs"), "/dnnbox/blobs"))
    plain = Mount(str(tmp_path), "/dnnbox/checkpoint/x")
    assert with_blobs([plain]) == (plain,)


def test_start_argv__harness__is_appended_and_isolated() -> None:
    argv = start_argv("/py", "/dnnbox/lib", "/dnnbox/run")
    assert argv[:4] == ["/py", "-I", "-B", "-c"]
    compile(argv[4], "start", "exec")
    assert "sys.path.append('/dnnbox/lib')" in argv[4]


@pytest.mark.parametrize(("text", "numbers"), [("", set()), ("0", {0}), ("0-0", {0})])
def test_cpu_set__list__is_read(text: str, numbers: set[int]) -> None:
    assert limits.cpu_set(text) == numbers


@pytest.mark.parametrize("text", ["a", "1,", "-1", "3-1", "0;1", "0-", "٣", "1 2"])
def test_cpu_set__nonsense__is_a_usage_error(text: str) -> None:
    with pytest.raises(Usage):
        limits.cpu_set(text)


def test_cpu_set__processor_that_is_not_there__is_an_engine_limit() -> None:
    with pytest.raises(EngineLimit, match="processor 9999"):
        limits.cpu_set("9999")


def test_cpu_set__some_processors_may_be_used__the_way_out_names_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 2, 3, 5})

    with pytest.raises(EngineLimit) as caught:
        limits.cpu_set("0-3")

    assert caught.value.hint == "use `--cpus 0,2-3,5`, or fewer"


def test_default_memory_bytes__is_less_than_the_machine_has() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 256 << 20 <= limits.default_memory_bytes() < total


def test_nodes__cpu__are_none() -> None:
    assert gpu.nodes("cpu") == ()


def test_nodes__gpu_that_is_not_there__is_gpu_unavailable(tmp_path: Path) -> None:
    with pytest.raises(GpuUnavailable, match="nvidiactl"):
        gpu.nodes("cuda", tmp_path)


def test_nodes__nvidia__are_named_one_by_one(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-secret", "sda"):
        (tmp_path / name).touch()
    found = [Path(node).name for node in gpu.nodes("cuda:1", tmp_path)]
    assert found == ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"]


def test_nodes__amd__are_compute_and_render(tmp_path: Path) -> None:
    (tmp_path / "dri").mkdir()
    for name in ("kfd", "dri/renderD128", "dri/card0"):
        (tmp_path / name).touch()
    assert [Path(node).name for node in gpu.nodes("cuda", tmp_path)] == ["kfd", "renderD128"]


@pytest.mark.parametrize(
    ("device", "gpus", "device_ids", "count"),
    [
        ("cuda", "", ("0",), 0),
        ("cuda:2", "", ("2",), 0),
        ("cuda", "all", (), -1),
        ("cuda", "2", (), 2),
        ("cuda", "device=0,1", ("0", "1"), 0),
        ("cuda", '"device=GPU-3a23c669,1"', ("GPU-3a23c669", "1"), 0),
    ],
)
def test_request__grammar_of_docker__names_devices(
    device: str, gpus: str, device_ids: tuple[str, ...], count: int
) -> None:
    found = gpu.request(device, gpus, ())
    assert (found.driver, found.device_ids, found.count) == ("nvidia", device_ids, count)


def test_request__specification_there__uses_cdi(tmp_path: Path) -> None:
    (tmp_path / "nvidia.json").write_text('{"kind": "nvidia.com/gpu"}')
    assert gpu.request("cuda:1", "", [str(tmp_path)]).device_ids == ("nvidia.com/gpu=1",)
    assert gpu.request("cuda", "all", [str(tmp_path)]).device_ids == ("nvidia.com/gpu=all",)


def test_request__specifications_that_cannot_be_read__are_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    assert gpu.request("cuda", "", [str(tmp_path), str(tmp_path / "none")]).driver == "nvidia"


ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@pytest.mark.parametrize(
    ("device", "gpus", "variables"),
    [
        ("cpu", "all", {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}),
        ("cuda", "", ORDER),
        ("cuda", "all", ORDER),
        ("cuda", "2", {**ORDER, "CUDA_VISIBLE_DEVICES": "0,1"}),
        ("cuda", "device=GPU-3a23c669,GPU-77", {**ORDER, "CUDA_VISIBLE_DEVICES": "GPU-3a23c669,GPU-77"}),
        ("cuda", "device=MIG-GPU-3a23c669/1/0", {**ORDER, "CUDA_VISIBLE_DEVICES": "MIG-GPU-3a23c669/1/0"}),
    ],
)
def test_environment__gpus_of_a_box_without_engine__are_named_to_the_libraries(
    device: str, gpus: str, variables: dict[str, str]
) -> None:
    assert gpu.environment(device, gpus) == variables


def test_request__cpu_or_nonsense__is_empty_or_refused() -> None:
    assert not gpu.request("cpu", "all", ())
    assert gpu.request("cpu", "", ()).arguments() == {}
    with pytest.raises(Usage):
        gpu.request("cuda", "device=$(x)", ())


def test_owner__this_process__is_alive() -> None:
    assert not owner.is_provably_dead(owner.labels())


@pytest.mark.parametrize(
    ("change", "dead"),
    [
        ({"pidstart": "1"}, True),  # the pid was given to somebody else
        ({"pid": "4194300"}, True),
        ({"pid": "4194300", "host": "another"}, False),
        ({"pid": "4194300", "boot": "another"}, False),
        ({"pid": "4194300", "pidns": "another"}, False),
        ({"pid": "", "pidstart": "1"}, False),
        ({"pid": "-1"}, False),
        ({"pidstart": ""}, False),
    ],
    ids=str,
)
def test_owner__labels_of_another__are_dead_only_with_proof(change: dict[str, str], dead: bool) -> None:
    labels = {**owner.labels(), **{f"{owner.LABEL}.{name}": value for name, value in change.items()}}
    assert owner.is_provably_dead(labels) is dead


def test_owner__no_labels__is_not_ours() -> None:
    assert not owner.is_provably_dead({})


INFO = {
    "ServerVersion": "28.0",
    "CgroupVersion": "2",
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "MemoryLimit": True,
    "SwapLimit": True,
    "PidsLimit": True,
    "CPUSet": True,
}


@pytest.mark.parametrize(
    ("security", "uid", "sudo", "user"),
    [
        ([], 1000, {}, (1000, 1001)),
        ([], 0, {}, (65534, 65534)),
        ([], 0, {"SUDO_UID": "1005", "SUDO_GID": "1006"}, (1005, 1006)),
        ([], 0, {"SUDO_UID": "0", "SUDO_GID": "0"}, (65534, 65534)),
        (["name=rootless"], 1000, {}, (0, 0)),
    ],
)
def test_user_of__caller_and_engine__is_never_the_machines_root(
    monkeypatch: pytest.MonkeyPatch,
    security: list[str],
    uid: int,
    sudo: dict[str, str],
    user: tuple[int, int],
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(os, "getgid", lambda: uid and uid + 1)
    for name in ("SUDO_UID", "SUDO_GID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in sudo.items():
        monkeypatch.setenv(name, value)
    assert hardened.user_of(Engine.from_info("docker", {**INFO, "SecurityOptions": security})) == user


def test_create_arguments__follow_the_engine() -> None:
    wanted = hardened.Wanted("i", ("p",), "1:1", {}, (), Limits(memory_bytes=1 << 30), owner.labels())
    new = hardened.create_arguments(Engine.from_info("docker", INFO), wanted)
    assert new["memswap_limit"] == new["mem_limit"] == 1 << 30
    assert "mem_swappiness" not in new  # cgroup v2 refuses it
    assert (new["cap_drop"], new["network_mode"], new["read_only"], new["use_config_proxy"]) == (
        ["ALL"],
        "none",
        True,
        False,
    )
    old = hardened.create_arguments(
        Engine.from_info("docker", {**INFO, "CgroupVersion": "1", "SwapLimit": False}), wanted
    )
    assert old["mem_swappiness"] == 0
    assert "memswap_limit" not in old
    remapped = hardened.create_arguments(
        Engine.from_info("docker", {**INFO, "SecurityOptions": ["name=userns"]}), wanted
    )
    assert remapped["userns_mode"] == "host"


def test_unenforceable__rootless_without_delegation__names_the_limits() -> None:
    engine = Engine.from_info("podman", {**INFO, "MemoryLimit": False, "CPUSet": False})
    assert hardened.unenforceable(engine, Limits(memory_bytes=1)) == ["memory"]
    assert hardened.unenforceable(engine, Limits(memory_bytes=1, cpus="0")) == ["memory", "cpuset"]
    assert facts.weaknesses(engine) == ("cannot limit memory", "cannot limit cpuset")


@pytest.mark.parametrize(
    ("controllers", "lacking"),
    [((), ["memory", "pids"]), (("memory",), ["pids"]), (("memory", "pids", "cpu"), []), (None, [])],
)
def test_from_info__rootless_podman__believes_its_own_controllers(
    controllers: tuple[str, ...] | None, lacking: list[str]
) -> None:
    engine = Engine.from_info("podman", {**INFO, "Rootless": True}, controllers)

    assert engine.rootless
    assert hardened.unenforceable(engine, Limits(memory_bytes=1)) == lacking
    assert hardened.user_of(engine) == (0, 0)


def test_create_arguments__weaker_limits_accepted__are_not_asked_for() -> None:
    engine = Engine.from_info("docker", {**INFO, "PidsLimit": False})
    limits_ = Limits(memory_bytes=1 << 28, allow_weaker=True)
    wanted = hardened.Wanted("x", ("true",), "1:1", {}, (), limits_, owner.labels())

    arguments = hardened.create_arguments(engine, wanted)

    assert "pids_limit" not in arguments
    assert arguments["mem_limit"] == 1 << 28


@pytest.fixture
def engine_socket(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A socket that answers one request after the other with the given bytes."""
    answers: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answers.pop(0) if answers else b"")

    with listening(serve) as place:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
        yield answers


def test_engine_answers__ping__is_understood(engine_socket: list[bytes]) -> None:
    engine_socket += [b"HTTP/1.0 200 OK\r\n\r\nOK", b"HTTP/1.0 500 Oops\r\n\r\nno", b"nonsense", b""]
    assert [engines.engine_answers("docker") for _ in range(4)] == [True, False, False, False]


def test_engine_facts__answer__is_read(engine_socket: list[bytes]) -> None:
    import json

    engine_socket += [b"HTTP/1.0 200 OK\r\n\r\nOK", b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(INFO).encode()]
    found = facts.engine_facts("docker")
    assert (found.version, found.cgroup, found.rootless, facts.weaknesses(found)) == ("28.0", "2", False, ())
    assert facts.as_record(found)["cgroup"] == "v2"


def test_base_url__nobody_there__says_how_to_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'none'}")
    with pytest.raises(EngineUnavailable) as caught:
        engines.base_url("docker")
    assert "start it" in caught.value.hint


def test_base_url__engine_elsewhere__is_taken_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert engines.base_url("docker") == "tcp://127.0.0.1:1"


def test_choose__auto_without_engine__is_a_venv_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(name, f"unix://{tmp_path / 'none'}")
    kind, reason = choose("auto", workspace=Workspace(str(tmp_path)))
    assert kind == "venv"
    assert reason.startswith("no container engine answers")


@pytest.mark.parametrize(
    ("requested", "error"), [("nonsense", Usage), ("pixi", Usage), ("current", Usage), ("podman", EngineUnavailable)]
)
def test_choose__box_that_cannot_be__is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, requested: str, error: type[Exception]
) -> None:
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path / 'none'}")
    with pytest.raises(error):
        choose(requested, workspace=Workspace(str(tmp_path)))


def test_interpreter_mounts__venv__is_shown_at_a_fixed_place(tmp_path: Path) -> None:
    base, venv = tmp_path / "python-3.12", tmp_path / "venv"
    for folder in (base / "bin", venv / "bin"):
        folder.mkdir(parents=True)
    (base / "bin" / "python3.12").touch()
    (tmp_path / "python-3").symlink_to(base)
    (venv / "bin" / "python").symlink_to(tmp_path / "python-3" / "bin" / "python3.12")
    (venv / "pyvenv.cfg").write_text(f"home = {tmp_path / 'python-3' / 'bin'}\nversion = 3.12\n")
    python, mounts = bubblewrap.interpreter_mounts(venv / "bin" / "python")
    assert python == "/dnnbox/env/bin/python"
    shown = {mount.inside: mount.host for mount in mounts}
    assert shown == {"/dnnbox/env": str(venv), str(tmp_path / "python-3"): str(base), str(base): str(base)}


def test_interpreter_mounts__plain_python__stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    python, mounts = bubblewrap.interpreter_mounts(tmp_path / "bin" / "python")
    assert python == str(tmp_path / "bin" / "python")
    assert mounts == [Mount(str(tmp_path), str(tmp_path))]
    assert bubblewrap.interpreter_mounts(Path("/usr/bin/python3")) == ("/usr/bin/python3", [])


def test_readable__file_of_its_owner__is_copied_for_the_box(tmp_path: Path) -> None:
    secret = tmp_path / "model.safetensors"
    secret.write_bytes(b"weights")
    secret.chmod(0o600)
    mount = Mount(str(secret), "/dnnbox/checkpoint/model.safetensors")
    assert readable(mount, os.getuid(), os.getgid(), tmp_path / "a") == [mount]
    (copy,) = readable(mount, 12345, 12345, tmp_path / "b")
    assert (copy.inside, Path(copy.host).read_bytes()) == (mount.inside, b"weights")
    assert (Path(copy.host).stat().st_mode & 0o777, secret.stat().st_mode & 0o777) == (0o644, 0o600)


def test_readable__directory__copies_only_what_is_hidden(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir(mode=0o755)
    (model / "config.json").write_text("{}")
    (model / "config.json").chmod(0o644)
    (model / "weights").write_text("w")
    (model / "weights").chmod(0o600)
    mount = Mount(str(model), "/dnnbox/checkpoint/model")
    shown = readable(mount, 12345, 12345, tmp_path / "private")
    assert shown == [mount, Mount(str(tmp_path / "private" / "0"), "/dnnbox/checkpoint/model/weights")]


def test_readable__closed_directory__is_copied_whole(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights").write_text("w")
    model.chmod(0o700)
    (shown,) = readable(Mount(str(model), "/dnnbox/checkpoint/model"), 12345, 12345, tmp_path / "private")
    assert shown.inside == "/dnnbox/checkpoint/model"
    assert (Path(shown.host) / "weights").read_text() == "w"
    assert Path(shown.host).stat().st_mode & 0o777 == 0o755


def test_cgroup__where_one_can_be_made__counts_and_goes_away() -> None:
    group = cgroup.make(Limits(memory_bytes=64 << 20))
    if group is None:
        assert cgroup.version() in (0, 1, 2)
        return
    assert (group.oom_killed, group.refused) == (False, False)
    dead = group._memory.parent / "dnnbox-4194300-left"
    dead.mkdir()
    cgroup.make(Limits(memory_bytes=64 << 20)).close()  # type: ignore[union-attr]
    assert not dead.exists()
    group.close()
    assert not any(folder.exists() for folder in group._folders)
