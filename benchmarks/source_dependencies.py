"""Derived dependencies against what building and calling the model really imports, in a box without network.

    .venv/bin/python benchmarks/source_dependencies.py --pairs DIR --sources DIR --python PYTHON [--record FILE]
        [--pipreqs CMD] [--fawltydeps CMD] [--only NAME,…] [--observed DIR]

DIR of pairs holds checkpoints, DIR of sources a checkout per repository (owner+name), PYTHON an environment with the
superset of packages. Truth: the imports that upstream's own files make while the class is built and called
(benchmarks/source_probe.py, under bubblewrap), as distributions. A pair whose forward ends early counts as far as it
came. `--observed DIR` keeps the probe's results there, or takes them from there if it holds any. The other tools read
the whole repository; their answers stand in the same table. They are given without a look-up in any index:

    --pipreqs "PEERS/bin/python benchmarks/peers_pipreqs.py" --fawltydeps "PEERS/bin/fawltydeps --list-imports --code"
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dnnbox import catalog  # noqa: E402
from dnnbox.dependencies import derive  # noqa: E402
from dnnbox.pipeline.inspecting import identified  # noqa: E402
from dnnbox.records.source import Recipe, SourceTree  # noqa: E402
from dnnbox.sources import adapter_text, recognise  # noqa: E402

_SAME = {"opencv-python": "opencv-python-headless", "opencv-contrib-python": "opencv-python-headless",
         "ultralytics-thop": "thop"}  # fmt: skip
_ADDED = ("torch", "numpy")
"""What dnnbox adds to every such environment for itself; counted neither for nor against it."""


def normal(name: str) -> str:
    """Return the name as indexes compare it; wheels of one module count as one."""
    plain = re.sub(r"[-_.]+", "-", name).lower()
    return _SAME.get(plain, plain)


def probe(python: str, jobs: list[dict[str, str]], out: Path, work: Path) -> None:
    """Run all adapters in one box."""
    shutil.copytree(ROOT / "dnnbox" / "harness", work / "lib" / "dnnbox_harness")
    (work / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    sealed = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    places = ["--tmpfs", "/tmp", "--bind", str(work), str(work)]
    variables = {"HOME": str(work), "PATH": "/nowhere", "PYTHONPATH": str(work / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    settings = [part for name, value in variables.items() for part in ("--setenv", name, value)]
    script = ROOT / "benchmarks" / "source_probe.py"
    command = [*sealed, *places, *settings, python, "-W", "ignore", str(script), str(work / "jobs.json"), str(out)]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)


def derived(inspection: Any, recipe: Recipe, root: Path) -> set[str]:
    """Return what dnnbox would install for the family from its source."""
    tree = SourceTree("given", root=str(root), classes=(recipe.cls,), files=(recipe.file,), recipe=recipe)
    found = derive(inspection, inspection.identity, tree)
    wanted = [item for item in found.requirements if item.group != "acceleration"]
    # Pillow that reads dnnbox's own inputs is no import of upstream's.
    return {normal(item.name) for item in wanted if any(each.source != "io hints" for each in item.evidence)}


def of_tool(command: str, root: Path) -> set[str] | None:
    """Return the distributions that a tool prints for a repository, one a line; None where it fails."""
    done = subprocess.run([*shlex.split(command), str(root)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=300, check=False)  # fmt: skip
    names = re.findall(r"(?m)^\s*'?([A-Za-z][\w.-]*)'?(?:\s*[=<>~!].*)?$", done.stdout)
    return {normal(catalog.import_to_distribution(name) or name) for name in names} if names else None


def score(found: Iterable[str] | None, truth: set[str]) -> tuple[int, int, int]:
    """Return (both, only found, only true)."""
    names = set(found or ())
    return len(names & truth), len(names - truth), len(truth - names)


def main() -> int:
    """Print a line per pair and the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--python", default="")
    parser.add_argument("--observed", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--pipreqs", default="")
    parser.add_argument("--fawltydeps", default="")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    known, jobs = {}, []
    work = Path(tempfile.mkdtemp(prefix="dnnbox-probe-"))
    (work / "out").mkdir()
    out = (options.observed or work / "out").absolute()
    out.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in options.pairs.iterdir() if (path / "truth.json").is_file()):
        if only and folder.name not in only:
            continue
        checkpoint = next(folder.glob("ckpt.*"))
        inspection = identified(checkpoint)
        recipe = recognise(inspection)
        if recipe is None:
            print(f"{folder.name:24} no family of the catalogue")
            continue
        root = options.sources / "+".join(recipe.url.split("/")[-2:]) / recipe.root
        adapter = work / folder.name / "adapter.py"
        adapter.parent.mkdir()
        adapter.write_text(adapter_text(recipe), encoding="utf-8")
        known[folder.name] = (inspection, recipe, root)
        jobs.append({"name": folder.name, "adapter": str(adapter), "checkpoint": str(checkpoint), "root": str(root)})
    if not any(out.glob("*.json")):
        probe(options.python, jobs, work / "out", work)
        for file in (work / "out").glob("*.json"):  # the box writes to its own folder only
            if out != work / "out":
                shutil.copy(file, out)
    record = compare(known, out, {"pipreqs": options.pipreqs, "fawltydeps": options.fawltydeps})
    if options.record:
        options.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)
    return 0


def compare(known: dict[str, Any], out: Path, tools: dict[str, str]) -> dict[str, Any]:
    """Print the table; return it."""
    sums: dict[str, list[int]] = {}
    rows = []
    for name, (inspection, recipe, root) in known.items():
        file = out / f"{name}.json"
        if not file.is_file():
            print(f"{name:24} not observed: the probe ran out of time")
            continue
        seen = json.loads(file.read_text("utf-8"))
        truth = {normal(item) for item in seen["distributions"].values()} - set(_ADDED)
        answers = {"dnnbox": derived(inspection, recipe, root)}
        answers |= {tool: of_tool(command, root) or set() for tool, command in tools.items() if command}
        for tool, answer in answers.items():
            counted = score(answer - set(_ADDED), truth)
            sums[tool] = [a + b for a, b in zip(sums.get(tool, [0, 0, 0]), counted, strict=True)]
        mine = answers["dnnbox"] - set(_ADDED)
        more, less = sorted(mine - truth), sorted(truth - mine)
        print(f"{name:24} {seen['stage']:8} true {len(truth)}  too much {more}  missing {less}")
        rows.append({"pair": name, "reached": seen["stage"], "true": sorted(truth), "too_much": more, "missing": less})
    totals = {}
    for tool, (both, more_count, less_count) in sums.items():
        precision, recall = both / max(1, both + more_count), both / max(1, both + less_count)
        totals[tool] = {"precision": round(precision, 3), "recall": round(recall, 3)}
        print(f"{tool:12} precision {precision:.3f}  recall {recall:.3f}  ({both} right, {more_count} too much, "
              f"{less_count} missing)")  # fmt: skip
    return {
        "command": "make eval-dependencies PAIRS=DIR SOURCES=DIR ENV=DIR",
        "pairs_observed": len(rows),
        "totals": totals,
        "pairs": rows,
    }


if __name__ == "__main__":
    raise SystemExit(main())
