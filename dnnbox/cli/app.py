"""Commands and options, as typer reads them. Only this package imports typer; the work is done in ``actions``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from dnnbox.cli import handoff_commands, verify_commands

app = typer.Typer(
    name="dnnbox",
    help="From a local checkpoint to a measured, reproducible experiment.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Checkpoint = Annotated[
    str, typer.Argument(metavar="CKPT", help="Local checkpoint, file or directory. Never downloaded.")
]
OptionalCheckpoint = Annotated[
    str,
    typer.Argument(metavar="CKPT", help="Local checkpoint, file or directory. Never downloaded.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Source = Annotated[str, typer.Option(metavar="PATH|URL[@REF]", help="The model's source code.")]
Adapter = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Python file with a class Adapter that loads and runs the model.")
]
LlmCommand = Annotated[
    str,
    typer.Option(metavar="CMD", help="Program that reads a brief on stdin and writes the adapter where one is needed."),
]
Family = Annotated[
    str, typer.Option(metavar="NAME", help="Overrides the identified family, for example timm:resnet18.")
]
Task = Annotated[str, typer.Option(metavar="NAME", help="What the model does, where the checkpoint does not say.")]
Input = Annotated[
    list[str] | None, typer.Option("--input", metavar="FILE|DIR|NAME=@FILE", help="Input to use; may be repeated.")
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda[:N]|rocm|mps", help="Never falls back silently.")
]
Gpus = Annotated[str, typer.Option(metavar="SPEC", help="GPUs of a container, in docker's grammar.")]
Box = Annotated[
    str, typer.Option("--box", metavar="auto|current|venv|pixi|docker|podman", help="Where the model runs.")
]
Deps = Annotated[
    str,
    typer.Option(metavar="ask|current|new|feature", help="Where packages go."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Take the plan without asking.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use only what is cached.")]
Refresh = Annotated[bool, typer.Option("--refresh", help="Resolve the packages anew.")]
Precision = Annotated[str, typer.Option(metavar="auto|fp32|fp16|bf16", help="Precision of the run.")]
Batch = Annotated[str, typer.Option(metavar="N[,N…]", help="Batch sizes; the first one's latency is reported.")]
Variant = Annotated[
    str,
    typer.Option("--variant", metavar="NAME[,N…]", help="Other ways to run it, e.g. compile,bf16,threads-1."),
]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the library's default.")]
Targets = Annotated[
    list[str] | None, typer.Option("--target", metavar="EXPR", help="Required, e.g. 'latency_p50_ms<=10'.")
]
Wants = Annotated[list[str] | None, typer.Option("--want", metavar="EXPR", help="Reported, never decides.")]
Provenance = Annotated[str, typer.Option(metavar="K=V,…", help="What you claim of its origin: url=…,version=…")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="The experiment folder; default tmp/<name>-<time>.")]
Seed = Annotated[int, typer.Option(help="Seed of synthesised inputs and of the libraries.")]
Timeout = Annotated[float, typer.Option(metavar="S", min=0.1, help="Time limit of all jobs in the box, in seconds.")]
MemoryOption = Annotated[str, typer.Option("--memory", metavar="SIZE", help="Memory limit of the box: 512M, 8G.")]
Cpus = Annotated[str, typer.Option(metavar="LIST", help="CPUs of the box as a cpuset list: 0,2-3.")]
Shm = Annotated[str, typer.Option("--shm-size", metavar="SIZE", help="/dev/shm of a container.")]
Quick = Annotated[bool, typer.Option("--quick", help="Fewer processes and a wider interval (±5 %).")]
Processes = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        max=50,
        help="Fresh processes that measure; more hear smaller changes. 0: 3, or 1 with --quick.",
    ),
]
WaitQuiet = Annotated[
    float,
    typer.Option(
        metavar="S",
        min=0,
        help="Measure only while the machine is at its usual pace: each process may wait so many seconds for it.",
    ),
]
DropCache = Annotated[
    bool, typer.Option("--drop-cache", help="Cold starts read the model and its packages from the disk.")
]
Profile = Annotated[
    bool | None,
    typer.Option("--profile/--no-profile", help="Operators, work and a trace, in a pass of its own; not with --quick."),
]
ProgressOption = Annotated[
    str, typer.Option("--progress", metavar="auto|plain|none", help="Progress display on stderr.")
]
Allow = Annotated[
    list[str] | None,
    typer.Option(metavar="unsafe-pickle|remote-code", help="Consent to a named risk; may be repeated."),
]
AllowWeaker = Annotated[
    bool,
    typer.Option("--allow-weaker", help="Accept limits that the engine cannot enforce; the reports name them."),
]
Runtime = Annotated[
    str, typer.Option("--runtime", metavar="NAME", help="What the engine starts containers with: runsc for gVisor.")
]
Resume = Annotated[
    Path | None,
    typer.Option(metavar="EXP", help="Go on with an experiment that was cut off or failed; CKPT may be left out."),
]
Dataset = Annotated[
    Path | None,
    typer.Option(metavar="DIR|CSV|JSON", help="Labelled data: class folders, path and label columns, or COCO's JSON."),
]
Metrics = Annotated[
    Path | None, typer.Option(metavar="FILE.py", help="Your own metrics: a function metrics(items), run in the box.")
]
Reference = Annotated[
    str,
    typer.Option(
        metavar="PATH|onnx", help="Compare outputs: another checkpoint, saved .npy files, or its own ONNX export."
    ),
]
TrainCheck = Annotated[bool, typer.Option("--train-check", help="Twenty steps on one batch: gradients, loss, memory.")]
ContractOption = Annotated[
    Path | None, typer.Option("--contract", metavar="FILE", help="What you know of inputs and outputs, as JSON.")
]
Endpoint = Annotated[
    str,
    typer.Option(metavar="URL", help="A served model instead of CKPT: Open Inference Protocol v2, OpenAI-compatible."),
]
Sizes = Annotated[
    bool | None,
    typer.Option("--sizes/--no-sizes", help="Try which batch and input sizes run; not with --quick."),
]
BaseImage = Annotated[str, typer.Option(metavar="IMAGE", help="Base image of a container box.")]


Action = Callable[[], int]
"""What a command returns: the work, still to be called. typer would turn a Ctrl-C during it into its own exit."""


def _later(name: str, *arguments: Any, module: str = "actions", **options: Any) -> Action:
    from importlib import import_module

    return partial(getattr(import_module(f"dnnbox.cli.{module}"), name), *arguments, **options)


def _version(wanted: bool) -> None:
    if wanted:
        from dnnbox import __version__

        typer.echo(f"dnnbox {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Data goes to stdout, everything else to stderr."""


