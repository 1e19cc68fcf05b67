"""The jobs: what is done with a runtime, in which order, and what of it goes into the result."""

from __future__ import annotations

import gc
import importlib
import os
import re
import time
from typing import Any, Callable, Dict, List, Sequence

from . import checks, colours, contract, device, drawing, measure, memory, probe, profilers, sizes, trees, variants
from .arrays import Array, write_npy
from .failures import Failure
from .noise import NoiseLog
from .protocol import ARRAYS, ARTIFACTS, ArrayRecord, Check, MeasurePlan, Samples
from .quiet import Quiet
from .session import Context, Named, Session

KEPT_ARRAY_BYTES = 64 << 20
KEPT_TOTAL_BYTES = 256 << 20
DECODED_CALLS = 64
MEMORY_RUNS = 5
TRACE = "trace.json"


def run(context: Context) -> None:
    """Run the job that the request names."""
    job = JOBS.get(context.request.job)
    if job is None:
        raise Failure("protocol", "unknown job %r" % context.request.job)
    job(context)


def probe_job(context: Context) -> None:
    """Fill in the machine and the packages; no model is touched."""
    context.enter("probe")
    context.fields["machine"] = probe.machine(context.request.device)
    context.fields["packages"] = probe.packages()


def finish(session: Session) -> None:
    """Say what really was: device, precision, threads, the machine."""
    context = session.context
    context.fields["effective"] = dict(trees.plain(session.runtime.effective()), **probe.process_settings())
    context.fields["machine"] = probe.machine(context.request.device)


def infer_job(context: Context) -> None:
    """Load, run, check, decode, and keep what went in and what came out."""
    session = Session(context)
    with session.described():
        session.climb()
        outputs = session.first()
        inputs, _ = trees.named_arrays(session.inputs, "input")
        named = session.verify(outputs)
        contract.describe(session, inputs, named)
        told = {"inputs": colours.look(session, inputs), "generates": session.runtime.generates()}
        context.fields["findings"] = trees.plain(told)
        context.enter("postprocess")
        keep_arrays(context, "input", inputs)
        keep_arrays(context, "output", named)
        _decode(session)
        finish(session)
    context.fields["packages"] = probe.packages()


def _decode(session: Session) -> None:
    """Fill in what the outputs mean, over all batches that were given."""
    context, runtime = session.context, session.runtime
    out_dir = context.folder(ARTIFACTS)
    decoded: List[Dict[str, Any]] = []
    batches = session.batches or [[]]
    for index, batch in enumerate(batches[:DECODED_CALLS]):
        context.progress.show("postprocess", index, min(len(batches), DECODED_CALLS))
        inputs = runtime.preprocess(batch) if index and batch else session.inputs
        outputs = session.call(inputs) if index else session.verified  # a call may take seconds
        said = _explained(session, lambda: runtime.postprocess(outputs, batch, out_dir))  # noqa: B023 - at once
        first = index * max(1, context.request.batch_size)
        if first < drawing.MOST_ITEMS:
            say = lambda: drawing.draw(runtime, inputs, outputs, batch, said, out_dir, first)  # noqa: B023, E731 - at once
            decoded += _drawn(session, say)
        for entry in said:
            if isinstance(entry.get("item"), int):
                entry["item"] += index * max(1, context.request.batch_size)
            decoded.append(entry)
    if len(batches) > DECODED_CALLS:
        runtime.note("only the first %d of %d batches of inputs were decoded" % (DECODED_CALLS, len(batches)))
    session.verified = None
    context.fields["decoded"] = trees.plain(decoded + _explained(session, lambda: runtime.conclude(out_dir)))
    context.fields["artifacts"] = list_artifacts(out_dir)


def _drawn(session: Session, draw: Callable[[], List[Dict[str, Any]]]) -> List[Dict[str, Any]]:
    """Return what was drawn; pictures are for people, so a failure to draw is a note whosever code made the output."""
    try:
        return draw()
    except Exception as error:
        session.runtime.note("the output could not be drawn (%s: %s)" % (type(error).__name__, str(error)[:200]))
        return []


