"""The sections without figures: identity, environment, repeat, definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from dnnbox.records.identity import Candidate
from dnnbox.reports import numbers, words
from dnnbox.reports.blocks import (
    Beside,
    Block,
    Cell,
    Column,
    Lines,
    Pairs,
    Section,
    Status,
    Table,
)
from dnnbox.reports.noise_panel import noise_panel
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import NOTHING, Prose, code, data, say, sentences
from dnnbox.reports.speed import share_graphic

_TOLD_BY = {"host": "the host; the box ended before it could tell"}
_MAX_PACKAGES = 80
_MAX_EVIDENCE = 12
_MOST_ARTIFACTS = 40
_MOST_UNFOLDED = 6


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
        ("Format", data(", ".join(dict.fromkeys((inspection.format, inspection.framework))))),
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


def environment(outputs: Outputs) -> Section | None:
    """Return where it ran: box, machine, packages, and how quiet it was."""
    left, right = _where(outputs), noise_panel(outputs)
    blocks: tuple[Block, ...] = (Beside(left, right),) if left and right else left or right
    blocks += _artifacts(outputs)
    return Section("environment", "Where it ran", blocks, nav="Environment") if blocks else None


def _where(outputs: Outputs) -> tuple[Block, ...]:
    found = outputs.environment
    if found is None:
        return ()
    machine = found.machine
    items = [
        ("Box", sentences(data(found.box), data(f"({found.reason})" if found.reason else ""))),
        ("Sandbox", data(found.sandbox)),
        ("Weaker limits", data(words.weaker_limits(outputs))),
        ("Device", data(outputs.index.device)),
        ("GPU", data(_gpus(machine))),
        ("CPU", data(_cpu(machine))),
        ("RAM", data(_memory(machine.get("memory_bytes")))),
        ("Memory limit", data(_memory(found.settings.get("memory_bytes")))),
        ("System", data(_system(machine))),
        ("Engine", data(_engine(found.engine))),
        ("Machine told by", data(_TOLD_BY.get(str(machine.get("told_by") or ""), ""))),
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


def _memory(size_bytes: object) -> str:
    return numbers.memory(size_bytes / 2**20) if isinstance(size_bytes, int) and size_bytes else ""


def _engine(engine: Mapping[str, Any]) -> str:
    """Return a container engine with its version and what its limits rest on."""
    named = " ".join(str(engine[key]) for key in ("name", "version") if engine.get(key))
    groups = f"cgroup {engine['cgroup']}" if engine.get("cgroup") else ""
    return ", ".join(filter(None, (named, groups, "rootless" if engine.get("rootless") else "")))


def _system(machine: Mapping[str, Any]) -> str:
    """Return the system and its kernel, which some systems have in their name."""
    system, kernel = str(machine.get("os") or ""), str(machine.get("kernel") or "")
    return system if kernel in system else ", ".join(filter(None, (system, kernel)))


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
    return (Table("Packages", (Column("Package"), Column("Version")), rows, title, kind="", is_folded=True),)


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
        for a in outputs.artifacts[:_MOST_ARTIFACTS]
    )
    title = say("Inputs and outputs: {n}", n=numbers.counted(len(outputs.artifacts), "file"))
    is_long = len(rows) > _MOST_UNFOLDED
    return (Table("Inputs and outputs", columns, rows, title, kind="stack", is_folded=is_long),)


def repeat(outputs: Outputs) -> Section:
    """Return how to repeat the run and what identifies it."""
    index = outputs.index
    commands = [words.command(outputs)] if index.command else []
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
    meanings = stats.definitions if outputs.is_measured else {}  # of figures that nobody has
    left = _pairs([(name, data(meaning)) for name, meaning in meanings.items()], say("What each figure means"))
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
