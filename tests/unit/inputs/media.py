"""Small real files of every kind, written byte by byte."""

from __future__ import annotations

import struct
import wave
import zlib
from pathlib import Path


def png(path: Path, width: int = 64, height: int = 48) -> Path:
    """Write a grey PNG."""
    rows = (b"\0" + b"\x80" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return write(path, b"\x89PNG\r\n\x1a\n" + body)


def gif(path: Path, width: int = 80, height: int = 60) -> Path:
    """Write the beginning of a GIF."""
    return write(path, b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0")


def jpeg(path: Path, width: int = 640, height: int = 480) -> Path:
    """Write the headers of a JPEG: an APP0 segment, then the frame."""
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03" + b"\0" * 9
    return write(path, b"\xff\xd8\xff\xe0\x00\x10JFIF\0" + b"\0" * 9 + frame)


def wav(path: Path, seconds: float = 1.0, rate: int = 16000) -> Path:
    """Write silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\0\0" * int(seconds * rate))
    return path


def npy(path: Path, shape: tuple[int, ...] = (1, 4), descriptor: str = "<f4") -> Path:
    """Write an array of zeros."""
    header = f"{{'descr': '{descriptor}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    size = 4
    for extent in shape:
        size *= extent
    return write(path, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * size)


def write(path: Path, data: bytes | str) -> Path:
    """Write a file with its directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


SENTENCES = "The cat sat on the mat.\nA second sentence follows the first.\nAnd this is a third one.\n"
