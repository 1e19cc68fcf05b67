"""The job ``verify``: an adapter, stage by stage. The first stage that fails is named, and those after it do not run.

import → build → load (strictly, held against the file) → forward (on the example inputs) → finite → repeatable.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Callable, Dict, List, Optional

from . import checks, trees
from .failures import Failure
from .protocol import Check
from .runtimes import create
from .runtimes.base import Runtime
from .session import Context, Named

STAGES = ("import", "build", "load", "forward", "finite", "repeatable")
_COMPARED_TENSORS = 24
_COMPARED_VALUES = 512


class Skipped(Exception):
    """A stage that says nothing about this adapter; the text says why."""


def verify_job(context: Context) -> None:
    """Go through the stages; a failing one raises after it was noted."""
    Verification(context, create(context.request)).run()


class Verification:
    """One adapter under way. ``findings["verify"]`` holds a line per stage, also when one of them fails."""

    def __init__(self, context: Context, runtime: Runtime) -> None:
        self.context, self.runtime = context, runtime
        self.stages: List[Dict[str, Any]] = []
        self.inputs: Any = None
        self.outputs: Named = []
        self.checks: List[Check] = []
        context.fields["findings"] = {"verify": {"stages": self.stages}}

    def run(self) -> None:
        """Run every stage in order."""
        try:
            for name in STAGES:
                self._stage(name, getattr(self, "_" + name))
        finally:
            self.context.describe(self.runtime)
            done = {entry["name"] for entry in self.stages}
            self.stages += [_entry(name, "skipped", 0.0, "not reached") for name in STAGES if name not in done]

    def _stage(self, name: str, action: Callable[[], str]) -> None:
        self.context.enter(name)
        start = time.perf_counter()
        status, detail = "failed", ""
        try:
            detail = action()
            status = "ok"
        except Skipped as reason:
            status, detail = "skipped", str(reason)
        except (Exception, SystemExit) as error:  # foreign code; it is raised again below
            detail = "%s: %s" % (type(error).__name__, error) if not isinstance(error, Failure) else error.detail
            raise
        finally:
            self.stages.append(_entry(name, status, time.perf_counter() - start, detail))

    def _import(self) -> str:
        self.runtime.import_libraries()
        self.runtime.open_context()
        return ""

    def _build(self) -> str:
        """Build once; ``load`` gets the same object where it asks for it."""
        adapter, build = self._adapter(), getattr(self.runtime, "build", None)
        if not callable(getattr(adapter, "build", None)) or build is None:
            raise Skipped("the adapter has no method build: its load builds the model")
        model = build()
        if model is None:
            raise Failure("needs_adapter", "build returned nothing", "build")
        adapter.build = lambda: model
        return "%s.%s" % (type(model).__module__, type(model).__qualname__)

    def _load(self) -> str:
        self.runtime.load()
        self.runtime.place()
        torch = sys.modules.get("torch")
        kept = list(vars(self._adapter()).values())
        modules = [value for value in kept if torch is not None and isinstance(value, torch.nn.Module)]
        if not modules:
            raise Skipped("the adapter keeps no torch module as an attribute, so its weights cannot be compared")
        return held_against_file(modules, self.context.request.checkpoint)

    def _forward(self) -> str:
        self.runtime.reset()
        self.inputs = self.runtime.example_inputs(max(1, self.context.request.batch_size))
        self.outputs = self._called()
        second = self._called()
        self.checks = checks.gate(self.outputs, second, self.context.request.precision)
        if not self.outputs:
            raise Failure("bad_output", "the model returned no array", "forward")
        return "; ".join("%s %s %s" % (name, a.dtype, list(a.shape)) for name, a in self.outputs[:4])

    def _finite(self) -> str:
        return self._passed("finite")

    def _repeatable(self) -> str:
        self._passed("shape")
        return self._passed("repeatable")

    def _passed(self, name: str) -> str:
        check = next((check for check in self.checks if check.name == name), None)
        if check is None or not check.passed:
            raise Failure("bad_output", check.detail if check else "%s was not checked" % name, name)
        return check.detail

    def _called(self) -> Named:
        return trees.named_arrays(self.runtime.whole_call(self.inputs))[0]

    def _adapter(self) -> Any:
        return getattr(self.runtime, "adapter", self.runtime)


def _entry(name: str, status: str, seconds: float, detail: str) -> Dict[str, Any]:
    return {"name": name, "status": status, "seconds": round(seconds, 3), "detail": detail[:2000]}


def held_against_file(modules: List[Any], checkpoint: str) -> str:
    """Return how many tensors of the file are in the model; whatever the adapter says of its loading.

    Raises the ``load_failed`` failure where names, shapes or values are not those of the file.
    """
    from .states.finding import found
    from .states.fitting import fit
    from .states.reading import read

    sets = found(read(checkpoint, lambda _: None))
    if not sets:
        raise Skipped("the checkpoint holds no tensors by name")
    fits = [(module, fit(module.state_dict(), each.tensors)) for module in modules for each in sets[:8]]
    strict = [(module, made) for module, made in fits if made.strict]
    if not strict:
        nearest = min((made for _, made in fits), key=lambda made: made.distance)
        raise Failure("load_failed", "the model is not loaded strictly: %s" % nearest.complaint(), "load")
    problems = [_differing(module.state_dict(), made.tensors) for module, made in strict]
    if all(problems):
        raise Failure("load_failed", "the model does not hold the file's weights: %s" % problems[0], "load")
    return "%d tensors, every name, shape and sampled value is the file's" % len(strict[0][1].tensors)


def _differing(own: Dict[str, Any], wanted: Dict[str, Any]) -> Optional[str]:
    """Return the first of some tensors whose values are not those of the file."""
    names = sorted(wanted)
    for name in names[:: max(1, len(names) // _COMPARED_TENSORS)]:
        mine, theirs = own[name], wanted[name]
        if getattr(theirs, "is_quantized", False) or mine.device.type == "meta":
            continue
        first = mine.detach().cpu().flatten()[:_COMPARED_VALUES].float()
        second = theirs.detach().cpu().flatten()[:_COMPARED_VALUES].to(mine.dtype).float()
        if not bool(((first == second) | (first.isnan() & second.isnan())).all()):
            return name
    return None
