"""What a file is when it is no checkpoint that can be read: known formats by magic, and things taken for models."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.folders import role
from dnnbox.checkpoints.opening import Bytes, Folder, shown
from dnnbox.errors import Corrupt, DnnboxError, Unsupported
from dnnbox.text import visible

_PACKED = (
    (b"BZh", "a bzip2 file", "unpack it first (bunzip2)"),
    (b"\xfd7zXZ\x00", "an xz file", "unpack it first (unxz)"),
    (b"\x28\xb5\x2f\xfd", "a zstandard file", "unpack it first (unzstd)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first (7z x)"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
)
_OTHER = (
    (b"\x7fELF", "a native program or library"),
    (b"MZ", "a Windows program or library"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF-", "a PDF document"),
    (b"RIFF", "a RIFF file (WAV audio, AVI or WebP)"),
    (b"fLaC", "a FLAC audio file"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 audio file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"ARROW1", "an Arrow table"),
    (b"CAFEBABE", "a Java class"),
    (b"\xca\xfe\xba\xbe", "a Java class or a macOS library"),
    (b"SIMPLE  =", "a FITS image"),
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer: the file itself was not downloaded"),
    (b"<!DOCTYPE html", "an HTML page, perhaps saved instead of a download"),
    (b"<html", "an HTML page, perhaps saved instead of a download"),
    (b"<?xml", "an XML document that is no OpenVINO model"),
    (b"#!", "a script"),
    (b"-----BEGIN ", "a key or certificate"),
)

_JSON_KINDS: tuple[tuple[str, Callable[[Mapping[str, Any]], bool]], ...] = (
    ("a COCO annotation file", lambda d: {"images", "annotations"} <= d.keys()),
    ("the index of a sharded checkpoint: give its directory", lambda d: "weight_map" in d),
    ("a model configuration without weights: give its directory", lambda d: "model_type" in d or "architectures" in d),
    ("a diffusers pipeline's index: give its directory", lambda d: "_diffusers_version" in d),
    ("a PEFT adapter's configuration: give its directory", lambda d: "peft_type" in d),
    ("a TensorFlow.js model's description", lambda d: "modelTopology" in d and "weightsManifest" in d),
    ("a tokenizer", lambda d: {"model", "added_tokens"} <= d.keys()),
    ("an MXNet graph without parameters", lambda d: {"nodes", "arg_nodes", "heads"} <= d.keys()),
    ("an XGBoost model", lambda d: {"learner", "version"} <= d.keys()),
    ("a Paddle 3 program without parameters", lambda d: {"base_code", "program"} <= d.keys()),
    ("a Keras model's configuration without weights", lambda d: "class_name" in d and "config" in d),
    ("a Jupyter notebook", lambda d: {"cells", "nbformat"} <= d.keys()),
    ("a DVC or MLflow metadata file", lambda d: "mlflow_version" in d or "outs" in d),
    ("a GeoJSON file", lambda d: d.get("type") == "FeatureCollection"),
    ("a table of labels", lambda d: bool(d) and all(k.isdecimal() and isinstance(v, str) for k, v in d.items())),
)
_TEXT_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a Darknet configuration without weights", re.compile(r"\A\s*(#.*\n\s*)*\[(net|network)\]", re.MULTILINE)),
    ("an ncnn graph without weights", re.compile(r"\A7767517\s")),
    ("a Caffe prototxt without weights", re.compile(r"^\s*layers?\s*\{", re.MULTILINE)),
    ("a TensorFlow text graph or label map", re.compile(r"^\s*(node|item)\s*\{", re.MULTILINE)),
    ("a Triton server configuration", re.compile(r"^\s*(platform|backend)\s*:\s*\"", re.MULTILINE)),
    ("a LightGBM model", re.compile(r"\Atree\nversion=")),
    ("MLIR text", re.compile(r"\A\s*(//.*\n)*\s*(module|func\.func)\b")),
    ("Python source", re.compile(r"^(import \w+|from [\w.]+ import |def \w+\(|class \w+)", re.MULTILINE)),
    ("YAML", re.compile(r"\A(---\n|[A-Za-z_][\w-]*:[ \n])")),
    ("a table of comma-separated values", re.compile(r"\A[^\n,]+(,[^\n,]*)+\n[^\n,]*(,[^\n,]*)+\n")),
)


def unknown_file(data: Bytes) -> DnnboxError:
    """Return the error that says what a file looks like."""
    for magic, what, hint in _PACKED:
        if data.head.startswith(magic):
            return Unsupported(f"{shown(data.path)} is {what}, not a checkpoint", hint=hint)
    for magic, what in _OTHER:
        if data.head.startswith(magic):
            return Unsupported(f"{shown(data.path)} is {what}, not a checkpoint")
    if data.head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return Unsupported(f"{shown(data.path)} is a zip archive without a model: {_listing(data)}")
    if not data.head.strip(b"\0"):
        return Corrupt(f"{shown(data.path)} starts with zeros only", hint="copy the file again")
    text = _as_text(data)
    if text is None:
        return Unsupported(f"{shown(data.path)} is not a format that dnnbox knows: starts with {data.head[:8].hex()}")
    what = _json_kind(data) or next((kind for kind, known in _TEXT_KINDS if known.search(text)), "plain text")
    return Unsupported(f"{shown(data.path)} is {what}, not a checkpoint")


def _listing(data: Bytes) -> str:
    names = list(data.archive.members)
    return visible(", ".join(names[:5]), 160) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _as_text(data: Bytes) -> str | None:
    """Return the head when it is text."""
    head = data.head
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return None
        text = head[: error.start].decode("utf-8")
    control = sum(ord(char) < 32 and char not in "\t\n\r\f" for char in text)
    return text if control == 0 else None


def _json_kind(data: Bytes) -> str:
    start = data.head.lstrip()[:1]
    if start not in (b"{", b"[") or data.size > 8 << 20:
        return "JSON too large to look into" if start in (b"{", b"[") and data.size > 8 << 20 else ""
    try:
        found = plain.loads(data.read(0, data.size), "the file")
    except DnnboxError:
        return "broken JSON" if start == b"{" else ""
    if not isinstance(found, dict):
        return "a JSON list"
    return next((kind for kind, known in _JSON_KINDS if known(found)), "a JSON document")


def unknown_folder(folder: Folder) -> Unsupported:
    """Return the error for a directory that is no checkpoint; single weights files in it are named."""
    files = [path for path in folder.entries if role(path) == "weights"]
    if files:
        shown_files = visible(", ".join(files[:4]), 160) + (" …" if len(files) > 4 else "")
        return Unsupported(
            f"{shown(folder.root)} is a directory without a known configuration", hint=f"give one file: {shown_files}"
        )
    what = "is an empty directory" if not folder.entries else f"holds {len(folder.entries)} files and no model"
    return Unsupported(f"{shown(folder.root)} {what}", hint="give a checkpoint file or a model's directory")
