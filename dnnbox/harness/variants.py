"""Other ways to run the same model: compiled, with another provider, precision or number of threads.

A variant is first a changed request (``applied``), then, for torch, a changed model (``transform``). Its output is
held against that of the plain run on the same inputs, in the same process, before anything of it is timed.
"""

from __future__ import annotations

import gc
import re
import time
from dataclasses import replace
from typing import Any, Callable, Dict, List, Tuple

from . import checks, trees
from .failures import Failure
from .protocol import Check, RunRequest
from .session import Context, Named, Session

TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 5e-2}
"""Largest difference from the plain output, as a share of its largest magnitude: the order of sums may change."""

TORCH_MODES = {
    "compile": None,
    "compile-reduce-overhead": "reduce-overhead",
    "compile-max-autotune": "max-autotune",
}
GRAPH_LEVELS = {
    "graph-off": "DISABLE_ALL",
    "graph-basic": "ENABLE_BASIC",
    "graph-extended": "ENABLE_EXTENDED",
    "graph-all": "ENABLE_ALL",
}
TORCH_ONLY = (*TORCH_MODES, "cudagraphs", "channels-last")


def applied(request: RunRequest, name: str) -> RunRequest:
    """Return the request as the variant wants it; the ``unsupported`` failure where the runtime has no such way."""
    threads = re.match(r"^threads-(\d{1,4})$", name)
    if threads and int(threads.group(1)) > 0:
        return replace(request, threads=int(threads.group(1)))
    if name in TOLERANCE:
        return replace(request, precision=name)
    if name in GRAPH_LEVELS:
        return _for_onnx(request, name, {"graph_level": GRAPH_LEVELS[name]})
    if name == "parallel":
        return _for_onnx(request, name, {"execution_mode": "ORT_PARALLEL"})
    provider = re.match(r"^provider-([A-Za-z]+)$", name)
    if provider:
        return _for_onnx(request, name, {"provider": provider.group(1)})
    if name in TORCH_ONLY:
        return request
    raise Failure("unsupported", "no variant %s" % name, "variant")


def _for_onnx(request: RunRequest, name: str, options: Dict[str, Any]) -> RunRequest:
    if request.runtime != "onnxruntime":
        raise Failure(
            "unsupported", "variant %s is for onnxruntime, this runs in %s" % (name, request.runtime), "variant"
        )
    merged = dict(request.options)
    merged.update(options)
    return replace(request, options=merged)


def transform(session: Session, name: str) -> None:
    """Change the loaded model where the variant is about torch."""
    if name not in TORCH_ONLY:
        return
    runtime: Any = session.runtime
    if not hasattr(runtime, "torch") or getattr(runtime, "model", None) is None:
        raise Failure("unsupported", "variant %s needs a module of torch that dnnbox loaded" % name, "variant")
    if name in TORCH_MODES:
        runtime.model = _compiled(runtime, TORCH_MODES[name])
    elif name == "channels-last":
        _channels_last(session)
    else:
        _graphed(session)


def _compiled(runtime: Any, mode: Any) -> Any:
    torch = runtime.torch
    if not hasattr(torch, "compile"):
        raise Failure("unsupported", "torch %s cannot compile" % torch.__version__, "variant")
    if isinstance(runtime.model, torch.jit.ScriptModule):
        raise Failure("unsupported", "a TorchScript archive is compiled already", "variant")
    return torch.compile(runtime.model, mode=mode) if mode else torch.compile(runtime.model)


def _channels_last(session: Session) -> None:
    runtime: Any = session.runtime
    form = runtime.torch.channels_last
    runtime.model = runtime.model.to(memory_format=form)
    four = [value for value in trees.leaves(session.inputs) if getattr(value, "ndim", 0) == 4]
    if not four:
        raise Failure("unsupported", "channels-last is for inputs with four dimensions", "variant")
    session.inputs = trees.convert(
        session.inputs, lambda tensor: tensor.contiguous(memory_format=form) if tensor.ndim == 4 else tensor
    )


