"""What the pickled formats share: run the inert machine, judge what it named, and report weights, classes, metadata."""

from __future__ import annotations

from collections.abc import Callable

from dnnbox.checkpoints.base import Reading
from dnnbox.checkpoints.dtypes import size_bytes
from dnnbox.checkpoints.opening import Bytes, shown
from dnnbox.checkpoints.pickles import risk
from dnnbox.checkpoints.pickles.machine import MAX_OPCODES, Machine, Refer
from dnnbox.checkpoints.pickles.tree import Container, Copier, Walker, choose, class_of, module_state
from dnnbox.checkpoints.pickles.values import Call, Dict, Global, Refused, Storage, Tensor, Value
from dnnbox.errors import Corrupt, DnnboxError, InputLimit, UnsafeCheckpoint
from dnnbox.text import visible

CheckStorage = Callable[[Storage], None]
"""Raises Corrupt where the bytes of a storage are not in the file."""
Checksum = Callable[[Storage], str]
"""Returns the checksum that the container states for a storage, "" where it states none."""

_MAX_ENTRIES_SHOWN = 50


class Pickles:
    """The pickles of one checkpoint, judged together; ``values`` are what they would build, in order."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._globals: dict[Global, str] = {}
        self._called: set[Global] = set()
        self._sources: dict[str, tuple[str, str]] = {}
        self._opcodes = 0
        self._reading.worsen("data-only")

    def run(self, data: Bytes, where: str, start: int = 0, *, refer: Refer | None = None) -> tuple[Value, int]:
        """Return what the pickle at ``start`` builds and where it ends; ``refer`` resolves its persistent ids.

        Raises Corrupt, InputLimit, UnsafeCheckpoint; a stream that breaks after it named something dangerous gives
        None and the verdict, because a loader acts before it reaches the break.
        """
        machine = Machine(data, start, MAX_OPCODES - self._opcodes)
        machine.refer = refer
        try:
            return machine.run(), machine.stream.offset
        except Refused as refusal:
            self._take(machine, where)
            if self._dangerous():
                self._reading.find("danger", "pickle-broken", f"{where} byte {refusal.offset}", refusal.text)
                raise Broken from refusal
            raise _error(refusal, data, where, self._names()) from refusal
        finally:
            self._take(machine, where)

    def _take(self, machine: Machine, where: str) -> None:
        for found, offset in machine.globals.items():
            self._globals.setdefault(found, f"{where} byte {offset}")
        self._called |= machine.called
        self._sources.update(machine.sources)
        self._opcodes += machine.opcodes

    def _dangerous(self) -> list[Global]:
        return [g for g in self._globals if risk.level(g, g in self._called) == "dangerous"]

    def packages(self) -> set[str]:
        """Return the top-level packages that the pickles name."""
        return {found.module.partition(".")[0] for found in self._globals}

    def _names(self) -> list[str]:
        return [g.path[:200] for g in list(self._globals)[:200]]

    def judge(self, ignored: Callable[[Global], bool] = lambda _: False) -> None:
        """Set verdict, needed code and findings; ``ignored`` globals belong to the format itself."""
        needed: set[str] = set()
        for found, where in self._globals.items():
            if ignored(found):
                continue
            meaning = risk.level(found, found in self._called)
            if meaning == "dangerous":
                self._danger(found, where)
            elif meaning == "code":
                self._reading.worsen("needs-code")
                needed.add(found.path)
                self._note_call(found, where)
            elif meaning == "inert":
                self._reading.worsen("inert-known")
        known = self._reading.needs_code
        known.extend(sorted(needed - set(known)))
        if self._sources:
            pairs = [item for item in self._sources.items() if not item[0].startswith("torch.")][:50]
            self._reading.metadata["class_sources"] = {name: {"file": f, "source": s} for name, (f, s) in pairs}

    def _danger(self, found: Global, where: str) -> None:
        self._reading.worsen("dangerous")
        verb = "calls" if found in self._called else "names"
        self._reading.find("danger", "pickle-global", where, f"{verb} {visible(found.path, 160)}")

    def _note_call(self, found: Global, where: str) -> None:
        if found in self._called:
            text = f"loading calls {visible(found.path, 160)}, whose code is not in the checkpoint"
            self._reading.find("warning", "pickle-call", where, text)


class Broken(Exception):
    """The stream broke after it named something dangerous; the verdict is already clear."""


def _error(refusal: Refused, data: Bytes, where: str, names: list[str]) -> DnnboxError:
    place = f"{shown(data.path)}: {where} byte {refusal.offset}"
    details = {"globals": names}
    if refusal.kind == "truncated":
        return Corrupt(f"{place}: the pickle is cut short, {refusal.text}", details=details)
    if refusal.kind == "limit":
        return InputLimit(f"{place}: {refusal.text}", hint="do not trust this file", details=details)
    text = f"{place}: the pickle is not understood, {visible(refusal.text, 120)}"
    return UnsafeCheckpoint(text, hint="ask the author for safetensors", details=details)


def report(
    root: Value, reading: Reading, check: CheckStorage | None = None, checksum: Checksum = lambda _: ""
) -> Container | None:
    """Fill in tensors, entry, top class, modules and metadata from what a pickle would build."""
    containers = Walker().containers(root)
    chosen = choose(containers)
    if reading.verdict == "dangerous":
        check = None  # the verdict must reach the user, not a complaint about sizes
    if chosen is not None:
        reading.entry = chosen.entry
        add_tensors(chosen, reading, check, checksum)
        _describe(chosen, containers, reading)
    copied = _metadata(root, reading)
    reading.metadata.update({key: value for key, value in copied.items() if key not in reading.metadata})
    return chosen


def _metadata(root: Value, reading: Reading) -> dict[str, object]:
    """Return the plain copy of everything but the weights that are reported as tensors."""
    copier = Copier()
    if isinstance(root, Dict):
        plain = {key: item for key, item in root.items() if not isinstance(item, Tensor)}
        return {str(key)[:200]: copier.copy(item) for key, item in list(plain.items())[:500]}
    if isinstance(root, Call):
        copied = copier.copy(root)
        if reading.verdict != "dangerous":  # a call that acts is no class
            reading.metadata.setdefault("top_class", class_of(root))
        return {"attributes": copied} if module_state(root) is not None else {"object": copied}
    return {} if root is None or isinstance(root, Tensor) else {"object": copier.copy(root)}


def _describe(chosen: Container, containers: list[Container], reading: Reading) -> None:
    if chosen.top_class:
        reading.metadata["top_class"] = chosen.top_class
        reading.metadata["modules"] = dict(list(chosen.classes.items())[:5000])
    if len(containers) > 1:
        reading.metadata["entries"] = [
            {"entry": item.entry, "tensors": len(item.tensors), "elements": item.elements, "class": item.top_class}
            for item in containers[:_MAX_ENTRIES_SHOWN]
        ]


def add_tensors(
    container: Container, reading: Reading, check: CheckStorage | None, checksum: Checksum = lambda _: ""
) -> None:
    """Report the tensors of a container; ``check`` is asked once per storage."""
    checked: set[str] = set()
    for name, tensor in container.tensors.items():
        storage = tensor.storage
        if storage is None:
            reading.add_tensor(name, tensor.dtype, tensor.shape)
            continue
        if storage.key not in checked:
            checked.add(storage.key)
            if check is not None:
                check(storage)
        if check is not None and tensor.layout == "strided" and reaches_beyond(tensor, storage):
            raise Corrupt(f"tensor {visible(name, 120)} reaches beyond its storage")
        reading.add_tensor(
            name,
            tensor.dtype,
            tensor.shape,
            storage=storage.key,
            view=(tensor.offset, tensor.stride),
            storage_bytes=storage_bytes(storage) or None,
            crc32=checksum(storage),
        )


def storage_bytes(storage: Storage) -> int:
    """Return how many bytes a storage has in the file."""
    return storage.elements if storage.is_untyped else size_bytes(storage.dtype, storage.elements)


def reaches_beyond(tensor: Tensor, storage: Storage) -> bool:
    """Whether the last element of a strided tensor lies behind the end of its storage."""
    if 0 in tensor.shape or len(tensor.stride) != len(tensor.shape):
        return False
    last = tensor.offset
    for extent, step in zip(tensor.shape, tensor.stride, strict=True):
        last += (extent - 1) * step
    if storage.is_untyped:
        return size_bytes(tensor.dtype, last + 1) > storage.elements
    return last >= storage.elements
