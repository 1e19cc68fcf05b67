"""Every exit code is reached through the command line by at least one test; here are those that need a run."""

from __future__ import annotations

import ast
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dnnbox import cli
from dnnbox.errors import SIGNAL_CODES, by_name, leaves
from tests.conftest import ROOT, Cli, Finished
from tests.e2e.exit_adapters import ENDS, FINE
from tests.faults import killing
from tests.faults.engine_proxy import EngineProxy
from tests.faults.writing import SOURCE
from tests.zoo import Zoo

pytestmark = [pytest.mark.long, pytest.mark.zoo, pytest.mark.engine, pytest.mark.xdist_group("box-venv")]

BAD = "tests/unit/cli/test_bad_inputs.py::test_command__bad_input__is_one_line_with_its_code"
HERE = "tests/e2e/test_exit_codes.py"
REACHED = {
    "TARGET_MISSED": f"{HERE}::test_run__target_that_nobody_meets__is_missed",
    "USAGE": BAD,
    "REGRESSION": "tests/unit/handoff/test_gating.py",
    "UNSTABLE": "tests/unit/handoff/test_gating.py",
    "NOT_READABLE": BAD,
    "CORRUPT": BAD,
    "UNSUPPORTED": BAD,
    "UNSAFE_CHECKPOINT": BAD,
    "INPUT_LIMIT": f"{HERE}::test_run__bomb__is_an_input_limit",
    "CONSENT_NEEDED": BAD,
    "ENV_FAILED": f"{HERE}::test_run__constraint_that_nothing_meets__is_env_failed",
    "NETWORK": f"{HERE}::test_run__index_that_is_not_there__is_network",
    "INTEGRITY": f"{HERE}::test_resume__other_checkpoint__is_integrity",
    "SOURCE_NOT_FOUND": f"{HERE}::test_run__class_without_source__is_source_not_found",
    "ENGINE_UNAVAILABLE": "tests/e2e/test_bad_inputs.py::test_run__no_engine__says_how_to_go_on",
    "ENGINE_LIMIT": f"{HERE}::test_run__processor_that_is_not_there__is_an_engine_limit",
    "GPU_UNAVAILABLE": "tests/e2e/test_bad_inputs.py::test_run__cuda_without_gpu__never_falls_back",
    "RUN_FAILED": f"{HERE}::test_run__model_that_ends_badly__has_its_code",
    "RUN_SIGNAL": f"{HERE}::test_run__model_that_ends_badly__has_its_code",
    "OOM": "tests/e2e/test_bad_inputs.py::test_run__64_megabytes__is_out_of_memory",
    "VRAM_OOM": f"{HERE}::test_run__model_that_ends_badly__has_its_code",
    "TIMEOUT": "tests/e2e/test_bad_inputs.py::test_run__one_second__times_out_and_leaves_nothing_running",
    "OUTPUT_LIMIT": f"{HERE}::test_run__model_that_ends_badly__has_its_code",
    "BAD_OUTPUT": f"{HERE}::test_run__model_that_ends_badly__has_its_code",
    "ENGINE_LOST": f"{HERE}::test_run__engine_goes_away__is_engine_lost_and_can_be_resumed",
    "HOST_FULL": f"{HERE}::test_run__disk_is_full__is_host_full_and_can_be_resumed",
    "BUSY": "tests/e2e/test_resume.py::test_resume__killed_while_measuring__goes_on_and_others_are_busy",
    "HOST_PERM": BAD,
    "ADAPTER_NEEDED": "tests/e2e/test_adapter.py",
    "REPLAY_DIFFERS": "",
    "INTERNAL": f"{HERE}::test_command__bug__is_internal_with_a_log",
    "SIGHUP": f"{HERE}::test_run__signal__keeps_what_was_done",
    "SIGINT": f"{HERE}::test_run__signal__keeps_what_was_done",
    "SIGTERM": f"{HERE}::test_run__signal__keeps_what_was_done",
}
"""REPLAY_DIFFERS has no command yet."""


