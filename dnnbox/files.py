"""Files on the host: written whole or not at all, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dnnbox.errors import HostFull, HostPermission


@contextmanager
def host_errors(path: Path) -> Iterator[None]:
    """Turn a full disk and a missing permission into their own errors."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise HostFull(f"no space left while writing {path.name}", hint="free space, then run again") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise HostPermission(
                f"cannot write {path.name}: {error.strerror}", hint="choose another place with `--out`"
            ) from error
        raise


def write_atomic(path: Path, data: bytes | str, mode: int = 0o644, *, durable: bool = True) -> None:
    """Write ``data`` so that a crash leaves the old file or the new one, never half of it.

    ``durable`` False does not wait for the disk: for files that can be made again from others.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    with host_errors(path), replacing(path, mode, durable=durable) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, mode: int = 0o644, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of ``path`` when the block ends well; otherwise nothing has changed."""
    import tempfile  # 4 ms, and reading writes nothing

    handle, part = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(part).chmod(mode)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def sha256_file(path: Path) -> str:
    """Return the hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
