"""How much of a file the kernel holds in memory, and asking it to let go. Linux; elsewhere the answer is None.

A cold start that finds its files in the page cache is another figure than one that reads them from the disk.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_STEP_BYTES = 1 << 28  # mapped at a time


def files_under(places: Iterable[Path]) -> Iterator[Path]:
    """Return the regular files at or under the places; links are not followed out of them."""
    for place in places:
        if place.is_file():
            yield place
            continue
        for folder, _, names in os.walk(place):
            yield from (path for name in names if (path := Path(folder) / name).is_file() and not path.is_symlink())


def resident_share(places: Iterable[Path]) -> float | None:
    """Return which share of the files' bytes lies in the page cache; None where the system does not tell."""
    mincore = _mincore()
    if mincore is None:
        return None
    pages = resident = 0
    for path in files_under(places):
        with suppress(OSError, ValueError):
            found = _pages(path, mincore)
            pages, resident = pages + found[0], resident + found[1]
    return resident / pages if pages else None


def drop(places: Iterable[Path]) -> int:
    """Ask the kernel to forget the files' pages and return how many files were asked for; needs no privilege."""
    asked = 0
    if not hasattr(os, "posix_fadvise"):
        return 0
    for path in files_under(places):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                asked += 1
            finally:
                os.close(descriptor)
    return asked


def _mincore() -> ctypes._NamedFuncPointer | None:
    try:
        return ctypes.CDLL(None, use_errno=True).mincore
    except (OSError, AttributeError):
        return None


def _pages(path: Path, mincore: ctypes._NamedFuncPointer) -> tuple[int, int]:
    """Return how many pages a file has and how many of them are resident. Mapping a file reads nothing of it."""
    size = path.stat().st_size
    pages = resident = 0
    with path.open("rb") as file:
        for start in range(0, size, _STEP_BYTES):
            length = min(_STEP_BYTES, size - start)
            with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_COPY, offset=start) as mapped:
                count = -(-length // mmap.PAGESIZE)
                flags = (ctypes.c_ubyte * count)()
                view = ctypes.c_char.from_buffer(mapped)
                failed = mincore(ctypes.c_void_p(ctypes.addressof(view)), ctypes.c_size_t(length), flags)
                del view  # otherwise the mapping could not be closed
            if not failed:
                pages, resident = pages + count, resident + bytes(flags).count(1)
    return pages, resident
