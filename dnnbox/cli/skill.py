"""``dnnbox skill``: the page that teaches a coding agent to drive the whole procedure through dnnbox."""

from __future__ import annotations

from pathlib import Path

from dnnbox.cli import show_json
from dnnbox.errors import Usage
from dnnbox.files import host_errors, write_atomic

_PAGE = Path(__file__).parent / "data" / "SKILL.md"


def skill(install: Path | None, *, force: bool, json: bool) -> int:
    """Print the page, or write it to ``DIR/dnnbox/SKILL.md``; an edited one is only replaced with ``force``."""
    page = _PAGE.read_text(encoding="utf-8")
    if install is None:
        if json:
            show_json({"skill": page})
        else:
            print(page, end="")
        return 0
    target = install / "dnnbox" / "SKILL.md"
    with host_errors(target):
        if target.exists() and not force and target.read_text(encoding="utf-8", errors="replace") != page:
            raise Usage(f"{target} is there and differs", hint="replace it with `--force`")
        target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, page)
    if json:
        show_json({"written": [str(target)]})
    else:
        print(target)
    return 0
