"""A bundle → the same run here: environment from its lock, requests as they were sent, outputs and timings compared."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dnnbox import __version__, boxes, codec, environments
from dnnbox.boxes.base import HARNESS_DIR, Box
from dnnbox.errors import (
    ConsentNeeded,
    Corrupt,
    DnnboxError,
    IntegrityFailed,
    RunFailed,
    TimedOut,
    Unsupported,
    Usage,
)
from dnnbox.events import Progress
from dnnbox.experiment import default_root, slug
from dnnbox.files import host_errors, write_atomic
from dnnbox.handoff import manifest as manifests
from dnnbox.handoff import replay_report, tensors, timings
from dnnbox.handoff.explaining import Facts, causes
from dnnbox.handoff.manifest import REQUIREMENTS, Manifest
from dnnbox.handoff.replay_report import Replayed
from dnnbox.handoff.unpacking import Unpacked, remove, unpack
from dnnbox.harness import protocol
from dnnbox.harness.protocol import RunRequest
from dnnbox.pipeline.inspecting import identified, local_path
from dnnbox.records.dependencies import Dependencies
from dnnbox.records.environment import EnvSpec, Limits, Lock, Mount
from dnnbox.records.run import RunOutcome
from dnnbox.reports.outputs import Outputs, load
from dnnbox.store import Store
from dnnbox.text import visible

CONTAINERS = ("docker", "podman")
_MOST_PROCESSES = 8


@dataclass(frozen=True)
class Wanted:
    """What the user asked for. ``digest`` is the manifest's sha256, where the user has it from elsewhere."""

    bundle: Path
    workspace: Path
    checkpoint: Path | None = None
    source: Path | None = None
    box: str = "auto"
    base_image: str = ""
    device: str = ""
    consented: bool = False
    offline: bool = False
    digest: str = ""
    out: Path | None = None
    timeout_s: float = 1800.0
    strict_timings: bool = False


@dataclass(frozen=True)
class Ready:
    """A bundle that was checked and not yet run: what a person is asked about."""

    wanted: Wanted
    unpacked: Unpacked
    folder: Path
    outputs: Outputs
    checkpoint: Path
    spec: EnvSpec
    lock: Lock
    box: str
    box_reason: str

    @property
    def manifest(self) -> Manifest:
        return self.unpacked.manifest


def prepare(wanted: Wanted) -> Ready:
    """Unpack and check a bundle; nothing of it runs, nothing is installed.

    Raises:
        IntegrityFailed: the bundle or the checkpoint is not what it should be.
        Corrupt, InputLimit, NotReadable: it is no bundle.
        Usage: the checkpoint is needed and was not given.
    """
    folder = wanted.out or default_root(wanted.workspace, f"replay-{slug(wanted.bundle.stem)}")
    if folder.exists() and any(folder.iterdir()):
        raise Usage(f"--out {folder.name} is not empty", hint="give a directory that does not exist yet")
    try:
        with host_errors(folder):
            (folder / "bundle").mkdir(parents=True, exist_ok=True)
            write_atomic(folder / ".gitignore", "*\n")
        return _ready(wanted, folder)
    except BaseException:
        remove(folder)
        raise


def _ready(wanted: Wanted, folder: Path) -> Ready:
    unpacked = unpack(wanted.bundle, folder / "bundle", digest=wanted.digest)
    manifest, root = unpacked.manifest, unpacked.root
    checkpoint = _checkpoint(wanted, manifest, root)
    place = root / REQUIREMENTS
    if not place.is_file():
        raise Corrupt(f"the bundle has no {REQUIREMENTS}", phase="replay")
    lock = manifests.lock_of(place.read_text("utf-8"), manifest.environment.python, manifest.environment.platform)
    box, reason = _box(wanted, manifest)
    outputs = load(root)
    return Ready(wanted, unpacked, folder, outputs, checkpoint, _spec(wanted, manifest, outputs), lock, box, reason)


def _checkpoint(wanted: Wanted, manifest: Manifest, root: Path) -> Path:
    if wanted.checkpoint is not None:
        path = local_path(str(wanted.checkpoint))
    elif manifest.weights:
        path = root / manifest.weights
    else:
        raise Usage(
            f"the weights are not in this bundle; it needs {visible(manifest.checkpoint, 80)} "
            f"(sha256 {manifest.checkpoint_sha256[:12]})",
            hint="give them with --checkpoint PATH",
            phase="replay",
        )
    found = identified(path, with_hash=True).sha256
    if found != manifest.checkpoint_sha256:
        raise IntegrityFailed(
            f"{visible(path.name, 80)} has sha256 {str(found)[:12]}, the bundle was made with "
            f"{manifest.checkpoint_sha256[:12]}",
            hint="give the checkpoint that the experiment was run with",
            phase="replay",
        )
    return path


