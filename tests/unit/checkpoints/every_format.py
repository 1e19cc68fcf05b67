"""One small checkpoint for every reader: what the tests that go over all formats are given."""

from __future__ import annotations

import gzip
import shutil
import struct
from pathlib import Path
from typing import Any

from tests.unit.checkpoints import hostile
from tests.unit.checkpoints.test_containers import rknn
from tests.unit.checkpoints.test_embedded import NEMO, tar
from tests.unit.checkpoints.test_folders import CONFIG, WEIGHTS, folder
from tests.unit.checkpoints.test_graph_files import GRAPH, NCNN, PADDLE
from tests.unit.checkpoints.test_header_readers import COREML, FLAX, INDEX
from tests.unit.checkpoints.test_jax_export import exported
from tests.unit.checkpoints.test_more_formats import CAFFE, MINDSPORE, PLAN, SHARDS, TFJS, zipped
from tests.unit.checkpoints.test_onnx import GOOD as ONNX
from tests.unit.checkpoints.test_other_formats import ARRAY, GGUF, OPENVINO, keras, saved_model
from tests.unit.checkpoints.test_safetensors import GOOD as SAFETENSORS

SAMPLES = Path(__file__).with_name("samples")
EMPTY = b"\x80\x02}."


def _sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def files() -> dict[str, tuple[str, bytes]]:
    """Return for each reader of files a name and bytes."""
    script = {"m/data.pkl": EMPTY, "m/constants.pkl": b"\x80\x02).", "m/version": b"3\n"}
    return {
        "safetensors": ("m.safetensors", SAFETENSORS),
        "onnx": ("m.onnx", ONNX),
        "gguf": ("m.gguf", GGUF),
        "npy": ("m.npy", ARRAY),
        "torch-legacy": ("m.pth", hostile.MAGIC + hostile.PROTOCOL + hostile.SYSTEM + EMPTY + b"\x80\x02]."),
        "pickle": ("m.pdparams", _sample("net.pdparams")),
        "openvino": ("m.xml", OPENVINO.encode()),
        "tar": ("m.nemo", tar(NEMO)),
        "hdf5": ("m.h5", _sample("functional.h5")),
        "tflite": ("m.tflite", _sample("dense.tflite")),
        "onnxruntime-ort": ("m.ort", _sample("product.ort")),
        "executorch": ("m.pte", _sample("dense.pte")),
        "flax-msgpack": ("m.msgpack", FLAX),
        "tf-index": ("m.index", INDEX),
        "coreml": ("m.mlmodel", COREML),
        "tf-graph": ("m.pb", GRAPH),
        "paddle-program": ("m.pdmodel", PADDLE),
        "paddle-json": ("m.json", _sample("paddle/inference.json")),
        "paddle-parameters": ("m.pdiparams", _sample("paddle/inference.pdiparams")),
        "ncnn": ("m.param", NCNN.encode()),
        "mnn": ("m.mnn", _sample("net.mnn")),
        "darknet": ("m.weights", struct.pack("<iiiq", 0, 2, 5, 64) + bytes(16)),
        "caffe": ("m.caffemodel", CAFFE),
        "mindspore": ("m.ckpt", MINDSPORE),
        "xgboost": ("boosted.json", _sample("boosted.json")),
        "lightgbm": ("m.txt", _sample("boosted.txt")),
        "jax-export": ("m.jaxexport", exported()),
        "litert-lm": ("m.litertlm", _sample("small.litertlm")),
        "rknn": ("m.rknn", rknn()),
        "compressed": ("m.nemo.gz", gzip.compress(tar(NEMO))),
        "recognised": ("m.engine", PLAN),
        "torch-zip": ("m.pt", hostile.zipped(EMPTY)),
        "torchscript": ("script.pt", zipped(script)),
        "torch-export": ("m.pt2", zipped({"m/archive_format": b"pt2", "m/lib.so": b"\x7fELF"})),
        "torch-package": ("package.pt", zipped({"p/.data/extern_modules": b"torch\n", "p/w/x.pkl": EMPTY})),
        "npz": ("m.npz", zipped({"w.npy": ARRAY})),
        "keras-v3": ("m.keras", keras({"class_name": "Sequential", "config": {}})),
        "mediapipe-task": ("m.task", zipped({"m.tflite": _sample("dense.tflite")})),
        "named-zip": ("m.nnp", zipped({"nnp_version.txt": b"0.1"})),
    }


def folders() -> dict[str, dict[str, Any]]:
    """Return for each reader of directories its files: bytes, or a document."""
    module = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    manifest = {"itemInfoEntries": {"A": {"path": "m.mlmodel"}}, "rootModelIdentifier": "A"}
    clip = {"model_cfg": {"vision_cfg": {"image_size": 224}, "text_cfg": {"context_length": 77}}}
    shard = {"weight_map": {"bert.w": "model-00001-of-00001.safetensors"}}
    return {
        "sentence-transformers": {"modules.json": [module], "config.json": CONFIG, "model.safetensors": WEIGHTS},
        "diffusers": {
            "model_index.json": {"_class_name": "Pipe", "unet": ["diffusers", "UNet"]},
            "unet/diffusion_pytorch_model.safetensors": WEIGHTS,
        },
        "peft-adapter": {"adapter_config.json": {"peft_type": "LORA"}, "adapter_model.safetensors": WEIGHTS},
        "open-clip-directory": {"open_clip_config.json": clip, "open_clip_model.safetensors": WEIGHTS},
        "timm-directory": {"config.json": {"architecture": "resnet18"}, "model.safetensors": WEIGHTS},
        "hf-directory": {"config.json": CONFIG, "model.safetensors": WEIGHTS},
        "saved-model": {"saved_model.pb": saved_model("MatMul")},
        "coreml-package": {"Manifest.json": manifest, "Data/m.mlmodel": COREML},
        "tf-checkpoint": {"model.index": INDEX, "model.data-00000-of-00001": bytes(24)},
        "tensorflow-js": {"model.json": TFJS, **SHARDS},
        "sharded-weights": {"model.safetensors.index.json": shard, "model-00001-of-00001.safetensors": WEIGHTS},
        "other-directories": {"genai_config.json": {}},
    }


COPIED = {"paddle": "paddle", "orbax": "orbax-zarr", "torch-dcp": "distributed"}
"""Readers of directories whose sample is one of the committed folders."""


def write_all(root: Path) -> dict[str, Path]:
    """Write everything below ``root``; return reader → path."""
    made: dict[str, Path] = {}
    for reader, (name, data) in files().items():
        made[reader] = root / name
        made[reader].write_bytes(data)
    for beside in ("m.bin", "m.data-00000-of-00001"):  # the weights of the OpenVINO model and of the index
        (root / beside).write_bytes(bytes(24))
    for reader, content in folders().items():
        place = root / f"{reader}-folder"
        place.mkdir()
        made[reader] = folder(place, content)
    for reader, sample in COPIED.items():
        made[reader] = root / f"{reader}-folder"
        shutil.copytree(SAMPLES / sample, made[reader])
    return made