def _explained(session: Session, explain: Callable[[], List[Dict[str, Any]]]) -> List[Dict[str, Any]]:
    """Return what the outputs mean; where a built-in runtime cannot say it, that is a note and no failure."""
    try:
        return explain()
    except Exception as error:  # libraries differ; the verified output stands without its explanation
        if session.runtime.must_explain:
            raise
        session.runtime.note("the output could not be explained (%s: %s)" % (type(error).__name__, str(error)[:200]))
        return []


def list_artifacts(out_dir: str) -> List[Dict[str, Any]]:
    """Return the regular files under ``out_dir`` as {"path", "kind", "title"}, sorted."""
    kinds = {".png": "image", ".jpg": "image", ".jpeg": "image", ".wav": "audio", ".json": "json", ".txt": "text"}
    found: List[Dict[str, Any]] = []
    for folder, _, names in os.walk(out_dir):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                relative = os.path.relpath(path, out_dir).replace(os.sep, "/")
                kind = kinds.get(os.path.splitext(name)[1].lower(), "file")
                found.append({"path": "%s/%s" % (ARTIFACTS, relative), "kind": kind, "title": relative})
    return sorted(found, key=lambda entry: str(entry["path"]))


def measure_job(context: Context) -> None:
    """Verify the output, warm up, and time single iterations."""
    session, _ = variants.open_session(context)
    with session.described():
        stages = session.stages(_decodes(session))
        session.runtime.reset()
        start = session.inputs if session.runtime.moves else session.runtime.to_device(session.inputs)
        time_stages(session, stages, start, context.request.plan, session.runtime.item_count(session.inputs))
        if session.runtime.moves:
            context.enter("device_times")
            context.fields["device_times"] = trees.plain(device.times(session))
        finish(session)


def time_stages(session: Session, stages: Sequence[measure.Stage], start: Any, plan: MeasurePlan, items: int) -> None:
    """Warm up and time the chain of stages, and keep the raw samples and what disturbed them."""
    context = session.context
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        quiet = Quiet(plan.quiet_seconds, plan.usual_pace_ns)
        context.stage = "warmup"
        warm = measure.warm_up(stages, start, plan, time.perf_counter_ns, _shower(context, "warmup"), quiet)
        context.stage = "measure"
        noise = NoiseLog()
        timing = measure.sample(stages, start, plan, time.perf_counter_ns, noise, _shower(context, "measure"), quiet)
    finally:
        gc.enable()
    context.fields["samples"] = _keep_samples(context, timing, warm, items)
    context.fields["noise"] = dict(noise.record(), **quiet.record())


def _decodes(session: Session) -> bool:
    """Say whether decoding is a timed stage: only where it works and writes no files."""
    if not session.runtime.decodes:
        return False
    session.context.enter("postprocess")
    session.runtime.decode(session.call())
    return session.runtime.decodes


def _shower(context: Context, stage: str) -> measure.Show:
    return lambda done, total, text: context.progress.show(stage, done, total, text)


def _keep_samples(context: Context, timing: measure.Timing, warm: measure.WarmUp, items: int) -> Samples:
    shape = (timing.n, len(timing.columns))
    array = Array("int64", shape, timing.samples.tobytes())
    path = _write(context, "samples", "samples", array)
    context.fields["arrays"].append(ArrayRecord("samples", "samples", path, "int64", list(shape), array.sha256()))
    reasons = [] if warm.settled else ["warm-up did not settle in %.0f s" % (warm.wall_ns / 1e9)]
    reasons += [timing.reason] if timing.reason else []
    return Samples(
        path=path,
        columns=timing.columns,
        n=timing.n,
        warmup_n=warm.n,
        warmup_ns=warm.wall_ns,
        stable=warm.settled and timing.interval_reached,
        reason="; ".join(reasons),
        timer_ns=measure.timer_cost_ns(time.perf_counter_ns),
        items_per_iteration=items,
    )


def cold_job(context: Context) -> None:
    """Climb the ladder once in this fresh process, and see that an output came."""
    session = Session(context)
    with session.described():
        session.climb()
        outputs = session.first()
        context.enter("check")
        named, _ = trees.named_arrays(outputs)
        found = checks.gate(named, named, context.request.precision)[:2]
        context.fields["checks"] = found + [Check("digest", True, checks.digest(named))]
        checks.require(found)
        context.fields["effective"] = dict(trees.plain(session.runtime.effective()), **probe.process_settings())


