"""Python from conda channels: by pixi where it is installed, else by py-rattler, its engine, in a child process."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dnnbox import process, uv
from dnnbox.environments import conda_worker, pixi
from dnnbox.environments.exports import pixi as pixi_export
from dnnbox.environments.exports.base import (
    WHEELS,
    Material,
    conda_platform,
    without_credentials,
)
from dnnbox.errors import DnnboxError, EnvFailed, IntegrityFailed, NetworkFailed
from dnnbox.files import sha256_file
from dnnbox.records.environment import CondaPackage, CondaSolution, EnvSpec, Workspace
from dnnbox.scratch import scratch
from dnnbox.store import Store
from dnnbox.text import redact, visible

DEFAULT_CHANNELS = ("conda-forge",)
_TIMEOUT_S = 300.0
_GLIBC = {"manylinux_2_17": "2.17", "manylinux_2_28": "2.28"}


def channels_of(workspace: Workspace) -> tuple[str, ...]:
    """Return the conda channels: dnnbox's settings, else the pixi manifest's; names, URLs or local folders."""
    configured = workspace.settings.get("channels") or pixi.channels(workspace) or DEFAULT_CHANNELS
    return (configured,) if isinstance(configured, str) else tuple(str(name) for name in configured)


def solve(
    spec: EnvSpec, channels: Sequence[str], store: Store, *, offline: bool, phase: str = "export"
) -> CondaSolution:
    """Return Python and pip as the channels provide them.

    Raises:
        NetworkFailed: no channel was reached.
        EnvFailed: there is no solver, or no solution.
    """
    remote = [name for name in channels if folder_of(name) is None]
    if offline and remote:
        raise NetworkFailed(
            f"the conda channel {_shown(remote[0])} is on the network, and --offline is set", phase=phase
        )
    _require_rattler(phase)
    question = {
        "job": "solve",
        "channels": [_address(name) for name in channels],
        "specs": [f"python {spec.python}.*", "pip"],
        "platform": conda_platform(spec.platform),
        "glibc": next((version for key, version in _GLIBC.items() if spec.platform.endswith(key)), ""),
        "cache": str(store.conda / "channels"),
    }
    places = _places(channels)
    packages = tuple(_package(entry, places) for entry in _found(question, channels, phase))
    return CondaSolution(tuple(_public(name, places) for name in channels), packages)


def install(
    solution: CondaSolution, material: Material, channels: Sequence[str], prefix: Path, store: Store, *, offline: bool
) -> None:
    """Install the solution into ``prefix``, which must be its final place; each package is held against its hash.

    Raises:
        NetworkFailed: a package is not cached, and the channel was not reached.
        IntegrityFailed: a package is not the one that was locked.
        EnvFailed: anything else.
    """
    _require_rattler("environment")
    addressed = _addressed(solution, channels)
    _check_folders(addressed)
    with scratch() as folder:
        (folder / "pixi.lock").write_text(pixi_export.lock(material, addressed), "utf-8")
        question = {
            "job": "install",
            "lock": str(folder / "pixi.lock"),
            "prefix": str(prefix),
            "cache": str(store.conda / "packages"),
        }
        _found(question, channels, "environment", offline=offline)


def _check_folders(solution: CondaSolution) -> None:
    """Hold packages of channels on this machine against their hashes: the library takes those as they are."""
    for package in solution.packages:
        file = folder_of(package.url)
        if file is not None and sha256_file(file) != package.sha256:
            raise IntegrityFailed(
                f"the conda package {package.name} {package.version} is not the one that was locked",
                hint="index the channel again, then `--refresh`",
                phase="environment",
            )


def _addressed(solution: CondaSolution, channels: Sequence[str]) -> CondaSolution:
    """Return the solution with the real places of channels on this machine instead of the relative ones."""
    real = {place: address for address, place in _places(channels).items()}

    def url(text: str) -> str:
        place = next((each for each in real if text == each or text.startswith(f"{each}/")), None)
        return text if place is None else real[place] + text[len(place) :]

    packages = tuple(replace(package, url=url(package.url)) for package in solution.packages)
    return CondaSolution(tuple(map(url, solution.channels)), packages)


def locked_by_pixi(program: Path, material: Material, channels: Sequence[str], wheels: Sequence[Path]) -> CondaSolution:
    """Return what pixi itself locks for the manifest; ``wheels`` are the files that are on no index.

    Raises:
        EnvFailed, NetworkFailed: pixi could not.
    """
    places = _places(channels)
    public = tuple(_public(name, places) for name in channels)
    with scratch() as project:
        (project / WHEELS).mkdir()
        for path in wheels:
            (project / WHEELS / path.name).symlink_to(path)
        for address, place in places.items():
            (project / place).symlink_to(unquote(urlsplit(address).path))
        (project / "pixi.toml").write_text(pixi_export.manifest(material, public), "utf-8")
        argv = [str(program), "lock", "--manifest-path", str(project / "pixi.toml")]
        ended = process.run(argv, timeout_s=_TIMEOUT_S, cwd=project)
        if ended.timed_out or ended.returncode != 0:
            raise _failed(ended.stderr[-400:] or "pixi gave no answer", channels, "export")
        return CondaSolution(public, (), (project / "pixi.lock").read_text("utf-8"))


def _require_rattler(phase: str) -> None:
    if importlib.util.find_spec("rattler") is None:
        raise EnvFailed(
            "conda channels need py-rattler, pixi's engine, which is not installed",
            hint=f"`pip install 'dnnbox[conda]'`, or {_other(phase)}",
            phase=phase,
        )


def _other(phase: str) -> str:
    return "leave out the formats pixi and conda-lock" if phase == "export" else "use `--box venv`"


def _found(question: Mapping[str, object], channels: Sequence[str], phase: str, *, offline: bool = False) -> Any:
    """Ask py-rattler. What counts is its answer: the library may print a fatal message when Python ends.

    It knows no switch against the network.
    """
    with scratch() as folder:
        asked, answered = folder / "question.json", folder / "answer.json"
        asked.write_text(json.dumps(question), "utf-8")
        argv = [sys.executable, "-I", "-B", str(conda_worker.__file__), str(asked), str(answered)]
        ended = process.run(argv, timeout_s=_TIMEOUT_S, env=uv.unreachable() if offline else None)
        if ended.timed_out:
            raise NetworkFailed(f"the channels gave no answer within {_TIMEOUT_S:g} s", phase=phase)
        answer: dict[str, Any] = (
            json.loads(answered.read_text("utf-8")) if answered.is_file() else {"error": ended.stderr[-400:]}
        )
    if "error" in answer:
        raise _failed(str(answer["error"]), channels, phase)
    return answer["found"]


def _failed(words: str, channels: Sequence[str], phase: str) -> DnnboxError:
    what = f"Python from {', '.join(_shown(name) for name in channels)}"
    said = visible(redact(" ".join(words.split())), 200)
    if any(word in words.lower() for word in ("hash mismatch", "hash of", "checksum", "sha256")):
        return IntegrityFailed(f"{what}: a package is not the one that was locked: {said}", phase=phase)
    if any(
        word in words.lower() for word in ("fetch", "request", "connect", "dns", "http", "certificate", "timed out")
    ):
        hint = f"name a channel that can be reached in [tool.dnnbox] channels, or {_other(phase)}"
        return NetworkFailed(f"{what}: the channel was not reached: {said}", hint=hint, phase=phase)
    return EnvFailed(f"{what}: {said}", hint="name another channel in [tool.dnnbox] channels", phase=phase)


def _shown(name: str) -> str:
    return visible(redact(name), 80)


def folder_of(name: str) -> Path | None:
    """Return the folder of a channel on this machine, else None."""
    is_local = urlsplit(name).scheme == "file" or name.startswith((".", "/", "~"))
    found = uv.local_path(name) if is_local else None
    return None if found is None else found.expanduser()


def _address(name: str) -> str:
    folder = folder_of(name)
    return name if folder is None else folder.resolve().as_uri()


def _places(channels: Sequence[str]) -> dict[str, str]:
    """Return for each channel on this machine the relative folder that stands for it in the exported files."""
    local = [_address(name) for name in channels if folder_of(name) is not None]
    return {address: "./channel" if number == 0 else f"./channel-{number}" for number, address in enumerate(local)}


def _public(name: str, places: Mapping[str, str]) -> str:
    """Return a channel as others may read it: relative for a folder, without credentials for a URL."""
    if folder_of(name) is not None:
        return places[_address(name)]
    return without_credentials(name) if "://" in name else name


def _package(entry: Mapping[str, object], places: Mapping[str, str]) -> CondaPackage:
    url = str(entry["url"])
    for address, place in places.items():
        if url.startswith(f"{address}/"):
            url = place + url[len(address) :]
    size = entry["size"]
    depends = entry["depends"]
    return CondaPackage(
        name=str(entry["name"]),
        version=str(entry["version"]),
        build=str(entry["build"]),
        subdir=str(entry["subdir"]),
        url=url if url.startswith("./") else without_credentials(url),
        sha256=str(entry["sha256"]),
        md5=str(entry["md5"]),
        size_bytes=size if isinstance(size, int) else None,
        depends=tuple(map(str, depends)) if isinstance(depends, list) else (),
    )
