"""Arrow 1, inspect: what the bytes of a checkpoint say about themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dnnbox.records.dependencies import Requirement
from dnnbox.records.identity import Identity

Verdict = Literal["data-only", "inert-known", "needs-code", "dangerous", "no-code"]
"""data-only: torch's weights_only loads it · inert-known: known classes without effects · needs-code: names classes of
packages (``needs_code``) · dangerous: names calls that act · no-code: the format cannot hold code."""

Severity = Literal["info", "warning", "danger"]
FieldStatus = Literal["observed", "declared", "stated", "assumed"]


@dataclass(frozen=True)
class Finding:
    """Something a person should know. ``where`` is a member, key or byte offset inside the checkpoint."""

    severity: Severity
    code: str
    where: str
    text: str


@dataclass(frozen=True)
class TensorInfo:
    """One stored tensor. ``dtype`` uses torch's names (float32, bfloat16, int64); quantised kinds keep their own.

    ``crc32`` is the checksum of its storage that a zip's directory states, "" where there is none: it tells equal
    numbers from others without reading them.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str = ""  # relative path inside a directory checkpoint
    tied_to: str = ""  # name of the tensor whose storage it shares
    crc32: str = ""


@dataclass(frozen=True)
class TensorSummary:
    """Totals over distinct storages (ties counted once)."""

    count: int = 0
    parameters: int = 0
    bytes: int = 0
    dtypes: Mapping[str, int] = field(default_factory=dict)  # dtype -> number of tensors


@dataclass(frozen=True)
class IoField:
    """One input or output of the model.

    ``shape``: ints, or names for dimensions that may vary; () is a scalar, None is not known.
    """

    name: str
    shape: tuple[int | str, ...] | None = None
    dtype: str = ""
    status: FieldStatus = "observed"
    source: str = ""

    def takes(self, shape: Sequence[int | str]) -> bool:
        """Tell whether an array of this shape may be the field: as many dimensions, and every fixed size the same."""
        return (
            self.shape is not None
            and len(shape) == len(self.shape)
            and all(isinstance(said, str) or said == seen for said, seen in zip(self.shape, shape, strict=True))
        )


def clip_frames(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the dimension of frames that a config's model takes before the channels; empty for single pictures."""
    count = config.get("num_frames", config.get("frames_per_clip"))
    return (count,) if isinstance(count, int) and count > 0 else ()


@dataclass(frozen=True)
class IoHints:
    """What the header or the configs say of inputs and outputs, before anything ran."""

    inputs: tuple[IoField, ...] = ()
    outputs: tuple[IoField, ...] = ()
    modality: str = ""  # text | image | audio | tensor | ""
    task: str = ""  # image-classification, feature-extraction, text-generation, voice-activity-detection …
    labels: tuple[str, ...] = ()
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    """Published constants of the architecture: input_size, mean, std, interpolation … ``status``, ``source``."""


@dataclass(frozen=True)
class FileRole:
    """One file of a directory checkpoint and what it is for."""

    path: str
    role: Literal["weights", "config", "tokenizer", "code", "document", "other"]
    size_bytes: int


@dataclass(frozen=True)
class Inspection:
    """Everything that reading without executing could tell. Saved as ``outputs/inspection.json``.

    ``metadata`` is a bounded plain-JSON copy of what the file says about itself (hyper_parameters, config.json,
    ONNX metadata_props …), foreign text included: sanitise before showing. ``entry`` names the container inside the
    file that holds the weights (for example ``model_ema.state_dict``), "" for the top level.
    ``tensor_list`` is written to JSON only on request. ``path`` is the path as the user gave it.
    """

    path: str
    kind: Literal["file", "directory"]
    format: str
    framework: str
    size_bytes: int
    verdict: Verdict
    needs_code: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    tensors: TensorSummary = field(default_factory=TensorSummary)
    identity: Identity = field(default_factory=Identity)
    io_hints: IoHints = field(default_factory=IoHints)
    dependencies: tuple[Requirement, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    entry: str = ""
    files: tuple[FileRole, ...] = ()
    companions: tuple[str, ...] = ()  # files beside the checkpoint that it cannot be loaded without (external data)
    scanned: tuple[str, ...] = ()  # what was looked into
    not_scanned: tuple[str, ...] = ()  # what was not, and why
    licence: str = ""  # as the file or the model card states it
    modified_utc: str = ""
    sha256: str | None = None
    tensor_list: tuple[TensorInfo, ...] = ()

    @property
    def plain_weights(self) -> bool:
        """Whether the tensors lie in plain dictionaries: whatever classes the file names besides, none holds them."""
        return self.tensors.count > 0 and not self.metadata.get("top_class")
