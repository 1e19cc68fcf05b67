"""What goes wrong for users, each with its own exit code: one line, no traceback, nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dnnbox.errors import by_name
from tests.conftest import Cli, Finished
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.xdist_group("box-venv")]

BOXES = ["venv", pytest.param("docker", marks=pytest.mark.long)]


def code_of(name: str) -> int:
    leaf = by_name(name)
    assert leaf is not None
    return leaf.code


def errors_in(done: Finished) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("dnnbox: error")]


def assert_refused(done: Finished, name: str, workspace: Path) -> None:
    """One line with the right name, the same in JSON, no traceback, an untouched workspace."""
    assert_failed(done, name)
    assert list(workspace.iterdir()) == []


def assert_failed(done: Finished, name: str) -> None:
    assert done.code == code_of(name), f"{done.code}: {done.stderr[-2000:]}"
    lines = errors_in(done)
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"dnnbox: error[{name}]: ")
    assert "Traceback" not in done.stderr
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.stderr)
    document = done.json
    assert (document["status"], document["exit_code"]) == ("failed", done.code)
    assert document["error"]["name"] == name
    assert isinstance(document["error"]["retryable"], bool)
    assert document["error"]["phase"]


def containers() -> set[str]:
    """The containers that dnnbox made and that are still there."""
    if shutil.which("docker") is None:
        return set()
    command = ["docker", "ps", "--all", "--quiet", "--filter", "label=dnnbox"]
    listing = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return set(listing.stdout.split())


def test_run__missing_file__is_not_readable(dnnbox: Cli, workspace: Path) -> None:
    assert_refused(dnnbox("run", "nowhere.onnx", "--yes", "--json"), "NOT_READABLE", workspace)


def test_run__url__says_to_download_it(dnnbox: Cli, workspace: Path) -> None:
    done = dnnbox("run", "https://example.org/model.onnx", "--yes", "--json")
    assert_refused(done, "NOT_READABLE", workspace)
    assert "checkpoints/" in errors_in(done)[0]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("bad_empty_directory", "UNSUPPORTED"),
        ("bad_truncated_zip", "CORRUPT"),
        ("bad_empty", "CORRUPT"),
        ("bad_text", "UNSUPPORTED"),
        ("bad_onnx_half", "CORRUPT"),
    ],
)
def test_run__broken_checkpoint__has_its_own_code(dnnbox: Cli, zoo: Zoo, workspace: Path, kind: str, name: str) -> None:
    assert_refused(dnnbox("run", zoo.path(kind), "--yes", "--json"), name, workspace)


def test_run__fifo__does_not_wait_for_a_writer(dnnbox: Cli, workspace: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "pipe.pt"
    os.mkfifo(fifo)
    assert_refused(dnnbox("run", fifo, "--yes", "--json", timeout_s=20), "NOT_READABLE", workspace)


# Root reads everything, unless the right to do so is taken away.
ORDINARY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.getuid() == 0 else ()


def test_run__unreadable_file__is_not_readable(dnnbox: Cli, zoo: Zoo, workspace: Path, tmp_path: Path) -> None:
    unreadable = zoo.copy("onnx", tmp_path)
    unreadable.chmod(0)
    assert_refused(dnnbox("run", unreadable, "--yes", "--json", through=ORDINARY), "NOT_READABLE", workspace)


def test_run__cuda_without_gpu__never_falls_back(dnnbox: Cli, zoo: Zoo, workspace: Path) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has a GPU")
    done = dnnbox("run", zoo.path("onnx"), "--device", "cuda", "--box", "venv", "--yes", "--json")
    assert_refused(done, "GPU_UNAVAILABLE", workspace)


def test_run__no_engine__says_how_to_go_on(dnnbox: Cli, zoo: Zoo, workspace: Path, tmp_path: Path) -> None:
    nobody = {"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock", "DOCKER_CONTEXT": "default"}
    done = dnnbox("run", zoo.path("onnx"), "--box", "docker", "--yes", "--json", env=nobody)
    assert_refused(done, "ENGINE_UNAVAILABLE", workspace)
    assert "--box venv" in errors_in(done)[0]


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("box", BOXES)
def test_run__one_second__times_out_and_leaves_nothing_running(
    dnnbox: Cli, zoo: Zoo, request: pytest.FixtureRequest, box: str
) -> None:
    request.getfixturevalue("docker_engine" if box == "docker" else "bubblewrap")
    before = containers()
    done = dnnbox("run", zoo.path("hf_encoder"), "--box", box, "--timeout", "1", "--yes", "--json")
    assert_failed(done, "TIMEOUT")
    assert containers() <= before


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("box", BOXES)
def test_run__64_megabytes__is_out_of_memory(dnnbox: Cli, zoo: Zoo, request: pytest.FixtureRequest, box: str) -> None:
    request.getfixturevalue("docker_engine" if box == "docker" else "bubblewrap")
    before = containers()
    done = dnnbox("run", zoo.path("torchvision_zip"), "--box", box, "--memory", "64M", "--yes", "--json")
    assert_failed(done, "OOM")
    assert containers() <= before
