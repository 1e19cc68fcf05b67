"""Arrow 8, collect: the figures, the contract and the verdict, with their definitions.

These are the JSON files of ``outputs/`` that other programs rely on; a missing figure is None and its reason
stands under ``reasons`` by dotted name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Quality = Literal["quiet", "contended", "unstable"]


@dataclass(frozen=True)
class Statistics:
    """Summary of raw samples in milliseconds; p95 only if n >= 90, p99 only if n >= 460, else None.

    ``intervals`` holds the 95 % intervals of p90, p95, p99 and mean; the one of the median is ``ci95``.
    """

    p50: float | None = None
    ci95: tuple[float, float] | None = None
    min: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    mean: float | None = None
    mad: float | None = None
    n: int = 0
    outliers: int = 0
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cold:
    """Fresh processes, never pooled with warm figures.

    ``stages_ms`` in order: spawn, interpreter, import, context, load, to_device, first. ``page_cache`` says how much of
    the model's and the environment's files lay in memory before the processes started, and whether that was dropped.
    """

    processes: int = 0
    stages_ms: Mapping[str, Statistics] = field(default_factory=dict)
    total_ms: Statistics = field(default_factory=Statistics)
    page_cache: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Warm:
    """``stages_ms`` keys: preprocess, host_to_device, model, device_to_host, postprocess."""

    processes: int = 0
    latency_ms: Statistics = field(default_factory=Statistics)
    stages_ms: Mapping[str, Statistics] = field(default_factory=dict)
    per_process_p50_ms: tuple[float, ...] = ()
    drift: str = ""
    modes_ms: tuple[float, ...] = ()
    device_ms: Statistics = field(default_factory=Statistics)  # the model alone, by the device's own clock


@dataclass(frozen=True)
class Throughput:
    """``interval`` is the slowest and the fastest process; ``synchronised``: each call, or each window of them."""

    batch: int
    items_per_s: float
    latency_p50_ms: float | None = None
    interval: tuple[float, float] | None = None
    synchronised: str = "each call"


@dataclass(frozen=True)
class Variant:
    """Another way to run the same model, one process. ``difference`` is from the plain output, as a share of its
    largest value; nothing is timed beyond ``tolerance``. ``speedup`` is the plain p50 over this one's."""

    name: str
    latency_ms: Statistics = field(default_factory=Statistics)
    speedup: float | None = None
    difference: float | None = None
    tolerance: float | None = None
    precision: str = ""
    threads: int | None = None
    quality: Quality | None = None
    first_ms: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Generation:
    """Token after token, the likeliest each time. ``first_token_ms`` counts from the text, ``prefill_ms`` from its
    tokens; ``by_position_ms`` are the medians of each token after the first. Rates count the tokens of all sequences.
    """

    processes: int = 0
    runs: int = 0
    prompt_tokens: int = 0
    sequences: int = 0
    new_tokens: int = 0
    first_token_ms: Statistics = field(default_factory=Statistics)
    prefill_ms: Statistics = field(default_factory=Statistics)
    between_tokens_ms: Statistics = field(default_factory=Statistics)
    total_ms: Statistics = field(default_factory=Statistics)
    by_position_ms: tuple[float, ...] = ()
    prefill_tokens_per_s: float | None = None
    decode_tokens_per_s: float | None = None
    tokens_per_s: float | None = None
    quality: Quality | None = None


@dataclass(frozen=True)
class Memory:
    """Peaks in MiB, from a pass of its own. ``vram_process_peak_mib`` is the driver's word, context included."""

    host_peak_mib: float | None = None
    host_after_load_mib: float | None = None
    vram_peak_mib: float | None = None
    vram_allocated_peak_mib: float | None = None
    vram_process_peak_mib: float | None = None
    vram_device_used_mib: float | None = None
    cgroup_peak_mib: float | None = None


