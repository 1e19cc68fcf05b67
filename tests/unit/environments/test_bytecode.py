"""Compiled files: made once per wheel, linked afterwards, and nothing of a package runs on the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dnnbox.bytecode import Bytecode
from dnnbox.environments import platform_of_host, realise, resolve
from dnnbox.events import Silent
from dnnbox.records.environment import EnvSpec, Indexes
from dnnbox.store import Store
from tests.unit.environments.wheels import make_wheel

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TAG = f"cpython-{PYTHON.replace('.', '')}"


def made(wheels: Path, store: Store, *requirements: str) -> Path:
    """Return the site-packages folder of the environment of some hand-made wheels."""
    spec = EnvSpec("adapter", requirements, PYTHON, platform_of_host(), indexes=Indexes(find_links=(str(wheels),)))
    lock = resolve(spec, store, offline=True, progress=Silent())
    python = realise(spec, lock, store, offline=True, progress=Silent())
    (site,) = python.parents[1].glob("lib/python3.*/site-packages")
    return site


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    make_wheel(folder, "alpha", "1.0", files={"sub/deep.py": "x = 1\n", "template.py": "print {{ name }}\n"})
    make_wheel(folder, "beta", "1.0")
    return folder


def test_realise__first_environment_of_a_wheel__compiled_and_kept(wheels: Path, store: Store) -> None:
    site = made(wheels, store, "alpha")

    compiled = site / "alpha" / "sub" / "__pycache__" / f"deep.{TAG}.pyc"
    assert compiled.is_file()
    assert not (site / "alpha" / "__pycache__" / f"template.{TAG}.pyc").exists()
    assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00"  # by hash, and not to be checked: PEP 552


def test_realise__second_environment_with_the_wheel__linked_not_compiled(
    wheels: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(wheels, store, "alpha")
    from dnnbox import bytecode

    compiled: list[str] = []
    real = bytecode.compile_argv
    monkeypatch.setattr(
        bytecode, "compile_argv", lambda i, f: compiled.extend(Path(f).read_text().split()) or real(i, f)
    )

    second = made(wheels, store, "alpha", "beta")

    name = f"alpha/sub/__pycache__/deep.{TAG}.pyc"
    assert (first / name).stat().st_ino == (second / name).stat().st_ino
    assert [Path(path).parent.name for path in compiled] == ["beta"]


def test_realise__package_with_a_start_up_file__it_does_not_run_on_the_host(tmp_path: Path, store: Store) -> None:
    trace = tmp_path / "executed"
    wheel = make_wheel(tmp_path / "w", "evil", "1.0")
    _add(wheel, "evil.pth", f"import os; os.mkdir({str(trace)!r})\n")

    site = made(tmp_path / "w", store, "evil")

    assert (site / "evil.pth").is_file()
    assert (site / "evil" / "__pycache__" / f"__init__.{TAG}.pyc").is_file()
    assert not trace.exists()


def _add(wheel: Path, member: str, text: str) -> None:
    import zipfile

    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(member, text)


def test_link__record_that_points_outside__not_followed(wheels: Path, store: Store, tmp_path: Path) -> None:
    site = made(wheels, store, "beta")
    spec = EnvSpec("adapter", ("beta",), PYTHON, platform_of_host(), indexes=Indexes(find_links=(str(wheels),)))
    lock = resolve(spec, store, offline=True, progress=Silent())
    (record,) = site.glob("beta-*.dist-info/RECORD")
    lines = f"../../../outside.py,,\n{tmp_path}/absolute.py,,\nbeta/__init__.py,,\n"
    record.unlink()
    record.write_text(lines)

    assert Bytecode(site, lock, Store(tmp_path / "fresh"), PYTHON).link() == ("beta/__init__.py",)


def test_realise__compiled_files__used_in_a_read_only_environment(wheels: Path, store: Store) -> None:
    site = made(wheels, store, "alpha")
    python = site.parents[2] / "bin" / "python"

    said = subprocess.run(
        [python, "-I", "-B", "-v", "-c", "import alpha.sub.deep"], capture_output=True, text=True, check=True
    ).stderr

    assert (
        f"deep.{TAG}.pyc matches" in said or f"code object from '{site}/alpha/sub/__pycache__/deep.{TAG}.pyc'" in said
    )
