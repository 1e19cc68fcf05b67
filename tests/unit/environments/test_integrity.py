"""A flipped byte, a missing file, an added file: the deep check finds each, wherever in the store it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dnnbox import integrity
from dnnbox.cli import doctor
from dnnbox.environments import platform_of_host, realise, resolve
from dnnbox.records.environment import EnvSpec, Indexes
from dnnbox.store import Store
from tests.unit.environments.conftest import Notes
from tests.unit.environments.wheels import make_wheel


@pytest.fixture
def environment(tmp_path: Path, store: Store, progress: Notes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real environment of two hand-made wheels."""
    monkeypatch.setenv("DNNBOX_HOME", str(store.root))
    make_wheel(tmp_path / "wheels", "alpha", "1.0", requires=["beta>=1"], script=True)
    make_wheel(tmp_path / "wheels", "beta", "1.0")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    links = Indexes(find_links=(str(tmp_path / "wheels"),))
    spec = EnvSpec("adapter", ("alpha",), python, platform_of_host(), indexes=links)
    lock = resolve(spec, store, offline=True, progress=progress)
    return realise(spec, lock, store, offline=True, progress=progress).parent.parent


def flip(path: Path, position: int = -1) -> None:
    """Flip one bit, keeping size and times, as a failing disk does."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def one(folder: Path, pattern: str) -> Path:
    return min(folder.glob(pattern))


def test_doctor__whole_store__is_ok(environment: Path) -> None:
    (check,) = doctor.store()

    assert check.status == "ok", check
    assert check.detail.startswith("1\N{NO-BREAK SPACE}entry, every file")
    assert integrity.is_vouched(environment)


@pytest.mark.parametrize(
    ("row", "path"),
    [("/etc/passwd", ""), ("../../../../outside", ""), ("beta/../alpha/./extra.txt", "alpha/extra.txt")],
)
def test_recorded__absolute_outside_or_with_detours__vouches_for_what_it_leads_to(
    tmp_path: Path, row: str, path: str
) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    (site / "alpha-1.0.dist-info").mkdir(parents=True)
    (site / "alpha-1.0.dist-info" / "RECORD").write_text(
        f"{row},sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
    )
    (site / "alpha").mkdir()
    (site / "alpha" / "extra.txt").touch()
    (site / "etc").mkdir()
    (site / "etc" / "passwd").touch()

    integrity.vouch(tmp_path)

    listed = [line.rpartition("  ")[2] for line in (tmp_path / integrity.SUMS).read_text().splitlines()]
    prefix = "lib/python3.11/site-packages"
    assert (f"{prefix}/alpha/extra.txt" in listed) is not bool(path)
    assert f"{prefix}/etc/passwd" in listed
    assert list(integrity.differences(tmp_path)) == []


@pytest.mark.parametrize(
    "pattern",
    [
        "lib/python3*/site-packages/alpha/__init__.py",
        "lib/python3*/site-packages/alpha/__pycache__/*.pyc",
        "lib/python3*/site-packages/alpha-1.0.dist-info/RECORD",
        "lib/python3*/site-packages/alpha-1.0.dist-info/METADATA",
        "bin/alpha*",
        "pyvenv.cfg",
        "dnnbox.lock.txt",
        integrity.SUMS,
    ],
)
def test_doctor__flipped_bit__is_found(environment: Path, pattern: str) -> None:
    flip(one(environment, pattern), 20)

    (check,) = doctor.store()

    assert check.status == "failed", pattern
    assert "clean --all" in check.fix


def test_doctor__flipped_bit_in_a_lock__is_found(environment: Path, store: Store) -> None:
    path = one(store.lock_dir, "*.json")
    flip(path, path.read_bytes().index(b"sha256:") + 12)

    assert doctor.store()[0].status == "failed"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: one(folder, "lib/python3*/site-packages/beta/__init__.py").unlink(), "is missing"),
        (lambda folder: (folder / "bin" / "extra").write_text("x"), "was added"),
        (
            lambda folder: ((folder / "bin" / "python").unlink(), (folder / "bin" / "python").symlink_to("/bin/sh")),
            "differs",
        ),
    ],
)
def test_differences__missing_added_redirected__are_named(
    environment: Path, change: Callable[[Path], object], says: str
) -> None:
    change(environment)

    (found,) = integrity.differences(environment)

    assert found.endswith(says)


def test_clean__caches__are_gone_and_environments_stay(environment: Path, store: Store) -> None:
    store.remove_caches()

    assert not store.uv_cache.exists()
    assert not store.bytecode.exists()
    assert doctor.store()[0].status == "ok"
