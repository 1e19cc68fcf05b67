"""torch.export programs (.pt2): graph, weights, shapes and often example inputs in one file."""

from __future__ import annotations

import importlib
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .. import examples
from ..failures import Failure
from ..protocol import InputFile, TensorRecord
from .base import Decoded, Signature
from .tensors import ImageInputs

UNBOUNDED = 1 << 20


class TorchExport(ImageInputs):
    """Called by position, as the program was captured; keyword inputs are called by name."""

    casts = False

    def import_libraries(self) -> None:
        """Import torch and what reads programs, which torch imports late."""
        super().import_libraries()
        try:
            importlib.import_module("torch._export.serde.serialize")
        except ImportError:  # moved in another version: then loading imports it
            return

    def load(self) -> None:
        """Load the program and make its module."""
        self.program = self.torch.export.load(self.request.checkpoint)
        self.model = self.program.module()
        names = set(self.program.graph_signature.user_inputs)
        self.placeholders = [
            node for node in self.program.graph.nodes if node.op == "placeholder" and node.name in names
        ]
        kwargs = self.program.call_spec.in_spec.child(1) if hasattr(self.program.call_spec.in_spec, "child") else None
        self.keywords: List[str] = [str(key) for key in (kwargs.context or [])] if kwargs is not None else []

    def _move(self) -> None:
        if self.device.type != "cpu":
            from torch.export.passes import move_to_device_pass

            self.program = move_to_device_pass(self.program, self.device)
            self.model = self.program.module()

    def parameters(self) -> Sequence[Any]:
        """Return the program's weights."""
        return list(self.program.state_dict.values())

    def _shapes(self) -> Dict[str, Tuple[str, List[Any]]]:
        found: Dict[str, Tuple[str, List[Any]]] = {}
        for node in self.placeholders:
            value = node.meta.get("val")
            if hasattr(value, "shape"):
                shape = [size if isinstance(size, int) else str(size) for size in value.shape]
                found[node.name] = (str(value.dtype).rpartition(".")[2], shape)
        return found

    def signature(self) -> Signature:
        """Return the captured inputs; sizes that may vary have the names of their symbols."""
        found = self._shapes()
        declared = [
            TensorRecord(n, dtype, shape, "declared", "program signature") for n, (dtype, shape) in found.items()
        ]
        return declared, []

    def input_name(self, index: int) -> str:
        """Return the name of a captured input."""
        names = list(self._shapes())
        return names[index] if index < len(names) else "input%d" % index

    def example_inputs(self, batch_size: int) -> Any:
        """Return tensors of the captured shapes, batch and other open sizes within their ranges."""
        found = self._shapes()
        if len(found) != len(self.placeholders):
            raise Failure("needs_adapter", "the program takes inputs that are no tensors", "input")
        limits = self._limits()
        recorded = self._recorded_sizes(list(found))
        shapes = {}
        for name, (_, shape) in found.items():
            self._refuse_fixed_batch(name, shape, batch_size, limits)
            shapes[name] = [self._size(size, place, batch_size, limits, recorded) for place, size in enumerate(shape)]
        made = {}
        for name, (dtype, _) in found.items():
            kind = "float32" if dtype == "bfloat16" else dtype
            made[name] = examples.tensor(name, kind, shapes[name], self.request.seed, self._vocabulary())
        tensors = self.of_arrays(made)
        return {name: tensor.to(getattr(self.torch, found[name][0])) for name, tensor in tensors.items()}

    def _vocabulary(self) -> int:
        rows = [
            value.shape[0] for name, value in self.program.state_dict.items() if "embed" in name and value.ndim == 2
        ]
        return int(max(rows)) if rows else examples.DEFAULT_VOCABULARY

    def _limits(self) -> Dict[str, Tuple[int, int]]:
        limits = {}
        for symbol, bounds in self.program.range_constraints.items():
            upper = str(bounds.upper)
            limits[str(symbol)] = (int(bounds.lower), int(upper) if upper.isdigit() else UNBOUNDED)
        return limits

    def _recorded_sizes(self, names: Sequence[str]) -> Dict[str, int]:
        """Return the size that each symbol had in the example inputs in the file."""
        example: Optional[Any] = getattr(self.program, "example_inputs", None)
        if not example:
            return {}
        values = list(example[0]) + list(example[1].values())
        sizes: Dict[str, int] = {}
        for (_, shape), value in zip(self._shapes().values(), values):
            for size, seen in zip(shape, getattr(value, "shape", ())):
                sizes.setdefault(str(size), int(seen))
        return sizes

    def _size(
        self, size: Any, place: int, batch_size: int, limits: Dict[str, Tuple[int, int]], recorded: Dict[str, int]
    ) -> int:
        if isinstance(size, int):
            return size
        lower, upper = limits.get(str(size), (1, UNBOUNDED))
        wanted = batch_size if place == 0 else recorded.get(str(size), examples.SEQUENCE)
        return max(lower, min(upper, wanted))

    def _refuse_fixed_batch(self, name: str, shape: List[Any], n: int, limits: Dict[str, Tuple[int, int]]) -> None:
        if not shape or n == 1:
            return
        lower, upper = (shape[0], shape[0]) if isinstance(shape[0], int) else limits.get(shape[0], (1, UNBOUNDED))
        if not lower <= n <= upper:
            text = "the batch of input %s was captured as %d to %d, asked for %d"
            raise Failure("unsupported", text % (name, lower, upper, n), "input")

    def infer(self, inputs: Any) -> Any:
        """Run the program."""
        if not self.keywords:
            return self.model(*inputs.values())
        values = list(inputs.values())
        split = len(values) - len(self.keywords)
        return self.model(*values[:split], **dict(zip(self.keywords, values[split:])))

    def preprocess(self, items: Sequence[InputFile]) -> Any:
        """Return tensors or pictures from files."""
        return self.from_files(items)

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return classes where the host knows that these are some."""
        return self.classes(outputs, items)
