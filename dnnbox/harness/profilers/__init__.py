"""A pass of its own that says where the time of a call goes. No latency is ever taken from it.

A profiler is told of the session before the model is loaded (``before``), and runs it afterwards (``after``). What it
finds is raw: figures per call of the model in nanoseconds, bytes and floating-point operations.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, Callable, Dict, List

from .. import stats
from ..failures import Failure
from ..session import Session

TRACE_BYTES = 16 << 20
MOST_OPERATORS = 60
MOST_CALLS = 20
BUDGET_NS = 10**9
"""Calls are profiled for about a second, at least one and at most twenty of them."""


class Profiler:
    """Base of the profilers; ``trace`` is the path that a Chrome trace goes to."""

    def __init__(self, session: Session, trace: str) -> None:
        self.session = session
        self.trace = trace
        self.reasons: Dict[str, str] = {}

    def before(self) -> None:
        """Prepare what must be set before the model is loaded."""

    def after(self) -> Dict[str, Any]:
        """Run the model and return what was found."""
        raise NotImplementedError

    def call(self) -> int:
        """Run the model once as the stage "model" does, and return how long it took in nanoseconds."""
        runtime = self.session.runtime
        runtime.reset()
        inputs = runtime.to_device(self.session.inputs)
        runtime.synchronize()
        start = time.perf_counter_ns()
        runtime.infer(inputs)
        runtime.synchronize()
        return time.perf_counter_ns() - start

    def calls(self, once: Callable[[], int]) -> List[int]:
        """Return the durations of as many calls as fit the budget."""
        durations = [once()]
        while len(durations) < MOST_CALLS and sum(durations) < BUDGET_NS:
            durations.append(once())
        return durations


def run(profiler: Profiler) -> Dict[str, Any]:
    """Return what the profiler found; ``trace`` says whether a valid trace lies at its path."""
    found = profiler.after()
    operators = sorted(found.get("operators", []), key=lambda row: -row["self_ns"])
    found["operators_n"] = len(operators)
    found["self_ns"] = int(sum(row["self_ns"] for row in operators))
    found["operators"] = operators[:MOST_OPERATORS]
    durations = [float(value) for value in found.pop("durations_ns")]
    found["calls"] = len(durations)
    found["profiled_ns"] = int(stats.median(durations))
    found["mean_ns"] = int(sum(durations) / len(durations))  # what the operators' times are a part of
    problem = trace_problem(profiler.trace)
    if problem:
        profiler.reasons["trace"] = problem
        if os.path.exists(profiler.trace):
            os.remove(profiler.trace)
    found["reasons"] = profiler.reasons
    return found


def trace_problem(path: str) -> str:
    """Return why a file is no Chrome trace of an acceptable size, or ""."""
    if not os.path.isfile(path):
        return "the profiler wrote no trace"
    size = os.path.getsize(path)
    if size > TRACE_BYTES:
        return "the trace has %d bytes, at most %d are kept" % (size, TRACE_BYTES)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            document = json.load(file)
    except ValueError as error:
        return "the profiler's trace is not JSON: %s" % error
    events = document.get("traceEvents") if isinstance(document, dict) else document
    is_trace = isinstance(events, list) and any(isinstance(event, dict) and "ph" in event for event in events)
    return "" if is_trace else "the profiler's trace holds no events"


def choose(session: Session, trace: str) -> Profiler:
    """Return the profiler for the session's runtime."""
    from .onnxruntime import OnnxRuntimeProfiler
    from .openvino import OpenVinoProfiler
    from .torch import TorchProfiler

    runtime = session.runtime
    if runtime.request.runtime == "onnxruntime":
        return OnnxRuntimeProfiler(session, trace)
    if runtime.request.runtime == "openvino":
        return OpenVinoProfiler(session, trace)
    return TorchProfiler(session, trace)


def torch_of(session: Session) -> Any:
    """Return the torch that the runtime uses; the ``unsupported`` failure where it uses none of it."""
    torch = getattr(session.runtime, "torch", None) or sys.modules.get("torch")
    if torch is None:
        raise Failure(
            "unsupported",
            "dnnbox has no profiler for what runtime %s uses" % session.runtime.request.runtime,
            "profile",
        )
    return torch