def test_exit_codes__each__names_a_test_that_is_there() -> None:
    assert set(REACHED) == {leaf.name for leaf in leaves()} | set(SIGNAL_CODES)
    for place in filter(None, REACHED.values()):
        file, _, name = place.partition("::")
        functions = {
            node.name
            for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
            if isinstance(node, ast.FunctionDef)
        }
        assert not name or name in functions, place


def run(dnnbox: Cli, zoo: Zoo, *options: str | Path, **keywords: object) -> Finished:
    command = ("run", zoo.path("onnx"), "--quick", "--yes", "--json", "--out", "e", *options)
    return dnnbox(*command, **keywords)  # type: ignore[arg-type]


def assert_ended(done: Finished, name: str) -> None:
    leaf = by_name(name)
    assert leaf is not None
    assert done.code == leaf.code, done.stderr[-2000:]
    assert done.json["error"]["name"] == name
    assert sum(line.startswith(f"dnnbox: error[{name}]") for line in done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("name", ENDS)
def test_run__model_that_ends_badly__has_its_code(
    dnnbox: Cli, zoo: Zoo, workspace: Path, tmp_path: Path, name: str
) -> None:
    adapter = tmp_path / "adapter.py"
    adapter.write_text(ENDS[name])
    done = run(dnnbox, zoo, "--box", "venv", "--adapter", adapter)
    assert_ended(done, name)
    index = json.loads((workspace / "e" / "experiment.json").read_text())
    assert (index["status"], index["exit_code"]) == ("failed", done.code)
    assert (workspace / "e" / "reports" / "experiment-report.html").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("bubblewrap")
def test_run__target_that_nobody_meets__is_missed(dnnbox: Cli, zoo: Zoo, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.py"
    adapter.write_text(FINE)
    done = run(dnnbox, zoo, "--box", "venv", "--adapter", adapter, "--target", "latency_p50_ms<=0")
    assert_ended(done, "TARGET_MISSED")


def test_run__bomb__is_an_input_limit(dnnbox: Cli, tmp_path: Path) -> None:
    bomb = tmp_path / "model.nemo"
    bomb.write_bytes(gzip.compress(bytes(128 << 20)))  # a thousand times its size, and nothing that could be a model
    done = dnnbox("run", bomb, "--yes", "--json")
    assert_ended(done, "INPUT_LIMIT")


def test_run__constraint_that_nothing_meets__is_env_failed(dnnbox: Cli, zoo: Zoo, workspace: Path) -> None:
    (workspace / "dnnbox.toml").write_text('constraints = ["onnxruntime==0.0.1"]\n')
    assert_ended(run(dnnbox, zoo, "--box", "venv"), "ENV_FAILED")


def test_run__index_that_is_not_there__is_network(dnnbox: Cli, zoo: Zoo, workspace: Path, tmp_path: Path) -> None:
    (workspace / "dnnbox.toml").write_text('indexes = [{url = "http://127.0.0.1:9/simple", default = true}]\n')
    environ = {"DNNBOX_HOME": str(tmp_path / "home"), "UV_FIND_LINKS": "", "UV_HTTP_RETRIES": "0"}
    assert_ended(run(dnnbox, zoo, "--box", "venv", env=environ), "NETWORK")


def test_run__class_without_source__is_source_not_found(dnnbox: Cli, zoo: Zoo, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / "model.pt"
    alone.parent.mkdir()
    shutil.copyfile(zoo.path("pickled_module"), alone)
    assert_ended(dnnbox("run", alone, "--yes", "--json"), "SOURCE_NOT_FOUND")


@pytest.mark.usefixtures("bubblewrap")
def test_run__processor_that_is_not_there__is_an_engine_limit(dnnbox: Cli, zoo: Zoo) -> None:
    assert_ended(run(dnnbox, zoo, "--box", "venv", "--cpus", "4095"), "ENGINE_LIMIT")


def test_command__bug__is_internal_with_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(name: str) -> None:
        raise ZeroDivisionError(name)

    monkeypatch.setattr("dnnbox.schema.schema", broken)
    assert cli.run(["schema", "stats"]) == 70
    error = capsys.readouterr().err
    log = Path(error.rpartition(" ")[2].strip())
    assert "ZeroDivisionError" in log.read_text()
    assert "Traceback" not in error
    log.unlink()


def start(zoo: Zoo, workspace: Path, home: Path, *options: str, **environ: str) -> subprocess.Popen[str]:
    """Start a run that the test will disturb."""
    command = [sys.executable, "-m", "dnnbox", "run", zoo.path("onnx"), "--quick", "--yes", "--json", "--out", "e"]
    env = {**os.environ, "DNNBOX_HOME": str(home), **environ}
    if "PIP_FIND_LINKS" in env:
        env.setdefault("UV_FIND_LINKS", env["PIP_FIND_LINKS"])
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*command, *options], cwd=workspace, env=env, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.02)


@pytest.mark.long
@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("name", SIGNAL_CODES)
def test_run__signal__keeps_what_was_done(zoo: Zoo, workspace: Path, dnnbox_home: Path, name: str) -> None:
    process = start(zoo, workspace, dnnbox_home, "--box", "venv")
    wait_for(workspace / "e" / "outputs" / "jobs" / "02-cold" / "outcome.json")
    process.send_signal(signal.Signals[name])
    out, _ = process.communicate(timeout=60)
    assert process.returncode == SIGNAL_CODES[name]
    assert json.loads(out)["error"]["name"] == name
    assert len(killing.jobs(workspace / "e")) >= 2
    assert json.loads((workspace / "e" / "experiment.json").read_text())["status"] == "partial"


@pytest.mark.long
def test_run__engine_goes_away__is_engine_lost_and_can_be_resumed(
    dnnbox: Cli, zoo: Zoo, workspace: Path, dnnbox_home: Path, docker_engine: str
) -> None:
    proxy = EngineProxy()
    process = start(zoo, workspace, dnnbox_home, "--box", "docker", DOCKER_HOST=f"unix://{proxy.path}")
    wait_for(workspace / "e" / "outputs" / "jobs" / "02-cold" / "request.json")
    time.sleep(0.3)
    proxy.close()
    out, err = process.communicate(timeout=120)
    assert_ended(Finished(process.returncode, out, err), "ENGINE_LOST")
    finished = killing.jobs(workspace / "e")
    assert finished
    done = dnnbox("run", "--resume", "e", "--json")
    assert done.code == 0, done.stderr
    assert {name: killing.jobs(workspace / "e")[name] for name in finished} == finished


@pytest.mark.long
@pytest.mark.usefixtures("bubblewrap")
def test_run__disk_is_full__is_host_full_and_can_be_resumed(
    dnnbox: Cli, zoo: Zoo, workspace: Path, tmp_path: Path
) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    library = tmp_path / "failing.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    root = workspace / "e"
    fault = {"LD_PRELOAD": str(library), "FAULT_ROOT": str(root), "FAULT_AT": "120", "FAULT_ERRNO": "28"}
    full = run(dnnbox, zoo, "--box", "venv", env={**fault, "FAULT_STAYS": "1"})
    assert_ended(full, "HOST_FULL")
    finished = killing.jobs(root)
    assert [path.name for path in root.rglob("*.part")] == []
    done = dnnbox("run", "--resume", "e", "--json")
    assert done.code == 0, done.stderr
    assert {name: killing.jobs(root)[name] for name in finished} == finished


@pytest.mark.slow
@pytest.mark.usefixtures("bubblewrap")
def test_resume__other_checkpoint__is_integrity(dnnbox: Cli, zoo: Zoo, workspace: Path, tmp_path: Path) -> None:
    checkpoint, adapter = zoo.copy("onnx", tmp_path), tmp_path / "adapter.py"
    adapter.write_text(ENDS["RUN_FAILED"])
    dnnbox("run", checkpoint, "--box", "venv", "--yes", "--quick", "--adapter", adapter, "--out", "e")
    adapter.write_text(FINE)
    changed = dnnbox("run", "--resume", "e", "--json")
    assert_ended(changed, "INTEGRITY")
    assert "adapter" in changed.stderr
