"""What a job finds on PATH: programs that libraries start to compile, decode or look at devices; none that installs.

Sources have been seen to call pip and git while they are imported. Standard library only, Python 3.7+.
"""

from __future__ import annotations

import binascii
import os
from typing import List

NAMES = (
    "sh",
    "env",
    "uname",
    "lscpu",
    "ldconfig",
    "cc",
    "c++",
    "gcc",
    "g++",
    "clang",
    "clang++",
    "as",
    "ld",
    "ld.gold",
    "ld.lld",
    "ar",
    "nm",
    "objcopy",
    "objdump",
    "ranlib",
    "strip",
    "ninja",
    "nvcc",
    "ptxas",
    "nvidia-smi",
    "rocminfo",
    "ffmpeg",
    "ffprobe",
    "sox",
    "flac",
    "espeak",
    "espeak-ng",
)
NOWHERE = "/nowhere"
_made: List[str] = []


def only_these() -> None:
    """Make PATH one private folder with links to those programs that are there; a millisecond, before each job."""
    # Not tempfile, whose import takes longer than all of this.
    place = "dnnbox-tools-%s" % binascii.hexlify(os.urandom(8)).decode()
    folder = os.path.join(os.environ.get("TMPDIR") or "/tmp", place)  # noqa: S108 - private
    places = os.environ.get("PATH", "").split(os.pathsep)
    try:
        os.mkdir(folder, 0o700)
        _made.append(folder)
        for name in NAMES:
            path = next((p for p in (os.path.join(place, name) for place in places) if os.access(p, os.X_OK)), None)
            if path is not None:
                os.symlink(path, os.path.join(folder, name))
    except OSError:  # nowhere to write: then there are none
        folder = NOWHERE
    os.environ["PATH"] = folder


def remove() -> None:
    """Leave nothing behind where /tmp is not the box's own, as it is without a sandbox."""
    for folder in _made:
        try:
            for name in os.listdir(folder):
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)
        except OSError:
            continue
