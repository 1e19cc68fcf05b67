"""The wall: what the harness answers, whatever happens inside."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dnnbox.harness import arrays, protocol
from dnnbox.harness.protocol import InputFile, RunError, RunRequest
from tests.unit.harness import box
from tests.unit.harness.conftest import MakeRequest

Changed = Callable[..., str]


def error_of(ran: box.Ran) -> RunError:
    assert ran.code == 0, ran.stderr
    assert ran.answer.error is not None
    return ran.answer.error


def run(tmp_path: Path, request: RunRequest) -> box.Ran:
    return box.run(sys.executable, tmp_path / "run", request)


def test_main__noisy_model__answer_is_untouched(tmp_path: Path, adapter_request: MakeRequest, changed: Changed) -> None:
    body = """
        import os, sys
        print('{"record": "RunResult"}')
        os.write(1, b"\\xff\\x00 not text\\n" * 100)
        sys.stderr.write("\\x1b[31mred\\n")
        return {"y": 1.0}
    """
    ran = box.run(sys.executable, tmp_path / "run", adapter_request(changed(infer=body, postprocess="return None")))
    assert ran.answer.error is None
    assert ran.answer.outputs[0].name == "y"


def test_main__killed_model__leaves_no_result(tmp_path: Path, adapter_request: MakeRequest, changed: Changed) -> None:
    ran = run(tmp_path, adapter_request(changed(infer="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")))
    assert (ran.code, ran.result) == (-signal.SIGKILL, None)


def test_main__interrupted__leaves_no_result(tmp_path: Path, adapter_request: MakeRequest, changed: Changed) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    request = adapter_request(changed(infer="import time\ntime.sleep(60)"))
    protocol.write(request, str(folder / protocol.REQUEST))
    process = subprocess.Popen(box.command(sys.executable, folder), stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while '"first"' not in _events(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert not (folder / protocol.RESULT).exists()


def _events(folder: Path) -> str:
    path = folder / protocol.EVENTS
    return path.read_text() if path.exists() else ""


def test_main__thread_that_never_ends__process_still_ends(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    body = """
        import atexit, os
        atexit.register(os._exit, 9)
        self.weights = [1.0, 2.0, 3.0]
    """
    ran = run(tmp_path, adapter_request(changed(load=body)))
    assert (ran.code, ran.answer.error) == (0, None)


@pytest.mark.parametrize(
    ("methods", "kind", "stage"),
    [
        ({"load": "import no_such_package.part"}, "missing_module", "load"),
        ({"load": "from json import no_such_name"}, "import_failed", "load"),
        ({"load": "raise OSError('half a file')"}, "load_failed", "load"),
        ({"load": "raise MemoryError()"}, "oom", "load"),
        ({"load": "raise RuntimeError('DefaultCPUAllocator: can\\'t allocate memory')"}, "oom", "load"),
        ({"load": "import sys\nsys.exit(3)"}, "load_failed", "load"),
        ({"example_inputs": "raise NotImplementedError('say the image size')"}, "needs_adapter", "input"),
        ({"example_inputs": "raise ValueError('no')"}, "input_failed", "input"),
        ({"infer": "return 1 / 0"}, "infer_failed", "first"),
        ({"infer": "raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')"}, "vram_oom", "first"),
        ({"infer": "return {'y': float('nan')}"}, "bad_output", "check"),
        ({"infer": "return {}"}, "bad_output", "check"),
        ({"infer": "self.n = getattr(self, 'n', 0) + 1\nreturn [0.5] * self.n"}, "bad_output", "check"),
        ({"infer": "self.n = getattr(self, 'n', 0) + 1\nreturn [0.5 * self.n]"}, "bad_output", "check"),
        ({"postprocess": "raise KeyError('boxes')"}, "infer_failed", "postprocess"),
    ],
)
def test_main__model_fails__kind_and_stage_are_named(
    methods: dict[str, str],
    kind: str,
    stage: str,
    tmp_path: Path,
    adapter_request: MakeRequest,
    changed: Changed,
) -> None:
    error = error_of(run(tmp_path, adapter_request(changed(**methods))))
    assert (error.kind, error.stage) == (kind, stage)
    assert error.kind in protocol.ERROR_KINDS
    assert error.detail


def test_main__missing_module__detail_is_its_top_level_name(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    error = error_of(run(tmp_path, adapter_request(changed(load="import no_such_package.part"))))
    assert error.detail == "no_such_package"


def test_main__library_that_hides_the_missing_module__is_seen_through(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    body = """
        try:
            import no_such_package
        except ImportError as error:
            raise RuntimeError("cannot do without it") from error
    """
    assert error_of(run(tmp_path, adapter_request(changed(load=body)))).kind == "missing_module"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ('{"record": "RunRequest", "schema": 99}', "schema"),
        ('{"record": "RunRequest", "schema": 1, "runtime": "adapter", "checkpoint": "x"}', "job"),
    ],
)
def test_main__bad_request__is_a_protocol_error(text: str, words: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / protocol.REQUEST).write_text(text)
    done = subprocess.run(box.command(sys.executable, folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads((folder / protocol.RESULT).read_text())
    assert answer["error"]["kind"] == "protocol"
    assert words in answer["error"]["detail"]


def test_main__unknown_job_and_runtime__are_refused(tmp_path: Path) -> None:
    unknown_job = box.run(sys.executable, tmp_path / "a", RunRequest("sing", "adapter", "x"))
    unknown_runtime = box.run(sys.executable, tmp_path / "b", RunRequest("infer", "abacus", "x"))
    assert (error_of(unknown_job).kind, error_of(unknown_runtime).kind) == ("protocol", "unsupported")


def test_main__adapter_without_methods__says_which(tmp_path: Path, adapter_request: MakeRequest) -> None:
    error = error_of(run(tmp_path, adapter_request("class Adapter:\n    def load(self, c, d, p): pass\n")))
    assert error.kind == "needs_adapter"
    assert "infer" in error.detail


def test_main__failure_after_progress__keeps_what_was_learnt(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    ran = run(tmp_path, adapter_request(changed(infer="return {'y': float('inf')}")))
    assert {"import", "load", "first"} <= set(ran.answer.stages_ns)
    assert [check.name for check in ran.answer.checks if not check.passed] == ["finite"]


def test_infer__input_files__reach_the_adapter_and_are_kept(tmp_path: Path, adapter_request: MakeRequest) -> None:
    files = [InputFile("/a/bc", "image"), InputFile("/d", "image")]
    ran = run(tmp_path, adapter_request(inputs=files))
    record = next(record for record in ran.answer.arrays if record.role == "input")
    assert list(arrays.load(str(ran.folder / record.path)).values()) == [5.0, 5.0, 5.0, 2.0, 2.0, 2.0]


def test_infer__postprocess_writes_files__they_are_listed(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    body = """
        import os
        with open(os.path.join(out_dir, "plot.png"), "wb") as file:
            file.write(b"x")
        return [{"a": 1}, {"b": float("nan")}]
    """
    ran = run(tmp_path, adapter_request(changed(postprocess=body)))
    assert ran.answer.artifacts == [{"path": "artifacts/plot.png", "kind": "image", "title": "plot.png"}]
    assert ran.answer.decoded == [{"a": 1}, {"b": None}]


def test_measure__samples__are_rows_of_total_and_stages(tmp_path: Path, adapter_request: MakeRequest) -> None:
    ran = run(tmp_path, adapter_request(job="measure"))
    samples = ran.answer.samples
    assert samples is not None
    assert samples.columns == ["total", "model", "postprocess"]
    kept = arrays.load(str(ran.folder / samples.path))
    assert (kept.dtype, kept.shape) == ("int64", (samples.n, 3))
    first = kept.values()[:3]
    assert first[0] >= first[1] + first[2] > 0
    assert ran.answer.noise["window_count"] == len(ran.answer.noise["windows"]) >= 1


def test_measure__postprocess_that_draws__is_not_timed(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    body = "open(out_dir + '/plot.txt', 'w').close()\nreturn {}"
    ran = run(tmp_path, adapter_request(changed(postprocess=body), job="measure"))
    assert ran.answer.samples is not None
    assert ran.answer.samples.columns == ["total", "model"]
    assert any("left out of the timed" in note for note in ran.answer.notes)


def test_measure__unverified_output__gets_no_number(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    ran = run(tmp_path, adapter_request(changed(infer="return {'y': float('nan')}"), job="measure"))
    assert (error_of(ran).kind, ran.answer.samples) == ("bad_output", None)
    assert not (ran.folder / "arrays").exists()


def test_memory__model_that_holds_64_mib__is_seen(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed
) -> None:
    light = run(tmp_path / "light", adapter_request(job="memory")).answer.memory
    heavy_source = changed(load="self.weights = [1.0, 2.0, 3.0]\nself.ballast = b'x' * (64 << 20)")
    heavy = run(tmp_path / "heavy", adapter_request(heavy_source, job="memory")).answer.memory
    for name in ("host_peak_bytes", "host_after_load_bytes", "load_peak_bytes"):
        assert abs(heavy[name] - light[name] - (64 << 20)) < 4 << 20, name


@pytest.mark.parametrize(
    ("infer", "expected", "note"),
    [
        ("return {'y': array('f', [sum(row) for row in inputs['x']])}", {"inputs": ["x"], "outputs": ["y"]}, ""),
        ("return {'y': array('f', [1.0])}", {"inputs": ["x"], "outputs": []}, ""),
        ("assert len(inputs['x']) == 1; return {'y': array('f', [1.0])}", {}, "twice the batch does not run"),
    ],
)
def test_memory__twice_the_batch__names_what_doubled(
    tmp_path: Path, adapter_request: MakeRequest, changed: Changed, infer: str, expected: object, note: str
) -> None:
    contract = {
        "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 3], "ran_with": [1, 3]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": [1], "ran_with": [1]}],
    }
    ran = run(tmp_path, adapter_request(changed(infer=infer), job="memory", work={"contract": contract}))
    assert ran.answer.findings["open_batch"] == expected
    assert any(line.startswith(note) for line in ran.answer.notes) == bool(note)


def test_events__whole_job__stages_in_order(tmp_path: Path, adapter_request: MakeRequest) -> None:
    ran = run(tmp_path, adapter_request())
    stages = [protocol.decode(protocol.Event, json.loads(line)).stage for line in ran.events]
    assert stages == ["import", "context", "load", "to_device", "input", "first", "check", "postprocess", "done"]


def test_main__settings__no_download_and_threads_before_import(tmp_path: Path, adapter_request: MakeRequest) -> None:
    source = "import os\nSEEN = {k: os.environ.get(k) for k in ('HF_HUB_OFFLINE', 'OMP_NUM_THREADS')}\n" + GOOD_TAIL
    ran = run(tmp_path, adapter_request(source, threads=1))
    assert ran.answer.decoded == [{"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}]


GOOD_TAIL = """
class Adapter:
    def load(self, checkpoint, device, precision): pass
    def example_inputs(self, batch_size): return [1.0]
    def preprocess(self, paths): return [1.0]
    def infer(self, inputs): return inputs
    def postprocess(self, outputs, out_dir): return SEEN
