"""Makes a conda channel in a folder, with a relocatable Python from the running interpreter: conda_channel.py FOLDER.

A solver and an installer of conda packages then have something real to work on where no channel can be reached.
Runs in a process of its own, because py-rattler may print a fatal message when Python ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LEFT_OUT = {"test", "tests", "__pycache__", "site-packages", "idlelib", "tkinter", "ensurepip", "lib2to3", "pydoc_data"}
FACTS = {"build": "0", "build_number": 0, "depends": [], "timestamp": 1_700_000_000_000}


def python_files() -> Iterator[tuple[str, Path]]:
    """Yield (path in the package, path here) of what a Python needs to run."""
    base, short = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    yield f"bin/{short}", base / "bin" / short
    for library in sorted((base / "lib").glob("libpython*.so*")):
        yield f"lib/{library.name}", library
    for folder, names, files in os.walk(base / "lib" / short):
        names[:] = sorted(name for name in names if name not in LEFT_OUT and not name.startswith("config-"))
        for name in sorted(files):
            path = Path(folder, name)
            yield path.relative_to(base).as_posix(), path


def relocatable(data: bytes) -> bytes:
    """Return a program that looks for its libpython beside itself, as conda's do, not where it was built."""
    built = f"{sys.base_prefix}/lib".encode() + b"\0"
    return data.replace(built, b"$ORIGIN/../lib".ljust(len(built), b"\0")) if data[:4] == b"\x7fELF" else data


def write_package(file: Path, index: dict[str, Any], contents: dict[str, bytes], links: dict[str, str]) -> None:
    """Write a .tar.bz2 conda package."""
    paths = [entry(name, data) for name, data in contents.items()]
    paths += [{"_path": name, "path_type": "softlink"} for name in links]
    info = {
        "info/index.json": json.dumps(index).encode(),
        "info/files": "".join(f"{each['_path']}\n" for each in paths).encode(),
        "info/paths.json": json.dumps({"paths_version": 1, "paths": paths}).encode(),
    }
    with tarfile.open(file, "w:bz2", compresslevel=1) as tar:
        for name, data in {**info, **contents}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755
            tar.addfile(member, io.BytesIO(data))
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)


def entry(name: str, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"_path": name, "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(data)}


def main(channel: Path) -> None:
    """Make the channel: python for this machine, and an empty pip, which only conda-lock asks for."""
    from rattler.index import index_fs

    version = "{}.{}.{}".format(*sys.version_info)
    subdir = f"linux-{'64' if os.uname().machine == 'x86_64' else os.uname().machine}"
    for name in (subdir, "noarch"):
        (channel / name).mkdir(parents=True)
    machine = {"subdir": subdir, "platform": "linux", "arch": os.uname().machine}
    contents = {name: relocatable(path.read_bytes()) for name, path in python_files() if path.is_file()}
    short = f"python{sys.version_info.major}.{sys.version_info.minor}"
    links = {"bin/python": short, "bin/python3": short}
    contents[f"lib/{short}/site-packages/README.txt"] = b"packages go here\n"
    index = {"name": "python", "version": version, **FACTS, **machine}
    write_package(channel / subdir / f"python-{version}-0.tar.bz2", index, contents, links)
    pip = {"name": "pip", "version": "0", **FACTS, "subdir": "noarch", "noarch": "generic"}
    write_package(channel / "noarch" / "pip-0-0.tar.bz2", pip, {"share/pip.txt": b"nothing\n"}, {})
    asyncio.run(index_fs(channel))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
