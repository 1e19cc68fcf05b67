"""The user's own Adapter class: plain Python that knows how to load, feed and read one model."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from types import ModuleType
from typing import Any, Dict, List, Sequence

from .. import trees
from ..arrays import Array
from ..failures import Failure
from ..protocol import Check, InputFile
from .base import Decoded, Runtime
from .torchvision_import import retry

REQUIRED = ("load", "example_inputs", "preprocess", "infer", "postprocess")


class AdapterRuntime(Runtime):
    """Calls ``Adapter`` of the file ``options["adapter"]``; its methods are those of docs/architecture.md.

    The adapter may return tensors of any library, lists of numbers, or :class:`array.array`.
    """

    prepares = True
    decodes = True
    must_explain = True

    def import_libraries(self) -> None:
        """Import the adapter's file, which imports whatever it needs."""
        path = str(self.options.get("adapter") or "")
        if not os.path.isfile(path):
            raise Failure("needs_adapter", "no adapter file at %r" % os.path.basename(path))
        module = retry(self, lambda: self._import(path))
        cls = getattr(module, "Adapter", None)
        if cls is None:
            raise Failure("needs_adapter", "%s has no class Adapter" % os.path.basename(path))
        missing = [name for name in REQUIRED if not callable(getattr(cls, name, None))]
        if missing:
            raise Failure("needs_adapter", "class Adapter lacks %s" % ", ".join(missing))
        self._seed()
        self.adapter = cls()
        self._scratch = ""

    def _import(self, path: str) -> ModuleType:
        sys.path.append(os.path.dirname(os.path.abspath(path)))  # its neighbours may be imported
        spec = importlib.util.spec_from_file_location("dnnbox_adapter", path)
        if spec is None or spec.loader is None:
            raise Failure("needs_adapter", "%s is not a Python file" % os.path.basename(path))
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    def open_context(self) -> None:
        """The device is the adapter's business; where it uses torch, that is asked first."""
        torch = sys.modules.get("torch")
        if self.request.device == "cpu":
            return
        if torch is not None and self.request.device.startswith(("cuda", "rocm")) and not torch.cuda.is_available():
            raise Failure("device_unavailable", "torch sees no GPU, asked for %s" % self.request.device)

    def load(self) -> None:
        """Let the adapter load the checkpoint on its device."""
        request = self.request
        # Building may be what first imports the source, and with it a torchvision that does not fit.
        retry(
            self, lambda: self._stub(lambda: self.adapter.load(request.checkpoint, request.device, request.precision))
        )
        self._hear()

    def build(self) -> Any:
        """Return the model without its weights, None where the adapter only loads."""
        build = getattr(self.adapter, "build", None)
        return retry(self, lambda: self._stub(build)) if callable(build) else None

    def _hear(self) -> None:
        """Take what an adapter says of itself: remarks, a strict load, the steps before and after the model."""
        for text in getattr(self.adapter, "notes", None) or []:
            self.note(str(text))
        if getattr(self.adapter, "strict_load", ""):
            self.checks.append(Check("strict_load", True, str(self.adapter.strict_load)))
        for kind in ("preprocessing", "postprocessing"):
            for entry in getattr(self.adapter, kind, None) or []:
                parameters = dict(entry.get("parameters") or {})
                self.step(kind, str(entry["step"]), parameters, str(entry["status"]), str(entry["source"]))

    def example_inputs(self, batch_size: int) -> Any:
        """Return what the adapter makes up."""
        return self._stub(lambda: self.adapter.example_inputs(batch_size))

    def batches(self, items: Sequence[Any]) -> List[List[Any]]:
        """Return all files as one call: only the adapter knows what belongs together."""
        return [list(items)] if items else []

    def preprocess(self, items: Sequence[InputFile]) -> Any:
        """Return the adapter's inputs for the files."""
        return self._stub(lambda: self.adapter.preprocess([item.path for item in items]))

    def run_arrays(self, named: Dict[str, Array], like: Any) -> Any:
        """Run the adapter on plain arrays, in the nesting and the library's tensors of a call that ran."""
        left = list(named.values())
        return self.adapter.infer(trees.convert(like, lambda leaf: _as(leaf, left.pop(0)) if left else leaf))

    def place_to_train(self) -> None:
        """Refuse where the adapter cannot train."""
        if not callable(getattr(self.adapter, "train_step", None)):
            raise Failure(
                "unsupported", "class Adapter has no method train_step, so there is nothing to train", "train"
            )

    def trainer(self, inputs: Any) -> Any:
        """Return a trainer around the adapter's ``train_step``, which does forward, loss and backward."""
        from .. import training

        torch = sys.modules.get("torch")
        kept = list(vars(self.adapter).values())
        modules = [value for value in kept if torch is not None and isinstance(value, torch.nn.Module)]
        if torch is None or not modules:
            raise Failure("unsupported", "the adapter keeps no torch module as an attribute", "train")
        for module in modules:
            module.train()
        own = next((value for value in kept if isinstance(value, torch.optim.Optimizer)), None)
        return training.Trainer(
            torch, modules, lambda: self.adapter.train_step(inputs), "train_step of the adapter", own
        )

    def infer(self, inputs: Any) -> Any:
        """Run the adapter's timed call."""
        return self.adapter.infer(inputs)

    def synchronize(self) -> None:
        """Wait for torch's device, if the adapter uses it."""
        torch = sys.modules.get("torch")
        if self.request.device != "cpu" and torch is not None and torch.cuda.is_available():
            torch.cuda.synchronize()

    @property
    def moves(self) -> bool:  # type: ignore[override]
        """On a device the call is synchronised; the copies are inside the adapter's own methods."""
        return self.request.device != "cpu"

    def decode(self, outputs: Any) -> Any:
        """Run the adapter's postprocess, with a scratch folder for what it may write.

        One that writes files is not part of a timed iteration: drawing a picture is no inference.
        """
        if not self._scratch:
            self._scratch = tempfile.mkdtemp(prefix="dnnbox-")
        result = self.adapter.postprocess(outputs, self._scratch)
        if self.decodes and os.listdir(self._scratch):
            self.decodes = False
            self.note("postprocess writes files, so it is left out of the timed iteration")
            shutil.rmtree(self._scratch, ignore_errors=True)
        return result

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return the adapter's answer; what it draws goes to ``out_dir``."""
        answer = self.adapter.postprocess(outputs, out_dir)
        if answer is None:
            return []
        if isinstance(answer, (list, tuple)):
            return [dict(entry) if isinstance(entry, dict) else {"value": entry} for entry in answer]
        return [dict(answer) if isinstance(answer, dict) else {"value": answer}]

    def reset(self) -> None:
        """Set the seeds of every library that the adapter loaded."""
        self._seed()

    def _seed(self) -> None:
        super().reset()
        seed = self.request.seed
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(seed)
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "manual_seed"):
            torch.manual_seed(seed)
            if self.request.threads > 0:
                torch.set_num_threads(self.request.threads)

    def _stub(self, call: Any) -> Any:
        """Run a method of the adapter; one that is still to be written says what is missing."""
        try:
            return call()
        except NotImplementedError as error:
            raise Failure("needs_adapter", str(error) or "the adapter has a method that is not written yet") from error

    def effective(self) -> Dict[str, Any]:
        """Return what was asked of the adapter; whether it obeyed is the adapter's word."""
        facts = super().effective()
        torch = sys.modules.get("torch")
        threads = torch.get_num_threads() if torch is not None and hasattr(torch, "get_num_threads") else None
        facts.update(device=self.request.device, threads=threads or self.request.threads or None)
        facts["source"] = "stated by the adapter"
        return facts


def _as(leaf: Any, array: Array) -> Any:
    """Return a plain array as a tensor of the leaf's library."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(leaf, torch.Tensor):
        flat = torch.frombuffer(bytearray(array.data), dtype=getattr(torch, array.dtype))
        return flat.reshape(tuple(array.shape)).to(leaf.device).to(leaf.dtype)
    if numpy is not None:
        return numpy.frombuffer(bytes(array.data), dtype=array.dtype).reshape(array.shape)
    return leaf
