"""Which class, which arguments: bare weights and their upstream source, matched and verified in boxes without help.

    .venv/bin/python benchmarks/source_matching.py --pairs DIR --sources DIR --python ENV/bin/python [--record FILE]
        [--only NAME]… [--tier search|all] [--seconds S]

PAIRS holds a folder for each pair with ``ckpt.*`` and ``truth.json`` (repo, path, cls, args); SOURCES a checkout of
each repository, ``owner+name``. The environment must hold what the sources import; nothing is installed.

Two ways per pair: ``search`` is the generic search alone; ``all`` takes the catalogue of known families first, and
the search where the catalogue has no such family or its adapter does not load. Each ends as in ``dnnbox verify``: the
adapter that was written is imported, built, loaded strictly and called twice in a box of its own. A row says whether
the right class was taken, with the arguments that truth names, and where the true class stands in a miss's skeleton.
A class in another folder that was run beside the true one on equal weights, with equal outputs, is an ``equal class``.
Where a pair's file holds made-up weights on which the model divides by zero, the search's own made-up ones tell, for
both ways, whether the output is finite. ``--record`` keeps the rows by name, each with the commit that was measured,
so that the set can be measured in parts.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dnnbox import boxes, sources  # noqa: E402
from dnnbox.errors import AdapterNeeded, DnnboxError  # noqa: E402
from dnnbox.harness.protocol import RunRequest  # noqa: E402
from dnnbox.pipeline.inspecting import identified  # noqa: E402
from dnnbox.pipeline.matching import decide, search_seconds  # noqa: E402
from dnnbox.records.environment import Limits, Mount  # noqa: E402
from dnnbox.records.inspection import Inspection  # noqa: E402
from dnnbox.records.run import RunOutcome  # noqa: E402
from dnnbox.records.source import Recipe, SourceTree  # noqa: E402
from dnnbox.sources import matching  # noqa: E402

LIMITS = Limits(memory_bytes=8 << 30, shm_bytes=1 << 30)
VERIFY_SECONDS = 600.0
WANTED = {"search": {"search"}, "all": {"all"}, "both": {"search", "all"}}


@dataclass
class Way:
    """How one way ended. ``rank``: where the true class stands in the skeleton's evidence, 0 if it does not."""

    tier: str = ""  # catalogue | search
    outcome: str = ""  # right | equal class | other class | undecided | none | failed
    taken: str = ""
    origin: str = ""
    arguments: str = ""  # right | differ: … | not compared
    strict: bool = False
    finite: bool = False
    repeatable: bool = False
    rank: int = 0
    plan_seconds: float = 0.0
    box_seconds: float = 0.0
    cpu_seconds: float = 0.0
    complete: bool = True
    stand_ins: Sequence[str] = ()
    why: str = ""
    code: str = ""  # the commit of dnnbox that was measured


@dataclass
class Pair:
    """One checkpoint, its source roots and the truth."""

    name: str
    truth: Mapping[str, Any]
    checkpoint: Path
    roots: Sequence[Path]
    inspection: Inspection
    python: Path
    seconds: float
    ways: dict[str, Way] = field(default_factory=dict)


def job(pair: Pair, roots: Sequence[Path], request: RunRequest, more: Sequence[Mount], limit_s: float) -> RunOutcome:
    """Run one job in a box that sees the roots and the checkpoint."""
    inside = [f"/dnnbox/source{number or ''}" for number in range(len(roots))]
    mounts = [Mount(str(root), place) for root, place in zip(roots, inside, strict=True)]
    mounts += [Mount(str(pair.checkpoint.resolve()), request.checkpoint), *more]
    with tempfile.TemporaryDirectory() as job_dir, boxes.open_venv(pair.python, mounts, LIMITS) as box:
        return box.run(request, Path(job_dir), timeout_s=limit_s)


def request_of(pair: Pair, name: str, roots: Sequence[Path], **more: Any) -> RunRequest:
    """Return a request whose places are those of :func:`job`."""
    places = [f"/dnnbox/source{number or ''}" for number in range(len(roots))]
    inside = f"/dnnbox/checkpoint/{pair.checkpoint.name}"
    return RunRequest(job=name, runtime="adapter", checkpoint=inside, threads=1, sys_path=places, **more)


