"""The numbered scripts of an experiment: each reruns one step from the folder alone, with the standard library."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from dnnbox.files import write_atomic
from dnnbox.harness import protocol
from dnnbox.harness.protocol import RunRequest
from dnnbox.reports.style import TEMPLATES

_STEPS = {
    "probe": ("00_probe.py", "Say what this machine and this Python are."),
    "infer": ("10_infer.py", "Load the model, run it on inputs/, check and decode its output."),
    "measure": ("20_measure.py", "Measure warm latency in this process."),
    "cold": ("21_cold.py", "Time one cold start: import, load, first inference."),
    "generate": ("28_generate.py", "Time token after token: the first one, and the next ones."),
    "memory": ("22_memory.py", "Measure peak memory; nothing is timed."),
    "profile": ("23_profile.py", "Profile the operators and write a trace; slower than what was measured."),
    "sizes": ("24_sizes.py", "Try sizes of the open dimensions."),
    "train": ("25_train.py", "Take twenty steps on one batch; nothing of it is kept."),
    "evaluate": ("26_evaluate.py", "Run the labelled data, given with --dataset, and judge the answers."),
    "export": ("27_export.py", "Write the model as ONNX and run it on the same inputs."),
}
FURTHER = ("sizes", "train", "evaluate", "export")
"""Jobs that are run where somebody asked for them."""
_REPORT = ("30_report.py", "Render the reports from outputs/ again (needs dnnbox itself).")
_OUTSIDE = ("29_profile_with.py", "Optional: run a step under py-spy or nsys, where you have installed one of them.")
_ABSOLUTE = re.compile(r"^(?:/|[A-Za-z]:[\\/]|~)")


def write(
    experiment: Path,
    requests: Mapping[str, RunRequest],
    *,
    checkpoint: str,
    sha256: str,
    places: Mapping[str, str],
    harness: Path,
) -> tuple[Path, ...]:
    """Write scripts/ and return the files; ``requests`` maps a job to the request that was run.

    ``places`` maps a path prefix in the requests to ``@checkpoint``, ``@experiment/…``, ``@dataset`` or ``@source``,
    which the scripts fill in; any other absolute path is cut to its name. ``checkpoint`` is a name, ``sha256`` its
    digest, "" for a directory. ``harness`` is the package that is copied beside the scripts.
    """
    scripts = experiment / "scripts"
    (scripts / "requests").mkdir(parents=True, exist_ok=True)
    _copy_harness(harness, scripts / "dnnbox_harness")
    written = [_put(scripts / "_step.py", (TEMPLATES / "step.py.txt").read_text(encoding="utf-8"))]
    facts = {"name": PurePosixPath(checkpoint).name, "sha256": sha256.removeprefix("sha256:")}
    written.append(_put(scripts / "requests" / "checkpoint.json", json.dumps(facts, indent=2) + "\n"))
    for job, request in requests.items():
        name, meaning = _STEPS[job]
        body = json.dumps(template(request, places), indent=2, ensure_ascii=False) + "\n"
        written.append(_put(scripts / "requests" / f"{job}.json", body))
        written.append(
            _put(scripts / name, _script(meaning, f'from _step import run\n\nraise SystemExit(run("{job}"))'))
        )
    if "measure" in requests:
        written.append(_put(scripts / "_outside.py", (TEMPLATES / "outside.py.txt").read_text(encoding="utf-8")))
        written.append(
            _put(scripts / _OUTSIDE[0], _script(_OUTSIDE[1], "from _outside import main\n\nraise SystemExit(main())"))
        )
    written.append(_put(scripts / _REPORT[0], _script(_REPORT[1], _RENDER)))
    return tuple(written)


_RENDER = """import os
import subprocess
import sys

experiment = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
raise SystemExit(subprocess.call([sys.executable, "-m", "dnnbox", "report", experiment]))"""


def _script(meaning: str, body: str) -> str:
    return f'"""{meaning}"""\n\n{body}\n'


def _put(path: Path, content: str) -> Path:
    write_atomic(path, content, durable=False)
    return path


def _copy_harness(harness: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(harness, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def template(request: RunRequest, places: Mapping[str, str]) -> dict[str, Any]:
    """Return a request as JSON values whose paths are placeholders; no path of this machine is left."""
    document = protocol.encode(request)
    ordered = sorted(places.items(), key=lambda item: -len(item[0]))
    return {key: _placed(value, ordered) for key, value in document.items()}


def _placed(value: Any, places: list[tuple[str, str]]) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _placed(dataclasses.asdict(value), places)
    if isinstance(value, Mapping):
        return {str(key): _placed(item, places) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_placed(item, places) for item in value]
    return _placed_text(value, places) if isinstance(value, str) else value


def _placed_text(value: str, places: list[tuple[str, str]]) -> str:
    for prefix, placeholder in places:
        if value == prefix or value.startswith(prefix.rstrip("/") + "/"):
            return placeholder + value[len(prefix.rstrip("/")) :]
    return PurePosixPath(value.replace("\\", "/")).name if _ABSOLUTE.match(value) and "\n" not in value else value
