"""Sweeps: cells and keys, what runs again and what does not, ten thousand cells, the page, and CI's matrix."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from dnnbox.errors import Usage
from dnnbox.sweep import cells as made
from dnnbox.sweep import leaderboard, matrix, running
from dnnbox.sweep.cells import Cell, Figures, Result, is_done
from dnnbox.sweep.emit import MOST_JOBS, github_matrix
from dnnbox.sweep.ranking import ranked
from dnnbox.sweep.slurm import parameters
from tests.conftest import ROOT

BASIC = """
name = "basic"
checkpoints = ["*.bin"]
precisions = ["fp32", "fp16"]
batches = [1, "1,8"]
exclude = [{ checkpoint = "b.bin", precision = "fp16" }]
[options]
quick = true
profile = false
target = ["latency_p50_ms<=10", "cold_total_ms<=900"]
"""


def loaded(folder: Path, text: str = BASIC) -> matrix.Matrix:
    for name in ("a.bin", "b.bin"):
        (folder / name).write_bytes(name.encode() * 100)
    (folder / "matrix.toml").write_text(text, encoding="utf-8")
    return matrix.load(folder / "matrix.toml")


def ended(cell: Cell, code: int = 0, **figures: Any) -> Result:
    point = cell.point
    return Result(
        key=cell.key, checkpoint=Path(point.checkpoint).name, device=point.device, precision=point.precision,
        batch=point.batch, variant=point.variant, box=point.box, status="success" if code == 0 else "failed",
        exit_code=code, experiment="", seconds=1.0, started_utc="2026-01-01T00:00:00Z", figures=Figures(**figures),
        error={"name": "OOM", "message": "<b>no</b>"} if code else None,
    )  # fmt: skip


def test_matrix__axes_and_exclusions__every_other_combination(tmp_path: Path) -> None:
    points = list(loaded(tmp_path).points())
    assert len(points) == 6
    assert not [p for p in points if p.checkpoint.endswith("b.bin") and p.precision == "fp16"]


@pytest.mark.parametrize(
    "text",
    ["checkpoints = []", 'checkpoints = ["a.bin"]\nspeed = 1', 'checkpoints = ["a.bin"]\n[options]\nout = "x"',
     'checkpoints = ["a.bin"]\ndevices = "cpu"', 'checkpoints = ["none*.bin"]', "checkpoints = [",
     'checkpoints = ["a.bin"]\nexclude = [{ colour = "red" }]'],
)  # fmt: skip
def test_matrix__what_nobody_understands__usage(tmp_path: Path, text: str) -> None:
    with pytest.raises(Usage):
        loaded(tmp_path, text)


def test_cells__keys__follow_content_options_and_device_class(tmp_path: Path) -> None:
    first = [cell.key for cell in made.cells(loaded(tmp_path), "class A")]
    assert len(set(first)) == 6
    assert first == [cell.key for cell in made.cells(loaded(tmp_path), "class A")]
    assert not set(first) & {cell.key for cell in made.cells(loaded(tmp_path), "class B")}
    assert not set(first) & {cell.key for cell in made.cells(loaded(tmp_path, BASIC + "seed = 1\n"), "class A")}
    cell = next(iter(made.cells(loaded(tmp_path), "class A")))
    assert cell.argv[-5:] == ("--no-profile", "--target", "latency_p50_ms<=10", "--target", "cold_total_ms<=900")


def test_is_done__failures__only_those_of_the_machine_run_again(tmp_path: Path) -> None:
    cell = next(iter(made.cells(loaded(tmp_path), "A")))
    assert not is_done(None)
    assert [is_done(ended(cell, code)) for code in (0, 1, 42, 60)] == [True] * 4
    assert [is_done(ended(cell, code)) for code in (22, 30, 47, 130, 143)] == [False] * 5
    assert not is_done(ended(cell, 42), retry_failed=True)
    assert is_done(ended(cell, 1), retry_failed=True)


class Instant:
    """An executor whose cells end at once; ``dies`` loses those after so many, as a kill does."""

    device_class = "A"

    def __init__(self, folder: Path, dies_after: int = 10**9) -> None:
        self.folder, self.left, self.ran = folder, dies_after, []
        self.cells: dict[str, Cell] = {}
        self._pool = ThreadPoolExecutor(1)

    def submit(self, function: Callable[..., str], /, *args: str, resources: Mapping[str, str]) -> Future[str]:
        return self._pool.submit(self._run, resources["key"])

    def _run(self, key: str) -> str:
        if self.left <= 0:
            raise RuntimeError("killed")
        self.left -= 1
        self.ran.append(key)
        made.save(self.folder, ended(self.cells[key], latency_p50_ms=1.0))
        return "0"

    def flush(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


class Quiet:
    def prepare(self, count: int) -> None: ...
    def note(self, text: str) -> None: ...
    def start(self, planned: running.Planned) -> None: ...
    def ended(self, cell: Cell, result: Result) -> None: ...


def test_run__killed_in_the_middle_and_started_again__nothing_twice_nothing_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running.preparing, "environments_of", lambda *_, **__: {})
    plan, folder, ran = loaded(tmp_path), tmp_path / "sweep", []
    for dies_after, failed in ((2, 4), (1, 3), (10**9, 0)):
        executor = Instant(folder, dies_after)
        planned = running.plan(plan, folder, executor)
        executor.cells = {cell.key: cell for cell in planned.cells}
        swept = running.run(planned, executor, tmp_path, Quiet())
        ran += executor.ran
        assert (swept.failed, swept.cells) == (failed, 6)
    assert len(ran) == len(set(ran)) == 6
    assert not running.plan(plan, folder, Instant(folder)).pending


def test_leaderboard__hostile_names_and_failures__one_offline_page(tmp_path: Path) -> None:
    plan = loaded(tmp_path)
    cells = tuple(made.cells(plan, "A"))
    hostile = replace(cells[0], point=replace(cells[0].point, checkpoint="/x/<script>alert(1)</script>.bin"))
    cells = (hostile, *cells[1:])
    results = {
        cells[0].key: ended(cells[0], latency_p50_ms=2.0, ci95_ms=(1.9, 2.1), memory_mib=100.0, noise="quiet"),
        cells[1].key: ended(cells[1], latency_p50_ms=3.0, memory_mib=50.0, noise="quiet"),
        cells[2].key: ended(cells[2], latency_p50_ms=4.0, memory_mib=150.0, noise="quiet"),
        cells[3].key: ended(cells[3], 42),
    }

    rows = ranked(cells, results)
    page = leaderboard.write(tmp_path, plan, cells, results).read_text(encoding="utf-8")

    assert [row.rank for row in rows] == [1, 2, 3, None, None, None]
    assert [row.on_front for row in rows[:3]] == [True, True, False]
    assert page.count("<script>") == 1
    assert "<b>no</b>" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_github_matrix__more_cells_than_jobs__grouped_without_loss(tmp_path: Path) -> None:
    cell = next(iter(made.cells(loaded(tmp_path), "A")))
    many = [replace(cell, key=f"{number:016x}") for number in range(1000)]

    include = github_matrix(many)["include"]

    assert len(include) <= MOST_JOBS
    assert [key for entry in include for key in entry["cells"].split(",")] == [each.key for each in many]


def test_slurm_parameters__device_and_partition__merged() -> None:
    settings = {
        "partition": "main",
        "cpus_per_task": 2,
        "device": {"cuda": {"partition": "gpu"}},
        "partitions": {"gpu": {"timeout_min": 5, "constraint": "a100"}},
        "additional": {"container_image": "x"},
    }
    found = parameters(settings, "cuda:0")
    assert (found["slurm_partition"], found["gpus_per_node"], found["timeout_min"]) == ("gpu", 1, 5)
    assert found["slurm_additional_parameters"] == {"container_image": "x"}
    assert "gpus_per_node" not in parameters(settings, "cpu")
    with pytest.raises(Usage, match="colour"):
        parameters({"colour": "red"}, "cpu")


# VmHWM, not ru_maxrss: a process that is started by exec inherits its parent's ru_maxrss.
PLAN = """
import sys, time
from pathlib import Path
from dnnbox.sweep import cells, matrix
start = time.monotonic()
plan = matrix.load(Path(sys.argv[1]))
found = list(cells.cells(plan, "A"))
known = cells.results(Path(sys.argv[1]).parent / "sweep", found)
with open("/proc/self/status") as status:
    mib = int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024
print(len(found), len({c.key for c in found}), time.monotonic() - start, mib)
"""


def test_plan__ten_thousand_cells__fast_and_small(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number]) * 50)
    batches = ", ".join(str(number) for number in range(1, 26))
    (tmp_path / "m.toml").write_text(
        f'checkpoints = ["*.bin"]\nprecisions = ["fp32", "fp16", "bf16", "auto"]\nbatches = [{batches}]\n'
    )
    command = [sys.executable, "-c", PLAN, str(tmp_path / "m.toml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    count, keys, _seconds, mib = map(float, done.stdout.split())
    assert (count, keys) == (10_000, 10_000)
    assert mib <= 200