def searched(pair: Pair) -> Way:
    """Return how the generic search ends."""
    way = Way("search")
    start = time.monotonic()
    plan = matching.search_plan(pair.roots, pair.inspection)
    way.plan_seconds = round(time.monotonic() - start, 2)
    work = {"plan": plan, "entry": pair.inspection.entry, "seconds": search_seconds(pair.seconds)}
    work["memory_bytes"] = LIMITS.memory_bytes
    outcome = job(pair, pair.roots, request_of(pair, "match", pair.roots, work=work), (), pair.seconds)
    way.box_seconds = round(outcome.wall_s, 2)
    error = boxes.error_of(outcome, LIMITS, pair.seconds)
    if error is None and outcome.result is not None:
        answer = {**outcome.result.findings["match"], "ranked": matching.ranked(plan)}
        way.cpu_seconds = answer["spent"]["cpu_s"]
    else:
        answer = matching.unanswered(plan, error.what if error else "no result")
    way.complete, way.stand_ins = answer["complete"], answer["stand_ins"]
    way.rank = rank_of(pair.truth, matching.nearest_classes(answer), plan)
    try:
        best, _ = decide(answer["matches"], pair.checkpoint.name)
    except AdapterNeeded as undecided:
        way.outcome = "undecided" if answer["matches"] else "none" if error is None else "failed"
        told = [undecided.what, *answer["import_errors"][:1], *(text for text, _ in answer["errors"][:1])]
        way.why = "; ".join(told)[:400]
        return way
    way.origin = str(best["origin"])
    source = SourceTree("given", root=str(pair.roots[0]))
    judge(way, pair, best["class"], best["copies"], best["arguments"])
    if way.outcome == "other class" and any(same_place(ref, place_of(pair.truth)) for ref in equals(answer, best)):
        way.outcome = "equal class"
    verify(way, pair, matching.recipe_of(best, answer, source), pair.roots)
    way.finite = way.finite or (way.strict and best["finite"] is True)
    return way


def equals(answer: Mapping[str, Any], best: Mapping[str, Any]) -> list[str]:
    """Return the classes that fit as well and gave the same outputs as the one that was taken, at both sizes."""
    return [match["ref"] for match in answer["matches"] if match["group"] == best["group"] >= 0]


def from_catalogue(pair: Pair, sources_dir: Path) -> Way | None:
    """Return how the catalogue's adapter ends; None where it knows no such family."""
    recipe = sources.recognise(pair.inspection)
    if recipe is None:
        return None
    root = sources_dir / "+".join(recipe.url.split("/")[-2:])
    way = Way("catalogue", origin="catalogue of known families")
    judge(way, pair, recipe.cls, (), {name: repr(value) for name, value in recipe.arguments.items()})
    if not root.is_dir():
        way.outcome, way.why = "failed", f"no checkout of {recipe.url}"
        return way
    verify(way, pair, recipe, [root / recipe.root, *pair.roots[1:]])
    return way


def verify(way: Way, pair: Pair, recipe: Recipe, roots: Sequence[Path]) -> None:
    """Write the adapter, run it by stages in a box, and note how far it came."""
    with tempfile.TemporaryDirectory() as folder:
        adapter = Path(folder) / "adapter.py"
        adapter.write_text(sources.adapter_text(recipe), encoding="utf-8")
        request = request_of(pair, "verify", roots, options={"adapter": "/dnnbox/adapter/adapter.py"})
        more = [Mount(str(adapter), "/dnnbox/adapter/adapter.py")]
        outcome = job(pair, roots, request, more, VERIFY_SECONDS)
    said = outcome.result.findings.get("verify", {}).get("stages", ()) if outcome.result is not None else ()
    status = {stage["name"]: stage for stage in said}
    way.strict, way.finite, way.repeatable = (
        bool(status.get(name)) and status[name]["status"] == "ok" for name in ("load", "finite", "repeatable")
    )
    failed = next((stage for stage in said if stage["status"] == "failed"), None)
    error = boxes.error_of(outcome, LIMITS, VERIFY_SECONDS)
    if failed is not None or error is not None:
        stage = failed["name"] if failed else "?"
        way.why = f"{stage}: {error.what if error else failed['detail'] if failed else ''}"[:400]


