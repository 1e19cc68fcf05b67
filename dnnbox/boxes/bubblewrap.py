"""The command line of bubblewrap for one job: a root made of pieces, nothing of the user's in it, nothing writable.

Source: bwrap(1). Options that are younger than bubblewrap 0.4 are used where ``--help`` lists them.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dnnbox import process
from dnnbox.boxes.base import ENV, HOME, RUN
from dnnbox.records.environment import Limits, Mount
from dnnbox.text import visible

UID = GID = 1000
"""Who the job is inside. Outside it stays the caller, so that its files are the caller's, without any privilege."""

_SYSTEM = tuple(Path("/", name) for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"))
_ETC = (
    "alternatives",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "OpenCL",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
    "vulkan",
)
"""What programs read of /etc to run at all; no names of users, hosts or networks among it."""

_ORDERS = ("acpi", "asound", "bus", "fs", "irq", "mtrr", "scsi", "sys", "sysrq-trigger")
"""Under /proc: there the kernel takes orders from whoever owns the file, root's job without capabilities included."""

_PASSWD = f"root:x:0:0::/:/bin/false\ndnnbox:x:{UID}:{GID}::{HOME}:/bin/false\nnobody:x:65534:65534::/:/bin/false\n"
ETC_FILES = {
    "passwd": _PASSWD,
    "group": f"root:x:0:\ndnnbox:x:{GID}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
"""Made for the box: libraries ask who they are and what localhost is."""


@dataclass(frozen=True)
class Bubblewrap:
    """The installed program. ``options`` are the long options that it knows."""

    program: str
    version: str
    options: frozenset[str]


@functools.cache
def find() -> Bubblewrap | str:
    """Return bubblewrap if it can make a sandbox here, else the reason why not."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed"
    try:
        options = frozenset(re.findall(r"--[a-z0-9-]+", process.run([program, "--help"], timeout_s=10).stdout))
        found = Bubblewrap(program, process.run([program, "--version"], timeout_s=10).stdout.split()[-1], options)
        trial = process.run([*isolation(found), "--ro-bind", "/", "/", "/bin/true"], timeout_s=10, env={})
    except (OSError, IndexError) as error:
        return f"bubblewrap does not run: {error}"
    if trial.returncode != 0:
        # Typically a kernel or an AppArmor profile that keeps user namespaces from unprivileged users.
        return f"bubblewrap cannot make a sandbox here: {visible(trial.stderr.strip(), 160)}"
    return found


def isolation(found: Bubblewrap) -> list[str]:
    """Return the program and the options that take everything away: namespaces, capabilities, the terminal."""
    argv = [found.program, "--unshare-all", "--unshare-user", "--uid", str(UID), "--gid", str(GID)]
    argv += ["--hostname", "dnnbox", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if "--disable-userns" in found.options:  # no way back to capabilities through a namespace of its own
        argv.append("--disable-userns")
    return argv


def root_options(found: Bubblewrap, etc: Path, limits: Limits) -> list[str]:
    """Return the options for the system's part of the root; ``etc`` is a directory with :data:`ETC_FILES`."""
    argv = ["--ro-bind", "/usr", "/usr"]
    for place in _SYSTEM:
        if place.is_symlink():
            argv += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            argv += ["--ro-bind", str(place), str(place)]
    for name in _ETC:
        argv += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in ETC_FILES:
        argv += ["--ro-bind", str(etc / name), f"/etc/{name}"]
    argv += ["--ro-bind-try", "/sys", "/sys", "--proc", "/proc", "--dev", "/dev"]
    for name in _ORDERS:
        argv += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    argv += _tmpfs(found, "/dev/shm", limits.shm_bytes)  # noqa: S108 — inside the box
    argv += _tmpfs(found, "/tmp", limits.memory_bytes)  # noqa: S108
    argv += _tmpfs(found, HOME, limits.memory_bytes)
    return argv


def _tmpfs(found: Bubblewrap, where: str, size_bytes: int) -> list[str]:
    size = ["--size", str(size_bytes)] if "--size" in found.options else []
    return [*size, "--tmpfs", where]


def mount_options(mounts: Sequence[Mount], staging: Path, devices: Sequence[str]) -> list[str]:
    """Return the options for the job's own mounts; the roots are made read-only last."""
    argv: list[str] = []
    for mount in mounts:
        argv += ["--bind" if mount.writable else "--ro-bind", mount.host, mount.inside]
    for device in devices:
        argv += ["--dev-bind", device, device]
    argv += ["--bind", str(staging), RUN, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", RUN]
    return argv


def interpreter_mounts(interpreter: Path) -> tuple[str, list[Mount]]:
    """Return the interpreter's path inside, and what must be visible for it to start.

    A virtual environment is shown at a fixed place; the Python that it was made from has to stay where it is on the
    host, because the environment's links and its pyvenv.cfg name that place.
    """
    interpreter = interpreter.absolute()
    prefix = interpreter.parent.parent
    is_venv = (prefix / "pyvenv.cfg").is_file()
    prefixes = set(_base_prefixes(interpreter, prefix if is_venv else None))
    mounts = [Mount(str(real), str(seen)) for seen, real in sorted(prefixes) if not _is_system(seen)]
    if not is_venv:
        return str(interpreter), mounts
    return f"{ENV}/bin/{interpreter.name}", [*mounts, Mount(str(prefix.resolve()), ENV)]


def _base_prefixes(interpreter: Path, venv: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield every place that a link from the interpreter leads through: as it is named, and what it really is."""
    link = interpreter
    for _ in range(20):  # more links than any installation has, and an end for those in a circle
        place = link.parent.parent
        if place != venv:
            yield place, place.resolve()
            yield place.resolve(), place.resolve()
        if not link.is_symlink():
            break
        # A relative link counts from where its directory really is; an absolute one replaces the whole path.
        link = Path(os.path.normpath(link.parent.resolve() / link.readlink()))
    if venv is not None and (home := _home(venv / "pyvenv.cfg")) is not None:
        yield home.parent, home.parent.resolve()


def _home(config: Path) -> Path | None:
    found = re.search(r"^home\s*=\s*(\S.*?)\s*$", config.read_text("utf-8", "surrogateescape"), re.MULTILINE)
    return Path(found[1]) if found else None


def _is_system(prefix: Path) -> bool:
    return prefix == Path("/") or prefix.is_relative_to("/usr")