@app.command()
def inspect(
    checkpoint: Checkpoint,
    json: Json = False,
    hash: Annotated[bool, typer.Option("--hash", help="Also compute the sha256 of the weights.")] = False,
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor.")] = False,
    family: Family = "",
) -> Action:
    """Say what a checkpoint is, with evidence, without executing anything of it."""
    return _later("inspect", checkpoint, module="inspecting", json=json, with_hash=hash, tensors=tensors, family=family)


@app.command()
def plan(
    checkpoint: Checkpoint,
    source: Source = "", adapter: Adapter = None, family: Family = "", task: Task = "", input: Input = None,
    device: DeviceOption = "auto", gpus: Gpus = "", box: Box = "auto", deps: Deps = "ask", offline: Offline = False,
    refresh: Refresh = False, precision: Precision = "auto", batch: Batch = "1", threads: Threads = 0,
    variant: Variant = "", target: Targets = None, want: Wants = None, out: Out = None,
    memory: MemoryOption = "", cpus: Cpus = "",
    shm_size: Shm = "", quick: Quick = False, processes: Processes = 0, wait_quiet: WaitQuiet = 0.0,
    drop_cache: DropCache = False,
    profile: Profile = None, allow: Allow = None, allow_weaker: AllowWeaker = False, base_image: BaseImage = "",
    runtime: Runtime = "",
    dataset: Dataset = None, metrics: Metrics = None,
    reference: Reference = "",
    train_check: TrainCheck = False, contract: ContractOption = None, sizes: Sizes = None,
    progress: ProgressOption = "auto", json: Json = False,
) -> Action:  # fmt: skip
    """Show everything that `run` would do, and do nothing."""
    return _later("plan", values=dict(locals()))


@app.command()
def env(
    checkpoint: Checkpoint,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to write; made if missing.")],
    format: Annotated[
        str,
        typer.Option(metavar="LIST", help="uv,requirements,pylock,dockerfile,pixi,conda-lock, or all."),
    ] = "uv,requirements,pylock,dockerfile",
    accelerator: Annotated[
        str, typer.Option(metavar="cpu|cuda|rocm", help="What it shall run on; need not be in this machine.")
    ] = "cpu",
    python: Annotated[str, typer.Option(metavar="3.N", help="Python version; default: one that fits.")] = "",
    base_image: BaseImage = "",
    source: Source = "", adapter: Adapter = None, family: Family = "", task: Task = "", offline: Offline = False,
    refresh: Refresh = False, allow: Allow = None, progress: ProgressOption = "auto", json: Json = False,
) -> Action:  # fmt: skip
    """Write the environment and its locks for others: uv, pip, Dockerfile, pixi and more. Installs nothing."""
    return _later("env", values=dict(locals()))


