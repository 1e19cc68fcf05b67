"""Formats that are recognised and named, and of which only the outermost facts are read: magic numbers and layouts.

Source: the formats' own headers; Netron's list of modules (9.2) for completeness.
"""

from __future__ import annotations

from dataclasses import dataclass

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes, Folder
from dnnbox.errors import Corrupt
from dnnbox.records.inspection import Verdict


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
KNOWN = (
    Known(4, b"ODTC", "onnxruntime-checkpoint", "onnxruntime"),
    Known(4, b"PTMF", "torchscript-mobile", "pytorch"),
    Known(4, b"MSL1", "mindspore-lite", "mindspore"),
    Known(4, b"MSL2", "mindspore-lite", "mindspore"),
    Known(4, b"TOSA", "tosa", "tosa"),
    Known(4, b"RKNN", "rknn", "rknn"),
    Known(0, b"ptrt", "tensorrt", "tensorrt", "dangerous", _ENGINE),
    Known(0, b"ftrt", "tensorrt", "tensorrt", "dangerous", _ENGINE),
    Known(0, b"RKNN", "rknn", "rknn"),
    Known(0, b"VPMN", "rknn", "rknn"),
    Known(0, b"CYPTRKNN", "rknn-encrypted", "rknn"),
    Known(0, b"IMOD", "om", "ascend"),
    Known(0, b"PICO", "om", "ascend"),
    Known(0, b"EDL2", "espdl", "esp-dl"),
    Known(0, b"KaNN", "kann", "kann"),
    Known(0, b"CBM1", "catboost", "catboost"),
    Known(0, b"binf", "xgboost", "xgboost"),
    Known(0, b"{L\x00\x00", "xgboost-ubj", "xgboost"),
    Known(0, b"\x12\x01\x00\x00\x00\x00\x00\x00", "mxnet-params", "mxnet"),
    Known(0, b"\xdd\x85\x76\x00", "ncnn-param", "ncnn"),
    Known(0, b"tree\nversion", "lightgbm", "lightgbm"),
    Known(0, b"T7\x00\x00", "torch7", "torch7"),
)  # fmt: skip


class Recognised:
    """Names a format by its magic number."""

    def sniff(self, data: Bytes) -> Match | None:
        """One of the magic numbers."""
        found = _find(data)
        return Match(0.85, f"magic {found.magic[:8].hex()}") if found else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Name the format; say that nothing more was read."""
        found = _find(data)
        if found is None:
            raise Corrupt("the file changed while it was read")
        reading.format, reading.framework = found.format, found.framework
        reading.worsen(found.verdict)
        if found.risk:
            reading.find("warning" if found.verdict != "dangerous" else "danger", "code-inside", "", found.risk)
        reading.not_scanned.append("everything behind the magic number: only the format was recognised")


def _find(data: Bytes) -> Known | None:
    head = data.head
    for known in KNOWN:
        if head[known.offset : known.offset + len(known.magic)] == known.magic:
            return known
    # ultralytics writes a JSON text before a TensorRT plan: u32 length, then "{".
    length = int.from_bytes(head[:4], "little")
    if head[4:5] == b"{" and 2 <= length <= 1 << 20 and data.up_to(4 + length, 4) in (b"ptrt", b"ftrt"):
        return Known(0, b"", "tensorrt", "tensorrt", "dangerous", _ENGINE)
    return None


class OtherFolders:
    """Names directories by the files that only they have."""

    MARKS = (
        (("_CHECKPOINT_METADATA",), "orbax", "jax"),
        (("manifest.ocdbt",), "orbax", "jax"),
        (("model.json", "group1-shard1of1.bin"), "tensorflow-js", "tensorflow"),
        (("inference.json", "inference.pdiparams"), "paddle", "paddle"),
        (("inference.pdmodel", "inference.pdiparams"), "paddle", "paddle"),
        (("genai_config.json",), "onnxruntime-genai", "onnxruntime"),
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
        if reading.format == "orbax" and folder.has("_METADATA"):
            reading.metadata["tree"] = _orbax_names(folder)
            reading.scanned.append("_METADATA: names")
        reading.not_scanned.append(f"everything behind {mark}: only the format was recognised")


def _orbax_names(folder: Folder) -> list[str]:
    """Return the names of Orbax's tree: its metadata list each leaf by its keys."""
    from dnnbox.checkpoints import plain
    from dnnbox.checkpoints.folders import config

    found = []
    for entry in plain.mapping(plain.mapping(config(folder, "_METADATA")).get("tree_metadata")).values():
        keys = plain.mapping(entry).get("key_metadata")
        parts = [plain.text(plain.mapping(key).get("key")) for key in keys] if isinstance(keys, list) else []
        found.append("/".join(parts))
    return found[:2000]
