"""Arrow 8, collect: how good the answers are, how near another model is, and whether the model can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class LabelledSet:
    """Labelled data as it was found. ``rows`` hold host paths and never reach a file of the experiment.

    ``goal`` names what is judged: classes, masks, pictures, boxes, transcripts, pairs, numbers or own.
    """

    root: str
    name: str
    form: Literal["folders", "csv", "coco", "files"]
    goal: str
    rows: tuple[Mapping[str, Any], ...]
    classes: tuple[str, ...] = ()
    categories: tuple[Mapping[str, Any], ...] = ()
    total: int = 0
    sha256: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetricFigure:
    """One figure of quality. ``interval`` is the 95 % interval, by the way that ``interval_method`` says."""

    name: str
    value: float | None
    n: int = 0
    interval: tuple[float, float] | None = None
    interval_method: str = ""
    unit: str = ""
    better: str = ""  # higher | lower | ""
    definition: str = ""
    method: str = ""
    library: str = ""
    hits: int | None = None


@dataclass(frozen=True)
class TensorAgreement:
    """How near one output is to the reference's: differences are of the values, ``max_rel`` over the largest one."""

    name: str
    reference: str
    shape: tuple[int, ...] = ()
    dtype: str = ""
    exact: bool = False
    max_abs: float | None = None
    max_rel: float | None = None
    mean_abs: float | None = None
    cosine: float | None = None
    same_best: float | None = None  # share of rows whose largest value stands in the same place
    problem: str = ""


@dataclass(frozen=True)
class Agreement:
    """Numerical agreement with another checkpoint or with saved outputs, on the same inputs."""

    reference: str = ""
    kind: Literal["outputs", "checkpoint", "onnx", ""] = ""
    runtime: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    inputs: str = ""  # how it is known that the inputs were the same
    tensors: tuple[TensorAgreement, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Quality:
    """``outputs/metrics.json``. A figure that is missing stands under ``reasons``."""

    schema: str = "dnnbox.metrics/1"
    dataset: Mapping[str, Any] = field(default_factory=dict)
    goal: str = ""
    n: int = 0
    failed: int = 0
    failures: tuple[Mapping[str, Any], ...] = ()
    seconds: float | None = None
    figures: tuple[MetricFigure, ...] = ()
    agreement: Agreement | None = None
    notes: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)

    def figure(self, name: str) -> MetricFigure | None:
        """Return a figure by its name."""
        return next((figure for figure in self.figures if figure.name == name), None)


@dataclass(frozen=True)
class TrainingCheck:
    """``outputs/training.json``: a few steps on one batch. It says that training can start, never how well it ends."""

    schema: str = "dnnbox.training/1"
    passed: bool | None = None
    checks: tuple[Mapping[str, Any], ...] = ()
    optimizer: str = ""
    learning_rate: float | None = None
    weight_decay: float | None = None
    loss: str = ""
    batch: int = 0
    precision: str = ""
    device: str = ""
    steps: int = 0
    losses: tuple[float | None, ...] = ()
    first_loss: float | None = None
    last_loss: float | None = None
    gradient_norm: float | None = None
    trained_weights: int = 0
    frozen_weights: int = 0
    parameters: int = 0
    without_gradient: tuple[str, ...] = ()
    zero_gradient: tuple[str, ...] = ()
    zero_gradient_n: int = 0
    step_ms: float | None = None
    first_step_ms: float | None = None
    memory: Mapping[str, float | None] = field(default_factory=dict)  # host_peak_mib, vram_peak_mib
    definitions: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
