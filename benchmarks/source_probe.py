"""Runs in a box without network: adapters build, load and call models; what upstream's own files import is noted.

    python source_probe.py JOBS OUT

JOBS is a JSON list of {"name", "adapter", "checkpoint", "root"}; each runs in a process of its own, forked after torch
was imported once. OUT gets a JSON file per name: the stage that was reached, the error, the direct imports that
upstream's files and the adapter made (top-level name → file), and the distributions that brought them.
"""

from __future__ import annotations

import builtins
import importlib.metadata
import importlib.util
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

LIMIT_S = 240


def watch(roots: list[str], seen: dict[str, str]) -> None:
    """Note every import statement of upstream's own files that succeeds."""
    original = builtins.__import__

    def noting(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:  # noqa: A002
        module = original(name, globals, locals, fromlist, level)
        importer = str((globals or {}).get("__file__") or "")
        if level == 0 and any(importer.startswith(root) for root in roots):
            seen.setdefault(name.partition(".")[0], importer)
        return module

    builtins.__import__ = noting


def tensors(value: Any) -> list[Any]:
    """Return all tensors in a nested answer."""
    if hasattr(value, "data_ptr"):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for item in inner for tensor in tensors(item)]


def distributions(names: list[str], root: str) -> dict[str, str]:
    """Return the distribution of each module that comes from one; the source's own modules have none."""
    owners = importlib.metadata.packages_distributions()
    found = {}
    for name in names:
        file = str(getattr(sys.modules.get(name), "__file__", None) or "")
        if name not in sys.stdlib_module_names and name in owners and not file.startswith(root):
            found[name] = owners[name][0]
    return found


def run(job: dict[str, str], result: dict[str, Any], seen: dict[str, str]) -> None:
    """Import, load, call; ``result`` says how far it came."""
    import torch

    sys.path.insert(0, job["root"])
    os.chdir(job["root"])
    watch([job["root"], str(Path(job["adapter"]).parent)], seen)
    spec = importlib.util.spec_from_file_location("adapter", job["adapter"])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.Adapter()
    result["stage"] = "load"
    made.load(job["checkpoint"], "cpu", "fp32")
    result["strict"] = made.strict_load
    result["class"] = f"{type(made.model).__module__}.{type(made.model).__name__}"
    result["stage"] = "forward"
    outputs = tensors(made.infer(made.example_inputs(1)))
    result["finite"] = all(bool(torch.isfinite(t).all()) for t in outputs if t.is_floating_point())
    result["shapes"] = [list(t.shape) for t in outputs][:6]
    result["stage"] = "done"


def attempt(job: dict[str, str], out: Path) -> None:
    """Run one job in this process and write what happened."""
    signal.alarm(LIMIT_S)
    result: dict[str, Any] = {"stage": "import"}
    seen: dict[str, str] = {}
    start = time.monotonic()
    try:
        run(job, result, seen)
    except BaseException as error:  # noqa: BLE001 - upstream may raise anything, SystemExit too
        result["error"] = f"{type(error).__name__}: {error}"[:500]
        result["traceback"] = traceback.format_exc()[-3000:]
    result["seconds"] = round(time.monotonic() - start, 2)
    names = [name for name in seen if name not in sys.stdlib_module_names and not name.startswith("dnnbox")]
    result["imports"] = {name: os.path.relpath(seen[name], job["root"]) for name in names}
    result["distributions"] = distributions(names, job["root"])
    (out / f"{job['name']}.json").write_text(json.dumps(result), encoding="utf-8")


def main() -> None:
    """Import torch once, then fork for every job."""
    jobs, out = json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])
    import torch
    from dnnbox_harness.runtimes.torchvision_import import import_torchvision

    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    torch.manual_seed(0)
    note: Any = type("Note", (), {"note": lambda *_: None})()
    import_torchvision(note)
    for job in jobs:
        child = os.fork()
        if child == 0:
            attempt(job, out)
            os._exit(0)
        os.waitpid(child, 0)


main()
