"""Reads ``outputs/*.json`` and experiment.json, and makes every string in them harmless on the way in.

This is the only place where a report gets data from. Files that are missing or malformed are left out and named: a
report of a run that failed early is still a report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dnnbox import codec, text
from dnnbox.records.dependencies import Dependencies
from dnnbox.records.environment import EnvironmentRecord
from dnnbox.records.evaluation import Quality, TrainingCheck
from dnnbox.records.experiment import Artifact, Decision, ExperimentIndex
from dnnbox.records.identity import Identity
from dnnbox.records.inspection import Inspection
from dnnbox.records.measurements import Contract, Profile, Stats, Verdict
from dnnbox.records.published import Published
from dnnbox.records.source import SourceTree

_MAX_BYTES = 64 << 20
_LIMIT = 600  # characters of one string
_LOG_KEYS = ("traceback", "stderr_tail", "stdout_tail", "stderr", "log_tail")
# An absolute path names this machine; its last part is what a reader needs.
_ABSOLUTE = re.compile(r"(?<![\w.:/~])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\:'\"<>|,;()]+[/\\])+(?=[^\s/\\:'\"<>|,;()]*)")

Record = TypeVar("Record")


@dataclass(frozen=True)
class Outputs:
    """Everything that a report may say. ``unread`` are files that should be there and could not be read."""

    index: ExperimentIndex = field(default_factory=ExperimentIndex)
    inspection: Inspection | None = None
    identity: Identity = field(default_factory=Identity)
    source: SourceTree | None = None
    dependencies: Dependencies | None = None
    decisions: tuple[Decision, ...] = ()
    environment: EnvironmentRecord | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    contract: Contract = field(default_factory=Contract)
    stats: Stats = field(default_factory=Stats)
    profile: Profile = field(default_factory=Profile)
    artifacts: tuple[Artifact, ...] = ()
    verdict: Verdict = field(default_factory=Verdict)
    samples: Mapping[str, Any] = field(default_factory=dict)
    failure: Mapping[str, Any] = field(default_factory=dict)
    quality: Quality | None = None
    training: TrainingCheck | None = None
    published: Published | None = None
    predictions: Sequence[Mapping[str, Any]] = ()
    unread: tuple[str, ...] = ()

    @property
    def has_run(self) -> bool:
        """Whether an inference was made and its output verified."""
        return bool(self.contract.checks) and all(check.get("passed") for check in self.contract.checks)

    @property
    def is_measured(self) -> bool:
        return self.stats.warm.latency_ms.p50 is not None


def harmless(value: Any, limit: int = _LIMIT) -> Any:
    """Return JSON values with every string, keys too, on one visible line, without credentials or absolute paths."""
    if isinstance(value, str):
        return text.visible(_ABSOLUTE.sub("…/", text.redact(value[: 8 * limit])), limit)
    if isinstance(value, Mapping):
        return {
            harmless(str(key)): _log_lines(item) if key in _LOG_KEYS else harmless(item, limit)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [harmless(item, limit) for item in value]
    return value


def _log_lines(value: Any) -> Any:
    if not isinstance(value, str):
        return harmless(value)
    return [_ABSOLUTE.sub("…/", line) for line in text.excerpt(value, lines=14, width=150)]


def load(experiment: Path) -> Outputs:
    """Return what is there; missing files are no error."""
    reader = _Reader(experiment)
    decisions, artifacts = reader.plain("decisions"), reader.plain("artifacts")
    return Outputs(
        index=reader.record(ExperimentIndex, "experiment", _index_of(experiment)) or ExperimentIndex(),
        inspection=reader.record(Inspection, "inspection"),
        identity=reader.record(Identity, "identity") or Identity(),
        source=reader.record(SourceTree, "source"),
        dependencies=reader.record(Dependencies, "dependencies"),
        decisions=reader.records(Decision, decisions, "decisions"),
        environment=reader.record(EnvironmentRecord, "environment"),
        params=_mapping(reader.plain("params")),
        contract=reader.record(Contract, "io_contract") or Contract(),
        stats=reader.record(Stats, "stats") or Stats(),
        profile=reader.record(Profile, "profile") or Profile(),
        artifacts=reader.records(Artifact, artifacts, "artifacts"),
        verdict=reader.record(Verdict, "verdict") or Verdict(),
        samples=_mapping(reader.plain("samples")),
        failure=_mapping(reader.plain("failure")),
        quality=reader.record(Quality, "metrics"),
        training=reader.record(TrainingCheck, "training"),
        published=reader.record(Published, "published"),
        predictions=_answers(reader.plain("predictions")),
        unread=tuple(reader.unread),
    )


def _index_of(experiment: Path) -> Path:
    """Return the experiment's index; where only ``outputs/`` is left, its copy there."""
    index = experiment / "experiment.json"
    return index if index.is_file() else experiment / "outputs" / index.name


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _answers(value: Any) -> tuple[Mapping[str, Any], ...]:
    answers = value.get("answers") if isinstance(value, Mapping) else None
    return tuple(one for one in answers if isinstance(one, Mapping)) if isinstance(answers, list) else ()


class _Reader:
    def __init__(self, experiment: Path) -> None:
        self._outputs = experiment / "outputs"
        self.unread: list[str] = []

    def plain(self, name: str, path: Path | None = None) -> Any:
        """Return the JSON values of a file, made harmless, or None."""
        place = path or self._outputs / f"{name}.json"
        try:
            if place.stat().st_size > _MAX_BYTES:
                raise ValueError("too large")
            return harmless(json.loads(place.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            self.unread.append(f"{name}.json")
            return None

    def record(self, cls: type[Record], name: str, path: Path | None = None) -> Record | None:
        """Return one record; a file of another shape is named in ``unread``."""
        known, value = len(self.unread), self.plain(name, path)
        if value is None:
            if len(self.unread) == known and (path or self._outputs / f"{name}.json").exists():
                self.unread.append(f"{name}.json")
            return None
        if isinstance(value, dict) and "schema" not in cls.__dataclass_fields__:  # type: ignore[attr-defined]
            value.pop("schema", None)  # named in the file for other programs; the record has no use for it
        try:
            return codec.from_json(cls, value)
        except (codec.CodecError, ValueError, TypeError):
            self.unread.append(f"{name}.json")
            return None

    def records(self, cls: type[Record], document: Any, key: str) -> tuple[Record, ...]:
        """Return the records of a document ``{"schema", key: [...]}`` or of a bare list."""
        items = document.get(key) if isinstance(document, Mapping) else document
        if not isinstance(items, list):
            return ()
        try:
            return tuple(codec.from_json(cls, item) for item in items)
        except (codec.CodecError, ValueError, TypeError):
            self.unread.append(f"{key}.json")
            return ()
