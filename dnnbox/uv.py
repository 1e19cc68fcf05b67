"""Everything that knows uv's command line, its environment variables and its words when it fails.

It makes no decision about packages. Index URLs may hold credentials, so they travel in environment variables and in
private temporary files, never in arguments, logs or records.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dnnbox.errors import DnnboxError, EnvFailed, HostFull, HostPermission, IntegrityFailed, NetworkFailed
from dnnbox.files import host_errors
from dnnbox.process import Completed
from dnnbox.records.environment import Indexes, Mount

CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Where users say which CA bundle to trust; uv reads the first one only, so the others are translated to it."""

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

_KEPT = re.compile(
    "UV_(INDEX_.*(USERNAME|PASSWORD)|INDEX_STRATEGY|HTTP_.*|REQUEST_TIMEOUT|INSECURE_HOST|KEYRING_PROVIDER|NATIVE_TLS"
    "|SYSTEM_CERTS|EXCLUDE_NEWER|PRERELEASE|OVERRIDE|CONCURRENT_.*|CONFIG_FILE|NO_CONFIG)"
)
"""The user's uv variables that are passed on. Those for indexes and constraints are in the Indexes already; the others
are about the user's project, cache or environment."""

_HOST = (
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "NETRC",
    "SSL_CERT_DIR",
    "SSL_CLIENT_CERT",
    "LD_LIBRARY_PATH",
)


def binary() -> Path:
    """Return uv's executable: the one of the package that dnnbox depends on, else the one on PATH.

    Raises:
        EnvFailed: there is none.
    """
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise EnvFailed("uv is not installed", hint="`pip install uv`", phase="environment")
    return Path(found)


def environ(indexes: Indexes, *, offline: bool, cache_dir: Path | None = None, locked: bool = False) -> dict[str, str]:
    """Return the whole environment of a uv process on this machine: nothing of the user's that uv does not need.

    ``locked`` is for installing from a lock: the indexes of pinned packages are then offered for every package, which
    is safe because each has its version and hash already.
    """
    kept = {name: os.environ[name] for name in _HOST if name in os.environ}
    return {**kept, **_uv_variables(indexes, offline=offline, cache_dir=cache_dir, locked=locked), **_network(indexes)}


def unreachable() -> dict[str, str]:
    """Return an environment for a tool that knows no switch against the network: its proxy is one that is not there.

    No host may be reached past it.
    """
    values = {name: "" if name == "NO_PROXY" else _NOWHERE for name in PROXIES}
    return {**os.environ, **values, **{name.lower(): value for name, value in values.items()}}


_NOWHERE = "http://127.0.0.1:9"  # the discard port, which nobody serves


