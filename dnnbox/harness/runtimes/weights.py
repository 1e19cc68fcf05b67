"""Weights of a bare checkpoint into a runtime's module, strictly; the work is done in ``harness.states``."""

from __future__ import annotations

from ..failures import Failure
from ..protocol import Check
from ..states.loading import load_into
from .torch_base import TorchRuntime


def load(runtime: TorchRuntime) -> None:
    """Load the checkpoint into ``runtime.model``: ``options`` entry, prefix, format. Adds the check ``strict_load``."""
    options = runtime.options
    try:
        done = load_into(
            runtime.model,
            runtime.request.checkpoint,
            entry=str(options.get("entry") or ""),
            prefix=str(options.get("prefix") or ""),
            form=str(options.get("format") or ""),
            note=runtime.note,
        )
    except Failure as failure:
        if "do not fit" in failure.detail:
            runtime.checks.append(Check("strict_load", False, failure.detail))
        raise
    runtime.checks.append(Check("strict_load", True, "%d tensors, every name and shape matches" % done.tensors))
