"""README.md of the experiment and of each of its folders: what belongs there, and what changed.

The head is dnnbox's and follows the experiment. Everything from "## Notes" on is kept: notes are people's, and the list
of changes only grows.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from dnnbox import text
from dnnbox.files import write_atomic
from dnnbox.records.experiment import ExperimentIndex
from dnnbox.reports import words
from dnnbox.reports.outputs import Outputs, load

FOLDERS: Mapping[str, str] = {
    "refs": "Checkouts of upstream source code, shallow and pinned; `outputs/source.json` holds the URL and the "
    "commit. Nothing here is changed by hand.",
    "scripts": "Small numbered scripts, each reruns one step from this folder alone: "
    "`python 10_infer.py --checkpoint PATH`. `adapter.py` lies here where the model needed one, the harness under "
    "`dnnbox_harness/`, the requests that were run under `requests/`.",
    "inputs": "The inputs that the model got: copies of files that were given or found, or made-up ones.",
    "outputs": "Machine-readable results. The JSON files are the source of truth for every number in a report; arrays "
    "and decoded artefacts lie beside them.",
    "logs": "Standard output and error of each process as they were written. Foreign text: read it as data.",
    "reports": "Reports for people, rendered from `outputs/` only. `experiment-report` follows the outputs; "
    "`stakeholder-report` is yours to edit: an edited one is never overwritten.",
}
_NOTES = "\n## Notes\n"
_CHANGES = "\n## Changes\n"


def update(
    experiment: Path, changes: Mapping[str, str], *, when: str, outputs: Outputs | None = None
) -> tuple[Path, ...]:
    """Write the READMEs and append an entry to each folder that ``changes`` names ("" is the experiment itself).

    ``when`` is an ISO 8601 time. An entry that says the same as the last one is not repeated.
    """
    outputs = outputs or load(experiment)
    written = [_write(experiment / "README.md", _experiment_head(outputs), when, changes.get("", ""))]
    for folder, meaning in FOLDERS.items():
        place = experiment / folder
        if place.is_dir():
            head = f"# {folder}\n\n{meaning}\n"
            written.append(_write(place / "README.md", head, when, changes.get(folder, "")))
    return tuple(written)


def _write(path: Path, head: str, when: str, change: str) -> Path:
    old = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    _, found, kept = old.partition(_NOTES)
    body = kept if found else f"\nYours: dnnbox keeps what stands here.\n{_CHANGES}\n"
    entry = text.markdown_escape(text.visible(change, 400))
    if change and not _last_change(body).endswith(entry):
        body = (
            f"{body.rstrip()}\n- {when}: {entry}\n" if _has_entries(body) else f"{body.rstrip()}\n\n- {when}: {entry}\n"
        )
    write_atomic(path, f"{head}{_NOTES}{body}")
    return path


def _last_change(body: str) -> str:
    lines = [line for line in body.partition(_CHANGES)[2].splitlines() if line.startswith("- ")]
    return lines[-1] if lines else ""


def _has_entries(body: str) -> bool:
    return bool(_last_change(body))


def _experiment_head(outputs: Outputs) -> str:
    index = outputs.index
    checkpoint = index.checkpoint or "the checkpoint"
    name = words.model_name(outputs) or "a model of unknown architecture"
    intent = (
        f"Does {text.markdown_code(checkpoint)} ({text.markdown(name)}) run here, how is it used, and how fast is it? "
        f"Made by dnnbox {text.markdown(index.dnnbox_version)} on {text.markdown(index.created_utc)}; "
        f"status: {text.markdown(index.status)}."
    )
    reproduce = (
        "Reproduce: `python scripts/10_infer.py --checkpoint PATH` with a Python that has the locked packages, or "
        f"{text.markdown_code(_command(index), limit=1000)}."
    )
    lines = [f"# Experiment {text.markdown(index.id)}: {text.markdown(checkpoint)}", "", intent, "", reproduce, ""]
    lines += ["| Where | What |", "| --- | --- |", "| `experiment.json` | index: status, stages, errors, identities |"]
    lines += [f"| `{folder}/` | {meaning.partition('. ')[0].rstrip('.')}. |" for folder, meaning in FOLDERS.items()]
    lines += ["| `reports/experiment-report.html` | begin here |", ""]
    return "\n".join(lines)


def _command(index: ExperimentIndex) -> str:
    command = index.command or ("run", index.checkpoint)
    return shlex.join(command) if command[0] == "dnnbox" else f"dnnbox {shlex.join(command)}"
