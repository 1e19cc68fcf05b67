"""Tar archives that are checkpoints: NeMo's .nemo (a config and a torch file, read in place) and torch 0.1's tar files.

Source: POSIX ustar headers; nemo-toolkit's save_restore_connector; torch/serialization.py:legacy_load.
"""

from __future__ import annotations

import re

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes, Part, shown
from dnnbox.errors import Corrupt, UnsafeCheckpoint, Unsupported
from dnnbox.text import visible

_BLOCK = 512
_MAX_MEMBERS = 10_000
_MAX_EXTENDED_BYTES = 1 << 16
_RECORD = re.compile(rb"(\d{1,6}) ([^\n]*)\n")
_HARMLESS = (b"mtime", b"atime", b"ctime", b"uname", b"gname", b"uid", b"gid", b"comment", b"charset", b"hdrcharset")
_HAILO = ".hn"
_FILE_KINDS = (b"0", b"\0")
_EXTENDED = (b"x", b"g", b"L")
_SKIPPED_KINDS = (b"5", *_EXTENDED)  # b"5": directories


def members(data: Bytes) -> dict[str, tuple[int, int]]:
    """Return (offset, size) of the regular files; links and devices are refused."""
    found: dict[str, tuple[int, int]] = {}
    stated: dict[str, str] = {}
    at = 0
    while at + _BLOCK <= data.size:
        header = data.read(at, _BLOCK)
        if not header.strip(b"\0"):
            return found
        name = stated.get("path") or _name(header)
        size = int(stated["size"]) if "size" in stated else _octal(data, header[124:136])
        _check(data, header, name)
        if at + _BLOCK + size > data.size:
            raise Corrupt(f"{shown(data.path)} is cut short inside {visible(name, 80)}")
        extended = header[156:157] in _EXTENDED
        stated = {**stated, **_extended(data, header[156:157], at + _BLOCK, size)} if extended else {}
        if header[156:157] in _FILE_KINDS:
            if name in found:
                raise UnsafeCheckpoint(f"{shown(data.path)}: {visible(name, 80)} occurs twice; loaders may differ")
            found[name] = (at + _BLOCK, size)
        if len(found) > _MAX_MEMBERS:
            raise Unsupported(f"{shown(data.path)} has more than {_MAX_MEMBERS} members")
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
    raise Corrupt(f"{shown(data.path)} is a tar archive that is cut short: its end is missing")


def _extended(data: Bytes, kind: bytes, at: int, size: int) -> dict[str, str]:
    """Return what an extended header says of the next member: loaders follow it, so its path and size count."""
    raw = data.read(at, min(size, _MAX_EXTENDED_BYTES))
    if kind == b"L":
        return {"path": raw.rstrip(b"\0").decode("utf-8", "replace").removeprefix("./")}
    found = {}
    for length, line in _RECORD.findall(raw):
        key, _, value = line.partition(b"=")
        if key in (b"path", b"size") and len(length) + 2 + len(line) == int(length):
            found[key.decode()] = value.decode("utf-8", "replace").removeprefix("./")
        elif key not in _HARMLESS and not key.startswith((b"SCHILY.", b"LIBARCHIVE.")):
            raise UnsafeCheckpoint(f"{shown(data.path)}: a tar header with {visible(key, 60)}; loaders may differ")
    if (kind == b"g" and found) or not found.get("size", "0").isdecimal():
        raise UnsafeCheckpoint(f"{shown(data.path)}: a tar header that renames or resizes every member")
    return found


def _name(header: bytes) -> str:
    prefix = header[345:500].rstrip(b"\0") if header[257:263] == b"ustar\0" else b""
    name = header[:100].rstrip(b"\0").decode("utf-8", "replace")
    return (f"{prefix.decode('utf-8', 'replace')}/{name}" if prefix else name).removeprefix("./")


def _octal(data: Bytes, field: bytes) -> int:
    digits = field.strip(b"\0 ")
    if field[:1] == b"\x80":  # base 256, for sizes above 8 GiB
        return int.from_bytes(field[1:], "big")
    if not digits.isdigit() or any(digit in b"89" for digit in digits):
        raise Corrupt(f"{shown(data.path)}: a tar header without a size")
    return int(digits, 8)


def _check(data: Bytes, header: bytes, name: str) -> None:
    if header[156:157] not in (*_FILE_KINDS, *_SKIPPED_KINDS):
        raise UnsafeCheckpoint(f"{shown(data.path)}: {visible(name, 80)} is a link or a device")
    if name.startswith("/") or ".." in name.split("/"):
        raise UnsafeCheckpoint(f"{shown(data.path)}: {visible(name, 80)} would be written outside the archive's folder")
    stated = _octal(data, header[148:156])
    if sum(header[:148]) + 8 * 32 + sum(header[156:]) != stated:
        raise Corrupt(f"{shown(data.path)}: the checksum of a tar header is wrong")


class Tar:
    """Reads NeMo's archives and torch's tar files of 2016, names Hailo's; other tars are no checkpoints."""

    def sniff(self, data: Bytes) -> Match | None:
        """The ustar magic of the first header."""
        return Match(0.9, "ustar") if data.head[257:262] == b"ustar" else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Find the weights inside and read them in place."""
        found = members(data)
        names = list(found)
        if {"pickle", "storages", "tensors"} <= found.keys():
            from dnnbox.checkpoints.torch_tar import read_torch_tar

            read_torch_tar(data, found, reading)
            return
        if any(name.endswith(_HAILO) for name in names):
            reading.format, reading.framework = "hailo-har", "hailo"
            reading.metadata["members"] = names[:200]
            reading.not_scanned.append("the members: only the format was recognised")
            return
        weights = next((name for name in names if name.endswith((".ckpt", ".safetensors"))), "")
        config = next((name for name in names if name.endswith("model_config.yaml")), "")
        if not weights or not config:
            listing = visible(", ".join(names[:5]), 160)
            raise Unsupported(f"{shown(data.path)} is a tar archive without a model: {listing}", hint="unpack it first")
        _nemo(data, reading, found, weights, config)


def _nemo(data: Bytes, reading: Reading, found: dict[str, tuple[int, int]], weights: str, config: str) -> None:
    from dnnbox.checkpoints import read_file

    part = read_file(Part(data, *found[weights], name=weights))
    reading.format, reading.framework = "nemo", "pytorch"
    reading.absorb(part, weights)
    reading.entry = part.entry
    for tensor in part.tensors:
        storage = tensor.tied_to or tensor.name
        reading.add_tensor(tensor.name, tensor.dtype, tensor.shape, storage=storage, crc32=tensor.crc32)
    offset, size = found[config]
    text = data.read(offset, min(size, 1 << 20)).decode("utf-8", "replace")
    target = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("target:")), "")
    reading.metadata.update(
        {"model_config.yaml": text[:20_000], "top_class": target[:300], "members": list(found)[:200]}
    )
