"""The records that cross the wall between host and box, as JSON files in the run directory.

The host writes ``request.json``; the box answers with ``result.json``, ``events.jsonl`` (one :class:`Event` a line)
and files under ``arrays/`` and ``artifacts/``. Standard output and error belong to the model and are never parsed.
Standard library only, Python 3.7+: both sides import this module.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Dict, List, Optional, Type, TypeVar

PROTOCOL = 1
REQUEST, RESULT, EVENTS = "request.json", "result.json", "events.jsonl"
ARRAYS, ARTIFACTS = "arrays", "artifacts"

JOBS = (
    "probe",
    "infer",
    "measure",
    "cold",
    "generate",
    "memory",
    "profile",
    "evaluate",
    "train",
    "sizes",
    "export",
    "match",
    "verify",
)
"""probe: interpreter, packages, devices · infer: load, run, check, decode, keep outputs · measure: warm latency
· cold: load and first inference only · generate: token after token, the prompt and the continuation apart
· memory: peak memory of load and run, nothing timed; what the power counters are read beside
· profile: operators, work and a trace of a few calls, never a latency
· evaluate: the model over labelled items, and what the metrics say · train: a few steps on one batch
· sizes: which sizes of its inputs run · export: the model written as ONNX · match: which class of a source
the weights belong to, and its arguments. These five read ``RunRequest.work``.
· verify: an adapter stage by stage, nothing kept"""

ERROR_KINDS = (
    "protocol",  # the request is not of this protocol
    "missing_module",  # an import failed because a package is not there; detail = its name
    "import_failed",  # a package is there but does not import
    "load_failed",  # the checkpoint does not load
    "needs_adapter",  # nobody knows how to build or feed the model; detail says what is missing
    "unsupported",  # this runtime cannot do what was asked (precision, device, batch)
    "input_failed",  # an input could not be read or turned into tensors
    "infer_failed",  # the forward pass raised
    "bad_output",  # not finite, not repeatable, or of another shape the second time
    "device_unavailable",  # the device asked for is not there, or is not the one that ran
    "oom",  # MemoryError
    "vram_oom",  # the GPU's allocator gave up
    "internal",  # a bug in the harness
)


class ProtocolError(Exception):
    """A file that is not a record of this protocol."""


@dataclass(frozen=True)
class InputFile:
    """One input for the model. ``path`` is a path inside the box; ``name`` is the model's name for it, or ""."""

    path: str
    kind: str = "tensor"  # tensor (.npy) | image | audio | text | json
    name: str = ""


@dataclass(frozen=True)
class MeasurePlan:
    """When to stop: seconds are wall time, ``ci_half_width`` is a share of the median (0.01 = ±1 %)."""

    min_iterations: int = 30
    min_seconds: float = 3.0
    max_seconds: float = 60.0
    ci_half_width: float = 0.01
    warmup_max_seconds: float = 30.0
    window_iterations: int = 10  # at least, and at least a quarter of a second
    quiet_seconds: float = 0.0  # may be lost in each process to waiting for the machine's usual pace
    usual_pace_ns: int = 0  # that pace as the host knows it (harness/noise.pace_ns); 0: what is seen here
    energy_seconds: float = 0.0  # so long the memory job calls the model while the host reads its power counters


@dataclass(frozen=True)
class RunRequest:
    """What the host asks of the box; all paths are paths inside the box.

    ``options`` is the runtime's own: for example ``{"architecture": "resnet18", "arguments": {"num_classes": 10}}``.
    ``sys_path`` is appended to ``sys.path`` (the model's source). ``threads`` 0 leaves the library's default.
    """

    job: str
    runtime: str
    checkpoint: str
    device: str = "cpu"
    precision: str = "fp32"
    batch_size: int = 1
    seed: int = 0
    threads: int = 0
    options: Dict[str, Any] = field(default_factory=dict)
    inputs: List[InputFile] = field(default_factory=list)
    sys_path: List[str] = field(default_factory=list)
    plan: MeasurePlan = field(default_factory=MeasurePlan)
    variant: str = ""  # another way to run the same model, see harness/variants.py; "" is the plain one
    work: Dict[str, Any] = field(default_factory=dict)  # what evaluate, train and sizes are to do


@dataclass(frozen=True)
class RunError:
    """A failure that the harness understood. ``kind`` is one of :data:`ERROR_KINDS`; ``stage`` is where it was."""

    kind: str
    detail: str
    stage: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class TensorRecord:
    """One input or output of the model as observed. ``shape`` holds ints, or names for dimensions that may vary."""

    name: str
    dtype: str
    shape: List[Any] = field(default_factory=list)
    status: str = "observed"  # observed | declared | assumed
    source: str = ""  # where a declared field came from


@dataclass(frozen=True)
class ArrayRecord:
    """One array that the box kept, and what a reader wants to know without opening it.

    ``role``: input | output | samples. ``path`` is relative to the run directory. Figures are null for empty or
    non-numeric arrays; ``sha256`` is of the array's bytes in C order.
    """

    name: str
    role: str
    path: str
    dtype: str
    shape: List[int] = field(default_factory=list)
    sha256: str = ""
    finite: Optional[bool] = None
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    mean: Optional[float] = None
    std: Optional[float] = None


@dataclass(frozen=True)
class Check:
    """One check of the output gate: nothing is timed before all of them pass."""

    name: str  # finite | repeatable | shape | strict_load | device …
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Samples:
    """Where the raw samples of one process lie: int64 nanoseconds, shape [n, len(columns)], in the order taken."""

    path: str
    columns: List[str]  # "total" first, then stages: preprocess, host_to_device, model, device_to_host, postprocess
    n: int
    warmup_n: int
    warmup_ns: int
    stable: bool  # warm-up settled and the interval was reached before the cap
    reason: str = ""  # why not stable
    timer_ns: int = 0  # cost of one timestamp pair
    items_per_iteration: int = 1


