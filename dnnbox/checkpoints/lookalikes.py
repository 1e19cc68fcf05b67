"""What a file is when it is no checkpoint that can be read: known formats by magic, and things taken for models."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
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
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer: fetch the file itself with `git lfs pull`"),
    (b"<!DOCTYPE html", "an HTML page, perhaps saved instead of a download"),
    (b"<html", "an HTML page, perhaps saved instead of a download"),
    (b"<?xml", "an XML document that is no OpenVINO model"),
    (b"#!", "a script"),
    (b"-----BEGIN ", "a key or certificate"),
    (b"\x89HDF", "a broken HDF5 file"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"glTF", "a glTF scene"),
    (b"ply\n", "a PLY point cloud"),
    (b"\x00asm", "a WebAssembly module"),
    (b"BC\xc0\xde", "LLVM bitcode"),
)

_JSON_KINDS: tuple[tuple[str, Callable[[Mapping[str, Any]], bool]], ...] = (
    ("a COCO annotation file", lambda d: {"images", "annotations"} <= d.keys()),
    ("the index of a sharded checkpoint: give its directory", lambda d: "weight_map" in d),
    ("a model configuration without weights: give its directory", lambda d: "model_type" in d or "architectures" in d),
    ("a diffusers pipeline's index: give its directory", lambda d: "_diffusers_version" in d),
    ("a PEFT adapter's configuration: give its directory", lambda d: "peft_type" in d),
    ("a TensorFlow.js model's description: give its directory", lambda d: "weightsManifest" in d),
    ("a tokenizer's configuration", lambda d: "tokenizer_class" in d or "added_tokens_decoder" in d),
    ("an image processor's configuration", lambda d: "image_processor_type" in d or "feature_extractor_type" in d),
    ("an open_clip model's configuration: give its directory", lambda d: "model_cfg" in d and "preprocess_cfg" in d),
    ("an ONNX Runtime GenAI configuration: give its directory", lambda d: "model" in d and "search" in d),
    ("an Ollama manifest", lambda d: "model_format" in d and "model_family" in d),
    ("an OCI image's manifest", lambda d: "schemaVersion" in d and "mediaType" in d),
    ("a LabelMe annotation file", lambda d: {"version", "flags", "shapes"} <= d.keys()),
    ("an AIMET file of quantisation ranges", lambda d: "activation_encodings" in d),
    ("a trace of a profiler", lambda d: "traceEvents" in d),
    ("a CatBoost model as JSON", lambda d: "features_info" in d and "model_info" in d),
    ("an Acuity network", lambda d: "MetaData" in d and "Layers" in d),
    ("a Qualcomm QNN network without parameters", lambda d: "model.cpp" in d and "graph" in d),
    ("a oneDNN graph", lambda d: {"engine_kind", "fpmath_mode", "graph"} <= d.keys()),
    ("a Hailo network without parameters", lambda d: {"net_params", "layers"} <= d.keys()),
    ("a DL4J configuration without coefficients", lambda d: "confs" in d or ("vertices" in d and "networkInputs" in d)),
    ("a TOSA or Circle graph as JSON", lambda d: "operator_codes" in d or ("regions" in d and "version" in d)),
    ("an npm package's description", lambda d: {"name", "version", "dependencies"} <= d.keys()),
    ("Weights & Biases metadata", lambda d: {"program", "host", "executable"} <= d.keys()),
    ("a ModelScope configuration", lambda d: {"framework", "task"} <= d.keys()),
    ("a tokenizer", lambda d: {"model", "added_tokens"} <= d.keys()),
    ("an MXNet graph without parameters", lambda d: {"nodes", "arg_nodes", "heads"} <= d.keys()),
    ("a Keras model's configuration without weights", lambda d: "class_name" in d and "config" in d),
    ("a Jupyter notebook", lambda d: {"cells", "nbformat"} <= d.keys()),
    ("a DVC or MLflow metadata file", lambda d: "mlflow_version" in d or "outs" in d),
    ("a GeoJSON file", lambda d: d.get("type") == "FeatureCollection"),
    ("a table of labels", lambda d: bool(d) and all(k.isdecimal() and isinstance(v, str) for k, v in d.items())),
)
_TEXT_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a Darknet configuration without weights", re.compile(r"\A\s*(#.*\n\s*)*\[(net|network)\]", re.MULTILINE)),
    ("a Caffe prototxt without weights", re.compile(r"^\s*layers?\s*\{", re.MULTILINE)),
    ("a TensorFlow text graph or label map", re.compile(r"^\s*(node|item)\s*\{", re.MULTILINE)),
    ("TensorFlow's list of checkpoints: give its directory", re.compile(r"^model_checkpoint_path:", re.MULTILINE)),
    ("a MediaPipe graph", re.compile(r"^(input_stream|output_stream|input_side_packet)\s*:", re.MULTILINE)),
    ("a Caffe solver's settings", re.compile(r"^(train_net|net|base_lr)\s*:", re.MULTILINE)),
    ("a Caffe2 net without weights", re.compile(r"^\s*op\s*\{\s*$", re.MULTILINE)),
    ("an nnabla network without parameters", re.compile(r"^network\s*\{", re.MULTILINE)),
    ("a Triton server configuration", re.compile(r"^\s*(platform|backend)\s*:\s*\"", re.MULTILINE)),
    ("MLIR text", re.compile(r"\A\s*(//.*\n)*\s*(module|func\.func)\b")),
    ("Python source", re.compile(r"^(import \w+|from [\w.]+ import |def \w+\(|class \w+)", re.MULTILINE)),
    ("YAML", re.compile(r"\A(---\n|[A-Za-z_][\w-]*:[ \n])")),
    ("a table of comma-separated values", re.compile(r"\A[^\n,]+(,[^\n,]*)+\n[^\n,]*(,[^\n,]*)+\n")),
)


_MAX_FILES_TRIED = 200
_MARKS = frozenset((
    "config.json", "adapter_config.json", "model_index.json", "modules.json", "open_clip_config.json", "saved_model.pb",
    ".metadata", "_CHECKPOINT_METADATA", "Manifest.json",
))  # fmt: skip
# A piece: its text (field 1), its score (2, a float), perhaps its kind (3).
_SENTENCEPIECE = re.compile(rb"\A\x0a.\x0a.[^\x00]{0,40}?\x15", re.DOTALL)


def unknown_file(data: Bytes) -> DnnboxError:
    """Return the error that says what a file looks like."""
    for magic, what, hint in _PACKED:
        if data.head.startswith(magic):
            return Unsupported(f"{shown(data.path)} is {what}, not a checkpoint", hint=hint)
    for magic, kind in _OTHER:
        if data.head.startswith(magic):
            return _no_checkpoint(data, kind)
    if data.head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return Unsupported(f"{shown(data.path)} is a zip archive without a model: {_listing(data)}")
    if not data.head.strip(b"\0"):
        return Corrupt(f"{shown(data.path)} starts with zeros only", hint="copy the file again")
    if data.head[4:8] == b"ftyp":
        return _no_checkpoint(data, "an MP4 video or a HEIF image")
    if _SENTENCEPIECE.match(data.head):
        return _no_checkpoint(data, "a SentencePiece tokenizer")
    text = _as_text(data)
    if text is None:
        return Unsupported(f"{shown(data.path)} is not a format that dnnbox knows: starts with {data.head[:8].hex()}")
    kind = _json_kind(data) or next((kind for kind, known in _TEXT_KINDS if known.search(text)), "plain text")
    return _no_checkpoint(data, kind)


def _no_checkpoint(data: Bytes, kind: str) -> Unsupported:
    """Return the error for a file of a known kind; what follows ": " in its description is the way out."""
    what, _, hint = kind.partition(": ")
    return Unsupported(f"{shown(data.path)} is {what}, not a checkpoint", hint=hint)


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
        return _list_kind(found)
    return next((kind for kind, known in _JSON_KINDS if known(found)), "a JSON document")


def _list_kind(found: object) -> str:
    first = found[0] if isinstance(found, list) and found else None
    keys = first.keys() if isinstance(first, dict) else set()
    if {"idx", "path", "type"} <= keys:
        return "the list of a sentence-transformers model's modules: give its directory"
    if {"pid", "ph"} <= keys:
        return "a trace of a profiler"
    return "a JSON list"


def unknown_folder(folder: Folder) -> Unsupported:
    """Return the error for a directory that is no checkpoint; the files in it that are checkpoints are named."""
    folders = sorted({path.rpartition("/")[0] for path in folder.entries if _is_mark(path)})
    if folders:
        listed = visible(", ".join(folders[:6]), 200) + (" …" if len(folders) > 6 else "")
        return Unsupported(f"{shown(folder.root)} holds {len(folders)} checkpoints", hint=f"give one of them: {listed}")
    files = _checkpoints(folder)
    if files:
        listed = visible(", ".join(files[:4]), 200) + (" …" if len(files) > 4 else "")
        return Unsupported(
            f"{shown(folder.root)} is a directory without a known configuration", hint=f"give one file: {listed}"
        )
    what = "is an empty directory" if not folder.entries else f"holds {len(folder.entries)} files and no model"
    return Unsupported(f"{shown(folder.root)} {what}", hint="give a checkpoint file or a model's directory")


def _is_mark(path: str) -> bool:
    """Whether a file below the top is one that makes its folder a checkpoint."""
    return "/" in path and path.rpartition("/")[2] in _MARKS


def _checkpoints(folder: Folder) -> list[str]:
    """Return the files that a reader knows, each with its format; where there are none, those with a weights' name."""
    from dnnbox.checkpoints import reader_of

    found = []
    for path in list(folder.entries)[:_MAX_FILES_TRIED]:
        if folder.has(path) and folder.entries[path].size and role(path) in ("weights", "config", "other"):
            with suppress(DnnboxError), folder.open(path) as data:
                if name := reader_of(data):
                    found.append(f"{path} ({name})")
    return found or [path for path in folder.entries if role(path) == "weights"]
