"""GGUF, numpy, Keras, PEFT, timm, diffusers and what is recognised by a magic number only."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.errors import Corrupt, DnnboxError, Unsupported
from tests.unit.checkpoints.hostile import SYSTEM_CALL
from tests.unit.checkpoints.test_folders import WEIGHTS, folder
from tests.unit.checkpoints.test_onnx import block, number

SAMPLES = Path(__file__).with_name("samples")


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(entries: list[bytes], tensors: list[bytes], body: bytes = b"") -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries) + b"".join(tensors)
    return head + b"\0" * (-len(head) % 32) + body


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def gguf_tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


GGUF = gguf(
    [
        entry("general.architecture", 8, text("llama")),
        entry("llama.context_length", 4, struct.pack("<I", 2048)),
        entry("tokenizer.ggml.model", 8, text("gpt2")),
        entry("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 40) + b"".join(text(f"t{n}") for n in range(40))),
        entry("tokenizer.ggml.scores", 9, struct.pack("<IQ", 6, 40) + b"\0" * 160),
    ],
    [gguf_tensor("token_embd.weight", (64, 2), 0, 0), gguf_tensor("blk.0.attn_q.weight", (256, 2), 12, 512)],
    b"\0" * (512 + 288),
)


def write(tmp_path: Path, data: bytes, name: str = "model.bin") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_gguf__good__is_described(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, GGUF))
    assert (inspection.format, inspection.verdict) == ("gguf", "no-code")
    assert [(t.name, t.dtype, t.shape) for t in inspection.tensor_list] == [
        ("token_embd.weight", "float32", (2, 64)),
        ("blk.0.attn_q.weight", "q4_k", (2, 256)),
    ]
    assert inspection.metadata["llama.context_length"] == 2048
    assert inspection.metadata["tokenizer.ggml.tokens"]["count"] == 40
    assert inspection.io_hints.task == "text-generation"


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60),
        gguf([entry("a", 9, struct.pack("<IQ", 8, 1 << 60))], []),
        gguf([entry("a", 9, struct.pack("<IQ", 4, 1 << 60))], []),
        gguf([entry("a", 8, struct.pack("<Q", 1 << 63))], []),
        gguf([entry("a", 99, b"")], []),
        gguf([entry("a", 0, b"1"), entry("a", 0, b"1")], []),
        gguf([entry("general.alignment", 4, struct.pack("<I", 0))], []),
        gguf([], [gguf_tensor("a", (1,) * 9, 0, 0)]),
        gguf([], [gguf_tensor("a", (1 << 40,), 0, 0)]),
    ],
)
def test_gguf__impossible__is_corrupt(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(Corrupt):
        inspect(write(tmp_path, data))


def test_gguf__cut_at_every_offset__is_an_error_of_ours(tmp_path: Path) -> None:
    for length in range(0, len(GGUF), 3):
        with pytest.raises(DnnboxError):
            inspect(write(tmp_path, GGUF[:length]))


def npy(header: str, body: bytes) -> bytes:
    raw = header.encode().ljust(53) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + body


ARRAY = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", b"\0" * 24)


def test_npy__good__is_described(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, ARRAY))
    assert (inspection.format, inspection.verdict) == ("numpy", "no-code")
    assert [(t.dtype, t.shape) for t in inspection.tensor_list] == [("float32", (2, 3))]


def test_npy__objects__are_judged_as_a_pickle(tmp_path: Path) -> None:
    data = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"\x80\x02" + SYSTEM_CALL + b".")
    assert inspect(write(tmp_path, data)).verdict == "dangerous"


def test_npy__field_given_twice__is_refused(tmp_path: Path) -> None:
    header = "{'descr': '<f4', 'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    with pytest.raises(Unsupported):
        inspect(write(tmp_path, npy(header, b"\x80\x02" + SYSTEM_CALL + b".")))


def test_npy__cut_short__is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(Corrupt):
        inspect(write(tmp_path, ARRAY[:-1]))


def test_npz__arrays_by_name(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("w.npy", ARRAY)
    inspection = inspect(write(tmp_path, buffer.getvalue(), "weights.npz"))
    assert [(t.name, t.shape) for t in inspection.tensor_list] == [("w", (2, 3))]


def keras(config: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("config.json", json.dumps(config))
        made.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        made.writestr("model.weights.h5", (SAMPLES / "functional.weights.h5").read_bytes())
    return buffer.getvalue()


def test_keras__lambda_layer__is_dangerous(tmp_path: Path) -> None:
    plain = inspect(write(tmp_path, keras({"class_name": "Sequential", "config": {}})))
    assert (plain.format, plain.verdict) == ("keras-v3", "data-only")
    config = {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}}
    assert inspect(write(tmp_path, keras(config))).verdict == "dangerous"


@pytest.mark.parametrize(
    ("data", "form", "verdict"),
    [
        (b"\x1c\0\0\0PTMF" + b"\0" * 40, "torchscript-mobile", "no-code"),
        (b"ptrt" + b"\0" * 40, "tensorrt", "dangerous"),
        (struct.pack("<I", 10) + b'{"a": "b"}' + b"ftrt" + b"\0" * 40, "tensorrt", "dangerous"),
    ],
)
def test_recognised__by_magic__is_named(data: bytes, form: str, verdict: str, tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, data))
    assert (inspection.format, inspection.verdict) == (form, verdict)
    assert inspection.not_scanned


def test_timm_directory__config__gives_input_and_labels(tmp_path: Path) -> None:
    config = {
        "architecture": "resnet18",
        "num_classes": 2,
        "label_names": ["cat", "dog"],
        "pretrained_cfg": {"input_size": [3, 224, 224], "mean": [0.5, 0.5, 0.5]},
    }
    inspection = inspect(folder(tmp_path, {"config.json": config, "model.safetensors": WEIGHTS}))
    assert inspection.format == "timm-directory"
    assert inspection.io_hints.inputs[0].shape == ("batch", 3, 224, 224)
    assert inspection.io_hints.labels == ("cat", "dog")
    assert inspection.io_hints.preprocess["mean"] == [0.5, 0.5, 0.5]


def test_peft_directory__needs_its_base(tmp_path: Path) -> None:
    files = {"adapter_config.json": {"base_model_name_or_path": "a/b"}, "adapter_model.safetensors": WEIGHTS}
    inspection = inspect(folder(tmp_path, files))
    assert inspection.format == "peft-adapter"
    assert any("a/b" in finding.text for finding in inspection.findings)


def test_diffusers_directory__components__are_split(tmp_path: Path) -> None:
    index = {"_class_name": "Pipe", "_diffusers_version": "0.30", "unet": ["diffusers", "UNet"], "own": ["mine", "X"]}
    files = {
        "model_index.json": index,
        "unet/config.json": {},
        "unet/diffusion_pytorch_model.safetensors": WEIGHTS,
        "unet/diffusion_pytorch_model.fp16.safetensors": WEIGHTS,
    }
    inspection = inspect(folder(tmp_path, files))
    assert (inspection.format, inspection.needs_code) == ("diffusers", ("mine.X",))
    assert [t.name for t in inspection.tensor_list] == ["unet.bert.w"]


@pytest.mark.parametrize("mark", ["manifest.ocdbt", "_CHECKPOINT_METADATA"])
def test_directories__by_their_mark__are_named(mark: str, tmp_path: Path) -> None:
    inspection = inspect(folder(tmp_path, {mark: b"{}"}))
    assert inspection.format == "orbax"
    assert inspection.not_scanned


def test_orbax__names_of_the_tree(tmp_path: Path) -> None:
    leaf = {"key_metadata": [{"key": "params"}, {"key": "w"}], "value_metadata": {"value_type": "jax.Array"}}
    files = {"_CHECKPOINT_METADATA": b"{}", "_METADATA": {"tree_metadata": {"('params', 'w')": leaf}}}
    assert inspect(folder(tmp_path, files)).metadata["tree"] == ["params/w"]


OPENVINO = """<?xml version="1.0"?>
<net name="m" version="11"><layers>
<layer id="0" name="x" type="Parameter" version="opset1"><data shape="?,3" element_type="f32"/>
<output><port id="0" precision="FP32" names="image"><dim>-1</dim><dim>3</dim></port></output></layer>
<layer id="1" name="w" type="Const" version="opset1"><data element_type="f32" shape="2, 3" offset="0" size="24"/>
<output><port id="0" precision="FP32"><dim>2</dim><dim>3</dim></port></output></layer>
<layer id="2" name="y/sink" type="Result" version="opset1"><input><port id="0" precision="FP32"><dim>-1</dim></port>
</input></layer></layers></net>
"""


def test_openvino__graph_and_weights__are_described(tmp_path: Path) -> None:
    path = write(tmp_path, OPENVINO.encode(), "model.xml")
    with pytest.raises(DnnboxError, match="does not exist"):
        inspect(path)
    write(tmp_path, b"\0" * 23)
    with pytest.raises(Corrupt, match="cut short"):
        inspect(path)
    write(tmp_path, b"\0" * 24)
    inspection = inspect(path)
    assert (inspection.format, inspection.companions) == ("openvino", ("model.bin",))
    assert [(f.name, f.shape, f.dtype) for f in inspection.io_hints.inputs] == [("image", ("image_0", 3), "float32")]
    assert [(t.name, t.shape) for t in inspection.tensor_list] == [("w", (2, 3))]


def saved_model(operator: str) -> bytes:
    shape = block(2, number(1, (1 << 64) - 1)) + block(2, number(1, 3))
    tensor_info = block(1, "x:0") + number(2, 1) + block(3, shape)
    signature = block(1, block(1, "image") + block(2, tensor_info)) + block(2, block(1, "out") + block(2, tensor_info))
    graph = block(1, block(1, "n") + block(2, operator))
    meta = block(1, block(4, "serve") + block(5, "2.21.0")) + block(2, graph)
    return number(1, 1) + block(2, meta + block(5, block(1, "serving_default") + block(2, signature)))


def test_saved_model__signature__gives_inputs(tmp_path: Path) -> None:
    inspection = inspect(folder(tmp_path, {"saved_model.pb": saved_model("MatMul")}))
    assert (inspection.format, inspection.verdict) == ("tf-saved-model", "no-code")
    (field,) = inspection.io_hints.inputs
    assert (field.name, field.shape, field.dtype) == ("image", ("image_0", 3), "float32")
    assert inspection.metadata["tensorflow_version"] == "2.21.0"


def test_saved_model__operator_that_writes_files__is_dangerous(tmp_path: Path) -> None:
    assert inspect(folder(tmp_path, {"saved_model.pb": saved_model("WriteFile")})).verdict == "dangerous"