def rank_of(truth: Mapping[str, Any], refs: Sequence[str], plan: Mapping[str, Any]) -> int:
    """Return where the true class stands among the nearest ones, itself or a copy of the same code; 0 if nowhere."""
    copies = {entry["ref"]: (entry["ref"], *entry["copies"]) for entry in plan["classes"]}
    hits = [any(same_place(each, place_of(truth)) for each in copies.get(ref, (ref,))) for ref in refs]
    return hits.index(True) + 1 if True in hits else 0


def place_of(truth: Mapping[str, Any]) -> str:
    """Return ``models/net.py:Net`` for ``models.net.Net``."""
    module, _, name = truth["cls"].rpartition(".")
    return f"{module.replace('.', '/')}.py:{name}"


def same_place(ref: str, place: str) -> bool:
    """Tell whether two references name the same class, wherever the import root lies."""
    return ref == place or place.endswith(f"/{ref}") or ref.endswith(f"/{place}")


def judge(way: Way, pair: Pair, cls: str, copies: Sequence[str], arguments: Mapping[str, str]) -> None:
    """Hold class and arguments against the truth."""
    truth = pair.truth
    way.taken = cls
    is_right = truth["cls"].endswith(cls) or cls == truth["cls_runtime"] or cls.endswith(truth["cls"])
    is_right = is_right or any(same_place(copy, place_of(truth)) for copy in copies)  # the same code in another folder
    way.outcome = "right" if is_right else "other class"
    named = [(name, text) for name, text in _named(truth["args"]) if name in arguments]
    differing = [f"{name}={arguments[name]}, not {text}" for name, text in named if not _same(arguments[name], text)]
    way.arguments = f"differ: {'; '.join(differing)}" if differing else "right" if named else "not compared"


def _named(text: str) -> Iterator[tuple[str, str]]:
    """Yield the arguments that truth gives as ``name=literal``; what it tells in words cannot be compared."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except SyntaxError:
        return
    for keyword in call.keywords if isinstance(call, ast.Call) else ():
        if keyword.arg:
            yield keyword.arg, ast.unparse(keyword.value)


def _same(found: str, wanted: str) -> bool:
    try:
        values = [eval(each, {"__builtins__": {}}) for each in (found, wanted)]
    except (SyntaxError, NameError, TypeError, ValueError):  # an object that has no literal
        return True
    is_list = isinstance(values[1], (list, tuple)) and isinstance(values[0], (list, tuple))
    return list(values[0]) == list(values[1]) if is_list else bool(values[0] == values[1])


def read_pair(folder: Path, sources_dir: Path, python: Path, seconds: float) -> Pair:
    """Return one pair."""
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    home = sources_dir / truth["repo"].replace("/", "+")
    checkpoint = next(file for file in sorted(folder.iterdir()) if file.name.startswith("ckpt"))
    roots = [home, *((home / path).resolve() for path in truth["path"] if path.startswith(".."))]
    return Pair(folder.name, truth, checkpoint, roots, identified(checkpoint), python, seconds)


def measure(pair: Pair, sources_dir: Path, tiers: str, known: Mapping[str, Any]) -> dict[str, Way]:
    """Return both ways; the search is not run twice."""
    ways: dict[str, Way] = {name: Way(**way) for name, way in known.items()}
    if tiers != "all":
        ways["search"] = attempted(lambda: searched(pair))
    if tiers != "search":
        first = from_catalogue(pair, sources_dir)
        if first is None or not first.strict:
            first = ways["search"] if "search" in ways else attempted(lambda: searched(pair))
        ways["all"] = with_made_up_weights(first, ways.get("search"))
    return ways


def with_made_up_weights(way: Way, search: Way | None) -> Way:
    """Return the catalogue's way with what the search saw on weights of its own, where it built the same class."""
    if search is None or search.taken != way.taken or not way.strict:
        return way
    return replace(way, finite=way.finite or search.finite)


