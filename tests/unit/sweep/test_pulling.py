"""A list of calls shared by jobs: each call once, whatever ends a job takes no other call with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from dnnbox.sweep.pulling import Pool
from tests.conftest import ROOT

WORKER = """
import sys, time
from pathlib import Path
from dnnbox.sweep.pulling import pull

def call(place, seconds):
    with Path(place).open("a") as file:
        file.write("began\\n")
    if seconds == "raises":
        raise ValueError("no")
    time.sleep(float(seconds))
    with Path(place).open("a") as file:
        file.write("ended\\n")
    return "0"

print(pull(call, sys.argv[1], float(sys.argv[2])), flush=True)
"""


def pool(folder: Path, seconds: list[str]) -> Pool:
    (folder / "log").mkdir()
    calls = {f"call{number}": (str(folder / "log" / f"call{number}"), s) for number, s in enumerate(seconds)}
    return Pool.create(folder / "list", calls)


def job(made: Pool, number: int, limit_s: float = 600.0) -> subprocess.Popen[str]:
    environ = os.environ | {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": str(number)}
    command = [sys.executable, "-c", WORKER, str(made.folder), str(limit_s)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def counts(folder: Path) -> Counter[str]:
    return Counter(line for path in (folder / "log").iterdir() for line in path.read_text().split())


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_pull__several_jobs__every_call_once(tmp_path: Path) -> None:
    made = pool(tmp_path, ["0.02"] * 20)
    running = [job(made, number) for number in range(3)]
    ended = [int(each.communicate()[0]) for each in running]
    assert sum(ended) == 20
    assert counts(tmp_path) == {"began": 20, "ended": 20}
    assert made.taken() == made.ended() == made.calls().keys()
    assert {made.taker(key) for key in made.taken()} <= {"7_0", "7_1", "7_2"}


def test_pull__killed_job__costs_only_the_call_it_was_in(tmp_path: Path) -> None:
    made = pool(tmp_path, ["60", *["0"] * 4])
    first = job(made, 0)
    wait_for(tmp_path / "log" / "call0")
    first.kill()
    first.communicate()
    assert int(job(made, 1).communicate()[0]) == 4
    assert made.taken() - made.ended() == {"call0"}
    assert made.taker("call0") == "7_0"


def test_pull__cancelled_job__gives_its_call_back_and_says_so(tmp_path: Path) -> None:
    made = pool(tmp_path, ["60", "0"])
    first = job(made, 0)
    wait_for(tmp_path / "log" / "call0")
    first.send_signal(signal.SIGTERM)
    assert first.communicate()[0] == "0\n"
    assert (made.taken(), made.cancelled) == (frozenset(), True)


@pytest.mark.parametrize(("before", "is_given_back"), [(["0"], True), ([], False)])
def test_pull__out_of_time__given_back_unless_it_had_the_whole_job(
    tmp_path: Path, before: list[str], is_given_back: bool
) -> None:
    made = pool(tmp_path, [*before, "60"])
    count = int(job(made, 0, limit_s=2.0).communicate()[0])
    last = f"call{len(before)}"
    assert (count, made.cancelled) == (len(before), False)
    assert (last not in made.taken()) == is_given_back
    assert bool(made.problem(last)) != is_given_back


def test_pull__call_that_raises__noted_and_the_next_one_runs(tmp_path: Path) -> None:
    made = pool(tmp_path, ["raises", "0"])
    assert int(job(made, 0).communicate()[0]) == 2
    assert made.problem("call0") == "ValueError: no"
    assert made.problem("call1") == ""
    assert json.loads((made.folder / "calls.json").read_text()).keys() == made.ended()
