"""What a device with a clock and a queue of its own adds to the latency: times by its events, and rates when it is let
run ahead. Taken after the latency, in the same process, and never mixed with it."""

from __future__ import annotations

import time
from typing import Any, Dict, List

from .session import Session

SECONDS = 1.0
WINDOW_NS = 250 * 10**6
LEAST_CALLS = 10


def times(session: Session) -> Dict[str, Any]:
    """Return ``events_ns`` (one call each, by the device's clock) and ``windows`` ([calls, nanoseconds] each)."""
    runtime = session.runtime
    runtime.reset()
    inputs = runtime.to_device(session.inputs)
    runtime.synchronize()
    return {"events_ns": runtime.event_times(inputs, SECONDS), "windows": _windows(runtime, inputs, SECONDS)}


def _windows(runtime: Any, inputs: Any, seconds: float) -> List[List[int]]:
    """Call the model again and again, and wait for the device only at the end of each window."""
    found: List[List[int]] = []
    began = time.perf_counter_ns()
    while not found or time.perf_counter_ns() - began < seconds * 1e9:
        start = now = time.perf_counter_ns()
        calls = 0
        while calls < LEAST_CALLS or now - start < WINDOW_NS:
            runtime.infer(inputs)
            calls += 1
            now = time.perf_counter_ns()
        runtime.synchronize()
        found.append([calls, time.perf_counter_ns() - start])
    return found
