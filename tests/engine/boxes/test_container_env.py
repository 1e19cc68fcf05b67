"""Environments for containers: made once, from locked wheels, without network when everything is at hand."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from dnnbox import boxes
from dnnbox.boxes.container import open_container
from dnnbox.errors import IntegrityFailed, NetworkFailed
from dnnbox.events import Silent
from dnnbox.records.environment import EnvSpec, Indexes, Lock, LockedPackage
from dnnbox.store import Store
from tests.engine.boxes.conftest import LIMITS, PROBE, ask, facts

pytestmark = pytest.mark.engine


@pytest.fixture(params=["docker", pytest.param("podman", marks=pytest.mark.long)])
def engine(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue(f"{request.param}_engine")
    return str(request.param)


def make_wheel(folder: Path) -> str:
    """Write a wheel of one module and return its sha256."""
    folder.mkdir()
    files = {
        "tinything.py": b"VALUE = 42\n",
        "tinything-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tinything\nVersion: 1.0\n",
        "tinything-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in files.items()
    )
    path = folder / "tinything-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
        wheel.writestr("tinything-1.0.dist-info/RECORD", record + "tinything-1.0.dist-info/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def locked(text: str) -> Lock:
    return Lock(text, hashlib.sha256(text.encode()).hexdigest(), (LockedPackage("tinything", "1.0"),), "")


@pytest.fixture
def spec(tmp_path: Path) -> tuple[EnvSpec, str]:
    digest = make_wheel(tmp_path / "wheels")
    indexes = Indexes(find_links=(str(tmp_path / "wheels"),))
    return EnvSpec("onnxruntime", ("tinything",), "3.11", "x86_64-manylinux_2_36", indexes=indexes), digest


def make(engine: str, spec: EnvSpec, lock: Lock, store: Store) -> str:
    return boxes.make_container_env(engine, boxes.DEFAULT_IMAGE, spec, lock, store, offline=True, progress=Silent())


def test_make_container_env__locked_wheel__is_there_for_a_job(
    engine: str, spec: tuple[EnvSpec, str], tmp_path: Path, job_dir: Path
) -> None:
    store, lock = Store(tmp_path / "store"), locked(f"tinything==1.0 --hash=sha256:{spec[1]}\n")
    assert not boxes.container_env_exists(spec[0], lock, store, boxes.DEFAULT_IMAGE, engine)
    python = make(engine, spec[0], lock, store)
    assert boxes.container_env_exists(spec[0], lock, store, boxes.DEFAULT_IMAGE, engine)
    code = """
        import sys, tinything
        facts["value"], facts["python"] = tinything.VALUE, sys.executable
        facts["compiled"] = os.path.exists(tinything.__cached__)
        facts["others"] = sorted(os.listdir("/dnnbox/store")) + sorted(os.listdir("/dnnbox/store/envs"))
        facts["writable"] = os.access(tinything.__file__, os.W_OK)
    """
    with open_container(engine, boxes.DEFAULT_IMAGE, python, [], LIMITS, store=store, harness_dir=PROBE) as box:
        found = facts(ask(box, job_dir, code))
    name = Path(python).parent.parent.name
    assert found == {"value": 42, "python": python, "compiled": True, "others": ["envs", name], "writable": False}


def test_make_container_env__second_time__starts_nothing(
    engine: str, spec: tuple[EnvSpec, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, lock = Store(tmp_path / "store"), locked(f"tinything==1.0 --hash=sha256:{spec[1]}\n")
    first = make(engine, spec[0], lock, store)
    monkeypatch.setattr("dnnbox.boxes.container_env.Session", None)
    assert make(engine, spec[0], lock, store) == first


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("tinything==1.0 --hash=sha256:" + "0" * 64, IntegrityFailed),
        ("nosuchthing==1.0 --hash=sha256:" + "0" * 64, NetworkFailed),
    ],
)
def test_make_container_env__cannot_be_made__leaves_nothing(
    engine: str, spec: tuple[EnvSpec, str], tmp_path: Path, line: str, error: type[Exception]
) -> None:
    store, lock = Store(tmp_path / "store"), locked(f"{line}\n")
    with pytest.raises(error):
        make(engine, spec[0], lock, store)
    assert not boxes.container_env_exists(spec[0], lock, store, boxes.DEFAULT_IMAGE, engine)
    assert [path.name for path in (store.container_root / "envs").iterdir() if path.name != ".locks"] == []
