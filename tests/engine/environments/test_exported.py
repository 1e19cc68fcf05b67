"""The exported folder realises without dnnbox, in four ways, and the same script gives the same bytes in each."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli, docker_problem, refuse_or_skip
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.long, pytest.mark.engine, pytest.mark.xdist_group("exports")]

HERE = Path(__file__).parent
SCRIPT = """\
import hashlib, sys
import numpy, onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
random = numpy.random.default_rng(7)
shapes = {i.name: [n if isinstance(n, int) else 2 for n in i.shape] for i in session.get_inputs()}
outputs = session.run(None, {name: random.random(shape, dtype="float32") for name, shape in shapes.items()})
digest = hashlib.sha256(b"".join(output.tobytes() for output in outputs))
print(digest.hexdigest())
"""

TORCH_SCRIPT = """\
import hashlib, sys
import torch

torch.manual_seed(7)
torch.set_num_threads(1)
model = torch.jit.load(sys.argv[1], map_location="cpu").eval()
weights = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
product = torch.rand(64, 64) @ torch.rand(64, 64)
print(hashlib.sha256(weights + product.numpy().tobytes()).hexdigest())
"""


def call(argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str], timeout_s: float = 300) -> str:
    """Run a command as somebody who has no dnnbox; return its standard output."""
    done = subprocess.run(
        [shutil.which(str(argv[0]), path=env["PATH"]) or str(argv[0]), *map(str, argv[1:])],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=cwd,
        env=dict(env),
    )
    assert done.returncode == 0, f"{argv[0]}: {done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    return done.stdout


@dataclass
class Place:
    """A folder with nothing but the exported files, and a home of its own."""

    folder: Path
    environ: dict[str, str]
    script: str = SCRIPT

    def digest(self, python: Path, checkpoint: Path) -> str:
        return call([python, "-I", "-c", self.script, checkpoint], self.folder, self.environ).strip()


@pytest.fixture(scope="module")
def channel(conda_folder: Path) -> Iterator[str]:
    """Serve the conda channel on this machine; yields its URL."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            del self.headers["If-Modified-Since"]  # py-rattler 0.28 asks with it and does not take the answer 304
            super().do_GET()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=conda_folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def exported(dnnbox: Cli, zoo: Zoo, workspace: Path, channel: str) -> Path:
    """Export every format of the ONNX checkpoint's environment."""
    (workspace / "dnnbox.toml").write_text(f'channels = ["{channel}"]\n', encoding="utf-8")
    done = dnnbox("env", zoo.path("onnx"), "-o", "environment", "--format", "all", "--python", running(), "--json")
    assert done.code == 0, done.stderr
    assert done.json["failed"] == []
    return workspace / "environment"


def running() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str, Path], Place]:
    """Return a function that makes a clean copy of an exported folder."""
    left_out = ("UV_FIND_LINKS", "PIP_FIND_LINKS", "UV_CACHE_DIR", "VIRTUAL_ENV", "PYTHONPATH", "DNNBOX_HOME")
    environ = {name: value for name, value in os.environ.items() if name not in left_out}
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"  # uv

    def copied(name: str, exported: Path) -> Place:
        folder = tmp_path / name / "environment"
        shutil.copytree(exported, folder)
        home = tmp_path / name / "home"
        home.mkdir()
        own = {"HOME": str(home), "UV_CACHE_DIR": str(home / "uv"), "UV_PYTHON_DOWNLOADS": "never"}
        return Place(
            folder, environ | own | {"PIP_NO_CACHE_DIR": "1", "PIP_NO_COMPILE": "1", "UV_PYTHON": sys.executable}
        )

    return copied


def by_uv(place: Place, checkpoint: Path) -> str:
    call(["uv", "sync", "--frozen"], place.folder, place.environ)
    return place.digest(place.folder / ".venv" / "bin" / "python", checkpoint)


def by_pip(place: Place, checkpoint: Path) -> str:
    base = Path(getattr(sys, "_base_executable", sys.executable))
    call([base, "-m", "venv", ".venv"], place.folder, place.environ)
    python = place.folder / ".venv" / "bin" / "python"
    install = ["-m", "pip", "install", "--require-hashes", "--no-deps", "-r", "requirements.txt"]
    call([python, *install], place.folder, place.environ)
    return place.digest(python, checkpoint)


def by_pylock(place: Place, checkpoint: Path) -> str:
    call(["uv", "venv", "--no-config"], place.folder, place.environ)
    python = place.folder / ".venv" / "bin" / "python"
    environ = place.environ | {"UV_PYTHON": str(python)}
    call(["uv", "pip", "sync", "--require-hashes", "pylock.toml"], place.folder, environ)
    return place.digest(python, checkpoint)


