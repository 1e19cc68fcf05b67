"""A whole nn.Module that was pickled: its classes come from the source on ``sys_path``, so its code runs here."""

from __future__ import annotations

import inspect
from typing import Any, List, Sequence

from .. import scripts
from ..failures import Failure
from ..protocol import InputFile
from . import guesses
from .base import Decoded
from .tensors import ImageInputs
from .torchvision_import import retry


class TorchModule(ImageInputs):
    """``options["entry"]`` names the module inside a dict. Unpickling runs code: the box is what contains it.

    ``options["main"]`` is the script, relative to the source's root, that was ``__main__`` when it was saved.
    """

    def load(self) -> None:
        """Unpickle the module."""
        path = self.request.checkpoint
        if self.options.get("main") and self.request.sys_path:
            for text in scripts.provide(self.request.sys_path[0], str(self.options["main"])):
                self.note("left out of the script that saved the module: %s" % text)
        data = retry(self, lambda: self.torch.load(path, map_location="cpu", weights_only=False))
        for key in [part for part in str(self.options.get("entry") or "").split(".") if part]:
            if not isinstance(data, dict) or key not in data:
                raise Failure("load_failed", "the checkpoint has no %r" % key, "load")
            data = data[key]
        if not isinstance(data, self.torch.nn.Module):
            raise Failure("unsupported", "the checkpoint holds a %s, not a module" % type(data).__name__, "load")
        self.model = data
        self.step_of_class()

    def step_of_class(self) -> None:
        """Say which class came out."""
        cls = type(self.model)
        self.note("the pickled module is %s.%s" % (cls.__module__, cls.__qualname__))

    def names(self) -> List[str]:
        """Return the names of forward's positional inputs that have no default."""
        try:
            parameters = inspect.signature(self.model.forward).parameters.values()
        except (TypeError, ValueError):
            return ["input"]
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty] or ["input"]

    def input_name(self, index: int) -> str:
        """Return forward's own name."""
        names = self.names()
        return names[index] if index < len(names) else "input%d" % index

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs from hints, or the first guess that runs."""
        layers = [(name, type(module).__name__, module) for name, module in self.model.named_modules()]
        return guesses.inputs_of(self, self.names(), layers, batch_size)

    def preprocess(self, items: Sequence[InputFile]) -> Any:
        """Return tensors or pictures from files."""
        return self.from_files(items)

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return classes where the host knows that these are some."""
        return self.classes(outputs, items)
