"""Which of many files are read first: those with the names of the checkpoint, then those that use their classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from dnnbox.walk import read_head

_LARGEST_BYTES = 2 << 20
_NAME = re.compile(rb"[A-Za-z_]\w+")
_CLASS = re.compile(rb"^class (\w+)", re.MULTILINE)
_NEAREST = 40  # files whose classes count


def by_worth(files: Sequence[Path], words: Collection[str]) -> list[Path]:
    """Return the files with the likeliest first. ``words``: the pieces of the tensors' names; the fewer files hold one,
    the more it says."""
    held = _worth(files, {word.encode() for word in words})
    nearest = sorted(files, key=lambda file: -held[file])[:_NEAREST]
    made = {name for file in nearest for name in _CLASS.findall(read_head(file, _LARGEST_BYTES) or b"")}
    used = _worth(files, made)
    return sorted(files, key=lambda file: -(held[file] + used[file]))


def _worth(files: Sequence[Path], words: Collection[bytes]) -> dict[Path, float]:
    """Return what the words in each file say, 1 for the file that says most."""
    sought = set(words)
    hits = {file: sought.intersection(_NAME.findall(read_head(file, _LARGEST_BYTES) or b"")) for file in files}
    count = Counter(word for found in hits.values() for word in found)
    worth = {file: sum(1 / count[word] for word in found) for file, found in hits.items()}
    most = max(worth.values(), default=0.0) or 1.0
    return {file: each / most for file, each in worth.items()}
