"""The small files that the fuzzer mutates, by format: those of the tests, and the samples."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

from tests.unit.checkpoints.test_containers import SAMPLE, rknn
from tests.unit.checkpoints.test_embedded import NEMO, tar
from tests.unit.checkpoints.test_graph_files import GRAPH, NCNN, PADDLE, PNNX
from tests.unit.checkpoints.test_header_readers import COREML, FLAX, INDEX
from tests.unit.checkpoints.test_more_formats import CAFFE, MINDSPORE
from tests.unit.checkpoints.test_onnx import GOOD as ONNX
from tests.unit.checkpoints.test_other_formats import ARRAY, GGUF
from tests.unit.checkpoints.test_safetensors import GOOD as SAFETENSORS
from tests.unit.checkpoints.test_zips import PLAIN as ZIP

_SAMPLES = Path(__file__).with_name("samples")


def _sample(*names: str) -> list[bytes]:
    return [(_SAMPLES / name).read_bytes() for name in names]


def _npz() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("w.npy", ARRAY)
    return buffer.getvalue()


def _short_litertlm() -> bytes:
    """Return the header of a LiteRT-LM file with its model right behind, without the blocks' padding."""
    data = SAMPLE.read_bytes()
    return data[:2048] + data[16_384:]


def by_format() -> dict[str, list[bytes]]:
    """Return the seeds of each format."""
    return {
        "zip": [ZIP, _npz()],
        "safetensors": [SAFETENSORS],
        "gguf": [GGUF],
        "onnx": [ONNX],
        "flatbuffer": _sample("dense.tflite", "product.ort", "dense.pte"),
        "hdf5": _sample("earliest.h5", "latest.h5", "functional.h5", "heaps.h5"),
        "msgpack": [FLAX],
        "tensorflow": [INDEX],
        "coreml": [COREML],
        "graphs": [GRAPH, PADDLE, NCNN.encode(), PNNX.encode()],
        "tar": [tar(NEMO)],
        "containers": [_short_litertlm(), rknn(), rknn(version=1), gzip.compress(tar(NEMO))],
        "keras": _sample("functional.keras"),
        "others": [
            *_sample("paddle/inference.json", "paddle/inference.pdiparams", "boosted.json", "boosted.ubj"),
            CAFFE,
            MINDSPORE,
        ],
    }
