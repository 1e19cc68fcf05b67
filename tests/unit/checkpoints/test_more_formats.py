"""Formats of other frameworks: Paddle, Orbax, TensorFlow.js, boosted trees, Caffe, MindSpore, bundles, shards."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.checkpoints.base import Reading
from dnnbox.errors import Corrupt, DnnboxError, Unsupported
from dnnbox.records.inspection import Inspection, TensorSummary
from tests.unit.checkpoints.hostile import SYSTEM_CALL
from tests.unit.checkpoints.test_embedded import tar as tarred
from tests.unit.checkpoints.test_folders import WEIGHTS, folder
from tests.unit.checkpoints.test_onnx import block, number
from tests.unit.checkpoints.test_other_formats import write

SAMPLES = Path(__file__).with_name("samples")


def tensors(inspection: Inspection) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {tensor.name: (tensor.dtype, tensor.shape) for tensor in inspection.tensor_list}


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return buffer.getvalue()


def test_hdf5__links_and_attributes_in_heaps__are_read() -> None:
    inspection = inspect(SAMPLES / "heaps.h5")
    found = tensors(inspection)
    assert [found[f"many/layer_{n:03d}"] for n in range(100)] == [("float32", (n + 1,)) for n in range(100)]
    assert found["named/" + "n" * 900] == ("float16", (2,))
    assert len(found) == 101
    assert (inspection.format, inspection.metadata["top_class"]) == ("keras-h5", "Sequential")
    assert not inspection.not_scanned


def test_hdf5__heaps_cut_or_changed__are_errors_of_ours(tmp_path: Path) -> None:
    whole = (SAMPLES / "heaps.h5").read_bytes()
    for magic in (b"FRHP", b"BTHD", b"BTIN", b"BTLF", b"FHDB", b"FHIB"):
        at = whole.find(magic)
        assert at > 0
        for offset in range(4, 40, 3):
            changed = whole[: at + offset] + b"\xff\xff\xff" + whole[at + offset + 3 :]
            try:
                inspect(write(tmp_path, changed, "m.h5"))
            except DnnboxError:
                continue


def test_paddle__directory__program_and_parameters() -> None:
    inspection = inspect(SAMPLES / "paddle")
    found = tensors(inspection)
    assert (inspection.format, inspection.verdict, len(found)) == ("paddle", "no-code", 8)
    assert found["linear_0.w_0"] == ("float32", (3, 4))
    assert [(f.name, f.shape, f.dtype) for f in inspection.io_hints.inputs] == [("x", ("x_0", 3), "float32")]
    assert [f.shape[1:] for f in inspection.io_hints.outputs] == [(2,)]
    assert {tensor.file for tensor in inspection.tensor_list} == {"inference.pdiparams"}
    assert inspection.metadata["operators"]["pd_op.matmul"] == 2


def test_paddle__each_file__is_read_alone(tmp_path: Path) -> None:
    program = inspect(SAMPLES / "paddle" / "inference.json")
    assert (program.format, program.tensors.count, program.companions) == (
        "paddle-program",
        8,
        ("inference.pdiparams",),
    )
    lone = inspect(write(tmp_path, (SAMPLES / "paddle" / "inference.pdiparams").read_bytes(), "x.pdiparams"))
    assert (lone.format, lone.tensors.parameters) == ("paddle-parameters", program.tensors.parameters)
    assert inspect(SAMPLES / "net.pdparams").framework == "paddle"


def test_paddle__parameters_of_another_program_or_cut__are_said(tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in (SAMPLES / "paddle").iterdir()}
    with pytest.raises(Corrupt):
        inspect(folder(tmp_path, {**files, "inference.pdiparams": files["inference.pdiparams"][:-1]}))
    place = folder(tmp_path, {**files, "inference.pdiparams": files["inference.pdiparams"][:40]})
    assert [finding.code for finding in inspect(place).findings] == ["parameters-differ"]


@pytest.mark.parametrize(
    ("name", "dtype"), [("orbax-ocdbt", {"unknown"}), ("orbax-zarr", {"float32", "bfloat16", "int64"})]
)
def test_orbax__both_layouts__names_and_shapes(name: str, dtype: set[str]) -> None:
    inspection = inspect(SAMPLES / name)
    found = tensors(inspection)
    assert (inspection.format, found["params/dense/kernel"][1]) == ("orbax", (3, 4))
    assert set(inspection.tensors.dtypes) == dtype


def test_orbax__steps_of_a_manager__are_named(tmp_path: Path) -> None:
    place = folder(tmp_path, {"3/_CHECKPOINT_METADATA": b"{}", "4/_CHECKPOINT_METADATA": b"{}"})
    with pytest.raises(Unsupported) as caught:
        inspect(place)
    assert (caught.value.what.split(" ", 1)[1], caught.value.hint) == ("holds 2 checkpoints", "give one of them: 3, 4")


TFJS: dict[str, Any] = {
    "format": "graph-model",
    "signature": {"inputs": {"x": {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "-1"}, {"size": "3"}]}}}},
    "weightsManifest": [
        {
            "paths": ["group1-shard1of2.bin", "group1-shard2of2.bin"],
            "weights": [
                {"name": "w", "shape": [3, 2], "dtype": "float32"},
                {"name": "q", "shape": [4], "dtype": "float32", "quantization": {"dtype": "uint8"}},
            ],
        }
    ],
}
SHARDS = {"group1-shard1of2.bin": b"\0" * 20, "group1-shard2of2.bin": b"\0" * 8}


def test_tensorflow_js__weights_and_signature(tmp_path: Path) -> None:
    inspection = inspect(folder(tmp_path, {"model.json": TFJS, **SHARDS}))
    assert inspection.format == "tensorflow-js"
    assert tensors(inspection) == {"w": ("float32", (3, 2)), "q": ("uint8", (4,))}
    assert [(f.name, f.shape, f.dtype) for f in inspection.io_hints.inputs] == [("x", ("x_0", 3), "float32")]


@pytest.mark.parametrize("shards", [{}, {**SHARDS, "group1-shard2of2.bin": b"\0" * 7}])
def test_tensorflow_js__shard_missing_or_short__is_corrupt(shards: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(Corrupt):
        inspect(folder(tmp_path, {"model.json": TFJS, **shards}))


@pytest.mark.parametrize(
    ("name", "form"), [("boosted.json", "xgboost"), ("boosted.ubj", "xgboost-ubj"), ("boosted.txt", "lightgbm")]
)
def test_boosted_trees__features_and_classes(name: str, form: str) -> None:
    inspection = inspect(SAMPLES / name)
    assert inspection.format == form
    assert [field.shape for field in inspection.io_hints.inputs] == [("batch", 5)]
    assert [field.shape for field in inspection.io_hints.outputs] == [("batch", 3)]
    assert len(inspection.metadata["feature_names"]) == 5


def caffe_layer(name: str, kind: str, *blobs: bytes) -> bytes:
    return block(100, block(1, name) + block(2, kind) + b"".join(block(7, blob) for blob in blobs))


CAFFE = (
    block(1, "net")
    + caffe_layer("conv", "Convolution", block(7, block(1, b"\x04\x03\x05\x05")) + block(5, b"\0" * 8), number(1, 1))
    + caffe_layer("relu", "ReLU")
)
MINDSPORE = block(
    1, block(1, "fc.weight") + block(2, number(1, 4) + number(1, 3) + block(2, "Float32") + block(3, b"\0"))
)


def test_caffe__layers_and_blobs(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, CAFFE, "net.caffemodel"))
    assert (inspection.format, inspection.metadata["operators"]) == ("caffe", {"Convolution": 1, "ReLU": 1})
    assert tensors(inspection) == {"conv.0": ("float32", (4, 3, 5, 5)), "conv.1": ("float32", (1, 1, 1, 1))}


def test_mindspore__names_types_and_shapes(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, MINDSPORE, "net.ckpt"))
    assert inspection.format == "mindspore"
    assert tensors(inspection) == {"fc.weight": ("float32", (4, 3))}


@pytest.mark.parametrize("data", [CAFFE, MINDSPORE])
def test_older_files__cut_at_every_offset__never_crash(data: bytes, tmp_path: Path) -> None:
    for length in range(1, len(data)):
        try:
            inspect(write(tmp_path, data[:length], "net.caffemodel"))
        except DnnboxError:
            continue


def test_task_bundle__models_inside__are_read(tmp_path: Path) -> None:
    model = (SAMPLES / "dense.tflite").read_bytes()
    inspection = inspect(write(tmp_path, zipped({"face.tflite": model, "notes.txt": b"x"}), "face.task"))
    assert (inspection.format, inspection.io_hints.inputs[0].name) == ("mediapipe-task", "image")
    assert tensors(inspection) == {"face.dense/kernel": ("float32", (4, 8))}


def test_shards__index_without_a_config__are_read(tmp_path: Path) -> None:
    index = {"weight_map": {"bert.w": "model-00001-of-00001.safetensors"}}
    files = {"model.safetensors.index.json": index, "model-00001-of-00001.safetensors": WEIGHTS}
    inspection = inspect(folder(tmp_path, files))
    assert (inspection.format, list(tensors(inspection))) == ("sharded-weights", ["bert.w"])


def test_tensorflow_js__paths_are_no_list__is_corrupt(tmp_path: Path) -> None:
    group = {**TFJS["weightsManifest"][0], "paths": None}
    with pytest.raises(Corrupt, match="the shards have 0 bytes"):
        inspect(folder(tmp_path, {"model.json": {**TFJS, "weightsManifest": [group]}}))


HUGE = number(1, 1 << 40) * 9_000


@pytest.mark.parametrize(
    "data",
    [
        block(1, "net") + caffe_layer("conv", "Convolution", block(7, HUGE)),
        MINDSPORE + block(1, block(1, "w") + block(2, HUGE + block(2, "Float32"))),
    ],
)
def test_shape__of_more_elements_than_there_can_be__is_corrupt(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="is larger than anything can be"):
        inspect(write(tmp_path, data, "m.caffemodel"))


def test_shape__of_more_elements_in_a_dangerous_file__leaves_the_verdict() -> None:
    reading = Reading(verdict="dangerous")
    reading.add_tensor("w", "float32", [1 << 62] * 9)
    reading.add_tensor("v", "float32", [1], storage="0", storage_bytes=10**480)
    assert reading.summary() == TensorSummary(2, 0, 0, {"float32": 2})


PLAN = b"ftrt" + b"\0" * 40
JAVA = b"\xac\xed\x00\x05sr\x00\x04Abcd"


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [
        ("m.bin", b"\x20\0\0\0KaNN" + b"\0" * 40, "kann"),
        ("m.bin", b"\0\0\0\x02\0\0\0\x01\0\0\0\0\x04\0\0\0", "qnn"),
        ("m.nb", b"\x02\x00" + b"\x01" * 20, "paddle-lite"),
        ("m.bson", b"\x40\x00\x00\x00\x03model\x00", "flux"),
        ("m.har", tarred({"m.hn": b"{}", "m.npz": b"x"}), "hailo-har"),
        ("m.zip", zipped({"TrainingInfo/Version.txt": b"3"}), "mlnet"),
        ("m.hef", b"\x01HEF" + b"\0" * 40, "hailo-hef"),
        ("m.kmodel", b"LDMK\x05\0\0\0", "kmodel"),
        ("m.mge", b"mgb0001\0" + b"\0" * 40, "megengine"),
        ("m.tnnmodel", b"\x02\x00\xbc\xfa" + b"\0" * 40, "tnn-model"),
        ("m.tnnproto", b'"1 2 1 4206624770 ,"\n', "tnn-proto"),
        ("m.tmfile", b"\x02\x00\x00\x00" + b"\x01" * 20, "tengine"),
        ("m.uff", b"\x08\x01\x10\x01\x1a\x02ab", "uff"),
        ("m.mindir", b"\x0a\x050.1.0\x12\x04net1", "mindir"),
        ("m.xmodel", b"\x0a\x01a\x2a\x01b", "xmodel"),
        ("init_net.pb", b"\x0a\x04init\x12\x02\x0a\x00", "caffe2"),
        ("m.armnn", b"\x10\x00\x00\x00" + b"\0" * 20, "armnn"),
        ("m.nn", b"\x10" + b"\0" * 20, "barracuda"),
        ("m.dlc", b"\x0a\xd5NETD" + b"\0" * 20, "dlc"),
        ("m.cntk", b"B\x00C\x00N\x00\x00\x00" + b"\0" * 8, "cntk"),
        ("m.t7", struct.pack("<III", 4, 1, 3) + b"V 1" + b"\0" * 8, "torch7"),
        ("graph.nnef", b"version 1.0;\n", "nnef"),
        ("ggml-base.bin", b"lmgg" + b"\0" * 40, "ggml"),
        ("m.params", b"\xb7\x9c\x04\x05\x4f\x8d\xe5\xf7" + b"\0" * 8, "tvm-params"),
        ("m.mlirbc", b"ML\xefR" + b"\0" * 8, "mlir"),
        ("m.cbm", b"CBM1" + b"\0" * 8, "catboost"),
        ("m.model", JAVA, "java-object"),
        ("m.dlc", zipped({"model": b"x", "model.params": b"y", "dlc.metadata": b"z"}), "dlc"),
        ("m.zip", zipped({"configuration.json": b"{}", "coefficients.bin": b"\x00\x07JAVACPP"}), "dl4j"),
        ("m.nnp", zipped({"nnp_version.txt": b"0.1", "network.nntxt": b""}), "nnabla"),
        ("m.mar", zipped({"MAR-INF/MANIFEST.json": b"{}", "handler.py": b""}), "torchserve-archive"),
    ],
)
def test_other_frameworks__are_named(name: str, data: bytes, form: str, tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, data, name))
    assert inspection.format == form
    assert inspection.not_scanned


@pytest.mark.parametrize(("data", "verdict"), [(PLAN, "dangerous"), (JAVA, "dangerous")])
def test_other_frameworks__that_run_code__are_dangerous(data: bytes, verdict: str, tmp_path: Path) -> None:
    assert inspect(write(tmp_path, data)).verdict == verdict


def test_tensorrt__metadata_before_the_plan__gives_task_and_labels(tmp_path: Path) -> None:
    said = json.dumps({"task": "detect", "names": {"0": "cat", "1": "dog"}, "imgsz": [640, 640]}).encode()
    inspection = inspect(write(tmp_path, struct.pack("<I", len(said)) + said + PLAN, "m.engine"))
    assert (inspection.format, inspection.verdict) == ("tensorrt", "dangerous")
    assert (inspection.io_hints.task, inspection.io_hints.labels) == ("object-detection", ("cat", "dog"))


def test_tensorrt__broken_metadata_before_the_plan__is_dangerous_all_the_same(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, struct.pack("<I", 2) + b"{]" + PLAN, "m.engine"))
    assert inspection.verdict == "dangerous"
    assert any("is not JSON" in item for item in inspection.not_scanned)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", {"weight_map": {}}, "the index of a sharded checkpoint"),
        ("a.json", [{"idx": 0, "path": "", "type": "x"}], "the list of a sentence-transformers model's modules"),
        ("a.json", {"image_processor_type": "ViT"}, "an image processor's configuration"),
        ("a.json", {"version": "5", "flags": {}, "shapes": []}, "a LabelMe annotation file"),
        ("a.json", {"nodes": [], "arg_nodes": [], "heads": []}, "an MXNet graph without parameters"),
        ("a.json", {"traceEvents": []}, "a trace of a profiler"),
        ("a.prototxt", b'layer {\n name: "x"\n}\n', "a Caffe prototxt without weights"),
        ("a.pbtxt", b'item {\n id: 1\n name: "x"\n}\n', "a TensorFlow text graph or label map"),
        ("config.pbtxt", b'platform: "onnxruntime_onnx"\n', "a Triton server configuration"),
        ("checkpoint", b'model_checkpoint_path: "m-1"\n', "TensorFlow's list of checkpoints"),
        ("spiece.model", b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02", "a SentencePiece tokenizer"),
        ("a.cfg", b"[net]\nbatch=1\n", "a Darknet configuration without weights"),
        ("a.mp4", b"\0\0\0\x18ftypmp42", "an MP4 video"),
        ("a.zip", zipped({"photo.png": b"x"}), "a zip archive without a model"),
    ],
)
def test_lookalikes__are_named(name: str, content: object, says: str, tmp_path: Path) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(Unsupported, match=says):
        inspect(write(tmp_path, data, name))


def test_directory__of_several_formats__names_each(tmp_path: Path) -> None:
    with pytest.raises(Unsupported) as caught:
        inspect(folder(tmp_path, {"a.safetensors": WEIGHTS, "net.caffemodel": CAFFE, "notes.md": b"x"}))
    assert caught.value.hint == "give one file: a.safetensors (safetensors), net.caffemodel (caffe)"


def test_aot_inductor__native_code__is_dangerous(tmp_path: Path) -> None:
    members = {"m/archive_format": b"pt2", "m/data/aotinductor/model/m.so": b"\x7fELF"}
    inspection = inspect(write(tmp_path, zipped(members), "m.pt2"))
    assert (inspection.format, inspection.verdict) == ("torch-export", "dangerous")


def test_torch_tar__hostile_pickle_in_any_member__is_dangerous(tmp_path: Path) -> None:
    harmless = {"pickle": b"\x80\x02}.", "tensors": b"\x80\x02K\x00.", "storages": b"\x80\x02K\x00.\x80\x02]."}
    for name in harmless:
        data = tarred({**harmless, name: b"\x80\x02" + SYSTEM_CALL + b"."})
        assert inspect(write(tmp_path, data, f"{name}.pth")).verdict == "dangerous"
