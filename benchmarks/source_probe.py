"""Runs in a box without network: an adapter builds, loads and calls a model; what upstream's code imports is noted.

    python source_probe.py ADAPTER CHECKPOINT OUT ROOT…

Prints nothing of its own; OUT gets JSON: the stage that was reached, the error, the direct imports that upstream's own
files and the adapter made (top-level name → file), and the distributions that brought them.
"""

from __future__ import annotations

import builtins
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any


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


def distributions(names: list[str], roots: list[str]) -> dict[str, str]:
    """Return the distribution of each module that comes from one; the source's own modules have none."""
    owners = importlib.metadata.packages_distributions()
    found = {}
    for name in names:
        file = str(getattr(sys.modules.get(name), "__file__", None) or "")
        if name not in sys.stdlib_module_names and name in owners and not any(file.startswith(root) for root in roots):
            found[name] = owners[name][0]
    return found


def main() -> None:
    """Run the stages; write what happened."""
    adapter, checkpoint, out, *roots = sys.argv[1:]
    sys.path[:0] = roots
    result: dict[str, Any] = {"stage": "import"}
    seen: dict[str, str] = {}
    start = time.monotonic()
    try:
        import torch

        torch.set_num_threads(2)
        torch.manual_seed(0)
        if importlib.util.find_spec("torchvision"):
            from dnnbox_harness.runtimes.torchvision_import import import_torchvision

            note: Any = type("Note", (), {"note": lambda *_: None})
            import_torchvision(note())
        watch([*roots, str(Path(adapter).parent)], seen)
        spec = importlib.util.spec_from_file_location("adapter", adapter)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        made = module.Adapter()
        result["stage"] = "load"
        made.load(checkpoint, "cpu", "fp32")
        result["strict"] = made.strict_load
        result["class"] = f"{type(made.model).__module__}.{type(made.model).__name__}"
        result["stage"] = "forward"
        outputs = tensors(made.infer(made.example_inputs(1)))
        result["finite"] = all(bool(torch.isfinite(t).all()) for t in outputs if t.is_floating_point())
        result["shapes"] = [list(t.shape) for t in outputs][:6]
        result["stage"] = "done"
    except BaseException as error:  # noqa: BLE001 - upstream may raise anything, SystemExit too
        result["error"] = f"{type(error).__name__}: {error}"[:500]
        result["traceback"] = traceback.format_exc()[-3000:]
    result["seconds"] = round(time.monotonic() - start, 2)
    names = [name for name in seen if name not in sys.stdlib_module_names and not name.startswith("dnnbox")]
    result["imports"] = {name: os.path.relpath(seen[name], roots[0]) for name in names}
    result["distributions"] = distributions(names, roots)
    Path(out).write_text(json.dumps(result), encoding="utf-8")


main()
