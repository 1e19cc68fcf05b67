"""``dnnbox report``: render again, have a program write the stakeholder report, or check its numbers."""

from __future__ import annotations

import sys
from pathlib import Path

from dnnbox import reports
from dnnbox.cli import parsing, show_json
from dnnbox.errors import BadOutput, NotReadable, Usage
from dnnbox.experiment import read_index
from dnnbox.text import visible


def report(experiment: Path, formats: str, *, check: bool, writer: str, force: bool, json: bool) -> int:
    """``dnnbox report``."""
    wanted = tuple(part for part in formats.split(",") if part)
    for part in wanted:
        parsing.one_of("--format", part, ("md", "html"))
    if not (experiment / "experiment.json").is_file():
        raise Usage(f"{experiment.name} is no experiment folder", hint="give the folder that holds experiment.json")
    read_index(experiment)
    if check:
        if writer:
            raise Usage("--check and --writer exclude each other", hint="what a writer writes is checked anyway")
        return _check(experiment, json=json)
    made = reports.write(experiment, writer, force=force) if writer else reports.render(experiment, wanted)
    written = [str(path.relative_to(experiment)) for path in made]
    if json:
        show_json({"experiment": str(experiment), "written": written})
    else:
        print("\n".join(written))
    return 0


def _check(experiment: Path, *, json: bool) -> int:
    """Say which numbers of the reports stand in no file of outputs/; any such number is an error."""
    found = reports.unmatched_numbers(experiment)
    if not found:
        raise NotReadable(f"{experiment.name} has no report to check", hint="`dnnbox report` writes them")
    wrong = {name: numbers for name, numbers in found.items() if numbers}
    if json:
        show_json({"experiment": str(experiment), "reports": found})
    else:
        for name, numbers in found.items():
            print(f"{name}: {f'{len(numbers)} not in outputs/' if numbers else 'every number is in outputs/'}")
            for number in numbers:
                print(f"  {visible(number)}", file=sys.stderr)
    return BadOutput.code if wrong else 0
