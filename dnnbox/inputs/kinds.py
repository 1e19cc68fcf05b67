"""What a file holds, told from its bytes: the name only decides where bytes cannot (text)."""

from __future__ import annotations

import ast
import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dnnbox.walk import read_head

Kind = Literal["tensor", "image", "audio", "video", "text", "json"]
_HEAD_BYTES = 256 << 10

SUFFIXES: dict[str, Kind] = {
    ".npy": "tensor",
    ".png": "image",
    ".jpg": "image",
    ".jpeg": "image",
    ".bmp": "image",
    ".webp": "image",
    ".gif": "image",
    ".wav": "audio",
    ".flac": "audio",
    ".ogg": "audio",
    ".mp3": "audio",
    ".m4a": "audio",
    ".mp4": "video",
    ".mov": "video",
    ".webm": "video",
    ".mkv": "video",
    ".avi": "video",
    ".txt": "text",
    ".json": "json",
}
"""The suffixes that are looked at in a search, and what must be found inside."""


@dataclass(frozen=True)
class Content:
    """``detail`` is for people (``640 × 480``); ``size`` orders candidates: shorter side, seconds, sentences, bytes.

    ``is_packed`` is a stream that only a codec opens: an adapter has one, dnnbox has none.
    """

    kind: Kind
    detail: str = ""
    size: float = 0.0
    shape: tuple[int, ...] = ()
    dtype: str = ""
    is_packed: bool = False


