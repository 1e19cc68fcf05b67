"""Arrays that were given, against the inputs that a graph declares: what cannot fit is refused before anything runs."""

from __future__ import annotations

from pathlib import Path

from dnnbox.errors import Usage
from dnnbox.inputs.kinds import Content
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_BINDING = ("onnxruntime",)
"""Runtimes that take exactly what the file's header says. What a trace has seen binds nobody."""


def require(path: Path, name: str, content: Content, io: IoHints, runtime: str) -> None:
    """Raise Usage for a name that no input has, and for an array of another type, rank or fixed size."""
    if runtime not in _BINDING or not io.inputs:
        return
    field = _field(name, io)
    if field is None or field.shape is None or content.kind != "tensor":
        return
    given, wanted = (f"[{', '.join(map(str, one.shape or ()))}] {one.dtype}" for one in (content, field))
    if (field.dtype and content.dtype != field.dtype) or not field.takes(content.shape):
        raise Usage(
            f"input `{visible(path.name, 80)}` is {given}, but the model's {visible(field.name, 40)} is "
            f"{visible(wanted, 80)}",
            hint="convert the array",
            phase="inputs",
        )


def _field(name: str, io: IoHints) -> IoField | None:
    if not name:
        return io.inputs[0] if len(io.inputs) == 1 else None
    found = next((field for field in io.inputs if field.name == name), None)
    if found is None:
        names = ", ".join(visible(field.name, 40) for field in io.inputs[:8])
        raise Usage(
            f"`--input {visible(name, 40)}=…`: the model has no such input", hint=f"it has {names}", phase="inputs"
        )
    return found