def memory_job(context: Context) -> None:
    """Peak memory by phase: import, load, run. Nothing is timed."""
    log = memory.MemoryLog()
    session = Session(context)
    phases = {"context": "import", "to_device": "load"}
    with session.described():
        session.climb(lambda stage: log.end_phase(phases[stage]) if stage in phases else None)
        context.enter("memory")
        for index in range(MEMORY_RUNS):
            session.call()
            context.progress.show("memory", index + 1, MEMORY_RUNS)
        log.end_phase("run")
        figures = dict(log.record(), **trees.plain(session.runtime.device_memory()))
        context.fields["memory"] = dict(figures, **_energy_window(session, context.request.plan.energy_seconds))
        given = context.request.work.get("contract")
        if given:
            found = {"fed_back": sizes.feed_back(session, given), "open_batch": sizes.open_batch(session, given)}
            context.fields["findings"] = trees.plain(found)
        context.fields["effective"] = dict(trees.plain(session.runtime.effective()), **probe.process_settings())


def _energy_window(session: Session, seconds: float) -> Dict[str, Any]:
    """Call the model for so long and say from when to when, so that the host finds it among its counters' readings."""
    if seconds <= 0:
        return {}
    session.context.enter("energy")
    start = now = time.monotonic_ns()
    calls = 0
    while now - start < seconds * 1e9:
        session.call()
        calls += 1
        now = time.monotonic_ns()
    items = session.runtime.item_count(session.inputs)
    return {"energy_window": {"start_ns": start, "end_ns": now, "calls": calls, "items_per_call": items}}


def profile_job(context: Context) -> None:
    """Where the time of a call goes. Profiling slows it down, so no latency is taken from here."""
    session = Session(context)
    trace = os.path.join(context.folder(ARTIFACTS), TRACE)
    profiler = profilers.choose(session, trace)
    profiler.before()
    with session.described():
        session.climb()
        context.enter("profile")
        context.fields["profile"] = trees.plain(profilers.run(profiler))
        if os.path.isfile(trace):
            context.fields["artifacts"] = [{"path": "%s/%s" % (ARTIFACTS, TRACE), "kind": "trace", "title": TRACE}]
        context.fields["effective"] = dict(trees.plain(session.runtime.effective()), **probe.process_settings())


def _of(module: str, name: str) -> Callable[[Context], None]:
    """Return a job that lies in a module of its own, imported when it is asked for."""

    def job(context: Context) -> None:
        getattr(importlib.import_module(module, __package__), name)(context)

    return job


JOBS = {
    "probe": probe_job,
    "infer": infer_job,
    "measure": measure_job,
    "cold": cold_job,
    "generate": _of(".generation", "generate_job"),
    "memory": memory_job,
    "profile": profile_job,
    "evaluate": _of(".evaluation", "evaluate_job"),
    "train": _of(".training", "train_job"),
    "sizes": _of(".sizes", "sizes_job"),
    "export": _of(".exporting", "export_job"),
    "match": _of(".matching", "match_job"),
    "verify": _of(".verifying", "verify_job"),
}


def keep_arrays(context: Context, role: str, named: Named) -> None:
    """Write arrays to the run directory and describe them; above the caps only the description is kept."""
    total = 0
    for name, array in named:
        size = len(bytes(array.data))
        path = ""
        if size <= KEPT_ARRAY_BYTES and total + size <= KEPT_TOTAL_BYTES:
            total += size
            path = _write(context, role, name, array)
        figures = checks.summarise(array)
        shape = [int(length) for length in array.shape]
        record = ArrayRecord(name, role, path, array.dtype, shape, array.sha256(), *figures)
        context.fields["arrays"].append(record)


def _write(context: Context, role: str, name: str, array: Array) -> str:
    label = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._")[:60] or "array"
    number = len(context.fields["arrays"])
    relative = "%s/%02d_%s_%s.npy" % (ARRAYS, number, role, label) if role != "samples" else ARRAYS + "/samples.npy"
    context.folder(ARRAYS)
    write_npy(os.path.join(context.run_dir, relative), array.dtype, array.shape, array.data)
    return relative
