"""A shallow clone of one commit: no hooks, no filters, no submodules, no prompt, no credential on disk."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dnnbox import process
from dnnbox.errors import SourceNotFound, SourceUnreachable, Usage
from dnnbox.files import host_errors
from dnnbox.sources import submodules
from dnnbox.text import redact, visible

TIMEOUT_S = 600.0
_SCHEMES = ("https", "http", "ssh", "git", "file", "git+ssh")
_SCP = re.compile(r"^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:(?!/{2})")
_REF = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/+-]*$")

# Repositories are data here: nothing that they or the user's configuration name may run.
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.symlinks": "true",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "filter.lfs.smudge": "",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
    "index.version": "2",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
}


@dataclass(frozen=True)
class Remote:
    """A repository to clone. ``url`` is without credentials; ``secret_url`` is what the user typed."""

    url: str
    ref: str
    secret_url: str

    @property
    def name(self) -> str:
        """Return a safe directory name."""
        last = re.split(r"[/:]", self.url.rstrip("/"))[-1].removesuffix(".git")
        return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-.")[:60] or "source"


def is_url(given: str) -> bool:
    """Tell a repository's URL from a path."""
    return "://" in given or bool(_SCP.match(given)) or given.startswith("ext::")


def remote(given: str) -> Remote:
    """Return what ``--source URL[@REF]`` names.

    Raises:
        Usage: a scheme that is not allowed, or a REF that is no name of a commit, branch or tag.
    """
    address, ref = _split_ref(given)
    scp = bool(_SCP.match(address)) and "://" not in address
    if not scp and urlsplit(address).scheme not in _SCHEMES:
        raise Usage(
            f"--source `{visible(redact(given), 120)}`: this kind of URL is refused",
            hint="use https, ssh or a local directory",
            phase="source",
        )
    if ref and (not _REF.match(ref) or ".." in ref):
        raise Usage(f"`{visible(ref, 60)}` is no commit, branch or tag", hint="use `--source URL@REF`", phase="source")
    return Remote(address if scp else _without_user(address), ref, address)


def _split_ref(given: str) -> tuple[str, str]:
    """Split at the ``@`` behind the path; one before it separates a user from a host."""
    start = given.find("/", given.find("://") + 3) if "://" in given else given.find(":")
    at = given.find("@", max(start, 0))
    return (given[:at], given[at + 1 :]) if start >= 0 and at >= 0 else (given, "")


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    # ssh needs its user's name; only a password is a secret there.
    user = parts.netloc.rpartition("@")[0].partition(":")[0] if parts.scheme.endswith("ssh") else ""
    return urlunsplit((parts.scheme, f"{user}@{host}" if user else host, parts.path, "", ""))


def clone(source: Remote, refs_dir: Path) -> Path:
    """Fetch one commit into a new directory below ``refs_dir`` and return it.

    Submodules are fetched in the same way, each at the commit that its parent names; one that cannot be had is left
    out, because most hold data or demonstrations: ``submodules_missing`` tells.

    Raises:
        SourceUnreachable: the host cannot be reached.
        SourceNotFound: there is no such repository or commit, or it may not be read.
        Usage: git is not installed.
    """
    if shutil.which("git") is None:
        raise Usage("git is not installed", hint="install it, or give a local directory with --source", phase="source")
    with host_errors(refs_dir):
        refs_dir.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".clone-", dir=refs_dir))
    try:
        _fetch(source, part)
        submodules.fetch(source, part, _fetch_submodule)
        target = _free(refs_dir, source.name)
        part.chmod(0o755)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return target


def _fetch(source: Remote, into: Path) -> None:
    """Make ``into`` a checkout of the one commit."""
    _git(source, into, "init", "--quiet", "--template=", ".")
    _git(source, into, "remote", "add", "origin", source.url)
    options = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules")
    _git(source, into, "fetch", *options, "origin", source.ref or "HEAD")
    _git(source, into, "checkout", "--quiet", "--detach", "FETCH_HEAD")


def _fetch_submodule(url: str, commit: str, into: Path) -> None:
    _fetch(remote(f"{url}@{commit}"), into)


def commit_date(directory: Path) -> str:
    """Return when the checked-out commit was made, as an ISO date; "" where git cannot tell."""
    if shutil.which("git") is None:
        return ""
    options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = ["git", *options, "-C", str(directory), "show", "--no-patch", "--format=%cs", "HEAD"]
    done = process.run(command, timeout_s=20.0, env=_environ(Remote("", "", "")))
    return done.stdout.strip() if done.returncode == 0 else ""


def _free(directory: Path, name: str) -> Path:
    candidates = (directory / (f"{name}-{number}" if number > 1 else name) for number in range(1, 1000))
    return next(path for path in candidates if not path.exists())


def _git(source: Remote, cwd: Path, *arguments: str) -> None:
    options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    done = process.run(["git", *options, *arguments], timeout_s=TIMEOUT_S, env=_environ(source), cwd=cwd)
    if done.returncode == 0 and not done.timed_out:
        return
    _raise(source, done.stderr, timed_out=done.timed_out)


def _environ(source: Remote) -> dict[str, str]:
    """Return the environment: the user's proxies, certificates and credential helper, but no prompt.

    A password in the URL goes in as configuration from the environment: neither the command line nor .git shows it.
    """
    dropped = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_TRACE", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT")
    environ = {name: value for name, value in os.environ.items() if name not in dropped}
    environ |= {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "SSH_ASKPASS": "true",
        "GCM_INTERACTIVE": "never",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
        "LC_ALL": "C",
    }
    if source.secret_url != source.url:
        environ |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{source.secret_url}.insteadOf",
            "GIT_CONFIG_VALUE_0": source.url,
        }
    return environ


_UNREACHABLE = re.compile(
    r"(?i)could not resolve|couldn't connect|failed to connect|timed out|connection (?:refused|reset|closed)|network is"
    r"|no route to host|unable to access .*(?:proxy|ssl|certificate)|SSL certificate|early EOF|returned error: 5\d\d"
)


def _raise(source: Remote, stderr: str, *, timed_out: bool) -> None:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    fatal = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
    shown, said = visible(redact(source.url), 120), visible(redact(fatal.partition(": ")[2] or fatal), 160)
    branch = f" --branch {source.ref}" if source.ref and not re.fullmatch(r"[0-9a-f]{7,64}", source.ref) else ""
    by_hand = f"try `git clone --depth 1{branch} {shown} DIR`, then `--source DIR`"
    if timed_out or _UNREACHABLE.search(stderr):
        what = f"no answer in {TIMEOUT_S:g} s" if timed_out else said
        raise SourceUnreachable(f"cannot reach {shown}: {what}", hint=by_hand, phase="source")
    at = f" at {visible(source.ref, 60)}" if source.ref else ""
    raise SourceNotFound(f"cannot clone {shown}{at}: {said}", hint=by_hand, phase="source")
