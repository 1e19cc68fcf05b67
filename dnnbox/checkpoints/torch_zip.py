"""torch.save's zip files (PyTorch ≥ 1.6): ``<top>/data.pkl``, storages under ``<top>/data/``, stored uncompressed.

Source: torch/serialization.py:_save and caffe2/serialize/inline_container.cc (2.13).
"""

from __future__ import annotations

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes, shown
from dnnbox.checkpoints.pickled import Broken, CheckStorage, Checksum, Pickles, report, storage_bytes
from dnnbox.checkpoints.pickles.values import Storage, Value
from dnnbox.checkpoints.zips import Archive
from dnnbox.errors import Corrupt
from dnnbox.text import visible

_RECORDS = ("version", ".data/version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id")
_MAX_RECORD_BYTES = 4096


def top(archive: Archive) -> str:
    """Return the one folder that holds all members, with a slash, or "" where there is none."""
    first = next(iter(archive.members), "")
    prefix = first[: first.find("/") + 1]
    return prefix if all(name.startswith(prefix) for name in archive.members) else ""


def records(archive: Archive, prefix: str) -> dict[str, str]:
    """Return the small records that torch writes beside the data."""
    found = {}
    for name in _RECORDS:
        if prefix + name in archive.members:
            raw = archive.read(prefix + name, _MAX_RECORD_BYTES)
            found[name] = raw.decode("utf-8", "replace").strip()
    return found


def storage_check(archive: Archive, folder: str) -> CheckStorage:
    """Return a check that a storage's member is there and has the right size."""

    def check(storage: Storage) -> None:
        member = archive.members.get(folder + storage.key)
        expected = storage_bytes(storage)
        if member is not None and (not expected or member.size == expected):
            return
        where = f"{shown(archive.data.path)}: storage {visible(storage.key, 60)}"
        problem = "is missing" if member is None else f"has {member.size} bytes, expected {expected}"
        raise Corrupt(f"{where} {problem}")

    return check


def storage_checksum(archive: Archive, folder: str) -> Checksum:
    """Return what the zip directory states of a storage's content."""

    def checksum(storage: Storage) -> str:
        member = archive.members.get(folder + storage.key)
        return member.checksum if member else ""

    return checksum


class TorchZip:
    """Reads a zip that torch.save wrote: a state_dict, a nested checkpoint or a whole pickled object."""

    def sniff(self, data: Bytes) -> Match | None:
        """A zip with ``<top>/data.pkl`` and no TorchScript or export records."""
        prefix, members = top(data.archive), data.archive.members
        if prefix + "data.pkl" not in members:
            return None
        other = ("constants.pkl", "bytecode.pkl", "archive_format")
        return Match(0.5 if any(prefix + name in members for name in other) else 1.0, "zip with data.pkl")

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read every pickle of the archive; the storages are only measured."""
        archive = data.archive
        prefix = top(archive)
        reading.format, reading.framework = "torch-zip", "pytorch"
        reading.metadata["archive"] = {"members": len(archive.members), **records(archive, prefix)}
        root = self._pickles(archive, prefix, reading)
        folder = prefix + "data/"
        chosen = report(root, reading, storage_check(archive, folder), storage_checksum(archive, folder))
        _note_content(archive, prefix, reading)
        if chosen is None and reading.verdict != "dangerous":
            reading.find("warning", "no-weights", f"{prefix}data.pkl", "no tensors were found in the pickle")

    def _pickles(self, archive: Archive, prefix: str, reading: Reading) -> Value:
        pickles = Pickles(reading)
        root: Value = None
        try:
            for name in pickle_members(archive, prefix):
                value, end = pickles.run(archive.open(name), name)
                root = value if name == prefix + "data.pkl" else root
                _check_end(archive, name, end, reading)
                reading.scanned.append(name)
        except Broken:
            pass
        pickles.judge()
        return root


class TorchPackage:
    """Reads torch.package archives: Python source and pickles; loading one imports that source."""

    def sniff(self, data: Bytes) -> Match | None:
        """``.data/extern_modules`` is written by torch.package only."""
        prefix = top(data.archive)
        return Match(1.0, "extern_modules") if prefix + ".data/extern_modules" in data.archive.members else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Judge the pickles and list the source that a loader would import."""
        archive = data.archive
        prefix = top(archive)
        reading.format, reading.framework = "torch-package", "pytorch"
        reading.metadata["archive"] = {"members": len(archive.members), **records(archive, prefix)}
        pickles = Pickles(reading)
        try:
            for name in pickle_members(archive, prefix):
                root, _ = pickles.run(archive.open(name), name)
                report(root, reading)
                reading.scanned.append(name)
        except Broken:
            pass
        pickles.judge()
        source = [name for name in archive.members if name.endswith(".py")]
        reading.metadata["source_files"] = source[:500]
        reading.worsen("needs-code")
        reading.find(
            "warning", "embedded-code", prefix, f"{len(source)} Python files of the archive run when it is loaded"
        )


def pickle_members(archive: Archive, prefix: str) -> list[str]:
    """Return the members that are pickles by name or by content, data.pkl first; storages are numbers only."""
    found = [
        name
        for name, member in archive.members.items()
        if member.size and not name.startswith(prefix + "data/") and _is_pickle(archive, name)
    ]
    return sorted(found, key=lambda name: name != prefix + "data.pkl")


def _is_pickle(archive: Archive, name: str) -> bool:
    if name.lower().endswith((".pkl", ".pickle")):
        return True
    head = archive.head(name, 2)
    return len(head) == 2 and head[0] == 0x80 and head[1] <= 5


def _check_end(archive: Archive, name: str, end: int, reading: Reading) -> None:
    left = archive.members[name].size - end
    if left:
        reading.find("warning", "bytes-after-pickle", name, f"{left} bytes follow the pickle; they were not read")
        reading.not_scanned.append(f"{name}: {left} bytes after the pickle")


def _note_content(archive: Archive, prefix: str, reading: Reading) -> None:
    """Note what torch never writes, and the checksums that identify the weights for free."""
    for name, member in archive.members.items():
        if member.method and name.startswith(prefix + "data/"):
            reading.find("info", "compressed-storage", name, "tensor data is compressed, which torch never does")
            break
    for name in archive.members:
        if name.endswith((".so", ".dll", ".dylib", ".cubin", ".exe")):
            reading.worsen("dangerous")
            reading.find("danger", "native-code", name, "the archive holds native code")
    reading.metadata["archive"]["storages_crc32"] = _checksum(archive, prefix + "data/")


def _checksum(archive: Archive, folder: str) -> str:
    """Return a digest over the storages' CRC-32 from the zip directory: it identifies the weights without reading.

    "" where the writer left the checksums out (torch.serialization.set_crc32_options).
    """
    import zlib

    storages = sorted((name, member) for name, member in archive.members.items() if name.startswith(folder))
    if not storages or not all(member.checksum for _, member in storages):
        return ""
    crc = 0
    for name, member in storages:
        crc = zlib.crc32(f"{name[len(folder) :]}:{member.crc32}:{member.size};".encode("utf-8", "replace"), crc)
    return f"{crc:08x}"
