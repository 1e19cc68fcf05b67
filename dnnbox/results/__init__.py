"""Arrow 8, collect: what the box answered becomes figures with definitions, a contract, artifacts and a verdict."""

from __future__ import annotations

from dnnbox.results.agreement import compare, kept_outputs, saved_outputs
from dnnbox.results.collected import artifacts, entered, failure, mappings, params
from dnnbox.results.contracts import contract, opened
from dnnbox.results.measuring import measure, samples
from dnnbox.results.profiling import profile
from dnnbox.results.quality import answers, quality
from dnnbox.results.samples import compressed
from dnnbox.results.targets import METRICS, judge, parse
from dnnbox.results.traces import keep as keep_trace
from dnnbox.results.training import training

__all__ = [
    "METRICS",
    "answers",
    "artifacts",
    "compare",
    "compressed",
    "contract",
    "entered",
    "failure",
    "judge",
    "keep_trace",
    "kept_outputs",
    "mappings",
    "measure",
    "opened",
    "params",
    "parse",
    "profile",
    "quality",
    "samples",
    "saved_outputs",
    "training",
]
