"""What went wrong, as one of the protocol's error kinds: raised on purpose, or told from a foreign exception."""

from __future__ import annotations

import importlib.util
import re
import traceback
from typing import List, Optional, Tuple

from .protocol import RunError

DETAIL_LIMIT = 2000
TRACEBACK_LIMIT = 20000

STAGE_KINDS = {
    "import": "import_failed",
    "context": "device_unavailable",
    "build": "load_failed",
    "load": "load_failed",
    "to_device": "load_failed",
    "input": "input_failed",
    "first": "infer_failed",
    "forward": "infer_failed",
    "finite": "infer_failed",
    "repeatable": "infer_failed",
    "check": "infer_failed",
    "warmup": "infer_failed",
    "measure": "infer_failed",
    "memory": "infer_failed",
    "profile": "infer_failed",
    "evaluate": "infer_failed",
    "train": "infer_failed",
    "sizes": "infer_failed",
    "export": "infer_failed",
    "postprocess": "infer_failed",
}
"""What an unexplained exception means, by the stage that it came from; anything else is a bug in the harness."""

_VRAM = re.compile(r"(CUDA|HIP|MPS).{0,40}out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED", re.I)
_HOST_MEMORY = re.compile(r"can't allocate memory|bad_alloc|Cannot allocate memory|Failed to allocate memory", re.I)
_REQUIRES_LIBRARY = re.compile(r"requires the ([A-Za-z0-9_.-]+) library but it was not found", re.I)


class Failure(Exception):
    """A failure that the harness raises on purpose; ``kind`` is one of the protocol's ERROR_KINDS."""

    def __init__(self, kind: str, detail: str, stage: str = "") -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.stage = stage


def explain(error: BaseException, stage: str) -> RunError:
    """Return the record of an exception that was raised during ``stage``."""
    kind, detail = _classify(error, stage)
    where = getattr(error, "stage", "") or stage
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return RunError(kind, _clip(detail, DETAIL_LIMIT), where, _clip(text, TRACEBACK_LIMIT))


def _classify(error: BaseException, stage: str) -> Tuple[str, str]:
    if isinstance(error, Failure):
        return error.kind, error.detail
    text = "%s: %s" % (type(error).__name__, error)
    if _is_vram(error):
        return "vram_oom", text
    if isinstance(error, MemoryError) or _HOST_MEMORY.search(str(error)):
        return "oom", text
    if isinstance(error, SystemExit):
        return STAGE_KINDS.get(stage, "internal"), "the model's code ended the program (exit code %r)" % (error.code,)
    missing = missing_module(error)
    if missing is not None:
        return "missing_module", missing
    if isinstance(error, ImportError):
        return "import_failed", text
    return STAGE_KINDS.get(stage, "internal"), text


def _is_vram(error: BaseException) -> bool:
    # torch.cuda.OutOfMemoryError and torch.OutOfMemoryError, without importing torch to name them.
    return type(error).__name__ == "OutOfMemoryError" or bool(_VRAM.search(str(error)))


def missing_module(error: BaseException) -> Optional[str]:
    """Return the name of the top-level module that an import did not find, or None.

    Libraries often raise again from the first error, so the whole chain is searched.
    """
    for link in _chain(error):
        if not isinstance(link, ImportError):
            continue
        named = _REQUIRES_LIBRARY.search(str(link))
        if named:
            return named.group(1)
        if isinstance(link, ModuleNotFoundError) and link.name:
            top = link.name.partition(".")[0]
            return top if not _is_there(top) else None
    return None


def _chain(error: BaseException) -> List[BaseException]:
    links: List[BaseException] = []
    link: Optional[BaseException] = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    return links


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _clip(text: str, limit: int) -> str:
    """Keep both ends of a long text, because the cause is at the end and the place at the beginning."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return "%s\n… %d characters left out …\n%s" % (text[:half], len(text) - 2 * half, text[-half:])
