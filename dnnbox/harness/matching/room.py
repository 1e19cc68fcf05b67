"""How much memory the search may take: an absurd argument is to fail like any other, before the box is stopped."""

from __future__ import annotations

import contextlib
import gc
from typing import Iterator

from .. import memory

_GROWN_BYTES = 256 << 20
_SHARE = 0.8  # of the box's memory; the rest is for what is no data: libraries, threads, the answer


@contextlib.contextmanager
def bounded(box_bytes: int) -> Iterator[None]:
    """Let allocations fail that would have the kernel end the box; no limit where it is not known or cannot be set."""
    try:
        import resource
    except ImportError:  # Windows
        resource = None  # type: ignore[assignment]
    sizes = memory.status()
    if resource is None or box_bytes <= 0 or not {"VmData", "VmRSS"} <= set(sizes):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    # Counted are addresses, not pages: a file that is mapped takes many of them and no memory until it is read.
    most = sizes["VmData"] + max(0, int(box_bytes * _SHARE) - sizes["VmRSS"])
    if resource.RLIM_INFINITY != soft <= most:
        yield
        return
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


class Leftovers:
    """What failed builds left: modules in cycles, which Python's collector, counting objects and no bytes, lets be."""

    def __init__(self) -> None:
        self._kept_bytes = memory.resident() or 0

    def clear(self) -> None:
        """Collect them where the process has grown since the last time."""
        now = memory.resident() or 0
        if now > self._kept_bytes + _GROWN_BYTES:
            gc.collect()
            self._kept_bytes = memory.resident() or 0
        self._kept_bytes = min(self._kept_bytes, now)
