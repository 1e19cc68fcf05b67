"""Arrow 1: bytes → Inspection. Nothing is executed, unpickled, imported or written.

Readers are found by content, not by extension. To add one: a class with ``sniff`` and ``read`` (base.py) in a file of
its own, and a line in the registry below; third parties use the entry points ``dnnbox.readers``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from dnnbox.checkpoints.base import FileReader, FolderReader, Reading, best
from dnnbox.checkpoints.opening import Bytes, FileBytes, Folder, modified_utc, shown
from dnnbox.errors import Corrupt, NotReadable
from dnnbox.records.inspection import Inspection
from dnnbox.registry import Registry

_HERE = "dnnbox.checkpoints"
_CHUNK_BYTES = 1 << 20
# In the order of how often they are met: a match of 1 ends the search, and spares importing the rest.
ZIP_READERS = {
    "torch-zip": f"{_HERE}.torch_zip:TorchZip",
    "torchscript": f"{_HERE}.torchscript:TorchScript",
    "torch-export": f"{_HERE}.torch_export:TorchExport",
    "torch-package": f"{_HERE}.torch_zip:TorchPackage",
    "npz": f"{_HERE}.numpy_files:Npz",
    "keras-v3": f"{_HERE}.keras_files:KerasZip",
    "mediapipe-task": f"{_HERE}.zip_bundles:TaskBundle",
    "named-zip": f"{_HERE}.zip_bundles:NamedZip",
}
FILE_READERS = {
    "safetensors": f"{_HERE}.safetensors_file:Safetensors",
    "onnx": f"{_HERE}.onnx_file:Onnx",
    "gguf": f"{_HERE}.gguf:Gguf",
    "npy": f"{_HERE}.numpy_files:Npy",
    "torch-legacy": f"{_HERE}.torch_legacy:TorchLegacy",
    "pickle": f"{_HERE}.bare_pickle:BarePickle",
    "openvino": f"{_HERE}.openvino:OpenVino",
    "tar": f"{_HERE}.tars:Tar",
    "hdf5": f"{_HERE}.keras_files:Hdf5",
    "tflite": f"{_HERE}.mobile_files:TfLite",
    "onnxruntime-ort": f"{_HERE}.mobile_files:OnnxRuntimeFile",
    "executorch": f"{_HERE}.mobile_files:ExecuTorch",
    "flax-msgpack": f"{_HERE}.flax_file:FlaxMsgpack",
    "tf-index": f"{_HERE}.tensorflow_index:CheckpointIndex",
    "coreml": f"{_HERE}.coreml:CoreMl",
    "tf-graph": f"{_HERE}.tensorflow_graph:GraphDef",
    "paddle-program": f"{_HERE}.tensorflow_graph:PaddleProgram",
    "paddle-json": f"{_HERE}.paddle_files:PaddleJson",
    "paddle-parameters": f"{_HERE}.paddle_files:PaddleParameters",
    "ncnn": f"{_HERE}.edge_files:TextGraph",
    "mnn": f"{_HERE}.edge_files:Mnn",
    "darknet": f"{_HERE}.edge_files:Darknet",
    "caffe": f"{_HERE}.older_files:Caffe",
    "mindspore": f"{_HERE}.older_files:MindSpore",
    "xgboost": f"{_HERE}.tree_models:XgBoost",
    "lightgbm": f"{_HERE}.tree_models:LightGbm",
    "jax-export": f"{_HERE}.jax_export:JaxExport",
    "litert-lm": f"{_HERE}.edge_containers:LiteRtLm",
    "rknn": f"{_HERE}.edge_containers:Rknn",
    "compressed": f"{_HERE}.compressed:Compressed",
    "recognised": f"{_HERE}.recognised:Recognised",
}
FOLDER_READERS = {
    "sentence-transformers": f"{_HERE}.sentence_transformers_directory:SentenceTransformers",
    "diffusers": f"{_HERE}.library_directories:DiffusersDirectory",
    "peft-adapter": f"{_HERE}.library_directories:PeftDirectory",
    "open-clip-directory": f"{_HERE}.library_directories:OpenClipDirectory",
    "timm-directory": f"{_HERE}.library_directories:TimmDirectory",
    "hf-directory": f"{_HERE}.hf_directory:HfDirectory",
    "saved-model": f"{_HERE}.tensorflow_saved:SavedModel",
    "coreml-package": f"{_HERE}.coreml:CoreMlPackage",
    "torch-dcp": f"{_HERE}.torch_distributed:DistributedCheckpoint",
    "tf-checkpoint": f"{_HERE}.tensorflow_saved:CheckpointFolder",
    "paddle": f"{_HERE}.paddle_files:PaddleDirectory",
    "tensorflow-js": f"{_HERE}.tensorflow_js:TensorFlowJs",
    "orbax": f"{_HERE}.orbax_directory:OrbaxDirectory",
    "sharded-weights": f"{_HERE}.sharded_directory:ShardedDirectory",
    "other-directories": f"{_HERE}.recognised:OtherFolders",
}

Reader = TypeVar("Reader", FileReader, FolderReader)


def inspect(path: Path, *, with_hash: bool = False) -> Inspection:
    """Return what the bytes at ``path`` say: format, risk, tensors, metadata, I/O hints; identity is left open.

    ``with_hash`` reads the whole file for its SHA-256. A pickle that names dangerous calls is described, with the
    verdict ``dangerous``.
    Raises: NotReadable, Corrupt, Unsupported, InputLimit; UnsafeCheckpoint where the bytes are not understood.
    """
    if _is_directory(path):
        return _inspect_folder(path, with_hash)
    with FileBytes(path) as data:
        if data.size == 0:
            raise Corrupt(f"{shown(path)} is empty", hint="copy the file again")
        reading = read_file(data)
        digest = _sha256(data) if with_hash else None
        if data.changed():
            raise NotReadable(f"{shown(path)} changed while it was read", hint="try again when nothing writes to it")
        return _inspection(path, reading, "file", data.size, modified_utc(data.facts.st_mtime), digest)


def read_file(data: Bytes) -> Reading:
    """Return what the reader with the best match found in the bytes of one file."""
    found = _file_reader(data)
    if found is None:
        from dnnbox.checkpoints.lookalikes import unknown_file

        raise unknown_file(data)
    reading = Reading()
    found[1].read(data, reading)
    return reading


def reader_of(data: Bytes) -> str:
    """Return the name of the reader that knows these bytes, "" where none does."""
    found = _file_reader(data)
    return found[0] if found else ""


def _file_reader(data: Bytes) -> tuple[str, FileReader] | None:
    builtin = ZIP_READERS if data.head[:4] in (b"PK\x03\x04", b"PK\x05\x06") else FILE_READERS
    registry: Registry[type[FileReader]] = Registry("readers", builtin)
    return _choose(registry, builtin, data)


def _choose(registry: Registry[type[Reader]], builtin: Iterable[str], data: object) -> tuple[str, Reader] | None:
    """Return name and reader of the best match; entry points are looked at only when no built-in one matches."""
    for names in (builtin, registry):
        matches = []
        for name in names:
            match = registry.get(name)().sniff(data)  # type: ignore[arg-type]
            if match is not None:
                matches.append((name, match))
                if match.score >= 1:
                    break
        if found := best(matches):
            return found[0], registry.get(found[0])()
    return None


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:
        raise NotReadable(f"{shown(path)} cannot be read: {type(error).__name__}") from error


def _inspect_folder(path: Path, with_hash: bool) -> Inspection:
    folder = Folder(path)
    registry: Registry[type[FolderReader]] = Registry("folder_readers", FOLDER_READERS)
    found = _choose(registry, FOLDER_READERS, folder)
    if found is None:
        from dnnbox.checkpoints.lookalikes import unknown_folder

        raise unknown_folder(folder)
    reading = Reading()
    found[1].read(folder, reading)
    digest = _sha256_of_files(folder) if with_hash else None
    return _inspection(path, reading, "directory", folder.size, modified_utc(_newest(folder)), digest)


def _newest(folder: Folder) -> float:
    return max((entry.modified for entry in folder.entries.values()), default=0.0)


def _sha256_of_files(folder: Folder) -> str:
    """Return the digest over ``sha256  path`` lines, sorted by path, as ``sha256sum`` prints them."""
    import hashlib

    whole = hashlib.sha256()
    for path in sorted(path for path in folder.entries if folder.has(path)):
        with folder.open(path) as data:
            whole.update(f"{_sha256(data)}  {path}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _sha256(data: FileBytes) -> str:
    """Return the digest of the bytes behind the descriptor that was inspected; of a large file, perhaps remembered."""
    import hashlib

    from dnnbox import digests

    def compute() -> str:
        digest = hashlib.sha256()
        for offset in range(0, data.size, _CHUNK_BYTES):
            digest.update(data.up_to(offset, _CHUNK_BYTES))
        if data.changed():  # never remember what belongs to neither state of the file
            raise NotReadable(
                f"{shown(data.path)} changed while it was read", hint="try again when nothing writes to it"
            )
        return digest.hexdigest()

    return digests.sha256(data.facts, compute)


def _inspection(path: Path, reading: Reading, kind: str, size: int, modified: str, digest: str | None) -> Inspection:
    from dnnbox.checkpoints.embedded import complete

    complete(reading)
    return Inspection(
        path=str(path),
        kind="directory" if kind == "directory" else "file",
        format=reading.format,
        framework=reading.framework,
        size_bytes=size,
        verdict=reading.verdict,
        needs_code=tuple(reading.needs_code),
        findings=tuple(reading.findings),
        tensors=reading.summary(),
        io_hints=reading.io_hints,
        metadata=reading.metadata,
        entry=reading.entry,
        files=tuple(reading.files),
        companions=tuple(reading.companions),
        scanned=tuple(reading.scanned),
        not_scanned=tuple(reading.not_scanned),
        licence=reading.licence,
        modified_utc=modified,
        sha256=digest,
        tensor_list=tuple(reading.tensors),
    )