@dataclass(frozen=True)
class RunResult:
    """What the box answers. Raw figures, never summaries; times in nanoseconds, sizes in bytes.

    ``started_ns`` is CLOCK_MONOTONIC when the harness began, so that the host can subtract its own reading.
    ``stages_ns`` is the cold ladder in this process: interpreter (CPU time before the first line of the harness),
    import, context, load, to_device, first (first inference).
    """

    job: str
    python: str
    started_ns: int = 0
    stages_ns: Dict[str, int] = field(default_factory=dict)
    inputs: List[TensorRecord] = field(default_factory=list)
    outputs: List[TensorRecord] = field(default_factory=list)
    arrays: List[ArrayRecord] = field(default_factory=list)
    artifacts: List[Dict[str, Any]] = field(default_factory=list)  # {"path", "kind", "title"} written by postprocess
    checks: List[Check] = field(default_factory=list)
    samples: Optional[Samples] = None
    memory: Dict[str, Any] = field(default_factory=dict)  # bytes; None where not known
    noise: Dict[str, Any] = field(default_factory=dict)  # run_delay_ns, wall_ns, involuntary_switches, psi_some_us …
    effective: Dict[str, Any] = field(default_factory=dict)  # device, precision, threads, providers: what really was
    packages: Dict[str, str] = field(default_factory=dict)
    machine: Dict[str, Any] = field(default_factory=dict)  # cpu, cores, memory, os, gpu, driver
    preprocessing: List[Dict[str, Any]] = field(default_factory=list)  # {"step","parameters","status","source"}
    postprocessing: List[Dict[str, Any]] = field(default_factory=list)
    profile: Dict[str, Any] = field(default_factory=dict)  # per call: ns, bytes, flops; see harness/profilers
    variant: Dict[str, Any] = field(default_factory=dict)  # name, difference, tolerance, first_ns
    generation: Dict[str, Any] = field(default_factory=dict)  # prompt_tokens, sequences, new_tokens, tokens
    device_times: Dict[str, Any] = field(default_factory=dict)  # events_ns, windows: by the device's own clock
    decoded: List[Dict[str, Any]] = field(default_factory=list)  # what the outputs mean, for people
    findings: Dict[str, Any] = field(default_factory=dict)  # what evaluate, train, sizes and match found
    notes: List[str] = field(default_factory=list)
    error: Optional[RunError] = None


@dataclass(frozen=True)
class Event:
    """One line of ``events.jsonl``: progress for the host's display. ``done`` and ``total`` are counts, 0 = unknown."""

    stage: str
    done: int = 0
    total: int = 0
    text: str = ""


_NESTED = {
    "RunRequest": {"inputs": [InputFile], "plan": MeasurePlan},
    "RunResult": {
        "inputs": [TensorRecord],
        "outputs": [TensorRecord],
        "arrays": [ArrayRecord],
        "checks": [Check],
        "samples": Samples,
        "error": RunError,
    },
}

Record = TypeVar("Record")


def encode(record: Any) -> Dict[str, Any]:
    """Return ``{"record", "schema", ...fields}`` for one record."""
    if not is_dataclass(record) or isinstance(record, type):
        raise ProtocolError("not a record: %r" % (record,))
    body = {"record": type(record).__name__, "schema": PROTOCOL}  # type: Dict[str, Any]
    body.update(asdict(record))
    return body


def decode(cls: Type[Record], data: Any) -> Record:
    """Build ``cls`` from the form of :func:`encode`.

    Raises:
        ProtocolError: not an object, another record, another schema, or a field that is missing or not known.
    """
    if not isinstance(data, dict):
        raise ProtocolError("expected an object, got %s" % type(data).__name__)
    body = dict(data)
    name, schema = body.pop("record", None), body.pop("schema", None)
    if (name, schema) != (cls.__name__, PROTOCOL):
        raise ProtocolError("expected %s of schema %d, got %s of %s" % (cls.__name__, PROTOCOL, name, schema))
    return _build(cls, body)


def _build(cls: Type[Record], body: Any) -> Record:
    if not isinstance(body, dict):
        raise ProtocolError("%s must be an object" % cls.__name__)
    unknown = set(body) - {f.name for f in fields(cls)}  # type: ignore[arg-type]
    if unknown:
        raise ProtocolError("%s has no field %s" % (cls.__name__, sorted(map(str, unknown))))
    nested = _NESTED.get(cls.__name__, {})
    values = dict(body)
    for key, kind in nested.items():
        value = values.get(key)
        if value is None:
            continue
        if isinstance(kind, list):
            if not isinstance(value, list):
                raise ProtocolError("%s.%s must be a list" % (cls.__name__, key))
            values[key] = [_build(kind[0], item) for item in value]
        else:
            values[key] = _build(kind, value)  # type: ignore[arg-type]
    try:
        return cls(**values)
    except TypeError as error:
        raise ProtocolError("%s: %s" % (cls.__name__, error)) from error


def read(cls: Type[Record], path: str) -> Record:
    """Read one record from a JSON file; raises ProtocolError for anything that is not one."""
    try:
        with open(path, encoding="utf-8") as file:
            return decode(cls, json.load(file))
    except ValueError as error:
        raise ProtocolError("%s is not JSON: %s" % (os.path.basename(path), error)) from error


def write(record: Any, path: str) -> None:
    """Write whole or not at all: the host takes a missing file for a crash."""
    part = path + ".part"
    with open(part, "w", encoding="utf-8") as file:
        json.dump(encode(record), file, indent=1, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
