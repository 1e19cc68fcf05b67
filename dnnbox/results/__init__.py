"""Arrow 8, collect: what the box answered becomes figures with definitions, a contract, artifacts and a verdict."""

from __future__ import annotations

from dnnbox.results.collected import artifacts, failure, params
from dnnbox.results.contracts import contract
from dnnbox.results.measuring import measure, samples
from dnnbox.results.profiling import profile
from dnnbox.results.targets import METRICS, judge, parse
from dnnbox.results.traces import keep as keep_trace

__all__ = [
    "METRICS",
    "artifacts",
    "contract",
    "failure",
    "judge",
    "keep_trace",
    "measure",
    "params",
    "parse",
    "profile",
    "samples",
]
