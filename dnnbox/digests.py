"""SHA-256 of large files, remembered in the user's store by what the file system says of them.

A file is taken for the same one while device, inode, size and the times of its last change agree. Whoever can set all
of them can also change the store, so this is a saving of time and no defence.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dnnbox.errors import DnnboxError
from dnnbox.files import write_atomic
from dnnbox.store import Store

_SMALLEST_BYTES = 16 << 20
"""Smaller files are hashed faster than they are looked up safely."""
_SETTLED_NS = 2_000_000_000
"""A file changed this recently could change again without a visible change of its times."""
_MAX_ENTRIES = 5_000
_SCHEMA = 1


def sha256(facts: os.stat_result, compute: Callable[[], str], store: Store | None = None) -> str:
    """Return the digest of the file that ``facts`` describe, computing it unless it is known.

    A store that cannot be read or written is done without.
    """
    if facts.st_size < _SMALLEST_BYTES:
        return compute()
    place = (store or Store.default()).root / "digests.json"
    key = f"{facts.st_dev}:{facts.st_ino}:{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ctime_ns}"
    known = _load(place)
    found = known.get(key)
    if isinstance(found, str) and len(found) == 64:
        return found
    found = compute()
    if time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) < _SETTLED_NS:
        return found
    known = {**_load(place), key: found}  # again: hashing took long enough for others to have written
    kept = dict(list(known.items())[-_MAX_ENTRIES:])
    with suppress(OSError, DnnboxError):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(place, json.dumps({"schema": _SCHEMA, "sha256": kept}))
    return found


def _load(place: Path) -> dict[str, object]:
    try:
        document = json.loads(place.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    known = document.get("sha256") if isinstance(document, dict) and document.get("schema") == _SCHEMA else None
    return known if isinstance(known, dict) else {}
