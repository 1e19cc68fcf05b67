"""Lightning checkpoints: the LightningModule comes from the user's source, its arguments from the checkpoint."""

from __future__ import annotations

import importlib
from typing import Any

from ..failures import Failure
from .torch_module import TorchModule


class Lightning(TorchModule):
    """``options["classes"]`` names the LightningModule as ``package.module.Class``, found in the source."""

    def import_libraries(self) -> None:
        """Import torch and whichever of the two packages is there: old sources import the old name."""
        super().import_libraries()
        try:
            self.library = importlib.import_module("lightning")
        except ImportError:
            self.library = importlib.import_module("pytorch_lightning")

    def load(self) -> None:
        """Import the class and let Lightning build it and read the weights, tensors and plain values only."""
        names = [str(name) for name in self.options.get("classes") or []]
        if not names:
            text = "a Lightning checkpoint holds weights only: give the source of its LightningModule with --source"
            raise Failure("needs_adapter", text, "load")
        module, _, name = names[0].rpartition(".")
        try:
            cls: Any = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise Failure("load_failed", "%s cannot be imported: %s" % (names[0], error), "load") from error
        if not hasattr(cls, "load_from_checkpoint"):
            raise Failure("unsupported", "%s is no LightningModule" % names[0], "load")
        path = self.request.checkpoint
        try:
            self.model = cls.load_from_checkpoint(path, map_location="cpu", weights_only=True, strict=True)
        except TypeError as error:
            text = "%s cannot be built from the checkpoint's hyper-parameters: %s"
            raise Failure("needs_adapter", text % (names[0], error), "load") from error
        self.note("the LightningModule is %s" % names[0])