def measured_code() -> str:
    """Return the commit of this checkout, with ``-dirty`` where dnnbox's files differ from it."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True)
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "dnnbox"], check=False).returncode
    return commit.stdout.strip() + ("-dirty" if changed else "")


def attempted(action: Callable[[], Way]) -> Way:
    """Return what the action returns; what dnnbox refuses is a failed way."""
    try:
        return action()
    except DnnboxError as error:
        return Way("search", "failed", why=error.what)


def line(name: str, kind: str, way: Way) -> str:
    """Return one line of the table."""
    passed = zip("SFR", (way.strict, way.finite, way.repeatable), strict=True)
    flags = "".join(letter if is_on else "-" for letter, is_on in passed)
    seconds = f"{way.plan_seconds:5.1f} {way.box_seconds:6.1f}"
    told = f"{way.arguments[:30]:30} {way.taken[-40:]:40} {way.why[:160]}"
    return f"{name:24} {kind:6} {way.outcome:11} {flags}  {way.rank}  {seconds}  {told}"


def summary(rows: Mapping[str, Mapping[str, Any]], kind: str) -> dict[str, Any]:
    """Return the sums of one column."""
    ways = [row[kind] for row in rows.values() if kind in row]
    right = [way for way in ways if way["outcome"] == "right"]
    exact = [way for way in right if not way["arguments"].startswith("differ")]
    misses = [way for way in ways if way["outcome"] not in ("right", "equal class") or not way["strict"]]
    return {
        "pairs": len(ways),
        "right_class": len(right),
        "right_class_strict": sum(way["strict"] for way in right),
        "right_class_arguments_and_strict": sum(way["strict"] for way in exact),
        "finite_forward": sum(way["finite"] for way in right),
        "repeatable_forward": sum(way["repeatable"] for way in right),
        "equal_class_accepted": sum(way["outcome"] == "equal class" for way in ways),
        "wrong_class_accepted": sum(way["outcome"] == "other class" for way in ways),
        "misses": len(misses),
        "misses_with_the_class_in_the_first_three": sum(0 < way["rank"] <= 3 for way in misses),
        "stopped_at_the_limit": sum(not way["complete"] for way in ways),
    }


def record(path: Path, rows: Mapping[str, Any]) -> None:
    """Write the rows and the sums of both columns."""
    document = {
        "command": "make eval-source PAIRS=DIR SOURCES=DIR ENV=DIR",
        "summary": {kind: summary(rows, kind) for kind in ("all", "search")},
        "rows": dict(sorted(rows.items())),
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def known_rows(path: Path | None) -> dict[str, Any]:
    """Return the rows of an earlier part."""
    if path is None or not path.is_file():
        return {}
    rows = json.loads(path.read_text("utf-8")).get("rows")
    return rows if isinstance(rows, dict) else {}


def main() -> int:
    """Print a line per pair and way, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("pairs", "sources", "python"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--tier", choices=("search", "all", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=600.0, help="limit of one search, as of the job in a run")
    parser.add_argument("--missing", action="store_true", help="only what the record does not hold yet")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    rows, code = known_rows(options.record), measured_code()
    for folder in sorted(options.pairs.iterdir()):
        known = set(rows.get(folder.name, ())) if options.missing else set[str]()
        if not (folder / "truth.json").is_file() or known >= WANTED[options.tier]:
            continue
        if options.only and not any(part in folder.name for part in options.only):
            continue
        pair = read_pair(folder, options.sources.absolute(), options.python.absolute(), options.seconds)
        before = rows.get(folder.name, {})
        ways = measure(pair, options.sources.absolute(), options.tier, before)
        for kind in WANTED[options.tier]:
            ways[kind].code = code
        rows[folder.name] = {kind: asdict(way) for kind, way in ways.items()}
        for kind, way in ways.items():
            print(line(folder.name, kind, way), flush=True)
        if options.record:
            record(options.record, rows)
    for kind in ("search", "all"):
        print(kind, json.dumps(summary(rows, kind)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
