"""The screen of ``dnnbox inspect``: what the file is and why we think so, what it may do, what is not known."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from dnnbox.cli.screens.layout import PLAIN, Cell, Look, grid, heading, listed, shorten
from dnnbox.records.identity import Candidate
from dnnbox.records.inspection import Finding, Inspection, IoField
from dnnbox.reports import numbers
from dnnbox.text import redact, visible

_LABEL, _NAME, _SOURCE = 12, 10, 28
_MOST_CANDIDATES, _MOST_EVIDENCE, _MOST_FINDINGS, _MOST_FIELDS = 5, 8, 10, 12

_MATCH = {
    "config": "named by its configuration",
    "exact": "every name and shape",
    "body": "all but the head",
    "similar": "most tensors",
    "family": "the layout, not the sizes",
    "signal": "a hint only",
}
_SAFETY = {
    "no-code": ("ok", "the format cannot hold code"),
    "data-only": ("ok", "tensors and plain values only, no code in the file"),
    "inert-known": ("ok", "holds objects of known classes that do nothing when they are read"),
    "needs-code": ("warning", "saved as objects: it names code that is not in the file"),
    "dangerous": ("failed", "it names calls that act when the file is loaded"),
}
_OWN_GRAPH = frozenset((
    "onnx", "torchscript", "torch-export", "onnxruntime-ort", "tflite", "circle", "executorch", "openvino", "coreml",
    "coreml-package", "tf-saved-model", "tf-graph", "keras-v3", "paddle", "paddle-program", "ncnn-param", "pnnx", "mnn",
    "mediapipe-task", "litert-lm", "rknn", "jax-export", "tensorflow-js", "tensorrt", "xgboost", "xgboost-ubj",
    "lightgbm",
))  # fmt: skip
_SHOWN_ELSEWHERE = frozenset(("license", "licence", "names", "task"))
_NO_RUN = frozenset(("unsupported", "adapter-needed", "source-not-found"))
"""Codes of findings that say why it cannot run as it is: no matter of safety."""
_SEVERITY = {"info": ("quiet", "note"), "warning": ("unknown", "warning"), "danger": ("missed", "danger")}
_STATUS_STYLE = {"assumed": "unknown", "observed": "", "declared": "", "stated": ""}


def inspect_screen(inspection: Inspection, seconds: float, *, tensors: bool = False, look: Look = PLAIN) -> str:
    """Return the whole screen. ``seconds`` is how long the reading took; ``tensors`` lists every tensor."""
    blocks = [
        [_title(look, inspection, seconds)],
        _identity(look, inspection),
        _components(look, inspection),
        _evidence(look, inspection),
        _safety(look, inspection),
        _weights(look, inspection),
        _contract(look, inspection),
        _requirements(look, inspection),
        _unknown(look, inspection),
        _next(look, inspection),
    ]
    if tensors:
        from dnnbox.cli.screens.tensor_tree import tensor_tree

        blocks.insert(-1, tensor_tree(look, inspection.tensor_list))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _labelled(look: Look, label: str, widths: Sequence[int], rows: Sequence[Sequence[Cell | str]]) -> list[str]:
    """Return rows under one label, which stands before the first of them."""
    titles = [Cell(label, "accent"), *[Cell("")] * len(rows)]
    return grid(look, (_LABEL - 1, *widths), [(title, *row) for title, row in zip(titles, rows, strict=False)])


def _title(look: Look, inspection: Inspection, seconds: float) -> str:
    digest = f"sha256 {inspection.sha256[:6]}…{inspection.sha256[-4:]}" if inspection.sha256 else ""
    name = shorten(visible(PurePath(inspection.path).name or inspection.path), 48)
    is_said = inspection.kind == "file" or "directory" in inspection.format
    kind = inspection.format if is_said else f"{inspection.format} directory"
    read = f"read without running it, {numbers.seconds(seconds)}"
    return heading(look, name, visible(kind, 40), numbers.size(inspection.size_bytes), digest, read)


def _identity(look: Look, inspection: Inspection) -> list[str]:
    identity = inspection.identity
    rows: list[tuple[Cell | str, ...]] = []
    if identity.unknown:
        rows.append((look.mark("unknown", "unknown"), Cell(_why_unknown(inspection), "quiet")))
    for position, candidate in enumerate(identity.candidates[:_MOST_CANDIDATES]):
        style = "title" if position == 0 and not identity.unknown else ""
        rows.append((Cell(_name(candidate), style), Cell(_match(candidate), "quiet")))
    return _labelled(look, "Identity", (0, _NAME + _SOURCE), rows) + _twins(look, inspection)


def _components(look: Look, inspection: Inspection) -> list[str]:
    """Say what a composite checkpoint is made of."""
    parts = inspection.identity.components
    rows: list[tuple[Cell | str, ...]] = []
    for part in parts[:_MOST_CANDIDATES]:
        known = f"{part.library} {visible(part.architecture, 50)}".strip()
        count = f"{numbers.parameters(part.parameters)} parameters"
        rows.append(
            (visible(part.name, 30), Cell(known or "not known", "" if known else "quiet"), Cell(count, "quiet"))
        )
    if len(parts) > _MOST_CANDIDATES:
        rows.append((Cell(f"and {len(parts) - _MOST_CANDIDATES} more", "quiet"), "", ""))
    return _labelled(look, "Components", (20, 0, _NAME + 10), rows) if rows else []


def _why_unknown(inspection: Inspection) -> str:
    if inspection.format in _OWN_GRAPH:
        return "not needed, it holds its own graph"
    if inspection.needs_code:
        return "its own classes define it"
    return "no known architecture fits"


def _name(candidate: Candidate) -> str:
    arguments = listed([f"{visible(k, 30)}={visible(str(v), 30)}" for k, v in candidate.arguments.items()], 3)
    name = f"{candidate.library} {visible(candidate.architecture, 60)}".strip()
    return f"{name} ({arguments})" if arguments else name


def _match(candidate: Candidate) -> str:
    text = _MATCH[candidate.match]
    if candidate.match == "family" and candidate.score >= 1:
        return "a form that dnnbox knows"
    if candidate.match != "similar":
        return text
    return f"{text}, {numbers.percent(min(candidate.score, 0.99))}"  # only all of them are 100 %


def _twins(look: Look, inspection: Inspection) -> list[str]:
    """Say in what the look-alikes differ: strict loading cannot tell them apart, so the user must."""
    best = inspection.identity.best
    rows = [
        (look.mark("warning", f"also fits {visible(t.architecture, 40)}: {visible(t.differs, 160)}"),)
        for t in (best.same_weights[:3] if best else ())
    ]
    return grid(look, (0,), rows, indent=_LABEL + 1)


def _evidence(look: Look, inspection: Inspection) -> list[str]:
    best = inspection.identity.candidates[0] if inspection.identity.candidates else None
    reasons = sorted(best.evidence, key=lambda reason: -reason.weight) if best else []
    rows = [
        (": ".join(filter(None, (visible(e.claim, 100), visible(e.detail, 120)))), Cell(_place(e.source), "quiet"))
        for e in reasons[:_MOST_EVIDENCE]
    ]
    if len(reasons) > _MOST_EVIDENCE:
        rows.append((f"… and {len(reasons) - _MOST_EVIDENCE} more in --json", Cell("")))
    return _labelled(look, "Evidence", (0, _SOURCE), rows)


def _safety(look: Look, inspection: Inspection) -> list[str]:
    status, text = _SAFETY[inspection.verdict]
    rows: list[tuple[Cell | str, ...]] = [(look.mark(status, inspection.verdict), text)]
    if inspection.needs_code:
        rows.append((Cell("names", "quiet"), listed([visible(name, 80) for name in inspection.needs_code], 6)))
    told = [finding for finding in inspection.findings if finding.code not in _NO_RUN]
    ranked = sorted(told, key=lambda f: ("danger", "warning", "info").index(f.severity))
    rows.extend(_finding(finding) for finding in ranked[:_MOST_FINDINGS])
    if len(ranked) > _MOST_FINDINGS:
        rows.append(("", f"… and {len(ranked) - _MOST_FINDINGS} more in --json"))
    if inspection.not_scanned:
        rows.append((look.mark("unknown", "not read"), listed([visible(t, 100) for t in inspection.not_scanned], 4)))
    return _labelled(look, "Safety", (_NAME + 3, 0), rows)


def _finding(finding: Finding) -> tuple[Cell | str, ...]:
    style, word = _SEVERITY[finding.severity]
    where = visible(finding.where, 60)
    text = visible(redact(finding.text), 240)
    return (Cell(f"! {word}" if word != "note" else word, style), f"{where}: {text}" if where else text)


def _weights(look: Look, inspection: Inspection) -> list[str]:
    tensors = inspection.tensors
    kinds = sorted(tensors.dtypes.items(), key=lambda item: -item[1])
    dtypes = listed([f"{visible(dtype, 20)} × {numbers.count(number)}" for dtype, number in kinds], 4)
    total = f"{numbers.count(tensors.count)}, {numbers.parameters(tensors.parameters)} parameters"
    if tensors.bytes or not tensors.parameters:  # else the types are not known
        total += f", {numbers.size(tensors.bytes)}"
    rows: list[tuple[Cell | str, ...]] = [(Cell("tensors", "quiet"), total if tensors.count else "none listed")]
    if dtypes:
        rows.append((Cell("dtypes", "quiet"), dtypes))
    if inspection.entry:
        rows.append((Cell("found in", "quiet"), visible(inspection.entry, 120)))
    if says := _scalars(inspection.metadata):
        rows.append((Cell("says", "quiet"), says))
    if roles := _roles(inspection):
        rows.append((Cell("files", "quiet"), roles))
    if origin := _origin(inspection):
        rows.append((Cell("origin", "quiet"), origin))
    if inspection.companions:
        rows.append((Cell("beside it", "quiet"), listed([visible(name, 60) for name in inspection.companions], 4)))
    return _labelled(look, "Weights", (_NAME, 0), rows)


def _origin(inspection: Inspection) -> str:
    """Return what identifies the file without reading it whole: when it was written, checksums, its licence."""
    archive = inspection.metadata.get("archive")
    checksum = archive.get("storages_crc32") if isinstance(archive, Mapping) else ""
    return ", ".join(
        filter(None, (
            f"modified {inspection.modified_utc[:10]}" if inspection.modified_utc else "",
            f"crc32 of all numbers {checksum}" if isinstance(checksum, str) and checksum else "",
            f"licence {visible(inspection.licence, 60)}" if inspection.licence else "",
        ))
    )  # fmt: skip


def _scalars(metadata: Mapping[str, object]) -> str:
    """Return the few short values that the file says of itself, as quotations."""
    told = {k: v for k, v in metadata.items() if isinstance(v, (str, int, float, bool)) and v != ""}
    plain = {k: v for k, v in told.items() if k not in _SHOWN_ELSEWHERE and not str(v).endswith(" tensors>")}
    return listed([f"{visible(k, 30)} = {visible(redact(str(v)), 40)}" for k, v in plain.items()], 5)


def _roles(inspection: Inspection) -> str:
    if inspection.kind != "directory":
        return ""
    names = [
        visible(file.path, 40) for file in inspection.files if file.role in ("weights", "config", "tokenizer", "code")
    ]
    return listed(names, 6)


def _contract(look: Look, inspection: Inspection) -> list[str]:
    hints = inspection.io_hints
    rows = [
        *(_io("input", item) for item in hints.inputs[:_MOST_FIELDS]),
        *(_io("output", item) for item in hints.outputs[:_MOST_FIELDS]),
    ]
    kind = ", ".join(filter(None, (visible(hints.task, 40), visible(hints.modality, 20))))
    if kind:
        rows.append((Cell("task", "quiet"), kind, Cell("")))
    if hints.labels:
        some = listed([visible(label, 24) for label in hints.labels], 4)
        rows.append((Cell("labels", "quiet"), f"{numbers.count(len(hints.labels))}: {some}", Cell("")))
    return _labelled(look, "Contract", (_NAME, 0, _SOURCE), rows)


def _io(role: str, item: IoField) -> tuple[Cell, str, Cell]:
    text = " ".join(filter(None, (visible(item.name, 40), _shape(item.shape), visible(item.dtype, 20))))
    source = ", ".join(filter(None, (item.status, _place(item.source))))
    return Cell(role, "quiet"), text, Cell(source, _STATUS_STYLE[item.status] or "quiet")


def _shape(shape: Sequence[int | str] | None) -> str:
    if shape is None:
        return "shape not known"
    return f"[{', '.join(visible(str(size), 30) for size in shape)}]" if shape else "scalar"


def _place(source: str) -> str:
    """Return where a fact is from; of a long path the file's name, which is what somebody looks for."""
    shown = visible(source, 200)
    return shorten(shown if len(shown) <= _SOURCE else shown.rpartition("/")[2], 2 * _SOURCE - 14)


