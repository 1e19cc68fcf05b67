"""Token after token: a runtime of plain Python that counts, and real transformers where the zoo has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness import device, generation, jobs, memory
from dnnbox.harness.arrays import read_npy
from dnnbox.harness.failures import Failure
from dnnbox.harness.protocol import MeasurePlan, RunRequest
from dnnbox.harness.runtimes.base import Runtime
from dnnbox.harness.session import Session
from tests.unit.harness.box import run
from tests.zoo import Zoo

PLAN = MeasurePlan(min_iterations=3, min_seconds=0.05, max_seconds=2.0, ci_half_width=0.5, warmup_max_seconds=1.0)


class Counting(Runtime):
    """Continues 1, 2, 3 … ; ``drift`` makes a second run say something else."""

    drift = 0
    room = 5

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self.runs = 0

    def generates(self) -> str:
        return ""

    def prompt_tokens(self, inputs: Any) -> int:
        return len(inputs)

    def token_room(self, inputs: Any) -> int:
        return self.room

    def prefill(self, inputs: Any) -> Any:
        self.runs += 1
        return len(inputs) + self.drift * self.runs

    def advance(self, state: Any) -> Any:
        return state + 1

    def chosen(self, state: Any) -> list[int]:
        return [state]


class FakeContext:
    def __init__(self) -> None:
        self.fields: dict[str, Any] = {"checks": []}


def session_of(runtime: Runtime) -> Session:
    session = Session.__new__(Session)
    session.context = FakeContext()  # type: ignore[assignment]
    session.runtime, session.inputs, session.batches = runtime, [1, 2, 3], []
    return session


REQUEST = RunRequest("generate", "fake", "m", plan=PLAN)


def test_repeated__same_tokens_twice__passes_the_gate() -> None:
    session = session_of(Counting(REQUEST))
    assert generation._repeated(session, 4) == [[3], [4], [5], [6]]
    assert session.context.fields["checks"][0].passed


def test_repeated__other_tokens_the_second_time__nothing_is_timed() -> None:
    runtime = Counting(REQUEST)
    runtime.drift = 1
    with pytest.raises(Failure) as raised:
        generation._repeated(session_of(runtime), 4)
    assert raised.value.kind == "bad_output"


def test_stages__no_text_given__begin_with_the_prompt() -> None:
    names = [name for name, _ in generation._stages(session_of(Counting(REQUEST)), 4)]
    assert names == ["prefill", "token_2", "token_3", "token_4"]


def test_generates__plain_runtime__says_that_it_does_not() -> None:
    assert "token by token" in Runtime(REQUEST).generates()


def test_device_windows__calls_run_ahead__wait_once_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Queue(Runtime):
        def infer(self, inputs: Any) -> Any:
            seen.append("call")

        def synchronize(self) -> None:
            seen.append("wait")

        def event_times(self, inputs: Any, seconds: float) -> list[int]:
            return [5, 6]

    monkeypatch.setattr(device, "SECONDS", 0.0)
    monkeypatch.setattr(device, "WINDOW_NS", 0)
    found = device.times(session_of(Queue(REQUEST)))
    assert found["events_ns"] == [5, 6]
    assert [calls for calls, _ in found["windows"]] == [device.LEAST_CALLS]
    assert seen == ["wait", *["call"] * device.LEAST_CALLS, "wait"]


def test_timeline__many_points__are_thinned_and_cover_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    line = memory.Timeline()
    monkeypatch.setattr(memory.Timeline, "MOST_POINTS", 8)
    for _ in range(40):
        line.take()
    assert len(line.points) <= 9
    assert line._interval > memory.Timeline.INTERVAL_S
    line.start()
    assert line.stop()[-1][0] >= line.points[0][0]


@pytest.mark.zoo
@pytest.mark.slow
def test_generate_job__real_causal_model__times_what_generate_makes(zoo: Zoo, tmp_path: Path) -> None:
    checkpoint = str(zoo.path("hf_decoder"))
    ran = run(zoo.python, tmp_path / "run", RunRequest("generate", "transformers", checkpoint, threads=1, plan=PLAN))
    result = ran.answer
    assert result.error is None, result.error
    facts = result.generation
    assert facts["new_tokens"] == generation.NEW_TOKENS
    assert facts["prompt_tokens"] > 0
    assert result.samples is not None
    assert result.samples.columns[:4] == ["total", "preprocess", "prefill", "token_2"]
    dtype, shape, _ = read_npy(str(ran.folder / result.samples.path))
    assert (dtype, shape) == ("int64", (result.samples.n, generation.NEW_TOKENS + 2))
    assert result.noise["wall_ns"] > 0
    assert [check.name for check in result.checks if not check.passed] == []

    told = run(zoo.python, tmp_path / "infer", RunRequest("infer", "transformers", checkpoint, threads=1)).answer
    assert told.findings["generates"] == ""
    made = next(entry for entry in told.decoded if entry["kind"] == "continuation")["token_ids"]
    assert facts["tokens"][: len(made)] == made  # token for token what the library's own generate() makes


@pytest.mark.zoo
@pytest.mark.slow
def test_generate_job__model_without_continuation__is_unsupported(zoo: Zoo, tmp_path: Path) -> None:
    request = RunRequest("generate", "transformers", str(zoo.path("hf_encoder")), threads=1, plan=PLAN)
    error = run(zoo.python, tmp_path / "run", request).answer.error
    assert error is not None
    assert (error.kind, error.stage) == ("unsupported", "generate")
    assert "does not continue a text" in error.detail


def test_jobs__generate__is_among_them() -> None:
    assert "generate" in jobs.JOBS
