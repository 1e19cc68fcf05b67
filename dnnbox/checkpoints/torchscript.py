"""TorchScript archives: the pickled module, its program's text, constants and traced inputs; nothing is compiled.

The forward's arguments are read from the text under ``code/``. Source: torch/csrc/jit/serialization (2.13).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dnnbox.checkpoints import plain
from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes
from dnnbox.checkpoints.pickled import Broken, Pickles, add_tensors
from dnnbox.checkpoints.pickles.tree import Container, Copier
from dnnbox.checkpoints.pickles.values import Call, Dict, Global, Tensor, Value
from dnnbox.checkpoints.torch_zip import pickle_members, records, storage_check, storage_checksum, top
from dnnbox.checkpoints.zips import Archive
from dnnbox.errors import DnnboxError
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_MANGLE = re.compile(r"\.___torch_mangle_\d+")
_CLASS = re.compile(r"^class (\w+)\(Module\):\n((?:  .*\n|\n)*)", re.MULTILINE)
_NAMES = re.compile(r"^  __(parameters|buffers)__ = \[(.*)\]$", re.MULTILINE)
_FORWARD = re.compile(r"^  def forward\(", re.MULTILINE)
_OPERATOR = re.compile(r"\bops\.(\w+)\.(\w+)")
_KNOWN_OPERATORS = frozenset(("prim", "aten", "quantized", "_quantized", "prepacked", "inductor", "mkldnn"))
_ACTING = frozenset(("save", "from_file", "load"))
_MAX_CODE_BYTES = 16 << 20
_MAX_DEPTH = 200
_SCALARS = {"int": "int64", "float": "float64", "bool": "bool", "str": "string", "number": "float64"}


@dataclass
class _Class:
    file: str
    text: str
    parameters: list[str] = field(default_factory=list)
    buffers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Argument:
    """One argument of ``forward`` as its text declares it."""

    name: str
    type: str
    default: str = ""


class TorchScript:
    """Reads scripted and traced modules, mobile ones included."""

    def sniff(self, data: Bytes) -> Match | None:
        """A zip with ``<top>/constants.pkl`` or ``bytecode.pkl`` beside data.pkl."""
        prefix, members = top(data.archive), data.archive.members
        scripted = prefix + "constants.pkl" in members or prefix + "bytecode.pkl" in members
        return Match(1.0, "constants.pkl beside data.pkl") if scripted and prefix + "data.pkl" in members else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the pickles and the program's text."""
        archive = data.archive
        prefix = top(archive)
        reading.format, reading.framework = "torchscript", "pytorch"
        reading.metadata["archive"] = {"members": len(archive.members), **records(archive, prefix)}
        reading.metadata["mobile"] = prefix + "bytecode.pkl" in archive.members
        values = _pickles(archive, prefix, reading)
        classes = _classes(archive, prefix, reading)
        root = values.get(prefix + "data.pkl")
        if isinstance(root, Call):
            _module(root, classes, archive, prefix, reading)
        traced = values.get(prefix + "traced_inputs.pkl")
        if isinstance(traced, Dict) and isinstance(traced.get("forward"), (list, tuple)):
            reading.io_hints = _with_traced(reading.io_hints, traced["forward"])
        _extra(archive, prefix, reading)
        reading.worsen("inert-known")
        reading.find("info", "program", prefix + "code/", "the archive is a program; it runs only in the box")


def _pickles(archive: Archive, prefix: str, reading: Reading) -> dict[str, Value]:
    pickles = Pickles(reading)
    values: dict[str, Value] = {}
    try:
        for name in pickle_members(archive, prefix):
            values[name], _ = pickles.run(archive.open(name), name)
            reading.scanned.append(name)
    except Broken:
        pass
    pickles.judge(_is_script_class)
    return values


def _is_script_class(found: Global) -> bool:
    """TorchScript's own loader resolves ``__torch__`` classes from the archive's text, never by import."""
    return found.module == "__torch__" or found.module.startswith("__torch__.")


def _classes(archive: Archive, prefix: str, reading: Reading) -> dict[str, _Class]:
    """Return the module classes by qualified name, from the program's text."""
    classes: dict[str, _Class] = {}
    left = _MAX_CODE_BYTES
    for name, member in archive.members.items():
        if not (name.startswith(prefix + "code/") and name.endswith(".py")):
            continue
        left -= member.size
        if left < 0:
            reading.not_scanned.append(f"{name} and later: more than {_MAX_CODE_BYTES >> 20} MiB of program text")
            break
        text = archive.read(name).decode("utf-8", "replace")
        module = name[len(prefix) + 5 : -3].replace("/", ".")
        for found in _CLASS.finditer(text):
            classes[f"{module}.{found[1]}"] = _class(name, found[2])
        _note_operators(text, name, reading)
        reading.scanned.append(name)
    return classes


def _class(file: str, body: str) -> _Class:
    made = _Class(file, body)
    for kind, names in _NAMES.findall(body):
        listed = re.findall(r'"([^"]*)"', names)
        if kind == "parameters":
            made.parameters = listed
        else:
            made.buffers = listed
    return made


def _note_operators(text: str, name: str, reading: Reading) -> None:
    for namespace, operator in set(_OPERATOR.findall(text)):
        if namespace not in _KNOWN_OPERATORS:
            note = f"uses the operator {visible(namespace, 60)}::{visible(operator, 60)} of a custom library"
            reading.find("info", "custom-operators", name, note)
    for operator in sorted(set(re.findall(r"\b(?:torch|ops\.aten)\.(\w+)\(", text)) & _ACTING):
        reading.worsen("dangerous")
        reading.find("danger", "program-io", name, f"the program calls {operator}, which reads or writes files")
    if "__torch__.torch.classes." in text:
        reading.find("info", "custom-classes", name, "uses a class of a custom C++ library")


