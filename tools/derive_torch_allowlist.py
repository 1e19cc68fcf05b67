"""Write dnnbox/checkpoints/pickles/torch_names.py from an installed torch: run it with an interpreter that has torch.

Two exact lists: what ``torch.load(weights_only=True)`` accepts, and the module, optimiser and scheduler classes that a
pickle of a whole model may name without needing anything but torch. Functions are those that modules keep as
attributes (activations); they are names to refer to, never to call.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

_CLASS_MODULES = ("torch.nn.", "torch.optim.", "torch.ao.")
_FUNCTION_MODULES = ("torch.nn.functional", "torch._C._nn")
TARGET = Path(__file__).resolve().parents[1] / "dnnbox" / "checkpoints" / "pickles" / "torch_names.py"


def weights_only() -> set[str]:
    """Return the globals that torch's own restricted unpickler accepts."""
    from torch import _weights_only_unpickler as unpickler

    return set(unpickler._get_allowed_globals())  # noqa: SLF001  (torch has no public name for it)


def _classes(module: ModuleType, bases: tuple[type, ...]) -> Iterable[str]:
    for value in vars(module).values():
        own = (
            isinstance(value, type)
            and issubclass(value, bases)
            and value.__module__.startswith("torch.")
            and "<" not in value.__qualname__
        )
        if own:
            yield f"{value.__module__}.{value.__qualname__}"


def classes() -> set[str]:
    """Return the pickled names of torch's own module, optimiser and scheduler classes."""
    import pkgutil
    from importlib import import_module

    import torch

    bases = (torch.nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler)
    found: set[str] = set()
    for root in (torch.nn.modules, torch.optim, torch.ao.nn.quantized, torch.ao.quantization):
        found.update(_classes(root, bases))
        for info in pkgutil.walk_packages(root.__path__, root.__name__ + "."):
            try:
                found.update(_classes(import_module(info.name), bases))
            except Exception as error:  # noqa: BLE001  optional parts of torch need packages that are not there
                print(f"left out: {info.name}: {error}", file=sys.stderr)
    for info in pkgutil.walk_packages(torch.nn.utils.__path__, "torch.nn.utils."):
        found.update(_classes(import_module(info.name), (object,)))  # hooks: weight_norm, spectral_norm, pruning
    found.add("torch.nn.modules.module._WrappedHook")
    found.update(_classes(torch.nn, bases))
    found.update(_classes(torch.optim.lr_scheduler, bases))
    return found


def functions() -> set[str]:
    """Return the pickled names of the plain functions of torch.nn.functional."""
    import torch

    values = (getattr(torch.nn.functional, name) for name in dir(torch.nn.functional) if _is_plain(name))
    return {f"{value.__module__}.{value.__name__}" for value in values if value.__module__ in _FUNCTION_MODULES}


def _is_plain(name: str) -> bool:
    import torch

    value = getattr(torch.nn.functional, name)
    return callable(value) and not name.startswith("_") and not isinstance(value, (type, ModuleType)) and name.islower()


def render() -> str:
    """Return the module's text."""
    import textwrap

    import torch

    blocks = []
    for title, names in (("WEIGHTS_ONLY", weights_only()), ("CLASSES", classes()), ("FUNCTIONS", functions())):
        lines = textwrap.fill(" ".join(sorted(names)), 112, initial_indent="    ", subsequent_indent="    ",
                              break_long_words=False, break_on_hyphens=False)  # fmt: skip
        blocks.append(f'{title}: frozenset[str] = frozenset(\n    """\n{lines}\n    """.split()  # noqa: SIM905\n)\n')
    head = (
        '"""Exact names of torch, written by tools/derive_torch_allowlist.py; do not edit.\n\n'
        "WEIGHTS_ONLY is what torch.load(weights_only=True) accepts; CLASSES and FUNCTIONS may be named by a pickled\n"
        'model and need nothing but torch.\n"""\n\nfrom __future__ import annotations\n\n'
    )
    return head + f'TORCH_VERSION = "{torch.__version__}"\n\n' + "\n".join(blocks)


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
    print(f"wrote {TARGET.name}")
