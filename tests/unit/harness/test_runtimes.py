"""Every runtime over a real checkpoint, in the frameworks' own environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness import arrays
from dnnbox.harness.protocol import InputFile, MeasurePlan, RunRequest, RunResult
from dnnbox.harness.runtimes import RUNTIMES
from tests.conftest import ROOT
from tests.unit.harness import box
from tests.zoo import KINDS, Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[3] / "examples"
SILERO = {"library": "silero-vad", "arguments": {"sample_rate": 16000, "window": 512, "context": 64}}
OPTIONS: dict[str, dict[str, Any]] = {
    "timm_zip": {"architecture": "resnet10t"},
    "timm_legacy": {"architecture": "convnext_atto"},
    "timm_safetensors": {"architecture": "vit_tiny_patch16_224", "format": "safetensors"},
    "timm_nested": {
        "architecture": "mobilenetv3_small_050",
        "arguments": {"num_classes": 7},
        "entry": "state_dict",
        "prefix": "module.",
    },
    "torchvision_zip": {"architecture": "resnet18"},
    "torchvision_legacy": {"architecture": "mobilenet_v3_small"},
    "torchvision_safetensors": {"architecture": "shufflenet_v2_x0_5"},
    "silero_onnx": SILERO,
    "silero_torchscript": SILERO,
}
FILE_KINDS = {".txt": "text", ".wav": "audio"}
QUICK = MeasurePlan(min_iterations=10, min_seconds=0.1, max_seconds=4.0, ci_half_width=0.5, warmup_max_seconds=3.0)

Run = Callable[..., box.Ran]


@pytest.fixture
def run(zoo: Zoo, tmp_path: Path) -> Run:
    """Return a function: (name of a checkpoint, **changes to the request) → what the harness left."""

    def go(name: str, **changes: Any) -> box.Ran:
        kind = next(kind for kind in KINDS if kind.name == name)
        checkpoint = zoo.path(name)
        files = [InputFile(str(EXAMPLES / file), FILE_KINDS[Path(file).suffix]) for file in kind.inputs]
        fields: dict[str, Any] = {
            "job": "infer",
            "runtime": kind.runtime,
            "checkpoint": str(checkpoint),
            "options": {**OPTIONS.get(name, {})},
            "inputs": files,
            "sys_path": [str(checkpoint.parent)] if kind.runtime == "torch_module" else [],
            "plan": QUICK,
        }
        return box.run(zoo.python, tmp_path / "run", RunRequest(**{**fields, **changes}))

    return go


def complaint(result: RunResult) -> str:
    return "" if result.error is None else f"{result.error.kind} in {result.error.stage}: {result.error.traceback}"


@pytest.mark.parametrize("name", [kind.name for kind in KINDS])
def test_infer__every_kind__verified_output(name: str, run: Run) -> None:
    ran = run(name)
    result = ran.answer
    assert complaint(result) == ""
    assert {"finite", "shape", "repeatable", "digest"} <= {check.name for check in result.checks if check.passed}
    assert list(result.stages_ns) == ["interpreter", "import", "context", "load", "to_device", "first"]
    roles = [record.role for record in result.arrays]
    assert {"input", "output"} == set(roles)
    for record in result.arrays:
        assert arrays.load(str(ran.folder / record.path)).sha256() == record.sha256


ELSEWHERE = {
    "endpoint": "test_endpoint.py",
    "adapter": "test_adapter.py",
    "openvino": "test_openvino.py",
    "litert": "test_litert.py",
}
"""Runtimes whose checkpoints the zoo cannot make, and the end-to-end test that runs each."""


FRAMEWORKS = [
    "keras",
    "tensorflow",
    "executorch",
    "ncnn",
    "mnn",
    "paddle",
    "jax",
    "lightning",
    "diffusers",
    "open_clip",
    "ultralytics",
    "llama_cpp",
]
"""Run by tests/e2e/test_frameworks.py, which installs each framework first."""

NOT_RUN = {
    "tensorrt": "needs a GPU: test_tensorrt.py holds its border against a stand-in",
    "mmengine": "an adapter with packages of its own",
    "nemo": "an adapter with packages of its own",
    "flax": "an adapter with packages of its own",
}
"""Runtimes that no test runs on a real checkpoint, and why."""


def test_runtimes__table__every_runtime_is_run_by_a_test() -> None:
    elsewhere = {*ELSEWHERE, *FRAMEWORKS, *NOT_RUN}
    assert {kind.runtime for kind in KINDS} == set(RUNTIMES) - elsewhere
    assert all((ROOT / "tests" / "e2e" / name).is_file() for name in ELSEWHERE.values())
    run = (ROOT / "tests" / "e2e" / "test_frameworks.py").read_text(encoding="utf-8")
    assert [name for name in FRAMEWORKS if f'Framework("{name}", "{name}"' not in run] == []


def test_infer__silero__finds_the_spoken_parts(run: Run) -> None:
    (decoded,) = run("silero_onnx").answer.decoded
    spoken = [(part["start_s"], part["end_s"]) for part in decoded["segments"]]
    assert decoded["duration_s"] > 3
    assert spoken
    assert 0.2 * decoded["duration_s"] < decoded["speech_s"] < 0.95 * decoded["duration_s"]
    assert all(part["probability"] > 0.8 for part in decoded["segments"])


def test_infer__both_silero_forms__agree(run: Run) -> None:
    onnx, script = (run(name).answer.decoded[0]["segments"] for name in ("silero_onnx", "silero_torchscript"))
    assert onnx == script


def test_infer__sentences__most_alike_pair_first(run: Run) -> None:
    (decoded,) = (entry for entry in run("minilm").answer.decoded if "pairs" in entry)
    pairs = decoded["pairs"]
    assert decoded["sentences"] == len((EXAMPLES / "sentences.txt").read_text().split("\n")) - 1
    assert pairs[0]["similarity"] > 0.5 > 0.2 > pairs[-1]["similarity"]


def test_infer__decoder__continues_the_prompt(run: Run) -> None:
    (decoded,) = run("hf_decoder").answer.decoded
    assert (decoded["kind"], decoded["new_tokens"], len(decoded["token_ids"])) == ("continuation", 16, 16)
    assert decoded["tokens_per_s"] > 0


def test_infer__undeclared_input__is_called_assumed(run: Run) -> None:
    result = run("pickled_module").answer
    assert [(record.status, record.shape[0]) for record in result.inputs] == [("assumed", 1)]
    assert any("was tried and works" in note for note in result.notes)


def test_infer__hint_that_does_not_fit__infer_failed(run: Run) -> None:
    wrong = {"inputs": [{"name": "input", "shape": ["N", 5, 8, 8], "dtype": "float32"}]}
    error = run("torchscript", options=wrong).answer.error
    assert error is not None
    assert (error.kind, error.stage) == ("infer_failed", "first")


def test_infer__symbolic_batch__keeps_its_name(run: Run) -> None:
    assert run("onnx").answer.inputs[0].shape == ["batch", 3, 32, 32]
    assert isinstance(run("torch_export").answer.inputs[0].shape[0], str)


def test_infer__weights_of_another_architecture__load_failed(run: Run) -> None:
    result = run("timm_zip", options={"architecture": "resnet18"}).answer
    assert result.error is not None
    assert (result.error.kind, result.error.stage) == ("load_failed", "load")
    assert [check.name for check in result.checks if not check.passed] == ["strict_load"]


@pytest.mark.parametrize("name", ["onnx", "torchscript"])
def test_infer__gpu_asked_on_a_cpu_build__device_unavailable(name: str, run: Run) -> None:
    error = run(name, device="cuda").answer.error
    assert error is not None
    assert (error.kind, error.stage) == ("device_unavailable", "context")


def test_infer__precision_of_an_onnx_file__cannot_be_changed(run: Run) -> None:
    error = run("onnx", precision="fp16").answer.error
    assert error is not None
    assert error.kind == "unsupported"


@pytest.mark.parametrize("name", ["timm_zip", "torchscript", "hf_encoder"])
def test_infer__bf16__is_effective(name: str, run: Run) -> None:
    result = run(name, precision="bf16").answer
    assert complaint(result) == ""
    assert result.effective["precision"] == "bf16"


@pytest.mark.parametrize("name", ["onnx", "torch_export", "minilm"])
def test_measure__batch_of_4__counts_items(name: str, run: Run) -> None:
    ran = run(name, job="measure", batch_size=4, threads=1)
    assert complaint(ran.answer) == ""
    samples = ran.answer.samples
    assert samples is not None
    assert samples.items_per_iteration == 4
    assert ran.answer.effective["threads"] == 1
    values = arrays.load(str(ran.folder / samples.path)).values()
    assert min(values) >= 0
    assert "model" in samples.columns


def test_memory__torch_model__load_and_run_apart(run: Run) -> None:
    figures = run("torchvision_zip", job="memory").answer.memory
    assert figures["host_peak_bytes"] >= figures["host_after_load_bytes"] > figures["import_rss_bytes"]


def test_infer__picture_file__is_prepared_as_declared(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "picture.ppm"
    picture.write_bytes(b"P6 40 30 255\n" + bytes(range(256)) * 14 + bytes(16))
    result = run("torchvision_zip", inputs=[InputFile(str(picture), "image")]).answer
    assert complaint(result) == ""
    assert [step["step"] for step in result.preprocessing] == ["resize", "center_crop", "scale", "normalize"]
    assert result.decoded[0]["source"] == "picture.ppm"
    assert len(result.decoded[0]["top"]) == 5
