"""Hostile pickles: dangerous or refused, quickly, with little memory, and nothing is imported, called or written."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from pathlib import Path

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.errors import Corrupt, DnnboxError, InputLimit, UnsafeCheckpoint, Unsupported
from dnnbox.identify import identify
from tests.unit.checkpoints import every_format
from tests.unit.checkpoints.conftest import Made
from tests.unit.checkpoints.fuzz_seeds import by_format
from tests.unit.checkpoints.hostile import DANGEROUS, EXHAUSTING, SYSTEM_CALL


def test_hostile__count__is_at_least_forty() -> None:
    assert len(DANGEROUS) >= 40


@pytest.mark.parametrize("name", DANGEROUS)
def test_hostile__every_kind__is_dangerous_or_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(DANGEROUS[name])
    try:
        inspection = inspect(path)
    except (UnsafeCheckpoint, InputLimit):
        return
    assert inspection.verdict == "dangerous"
    assert any(finding.severity == "danger" for finding in inspection.findings)


@pytest.mark.parametrize("name", EXHAUSTING)
def test_exhausting__every_kind__ends_quickly_with_little_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(EXHAUSTING[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    with contextlib.suppress(Corrupt, InputLimit, UnsafeCheckpoint, Unsupported):
        assert inspect(path).verdict in ("data-only", "inert-known")
    assert time.process_time() - start < 8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700 << 10


def test_broken_stream__danger_seen_before_the_break__is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"\x80\x02" + SYSTEM_CALL + b"\xff")
    inspection = inspect(path)
    assert inspection.verdict == "dangerous"
    assert any("os.system" in finding.text for finding in inspection.findings)


def test_unknown_class__of_a_package__is_needed_code_and_not_dangerous(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02cmypackage.models\nNet\n)\x81.")
    inspection = inspect(path)
    assert (inspection.verdict, inspection.needs_code) == ("needs-code", ("mypackage.models.Net",))
    assert inspection.metadata["top_class"] == "mypackage.models.Net"


def test_module_class__called_instead_of_made__needs_a_yes(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02ctorch.nn.modules.linear\nLinear\nK\x04K\x05\x86R.")
    assert inspect(path).verdict == "needs-code"


class _Recorder:
    """Collects audit events while it is switched on; a hook cannot be removed."""

    def __init__(self) -> None:
        self.on = False
        self.events: list[tuple[str, tuple[object, ...]]] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.on:
            self.events.append((event, arguments))


def test_inspect__hostile_and_benign__only_opens_for_reading(tmp_path: Path) -> None:
    files = sorted(Path(__file__).with_name("samples").iterdir())
    (tmp_path / "formats").mkdir()
    files += every_format.write_all(tmp_path / "formats").values()
    benign = [data for seeds in by_format().values() for data in seeds]
    for number, data in enumerate((*DANGEROUS.values(), *EXHAUSTING.values(), *benign)):
        path = tmp_path / f"{number}.pt"
        path.write_bytes(data[: 1 << 20])
        files.append(path)
    _only_reads(files)


@pytest.mark.zoo
def test_inspect__torchs_own_layouts__only_opens_for_reading(made: Made) -> None:
    _only_reads([made.path(layout) for layout in made.expected])


def _only_reads(files: list[Path]) -> None:
    """Fail on any event that is not a file opened for reading or a directory looked into."""
    _all([path for path in files if path.is_dir() or path.stat().st_size < 1 << 14])  # imports happen on first use
    recorder = _Recorder()
    modules = set(sys.modules)
    recorder.on = True
    try:
        _all(files)
    finally:
        recorder.on = False
    # os.listdir and builtins.id: the look for plug-in readers when no built-in one knows the file
    allowed = {"open", "os.scandir", "os.listdir", "builtins.id", "object.__getattr__", "object.__setattr__"}
    others = [event for event, _ in recorder.events if event not in allowed]
    assert others == []
    writes = [a for event, a in recorder.events if event == "open" and isinstance(a[2], int) and a[2] & 0o3]
    assert writes == []
    assert set(sys.modules) - modules == set()


def _all(files: list[Path]) -> None:
    for path in files:
        try:
            identify(inspect(path))
        except DnnboxError:
            continue
