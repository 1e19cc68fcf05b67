"""One job under way: what is known of its result, and a loaded runtime with the inputs of its first call."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

from . import checks, measure, trees
from .arrays import Array
from .events import Progress
from .failures import Failure
from .protocol import Check, RunRequest
from .runtimes import create
from .runtimes.base import Runtime

Named = List[Tuple[str, Array]]


class Context:
    """One job under way: the request, and the fields of the result as far as they are known."""

    def __init__(self, request: RunRequest, run_dir: str, progress: Progress) -> None:
        self.request = request
        self.run_dir = run_dir
        self.progress = progress
        self.stage = ""
        self.fields: Dict[str, Any] = {"stages_ns": {}, "checks": [], "notes": [], "arrays": []}
        self.leave: Callable[[Callable[[], None]], None] = lambda fill: fill()
        """Fill in what is known, write the result and end the process, from another thread than the one that hangs."""

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Name a rung of the cold ladder and keep its duration."""
        self.enter(stage)
        start = time.perf_counter_ns()
        yield
        self.fields["stages_ns"][stage] = time.perf_counter_ns() - start

    def enter(self, stage: str) -> None:
        """Say where the job is, for errors and for the display."""
        self.stage = stage
        self.progress.show(stage)

    def folder(self, name: str) -> str:
        """Return a folder of the run directory, made on first use."""
        path = os.path.join(self.run_dir, name)
        os.makedirs(path, exist_ok=True)
        return path

    def describe(self, runtime: Runtime) -> None:
        """Copy what the runtime has learnt so far into the result; called on failure too."""
        self.fields["notes"] = list(runtime.notes)
        self.fields["checks"] = _merged(runtime.checks, self.fields["checks"])
        self.fields["preprocessing"] = trees.plain(runtime.preprocessing)
        self.fields["postprocessing"] = trees.plain(runtime.postprocessing)


def _merged(first: Sequence[Check], second: Sequence[Check]) -> List[Check]:
    return list(first) + [check for check in second if check not in first]


class Session:
    """A loaded runtime and the inputs of its first call."""

    def __init__(self, context: Context) -> None:
        self.context = context
        context.enter("import")
        self.runtime = create(context.request)
        self.inputs: Any = None
        self.verified: Any = None
        """The outputs of the call that passed the gate, until another call."""
        self.batches: List[List[Any]] = []

    def close(self) -> None:
        """Let go of model and inputs, before another session of the same process loads its own."""
        self.runtime.close()
        self.inputs, self.verified, self.batches = None, None, []

    @contextmanager
    def described(self) -> Iterator[None]:
        """Keep notes and checks of the runtime whatever happens inside."""
        try:
            yield
        finally:
            self.context.describe(self.runtime)

    def climb_to_train(self) -> None:
        """Run the ladder with a model that can be trained, and prepare one batch."""
        self._rungs(self.runtime.place_to_train, lambda _: None)

    def climb(self, after: Callable[[str], None] = lambda _: None) -> None:
        """Run the cold ladder up to the model on its device, and prepare the inputs."""
        self._rungs(self.runtime.place, after)

    def _rungs(self, place: Callable[[], None], after: Callable[[str], None]) -> None:
        rungs = (
            ("import", self.runtime.import_libraries),
            ("context", self.runtime.open_context),
            ("load", self.runtime.load),
            ("to_device", place),
        )
        for stage, action in rungs:
            with self.context.timed(stage):
                action()
            after(stage)
        self.context.enter("input")
        self.runtime.reset()
        self._prepare()

    def _prepare(self) -> None:
        items = self.runtime.items(self.context.request.inputs) if self.context.request.inputs else []
        self.batches = self.runtime.batches(items or self.runtime.example_items())
        if self.batches:
            self.inputs = self.runtime.preprocess(self.batches[0])
        else:
            self.inputs = self.runtime.example_inputs(max(1, self.context.request.batch_size))

    def call(self, inputs: Any = None) -> Any:
        """Return the outputs in host memory of one whole call, untimed."""
        return self.runtime.whole_call(self.inputs if inputs is None else inputs)

    def first(self) -> Any:
        """Return the outputs in host memory of the first call, timed as the last rung of the ladder."""
        self.runtime.reset()
        with self.context.timed("first"):
            outputs = self.runtime.infer(self.runtime.to_device(self.inputs))
            self.runtime.synchronize()
        return self.runtime.to_host(outputs)

    def verify(self, outputs: Any) -> Named:
        """Return the named arrays of the first outputs after the gate: device, finite, repeatable, of one shape."""
        context, runtime = self.context, self.runtime
        context.enter("check")
        # Converted before the second call: a runtime may reuse its buffers.
        first, skipped = trees.named_arrays(outputs)
        again = self.call()
        second, _ = trees.named_arrays(again)
        for text in skipped[:10]:
            runtime.note(text)
        device = runtime.device_check()
        found = ([device] if device else []) + checks.gate(first, second, context.request.precision)
        found.append(Check("digest", True, checks.digest(first)))
        context.fields["checks"] = found
        if device and not device.passed:
            raise Failure("device_unavailable", device.detail, "check")
        checks.require(found)
        self.verified = again
        return first

    def stages(self, decodes: bool) -> List[measure.Stage]:
        """Return the stages of one timed iteration, in order; each takes what the one before returned."""
        runtime, batch = self.runtime, self.batches[0] if self.batches else []
        chain: List[measure.Stage] = []
        if batch and runtime.prepares:
            chain.append(("preprocess", lambda _: runtime.preprocess(batch)))
        if runtime.moves:
            chain += [("host_to_device", _then(runtime.to_device, runtime.synchronize))]
            chain += [("model", _then(runtime.infer, runtime.synchronize)), ("device_to_host", runtime.to_host)]
        else:
            chain.append(("model", runtime.infer))
        if decodes:
            chain.append(("postprocess", runtime.decode))
        return chain


def _then(action: Callable[[Any], Any], wait: Callable[[], None]) -> Callable[[Any], Any]:
    def both(value: Any) -> Any:
        result = action(value)
        wait()
        return result

    return both
