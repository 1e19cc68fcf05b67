"""Experiment → one file that says what it holds and runs elsewhere, with dnnbox or without.

A zip whose members are stored, not compressed: its bytes depend on what is in it and on nothing else (no time, no
machine, no zlib), a reader needs no decompressor, and so there is no bomb to build. Weights do not compress anyway.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnnbox import catalog, codec, environments
from dnnbox.environments import exports, gathering
from dnnbox.environments.exports import uv_project
from dnnbox.errors import BadOutput, IntegrityFailed, Internal, Usage
from dnnbox.files import host_errors, sha256_file
from dnnbox.handoff.experiments import Opened, open_experiment
from dnnbox.handoff.manifest import (
    MANIFEST,
    ROOT,
    SUMS,
    Environment,
    Expected,
    Manifest,
    Member,
    digest_of,
    lock_digest,
    lock_of,
    tolerance,
)
from dnnbox.pipeline.inspecting import identified, local_path
from dnnbox.records.dependencies import Dependencies
from dnnbox.records.environment import EnvSpec, Lock
from dnnbox.text import visible

TEMPLATES = Path(__file__).parent / "templates"
LEFT_OUT = frozenset({".lock", ".gitignore", ".git", "__pycache__", "again"})
_EPOCH = (1980, 1, 1, 0, 0, 0)
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Bundled:
    """The file that was written. ``digest`` is the manifest's: who has it by another way can check the whole file."""

    file: str
    digest: str
    size_bytes: int
    members: int
    weights: str
    missing_wheels: tuple[str, ...]
    schema: str = "dnnbox.bundled/1"


def bundle(
    root: Path, into: Path, *, workspace: Path, checkpoint: Path | None = None, with_wheels: bool = False
) -> Bundled:
    """Write the bundle of an experiment; ``checkpoint`` puts the weights in.

    ``with_wheels`` puts wheels in that no index has (those from a find-links folder).

    Raises:
        Usage: not an experiment that ran in an environment of dnnbox's own, or ``into`` is there and no file.
        IntegrityFailed: the checkpoint is not the experiment's.
        HostFull, HostPermission: the file cannot be written.
    """
    if into.exists() and not into.is_file():  # a directory, or a device that root would replace
        raise Usage(f"{visible(str(into), 120)} is not a file", hint="give a file name: `-o NAME.zip`", phase="bundle")
    opened = open_experiment(root)
    spec, lock = environment_of(opened, workspace)
    wheels = tuple(gathering.provided_wheels(spec, lock))
    content: dict[str, bytes | Path] = dict(_files(root))
    content |= {name: text.encode() for name, text in _environment_files(opened, spec, lock, wheels).items()}
    if with_wheels:
        content |= {f"environment/wheels/{path.name}": path for path, _ in wheels}
    weights = ""
    if checkpoint is not None:
        weights = f"weights/{checkpoint.name}"
        content |= _weights(opened, checkpoint)
    members = {name: _member(data) for name, data in sorted(content.items())}
    manifest = _manifest(opened, spec, lock, members, weights)
    text = codec.dumps(manifest)
    sums = "".join(f"{member.sha256}  {name}\n" for name, member in members.items())
    content[MANIFEST] = text.encode()
    content[SUMS] = sums.encode()
    _write(into, content)
    missing = () if with_wheels else tuple(path.name for path, _ in wheels)
    return Bundled(str(into), digest_of(text), into.stat().st_size, len(content), weights, missing)


def environment_of(opened: Opened, workspace: Path) -> tuple[EnvSpec, Lock]:
    """Return what the experiment ran in, so that it can be made again.

    Raises:
        Usage: it ran in the workspace's own environment, which has no lock.
        BadOutput: the results do not belong together.
    """
    outputs = opened.outputs
    record, place = outputs.environment, opened.root / "outputs" / "requirements.lock"
    if record is None or not record.lock_sha256 or not place.is_file():
        raise Usage(
            f"{opened.name} ran in an environment that dnnbox did not lock, so nobody could make it again",
            hint="run it with `--box venv` or in a container, then bundle that",
            phase="bundle",
        )
    text, python = place.read_text("utf-8"), ".".join(record.python.split(".")[:2])
    dependencies = outputs.dependencies or Dependencies(str(outputs.params.get("runtime", "")), ())
    device = outputs.index.device
    accelerator: Any = "cpu" if device == "cpu" else "mps" if device == "mps" else "cuda"
    spec = environments.plan(
        dependencies,
        environments.detect(workspace),
        box="venv",
        device=accelerator,
        python=python,
        platform=_platform(text, python, record.lock_sha256),
    )
    lock = lock_of(text, python, spec.platform)
    return spec, lock


def _platform(text: str, python: str, wanted: str) -> str:
    """Return the platform that the lock is for: the one that its hash was made with."""
    host = environments.platform_of_host()
    machine = host.partition("-")[0]
    candidates = (host, *(f"{machine}-manylinux_2_{minor}" for minor in range(17, 60)))
    found = next((each for each in candidates if lock_digest(text, python, each) == wanted), "")
    if not found:
        raise BadOutput(
            "outputs/requirements.lock is not the lock that outputs/environment.json names",
            hint="run the experiment again",
            phase="bundle",
        )
    return found


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield every regular file of the experiment by its relative name; links are left out, never followed."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in LEFT_OUT and not Path(folder, name).is_symlink())
        for name in sorted(files):
            path = Path(folder, name)
            if name not in LEFT_OUT and not name.endswith((".pyc", ".part")) and stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(root).as_posix(), path


