"""Class names and tasks in a file's own metadata; NeMo's tars; torch.package."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.errors import DnnboxError, UnsafeCheckpoint, Unsupported
from tests.unit.checkpoints.hostile import SYSTEM_CALL
from tests.unit.checkpoints.test_onnx import NODE, block, model
from tests.unit.checkpoints.test_safetensors import GOOD


def write(tmp_path: Path, data: bytes, name: str = "model.bin") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_onnx__exporters_metadata__gives_task_labels_and_licence(tmp_path: Path) -> None:
    names = "{0: 'person', 1: \"dog's bowl\", 2: 'car'}"
    properties = block(14, block(1, "task") + block(2, "detect")) + block(14, block(1, "names") + block(2, names))
    properties += block(14, block(1, "license") + block(2, "AGPL-3.0"))
    inspection = inspect(write(tmp_path, model(NODE, extra=properties)))
    hints = inspection.io_hints
    assert inspection.licence == "AGPL-3.0"
    assert (hints.task, hints.modality) == ("object-detection", "image")
    assert hints.labels == ("person", "dog's bowl", "car")


def tar(members: dict[str, bytes], link: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as made:
        for name, content in members.items():
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            made.addfile(facts, io.BytesIO(content))
        if link:
            facts = tarfile.TarInfo("link")
            facts.type, facts.linkname = tarfile.SYMTYPE, link
            made.addfile(facts)
    return buffer.getvalue()


NEMO = {"./model_config.yaml": b"target: nemo.asr.Model\nsample_rate: 16000\n", "./model_weights.safetensors": GOOD}


def test_nemo__weights_in_place__are_read(tmp_path: Path) -> None:
    inspection = inspect(write(tmp_path, tar(NEMO), "model.nemo"))
    assert (inspection.format, inspection.metadata["top_class"]) == ("nemo", "nemo.asr.Model")
    assert inspection.tensors.count == 2


def test_tar__hostile_or_other__is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeCheckpoint, match="link"):
        inspect(write(tmp_path, tar(NEMO, link="/etc/passwd")))
    with pytest.raises(UnsafeCheckpoint, match="outside"):
        inspect(write(tmp_path, tar({"../x": b"1"})))
    with pytest.raises(Unsupported, match="without a model"):
        inspect(write(tmp_path, tar({"notes.txt": b"1"})))


def test_tar__cut_or_changed__is_an_error_of_ours(tmp_path: Path) -> None:
    whole = tar(NEMO)
    end = whole.rstrip(b"\0")
    for length in range(1, len(end), 61):
        with pytest.raises(DnnboxError):
            inspect(write(tmp_path, whole[:length]))
    with pytest.raises(DnnboxError):
        inspect(write(tmp_path, b"x" + whole[1:]))


def test_torch_package__embedded_code__needs_a_yes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("p/.data/extern_modules", b"torch\n")
        made.writestr("p/own/model.py", b"raise SystemExit\n")
        made.writestr("p/model/model.pkl", b"\x80\x02}.")
    inspection = inspect(write(tmp_path, buffer.getvalue()))
    assert (inspection.format, inspection.verdict) == ("torch-package", "needs-code")
    assert inspection.metadata["source_files"] == ["p/own/model.py"]
    with zipfile.ZipFile(buffer, "a") as made:
        made.writestr("p/model/other.pkl", b"\x80\x02" + SYSTEM_CALL + b".")
    assert inspect(write(tmp_path, buffer.getvalue())).verdict == "dangerous"
