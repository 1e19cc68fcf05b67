"""GPUs are asked for as each engine wants it. No machine here has one, so what answers are stand-ins, and named so.

* CDI: a specification for ``nvidia.com/gpu`` whose devices are other names of /dev/null; Podman is real. Docker reads
  such specifications from version 25 on, and what is at hand is older.
* The NVIDIA hook: a script in its place that writes down what the engine asks of it; the daemon is a real one.
* ROCm: other names of /dev/null in place of /dev/kfd and the render nodes; Docker and Podman are real.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnnbox.boxes import container, gpu, hardened, owner, podman_create
from dnnbox.boxes.container import open_container
from dnnbox.boxes.engine import Session
from dnnbox.boxes.hardened import Engine, Wanted
from dnnbox.errors import GpuUnavailable
from tests.conftest import BASE_IMAGE, ROOT, refuse_or_skip
from tests.engine.boxes.conftest import LIMITS, PROBE, ask, facts

pytestmark = [pytest.mark.engine]

PYTHON = "/usr/bin/python3"
UUIDS = ("GPU-11111111-2222-3333-4444-555555555555", "GPU-66666666-7777-8888-9999-000000000000")
LOOK = """
facts["nodes"] = sorted(name for name in os.listdir("/dev") if name.startswith(("kfd", "dri", "standin")))
facts["cdi"] = os.environ.get("CDI_STANDIN", "")
facts["visible"] = os.environ.get("NVIDIA_VISIBLE_DEVICES", "")
"""


def needs_root() -> None:
    if os.getuid() != 0:
        refuse_or_skip("this needs root: device nodes, namespaces or a daemon of its own")


@pytest.fixture
def rocm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for an AMD card's nodes, each /dev/null by another name."""
    needs_root()
    dev = tmp_path / "dev"
    (dev / "dri").mkdir(parents=True)
    for name in ("kfd", "dri/renderD128", "dri/renderD129"):
        os.mknod(dev / name, stat.S_IFCHR, os.makedev(1, 3))
        os.chown(dev / name, 0, 54321)  # the group that may use the card
        (dev / name).chmod(0o660)
    monkeypatch.setattr(container, "_DEV", dev)
    return dev


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_rocm_standin__container__sees_the_nodes_of_the_card(
    engine: str, rocm: Path, job_dir: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(f"{engine}_engine")
    look = LOOK + 'facts["dri"] = sorted(os.listdir("/dev/dri")); open("/dev/kfd", "wb").close()'

    with open_container(engine, BASE_IMAGE, PYTHON, [], LIMITS, device="cuda", harness_dir=PROBE) as box:
        outcome = ask(box, job_dir, look)

    assert facts(outcome)["nodes"] == ["dri", "kfd"]
    assert facts(outcome)["dri"] == ["renderD128", "renderD129"]
    assert outcome.settings["gpu"] == "rocm"


def cdi_device(number: int, name: str) -> dict[str, object]:
    node = {"path": f"/dev/standin-{number}", "hostPath": "/dev/null", "type": "c", "major": 1, "minor": 3}
    return {"name": name, "containerEdits": {"env": [f"CDI_STANDIN={name}"], "deviceNodes": [node]}}


CDI = {
    "cdiVersion": "0.5.0",
    "kind": "nvidia.com/gpu",
    "devices": [cdi_device(number, name) for number, name in enumerate(("0", *UUIDS, "all"))],
}

BOX = """
import json, sys
from pathlib import Path
from dnnbox.boxes.container import open_container
from dnnbox.errors import DnnboxError
from tests.engine.boxes.conftest import LIMITS, PROBE, ask, facts

gpus, image, place, look = sys.argv[1:]
try:
    with open_container("podman", image, "/usr/bin/python3", [], LIMITS, device="cuda", gpus=gpus,
                        harness_dir=PROBE) as box:
        outcome = ask(box, Path(place) / "job", look)
    kept = {name: outcome.settings[name] for name in ("gpu", "network", "read_only")}
    print(json.dumps({**facts(outcome), **kept}))
except DnnboxError as error:
    print(json.dumps({"error": error.name, "what": error.what, "hint": error.hint}))
"""


def in_podman_with_cdi(gpus: str, tmp_path: Path, specification: str) -> dict[str, object]:
    """Run a box in a mount namespace whose /etc/cdi holds the specification: Podman 4 reads no other place."""
    etc = tmp_path / "etc"
    if not etc.exists():
        shutil.copytree("/etc", etc, symlinks=True)
        (etc / "cdi").mkdir(exist_ok=True)
    (etc / "cdi" / "nvidia.yaml").write_text(specification, "utf-8")
    script = 'mount --bind "$0" /etc && exec "$@"'
    inner = [sys.executable, "-c", BOX, gpus, BASE_IMAGE, str(tmp_path), LOOK]
    environ = {name: value for name, value in os.environ.items() if name != "CONTAINER_HOST"}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(etc), *inner],
        capture_output=True, text=True, timeout=180, env={**environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.long
def test_cdi_standin__podman__injects_what_the_specification_says(podman_engine: str, tmp_path: Path) -> None:
    needs_root()
    specification = json.dumps(CDI)  # JSON is YAML too

    every = in_podman_with_cdi("all", tmp_path, specification)
    assert every.pop("nodes") == ["standin-3"]
    assert every == {"cdi": "all", "visible": "", "gpu": "cdi", "network": "none", "read_only": True}
    two = in_podman_with_cdi(f"device={','.join(UUIDS)}", tmp_path, specification)
    assert two["nodes"] == ["standin-1", "standin-2"]
    none = in_podman_with_cdi("device=7", tmp_path, specification)
    assert none["error"] == "GPU_UNAVAILABLE"
    assert "nvidia.com/gpu=7" in str(none["what"])
    assert "nvidia-ctk cdi list" in str(none["hint"])


def test_podman__no_specification__says_how_to_make_one(podman_engine: str, job_dir: Path) -> None:
    if any(next(Path(folder).glob("*"), None) for folder in ("/etc/cdi", "/var/run/cdi")):
        pytest.skip("this machine has CDI specifications of its own")

    with (
        pytest.raises(GpuUnavailable, match="CDI specification") as caught,
        open_container("podman", BASE_IMAGE, PYTHON, [], LIMITS, device="cuda", harness_dir=PROBE),
    ):
        pass
    assert "nvidia-ctk cdi generate" in caught.value.hint


def test_podman_create__arguments_of_the_api__make_the_same_container(podman_engine: str) -> None:
    request = gpu.GpuRequest("cdi", ("nvidia.com/gpu=0",))
    with Session("podman") as session:
        wanted = Wanted(
            BASE_IMAGE,
            ("true",),
            "65534:65534",
            {"PATH": "/usr/bin", "A": "b c"},
            (),
            LIMITS,
            owner.labels(),
            gpu=request,
        )
        arguments = hardened.create_arguments(session.engine, wanted)
        podman_create.create(session._url, arguments, ())  # without the device, which this machine has not
        try:
            made = session.client.containers.get(arguments["name"])
            found = hardened.differences(session.engine, wanted, made.attrs)
        finally:
            session.client.api.remove_container(arguments["name"], force=True)

    assert found == []
    assert "--device=nvidia.com/gpu=0" in podman_create.argv(arguments, request.device_ids)


HOOK = r"""#!/bin/sh
# A recording stand-in for NVIDIA's hook: it gets the container's state on its standard input, and passes no GPU.
state=$(cat)
bundle=$(printf %s "$state" | sed -n 's/.*"bundle": *"\([^"]*\)".*/\1/p')
{ echo "arguments=$*"; grep -o '"NVIDIA_[A-Z_]*=[^"]*"' "$bundle/config.json"; } >> RECORD
"""


@pytest.fixture
def daemon(docker_engine: str) -> Iterator[tuple[str, Path]]:
    """A Docker daemon of the test's own that finds the stand-in hook on its PATH; yields its address and the record."""
    needs_root()
    program = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        refuse_or_skip("dockerd is not installed here")
    folder = Path(tempfile.mkdtemp(prefix="dnnbox-hook-", dir="/tmp"))
    hook, record = folder / "bin" / "nvidia-container-runtime-hook", folder / "record"
    hook.parent.mkdir()
    hook.write_text(HOOK.replace("RECORD", str(record)))
    hook.chmod(0o755)
    address = f"unix://{folder}/s"
    options = ["--host", address, "--pidfile", f"{folder}/pid", "--bridge", "none", "--iptables=false"]
    options += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--ip-forward=false"]
    environ = {**os.environ, "PATH": f"{hook.parent}:/usr/sbin:/usr/bin:/sbin:/bin"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(program), *options], env=environ, stdout=log, stderr=log)
    try:
        client = ["docker", "--host", address]
        deadline = time.monotonic() + 90
        while subprocess.run([*client, "info"], capture_output=True, check=False).returncode != 0:
            assert time.monotonic() < deadline, (folder / "log").read_text("utf-8", "replace")[-2000:]
            time.sleep(0.3)
        with subprocess.Popen(["docker", "save", BASE_IMAGE], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                [*client, "load", "--quiet"], stdin=saved.stdout, check=True, capture_output=True, timeout=180
            )
        yield address, record
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
def test_hook_standin__docker__is_asked_for_exactly_the_gpus_that_were_named(
    daemon: tuple[str, Path], job_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, record = daemon
    monkeypatch.setenv("DOCKER_HOST", address)

    for gpus, visible in (("all", "all"), (f"device={','.join(UUIDS)}", ",".join(UUIDS)), ("", "0")):
        record.unlink(missing_ok=True)
        box = open_container("docker", BASE_IMAGE, PYTHON, [], LIMITS, device="cuda", gpus=gpus, harness_dir=PROBE)
        with box as opened:
            outcome = ask(opened, job_dir, LOOK)

        said = record.read_text("utf-8").splitlines()
        assert said[0] == "arguments=prestart"
        assert f'"NVIDIA_VISIBLE_DEVICES={visible}"' in said
        assert any(line.startswith('"NVIDIA_DRIVER_CAPABILITIES=') and "compute" in line for line in said)
        assert facts(outcome)["visible"] == visible
        assert outcome.settings["gpu"] == "nvidia"


def test_differences__another_gpu_than_wanted__is_found() -> None:
    engine = Engine("docker", "28.0", "2", False, False, dict.fromkeys(("memory", "swap", "pids", "cpuset"), True))
    wanted = Wanted("x", ("true",), "1:1", {}, (), LIMITS, {}, gpu=gpu.GpuRequest("nvidia", UUIDS))

    def named(**host: object) -> list[str]:
        settings = hardened._devices(engine, wanted, host)
        return [name for name, actual, expected in settings if actual != expected]

    asked = {"Driver": "", "Count": 0, "DeviceIDs": list(UUIDS), "Capabilities": [["gpu"]]}
    assert named(DeviceRequests=[asked]) == []
    assert named(DeviceRequests=[{**asked, "DeviceIDs": [UUIDS[0]]}]) == ["devices"]
    assert named(DeviceRequests=[{**asked, "DeviceIDs": None, "Count": -1}]) == ["devices"]
    assert named(DeviceRequests=[asked], Devices=[{"PathInContainer": "/dev/sda"}]) == ["devices"]
    assert named() == ["devices"]
