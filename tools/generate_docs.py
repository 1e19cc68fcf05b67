"""Writes the tables in docs/ that are generated from the code; ``--check`` only says whether they are current.

.venv/bin/python tools/generate_docs.py [--check]
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

from dnnbox import checkpoints, errors
from dnnbox.checkpoints import recognised, zip_bundles

NAMING = ("recognised:Recognised", "recognised:OtherFolders", "zip_bundles:NamedZip")
DOCS = Path(__file__).resolve().parents[1] / "docs"

EXIT_CODES_HEAD = """# Exit codes

<!-- Generated from dnnbox/errors.py by tools/generate_docs.py: `make docs` writes it again. -->

Every failure is one line on stderr, `dnnbox: error[NAME]: what, where, found against expected; the way out`; with
`--json` the same stands in the document on stdout, and in a run's `experiment.json`, with the phase in which it
happened and whether trying again can help. `dnnbox explain NAME` prints a line of this table.

| code | name | means | what to do | retry helps |
|---:|---|---|---|---|
| 0 | OK | it worked | | |
"""


def exit_codes() -> str:
    """Return the text of docs/exit-codes.md."""
    rows = [
        _row(leaf.code, leaf.name, leaf.meaning, leaf.remedy, "yes" if leaf.retryable else "")
        for leaf in errors.leaves()
    ]
    signals = [_row(code, "", f"ended by {name}", "", "") for name, code in errors.SIGNAL_CODES.items()]
    return EXIT_CODES_HEAD + "\n".join([*rows, *signals]) + "\n"


FORMATS_HEAD = """# Formats

<!-- Generated from the readers of dnnbox/checkpoints by tools/generate_docs.py: `make docs` writes it again. -->

Found by content, never by the name's extension. Nothing is executed, imported or unpickled, and the numbers of weights
are passed over. A third party adds a reader by an entry point of the group `dnnbox.readers` or `dnnbox.folder_readers`.
"""


def formats() -> str:
    """Return the text of docs/formats.md."""
    parts = [FORMATS_HEAD]
    kinds = (("Files", checkpoints.FILE_READERS), ("Zip archives", checkpoints.ZIP_READERS))
    for title, places in (*kinds, ("Directories", checkpoints.FOLDER_READERS)):
        parts += [f"\n## {title}\n", "| reader | recognised by | what it does |", "|---|---|---|"]
        parts += [_reader(name, place) for name, place in places.items() if not place.endswith(NAMING)]
    parts += ["\n## Named only\n", "Recognised by a magic number, a member or a file's name, and not read further.\n"]
    parts += ["| format | framework | verdict |", "|---|---|---|"]
    named = {known.format: _row(known.format, known.framework, known.verdict) for known in recognised.KNOWN}
    named |= {form: _row(form, framework, "no-code") for _, form, framework in recognised.OtherFolders.MARKS}
    named |= {row.format: _row(row.format, row.framework, "no-code") for row in recognised.NAMED}
    named |= {form: _row(form, framework, verdict) for _, form, framework, verdict, _ in zip_bundles.NAMED}
    return "\n".join([*parts, *(named[form] for form in sorted(named))]) + "\n"


def _reader(name: str, place: str) -> str:
    module, _, attribute = place.partition(":")
    reader = getattr(importlib.import_module(module), attribute)
    said = [" ".join((inspect.getdoc(item) or "").split()).replace("``", "`") for item in (reader.sniff, reader)]
    return _row(name, *(text.rstrip(".") for text in said))


def _row(*cells: object) -> str:
    """Return one line of a table; a bar in a cell is escaped, in code too."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


GENERATED = {"exit-codes.md": exit_codes, "formats.md": formats}


def main(arguments: list[str]) -> int:
    """Write or check every generated file; returns 1 where ``--check`` finds one that is not current."""
    stale = []
    for name, generate in GENERATED.items():
        path, text = DOCS / name, generate()
        current = path.read_text(encoding="utf-8") if path.exists() else None
        if current == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(("not current: " if "--check" in arguments else "written: ") + ", ".join(stale))
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
