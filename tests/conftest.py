"""Fixtures that every test may ask for: the zoo, a workspace, the command line, and what this machine can do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.zoo import Zoo, ZooMissing

ROOT = Path(__file__).resolve().parents[1]
BASE_IMAGE = "dnnbox-base:bookworm"
SLURM_CONF = Path(os.environ.get("SLURM_CONF", ROOT / ".cache" / "slurm" / "slurm.conf"))

# A shell that starts the tests in the background has them ignore Ctrl-C, and their children too: tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Finished:
    """One finished call of the command line."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.stdout)


Cli = Callable[..., Finished]


def refuse_or_skip(reason: str) -> None:
    """Skip with the reason; fail where the machine promised to have everything."""
    if os.environ.get("DNNBOX_REQUIRE_ENGINES") == "1":
        pytest.fail(f"DNNBOX_REQUIRE_ENGINES=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def docker_problem() -> str:
    """Return why container tests cannot run here, or ""."""
    if shutil.which("docker") is None:
        return "docker is not installed: `make engines`"
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", BASE_IMAGE]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        return "the docker engine does not answer within 30 s"
    if done.returncode == 0:
        return ""
    if "No such image" in done.stderr:
        return f"the image {BASE_IMAGE} is missing: `make engines`"
    return f"no docker engine answers: {done.stderr.strip()[-200:]}"


def podman_problem() -> str:
    """Return why tests with Podman cannot run here, or ""."""
    if shutil.which("podman") is None:
        return "podman is not installed: `make engines PODMAN=1`"
    command = ["podman", "image", "exists", BASE_IMAGE]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0:
        return ""
    return f"podman lacks the image {BASE_IMAGE}: `make engines PODMAN=1` ({done.stderr.strip()[-200:]})"


def bubblewrap_problem() -> str:
    """Return why sandbox tests cannot run here, or ""."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return "bubblewrap is not installed: `make engines`"
    probe = [bwrap, "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "true"]
    done = subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    return "" if done.returncode == 0 else f"bubblewrap does not work here: {done.stderr.strip()[-200:]}"


def slurm_problem() -> str:
    """Return why tests with Slurm cannot run here, or ""."""
    if shutil.which("sbatch") is None:
        return "Slurm is not installed: `make engines SLURM=1`"
    if not SLURM_CONF.is_file():
        return "no Slurm was started: `make engines SLURM=1`"
    command = ["sinfo", "--noheader", "--states=idle,mixed,allocated", "--format=%n"]
    environ = os.environ | {"SLURM_CONF": str(SLURM_CONF)}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=environ, check=False
    )
    return "" if done.stdout.strip() else f"Slurm does not answer: {done.stderr.strip()[-200:]}"


@pytest.fixture(scope="session")
def slurm() -> dict[str, str]:
    """Return the variables with which commands find the Slurm of tools/slurm.sh; skips where it does not answer."""
    if problem := slurm_problem():
        refuse_or_skip(problem)
    return {"SLURM_CONF": str(SLURM_CONF)}


@pytest.fixture(scope="session")
def docker_engine() -> str:
    """Return the base image's name; skips where no engine answers or the image is missing."""
    if problem := docker_problem():
        refuse_or_skip(problem)
    return BASE_IMAGE


@pytest.fixture(scope="session")
def podman_engine() -> str:
    """Return the base image's name; skips where podman is not installed or lacks the image."""
    if problem := podman_problem():
        refuse_or_skip(problem)
    return BASE_IMAGE


@pytest.fixture(scope="session")
def bubblewrap() -> Path:
    """Return the bwrap binary; skips where it is missing or may not make namespaces."""
    if problem := bubblewrap_problem():
        refuse_or_skip(problem)
    return Path(str(shutil.which("bwrap")))


@pytest.fixture(scope="session")
def zoo() -> Zoo:
    """Return the zoo of real checkpoints; skips where the frameworks are not installed."""
    try:
        return Zoo()
    except ZooMissing as missing:
        refuse_or_skip(str(missing))
        raise


@pytest.fixture(scope="session")
def dnnbox_home() -> Path:
    """Return the store that all tests and all workers share: environments are expensive, and keyed by their lock."""
    home = ROOT / ".cache" / "test-home"
    home.mkdir(parents=True, exist_ok=True)
    return home


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return an empty project directory; the command line runs in it."""
    directory = tmp_path / "workspace"
    directory.mkdir()
    return directory


@pytest.fixture
def dnnbox(workspace: Path, dnnbox_home: Path) -> Cli:
    """Return a function that runs the installed command as a user would, in the workspace, without a terminal.

    ``through`` is a command that runs it, such as setpriv with its options.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DNNBOX_")}
    environ.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # starting the command a hundred times would compile it a hundred times
    environ |= {"DNNBOX_HOME": str(dnnbox_home), "NO_COLOR": "1", "COLUMNS": "120", "PYTHONUTF8": "1"}
    if "UV_FIND_LINKS" not in environ and "PIP_FIND_LINKS" in environ:
        environ["UV_FIND_LINKS"] = environ["PIP_FIND_LINKS"]

    def run(
        *arguments: str | Path,
        timeout_s: float = 540,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> Finished:
        command = [*through, sys.executable, "-m", "dnnbox", *map(str, arguments)]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=cwd or workspace,
            env=environ | dict(env or {}),
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share one expensive thing on one worker (``--dist loadgroup``)."""
    for item in items:
        if "e2e" in item.path.parts and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse connections beyond this machine in unit tests: they must pass in an aeroplane."""
    if "unit" not in request.node.path.relative_to(ROOT).parts:
        yield
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        is_local = self.family == socket.AF_UNIX or (isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1"))
        if not is_local:
            raise AssertionError(f"a unit test tried to connect to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