@app.command()
def run(
    checkpoint: OptionalCheckpoint = "",
    source: Source = "", adapter: Adapter = None, llm_command: LlmCommand = "", family: Family = "", task: Task = "",
    input: Input = None,
    device: DeviceOption = "auto", gpus: Gpus = "", box: Box = "auto", deps: Deps = "ask", yes: Yes = False,
    offline: Offline = False, refresh: Refresh = False, precision: Precision = "auto", batch: Batch = "1",
    variant: Variant = "", threads: Threads = 0, target: Targets = None, want: Wants = None,
    provenance: Provenance = "", out: Out = None,
    seed: Seed = 0, timeout: Timeout = 1800.0, memory: MemoryOption = "", cpus: Cpus = "", shm_size: Shm = "",
    quick: Quick = False, processes: Processes = 0, wait_quiet: WaitQuiet = 0.0, drop_cache: DropCache = False,
    profile: Profile = None,
    allow: Allow = None, allow_weaker: AllowWeaker = False, base_image: BaseImage = "", runtime: Runtime = "",
    dataset: Dataset = None, metrics: Metrics = None, reference: Reference = "", train_check: TrainCheck = False,
    contract: ContractOption = None, sizes: Sizes = None, endpoint: Endpoint = "",
    progress: ProgressOption = "auto", resume: Resume = None, json: Json = False,
) -> Action:  # fmt: skip
    """Run the whole experiment: plan, one question, environment, inference, figures, reports."""
    return _later("run", values=dict(locals()))


@app.command()
def report(
    experiment: Annotated[Path, typer.Argument(metavar="EXP", help="An experiment folder.")],
    format: Annotated[str, typer.Option("--format", metavar="md,html", help="Which files to write.")] = "md,html",
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; name each number of the reports that is not in outputs/.")
    ] = False,
    writer: Annotated[
        str, typer.Option(metavar="CMD", help="Program that reads a brief on stdin and writes the stakeholder report.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="With --writer: replace a report edited by hand.")] = False,
    json: Json = False,
) -> Action:
    """Render the reports again from outputs/; nothing is measured."""
    return _later("report", experiment, format, check=check, writer=writer, force=force, json=json, module="reporting")


@app.command()
def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every file that dnnbox keeps and compare it with its hash.")
    ] = False,
    bench: Annotated[
        bool, typer.Option("--bench", help="Also measure how quiet this machine is, and what differences show here.")
    ] = False,
    json: Json = False,
) -> Action:
    """Look at this machine: engines, GPUs, Python, disk, indexes. Each failing check names its fix."""
    return _later("doctor", deep=deep, bench=bench, json=json)


@app.command()
def clean(
    all: Annotated[bool, typer.Option("--all", help="All environments not in use, and all caches.")] = False,
    older: Annotated[str, typer.Option(metavar="DAYS", help="Remove environments not used for so many days.")] = "30",
    keep: Annotated[
        str, typer.Option(metavar="SIZE", help="Also remove the longest unused until all take no more: 20G.")
    ] = "",
    json: Json = False,
) -> Action:
    """Remove what dnnbox made: dead containers, stale environments. Never what runs, never experiments."""
    return _later("clean", everything=all, older=older, keep=keep, json=json)


@app.command()
def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A name or number: OOM, 42.")], json: Json = False
) -> Action:
    """Say what an exit code means and what to do."""
    return _later("explain", code, json=json)


@app.command()
def skill(
    install: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write it to DIR/dnnbox/SKILL.md, for example .claude/skills.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace one that differs.")] = False,
    json: Json = False,
) -> Action:
    """Print the page that teaches a coding agent to use dnnbox, or install it."""
    return _later("skill", install, force=force, json=json, module="skill")


@app.command()
def schema(name: Annotated[str, typer.Argument(metavar="NAME", help="stats, verdict, inspection, …")] = "") -> Action:
    """Print the JSON Schema of a file that other programs rely on; without a name, list them."""
    return _later("schema", name)


handoff_commands.register(app)
verify_commands.register(app)
