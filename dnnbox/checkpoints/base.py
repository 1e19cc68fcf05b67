"""What a reader is, and what it fills in. Readers see bytes only: nothing is executed, imported or written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from dnnbox.checkpoints.dtypes import size_bytes
from dnnbox.checkpoints.opening import Bytes, Folder
from dnnbox.errors import Corrupt, Unsupported
from dnnbox.records.inspection import (
    FileRole,
    Finding,
    IoHints,
    Severity,
    TensorInfo,
    TensorSummary,
    Verdict,
)
from dnnbox.text import visible

MAX_TENSORS = 1_000_000
MAX_FINDINGS = 100
_MAX_SIZE = (1 << 63) - 1  # elements, or bytes of a storage


class Match(NamedTuple):
    """How sure a reader is that the bytes are of its format: 1 = a magic number, 0.5 = a likely structure."""

    score: float
    reason: str


class FileReader(Protocol):
    """Reads one format of files."""

    def sniff(self, data: Bytes) -> Match | None:
        """Say whether the bytes are of this format, from the head (and the zip directory)."""
        ...

    def read(self, data: Bytes, reading: Reading) -> None:
        """Fill in ``reading``; raises DnnboxError only."""
        ...


class FolderReader(Protocol):
    """Reads one kind of directory."""

    def sniff(self, folder: Folder) -> Match | None:
        """Say whether the directory is of this kind, from its file names and small configs."""
        ...

    def read(self, folder: Folder, reading: Reading) -> None:
        """Fill in ``reading``; raises DnnboxError only."""
        ...


@dataclass
class Reading:
    """What a reader found so far; ``inspect`` turns it into the frozen Inspection."""

    format: str = ""
    framework: str = ""
    verdict: Verdict = "no-code"
    needs_code: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    tensors: list[TensorInfo] = field(default_factory=list)
    io_hints: IoHints = field(default_factory=IoHints)
    licence: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    entry: str = ""
    files: list[FileRole] = field(default_factory=list)
    companions: list[str] = field(default_factory=list)
    scanned: list[str] = field(default_factory=list)
    not_scanned: list[str] = field(default_factory=list)
    _storages: dict[object, int] = field(default_factory=dict)
    _first: dict[object, str] = field(default_factory=dict)
    _elements: int = 0

    def find(self, severity: Severity, code: str, where: str, text: str) -> None:
        """Note something that a person should know."""
        if len(self.findings) < MAX_FINDINGS or severity == "danger":
            self.findings.append(Finding(severity, code, where, text))

    def worsen(self, verdict: Verdict) -> None:
        """Raise the verdict to ``verdict`` when that is worse."""
        if _RANK[verdict] > _RANK[self.verdict]:
            self.verdict = verdict

    def add_tensor(
        self,
        name: str,
        dtype: str,
        shape: Sequence[int],
        *,
        file: str = "",
        storage: object = None,
        view: object = None,
        storage_bytes: int | None = None,
        crc32: str = "",
    ) -> None:
        """Add one tensor. Two with the same ``storage`` and ``view`` (offset, strides) are ties of each other."""
        identity = None if storage is None else (storage, view, tuple(shape), dtype)
        tied_to = self._first.get(identity, "") if identity is not None else ""
        if identity is not None and not tied_to:
            self._first[identity] = name
        self.tensors.append(TensorInfo(name, dtype, tuple(shape), file, tied_to, crc32))
        if tied_to:
            return
        elements = _count(shape)
        stored = storage_bytes if storage_bytes is not None else size_bytes(dtype, elements)
        if max(elements, stored) > _MAX_SIZE:
            if self.verdict != "dangerous":  # else the verdict must reach the user
                raise Corrupt(f"tensor {visible(name, 120)} is larger than anything can be")
            elements = stored = 0
        self._elements += elements
        self._storages[storage if storage is not None else len(self.tensors)] = stored

    def summary(self) -> TensorSummary:
        """Return the totals: elements of tensors that are no ties, bytes of distinct storages."""
        dtypes: dict[str, int] = {}
        for tensor in self.tensors:
            dtypes[tensor.dtype] = dtypes.get(tensor.dtype, 0) + 1
        return TensorSummary(len(self.tensors), self._elements, sum(self._storages.values()), dtypes)

    def absorb(self, part: Reading, where: str) -> None:
        """Take in what was read of a part (a member, a file of a directory): risk, findings and what was scanned."""
        self.worsen(part.verdict)
        self.needs_code.extend(name for name in part.needs_code if name not in self.needs_code)
        for finding in part.findings:
            place = f"{where}: {finding.where}" if finding.where else where
            self.find(finding.severity, finding.code, place, finding.text)
        self.scanned.extend(f"{where}: {item}" for item in part.scanned)
        self.not_scanned.extend(f"{where}: {item}" for item in part.not_scanned)


def open_shape(name: str, extents: Sequence[int]) -> tuple[int | str, ...] | None:
    """Return a shape whose open sizes, below zero, are named after their axis; None where no size is told."""
    return tuple(f"{name}_{axis}" if extent < 0 else extent for axis, extent in enumerate(extents)) or None


def _count(shape: Sequence[int]) -> int:
    """Return how many elements a shape has; beyond the largest number that a file can mean it counts no further."""
    count = 0 if 0 in shape else 1
    for extent in shape:
        count *= extent
        if count > _MAX_SIZE:
            break
    return count


_RANK: Mapping[str, int] = {"no-code": 0, "data-only": 1, "inert-known": 2, "needs-code": 3, "dangerous": 4}


def best(matches: Iterable[tuple[str, Match]]) -> tuple[str, Match] | None:
    """Return the match with the highest score, None where there is none; raises Unsupported for a tie."""
    ranked = sorted(matches, key=lambda item: -item[1].score)
    if len(ranked) > 1 and ranked[0][1].score == ranked[1][1].score:
        (first, one), (second, other) = ranked[:2]
        raise Unsupported(
            f"two readers claim the file alike: `{first}` ({one.reason}) and `{second}` ({other.reason})",
            hint="remove the package that adds the wrong reader, or report it",
        )
    return ranked[0] if ranked else None