def _requirements(look: Look, inspection: Inspection) -> list[str]:
    names = [visible(requirement.line(), 60) for requirement in inspection.dependencies]
    rows: list[tuple[Cell | str, ...]] = [(listed(names, 12),)] if names else []
    rows += [(look.mark("warning", visible(f.text, 200)),) for f in inspection.findings if f.code in _NO_RUN]
    return _labelled(look, "Needs", (0,), rows) if rows else []


def not_known(inspection: Inspection) -> tuple[str, ...]:
    """Return what the bytes did not tell and a run, or the user, must."""
    hints = inspection.io_hints
    labels = "classification" in hints.task and not hints.labels
    gaps = {
        "architecture": inspection.identity.unknown and inspection.format not in _OWN_GRAPH,
        "input shape": not hints.inputs or any(item.shape is None for item in hints.inputs),
        "outputs": not hints.outputs,
        "class names": labels,
        "licence": not inspection.licence,
        "sha256 (add --hash)": inspection.sha256 is None,
    }
    return tuple(name for name, missing in gaps.items() if missing)


def _unknown(look: Look, inspection: Inspection) -> list[str]:
    gaps = not_known(inspection)
    return _labelled(look, "Not known", (0,), [(", ".join(gaps),)]) if gaps else []


def _next(look: Look, inspection: Inspection) -> list[str]:
    """Return the command to go on with, never wrapped so that it can be pasted, and what to know before."""
    path = visible(shlex.quote(inspection.path), 240)
    command, why = f"dnnbox plan {path}", ""
    if inspection.verdict == "dangerous":
        why = "do not load it yourself: ask for safetensors, or let it run inside the box"
        command += " --allow unsafe-pickle"
    elif inspection.verdict == "needs-code":
        why = _where_code(inspection.needs_code)
    label = look.paint(f"{'Next':<{_LABEL + 1}}", "accent")
    return [f"{label}{look.fold(command)}", *grid(look, (0,), [(Cell(why, "quiet"),)] if why else [], _LABEL + 1)]


def _where_code(names: Sequence[str]) -> str:
    """Return how to give the code that is named; what a script defined is in that script."""
    tops = sorted({visible(name.partition(".")[0], 40) for name in names} - {"__main__", "joblib", "sklearn"})
    if tops:
        return f"where its code is not found: --source PATH, the folder that holds {listed(tops, 3)}"
    is_script = any(name.startswith("__main__.") for name in names)
    return "its classes are those of the script that saved it: --source FILE, that script" if is_script else ""