"""


def test_main__programs_on_path__compile_but_never_install(tmp_path: Path, adapter_request: MakeRequest) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    names = ("pip", "pip3", "git", "gcc", "ffmpeg")
    for name in names:
        (tools / name).touch(0o755)
    source = f"import shutil\nSEEN = {{name: bool(shutil.which(name)) for name in {names}}}\n{GOOD_TAIL}"
    environ = {"PATH": f"{tools}:/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    ran = box.run(sys.executable, tmp_path / "run", adapter_request(source), environ=environ)
    assert ran.answer.decoded == [{"pip": False, "pip3": False, "git": False, "gcc": True, "ffmpeg": True}]


def test_main__device_that_is_not_there__is_refused(tmp_path: Path, adapter_request: MakeRequest) -> None:
    request = RunRequest("infer", "onnxruntime", str(tmp_path / "m.onnx"), device="cuda")
    error = error_of(run(tmp_path, request))
    assert error.kind in ("missing_module", "device_unavailable")


def test_main__start_cost__import_is_small(tmp_path: Path) -> None:
    """The harness adds little to a bare interpreter: CPU time and resident memory, best of five."""
    folder = tmp_path / "run"
    folder.mkdir()
    argv = box.command(sys.executable, folder)
    bare = _best([*argv[:4], "import json" + USAGE])
    with_harness = _best([*argv[:4], argv[4].partition("; sys.exit")[0] + USAGE])
    assert with_harness[0] - bare[0] < 0.2
    assert with_harness[1] - bare[1] < 8 << 10


USAGE = "; import resource; u = resource.getrusage(resource.RUSAGE_SELF); print(u.ru_utime + u.ru_stime, u.ru_maxrss)"


def _best(argv: list[str]) -> tuple[float, int]:
    """Return the least CPU seconds and the least kilobytes of five runs."""
    lines = [subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split() for _ in range(5)]
    return min(float(line[0]) for line in lines), min(int(line[1]) for line in lines)