def _uv_variables(indexes: Indexes, *, offline: bool, cache_dir: Path | str | None, locked: bool) -> dict[str, str]:
    values = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    values |= {"UV_LINK_MODE": "hardlink", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
    if cache_dir is not None:
        values["UV_CACHE_DIR"] = str(cache_dir)
    if offline:
        values["UV_OFFLINE"] = "1"
    if indexes.find_links:
        values["UV_FIND_LINKS"] = ",".join(indexes.find_links)
    if indexes.default:
        values["UV_DEFAULT_INDEX"] = indexes.default
    pinned = tuple(dict.fromkeys(indexes.pinned.values())) if locked else ()
    if extra := (*pinned, *indexes.extra):
        values["UV_INDEX"] = " ".join(extra)
    if locked:
        values["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return values


def _network(indexes: Indexes) -> dict[str, str]:
    """Return proxies in both spellings and the one CA variable that uv reads."""
    values = {}
    for name in PROXIES:
        value = os.environ.get(name) or os.environ.get(name.lower())
        if value:
            values[name] = values[name.lower()] = value
    if bundle := ca_bundle(indexes):
        values["SSL_CERT_FILE"] = bundle
    return values


def ca_bundle(indexes: Indexes) -> str:
    """Return the file of trusted certificates that the user configured, else ""."""
    named = (indexes.ca_bundle, *(os.environ.get(name, "") for name in CERTIFICATES))
    return next((path for path in named if path and Path(path).is_file()), "")


@dataclass(frozen=True)
class Passed:
    """What uv needs inside a container. ``environ`` may hold credentials and proxies: never record or log it."""

    environ: Mapping[str, str]
    mounts: tuple[Mount, ...]


def for_container(indexes: Indexes, *, offline: bool, cache_dir: str, locked: bool = True) -> Passed:
    """Return environment and read-only mounts for a uv process in a container, with all paths as seen inside."""
    mounts: list[Mount] = []
    folders = {}
    for number, folder in enumerate(local_folders(indexes)):
        folders[str(folder)] = f"/dnnbox/links/{number}"
        mounts.append(Mount(str(folder), folders[str(folder)]))
    values = _uv_variables(_moved(indexes, folders), offline=offline, cache_dir=cache_dir, locked=locked)
    values |= _network(indexes)
    # Files on the host that uv would look for and not find inside.
    for name in ("UV_CONFIG_FILE", "UV_OVERRIDE"):
        values.pop(name, None)
    if bundle := values.pop("SSL_CERT_FILE", ""):
        mounts.append(Mount(os.path.realpath(bundle), "/dnnbox/ca-bundle.pem"))
        values |= dict.fromkeys(CERTIFICATES, "/dnnbox/ca-bundle.pem")
    return Passed({**values, "HOME": "/tmp", "PATH": "/usr/local/bin:/usr/bin:/bin"}, tuple(mounts))  # noqa: S108  the container's own


def local_folders(indexes: Indexes) -> tuple[Path, ...]:
    """Return the find-links folders on this machine, each once and only those that are there."""
    found = (local_path(place) for place in indexes.find_links)
    return tuple(dict.fromkeys(path for path in found if path is not None and path.is_dir()))


def local_path(place: str) -> Path | None:
    """Return the path of an index or a find-links entry, None for one on the network."""
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if len(parts.scheme) > 1 else Path(place)


def _moved(indexes: Indexes, folders: Mapping[str, str]) -> Indexes:
    """Return the indexes with local find-links folders replaced by where the container sees them."""
    places = []
    for place in indexes.find_links:
        path = local_path(place)
        if path is None:
            places.append(place)
        elif str(path) in folders:
            places.append(folders[str(path)])
    return replace(indexes, find_links=tuple(places))


def venv_argv(target: Path | str, python: Path | str, *, uv: Path | str | None = None) -> list[str]:
    """Return the command that makes an empty environment which may be renamed afterwards."""
    return [
        *(str(uv or binary()), "venv", "--quiet", "--no-project", "--no-config", "--relocatable"),
        *("--python", str(python), str(target)),
    ]


def sync_argv(
    lock_file: Path | str, interpreter: Path | str, *, compile_bytecode: bool = True, uv: Path | str | None = None
) -> list[str]:
    """Return the command that makes an environment hold exactly the lock: only wheels, every hash checked.

    Indexes and the offline switch are in :func:`environ` (``locked=True``), because arguments can be seen by others.
    """
    compiled = ["--compile-bytecode"] if compile_bytecode else []
    return [
        *(str(uv or binary()), "pip", "sync", "--quiet", "--require-hashes", "--only-binary", ":all:", *compiled),
        *("--python", str(interpreter), str(lock_file)),
    ]


def add_locked_argv(lock_file: Path | str, interpreter: Path | str) -> list[str]:
    """Return the command that adds the lock to an environment whose Python came with packages of its own.

    Only wheels, every hash checked; the mark of a Python that others manage is none here, it is dnnbox's own copy.
    """
    return [
        *(str(binary()), "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:"),
        *("--break-system-packages", "--python", str(interpreter), "--requirements", str(lock_file)),
    ]


def compile_argv(
    project: Path, output: Path, *, python: str, platform: str, upgrade: bool, uv: Path | None = None
) -> list[str]:
    """Return the command that resolves ``project``/pyproject.toml for one Python and platform into a PEP 751 file.

    That file names for each package only the wheels that fit, with size (where the index tells) and hash.
    """
    return [
        *(str(uv or binary()), "pip", "compile", str(project / "pyproject.toml"), "--quiet", "--no-header"),
        *("--no-annotate", "--format", "pylock.toml", "--generate-hashes", "--only-binary", ":all:"),
        *(
            "--python",
            sys.executable,
            "--python-version",
            python,
            *(("--python-platform", platform) if platform else ()),
        ),
        *("--constraints", str(project / "constraints.txt"), *(("--refresh",) if upgrade else ())),
        *("--output-file", str(output)),
    ]


def install_argv(project: Path, interpreter: Path) -> list[str]:
    """Return the command that adds the requirements of ``project``/pyproject.toml to an environment, wheels only.

    What is installed already stays where it fits.
    """
    return [
        *(str(binary()), "pip", "install", "--quiet", "--only-binary", ":all:"),
        *("--python", str(interpreter), "--constraints", str(project / "constraints.txt")),
        *("--requirements", str(project / "pyproject.toml")),
    ]


def put_back_argvs(added: Sequence[str], changed: Sequence[str], interpreter: Path) -> list[list[str]]:
    """Return the commands that undo an installation: remove what was added, reinstall what was changed."""
    pip = [str(binary()), "pip"]
    where = ["--quiet", "--python", str(interpreter)]
    commands = []
    if added:
        commands.append([*pip, "uninstall", *where, *added])
    if changed:
        commands.append([*pip, "install", "--no-deps", "--only-binary", ":all:", *where, *changed])
    return commands


def lock_argv(project: Path, interpreter: Path | str) -> list[str]:
    """Return the command that writes ``project``/uv.lock; without configuration uv would not read the project's own."""
    return [str(binary()), "lock", "--quiet", "--project", str(project), "--python", str(interpreter)]


def find_argv(python: str) -> list[str]:
    """Return the command that looks for an interpreter on this machine."""
    return [str(binary()), "python", "find", "--no-project", "--no-config", "--system", python]


def log_transcript(log: Path | None, argv: Sequence[str], ended: Completed) -> None:
    """Append a command and what it said to a log file, without credentials."""
    if log is None:
        return
    from dnnbox.text import redact

    said = redact(f"{ended.stdout}{ended.stderr}").rstrip()
    with host_errors(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {redact(shlex.join(argv))}\n{said}\n[exit {ended.returncode}, {ended.wall_s:.2f} s]\n")


_NETWORK = re.compile(
    r"dns error|lookup address|error sending request|connection (refused|reset|closed)|network (is )?unreachable"
    r"|timed out|tls handshake|peer certificate|certificate verify|proxy authentication|tunnel|failed to fetch"
    r"|request failed after|HTTP status (client|server) error",
    re.IGNORECASE,
)
_OFFLINE = re.compile(r"network connectivity is disabled|network was disabled|not found in the cache", re.IGNORECASE)
_HASH = re.compile(r"hash mismatch|bad crc|failed to extract archive|invalid zip|corrupt", re.IGNORECASE)
_REFUSED = re.compile(r"permission denied|read-only file system", re.IGNORECASE)
_PHASE = "environment"


def is_network(output: str) -> bool:
    """Return whether a tool's words say that something was not reached."""
    return _NETWORK.search(output) is not None


def failure(output: str, what: str, *, offline: bool = False) -> DnnboxError:
    """Return the error for uv's words: which exit code, one clear line, the way out.

    ``what`` says what was tried ("cannot resolve torch for Python 3.11"). The words are foreign text.
    """
    if "No space left" in output:
        return HostFull(f"{what}: no space left", hint="free space (`dnnbox clean`), then run again", phase=_PHASE)
    reason = _shown(_reason(output))
    if _REFUSED.search(output):
        hint = "set DNNBOX_HOME to a folder that you may write"
        return HostPermission(f"{what}: {reason}", hint=hint, phase=_PHASE)
    if _HASH.search(output):
        hint = "it is not the file that was locked, or it was cut on its way: try again, then `--refresh`"
        return IntegrityFailed(f"{what}: {reason}", hint=hint, phase=_PHASE)
    if _OFFLINE.search(output):
        hint = "run once without `--offline`" if offline else "the network is switched off (UV_OFFLINE)"
        return NetworkFailed(f"{what}: not everything is cached", hint=hint, phase=_PHASE, details={"uv": reason})
    if "No solution found" not in output and is_network(output):
        return _network_failed(output, what)
    hint = "loosen a constraint, choose another Python, or add an index"
    if "not found in the package registry" in output:
        hint = "is it the right index? dnnbox takes those of its settings, of uv and of pip"
    return EnvFailed(f"{what}: {reason}", hint=hint, phase=_PHASE)


def _network_failed(output: str, what: str) -> NetworkFailed:
    url = re.search(r"https?://[^\s`)]+", output)
    lines = _lines(output)
    why = _shown(f"{url[0] if url else 'an index'} was not reached: {lines[-1] if lines else 'no reason given'}")
    certificate = "certificate" in output.lower()
    hint = "set SSL_CERT_FILE or `ca-bundle` to your CA bundle" if certificate else "check network, proxy and indexes"
    return NetworkFailed(f"{what}: {why}", hint=hint, phase=_PHASE)


def _shown(words: str) -> str:
    from dnnbox import text

    return text.visible(text.redact(words), 400)


def _lines(output: str) -> list[str]:
    """Return uv's message line by line, without drawing characters, labels and hints."""
    lines = [line.strip(" \t×│├╰─▶·") for line in output.splitlines()]
    kept = [line for line in lines if line and not line.startswith(("hint:", "warning:"))]
    return [re.sub(r"^(error|cause|Caused by): *", "", line) for line in kept]


def _reason(output: str) -> str:
    """Return the gist of uv's message: its causes joined, without what goes without saying."""
    lines = _lines(output)
    if not lines:
        return "uv gave no reason"
    if lines[0].startswith("No solution found") and len(lines) > 1:
        words = " ".join(lines[1:]).removeprefix("Because ")
        words = re.sub(
            r",? (and|we can conclude that) (dnnbox-environment depends on [^ ,]+|your require)", r" \2", words
        )
        words = re.sub(r" dnnbox-environment depends on [^ ,]+,?", "", words)
        return re.sub(r",? *(we can conclude that )?your requirements are unsatisfiable\.?", "", words).strip(" ,.")
    # The first line says what failed; the others say why.
    return lines[0] if len(lines) == 1 else f"{lines[0].rstrip('.:')}: {' '.join(lines[1:])}"
