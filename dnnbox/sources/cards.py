"""Model cards and READMEs → the figures that upstream publishes, each quoted with file and line. None is believed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dnnbox.records.published import Published, PublishedFigure
from dnnbox.text import visible

_NAMES = re.compile(r"(?:readme|model[-_ ]?card)(?:\.(?:md|markdown|txt|rst))?", re.IGNORECASE)
_MOST_BYTES = 200_000
_MOST_ENTRIES = 2000
_MOST_FIGURES = 24
_MOST_FRONT = 300  # lines of a card's front matter
_LONGEST_LINE = 2000
_QUOTE = 160
_METRICS: tuple[tuple[str, str], ...] = (
    ("top1", r"top[-\s@]?1(?:\s*acc(?:uracy|\.)?)?|acc(?:uracy)?@1"),
    ("top5", r"top[-\s@]?5(?:\s*acc(?:uracy|\.)?)?|acc(?:uracy)?@5"),
    ("map50", r"m?AP(?:@\s?|\s)?\.?(?:50|0\.50?)\b(?![-:])"),
    ("map", r"mAP(?:(?:val)?\s?@?\[?\.?(?:50|0\.50?)?[-:]\.?(?:95|0\.95)\]?)?|\bAP\b"),
    ("miou", r"m(?:ean\s)?IoU"),
    ("wer", r"\bWER\b|word error rate"),
    ("cer", r"\bCER\b|character error rate"),
    ("psnr_db", r"\bPSNR\b"),
    ("ssim", r"\bSSIM\b"),
    ("spearman", r"spearman(?:r|\scorrelation)?"),
    ("roc_auc", r"(?:ROC[-\s]?)?AUC"),
    ("f1_macro", r"(?:macro[-\s])?F1(?:[-\s]score)?\b"),
    ("perplexity", r"perplexity|\bPPL\b"),
    ("accuracy", r"accuracy|\bacc\b\.?"),
    ("latency_ms", r"latency|inference\stime"),
    ("frames_per_s", r"\bFPS\b|frames\s(?:per|/)\s?s(?:econd)?"),
    ("parameters", r"(?:#\s?)?param(?:eter)?s?\b"),
)
_WITHOUT_DATA = ("parameters", "latency_ms", "frames_per_s")
_NUMBER = r"(?P<value>\d{1,5}(?:\.\d+)?)(?![\d.]*\d)"
_UNIT = r"\s?(?P<unit>%|ms\b|s\b|fps\b|dB\b|million\b|billion\b|[MBK]\b)?"
_CELL = re.compile(rf"(?<![\w.]){_NUMBER}{_UNIT}", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_SEPARATOR = re.compile(r"\s*\|?(?:\s*:?-{2,}:?\s*\|)+\s*(?::?-{2,}:?\s*)?")


def _patterns() -> tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...]:
    """Return for each metric the pattern of its name, and of a sentence that gives it a number on either side."""
    between = r"(?:\s+(?:of|is|was|score|rate|on|at|about|reaches|[\w-]{1,20})){0,5}?\W{1,4}"
    return tuple(
        (
            name,
            re.compile(rf"(?:{words})", re.IGNORECASE),
            re.compile(
                rf"(?:{words}){between}{_NUMBER}{_UNIT}|(?<![\w.]){_NUMBER.replace('value', 'first')}"
                rf"{_UNIT.replace('unit', 'behind')}\s?(?:{words})",
                re.IGNORECASE,
            ),
        )
        for name, words in _METRICS
    )


_PATTERNS = _patterns()


@dataclass(frozen=True)
class _Document:
    """One text. ``is_own`` ones speak of this checkpoint only; in others a line has to name it."""

    label: str
    path: Path
    is_own: bool


def published(checkpoint: Path, source: str = "", names: Sequence[str] = ()) -> Published:
    """Return what the documents beside the checkpoint and in its source say; ``names`` are what the model is called."""
    known = tuple(short for name in (*names, checkpoint.stem) if len(short := _bare(name)) >= 4)
    documents = list(_documents(checkpoint, source))
    looked = tuple(visible(document.label, 80) for document in documents)
    found: list[PublishedFigure] = []
    for document in documents:
        for figure in _figures(document, known):
            if len(found) < _MOST_FIGURES and not any(_same(figure, other) for other in found):
                found.append(figure)
    licence = _licence(documents, checkpoint)
    if found:
        return Published(figures=tuple(found), looked=looked, licence=licence)
    where = "no figure that names this model" if looked else "no model card or README beside the file or in its source"
    return Published(looked=looked, reason=where, licence=licence)


def _licence(documents: Sequence[_Document], checkpoint: Path) -> str:
    """Return the licence that a card of the checkpoint states, else the name of a licence file in its directory."""
    for document in documents:
        lines = _lines(document.path)[:_MOST_FRONT] if document.is_own else []
        if lines and lines[0].strip() == "---":
            stated = (re.match(r"licen[sc]e:\s*[\"']?([\w.+ -]{2,60})", line) for line in lines)
            if found := next((match for match in stated if match), None):
                return visible(found[1].strip(), 60)
    if not checkpoint.is_dir():
        return ""
    names = ("LICENSE", "LICENCE", "LICENSE.txt", "LICENSE.md", "COPYING")
    return next((f"see {name}" for name in names if (checkpoint / name).is_file()), "")


def _same(one: PublishedFigure, other: PublishedFigure) -> bool:
    return (one.metric, one.value, one.dataset) == (other.metric, other.value, other.dataset)


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


# -- documents -------------------------------------------------------------------------------------------------------


def _documents(checkpoint: Path, source: str) -> Iterator[_Document]:
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    own = list(_cards(folder))
    if checkpoint.is_file():
        twin = checkpoint.with_suffix(".md")
        own += [twin] if twin.is_file() and not twin.is_symlink() else []
    yield from (_Document(path.name, path, checkpoint.is_dir() or path.stem == checkpoint.stem) for path in own)
    if source:
        for root in _roots(Path(source)):
            yield from (_Document(f"{path.name} of the source", path, False) for path in _cards(root))


def _roots(source: Path) -> Iterator[Path]:
    """Yield the source's root, and the repository's where it lies above."""
    yield source
    if not (source / ".git").exists():
        yield from (folder for folder in list(source.parents)[:3] if (folder / ".git").exists())


def _cards(folder: Path) -> Iterator[Path]:
    try:
        entries = [entry for entry, _ in zip(folder.iterdir(), range(_MOST_ENTRIES), strict=False)]
    except OSError:
        return
    for entry in sorted(entries):
        if _NAMES.fullmatch(entry.name) and entry.is_file() and not entry.is_symlink():
            yield entry


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    return [line[:_LONGEST_LINE] for line in text.splitlines()]


# -- figures ---------------------------------------------------------------------------------------------------------


def _figures(document: _Document, names: Sequence[str]) -> Iterator[PublishedFigure]:
    lines = _lines(document.path)
    body = 0
    if lines and lines[0].strip() == "---":
        body = next((at for at, line in enumerate(lines[1:], 1) if line.strip() == "---"), 0) + 1
        if document.is_own:
            yield from _index(lines[1 : body - 1], document)
    yield from _of_tables(lines, body, document, names)
    yield from _of_sentences(lines, body, document, names)


def _index(lines: Sequence[str], document: _Document) -> Iterator[PublishedFigure]:
    """Yield the results of a Hugging Face model index, which are structured."""
    import yaml

    try:
        front = yaml.load("\n".join(lines), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe
    except (yaml.YAMLError, RecursionError, ValueError):
        return
    models = front.get("model-index") if isinstance(front, Mapping) else None
    for model in _mappings(models):
        for result in _mappings(model.get("results")):
            dataset = result.get("dataset")
            name = str(dataset.get("name") or "") if isinstance(dataset, Mapping) else ""
            for metric in _mappings(result.get("metrics")):
                yield from _indexed(metric, name, lines, document)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value[:50] if isinstance(item, Mapping)] if isinstance(value, list) else []


def _indexed(
    metric: Mapping[str, Any], dataset: str, lines: Sequence[str], document: _Document
) -> Iterator[PublishedFigure]:
    value = metric.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    said = str(metric.get("name") or metric.get("type") or "")
    name = _metric_of(said) or _metric_of(str(metric.get("type") or "")) or visible(said, 60)
    at = next((n for n, line in enumerate(lines, 2) if str(value) in line), 1)
    quote = f"model-index: {said} {value} on {dataset or 'a data set without a name'}"
    yield PublishedFigure(
        name, float(value), "", visible(dataset, 80), visible(quote, _QUOTE), f"{document.label}:{at}"
    )


def _metric_of(words: str) -> str:
    """Return the metric that the words name, the first of the table that fits."""
    return next((name for name, pattern, _ in _PATTERNS if pattern.search(words)), "")


def _of_tables(lines: Sequence[str], body: int, document: _Document, names: Sequence[str]) -> Iterator[PublishedFigure]:
    for at in range(body + 1, len(lines)):
        if not (_SEPARATOR.fullmatch(lines[at]) and "|" in lines[at - 1]):
            continue
        heads = _cells(lines[at - 1])
        rows = []
        for number in range(at + 1, len(lines)):
            if "|" not in lines[number]:
                break
            rows.append((number, _cells(lines[number])))
        for number, cells in rows:
            if _names_it(lines[number], names) or (document.is_own and len(rows) == 1):
                yield from _of_row(heads, cells, lines[number], f"{document.label}:{number + 1}")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _of_row(heads: Sequence[str], cells: Sequence[str], line: str, source: str) -> Iterator[PublishedFigure]:
    for head, cell in list(zip(heads, cells, strict=False))[1:]:
        metric, number = _metric_of(head), _CELL.search(cell.replace(",", ""))
        if metric and number:
            in_head = re.search(r"\((%|ms|s|M|B|K|dB)\)", head)
            unit = number["unit"] or (in_head[1] if in_head else "")
            yield PublishedFigure(metric, float(number["value"]), unit, "", visible(line.strip(), _QUOTE), source)


def _of_sentences(
    lines: Sequence[str], body: int, document: _Document, names: Sequence[str]
) -> Iterator[PublishedFigure]:
    is_code = False
    for at in range(body, len(lines)):
        line = lines[at]
        if line.lstrip().startswith("```"):
            is_code = not is_code
        if is_code or "|" in line or not _DIGIT.search(line) or not (document.is_own or _names_it(line, names)):
            continue
        taken: list[tuple[int, int]] = []
        for metric, _, pattern in _PATTERNS:
            for match in pattern.finditer(line):
                if not any(match.start() < end and start < match.end() for start, end in taken):
                    taken.append(match.span())
                    yield _of_match(metric, match, line, f"{document.label}:{at + 1}")


def _of_match(metric: str, match: re.Match[str], line: str, source: str) -> PublishedFigure:
    value, unit = (match["value"], match["unit"]) if match["value"] else (match["first"], match["behind"])
    found = PublishedFigure(metric, float(value), unit or "", "", visible(line.strip(), _QUOTE), source)
    on = re.search(r"\bon\s+(?:the\s+)?([A-Z][\w-]*(?:\s[\w-]*\d[\w-]*)?)", line[match.start() :])
    return replace(found, dataset=visible(on[1], 60)) if on and metric not in _WITHOUT_DATA else found


def _names_it(line: str, names: Sequence[str]) -> bool:
    """Whether the line names the model: as a word of its own, so that resnet50 is not found in resnet50d."""
    words = {_bare(word) for word in re.split(r"[\s|()\[\],;:`*<>\"/]+", line)}
    return any(name in words for name in names)