def _module(root: Call, classes: dict[str, _Class], archive: Archive, prefix: str, reading: Reading) -> None:
    container = Container("")
    stack: list[tuple[str, Call, int]] = [("", root, 0)]
    while stack and len(container.tensors) < 1_000_000:
        place, module, depth = stack.pop()
        state = module.state if isinstance(module.state, Dict) else Dict()
        path = module.function.path
        container.classes[place[:-1]] = plain_class(path)
        known = classes.get(path)
        order = known.parameters + known.buffers if known else [str(key) for key in state]
        for name in order:
            value = state.get(name)
            if isinstance(value, Tensor):
                container.tensors[place + name] = value
        children = [(str(key), value) for key, value in state.items() if isinstance(value, Call)]
        if depth < _MAX_DEPTH and len(place) < 1000:
            inner = [(f"{place}{key}.", value, depth + 1) for key, value in children if value.function.path in classes]
            stack.extend(reversed(inner))
    folder = prefix + "data/"
    add_tensors(container, reading, storage_check(archive, folder), storage_checksum(archive, folder))
    reading.metadata["top_class"] = plain_class(root.function.path)
    reading.metadata["modules"] = dict(list(container.classes.items())[:5000])
    reading.metadata["attributes"] = _attributes(root)
    top_class = classes.get(root.function.path)
    if top_class is not None:
        _signature(top_class, reading)


def _attributes(root: Call) -> dict[str, object]:
    state = root.state if isinstance(root.state, Dict) else Dict()
    plain_values = {str(key): value for key, value in state.items() if not isinstance(value, (Call, Tensor))}
    return {key: Copier().copy(value) for key, value in list(plain_values.items())[:200] if value is not None}


def plain_class(path: str) -> str:
    """Return the Python class behind a TorchScript name, without ``__torch__`` and mangling."""
    return _MANGLE.sub("", path).removeprefix("__torch__.")


def _signature(top_class: _Class, reading: Reading) -> None:
    found = _FORWARD.search(top_class.text)
    if found is None:
        return
    arguments, returns = parse_signature(top_class.text[found.end() :])
    where = f"{top_class.file}: forward"
    reading.metadata["forward"] = {
        "arguments": [{"name": a.name, "type": a.type, "default": a.default} for a in arguments],
        "returns": returns,
    }
    inputs = tuple(_field(a.name, a.type, where) for a in arguments)
    reading.io_hints = IoHints(inputs=inputs, outputs=_outputs(returns, where))


def parse_signature(text: str) -> tuple[list[Argument], str]:
    """Return arguments (without self) and return type from the text after ``def forward(``."""
    depth, start, pieces = 1, 0, []
    for at, char in enumerate(text[:20_000]):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        if (char == "," and depth == 1) or depth == 0:
            pieces.append(text[start:at].strip())
            start = at + 1
        if depth == 0:
            break
    rest = text[start : start + 2000]
    returns = rest.partition("->")[2].partition(":\n")[0].strip() if rest.lstrip().startswith("->") else ""
    return [_argument(piece) for piece in pieces[1:] if piece], returns


def _argument(piece: str) -> Argument:
    name, _, rest = piece.partition(":")
    kind, _, default = rest.partition("=")
    return Argument(name.strip()[:200], kind.strip()[:300], default.strip()[:200])


def _field(name: str, kind: str, where: str) -> IoField:
    """Return what a type says: a number has no dimensions, a tensor of any shape is only a tensor."""
    dtype = _SCALARS.get(kind, "" if kind == "Tensor" else kind)
    return IoField(name, () if kind in _SCALARS else None, dtype, "declared", where)


def _outputs(returns: str, where: str) -> tuple[IoField, ...]:
    if not returns:
        return ()
    if returns.startswith("Tuple[") and returns.endswith("]"):
        arguments, _ = parse_signature(f"self, {returns[6:-1]})")
        kinds = [argument.name for argument in arguments]
        return tuple(_field(f"output_{n}", kind, where) for n, kind in enumerate(kinds))
    return (_field("output", returns, where),)


def _with_traced(hints: IoHints, values: object) -> IoHints:
    """Add the shapes that the module was traced with."""
    items = list(values) if isinstance(values, (list, tuple)) else []
    inputs = list(hints.inputs) or [IoField(f"input_{n}") for n in range(len(items))]
    for n, value in enumerate(items[: len(inputs)]):
        if isinstance(value, Tensor):
            inputs[n] = IoField(inputs[n].name, value.shape, value.dtype, "observed", "traced_inputs.pkl")
    return IoHints(inputs=tuple(inputs), outputs=hints.outputs)


def _extra(archive: Archive, prefix: str, reading: Reading) -> None:
    """Copy small extra files; exporters keep task, class names and sizes there."""
    extra: dict[str, object] = {}
    for name, member in archive.members.items():
        if name.startswith(prefix + "extra/") and member.size <= 1 << 20 and len(extra) < 20:
            raw = archive.read(name)
            try:
                extra[name[len(prefix) + 6 :]] = plain.bounded(plain.loads(raw, name))
            except DnnboxError:
                extra[name[len(prefix) + 6 :]] = raw.decode("utf-8", "replace")[:20_000]
    if extra:
        reading.metadata["extra"] = extra
