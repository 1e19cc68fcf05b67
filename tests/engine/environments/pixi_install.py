"""Installs the conda part of a pixi.lock with py-rattler, as pixi would: pixi_install.py FOLDER PREFIX."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path


async def main(folder: Path, prefix: Path) -> None:
    """Install; print the PyPI packages of the lock, so that the caller can compare them."""
    from rattler import LockFile, install

    lock = LockFile.from_path(folder / "pixi.lock")
    environment = lock.default_environment()
    assert environment is not None
    (platform,) = environment.platforms()
    records = environment.conda_repodata_records_for_platform(platform) or []
    os.chdir(folder)
    await install(records, prefix, show_progress=False, cache_dir=prefix.parent / "conda-cache")
    pypi = environment.pypi_packages_for_platform(platform) or []
    print(json.dumps({package.name: str(package.version) for package in pypi}))


if __name__ == "__main__":
    asyncio.run(main(*map(Path, sys.argv[1:3])))
    sys.stdout.flush()
    os._exit(0)
