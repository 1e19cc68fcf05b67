"""Formats that are recognised and named, and of which only the outermost facts are read: magic numbers and layouts.

Source: the formats' own headers; Netron's list of modules (9.2) for completeness.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes, Folder
from dnnbox.errors import Corrupt
from dnnbox.records.inspection import Verdict

_MAX_PREFIX_BYTES = 1 << 20


@dataclass(frozen=True)
class Known:
    """One format: where its magic stands, and what to say of it. ``risk`` is a sentence, "" where there is none."""

    offset: int
    magic: bytes
    format: str
    framework: str
    verdict: Verdict = "no-code"
    risk: str = ""


_ENGINE = "a compiled engine: loading it runs native code"
_JAVA = "a serialised Java object: reading it runs code of the classes that it names"
KNOWN = (
    Known(4, b"ODTC", "onnxruntime-checkpoint", "onnxruntime"),
    Known(4, b"PTMF", "torchscript-mobile", "pytorch"),
    Known(4, b"MSL0", "mindspore-lite", "mindspore"),
    Known(4, b"MSL1", "mindspore-lite", "mindspore"),
    Known(4, b"MSL2", "mindspore-lite", "mindspore"),
    Known(4, b"MSL3", "mindspore-lite", "mindspore"),
    Known(4, b"TOSA", "tosa", "tosa"),
    Known(4, b"KaNN", "kann", "kalray"),
    Known(4, b"ENNC", "nnc", "samsung"),
    Known(4, b"RKNN", "rknn", "rknn"),
    Known(0, b"ptrt", "tensorrt", "tensorrt", "dangerous", _ENGINE),
    Known(0, b"ftrt", "tensorrt", "tensorrt", "dangerous", _ENGINE),
    Known(0, b"RKNN", "rknn", "rknn"),
    Known(0, b"VPMN", "rknn", "rknn"),
    Known(0, b"CYPTRKNN", "rknn-encrypted", "rknn"),
    Known(0, b"IMOD", "om", "ascend"),
    Known(0, b"PICO", "om", "ascend"),
    Known(0, b"EDL2", "espdl", "esp-dl"),
    Known(0, b"\x01HEF", "hailo-hef", "hailo"),
    Known(0, b"LDMK", "kmodel", "nncase"),
    Known(0, b"\0\0\0\x02\0\0\0\x01\0\0\0\0", "qnn", "qualcomm"),
    Known(0, b"\0\0\0\x02\0\0\0\x02\0\0\0\0", "qnn", "qualcomm"),
    Known(0, b"\0\0\0\x02\0\0\0\x03\0\0\0\0", "qnn", "qualcomm"),
    Known(0, b"IMGDNN", "imgdnn", "imagination"),
    Known(0, b"mgb0001", "megengine", "megengine"),
    Known(0, b"mgb0000a", "megengine", "megengine"),
    Known(0, b"MGBS", "megengine", "megengine"),
    Known(0, b"MGBC", "megengine", "megengine"),
    Known(8, b"mgv2", "megengine", "megengine"),
    Known(0, b"\x02\x00\xbc\xfa", "tnn-model", "tnn"),
    Known(0, b"\x04\x00\xbc\xfa", "tnn-model", "tnn"),
    Known(0, b"\xb7\x9c\x04\x05\x4f\x8d\xe5\xf7", "tvm-params", "tvm"),
    Known(0, b"ML\xefR", "mlir", "mlir"),
    Known(0, b"lmgg", "ggml", "ggml"),
    Known(0, b"fmgg", "ggml", "ggml"),
    Known(0, b"tjgg", "ggml", "ggml"),
    Known(0, b"algg", "ggml", "ggml"),
    Known(0, b"CBM1", "catboost", "catboost"),
    Known(0, b"binf", "xgboost", "xgboost"),
    Known(0, b"bs64", "xgboost", "xgboost"),
    Known(0, b"booster[0]:", "xgboost", "xgboost"),
    Known(0, b"{L\x00\x00", "xgboost-ubj", "xgboost"),
    Known(0, b"\x12\x01\x00\x00\x00\x00\x00\x00", "mxnet-params", "mxnet"),
    Known(0, b"\xdd\x85\x76\x00", "ncnn-param", "ncnn"),
    Known(0, b"B\x00C\x00N\x00\x00\x00", "cntk", "cntk"),
    Known(0, b"\x04\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00V 1", "torch7", "torch7"),
    Known(0, b"4\n1\n3\nV 1\n", "torch7", "torch7"),
    Known(0, b"\x00\x07JAVACPP", "dl4j", "deeplearning4j"),
    Known(0, b"\xac\xed\x00\x05", "java-object", "weka", "dangerous", _JAVA),
)  # fmt: skip


class Named(NamedTuple):
    """A format without a magic number: the ending of the name, what the head must look like, and what to say of it."""

    suffix: str
    head: re.Pattern[bytes]
    format: str
    framework: str


_PROTOBUF = re.compile(rb"\A[\x08\x0a\x12\x1a]", re.DOTALL)
_FLATBUFFER = re.compile(rb"\A[\x08-\x40]\x00\x00\x00", re.DOTALL)
NAMED = (
    Named(".uff", re.compile(rb"\A\x08.\x10", re.DOTALL), "uff", "tensorrt"),
    Named(".mindir", _PROTOBUF, "mindir", "mindspore"),
    Named(".xmodel", _PROTOBUF, "xmodel", "vitis-ai"),
    Named(".bigdl", _PROTOBUF, "bigdl", "bigdl"),
    Named(".cntk", _PROTOBUF, "cntk", "cntk"),
    Named("init_net.pb", _PROTOBUF, "caffe2", "caffe2"),
    Named("predict_net.pb", _PROTOBUF, "caffe2", "caffe2"),
    Named(".armnn", _FLATBUFFER, "armnn", "armnn"),
    Named(".ms", _FLATBUFFER, "mindspore-lite", "mindspore"),
    Named(".tmfile", re.compile(rb"\A[\x00-\x03]\x00.\x00", re.DOTALL), "tengine", "tengine"),
    Named(".nn", re.compile(rb"\A[\x00-\x20]\x00{7}", re.DOTALL), "barracuda", "unity"),
    Named(".tnnproto", re.compile(rb"\A\""), "tnn-proto", "tnn"),
    Named(".nnef", re.compile(rb"\Aversion\s"), "nnef", "nnef"),
    Named(".nb", re.compile(rb"\A[\x00-\x02]\x00"), "paddle-lite", "paddle"),
    Named(".hbm", _PROTOBUF, "horizon", "horizon"),
    Named(".bson", re.compile(rb"\A.{2}[\x00-\xff]{2}[\x01-\x13]", re.DOTALL), "flux", "flux"),
    Named(".dlc", re.compile(rb"\A.{0,8}NET[DP]", re.DOTALL), "dlc", "snpe"),
)


class Recognised:
    """Names a format by its magic number, or by the ending of its name where the head fits."""

    def sniff(self, data: Bytes) -> Match | None:
        """One of the magic numbers."""
        found = _find(data)
        if found:
            return Match(0.85, f"magic {found.magic[:8].hex()}")
        named = _find_named(data)
        return Match(0.65, f"the name ends in {named.suffix}") if named else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Name the format; say that nothing more was read."""
        found = _find(data) or _find_named(data)
        if found is None:
            raise Corrupt("the file changed while it was read")
        reading.format, reading.framework = found.format, found.framework
        if isinstance(found, Known):
            reading.worsen(found.verdict)
            if found.risk:
                reading.find("danger", "code-inside", "", found.risk)
        _before_an_engine(data, reading)
        reading.not_scanned.append("what stands behind the head: only the format was recognised")


