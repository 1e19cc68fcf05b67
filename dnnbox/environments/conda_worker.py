"""Does one job with py-rattler, as a script in a process of its own: conda_worker.py QUESTION ANSWER.

The question names its ``job``; the answer holds what that gave under ``found``, or an ``error``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any


async def solved(question: dict[str, Any]) -> list[dict[str, Any]]:
    """Solve; the question names channels, specs, platform, glibc and cache. Return the packages, sorted by name."""
    from rattler import BuildString, Gateway, GenericVirtualPackage, PackageName, Version, solve

    Path(question["cache"]).mkdir(parents=True, exist_ok=True)

    def virtual(name: str, version: str) -> GenericVirtualPackage:
        return GenericVirtualPackage(PackageName(name), version=Version(version), build_string=BuildString("0"))

    system = [virtual("__glibc", question["glibc"])] if question["glibc"] else []
    if question["platform"].startswith("linux"):
        system += [virtual("__linux", "4.18"), virtual("__unix", "0")]
    elif question["platform"].startswith("osx"):
        system += [virtual("__osx", "13.0"), virtual("__unix", "0")]
    records = await solve(
        question["channels"],
        question["specs"],
        gateway=Gateway(cache_dir=question["cache"]),
        platforms=[question["platform"], "noarch"],
        virtual_packages=system,
    )
    return sorted((_entry(record) for record in records), key=lambda entry: str(entry["name"]))


def _entry(record: Any) -> dict[str, Any]:
    return {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "subdir": str(record.subdir),
        "url": str(record.url),
        "sha256": record.sha256.hex() if record.sha256 else "",
        "md5": record.md5.hex() if record.md5 else "",
        "size": record.size,
        "depends": [str(each) for each in record.depends],
    }


async def installed(question: dict[str, Any]) -> int:
    """Install the packages of a lock; the question names lock, prefix and cache. Return how many.

    The library holds every package against its hash in the lock.
    """
    from rattler import LockFile, install

    environment = LockFile.from_path(Path(question["lock"])).default_environment()
    if environment is None:
        raise ValueError("the lock has no environment")
    (platform,) = environment.platforms()
    records = environment.conda_repodata_records_for_platform(platform) or []
    await install(records, Path(question["prefix"]), cache_dir=Path(question["cache"]), show_progress=False)
    return len(records)


def main(asked: str, answered: str) -> None:
    """Answer one question."""
    question = json.loads(Path(asked).read_text("utf-8"))
    job = {"solve": solved, "install": installed}[question["job"]]
    try:
        answer: dict[str, Any] = {"found": asyncio.run(job(question))}
    except Exception as error:  # noqa: BLE001 - the library's errors are its own; the caller tells them apart
        answer = {"error": f"{type(error).__name__}: {error}"}
    part = Path(f"{answered}.part")
    part.write_text(json.dumps(answer), "utf-8")
    part.rename(answered)
    os._exit(0)  # the library's threads may abort an orderly end


if __name__ == "__main__":
    main(*sys.argv[1:3])
