"""Solves conda packages with py-rattler. Runs as a script in a process of its own: conda_solver.py QUESTION ANSWER.

The question names channels, specs, platform, glibc and cache; the answer holds ``packages`` or ``error``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any


async def solved(question: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the solution's packages, sorted by name."""
    from rattler import BuildString, Gateway, GenericVirtualPackage, PackageName, Version, solve

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


def main(asked: str, answered: str) -> None:
    """Answer one question."""
    question = json.loads(Path(asked).read_text("utf-8"))
    Path(question["cache"]).mkdir(parents=True, exist_ok=True)
    try:
        answer: dict[str, Any] = {"packages": asyncio.run(solved(question))}
    except Exception as error:  # noqa: BLE001 - the library's errors are its own; the caller tells them apart
        answer = {"error": f"{type(error).__name__}: {error}"}
    part = Path(f"{answered}.part")
    part.write_text(json.dumps(answer), "utf-8")
    part.rename(answered)
    os._exit(0)  # the library's threads may abort an orderly end


if __name__ == "__main__":
    main(*sys.argv[1:3])