def _environment_files(
    opened: Opened, spec: EnvSpec, lock: Lock, wheels: tuple[tuple[Path, str], ...]
) -> dict[str, str]:
    """Return the environment for people without dnnbox, the script that runs it and the one that compares."""
    record = opened.outputs.environment
    assert record is not None
    image = record.base_image
    if image and record.base_image_digest.startswith("sha256:") and "@" not in image and "/" in image:
        image = f"{image}@{record.base_image_digest}"
    material = gathering.drafted(
        spec,
        lock,
        wheels,
        title=visible(opened.outputs.index.checkpoint, 80),
        imports=catalog.runtime(spec.runtime).imports,
        base_image=image,
    )
    files = dict(exports.FORMATS.get("dockerfile")(material))
    files["pyproject.toml"] = uv_project.project(material)
    placed = {f"environment/{name}": text for name, text in files.items()}
    facts = {
        "python": spec.python,
        "name": f"dnnbox-bundle-{opened.name}",
        "checkpoint": opened.outputs.index.checkpoint,
    }
    script = (TEMPLATES / "run.sh.txt").read_text("utf-8")
    for key, value in facts.items():
        script = script.replace(f"@{key}@", _shell_word(value))
    placed["run.sh"] = script
    placed["verify.py"] = (TEMPLATES / "verify.py.txt").read_text("utf-8")
    placed["BUNDLE.md"] = (TEMPLATES / "BUNDLE.md.txt").read_text("utf-8")
    return placed


def _shell_word(value: str) -> str:
    """Return a value that may stand between single quotes."""
    return visible(value, 120).replace("'", "'\\''")


def _weights(opened: Opened, checkpoint: Path) -> dict[str, bytes | Path]:
    path = local_path(str(checkpoint))
    found = identified(path, with_hash=True)
    wanted = opened.outputs.index.identities.get("checkpoint")
    if wanted != f"sha256:{found.sha256}":
        raise IntegrityFailed(
            f"{visible(path.name, 60)} is not the checkpoint of {opened.name}: sha256 {str(found.sha256)[:12]}, "
            f"expected {str(wanted).removeprefix('sha256:')[:12]}",
            hint="give the checkpoint that the experiment was run with",
            phase="bundle",
        )
    if path.is_dir():
        return {f"weights/{path.name}/{name}": file for name, file in _files(path)}
    companions = {f"weights/{name}": path.parent / name for name in found.companions}
    return {f"weights/{path.name}": path.resolve(), **companions}


def _member(data: bytes | Path) -> Member:
    if isinstance(data, bytes):
        return Member(hashlib.sha256(data).hexdigest(), len(data))
    return Member(sha256_file(data), data.stat().st_size)


def _manifest(opened: Opened, spec: EnvSpec, lock: Lock, members: Mapping[str, Member], weights: str) -> Manifest:
    outputs, index = opened.outputs, opened.outputs.index
    record = outputs.environment
    assert record is not None
    inspection = json.loads((opened.root / "outputs" / "inspection.json").read_bytes())
    environment = Environment(
        runtime=spec.runtime,
        python=spec.python,
        platform=spec.platform,
        accelerator=spec.accelerator,
        requirements=spec.requirements,
        lock_sha256=lock.sha256,
        packages=record.packages,
        box=record.box,
        base_image=record.base_image,
    )
    return Manifest(
        experiment=index.id,
        checkpoint=index.checkpoint,
        checkpoint_kind=str(inspection.get("kind", "file")),
        checkpoint_sha256=str(index.identities.get("checkpoint") or "").removeprefix("sha256:"),
        environment=environment,
        outputs=tuple(_expected(opened, members)),
        members=members,
        weights=weights,
        dnnbox_version=index.dnnbox_version,
        created_utc=index.created_utc,
        command=index.command,
        provenance=index.provenance,
    )


def _expected(opened: Opened, members: Mapping[str, Member]) -> Iterator[Expected]:
    """Yield the outputs of the verified inference, as the box itself recorded them."""
    place = next(iter(sorted((opened.root / "outputs" / "jobs").glob("*-infer/result.json"), reverse=True)), None)
    if place is None:
        raise Usage(f"{opened.name} has no verified output to compare with", phase="bundle")
    precision = opened.outputs.stats.precision or "fp32"
    for array in json.loads(place.read_bytes()).get("arrays", ()):
        if array.get("role") != "output":
            continue
        kept = f"outputs/arrays/{Path(str(array['path'])).name}"
        rtol, atol = tolerance(precision, array)
        shape = tuple(int(size) for size in array["shape"])
        path = kept if kept in members else ""
        yield Expected(str(array["name"]), str(array["dtype"]), shape, str(array["sha256"]), path, rtol, atol)


def _write(into: Path, content: Mapping[str, bytes | Path]) -> None:
    """Write the members in the order of their names, the manifest first, each with the same time and rights."""
    part = into.with_name(f".{into.name}.part")
    order = (MANIFEST, *(name for name in sorted(content) if name != MANIFEST))
    with host_errors(into):
        into.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
                for name in order:
                    _add(archive, name, content[name])
            part.replace(into)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _add(archive: zipfile.ZipFile, name: str, data: bytes | Path) -> None:
    info = zipfile.ZipInfo(f"{ROOT}/{name}", _EPOCH)
    info.create_system = 3
    rights = 0o755 if name == "run.sh" else 0o644
    info.external_attr = (stat.S_IFREG | rights) << 16
    info.file_size = len(data) if isinstance(data, bytes) else data.stat().st_size
    with archive.open(info, "w") as target:
        if isinstance(data, bytes):
            target.write(data)
            return
        with data.open("rb") as source:
            while block := source.read(_BLOCK):
                target.write(block)
    if archive.getinfo(info.filename).file_size != info.file_size:
        raise Internal(f"{name} changed while it was bundled", phase="bundle")
