"""TorchScript: torch.jit.load; the archive brings its own code, but says nothing of shapes."""

from __future__ import annotations

from typing import Any, List, Sequence, Type

from ..protocol import InputFile, RunRequest
from . import guesses
from .base import Decoded, Runtime
from .tensors import ImageInputs
from .torch_base import TorchRuntime


class TorchScript(ImageInputs, TorchRuntime):
    """Inputs come from hints, else from what the first layer reads."""

    casts = False

    @classmethod
    def choose(cls, request: RunRequest) -> Type[Runtime]:
        """Return the class for the family of the model."""
        if request.options.get("library") == "silero-vad":
            from .silero import SileroScript

            return SileroScript
        return cls

    def load(self) -> None:
        """Load the archive."""
        self.model = self.torch.jit.load(self.request.checkpoint, map_location="cpu")

    def names(self) -> List[str]:
        """Return the names of forward's inputs that have no default, without self."""
        try:
            arguments = self.model.forward.schema.arguments[1:]
        except (AttributeError, RuntimeError):
            return ["input"]
        return [argument.name for argument in arguments if not argument.has_default_value()] or ["input"]

    def input_name(self, index: int) -> str:
        """Return forward's own name."""
        names = self.names()
        return names[index] if index < len(names) else "input%d" % index

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs from hints, or the first guess that runs."""
        layers = [(name, getattr(module, "original_name", ""), module) for name, module in self.model.named_modules()]
        return guesses.inputs_of(self, self.names(), layers, batch_size)

    def preprocess(self, items: Sequence[InputFile]) -> Any:
        """Return tensors or pictures from files."""
        return self.from_files(items)

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return classes where the host knows that these are some."""
        return self.classes(outputs, items)
