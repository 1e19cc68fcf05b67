"""What the tests of real boxes share: a probe in place of the harness, and a short way to run code in a box."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dnnbox.boxes.base import Box
from dnnbox.harness.protocol import RunRequest
from dnnbox.records.environment import Limits
from dnnbox.records.run import RunOutcome

PROBE = Path(__file__).parent / "probe"
LIMITS = Limits(memory_bytes=512 << 20, pids=200, file_bytes=64 << 20, output_bytes=256 << 20, shm_bytes=64 << 20)

InBox = Callable[..., RunOutcome]


def ask(box: Box, job_dir: Path, code: str, *, timeout_s: float = 60) -> RunOutcome:
    """Run ``code`` in the box; what it puts into ``facts`` is in the outcome's result."""
    request = RunRequest("probe", "none", "", options={"code": textwrap.dedent(code)})
    return box.run(request, job_dir, timeout_s=timeout_s)


def facts(outcome: RunOutcome) -> dict[str, object]:
    """Return what the code in the box found; fails with the box's last words where it found nothing."""
    assert outcome.result is not None, (outcome.exit_code, outcome.signal, outcome.stderr_tail, outcome.settings)
    return outcome.result.effective


@pytest.fixture(scope="package", autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the tests make out of the user's store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNNBOX_HOME", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture(scope="session")
def interpreter() -> Path:
    return Path(sys.executable)


@pytest.fixture
def job_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "job"
    left = [path.name for path in tmp_path.rglob("*") if path.name.startswith(".staging")]
    assert left == []
