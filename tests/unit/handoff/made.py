"""Experiments as the gate reads them, made from a few figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dnnbox.handoff.experiments import Opened
from dnnbox.records.environment import EnvironmentRecord
from dnnbox.records.experiment import ExperimentIndex
from dnnbox.records.measurements import Memory, Statistics, Stats, Target, Verdict, Warm
from dnnbox.reports.outputs import Outputs

MACHINE = {"cpu": "Test CPU", "cores": 2, "cores_available": 2, "gpu": [], "driver": None}
QUIET = Stats(
    quality="quiet",
    precision="fp32",
    threads=1,
    warm=Warm(
        processes=3,
        latency_ms=Statistics(p50=10.0, ci95=(9.98, 10.02), min=9.5, n=900),
        per_process_p50_ms=(10.0, 10.02, 9.99),
    ),
    memory=Memory(host_peak_mib=100.0),
)


def slower(stats: Stats, share: float) -> Stats:
    """The same run with every latency ``share`` longer."""
    factor = 1 + share
    latency = stats.warm.latency_ms
    assert latency.p50
    assert latency.ci95
    assert latency.min
    ends = (latency.ci95[0] * factor, latency.ci95[1] * factor)
    scaled = replace(latency, p50=latency.p50 * factor, ci95=ends, min=latency.min * factor)
    medians = tuple(each * factor for each in stats.warm.per_process_p50_ms)
    return replace(stats, warm=replace(stats.warm, latency_ms=scaled, per_process_p50_ms=medians))


def opened(
    stats: Stats = QUIET,
    *,
    name: str = "aaaaaa",
    status: Any = "success",
    error: Mapping[str, Any] | None = None,
    machine: Mapping[str, Any] = MACHINE,
    samples: Mapping[str, Any] | None = None,
    targets: tuple[Target, ...] = (),
    packages: Mapping[str, str] | None = None,
    device: str = "cpu",
) -> Opened:
    """One experiment."""
    index = ExperimentIndex(
        id=name, status=status, exit_code=0, box="venv", device=device, error=error, checkpoint="m.onnx"
    )
    environment = EnvironmentRecord(machine=machine, packages=packages or {"numpy": "2.0"}, python="3.11.7")
    outputs = Outputs(
        index=index, stats=stats, samples=samples or {}, environment=environment, verdict=Verdict(targets=targets)
    )
    return Opened(Path(name), outputs)