@dataclass(frozen=True)
class Stats:
    """``outputs/stats.json``."""

    schema: str = "dnnbox.stats/1"
    quality: Quality | None = None
    precision: str = ""
    threads: int | None = None
    batch: int = 1
    cold: Cold = field(default_factory=Cold)
    warm: Warm = field(default_factory=Warm)
    throughput: tuple[Throughput, ...] = ()
    throughput_best: Mapping[str, Any] = field(default_factory=dict)  # batch, items_per_s, gain, saturates_at
    variants: tuple[Variant, ...] = ()
    generation: Generation | None = None
    memory: Memory = field(default_factory=Memory)
    energy: Mapping[str, Any] | None = None
    noise: Mapping[str, Any] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)  # parts of a whole in [0, 1], as the reports print them
    definitions: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operator:
    """One kind of operator, per call of the model. ``share`` is of the time of all operators, in [0, 1]."""

    name: str
    calls: float
    self_ms: float
    share: float
    flops: int | None = None
    bytes: int | None = None
    provider: str = ""
    shapes: str = ""


@dataclass(frozen=True)
class Profile:
    """``outputs/profile.json``: from a pass of its own, whose times are slower than the figures of stats.json.

    ``bound_by``: ``verdict`` (compute, memory, launch, transfer, preprocess, postprocess, python, unknown) and
    ``evidence``. ``peaks`` are measured on this very device. ``slowdown`` is the profiled call over the plain one.
    ``fallbacks``: nodes of a GPU run that the CPU ran, those with most time first; ``fallbacks_n`` counts them all.
    """

    schema: str = "dnnbox.profile/1"
    tool: str = ""
    calls: int = 0
    profiled_ms: float | None = None
    slowdown: float | None = None
    operators: tuple[Operator, ...] = ()
    operators_n: int = 0
    total_flops: int | None = None
    total_bytes: int | None = None
    peaks: Mapping[str, Any] = field(default_factory=dict)
    roofline: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    providers: Mapping[str, int] = field(default_factory=dict)
    nodes: tuple[Mapping[str, Any], ...] = ()
    fallbacks: tuple[Mapping[str, Any], ...] = ()
    fallbacks_n: int = 0
    bound_by: Mapping[str, str] = field(default_factory=dict)
    trace: str = ""
    definitions: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ContractField:
    """One input or output. ``status`` and ``source`` map a field's name to where it is known from."""

    name: str
    shape: tuple[int | str, ...] = ()
    dtype: str = ""
    layout: str | None = None
    range: tuple[float, float] | None = None
    status: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    colour_order: str | None = None
    ran_with: tuple[int, ...] = ()  # the sizes of the verified call, for the open dimensions of ``shape``


@dataclass(frozen=True)
class ContractStep:
    """One step of pre- or postprocessing."""

    step: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    status: str = "assumed"
    source: str = ""


@dataclass(frozen=True)
class SizeTried:
    """One size of one dimension that was tried by running: whether it ran, and how it failed."""

    dimension: str
    size: int
    runs: bool
    problem: str = ""
    outputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Contract:
    """``outputs/io_contract.json``."""

    schema: str = "dnnbox.io-contract/1"
    inputs: tuple[ContractField, ...] = ()
    outputs: tuple[ContractField, ...] = ()
    preprocessing: tuple[ContractStep, ...] = ()
    postprocessing: tuple[ContractStep, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    decoded: tuple[Mapping[str, Any], ...] = ()
    labels: tuple[str, ...] = ()
    fed_back: Mapping[str, Any] = field(default_factory=dict)  # {"runs", "detail"}: inputs made from this file alone
    sizes: tuple[SizeTried, ...] = ()
    sizes_reason: str = ""  # why no sizes were tried, or not all
    warnings: tuple[Mapping[str, str], ...] = ()  # {"field", "expected", "found", "text"}: doubtful preprocessing


@dataclass(frozen=True)
class Target:
    """One ``--target`` (required) or ``--want`` expression, judged."""

    expression: str
    metric: str
    measured: float | None
    target: float
    delta: float | None
    status: Literal["met", "missed", "unknown"]
    method: str
    required: bool = True
    interval: tuple[float, float] | None = None
    definition: str = ""
    needed: str = ""  # what would have to change for it to be met, or to be judged


@dataclass(frozen=True)
class Verdict:
    """``outputs/verdict.json``: required targets decide; any missed: no-go, any unknown: unknown, else go.

    Without a required target the decision is unknown unless the run failed (no-go); the reasons say so.
    """

    schema: str = "dnnbox.verdict/1"
    decision: Literal["go", "no-go", "unknown"] = "unknown"
    reasons: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
