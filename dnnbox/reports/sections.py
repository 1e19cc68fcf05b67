"""The sections without figures: identity, contract, examples, environment, repeat, definitions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from dnnbox.records.identity import Candidate
from dnnbox.records.measurements import ContractField, ContractStep
from dnnbox.reports import numbers, words
from dnnbox.reports.blocks import (
    Beside,
    Block,
    Cell,
    Chip,
    Column,
    Gallery,
    Lines,
    Pairs,
    Section,
    Status,
    Table,
    Words,
)
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, code, data, say, sentences
from dnnbox.reports.speed import noise, share_graphic

_MAX_PACKAGES = 80
_MAX_EVIDENCE = 12
_CHIPS = ("observed", "declared", "stated", "assumed")


def identity(outputs: Outputs) -> Section | None:
    """Return what the file is, how that is known and what else it could be."""
    if outputs.inspection is None and outputs.identity.unknown:
        return None
    left: tuple[Block, ...] = (*_candidates(outputs), *_file_facts(outputs))
    right = (*_evidence(outputs), *_findings(outputs), *_source(outputs))
    blocks: tuple[Block, ...] = (Beside(left, right),) if left and right else left or right
    sub = say("What the file is, how that was decided, and what else it could be.")
    return Section("identity", "Identity", blocks, sub, nav="Identity")


def _candidates(outputs: Outputs) -> tuple[Block, ...]:
    found = outputs.identity.candidates[:5]
    if not found:
        return ()
    columns = (
        Column("Candidate"),
        Column("Match"),
        Column("Tensors explained", numeric=True),
        Column("", only_html=True),
    )
    best = outputs.identity.best
    title = (
        say("{why}: {name}", why=words.MATCHES[best.match].capitalize(), name=best.architecture)
        if best
        else say("No known architecture fits")
    )
    measured = say("**Measured:** share of the tensors that the candidate explains. Not a probability.")
    rows = tuple(_candidate_row(candidate, is_first=i == 0) for i, candidate in enumerate(found))
    twins = [twin for candidate in found[:1] for twin in candidate.same_weights]
    note = sentences(
        *(say("{name} has the same weights: {how}.", name=twin.architecture, how=twin.differs) for twin in twins)
    )
    return (Table("Ranked candidates", columns, rows, title, measured, note),)


def _candidate_row(candidate: Candidate, *, is_first: bool) -> tuple[Cell, ...]:
    where = say("{name} ({library})", name=candidate.architecture, library=candidate.library or "no library")
    return (
        where,
        data(candidate.match),
        data(numbers.percent_cell(candidate.score)),
        share_graphic(candidate.score, is_first=is_first),
    )


def _file_facts(outputs: Outputs) -> tuple[Block, ...]:
    inspection = outputs.inspection
    if inspection is None:
        return ()
    tensors = inspection.tensors
    dtypes = ", ".join(f"{dtype} ({numbers.count(n)})" for dtype, n in tensors.dtypes.items())
    items = [
        ("Format", say("{format}, {framework}", format=inspection.format, framework=inspection.framework)),
        ("Size", data(numbers.size(inspection.size_bytes))),
        ("Tensors", say("{n}: {dtypes}", n=numbers.count(tensors.count), dtypes=dtypes) if tensors.count else NOTHING),
        ("Parameters", data(numbers.parameters(tensors.parameters)) if tensors.parameters else NOTHING),
        (
            "Code in the file",
            say("{verdict}: {what}", verdict=inspection.verdict, what=words.VERDICTS[inspection.verdict]),
        ),
        ("Needs classes", code(", ".join(inspection.needs_code[:8]))),
        ("Not looked into", data("; ".join(inspection.not_scanned[:5]))),
    ]
    items += [(f"Claimed {key}", data(value)) for key, value in outputs.index.provenance.items()]
    return (_pairs(items, say("The file"), say("**Measured:** read from its bytes, nothing was executed.")),)


def _pairs(items: Sequence[tuple[str, Prose]], title: Prose = NOTHING, measured: Prose = NOTHING) -> Pairs:
    return Pairs(tuple((name, value) for name, value in items if value), title, measured)


def _evidence(outputs: Outputs) -> tuple[Block, ...]:
    best = outputs.identity.best
    if best is None or not best.evidence:
        return ()
    columns = (Column("Claim"), Column("Found"), Column("Source"))
    rows = tuple((data(e.claim), data(e.detail), code(e.source)) for e in best.evidence[:_MAX_EVIDENCE])
    return (Table("Evidence", columns, rows, say("Evidence")),)


def _findings(outputs: Outputs) -> tuple[Block, ...]:
    found = outputs.inspection.findings if outputs.inspection else ()
    if not found:
        return ()
    states: dict[str, Literal["missed", "unknown", ""]] = {"danger": "missed", "warning": "unknown", "info": ""}
    columns = (Column("Severity"), Column("Finding"), Column("Where"))
    rows = tuple((Status(states[f.severity], f.severity), data(f.text), code(f.where)) for f in found[:_MAX_EVIDENCE])
    return (Table("Findings", columns, rows, say("Please check")),)


def _source(outputs: Outputs) -> tuple[Block, ...]:
    source = outputs.source
    if source is None or source.origin == "none":
        return ()
    items = [
        ("Origin", data(source.origin)),
        ("Repository", data(source.url)),
        ("Commit", code(source.commit)),
        ("Tag", data(source.tag)),
        ("Licence", data(source.licence or "not found")),
        ("Files", code(", ".join(source.files[:6]))),
    ]
    return (_pairs(items, say("Source code")),)


def contract(outputs: Outputs) -> Section | None:
    """Return the inputs, the outputs, the steps around them and the checks of the output."""
    found = outputs.contract
    if not (found.inputs or found.outputs):
        return None
    blocks: list[Block] = [
        _fields(name, fields) for name, fields in (("Inputs", found.inputs), ("Outputs", found.outputs)) if fields
    ]
    steps = [
        _steps(name, steps)
        for name, steps in (("Preprocessing", found.preprocessing), ("Postprocessing", found.postprocessing))
        if steps
    ]
    checks = _checks(found.checks)
    if steps and checks:
        blocks.append(Beside(tuple(steps), checks))
    else:
        blocks += [*steps, *checks]
    blocks += _remarks(outputs)
    return Section(
        "contract",
        "Input and output contract",
        tuple(blocks),
        say("What the model needs and returns, and how each fact is known."),
        nav="Contract",
    )


def _remarks(outputs: Outputs) -> tuple[Words, ...]:
    notes = outputs.params.get("notes")
    shown = (
        tuple(data(f"{words.sentence_case(str(note)).rstrip('.')}.") for note in notes[:8])
        if isinstance(notes, list)
        else ()
    )
    return (Words(shown, say("Remarks of the run")),) if shown else ()


def _fields(title: str, fields: Sequence[ContractField]) -> Table:
    columns = (Column("Name"), Column("Shape"), Column("Type"), Column("Layout"), Column("Range"), Column("How known"))
    rows = tuple(
        (
            code(field.name),
            code(words.shape(field.shape)),
            code(field.dtype),
            data(field.layout or numbers.MISSING),
            data(_range(field)),
            _chip(field.status.get("shape", "assumed"), field.source.get("shape", "")),
        )
        for field in fields
    )
    return Table(title, columns, rows, say("{title}", title=title), kind="stack")


def _range(field: ContractField) -> str:
    if field.range is None:
        return numbers.MISSING
    return f"{numbers.plain(field.range[0])} to {numbers.plain(field.range[1])}"


def _chip(status: str, source: str) -> Chip:
    known = status if status in _CHIPS else "assumed"
    return Chip(
        cast("Literal['observed', 'declared', 'stated', 'assumed']", known), "" if source == "the run" else source
    )


def _steps(title: str, steps: Sequence[ContractStep]) -> Table:
    columns = (Column("Step"), Column("Parameters"), Column("How known"))
    rows = tuple((data(step.step), code(_flat(step.parameters)), _chip(step.status, step.source)) for step in steps)
    return Table(title, columns, rows, say("{title}", title=title), kind="stack")


def _flat(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_scalar(item)}" for key, item in value.items())[:300]


def _scalar(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return numbers.plain(value)
    if isinstance(value, list):
        shown = ", ".join(_scalar(item) for item in value[:6])
        return f"[{shown}{', …' if len(value) > 6 else ''}]"
    return f"{{{_flat(value)}}}" if isinstance(value, Mapping) else str(value)


def _checks(checks: Sequence[Mapping[str, Any]]) -> tuple[Table, ...]:
    if not checks:
        return ()
    rows = tuple(
        (
            data(str(check.get("name", "")).replace("_", " ")),
            Status("met", "passed") if check.get("passed") else Status("missed", "failed"),
            _detail(str(check.get("detail", ""))),
        )
        for check in checks
    )
    measured = say("**Measured:** before anything was timed.")
    return (
        Table(
            "Checks",
            (Column("Check"), Column("Result"), Column("Detail")),
            rows,
            say("Checks of the output"),
            measured,
            kind="stack",
        ),
    )


def _detail(told: str) -> Prose:
    is_digest = len(told) == 64 and all(c in "0123456789abcdef" for c in told)
    return words.short_hash(told) if is_digest else data(told)


def examples(outputs: Outputs, gallery: Gallery) -> Section | None:
    """Return what the outputs mean, for people: pictures first, then tables."""
    blocks: list[Block] = [gallery] if gallery.pictures else []
    blocks += [_decoded(entry) for entry in outputs.contract.decoded[:8] if isinstance(entry, Mapping)]
    if not blocks:
        return None
    sub = say("What the model returned for the inputs in `inputs/`. Scores are the model's own, not calibrated.")
    return Section("examples", "Examples", tuple(blocks), sub, nav="Examples")


def _decoded(entry: Mapping[str, Any]) -> Block:
    """Show a list of records as a table with the most telling column as a bar; anything else as names and values."""
    kind = str(entry.get("kind", "result")).replace("-", " ").replace("_", " ").capitalize()
    source = str(entry.get("source", entry.get("item", "")))
    title = say("{kind}: {source}", kind=kind, source=source) if source else data(kind)
    listed = next(
        (
            (key, value)
            for key, value in entry.items()
            if isinstance(value, list) and value and isinstance(value[0], Mapping)
        ),
        None,
    )
    rest = [
        (str(key).replace("_", " ").capitalize(), data(_scalar(value)))
        for key, value in entry.items()
        if key not in ("kind", "source", "item") and (listed is None or key != listed[0])
    ]
    if listed is None:
        return _pairs(rest or [("Result", data("empty"))], title)
    note = sentences(*(say("{name}: {value}.", name=name, value=value) for name, value in rest))
    return _records_table(kind, listed[1][:10], title, note)


def _records_table(caption: str, records: Sequence[Mapping[str, Any]], title: Prose, note: Prose) -> Table:
    keys = list(dict.fromkeys(key for record in records for key in record))[:6]
    scored = next((k for k in ("probability", "score", "similarity") if k in keys), None)
    columns = [Column(str(key).replace("_", " ").capitalize(), numeric=_is_numeric(records, key)) for key in keys]
    rows = [[data(_value(record.get(key))) for key in keys] for record in records]
    if scored:
        columns.append(Column("", only_html=True))
    shown: list[tuple[Cell, ...]] = []
    for i, (record, row) in enumerate(zip(records, rows, strict=True)):
        score = record.get(scored) if scored else None
        graphic: tuple[Cell, ...] = (
            (share_graphic(float(score), is_first=i == 0),)
            if isinstance(score, int | float)
            else (NOTHING,)
            if scored
            else ()
        )
        shown.append((*row, *graphic))
    return Table(caption, tuple(columns), tuple(shown), title, NOTHING, note, kind="")


def _is_numeric(records: Sequence[Mapping[str, Any]], key: str) -> bool:
    values = [record.get(key) for record in records if record.get(key) is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return numbers.fixed(value, 3) if abs(value) < 1000 else numbers.plain(value)
    return numbers.MISSING if value is None else _scalar(value)


def environment(outputs: Outputs) -> Section | None:
    """Return where it ran: box, machine, packages, and how quiet it was."""
    left, right = _where(outputs), (*noise(outputs), *_artifacts(outputs))
    if not left and not right:
        return None
    blocks: tuple[Block, ...] = (Beside(left, right),) if left and right else left or right
    return Section("environment", "Where it ran", blocks, nav="Environment")


def _where(outputs: Outputs) -> tuple[Block, ...]:
    found = outputs.environment
    if found is None:
        return ()
    machine = found.machine
    items = [
        ("Box", sentences(data(found.box), data(f"({found.reason})" if found.reason else ""))),
        ("Sandbox", data(found.sandbox)),
        ("Device", data(outputs.index.device)),
        ("GPU", data(_gpus(machine))),
        ("CPU", data(_cpu(machine))),
        (
            "RAM",
            data(numbers.memory(machine["memory_bytes"] / 2**20))
            if isinstance(machine.get("memory_bytes"), int)
            else NOTHING,
        ),
        ("System", data(", ".join(str(machine[key]) for key in ("os", "kernel") if machine.get(key)))),
        ("Python", data(found.python)),
        (
            "Precision",
            data(
                ", ".join(
                    filter(
                        None,
                        (
                            outputs.stats.precision,
                            numbers.counted(outputs.stats.threads, "thread") if outputs.stats.threads else "",
                        ),
                    )
                )
            ),
        ),
        ("Base image", code(found.base_image)),
        ("Image digest", words.short_hash(found.base_image_digest)),
        (
            "Lock",
            sentences(
                words.short_hash(found.lock_sha256),
                data(f"resolved {words.day_and_time(found.lock_resolved_utc)}" if found.lock_resolved_utc else ""),
            ),
        ),
        ("Indexes", data(", ".join(found.indexes))),
    ]
    items += [
        (f"Attempt {i}", say("{what}: {how}", what=a.what, how="ok" if a.ok else a.error))
        for i, a in enumerate(found.attempts, 1)
    ]
    return (_pairs(items, say("Environment")), *_packages(found.packages))


def _gpus(machine: Mapping[str, Any]) -> str:
    gpus = machine.get("gpu")
    if not isinstance(gpus, list):
        return str(gpus) if gpus else ""
    names = [str(gpu.get("name", "")) for gpu in gpus if isinstance(gpu, Mapping)]
    driver = f", driver {machine['driver']}" if machine.get("driver") else ""
    return ", ".join(filter(None, names)) + driver if names else ""


def _cpu(machine: Mapping[str, Any]) -> str:
    cores, available = machine.get("cores"), machine.get("cores_available")
    told = numbers.counted(available, "core") if isinstance(available, int) else ""
    if isinstance(cores, int) and cores != available:
        told = f"{told} of {cores}" if told else numbers.counted(cores, "core")
    return ", ".join(filter(None, (str(machine.get("cpu") or ""), told)))


def _packages(packages: Mapping[str, str]) -> tuple[Block, ...]:
    if not packages:
        return ()
    rows = tuple((data(name), code(version)) for name, version in sorted(packages.items())[:_MAX_PACKAGES])
    title = say("{n} in the box", n=numbers.counted(len(packages), "package"))
    return (Table("Packages", (Column("Package"), Column("Version")), rows, title, kind=""),)


def _artifacts(outputs: Outputs) -> tuple[Block, ...]:
    if not outputs.artifacts:
        return ()
    columns = (Column("File"), Column("Role"), Column("Size", numeric=True), Column("sha256"))
    rows = tuple(
        (
            code(a.path),
            sentences(data(a.role), data(a.kind)),
            data(numbers.size(a.size_bytes)),
            words.short_hash(a.sha256),
        )
        for a in outputs.artifacts[:40]
    )
    return (Table("Inputs and outputs", columns, rows, say("Inputs and outputs"), kind="stack"),)


def repeat(outputs: Outputs) -> Section:
    """Return how to repeat the run and what identifies it."""
    index = outputs.index
    commands = []
    if index.command:
        commands.append(
            shlex.join(index.command) if index.command[0] == "dnnbox" else f"dnnbox {shlex.join(index.command)}"
        )
    commands += [
        "# or each step from this folder alone, with a Python that has the locked packages",
        "python scripts/10_infer.py --checkpoint CHECKPOINT",
        "python scripts/20_measure.py --checkpoint CHECKPOINT",
    ]
    hashes = [(name.replace("_", " ").capitalize(), code(value or "")) for name, value in index.identities.items()]
    decisions = [
        (f"Asked: {d.question}", say("{answer} (by {who})", answer=d.answer, who=d.by)) for d in outputs.decisions
    ]
    facts = [
        *hashes,
        *decisions,
        ("Seed", data(str(outputs.params.get("seed", "")))),
        ("Tool", say("dnnbox {version}", version=index.dnnbox_version)),
    ]
    lines = Lines("Commands", tuple(commands))
    sub = say("Needs the checkpoint with the hash below.")
    return Section("repeat", "Repeat this", (lines, _pairs(facts)), sub, nav="Repeat")


def definitions(outputs: Outputs) -> Section | None:
    """Return what each figure means, and why others are missing."""
    stats = outputs.stats
    left = _pairs([(name, data(meaning)) for name, meaning in stats.definitions.items()], say("What each figure means"))
    missing = [(name, data(reason)) for name, reason in stats.reasons.items()]
    missing += [(name, data("could not be read")) for name in outputs.unread]
    right = _pairs(missing, say("What is missing, and why"))
    blocks: tuple[Block, ...] = tuple(block for block in (left, right) if block.items)
    if not blocks:
        return None
    shown = (Beside((left,), (right,)),) if len(blocks) == 2 else blocks
    return Section(
        "definitions", "Definitions", shown, say("Names are those in `outputs/stats.json`."), nav="Definitions"
    )
