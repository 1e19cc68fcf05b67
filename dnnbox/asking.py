"""A program of the user's own that is asked: a brief goes to its stdin, what it answers comes back on stdout.

It runs as the user, outside every box. What it says is foreign text.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from dnnbox import process
from dnnbox.errors import RunFailed, TimedOut, Usage
from dnnbox.files import host_errors
from dnnbox.text import excerpt, redact


def words(command: str, option: str) -> list[str]:
    """Return the command that an option gives, split as a shell does.

    Raises:
        Usage: it cannot be split, or is empty.
    """
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise Usage(f"{option} cannot be read as a command: {error}", hint="quote it as for a shell") from error
    if not argv:
        raise Usage(f"{option} names no command", hint=f"for example `{option} 'llm -m NAME'`")
    return argv


def ask(
    argv: Sequence[str],
    brief: str,
    folder: Path,
    *,
    cwd: Path,
    timeout_s: float,
    limit_bytes: int,
    name: str,
    phase: str,
) -> Path:
    """Run the program in ``cwd`` and return the file in ``folder`` that holds what it printed, cut at the limit.

    ``name`` is what messages call it.

    Raises:
        OSError: it cannot be started.
        TimedOut, RunFailed: it took too long, or did not end well.
    """
    question, answer = folder / "brief.md", folder / "answer.txt"
    with host_errors(question):
        question.write_text(brief, encoding="utf-8")
    done = process.run(
        argv, timeout_s=timeout_s, cwd=cwd, stdin=question, stdout=answer, log_limit_bytes=limit_bytes
    )  # fmt: skip
    if done.timed_out:
        raise TimedOut(f"{name} took longer than {timeout_s:g} s", phase=phase)
    if done.returncode:
        last = next(iter(excerpt(done.stderr, lines=1)), "it said nothing")
        raise RunFailed(f"{name} ended with code {done.returncode}: {last}", phase=phase)
    return answer


def quoted(title: str, content: str, limit: int, note: str = "") -> str:
    """Return the beginning of a foreign text as a part of a brief, between fences that it cannot close."""
    cut = redact(content[:limit])
    longest = max((len(run) for run in re.findall(r"`+", cut)), default=0)
    fence = "`" * max(4, longest + 1)
    return f"## Data: {title}\n\n{fence}\n{cut}\n{fence}{note}\n"
