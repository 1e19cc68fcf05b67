"""Directories: what kind of model they hold, which file is what, and what a loader would not find."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.errors import Corrupt, DnnboxError, NotReadable, Unsupported
from tests.unit.checkpoints.test_safetensors import safetensors, tensor
from tests.zoo import Zoo

WEIGHTS = safetensors({"bert.w": tensor("F32", [2, 3], 0, 24)}, b"\0" * 24)
CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "id2label": {"0": "bad", "1": "good"},
    "vocab_size": 30,
}


def folder(root: Path, files: dict[str, Any]) -> Path:
    place = root / "model"
    for path, content in files.items():
        target = place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return place


def test_hf__encoder__task_labels_and_inputs(tmp_path: Path) -> None:
    files = {
        "config.json": CONFIG,
        "model.safetensors": WEIGHTS,
        "tokenizer.json": {},
        "README.md": b"---\nlicense: mit\n---\n",
    }
    inspection = inspect(folder(tmp_path, files))
    assert (inspection.kind, inspection.format, inspection.verdict) == ("directory", "hf-directory", "no-code")
    hints = inspection.io_hints
    assert (hints.task, hints.modality, hints.labels) == ("text-classification", "text", ("bad", "good"))
    assert [field.name for field in hints.inputs] == ["input_ids", "attention_mask"]
    assert [(t.name, t.file) for t in inspection.tensor_list] == [("bert.w", "model.safetensors")]
    assert inspection.metadata["config.json"]["model_type"] == "bert"
    assert inspection.metadata["README.md"] == {"license": "mit"}
    assert inspection.licence == "mit"
    assert {file.path: file.role for file in inspection.files} == {
        "config.json": "config",
        "model.safetensors": "weights",
        "tokenizer.json": "tokenizer",
        "README.md": "document",
    }


def test_hf__image_model__shape_from_the_processor(tmp_path: Path) -> None:
    config = {"model_type": "vit", "architectures": ["ViTForImageClassification"], "num_channels": 3, "image_size": 224}
    processor = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 48}, "image_mean": [0.5]}
    files = {"config.json": config, "preprocessor_config.json": processor, "model.safetensors": WEIGHTS}
    hints = inspect(folder(tmp_path, files)).io_hints
    assert [(f.name, f.shape) for f in hints.inputs] == [("pixel_values", ("batch", 3, 32, 48))]
    assert hints.preprocess["mean"] == [0.5]


def test_hf__auto_map__is_code_of_the_checkpoint(tmp_path: Path) -> None:
    config = {**CONFIG, "auto_map": {"AutoModel": "modeling_own.OwnModel"}}
    files = {"config.json": config, "model.safetensors": WEIGHTS, "modeling_own.py": b"raise SystemExit"}
    inspection = inspect(folder(tmp_path, files))
    assert (inspection.verdict, inspection.needs_code) == ("needs-code", ("modeling_own.OwnModel",))
    assert any(finding.code == "remote-code" for finding in inspection.findings)


def test_hf__shards__are_read_through_the_index(tmp_path: Path) -> None:
    second = safetensors({"bert.v": tensor("F32", [1], 0, 4)}, b"1234")
    index = {"metadata": {}, "weight_map": {"bert.w": "a.safetensors", "bert.v": "b.safetensors"}}
    files = {
        "config.json": CONFIG,
        "model.safetensors.index.json": index,
        "a.safetensors": WEIGHTS,
        "b.safetensors": second,
    }
    place = folder(tmp_path, files)
    assert inspect(place).tensors.parameters == 7
    (place / "b.safetensors").unlink()
    with pytest.raises(Corrupt, match=r"b\.safetensors"):
        inspect(place)


def test_hf__config_without_weights__is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="no weights"):
        inspect(folder(tmp_path, {"config.json": CONFIG}))


def test_hf__cache_of_links__is_followed_within_the_cache_only(tmp_path: Path) -> None:
    blobs = tmp_path / "models--a--b" / "blobs"
    snapshot = tmp_path / "models--a--b" / "snapshots" / "abc"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (blobs / "1").write_bytes(WEIGHTS)
    (blobs / "2").write_text(json.dumps(CONFIG))
    (tmp_path / "secret.json").write_text("{}")
    for name, target in (("model.safetensors", "../../blobs/1"), ("config.json", "../../blobs/2")):
        (snapshot / name).symlink_to(target)
    (snapshot / "generation_config.json").symlink_to(tmp_path / "secret.json")
    inspection = inspect(snapshot)
    assert inspection.tensors.count == 1
    assert [f.where for f in inspection.findings if f.code == "link-outside"] == ["generation_config.json"]
    assert "generation_config.json" not in inspection.metadata


def test_sentence_transformers__pooling__gives_the_embedding(tmp_path: Path) -> None:
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    files = {
        "modules.json": modules,
        "config.json": CONFIG,
        "model.safetensors": WEIGHTS,
        "1_Pooling/config.json": {"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True},
    }
    inspection = inspect(folder(tmp_path, files))
    assert inspection.format == "sentence-transformers"
    assert [(f.name, f.shape) for f in inspection.io_hints.outputs] == [("sentence_embedding", ("batch", 8))]
    assert inspection.io_hints.task == "feature-extraction"


def test_sentence_transformers__own_module__needs_code(tmp_path: Path) -> None:
    modules = [{"idx": 0, "name": "0", "path": "", "type": "own_package.Encoder"}]
    files = {"modules.json": modules, "config.json": CONFIG, "model.safetensors": WEIGHTS}
    assert inspect(folder(tmp_path, files)).needs_code == ("own_package.Encoder",)


def test_directory__without_a_model__is_unsupported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="holds 1 files and no model"):
        inspect(folder(tmp_path, {"notes.txt": b"hello"}))


def test_directory__of_single_weights__names_them(tmp_path: Path) -> None:
    with pytest.raises(Unsupported) as caught:
        inspect(folder(tmp_path, {"a.pth": b"x", "b.onnx": b"y"}))
    assert "a.pth, b.onnx" in caught.value.hint


def test_not_readable__missing_fifo_device_unreadable(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.pt"
    os.mkfifo(fifo)
    for path in (tmp_path / "missing.pt", fifo, Path("/dev/zero"), tmp_path / "loop"):
        if path.name == "loop":
            path.symlink_to(path)
        with pytest.raises(NotReadable):
            inspect(path)
    if os.geteuid():
        closed = tmp_path / "closed.pt"
        closed.write_bytes(b"x")
        closed.chmod(0)
        with pytest.raises(NotReadable, match="not permitted"):
            inspect(closed)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.pt", b"", "empty"),
        ("a.pt", b"hello world\n", "plain text"),
        ("a.json", b'{"images": [], "annotations": []}', "COCO annotation file"),
        ("a.pth", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("a.pth", b"<!DOCTYPE html><html>", "HTML page"),
        ("a.pt.gz", b"\x1f\x8b\x08" + b"\0" * 20, "compressed stream is broken"),
        ("a.pt", b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "PNG image"),
        ("a.pt", b"\0" * 100, "zeros"),
        ("a.py", b"import os\n", "Python source"),
        ("a.json", b'{"model_type": "bert"}', "give its directory"),
        ("a.bin", b"\xde\xad\xbe\xef" * 10, "deadbeef"),
    ],
)
def test_lookalikes__are_named(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DnnboxError) as caught:
        inspect(path)
    assert says in f"{caught.value.what}; {caught.value.hint}"


@pytest.mark.zoo
def test_minilm__real_weights__is_fully_described(zoo: Zoo) -> None:
    inspection = inspect(zoo.path("minilm"), with_hash=True)
    assert (inspection.format, inspection.verdict) == ("sentence-transformers", "no-code")
    assert inspection.tensors.parameters == 22_713_728
    assert inspection.sha256 is not None
    assert len(inspection.sha256) == 64