def by_pixi(place: Place, checkpoint: Path) -> str:
    """The conda part of pixi.lock by pixi's engine, the PyPI part by uv, which is pixi's engine for that."""
    prefix = place.folder / "prefix"
    told = call([sys.executable, HERE / "pixi_install.py", place.folder, prefix], place.folder, place.environ)
    pins = dict(line.split(" ")[0].split("==") for line in lock_lines(place.folder))
    assert json.loads(told) == pins
    python = prefix / "bin" / "python"
    install = ["uv", "pip", "install", "--require-hashes", "--no-deps", "-r", "requirements.txt"]
    call(install, place.folder, place.environ | {"UV_PYTHON": str(python)})
    return place.digest(python, checkpoint)


def lock_lines(folder: Path) -> list[str]:
    text = (folder / "requirements.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if "==" in line and not line.startswith(("#", "-", " "))]


def by_docker(place: Place, checkpoint: Path) -> str:
    """The certificates of this machine's proxy go in as ca-bundle.pem; they must not come out in the image."""
    if problem := docker_problem():
        refuse_or_skip(problem)
    bundle = os.environ.get("SSL_CERT_FILE", "")
    if bundle:
        shutil.copy(bundle, place.folder / "ca-bundle.pem")
    name = f"dnnbox-test-{uuid.uuid4().hex[:12]}"
    build = [
        "docker",
        "build",
        "-q",
        "--network",
        "host",
        "--build-arg",
        "BASE_IMAGE=dnnbox-base:bookworm",
        "-t",
        name,
        ".",
    ]
    call(build, place.folder, os.environ)
    try:
        mount = ["--mount", f"type=bind,source={checkpoint.parent.resolve()},target=/checkpoint,readonly"]
        start = ["docker", "run", "--rm", "--network", "none", "--read-only", *mount, name]
        look = "import os, pathlib; print(os.getuid(), pathlib.Path('/build').exists())"
        assert call([*start, "python", "-I", "-c", look], place.folder, os.environ).split() == ["10001", "False"]
        inside = f"/checkpoint/{checkpoint.name}"
        return call([*start, "python", "-I", "-c", place.script, inside], place.folder, os.environ).strip()
    finally:
        call(["docker", "rmi", "-f", name], place.folder, os.environ)


WAYS = (by_uv, by_pip, by_pylock, by_pixi, by_docker)


def test_exported_folder__five_ways__same_output(place: Callable[[str, Path], Place], exported: Path, zoo: Zoo) -> None:

    digests = {way.__name__: way(place(way.__name__, exported), zoo.path("onnx")) for way in WAYS}

    assert len(set(digests.values())) == 1, digests
    assert len(digests["by_uv"]) == 64


def test_torch_on_no_index__wheel_provided__same_output(
    place: Callable[[str, Path], Place], dnnbox: Cli, zoo: Zoo, workspace: Path
) -> None:
    checkpoint = zoo.path("torchscript")
    done = dnnbox("env", checkpoint, "-o", "environment", "--python", running(), "--json")
    assert done.code == 0, done.stderr
    exported = workspace / "environment"
    names = re.findall(r"^\* `(torch-[^`]+\.whl)`, sha256", (exported / "README.md").read_text("utf-8"), re.MULTILINE)
    copy = replace(place("by_uv", exported), script=TORCH_SCRIPT)
    for name in names:
        (copy.folder / "wheels").mkdir()
        (copy.folder / "wheels" / name).symlink_to(Path(os.environ["PIP_FIND_LINKS"], name))

    digest = by_uv(copy, checkpoint)

    assert digest == copy.digest(ROOT / ".venv-zoo" / "bin" / "python", checkpoint)
    shutil.rmtree(copy.folder.parent)


def test_exported_twice__every_format__same_bytes(dnnbox: Cli, zoo: Zoo, exported: Path, workspace: Path) -> None:
    again = dnnbox("env", zoo.path("onnx"), "-o", "again", "--format", "all", "--python", running(), "--json")

    assert again.code == 0, again.stderr
    first = {path.name: path.read_bytes() for path in exported.iterdir()}
    assert first == {path.name: path.read_bytes() for path in (workspace / "again").iterdir()}
    assert len(first) == 11
    for name, data in first.items():
        assert str(Path.home()).encode() not in data, name
        assert str(workspace.parent).encode() not in data, name
