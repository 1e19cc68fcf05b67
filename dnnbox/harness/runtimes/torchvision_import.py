"""Importing torchvision where its compiled operators do not match the torch that is installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any, Callable, List, Set

MISMATCH = "operator torchvision::nms does not exist"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept: List[Any] = []  # a torch Library withdraws its definitions when it is collected


def import_if_there(runtime: Any) -> None:
    """Import torchvision where it is installed, because a library that is imported next would do so and might fail."""
    if importlib.util.find_spec("torchvision") is not None:
        import_torchvision(runtime)


def retry(runtime: Any, action: Callable[[], Any]) -> Any:
    """Return what ``action`` returns; if it failed over torchvision's operators, import that first and try again."""
    before = set(sys.modules)
    try:
        return action()
    except (RuntimeError, ImportError) as error:
        if MISMATCH not in str(error):
            raise
    _forget_orphans(before)
    import_torchvision(runtime)
    return action()


def _forget_orphans(before: Set[str]) -> None:
    """Take modules away whose package failed after them: a package that is imported again would not get them anew."""
    for name in sorted(set(sys.modules) - before):
        package = name.rpartition(".")[0]
        if package and package not in sys.modules:
            del sys.modules[name]


def import_torchvision(runtime: Any) -> Any:
    """Return torchvision. A wheel built for CUDA beside a CPU-only torch imports only once two schemas are defined.

    Done only after the import failed for that very reason; the note says so. Classification needs neither operator;
    detection does and then fails, rather than run on a substitute.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if MISMATCH not in str(error):
            raise
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    _kept.append(library)
    for schema in _SCHEMAS:
        library.define(schema)
    module = importlib.import_module("torchvision")
    runtime.note("torchvision's compiled operators do not fit this torch: only models without nms or roi_align run")
    return module