def _box(wanted: Wanted, manifest: Manifest) -> tuple[str, str]:
    """Return the box: the same kind as before where this machine has it."""
    if wanted.box != "auto":
        return boxes.choose(wanted.box, workspace=environments.detect(wanted.workspace))
    before = manifest.environment.box
    if before in CONTAINERS and boxes.engine_answers(before):
        return before, "as before"
    return "venv", "as before" if before == "venv" else f"the experiment ran in {before}, which is not here"


def _spec(wanted: Wanted, manifest: Manifest, outputs: Outputs) -> EnvSpec:
    """Return the environment with this machine's indexes: those of the one who bundled are none of its business."""
    environment = manifest.environment
    device: Any = environment.accelerator
    if device not in ("cpu", "cuda", "rocm", "mps"):
        raise Corrupt(f"the bundle is for the accelerator {visible(device, 40)}", phase="replay")
    spec = environments.plan(
        outputs.dependencies or Dependencies(environment.runtime, ()),
        environments.detect(wanted.workspace),
        box="venv",
        device=device,
        python=environment.python,
        platform=environment.platform,
    )
    return replace(spec, base_image=wanted.base_image or environment.base_image)


def replay(ready: Ready, progress: Progress) -> Replayed:
    """Rebuild, rerun, compare; the answer and its report are written into the replay's folder.

    Raises:
        ConsentNeeded: nobody said that the bundle may be run here.
        DnnboxError: the environment cannot be made, or the model does not run.
    """
    if not ready.wanted.consented:
        raise ConsentNeeded(
            f"replaying installs {len(ready.lock.packages)} packages and runs the bundle's model and code",
            hint="look at the bundle, then run again with `--yes`",
            phase="replay",
        )
    start = time.monotonic()
    store = Store.default()
    progress.begin("environment")
    opened = _open(ready, store, progress)
    progress.end(
        "environment", f"{len(ready.lock.packages)} packages, lock {ready.lock.sha256[:6]}", time.monotonic() - start
    )
    with opened as box:
        outcomes = _Rerun(ready, box, progress).run()
        sandbox = box.sandbox
    answer = _compared(ready, outcomes, sandbox)
    write_atomic(ready.folder / "replay.json", codec.dumps(answer))
    write_atomic(ready.folder / "replay.md", replay_report.markdown_report(answer))
    return answer


def _open(ready: Ready, store: Store, progress: Progress) -> AbstractContextManager[Box]:
    wanted, manifest = ready.wanted, ready.manifest
    root = ready.unpacked.root.resolve()
    checkpoint = ready.checkpoint.resolve()
    mounts = [Mount(str(root), "/dnnbox/bundle"), Mount(str(checkpoint), f"/dnnbox/checkpoint/{checkpoint.name}")]
    inspection = ready.outputs.inspection
    for name in inspection.companions if inspection else ():
        beside = checkpoint.parent / Path(name).name
        if beside.is_file():
            mounts.append(Mount(str(beside), f"/dnnbox/checkpoint/{beside.name}"))
    if wanted.source is not None:
        mounts.append(Mount(str(wanted.source.resolve()), "/dnnbox/source"))
    limits = Limits(memory_bytes=boxes.default_memory_bytes())
    device = wanted.device or ready.outputs.index.device or "cpu"
    log = ready.folder / "environment.log"
    own = root / "scripts" / "dnnbox_harness"
    harness = own if (own / "main.py").is_file() else HARNESS_DIR
    if ready.box in CONTAINERS:
        image = ready.spec.base_image or boxes.DEFAULT_IMAGE
        if boxes.image_python(ready.box, image) != manifest.environment.python:
            raise Unsupported(
                f"the image {visible(image, 80)} has not Python {manifest.environment.python}, which the lock is for",
                hint="name another with `--base-image`, or use `--box venv`",
                phase="replay",
            )
        interpreter = boxes.make_container_env(
            ready.box, image, ready.spec, ready.lock, store, offline=wanted.offline, progress=progress, log=log
        )
        return boxes.open_container(
            ready.box, image, interpreter, mounts, limits, device=device, store=store, harness_dir=harness
        )
    python = environments.realise(ready.spec, ready.lock, store, offline=wanted.offline, progress=progress, log=log)
    return boxes.open_venv(python, mounts, limits, device=device, sandbox="auto", harness_dir=harness)