def look_into(path: Path) -> Content | None:
    """Return what ``path`` holds; None where no model input was recognised or nothing can be read."""
    head = read_head(path, _HEAD_BYTES)
    if not head:
        return None
    if head[:6] == b"\x93NUMPY":
        return _npy(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wav(head, path)
    return _image(head) or _stream(head) or _text(head, path)


_ENDS = ((b"\x89PNG", b"IEND"), (b"\xff\xd8\xff", b"\xff\xd9"))
_TAIL_BYTES = 1024  # cameras and editors write some bytes behind the end


def seems_whole(path: Path) -> bool:
    """Whether a PNG or JPEG has its end, which one of a broken-off copy lacks; True for every other file."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
            end = next((end for start, end in _ENDS if head.startswith(start)), b"")
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return end in file.read(_TAIL_BYTES)
    except OSError:
        return True


_STREAMS: tuple[tuple[int, bytes, Kind, str], ...] = (
    (0, b"fLaC", "audio", "FLAC"),
    (0, b"OggS", "audio", "Ogg"),
    (0, b"ID3", "audio", "MP3"),
    (4, b"ftypM4A", "audio", "M4A"),
    (4, b"ftyp", "video", "MP4"),
    (0, b"\x1aE\xdf\xa3", "video", "WebM or Matroska"),
    (8, b"AVI LIST", "video", "AVI"),
    (0, b"\0\0\1\xba", "video", "MPEG"),
)
_STILL = (b"heic", b"heix", b"mif1", b"avif")


def _stream(head: bytes) -> Content | None:
    """Tell sound and video by their container; HEIC and AVIF share theirs with MP4 and are pictures."""
    if head[4:8] == b"ftyp" and head[8:12] in _STILL:
        return None
    if head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):  # MP3 without a tag
        return Content("audio", "MP3", is_packed=True)
    found = next((one for one in _STREAMS if head[one[0] : one[0] + len(one[1])] == one[1]), None)
    return Content(found[2], found[3], is_packed=True) if found else None


def _npy(head: bytes) -> Content | None:
    """Read the header of the .npy format, versions 1 to 3 (numpy/lib/format.py); object arrays hold pickles."""
    try:
        major = head[6]
        size, start = (
            (struct.unpack("<H", head[8:10])[0], 10) if major == 1 else (struct.unpack("<I", head[8:12])[0], 12)
        )
        if size > 1 << 16:
            return None
        header = ast.literal_eval(head[start : start + size].decode("latin-1"))
        shape, descriptor = tuple(int(n) for n in header["shape"]), header["descr"]
    except (IndexError, struct.error, ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        return None
    if not isinstance(descriptor, str) or "O" in descriptor:
        return None
    dtype = _DTYPES.get(descriptor.lstrip("<>|="), descriptor)
    return Content("tensor", f"{list(shape)} {dtype}", 0.0, shape, dtype)


_DTYPES = {
    "f2": "float16", "f4": "float32", "f8": "float64", "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64",
    "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64", "b1": "bool",
}  # fmt: skip


def _wav(head: bytes, path: Path) -> Content | None:
    """Read the fmt chunk of a RIFF file; the length comes from the file's size, headers of streams lie about it."""
    position = 12
    while position + 24 <= len(head):
        name, size = head[position : position + 4], struct.unpack("<I", head[position + 4 : position + 8])[0]
        if name == b"fmt ":
            channels, rate, bytes_per_s = struct.unpack("<HII", head[position + 10 : position + 20])
            if not (rate and bytes_per_s and channels):
                return None
            seconds = path.stat().st_size / bytes_per_s
            return Content("audio", f"{seconds:.1f} s, {rate} Hz", seconds)
        position += 8 + size + size % 2
    return None


def _image(head: bytes) -> Content | None:
    size = _png(head) or _jpeg(head) or _bmp(head) or _gif(head)
    if size:
        return Content("image", f"{size[0]} × {size[1]}", float(min(size)))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Content("image", "webp", 64.0)
    return None


def _png(head: bytes) -> tuple[int, int] | None:
    if head[:8] != b"\x89PNG\r\n\x1a\n" or len(head) < 24:
        return None
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _bmp(head: bytes) -> tuple[int, int] | None:
    if head[:2] != b"BM" or len(head) < 26 or head[14:18] != b"\x28\0\0\0":
        return None
    width, height = struct.unpack("<ii", head[18:26])
    return abs(width), abs(height)


def _gif(head: bytes) -> tuple[int, int] | None:
    """Read the logical screen (GIF89a, section 18); the file may be an animation."""
    if head[:6] not in (b"GIF87a", b"GIF89a") or len(head) < 10:
        return None
    width, height = struct.unpack("<HH", head[6:10])
    return width, height


def _jpeg(head: bytes) -> tuple[int, int] | None:
    """Walk the segments to the frame header (ITU T.81, table B.1)."""
    if head[:3] != b"\xff\xd8\xff":
        return None
    position = 2
    while position + 9 <= len(head) and head[position] == 0xFF:
        marker = head[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[position + 5 : position + 9])
            return width, height
        position += 2 + int(struct.unpack(">H", head[position + 2 : position + 4])[0])
    return None


_NOT_SENTENCES = re.compile(
    r"(?i)^(requirements|constraints|cmakelists|licen[cs]e|copying|notice|readme|authors|contributors|changelog|changes"
    r"|vocab|merges|labels?|classes|coco|imagenet|names|manifest|sources|top_level|dependency_links|robots|version|log)"
)


def _text(head: bytes, path: Path) -> Content | None:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character cut at the end of what was read is no fault
            return None
        text = head[: error.start].decode("utf-8")
    if "\0" in text:
        return None
    if path.suffix.lower() == ".json":
        return _json(text, len(head))
    lines = [line for line in text.splitlines() if line.strip()]
    sentences = sum(1 for line in lines if len(line.split()) >= 3 and len(line) <= 2000)
    return Content("text", f"{len(lines)} line{'s' if len(lines) != 1 else ''}", float(sentences)) if lines else None


def _json(text: str, size: int) -> Content | None:
    if size < _HEAD_BYTES:  # a longer one was cut and cannot be checked here
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return None
    return Content("json", f"{size} bytes", float(size))


def holds_sentences(path: Path, content: Content) -> bool:
    """Tell prose, one sentence a line, from the many other things that end in .txt."""
    if content.kind != "text" or _NOT_SENTENCES.match(path.name) or path.stat().st_size > 1 << 20:
        return False
    lines = int(content.detail.split()[0])
    return content.size >= max(1, 0.7 * lines)
