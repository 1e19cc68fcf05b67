"""`dnnbox env`: a checkpoint's environment as files for others. Resolves and locks; installs and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dnnbox import boxes, catalog, environments
from dnnbox.environments import conda, exports, gathering
from dnnbox.environments.exports.base import MADE_BY, Material
from dnnbox.errors import DnnboxError, Usage
from dnnbox.events import Progress
from dnnbox.files import host_errors, write_atomic
from dnnbox.pipeline.prepare import Prepared, prepare
from dnnbox.records.environment import Accelerator, EnvSpec
from dnnbox.records.options import RunOptions
from dnnbox.store import Store
from dnnbox.text import visible

ACCELERATORS = ("cpu", "cuda", "rocm")


@dataclass(frozen=True)
class Exported:
    """What was written below ``folder``, and which formats could not be, with the reason."""

    folder: Path
    files: tuple[str, ...]
    formats: tuple[str, ...]
    lock_sha256: str
    failed: tuple[tuple[str, DnnboxError], ...]


def export(
    options: RunOptions,
    into: Path,
    formats: Sequence[str],
    progress: Progress,
    *,
    accelerator: Accelerator = "cpu",
    python: str | None = None,
) -> Exported:
    """Write the environment of a checkpoint in the given formats; one that cannot be made does not stop the others.

    Raises:
        Usage: an unknown format, or a file is there that dnnbox did not make.
        EnvFailed, NetworkFailed and what :func:`prepare` raises.
    """
    for name in formats:
        exports.FORMATS.get(name)
    store = Store.default()
    prepared = prepare(replace(options, box="venv", device="cpu"), progress, resolve=False, store=store)
    spec = _spec(prepared, accelerator, python)
    progress.begin("resolve", f"{len(spec.requirements)} requirements")
    lock = environments.resolve(spec, store, offline=options.offline, refresh=options.refresh, progress=progress)
    material = gathering.gather(
        spec,
        lock,
        store,
        title=visible(prepared.plan.title, 80),
        imports=catalog.runtime(spec.runtime).imports,
        base_image=spec.base_image,
        offline=options.offline,
    )
    progress.end("resolve", f"{len(lock.packages)} packages, lock {lock.sha256[:6]}")
    material, failed = _with_conda(material, prepared, formats, store)
    made = tuple(name for name in formats if name not in dict(failed))
    if failed and not made:
        raise failed[0][1]
    files = exports.render(material, made)
    _write(into, files)
    return Exported(into, tuple(files), made, lock.sha256, failed)


def _spec(prepared: Prepared, accelerator: Accelerator, python: str | None) -> EnvSpec:
    spec = environments.plan(prepared.dependencies, prepared.workspace, box="venv", device=accelerator, python=python)
    configured = prepared.workspace.settings.get("base-images")
    image = prepared.options.base_image
    if not image and isinstance(configured, dict):
        image = str(configured.get(accelerator) or configured.get("cpu", ""))
    return replace(spec, base_image=boxes.with_digest(image) if image else "")


def _with_conda(
    material: Material, prepared: Prepared, formats: Sequence[str], store: Store
) -> tuple[Material, tuple[tuple[str, DnnboxError], ...]]:
    """Return the material with its conda part; where that fails, the formats that need it with the reason."""
    wanted = [name for name in formats if name in exports.WITH_CONDA]
    if not wanted:
        return material, ()
    channels = conda.channels_of(prepared.workspace)
    offline, only_pixi = prepared.options.offline, wanted == ["pixi"]
    try:
        return gathering.with_conda(material, channels, store, only_pixi=only_pixi, offline=offline), ()
    except DnnboxError as error:
        return material, tuple((name, error) for name in wanted)


def _write(into: Path, files: dict[str, str]) -> None:
    if foreign := next(_foreign(into, files), ""):
        raise Usage(
            f"{into.name}/{foreign} is there already and was not made by dnnbox",
            hint="give an empty or a new folder with -o",
            phase="export",
        )
    for name, text in files.items():
        with host_errors(into):
            (into / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(into / name, text)


def _foreign(into: Path, files: dict[str, str]) -> Iterator[str]:
    for name in files:
        try:
            with (into / name).open("rb") as file:
                first = file.readline(400)
        except FileNotFoundError:
            continue
        except OSError:
            first = b""
        if MADE_BY.encode() not in first:
            yield name
