"""Hashes of large files are remembered while the file system says that the file is the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from dnnbox import digests
from dnnbox.checkpoints import inspect
from dnnbox.store import Store
from tests.unit.checkpoints.test_safetensors import safetensors, tensor


def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.safetensors"
    path.write_bytes(safetensors({"w": tensor("U8", [17 << 20], 0, 17 << 20)}, bytes(17 << 20)))
    return path


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_SETTLED_NS", 0)


@pytest.mark.usefixtures("settled")
def test_sha256__asked_twice__is_computed_once(tmp_path: Path) -> None:
    facts, store = large(tmp_path).stat(), Store(tmp_path / "store")
    assert digests.sha256(facts, lambda: "a" * 64, store) == "a" * 64
    assert digests.sha256(facts, lambda: "b" * 64, store) == "a" * 64


@pytest.mark.usefixtures("settled")
def test_sha256__file_touched__is_computed_again(tmp_path: Path) -> None:
    path, store = large(tmp_path), Store(tmp_path / "store")
    digests.sha256(path.stat(), lambda: "a" * 64, store)
    os.utime(path, (1, 1))
    assert digests.sha256(path.stat(), lambda: "b" * 64, store) == "b" * 64


def test_sha256__file_just_written__is_not_remembered(tmp_path: Path) -> None:
    facts, store = large(tmp_path).stat(), Store(tmp_path / "store")
    digests.sha256(facts, lambda: "a" * 64, store)
    assert not store.root.exists()


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b'{"schema":1,"sha256":{"x":1}}', b'{"schema":1,"sha256":[]}']
)
def test_sha256__broken_memory__is_done_without(content: bytes, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.root.mkdir()
    (store.root / "digests.json").write_bytes(content)
    assert digests.sha256(large(tmp_path).stat(), lambda: "a" * 64, store) == "a" * 64


@pytest.mark.usefixtures("settled")
def test_sha256__store_that_cannot_be_made__is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert digests.sha256(large(tmp_path).stat(), lambda: "a" * 64, Store(tmp_path / "file" / "store")) == "a" * 64


@pytest.mark.usefixtures("settled")
def test_inspect__with_hash__uses_the_users_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNNBOX_HOME", str(tmp_path / "home"))
    path = large(tmp_path)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert inspect(path, with_hash=True).sha256 == expected
    assert expected in (tmp_path / "home" / "digests.json").read_text()
    assert inspect(path, with_hash=True).sha256 == expected
