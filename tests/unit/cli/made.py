"""Records as the pipeline makes them, and a way to poison every foreign text in one."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from dnnbox.errors import DnnboxError, SourceNotFound
from dnnbox.records.dependencies import Requirement
from dnnbox.records.environment import LockedPackage
from dnnbox.records.evidence import Evidence
from dnnbox.records.experiment import ExperimentIndex
from dnnbox.records.identity import Candidate, Identity, SameWeights
from dnnbox.records.inspection import FileRole, Finding, Inspection, IoField, IoHints, TensorInfo, TensorSummary
from dnnbox.records.measurements import (
    Cold,
    Contract,
    ContractField,
    ContractStep,
    Memory,
    Statistics,
    Stats,
    Target,
    Throughput,
    Verdict,
    Warm,
)
from dnnbox.records.plan import FitCheck, InputChoice, Plan

Record = TypeVar("Record")

INSPECTION = Inspection(
    path="checkpoints/resnet18-10.pth",
    kind="file",
    format="torch-zip",
    framework="pytorch",
    size_bytes=44_700_123,
    verdict="data-only",
    findings=(Finding("warning", "old-pickle", "archive/data.pkl byte 12", "protocol 0 is older than this format"),),
    tensors=TensorSummary(122, 11_181_642, 44_726_568, {"float32": 102, "int64": 20}),
    identity=Identity(
        False,
        (
            Candidate(
                "timm",
                "resnet18",
                "exact",
                1.0,
                {"num_classes": 10},
                (SameWeights("resnetaa18", "a blur before each strided convolution, which has no weights"),),
                (
                    Evidence("keys", "state_dict", "122 of 122 match", 1.0),
                    Evidence("head", "fc.weight", "10 outputs", 0.5),
                ),
            ),
            Candidate("torchvision", "resnet18", "exact", 1.0, {"num_classes": 10}),
            Candidate("timm", "resnet18d", "similar", 0.93),
        ),
    ),
    io_hints=IoHints(
        (IoField("x", ("N", 3, 224, 224), "float32", "assumed", "timm default_cfg"),),
        (IoField("y", ("N", 10), "float32", "declared", "fc.weight"),),
        "image",
        "image-classification",
    ),
    dependencies=(Requirement("torch", ">=2.0"), Requirement("timm"), Requirement("numpy")),
    metadata={
        "epoch": 12,
        "arch": "resnet18",
        "optimizer": {"lr": 0.1},
        "archive": {"members": 124, "storages_crc32": "5f0e91a3"},
    },
    entry="state_dict",
    licence="apache-2.0",
    modified_utc="2026-03-12T10:15:00+00:00",
    files=(FileRole("a.py", "code", 12),),
    sha256="9c41d7" + "0" * 54 + "e07b",
    tensor_list=(
        TensorInfo("conv1.weight", "float32", (64, 3, 7, 7)),
        TensorInfo("head.w", "float32", (2,), tied_to="w"),
    ),
)

_PACKAGES = (
    "torch 2.13.0+cpu", "timm 1.0.31", "numpy 2.4.6", "torchvision 0.28.0+cpu", "filelock 3.20", "fsspec 2026.1",
    "huggingface-hub 1.2.3", "jinja2 3.1.6", "markupsafe 3.0.2", "mpmath 1.3.0", "networkx 3.5", "packaging 25.0",
    "pillow 12.0.0", "pyyaml 6.0.3", "safetensors 0.6.2", "sympy 1.14.0", "tqdm 4.67", "typing-extensions 4.15",
)  # fmt: skip

PLAN = Plan(
    checkpoint="resnet18-10.pth",
    title="timm resnet18",
    runtime="timm",
    verdict="data-only",
    requirements=(Requirement("torch", ">=2.0"), Requirement("timm"), Requirement("numpy")),
    packages=tuple(LockedPackage(*text.split(), size_bytes=14_555_556) for text in _PACKAGES),
    lock_sha256="5be2f0" * 10,
    download_bytes=262_000_000,
    box="venv",
    box_reason="no container engine answers",
    sandbox="bubblewrap",
    python="3.11",
    device="cpu",
    precision="fp32",
    network=("package index: the packages above, before the box is closed",),
    inputs=(
        InputChoice("found", "image", "/somewhere/data/cats/cat1.png", "", "640 × 480, cats in data/ of the workspace"),
        InputChoice("synthesised", "tensor", "", "mask", "no array that fits the model's input in the workspace"),
    ),
    measure="5 cold starts, 3 warm processes of at least 3 s and 30 inferences, memory apart",
    writes_to="tmp/resnet18-10-20260312-101500",
    will=(
        "make a new environment for this model, 18 packages, pinned by hash, outside the workspace",
        "write to the experiment folder only",
    ),
    will_not=("touch your Python or any file of the workspace", "let the model reach the network"),
    fit=(
        FitCheck("disk", "ok", "14 GB free"),
        FitCheck("memory", "warning", "2.0 GiB for the box, weights take 1.5 GiB", "use a machine with more memory"),
    ),
    details={"device_reason": "no NVIDIA driver on this machine"},
)

STATS = Stats(
    quality="contended",
    precision="fp32",
    threads=2,
    cold=Cold(
        5,
        {name: Statistics(p50=value) for name, value in (("import", 3420.0), ("load", 1180.0), ("first", 2310.0))},
        Statistics(p50=7840.0),
    ),
    warm=Warm(
        3,
        Statistics(p50=14.63, ci95=(14.51, 14.72), min=14.0, p90=16.1, p95=17.1, mean=14.9, mad=0.2, n=400),
        {
            "preprocess": Statistics(p50=2.31),
            "host_to_device": Statistics(p50=0.42),
            "model": Statistics(p50=11.29),
            "device_to_host": Statistics(p50=0.06),
            "postprocess": Statistics(p50=0.38),
        },
    ),
    throughput=(Throughput(1, 68.2), Throughput(8, 104.0), Throughput(32, 109.0)),
    memory=Memory(2468.0, 900.0, None),
    noise={
        "checks": [
            {
                "name": "run_delay_share",
                "value": 0.2,
                "limit": 0.02,
                "ok": False,
                "text": "the process waited for a CPU",
            },
            {"name": "steal_share", "value": 0.0, "limit": 0.01, "ok": True, "text": "the hypervisor took CPU time"},
        ]
    },
    reasons={"memory.vram_peak_mib": "no GPU"},
)
VERDICT = Verdict(
    decision="unknown",
    reasons=("1 of 1 required targets met", "the interval of p99 is not known"),
    targets=(
        Target("latency_p50_ms<=20", "latency_p50_ms", 14.63, 20.0, -5.37, "met", "median"),
        Target("cold_total_ms<=5000", "cold_total_ms", 7840.0, 5000.0, 2840.0, "missed", "median", required=False),
        Target("latency_p99_ms<=25", "latency_p99_ms", None, 25.0, None, "unknown", "n too small", required=False),
    ),
)
CONTRACT = Contract(
    inputs=(ContractField("x", ("N", 3, 224, 224), "float32", status={"shape": "observed", "range": "assumed"}),),
    preprocessing=(ContractStep("normalize", {"mean": [0.485], "std": [0.229]}, "assumed"),),
    checks=({"name": "finite", "passed": True}, {"name": "repeatable", "passed": True}),
)
INDEX = ExperimentIndex(id="7f3a9c", status="success", box="venv", device="cpu")
ERROR: DnnboxError = SourceNotFound(
    "the checkpoint needs code that is not in the file: sitecam.heads.HelmetHead",
    hint="give the folder that holds sitecam: `dnnbox run helmet.pt --source PATH`",
    phase="source",
    details={
        "where": "helmet.pt, data.pkl, byte 2117",
        "excerpt": ["class sitecam.heads.HelmetHead", "      ^^^^^^^ no package in the box has this name"],
        "cause": "the file was saved with torch.save(model), so it holds names of classes, not code",
        "not_the_cause": "GPU, driver, memory: those stages passed",
        "missing": [{"name": "torch", "specifier": ">=2"}],
        "attempts": 2,
    },
)
CHECKS = (
    FitCheck("System", "ok", "Linux 6.1, x86_64, 8 cores, 32 GiB RAM"),
    FitCheck("Docker", "failed", "it is not running", "start it with `systemctl start docker`"),
    FitCheck("bubblewrap", "ok", "0.8.0, sandboxes the venv box"),
    FitCheck("GPU 0", "unknown", "NVML does not answer", "install the driver"),
    FitCheck("Disk", "warning", "4 GB free", "`dnnbox clean`"),
    FitCheck("git", "ok", "2.39.5"),
    FitCheck("Package index", "ok", "pypi.org answered in 0.11 s"),
)


def poisoned(record: Record, poison: str) -> Record:
    """Return ``record`` with ``poison`` in every field that may hold any text (closed sets keep their words)."""
    hints = typing.get_type_hints(type(record))
    changes = {
        field.name: _poisoned(getattr(record, field.name), hints[field.name], poison)
        for field in dataclasses.fields(record)  # type: ignore[arg-type]
        if field.name not in ("schema", "library")
    }
    return dataclasses.replace(record, **changes)  # type: ignore[type-var]


def _poisoned(value: Any, hint: Any, poison: str) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return poisoned(value, poison)
    if any(typing.get_origin(part) is typing.Literal for part in (hint, *typing.get_args(hint))):
        return value
    if isinstance(value, str):
        return poison
    if isinstance(value, tuple):
        inner = typing.get_args(hint)[0] if typing.get_args(hint) else Any
        return tuple(_poisoned(item, inner, poison) for item in value)
    if isinstance(value, Mapping):
        return {f"{poison}{number}": _poisoned(item, Any, poison) for number, item in enumerate(value.values())}
    return [_poisoned(item, Any, poison) for item in value] if isinstance(value, list) else value
