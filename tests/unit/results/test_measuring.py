"""From outcomes to stats.json."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox import codec
from dnnbox.errors import BadOutput
from dnnbox.harness.protocol import RunError, RunResult
from dnnbox.records.measurements import Stats
from dnnbox.records.run import RunOutcome
from dnnbox.results import compressed, measure, samples
from tests.e2e.schemas import unexplained
from tests.unit.results import outcomes as made


def _full(root: Path) -> list[made.RunOutcome]:
    runs = [made.measured(root, made.rows(200, 10, seed), name=f"p{seed}") for seed in (1, 2, 3)]
    return [
        *(made.cold(i * 10_000_000) for i in range(5)),
        *runs,
        made.memory(host_peak_bytes=200 << 20, host_after_load_bytes=150 << 20),
    ]


def test_measure__good_run__has_every_figure(tmp_path: Path) -> None:
    stats = measure(_full(tmp_path))
    assert stats.quality == "quiet"
    assert stats.warm.processes == 3
    assert stats.warm.latency_ms.n == 600
    assert stats.warm.latency_ms.p50 == pytest.approx(9.9, abs=0.05)
    assert list(stats.warm.stages_ms) == ["preprocess", "model", "postprocess"]
    assert stats.warm.latency_ms.p99 is not None
    assert stats.cold.processes == 8
    assert list(stats.cold.stages_ms) == ["spawn", "import", "load", "first"]
    assert stats.cold.total_ms.min == pytest.approx(1110)
    assert stats.cold.stages_ms["spawn"].p50 == pytest.approx(50)
    assert stats.throughput[0].items_per_s == pytest.approx(101, abs=1)
    assert (stats.memory.host_peak_mib, stats.memory.host_after_load_mib) == (200, 150)
    assert stats.shares["warm.model"] == pytest.approx(0.908, abs=0.005)


def test_measure__every_missing_figure__has_a_reason(tmp_path: Path) -> None:
    stats = measure(_full(tmp_path))
    assert stats.reasons["memory.vram_peak_mib"] == "no GPU was used"
    assert stats.reasons["cold.stages_ms.context"] == "this runtime has no such step"
    assert "energy" in stats.reasons


def test_measure__stats__survive_json(tmp_path: Path) -> None:
    stats = measure(_full(tmp_path))
    assert codec.loads(Stats, codec.dumps(stats)) == stats


def test_measure__every_figure_group__is_defined(tmp_path: Path) -> None:
    stats = measure(_full(tmp_path))
    names = {"warm.latency_ms", "cold.total_ms", "throughput", "memory.host_peak_mib", "quality"}
    names |= {f"warm.stages_ms.{n}" for n in stats.warm.stages_ms} | {
        f"cold.stages_ms.{n}" for n in stats.cold.stages_ms
    }
    assert names <= set(stats.definitions)
    assert "perf_counter_ns" in stats.definitions["warm.latency_ms"]


def test_measure__cold_starts__never_pool_with_warm(tmp_path: Path) -> None:
    stats = measure([made.cold(), made.cold(), made.measured(tmp_path, made.rows(100, 10))])
    assert stats.warm.latency_ms.n == 100
    assert stats.cold.total_ms.n == 3


def test_measure__nothing_ran__is_all_none_with_reasons() -> None:
    stats = measure([made.failed(), made.failed("cold")])
    assert stats.quality is None
    assert stats.warm.latency_ms.p50 is None
    assert {"warm.latency_ms", "cold.total_ms", "memory.host_peak_mib", "quality"} <= set(stats.reasons)


def test_measure__few_samples__names_how_many_are_missing(tmp_path: Path) -> None:
    stats = measure([made.measured(tmp_path, made.rows(50, 10))])
    assert stats.warm.latency_ms.p95 is None
    assert stats.reasons["warm.latency_ms.p95"] == "n too small: 50 of 90"
    assert stats.reasons["warm.latency_ms.p99"] == "n too small: 50 of 460"


def test_measure__processes_that_differ__widen_the_interval_and_are_unstable(tmp_path: Path) -> None:
    runs = [made.measured(tmp_path, made.rows(200, ms, 1), name=f"p{ms}") for ms in (10, 11, 12)]
    stats = measure(runs)
    low, high = stats.warm.latency_ms.ci95 or (0, 0)
    assert low <= min(stats.warm.per_process_p50_ms)
    assert high >= max(stats.warm.per_process_p50_ms)
    assert stats.quality == "unstable"


def test_measure__cpu_taken_by_others__is_contended(tmp_path: Path) -> None:
    noise = {**made.QUIET, "run_delay_ns": 540_000_000, "foreign_us": 600_000}
    stats = measure([made.measured(tmp_path, made.rows(200, 10), noise=noise)])
    assert stats.quality == "contended"
    check = next(c for c in stats.noise["checks"] if c["name"] == "run_delay_share")
    assert (check["value"], check["ok"]) == (0.18, False)


def test_measure__threads_of_the_model_wait_for_each_other__is_quiet(tmp_path: Path) -> None:
    noise = {**made.QUIET, "run_delay_ns": 2_000_000_000, "psi_some_us": 900_000, "foreign_us": 20_000, "cpus": 2}
    stats = measure([made.measured(tmp_path, made.rows(200, 10), noise=noise)])
    assert stats.quality == "quiet", stats.noise["reasons"]


@pytest.mark.parametrize(("threads", "quality"), [(1, "contended"), (2, "quiet")])
def test_measure__one_percent_of_each_cpu_is_others__counts_per_busy_thread(
    tmp_path: Path, threads: int, quality: str
) -> None:
    wall_ns = made.QUIET["wall_ns"]
    waited = {"run_delay_ns": wall_ns // 40, "foreign_us": wall_ns // 40_000, "cpus": 2, "cpu_ns": threads * wall_ns}
    stats = measure([made.measured(tmp_path, made.rows(200, 10), noise={**made.QUIET, **waited})])
    assert stats.quality == quality, stats.noise["reasons"]


def test_measure__others_on_the_same_cpus__is_contended_without_a_wait(tmp_path: Path) -> None:
    noise = {**made.QUIET, "run_delay_ns": 0, "psi_some_us": 0, "foreign_us": 1_500_000, "cpus": 2}
    stats = measure([made.measured(tmp_path, made.rows(200, 10), noise=noise)])
    assert stats.quality == "contended"
    assert stats.noise["reasons"] == ["other processes used the same CPUs"]


def test_measure__a_burst_in_few_windows__is_contended_by_its_windows(tmp_path: Path) -> None:
    calm = {"wall_ns": 250_000_000, "foreign_us": 0, "run_delay_ns": 0}
    burst = {"wall_ns": 250_000_000, "foreign_us": 100_000, "run_delay_ns": 100_000_000}
    # The totals hide it: 200 ms of a minute.
    noise = {"wall_ns": 60_000_000_000, "foreign_us": 200_000, "cpus": 2, "windows": [calm] * 8 + [burst] * 2}
    stats = measure([made.measured(tmp_path, made.rows(200, 10), noise=noise)])
    assert stats.quality == "contended"
    assert stats.noise["windows"] == {"n": 10, "disturbed": 2}
    assert stats.noise["processes"][0]["windows"] == "qqqqqqqqdd"


@pytest.mark.parametrize(("calm_windows", "quality"), [(1, "contended"), (3, "contended"), (5, "quiet"), (20, "quiet")])
def test_measure__one_window_disturbed__speaks_only_where_it_is_much_of_the_run(
    tmp_path: Path, calm_windows: int, quality: str
) -> None:
    calm = {"wall_ns": 250_000_000, "foreign_us": 0, "run_delay_ns": 0}
    burst = {"wall_ns": 250_000_000, "foreign_us": 30_000, "run_delay_ns": 25_000_000}
    windows = [calm] * calm_windows + [burst]
    totals = {name: sum(window[name] for window in windows) for name in burst}
    stats = measure([made.measured(tmp_path, made.rows(200, 10), noise={**totals, "cpus": 2, "windows": windows})])
    assert stats.quality == quality, stats.noise["reasons"]
    assert stats.noise["windows"]["disturbed"] == 1


def test_measure__waited_for_a_quiet_machine__is_told_with_its_definition(tmp_path: Path) -> None:
    lost = [
        {"lost_ns": 4_210_000_000, "repeated": 7, "used_up": 1},
        {"lost_ns": 90_000_000, "repeated": 0, "used_up": 0},
    ]
    outcomes = [made.measured(tmp_path, made.rows(200, 10), noise={**made.QUIET, **each}) for each in lost]
    stats = measure(outcomes)
    assert stats.noise["waited"] == {"seconds": 4.3, "repeated_windows": 7, "used_up_processes": 1}
    assert "no latency had a say in it" in stats.definitions["noise.waited"]
    assert "waited" not in measure([made.measured(tmp_path, made.rows(200, 10))]).noise


def test_measure__gpu_held_back_or_shared__is_contended(tmp_path: Path) -> None:
    outcome = made.measured(tmp_path, made.rows(200, 10))
    state = {"wall_ns": 10**9, "throttled_power_ns": 10**8, "throttled_thermal_ns": 0, "foreign_processes": 2}
    stats = measure([replace(outcome, settings={"gpu_state": state})])
    assert stats.quality == "contended"
    assert stats.noise["reasons"] == ["the GPU was held back by its power limit", "other processes used the GPU"]


def test_measure__not_settled__is_unstable_with_the_reason(tmp_path: Path) -> None:
    stats = measure(
        [made.measured(tmp_path, made.rows(200, 10), stable=False, reason="warm-up did not settle in 30 s")]
    )
    assert stats.quality == "unstable"
    assert stats.noise["reasons"] == ["process 1: warm-up did not settle in 30 s"]


def test_measure__clock_of_another_machine__has_no_spawn(tmp_path: Path) -> None:
    stats = measure([made.cold(spawned_ns=9_000_000_000_000)])
    assert "spawn" not in stats.cold.stages_ms
    assert stats.cold.total_ms.p50 is None
    assert "clock" in stats.reasons["cold.total_ms"]


def test_measure__batches__give_one_throughput_each(tmp_path: Path) -> None:
    runs = [made.measured(tmp_path, made.rows(100, 10 * b**0.5), items=b, name=f"b{b}") for b in (1, 4, 16)]
    stats = measure(runs, batch=1)
    assert [t.batch for t in stats.throughput] == [1, 4, 16]
    assert stats.warm.latency_ms.n == 100
    assert stats.throughput[2].items_per_s > 3 * stats.throughput[0].items_per_s


@pytest.mark.parametrize(
    ("times", "best", "saturates"),
    [((10, 20, 41), 4, 4), ((10, 10, 10), 16, None), ((10, 41, 170), 1, 1), ((10, 20, 79), 16, 4)],
)
def test_measure__batches__best_and_where_more_stops_to_pay(
    tmp_path: Path, times: tuple[float, ...], best: int, saturates: int | None
) -> None:
    sizes = (1, 4, 16) if times[2] != 41 else (1, 4, 8)
    runs = [
        made.measured(tmp_path, made.rows(50, ms, spread=0.001), items=b, name=f"b{b}")
        for b, ms in zip(sizes, times, strict=True)
    ]
    stats = measure(runs, batch=1)
    assert (stats.throughput_best["batch"], stats.throughput_best["saturates_at"]) == (best, saturates)
    assert ("throughput_best.saturates_at" in stats.reasons) == (saturates is None)


def test_measure__one_batch__has_no_best(tmp_path: Path) -> None:
    assert measure([made.measured(tmp_path, made.rows(50, 10))]).throughput_best == {}


def test_measure__batch_that_is_refused__says_why(tmp_path: Path) -> None:
    refused = RunResult("measure", "3.11", error=RunError("unsupported", "the batch of input x is fixed at 1"))
    outcome = RunOutcome("measure", refused, 0, 0, 1.0, settings={"batch_size": 8})
    stats = measure([made.measured(tmp_path, made.rows(50, 10)), outcome], batch=1)
    assert [t.batch for t in stats.throughput] == [1]
    assert stats.reasons["throughput.batch_8"] == "the batch of input x is fixed at 1"


def test_measure__given_input_keeps_its_size__is_no_figure_of_another_batch(tmp_path: Path) -> None:
    runs = [made.measured(tmp_path, made.rows(50, 10), items=1, name=name) for name in ("one", "eight")]
    runs[0], runs[1] = (replace(run, settings={"batch_size": size}) for run, size in zip(runs, (1, 8), strict=True))
    stats = measure(runs, batch=1)
    assert [t.batch for t in stats.throughput] == [1]
    assert "the given input has 1 items" in stats.reasons["throughput.batch_8"]


def test_measure__two_modes__are_reported(tmp_path: Path) -> None:
    values = made.rows(100, 10) + made.rows(60, 15, 2)
    assert measure([made.measured(tmp_path, values)]).warm.modes_ms == pytest.approx((9.9, 14.9), abs=0.2)


def test_measure__sample_file_gone__is_bad_output(tmp_path: Path) -> None:
    outcome = made.measured(tmp_path, made.rows(50, 10))
    with pytest.raises(BadOutput, match="not collected"):
        measure([replace(outcome, files={})])


def test_measure__sample_file_of_another_shape__is_bad_output(tmp_path: Path) -> None:
    outcome = made.measured(tmp_path, made.rows(50, 10))
    assert outcome.result is not None
    assert outcome.result.samples is not None
    lying = replace(outcome.result, samples=replace(outcome.result.samples, n=51))
    with pytest.raises(BadOutput, match="not what the result says"):
        measure([replace(outcome, result=lying)])


def test_measure__hostile_sample_file__is_bad_output(tmp_path: Path) -> None:
    outcome = made.measured(tmp_path, made.rows(50, 10))
    Path(outcome.files["arrays/samples.npy"]).write_bytes(b"\x93NUMPY\x01\x00\xff\xff" + b"{" * 90000)
    with pytest.raises(BadOutput):
        measure([outcome])


def test_samples__long_run__is_thinned_and_loses_no_sample(tmp_path: Path) -> None:
    runs = [made.measured(tmp_path, made.rows(5000, 10, seed), name=f"p{seed}") for seed in (1, 2)]
    document = samples(runs)
    assert sum(len(p["latency_ms"]) for p in document["processes"]) <= 2000
    assert sum(document["histogram"]["counts"]) + document["histogram"]["beyond"] == 10_000
    assert all(low <= middle <= high for p in document["processes"] for low, middle, high in p["latency_ms"])


def test_measure__variant__stands_apart_from_the_plain_run(tmp_path: Path) -> None:
    plain = made.measured(tmp_path, made.rows(200, 10), name="plain")
    fast = made.measured(tmp_path, made.rows(200, 5), name="fast")
    assert fast.result is not None
    facts = {"name": "compile", "difference": 1e-7, "tolerance": 1e-3, "first_ns": 2 * 10**9}
    compiled = replace(fast, result=replace(fast.result, variant=facts), settings={"variant": "compile"})
    refused = replace(made.failed(), settings={"variant": "cudagraphs"})
    stats = measure([plain, compiled, refused])
    assert stats.warm.latency_ms.n == 200
    assert len(stats.throughput) == 1
    first, second = stats.variants
    assert (first.name, first.difference, first.first_ms) == ("compile", 1e-7, 2000)
    assert first.speedup == pytest.approx(2, abs=0.02)
    assert (second.latency_ms.p50, second.reason) == (None, "boom")


def test_cold__interpreter_told__is_taken_out_of_the_spawn(tmp_path: Path) -> None:
    stages = {"interpreter": 20_000_000, "import": 900_000_000, "load": 120_000_000, "first": 40_000_000}
    stats = measure([made.measured(tmp_path, made.rows(60, 10), stages_ns=stages)])
    assert list(stats.cold.stages_ms)[:3] == ["spawn", "interpreter", "import"]
    assert stats.cold.stages_ms["spawn"].p50 == pytest.approx(30)
    assert stats.cold.stages_ms["interpreter"].p50 == pytest.approx(20)
    assert stats.cold.total_ms.p50 == pytest.approx(1110)  # the whole is the same with and without that rung


def test_cold__page_cache_seen__says_whether_it_was_dropped(tmp_path: Path) -> None:
    seen = {"page_cache": {"dropped": True, "checkpoint_share": 0.0, "environment_share": 0.25}}
    stats = measure([replace(made.cold(), settings=seen)])
    assert stats.cold.page_cache == {"dropped": True, "checkpoint_share": 0.0, "environment_share": 0.25}
    assert "page cache dropped before each" in stats.definitions["cold.total_ms"]
    assert "cold.page_cache" in measure([made.cold()]).reasons


def test_compressed__samples__are_read_back_and_smaller(tmp_path: Path) -> None:
    outcome = made.measured(tmp_path, made.rows(2000, 10))
    place = Path(outcome.files["arrays/samples.npy"])
    size = place.stat().st_size
    packed = compressed(outcome)
    target = Path(packed.files["arrays/samples.npy"])
    assert (target.name, place.exists()) == ("samples.npy.gz", False)
    assert target.stat().st_size < 0.6 * size
    assert measure([packed]).warm.latency_ms.n == 2000
    assert compressed(packed) == packed
    again = compressed(made.measured(tmp_path, made.rows(2000, 10), name="p2"))
    assert Path(again.files["arrays/samples.npy"]).read_bytes() == target.read_bytes()  # no time, no name in it


def test_measure__packed_samples_that_are_broken__is_bad_output(tmp_path: Path) -> None:
    packed = compressed(made.measured(tmp_path, made.rows(60, 10)))
    Path(packed.files["arrays/samples.npy"]).write_bytes(b"\x1f\x8b\x08\x00 no gzip")
    with pytest.raises(BadOutput, match="cannot be read"):
        measure([packed])


def test_energy__counters_over_the_window__per_call_and_item() -> None:
    window = {"start_ns": 0, "end_ns": 2_000_000_000, "calls": 10, "items_per_call": 4}
    power = {
        "sources": {"gpu": {"joules": 100.0, "watts": 50.0, "idle_watts": 20.0, "counter": "energy counter"}},
        "gpu": {"sm_clock_mhz": [1, 2, 3], "process_vram_bytes": 3 << 20, "uuid": "GPU-a"},
    }
    outcome = made.memory(host_peak_bytes=200 << 20, energy_window=window)  # type: ignore[arg-type]
    stats = measure([replace(outcome, settings={"power": power})])
    assert stats.energy is not None
    gpu = stats.energy["sources"]["gpu"]
    assert (gpu["joules_per_call"], gpu["joules_per_item"], gpu["above_idle_joules_per_item"]) == (10.0, 2.5, 1.5)
    assert (stats.energy["calls"], stats.energy["items"], stats.energy["gpu"]["uuid"]) == (10, 40, "GPU-a")
    assert stats.memory.vram_process_peak_mib == 3
    assert stats.definitions["energy"]


def test_energy__idle_took_more_than_the_model__leaves_out_the_difference() -> None:
    window = {"start_ns": 0, "end_ns": 2_000_000_000, "calls": 10, "items_per_call": 1}
    facts = {"joules": 100.0, "watts": 50.0, "idle_watts": 60.0, "counter": "energy counter"}
    outcome = made.memory(host_peak_bytes=200 << 20, energy_window=window)  # type: ignore[arg-type]
    stats = measure([replace(outcome, settings={"power": {"sources": {"gpu": facts}}})])
    assert stats.energy is not None
    assert stats.energy["sources"]["gpu"]["joules_per_call"] == 10.0
    assert stats.energy["sources"]["gpu"]["above_idle_joules_per_item"] is None


def test_energy__no_counter__is_null_with_the_reason() -> None:
    outcome = replace(made.memory(host_peak_bytes=1 << 20), settings={"power": {"reason": "no RAPL here"}})
    stats = measure([outcome])
    assert stats.energy is None
    assert stats.reasons["energy"] == "no RAPL here"
    assert measure([]).reasons["energy"] == "the memory pass did not run"


def test_memory__box_claims_the_driver_s_figure__is_not_believed() -> None:
    stats = measure([made.memory(host_peak_bytes=1 << 20, vram_process_peak_bytes=5 << 30)])
    assert stats.memory.vram_process_peak_mib is None


def test_throughput__device_ran_ahead__counts_windows(tmp_path: Path) -> None:
    outcome = made.measured(tmp_path, made.rows(100, 10), items=2)
    assert outcome.result is not None
    times = {"events_ns": [4_000_000] * 100, "windows": [[100, 500_000_000], [100, 500_000_000]]}
    effective = {"device": "cuda:0", "precision": "fp32"}
    on_gpu = replace(outcome, result=replace(outcome.result, device_times=times, effective=effective))
    stats = measure([on_gpu])
    assert stats.throughput[0].items_per_s == pytest.approx(400)
    assert stats.throughput[0].synchronised == "each window"
    assert stats.warm.device_ms.p50 == pytest.approx(4.0)
    assert "waited for once a window" in stats.definitions["throughput"]
    assert measure([outcome]).throughput[0].synchronised == "each call"
    assert measure([outcome]).reasons["warm.device_ms"] == "no GPU was used"


def test_samples__memory_over_time__joins_the_figures_data() -> None:
    timeline = {"points": [[0, 1 << 20], [1000, 3 << 20], ["x", 1]], "phases": [["load", 900], [1, 2, 3]]}
    found = samples([made.memory(host_peak_bytes=3 << 20, timeline=timeline)])  # type: ignore[arg-type]
    assert found["memory"] == {"points": [[0.0, 1.0], [1.0, 3.0]], "phases": [["load", 0.9]]}
    assert samples([])["memory"] is None


def test_measure__every_null__has_a_reason_of_its_own_or_of_what_it_belongs_to(tmp_path: Path) -> None:
    one = [made.measured(tmp_path, made.rows(60, 10)), made.cold()]
    for outcomes in ([], one, [*one, made.memory(host_peak_bytes=1 << 20)], [made.failed()]):
        stats = codec.to_json(measure(outcomes))
        assert list(unexplained(stats)) == []
