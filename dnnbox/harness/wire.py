"""The protobuf wire format, as much of it as the Open Inference Protocol's gRPC messages need. No library.

Fields are (number, value): an int is a varint, bytes and text are length-delimited, a list is a nested message.
Source: protobuf.dev/programming-guides/encoding; field numbers from kserve/open-inference-protocol, grpc_service.proto.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Sequence, Tuple, Union

Value = Union[int, bytes, str, Sequence[Any]]


def encode(fields: Sequence[Tuple[int, Any]]) -> bytes:
    """Return the bytes of one message."""
    parts: List[bytes] = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(_varint(number << 3) + _varint(value & 0xFFFFFFFFFFFFFFFF))
            continue
        data = value.encode("utf-8") if isinstance(value, str) else value
        data = bytes(data) if isinstance(data, (bytes, bytearray, memoryview)) else encode(data)
        parts.append(_varint(number << 3 | 2) + _varint(len(data)) + data)
    return b"".join(parts)


def packed(numbers: Sequence[int]) -> bytes:
    """Return a packed repeated field of integers."""
    return b"".join(_varint(number & 0xFFFFFFFFFFFFFFFF) for number in numbers)


def _varint(value: int) -> bytes:
    found = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        found.append(low | (0x80 if value else 0))
        if not value:
            return bytes(found)


def decode(data: bytes) -> Dict[int, List[Any]]:
    """Return {field number: [values in order]}; length-delimited values are bytes.

    Raises:
        ValueError: the message is cut short or has a wire type that is not used here.
    """
    found: Dict[int, List[Any]] = {}
    position = 0
    while position < len(data):
        key, position = _read(data, position)
        number, kind = key >> 3, key & 7
        value: Any = None
        if kind == 0:
            value, position = _read(data, position)
        elif kind == 2:
            size, position = _read(data, position)
            value, position = data[position : position + size], position + size
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            value, position = data[position : position + width], position + width
        else:
            raise ValueError("wire type %d" % kind)
        if position > len(data):
            raise ValueError("a message that was cut short")
        found.setdefault(number, []).append(value)
    return found


def integers(values: Sequence[Any]) -> List[int]:
    """Return a repeated field of integers, packed or not, signed as int64."""
    found: List[int] = []
    for value in values:
        found.extend([value] if isinstance(value, int) else _unpacked(value))
    return [number - (1 << 64) if number >= 1 << 63 else number for number in found]


def _unpacked(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _read(data, position)
        yield value


def _read(data: bytes, position: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("a varint that was cut short")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position