def _graphed(session: Session) -> None:
    """Capture the forward pass into a CUDA graph over fixed inputs; the timed call copies into them and replays."""
    runtime: Any = session.runtime
    torch = runtime.torch
    if getattr(runtime.device, "type", "cpu") != "cuda":
        raise Failure(
            "unsupported", "CUDA graphs need a CUDA device, this runs on %s" % runtime.request.device, "variant"
        )
    plain = runtime.infer
    fixed = runtime.to_device(session.inputs)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # lazy initialisations must not be captured
        for _ in range(3):
            plain(fixed)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = plain(fixed)

    def replayed(inputs: Any) -> Any:
        for target, source in zip(trees.leaves(fixed), trees.leaves(inputs)):
            target.copy_(source)
        graph.replay()
        return outputs

    runtime.infer = replayed


def open_session(context: Context) -> Tuple[Session, Named]:
    """Return a verified session of the request, or of its variant after it was held against the plain run."""
    name = context.request.variant
    if not name:
        return _opened(context)
    asked = applied(context.request, name)
    plain, expected = _opened(context)
    if asked != context.request:
        plain.close()
        del plain
        gc.collect()
        context.request = asked
        session, found = _opened(context)
    else:
        session = plain
        with session.described():
            context.enter("variant")
            transform(session, name)
            start = time.perf_counter_ns()
            outputs = session.call()
            first_ns = time.perf_counter_ns() - start
            context.fields["variant"] = {"first_ns": first_ns}
            found = session.verify(outputs)
    _require_equal(context, session, name, expected, found)
    return session, found


def _opened(context: Context) -> Tuple[Session, Named]:
    session = Session(context)
    with session.described():
        session.climb()
        return session, session.verify(session.first())


def _require_equal(context: Context, session: Session, name: str, expected: Named, found: Named) -> None:
    """Keep how far the variant's output is from the plain one; too far is a failure, and nothing is timed."""
    precision = session.context.request.precision
    allowed = max(TOLERANCE.get(precision, TOLERANCE["fp32"]), TOLERANCE.get(context.request.precision, 0.0))
    worst, difference = compared(expected, found)
    fields = dict(context.fields.get("variant") or {}, name=name, difference=difference, tolerance=allowed)
    context.fields["variant"] = fields
    passed = difference is not None and difference <= allowed
    if difference is None:
        detail = worst
    else:
        detail = "differs by %.2g of its largest value from the plain run (allowed %.2g)" % (difference, allowed)
    context.fields["checks"] = list(context.fields["checks"]) + [Check("variant", passed, detail)]
    if not passed:
        raise Failure(
            "bad_output", "variant %s: %s %s" % (name, worst, detail if difference is not None else ""), "check"
        )


def compared(expected: Named, found: Named) -> Tuple[str, Any]:
    """Return (name of the output that differs most, its relative difference), or (what is wrong, None)."""
    kinds = [[(name, tuple(array.shape)) for name, array in side] for side in (expected, found)]
    if kinds[0] != kinds[1]:
        return "other names or shapes of outputs than the plain run", None
    worst, largest = "", 0.0
    for (name, a), (_, b) in zip(expected, found):
        if not a.dtype.startswith("float") or not len(a.data):
            continue
        difference = checks.relative_difference(*_of_one_type(a, b))
        if difference >= largest:
            worst, largest = name, difference
    return worst, largest


def _of_one_type(a: Any, b: Any) -> Tuple[Any, Any]:
    if a.dtype == b.dtype:
        return a, b
    from .arrays import Array

    wide: List[Any] = [Array("float64", array.shape, _doubles(array)) for array in (a, b)]
    return wide[0], wide[1]


def _doubles(array: Any) -> bytes:
    from array import array as packed

    return packed("d", [float(value) for value in array.values()]).tobytes()


Transform = Callable[[Session], None]
