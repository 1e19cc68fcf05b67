"""Installs the conda packages of a pixi.lock with py-rattler, in a process of its own: conda_installer.py ORDER ANSWER.

The order names lock, prefix and cache; the answer holds ``installed``, the number of packages, or ``error``. The
library holds every package against its hash in the lock.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any


async def installed(order: dict[str, Any]) -> int:
    """Install, and return how many packages."""
    from rattler import LockFile, install

    environment = LockFile.from_path(Path(order["lock"])).default_environment()
    if environment is None:
        raise ValueError("the lock has no environment")
    (platform,) = environment.platforms()
    records = environment.conda_repodata_records_for_platform(platform) or []
    await install(records, Path(order["prefix"]), cache_dir=Path(order["cache"]), show_progress=False)
    return len(records)


def main(ordered: str, answered: str) -> None:
    """Carry out one order."""
    order = json.loads(Path(ordered).read_text("utf-8"))
    try:
        answer: dict[str, Any] = {"installed": asyncio.run(installed(order))}
    except Exception as error:  # noqa: BLE001 - the library's errors are its own; the caller tells them apart
        answer = {"error": f"{type(error).__name__}: {error}"}
    part = Path(f"{answered}.part")
    part.write_text(json.dumps(answer), "utf-8")
    part.rename(answered)
    os._exit(0)  # the library's threads may abort an orderly end


if __name__ == "__main__":
    main(*sys.argv[1:3])
