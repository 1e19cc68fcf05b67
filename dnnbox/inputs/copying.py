"""The chosen files, copied into the experiment under safe names, with their hashes."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from dnnbox.codec import dumps
from dnnbox.errors import NotReadable, Usage
from dnnbox.files import copying, host_errors, write_atomic
from dnnbox.records.plan import InputChoice
from dnnbox.text import visible

MANIFEST = "inputs.json"
LARGEST_BYTES = 2 << 30
_CHUNK_BYTES = 1 << 20


def materialise(choices: Sequence[InputChoice], into: Path) -> tuple[tuple[InputChoice, Path], ...]:
    """Copy every chosen file into the directory ``into``; returns each choice with its copy.

    Inputs that the box synthesises have no file here. ``inputs.json`` lists the copies with sha256, size, the
    original's name (never its directory) and the reason for it.

    Raises:
        NotReadable: a file is gone or no longer a regular file.
        Usage: a file is too large to be an input.
        HostFull, HostPermission: the copy could not be written.
    """
    with host_errors(into):
        into.mkdir(parents=True, exist_ok=True)
    copies: list[tuple[InputChoice, Path]] = []
    rows = []
    for choice in choices:
        row = {key: getattr(choice, key) for key in ("origin", "kind", "name", "reason")}
        if choice.path:
            source = Path(choice.path)
            target = into / _safe_name(source.name, {path.name for _, path in copies})
            digest, size = _copy(source, target)
            copies.append((choice, target))
            row = {"file": target.name, "original": source.name, "sha256": digest, "size_bytes": size, **row}
        rows.append(row)
    write_atomic(into / MANIFEST, dumps({"schema": "dnnbox.inputs/1", "inputs": rows}))
    return tuple(copies)


def _safe_name(name: str, taken: set[str]) -> str:
    """Return a portable file name: ASCII letters, digits, dot, dash; one leading letter or digit; unique."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    stem, dot, suffix = plain.rpartition(".")
    if not dot:
        stem, suffix = plain, ""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_.")[:60] or "input"
    suffix = re.sub(r"[^A-Za-z0-9]+", "", suffix)[:8].lower()
    ending = f".{suffix}" if suffix else ""
    candidate, number = f"{stem}{ending}", 2
    while candidate.lower() in {each.lower() for each in (*taken, MANIFEST, "README.md")}:
        candidate, number = f"{stem}-{number}{ending}", number + 1
    return candidate


def _copy(source: Path, target: Path) -> tuple[str, int]:
    """Copy one regular file; returns (sha256, bytes) of what was written."""
    digest, size = hashlib.sha256(), 0
    try:
        with copying(source, target) as (file, copy):
            while chunk := file.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > LARGEST_BYTES:
                    what = f"input `{visible(source.name, 80)}` is larger than 2 GiB"
                    raise Usage(what, hint="give a smaller one", phase="inputs")
                digest.update(chunk)
                copy.write(chunk)
    except OSError as error:
        raise NotReadable(
            f"input `{visible(source.name, 80)}` cannot be read: {error.strerror}", hint="give another", phase="inputs"
        ) from error
    return digest.hexdigest(), size