def _find(data: Bytes) -> Known | None:
    head = data.head
    for known in KNOWN:
        if head[known.offset : known.offset + len(known.magic)] == known.magic:
            return known
    if _prefix(data):
        return Known(0, b"", "tensorrt", "tensorrt", "dangerous", _ENGINE)
    return None


def _find_named(data: Bytes) -> Named | None:
    name = data.name.lower()
    return next((row for row in NAMED if name.endswith(row.suffix) and row.head.match(data.head)), None)


def _prefix(data: Bytes) -> int:
    """Return the length of the JSON text that ultralytics writes before a TensorRT plan: u32 length, then "{"."""
    length = int.from_bytes(data.head[:4], "little")
    is_prefix = data.head[4:5] == b"{" and 2 <= length <= _MAX_PREFIX_BYTES
    return length if is_prefix and data.up_to(4 + length, 4) in (b"ptrt", b"ftrt") else 0


def _before_an_engine(data: Bytes, reading: Reading) -> None:
    """Keep what the exporter says of an engine: task, class names, image size."""
    length = _prefix(data)
    if not length:
        return
    try:
        said = plain.loads(data.read(4, length), "the engine's metadata")
    except Corrupt as error:  # the verdict must reach the user
        reading.not_scanned.append(error.what)
        return
    reading.metadata.update(plain.mapping(plain.bounded(said)))
    reading.scanned.append("the exporter's metadata before the engine")


class OtherFolders:
    """Names directories by the files that only they have."""

    MARKS = (
        (("genai_config.json",), "onnxruntime-genai", "onnxruntime"),
        (("coremldata.bin",), "coreml-compiled", "coreml"),
        (("graph.nnef",), "nnef", "nnef"),
        (("saved_model.pbtxt",), "tf-saved-model-text", "tensorflow"),
    )

    def _find(self, folder: Folder) -> tuple[str, str, str] | None:
        for names, form, framework in self.MARKS:
            if all(folder.has(name) for name in names):
                return form, framework, names[0]
        return None

    def sniff(self, folder: Folder) -> Match | None:
        """One of the marks."""
        found = self._find(folder)
        return Match(0.6, found[2]) if found else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Name it."""
        from dnnbox.checkpoints.folders import configs, describe

        found = self._find(folder)
        if found is None:
            raise Corrupt("the directory changed while it was read")
        reading.format, reading.framework, mark = found
        describe(folder, reading)
        configs(folder, reading)
        reading.not_scanned.append(f"everything behind {mark}: only the format was recognised")
