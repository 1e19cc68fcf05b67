"""Which class, which arguments: bare weights and their upstream source, matched in boxes without help.

    .venv/bin/python benchmarks/source_matching.py --pairs DIR --sources DIR --python ENV/bin/python

PAIRS holds a folder for each pair with ``ckpt.*`` and ``truth.json`` (repo, path, cls, args); SOURCES a checkout of
each repository, ``owner+name``. The environment must hold what the sources import; nothing is installed. A row says
whether the right class was taken, loaded strictly and with the arguments that truth names, whether a forward pass was
finite, and where the true class stood among the evidence of a miss. Prints a table; ``--record FILE`` keeps it.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dnnbox import boxes, checkpoints  # noqa: E402
from dnnbox.errors import AdapterNeeded, DnnboxError  # noqa: E402
from dnnbox.harness.protocol import RunRequest  # noqa: E402
from dnnbox.pipeline.matching import decide  # noqa: E402
from dnnbox.records.environment import Limits, Mount  # noqa: E402
from dnnbox.sources.matching import search_plan  # noqa: E402

LIMITS = Limits(memory_bytes=8 << 30, shm_bytes=1 << 30)


@dataclass
class Row:
    """How one pair ended. ``rank``: where the true class stands in the evidence, 0 if it does not."""

    name: str
    outcome: str = ""  # right | other class | undecided | none | failed
    taken: str = ""
    origin: str = ""
    arguments: str = ""  # right | differ: … | not compared
    finite: bool | None = None
    rank: int = 0
    plan_seconds: float = 0.0
    box_seconds: float = 0.0
    stand_ins: tuple[str, ...] = ()
    why: str = ""


def evaluate(folder: Path, sources: Path, python: Path, timeout_s: float) -> Row:
    """Match one pair in a box and hold the answer against its truth."""
    truth = json.loads((folder / "truth.json").read_text())
    row = Row(folder.name)
    checkpoint = next(file for file in sorted(folder.iterdir()) if file.name.startswith("ckpt"))
    home = sources / truth["repo"].replace("/", "+")
    roots = [home] + [(home / path).resolve() for path in truth["path"] if path.startswith("..")]
    inspection = checkpoints.inspect(checkpoint)
    start = time.monotonic()
    plan = search_plan(roots, inspection)
    row.plan_seconds = round(time.monotonic() - start, 2)
    name = truth["cls"].rpartition(".")[2]
    refs = [entry["ref"] for entry in plan["classes"]]
    row.rank = next((place for place, ref in enumerate(refs, 1) if ref.endswith(f":{name}")), 0)
    mounts = [Mount(str(root), f"/dnnbox/source{number or ''}") for number, root in enumerate(roots)]
    request = RunRequest(
        job="match",
        runtime="adapter",
        checkpoint=f"/dnnbox/checkpoint/{checkpoint.name}",
        threads=1,
        sys_path=[mount.inside for mount in mounts],
        work={"plan": plan, "entry": inspection.entry},
    )
    mounts.append(Mount(str(checkpoint.resolve()), request.checkpoint))
    with tempfile.TemporaryDirectory() as job_dir, boxes.open_venv(python, mounts, LIMITS) as box:
        outcome = box.run(request, Path(job_dir), timeout_s=timeout_s)
        row.box_seconds = round(outcome.wall_s, 2)
        error = boxes.error_of(outcome, LIMITS, timeout_s)
    if error is not None or outcome.result is None:
        row.outcome, row.why = "failed", error.what if error else "no result"
        return row
    answer = outcome.result.findings["match"]
    row.stand_ins = tuple(answer["stand_ins"])
    try:
        best, _ = decide(answer["matches"])
    except AdapterNeeded as undecided:
        row.outcome = "undecided" if answer["matches"] else "none"
        row.why = "; ".join([undecided.what, *answer["import_errors"][:1], *(text for text, _ in answer["errors"][:1])])
        return row
    return _judged(row, truth, best)


def _judged(row: Row, truth: Mapping[str, Any], best: Mapping[str, Any]) -> Row:
    row.taken, row.origin, row.finite = best["class"], best["origin"], best["finite"]
    is_right = truth["cls"].endswith(best["class"]) or best["class"] == truth["cls_runtime"]
    place = "/".join(truth["cls"].split(".")[:-1]) + ".py:" + truth["cls"].rpartition(".")[2]
    is_right = is_right or place in best["copies"]  # the same code in another folder
    row.outcome = "right" if is_right else "other class"
    differing = [f"{k}={best['arguments'][k]}, not {v}" for k, v in _named(truth["args"]) if not _same(best, k, v)]
    named = [k for k, _ in _named(truth["args"]) if k in best["arguments"]]
    row.arguments = f"differ: {'; '.join(differing)}" if differing else "right" if named else "not compared"
    row.why = "" if row.finite else "; ".join(best["tried"][-1:])
    return row


def _named(text: str) -> Iterator[tuple[str, str]]:
    """Yield the arguments that truth gives as ``name=literal``; what it tells in words cannot be compared."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except SyntaxError:
        return
    for keyword in call.keywords if isinstance(call, ast.Call) else ():
        if keyword.arg:
            yield keyword.arg, ast.unparse(keyword.value)


def _same(best: Mapping[str, Any], name: str, text: str) -> bool:
    if name not in best["arguments"]:
        return True
    try:
        found, wanted = (eval(each, {"__builtins__": {}}) for each in (best["arguments"][name], text))
    except (SyntaxError, NameError, TypeError, ValueError):  # an object that has no literal
        return True
    return list(found) == list(wanted) if isinstance(wanted, (list, tuple)) else bool(found == wanted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("pairs", "sources", "python"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--timeout", type=float, default=600.0)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    folders = [f for f in sorted(options.pairs.iterdir()) if (f / "truth.json").is_file()]
    rows = []
    for folder in folders:
        if options.only and not any(part in folder.name for part in options.only):
            continue
        try:
            row = evaluate(folder, options.sources.absolute(), options.python.absolute(), options.timeout)
        except DnnboxError as error:
            row = Row(folder.name, "failed", why=error.what)
        rows.append(row)
        print(_line(row), flush=True)
        if options.record:
            _write(options.record, rows)
    right = [row for row in rows if row.outcome == "right"]
    exact = sum(not row.arguments.startswith("differ") for row in right)
    finite = sum(row.finite is True for row in rows)
    others = sum(row.outcome == "other class" for row in rows)
    print(f"{len(right)} of {len(rows)} right classes, loaded strictly; {exact} of them with the truth's arguments;")
    print(f"{finite} finite forward passes; {others} other classes taken")
    return 0


def _line(row: Row) -> str:
    finite = {True: "finite", False: "not finite", None: "no forward"}[row.finite]
    figures = f"rank {row.rank}  {row.arguments:14} {row.plan_seconds:6.1f} s {row.box_seconds:7.1f} s"
    return f"{row.name:24} {row.outcome:12} {finite:11} {figures}  {row.taken} ({row.origin}) {row.why[:160]}"


def _write(path: Path, rows: list[Row]) -> None:
    right = [row for row in rows if row.outcome == "right"]
    summary = {
        "pairs": len(rows),
        "right": len(right),
        "finite": sum(row.finite is True for row in rows),
        "other_class": sum(row.outcome == "other class" for row in rows),
        "misses_with_the_class_in_the_first_three": sum(0 < row.rank <= 3 for row in rows if row not in right),
    }
    document = {
        "command": "make eval-source PAIRS=DIR SOURCES=DIR ENV=DIR",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "summary": summary,
        "rows": [asdict(row) for row in rows],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
