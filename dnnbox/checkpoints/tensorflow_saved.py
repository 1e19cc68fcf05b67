"""TensorFlow SavedModel directories: tags, signatures and operators from saved_model.pb, variables from their index.

Source: tensorflow/core/protobuf/saved_model.proto, meta_graph.proto, framework/graph.proto (2.21).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.folders import describe
from dnnbox.checkpoints.opening import Folder, shown
from dnnbox.checkpoints.protobuf import Message, document, signed
from dnnbox.checkpoints.tensorflow_index import DTYPES, variables
from dnnbox.errors import Corrupt
from dnnbox.records.inspection import IoField, IoHints
from dnnbox.text import visible

_ACTING = frozenset(("ReadFile", "WriteFile", "PyFunc", "PyFuncStateless", "EagerPyFunc", "MatchingFiles", "Save"))
_OWN_SAVING = frozenset(("Save", "SaveV2", "MergeV2Checkpoints", "RestoreV2"))  # every SavedModel saves itself
_SERVING = "serving_default"


class SavedModel:
    """Reads a SavedModel: signatures, operators (those that read and write files are dangerous) and variables."""

    def sniff(self, folder: Folder) -> Match | None:
        """saved_model.pb."""
        return Match(1.0, "saved_model.pb") if folder.has("saved_model.pb") else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Walk the first meta graph."""
        reading.format, reading.framework = "tf-saved-model", "tensorflow"
        describe(folder, reading)
        with folder.open("saved_model.pb") as data:
            whole = document(data)
            graphs = [item for item in whole.fields() if item.number == 2 and item.is_bytes]
            if not graphs:
                raise Corrupt(f"{shown(folder.root)}: saved_model.pb holds no graph")
            for graph in graphs[:10]:
                _meta_graph(whole.message(graph), reading)
        reading.scanned.append("saved_model.pb")
        if folder.has("variables/variables.index"):
            _variables(folder, "variables/variables", reading)


class CheckpointFolder:
    """Reads a directory with PREFIX.index and its shards; of several steps, the one that sorts last."""

    def sniff(self, folder: Folder) -> Match | None:
        """An index and a shard with the same prefix."""
        found = _prefixes(folder)
        return Match(0.8, f"{found[-1]}.index") if found else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """List the variables of one step."""
        reading.format, reading.framework = "tf-checkpoint", "tensorflow"
        describe(folder, reading)
        found = _prefixes(folder)
        if not found:
            raise Corrupt("the directory changed while it was read")
        _variables(folder, found[-1], reading)
        for other in found[:-1][:20]:
            reading.not_scanned.append(f"the checkpoint {visible(other, 80)}")


def _prefixes(folder: Folder) -> list[str]:
    names = [path.removesuffix(".index") for path in folder.entries if path.endswith(".index") and "/" not in path]
    held = {path.rpartition(".data-")[0] for path in folder.entries if ".data-" in path}
    return sorted((name for name in names if name in held), key=lambda name: (len(name), name))


def _variables(folder: Folder, prefix: str, reading: Reading) -> None:
    def size(name: str) -> int | None:
        return folder.entries[name].size if folder.has(name) else None

    with folder.open(f"{prefix}.index") as data:
        variables(data, prefix, size, reading)


def _meta_graph(message: Message, reading: Reading) -> None:
    operators: Counter[str] = Counter()
    signatures: dict[str, IoHints] = {}
    for item in message.fields():
        if not item.is_bytes:
            continue
        if item.number == 1:
            _about(message.message(item), reading)
        elif item.number == 2:
            operators.update(_operators(message.message(item)))
        elif item.number == 5:
            name, hints = _signature(message.message(item))
            signatures[name] = hints
    reading.metadata["operators"] = dict(operators.most_common(200))
    reading.metadata["signatures"] = sorted(signatures)
    if signatures and not reading.io_hints.inputs:
        reading.io_hints = signatures.get(_SERVING) or next(iter(signatures.values()))
    for name in sorted(_ACTING & operators.keys() - _OWN_SAVING):
        reading.worsen("dangerous")
        reading.find("danger", "program-io", "saved_model.pb", f"the graph holds {name}, which reads, writes or calls")


def _about(message: Message, reading: Reading) -> None:
    tags = []
    for item in message.fields():
        if item.number == 4:
            tags.append(message.text(item, 100))
        elif item.number == 5:
            reading.metadata["tensorflow_version"] = message.text(item, 100)
    reading.metadata["tags"] = tags[:20]


def _operators(graph: Message) -> Iterator[str]:
    for item in graph.fields():
        if item.number == 1 and item.is_bytes:
            yield _node(graph.message(item))
        elif item.number == 2 and item.is_bytes:
            library = graph.message(item)
            for function in library.fields():
                if function.number == 1 and function.is_bytes:
                    body = library.message(function)
                    yield from (_node(body.message(n)) for n in body.fields() if n.number == 3 and n.is_bytes)


def _node(message: Message) -> str:
    return next((message.text(item, 100) for item in message.fields() if item.number == 2), "")


def _signature(entry: Message) -> tuple[str, IoHints]:
    """Return one entry of the map of signatures."""
    name = ""
    inputs: list[IoField] = []
    outputs: list[IoField] = []
    for item in entry.fields():
        if item.number == 1:
            name = entry.text(item, 200)
        elif item.number == 2 and item.is_bytes:
            body = entry.message(item)
            for part in body.fields():
                if part.number in (1, 2) and part.is_bytes:
                    (inputs if part.number == 1 else outputs).append(_tensor(body.message(part)))
    return name, IoHints(inputs=tuple(inputs), outputs=tuple(outputs))


def _tensor(entry: Message) -> IoField:
    name, dtype = "", ""
    shape: tuple[int | str, ...] = ()
    for item in entry.fields():
        if item.number == 1:
            name = entry.text(item, 200)
        elif item.number == 2 and item.is_bytes:
            facts = entry.message(item)
            for part in facts.fields():
                if part.number == 2 and not part.is_bytes:
                    dtype = DTYPES.get(part.value, f"type {part.value}")
                elif part.number == 3 and part.is_bytes:
                    shape = _shape(facts.message(part))
    named = tuple(f"{name}_{axis}" if extent == -1 else extent for axis, extent in enumerate(shape))
    return IoField(name, named or None, dtype, "observed", "saved_model.pb")


def _shape(message: Message) -> tuple[int | str, ...]:
    found: list[int | str] = []
    for item in message.fields():
        if item.number == 2 and item.end and len(found) < 64:
            body = message.message(item)
            found.append(next((signed(part.value) for part in body.fields() if part.number == 1), 0))
    return tuple(found)