class _Rerun:
    """Sends the bundle's requests again."""

    def __init__(self, ready: Ready, box: Box, progress: Progress) -> None:
        self.ready, self.box, self.progress = ready, box, progress
        self.deadline = time.monotonic() + ready.wanted.timeout_s
        self.outcomes: list[RunOutcome] = []

    def run(self) -> list[RunOutcome]:
        """infer, then as many cold starts and timed processes as the experiment had."""
        stats = self.ready.outputs.stats
        self._job("infer")
        for _ in range(min(_MOST_PROCESSES, stats.cold.processes - stats.warm.processes)):
            self._job("cold")
        for _ in range(min(_MOST_PROCESSES, stats.warm.processes)):
            self._job("measure")
        return self.outcomes

    def _job(self, job: str) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(f"{job}: the time limit is used up", hint="raise `--timeout`", phase="replay")
        self.progress.begin(job)
        number = len(self.outcomes) + 1
        place = self.ready.folder / "jobs" / f"{number:02d}-{job}"
        place.mkdir(parents=True, exist_ok=True)
        outcome = self.box.run(self._request(job), place, timeout_s=left)
        outcome = replace(outcome, settings={**outcome.settings, "batch_size": self.ready.outputs.stats.batch})
        self.outcomes.append(outcome)
        error = boxes.error_of(outcome, Limits(memory_bytes=boxes.default_memory_bytes()), self.ready.wanted.timeout_s)
        if error is not None:
            error.phase = job
            self.progress.fail(job, error.name)
            raise error
        self.progress.end(job, "", outcome.wall_s)

    def _request(self, job: str) -> RunRequest:
        place = self.ready.unpacked.root / "scripts" / "requests" / f"{job}.json"
        places = {
            "@checkpoint": self.box.path(self.ready.checkpoint.resolve()),
            "@experiment": self.box.path(self.ready.unpacked.root.resolve()),
        }
        if self.ready.wanted.source is not None:
            places["@source"] = self.box.path(self.ready.wanted.source.resolve())
        try:
            document = filled(json.loads(place.read_bytes()), places)
            request = protocol.decode(RunRequest, document)
        except (OSError, ValueError, RecursionError, protocol.ProtocolError) as error:
            raise Corrupt(f"scripts/requests/{job}.json is no request: {error}", phase="replay") from error
        if "@source" in request.sys_path:
            raise Usage(
                "the model's source was too large for the experiment, so it is not in the bundle",
                hint="give it with --source PATH",
                phase="replay",
            )
        return replace(request, device=self.ready.wanted.device or request.device)


def filled(value: Any, places: Mapping[str, str]) -> Any:
    """Return JSON values with the placeholders of :mod:`dnnbox.reports.scripts` replaced by paths in the box."""
    if isinstance(value, dict):
        return {key: filled(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, places) for item in value]
    if isinstance(value, str):
        for place, path in places.items():
            if value == place or value.startswith(f"{place}/"):
                return path + value[len(place) :]
    return value


def _compared(ready: Ready, outcomes: Sequence[RunOutcome], sandbox: str) -> Replayed:
    manifest, before = ready.manifest, ready.outputs
    first = outcomes[0]
    if first.result is None:
        raise RunFailed("the box did not answer", phase="replay")
    compared = tensors.compare(manifest.outputs, ready.unpacked.root, first.result.arrays, first.files)
    now = Facts(
        packages=first.result.packages,
        machine=first.result.machine,
        effective=first.result.effective,
        python=first.result.python,
        box=ready.box,
        sandbox=sandbox.partition(":")[0],
        dnnbox=__version__,
    )
    found = causes(_facts(ready), now)
    try:
        timing = timings.compare(ready.unpacked.root, before, outcomes, now)
    except DnnboxError as error:
        timing = timings.Timing("not compared", error.what)
    packages = [cause for cause in found if cause.what.startswith("package ")]
    broken = ready.lock.sha256 != manifest.environment.lock_sha256
    is_different = any(each.verdict == "different" for each in compared)
    timing_differs = ready.wanted.strict_timings and timing.verdict in ("slower", "faster")
    return Replayed(
        experiment=manifest.experiment,
        manifest_sha256=ready.unpacked.digest,
        checkpoint=visible(manifest.checkpoint, 120),
        folder=str(ready.folder.name),
        same=not (is_different or packages or broken or timing_differs),
        outputs=compared,
        timing=timing,
        causes=found,
        lock_changed=broken,
    )


def _facts(ready: Ready) -> Facts:
    outputs, record = ready.outputs, ready.outputs.environment
    effective = outputs.params.get("effective")
    return Facts(
        packages=ready.manifest.environment.packages,
        machine=record.machine if record else {},
        effective=effective if isinstance(effective, Mapping) else {},
        python=record.python if record else "",
        box=record.box if record else "",
        sandbox=record.sandbox.partition(":")[0] if record else "",
        dnnbox=ready.manifest.dnnbox_version,
    )
