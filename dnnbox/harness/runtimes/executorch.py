"""ExecuTorch: a .pte program's method through the Python bindings, with the backends that are linked into the wheel."""

from __future__ import annotations

from typing import Any, Dict, List

from ..arrays import Array
from ..failures import Failure
from ..protocol import TensorRecord
from .declared import DeclaredRuntime

DTYPES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "", "complex64", "complex128",
          "bool")  # fmt: skip
"""ExecuTorch's number of a scalar type -> numpy's name."""


class ExecuTorch(DeclaredRuntime):
    """``options["method"]`` names another method than ``forward``."""

    def import_libraries(self) -> None:
        """Import torch, whose tensors go in and come out, and the bindings."""
        super().import_libraries()
        import torch
        from executorch import runtime

        self.torch = torch
        self.runtime = runtime.Runtime.get()
        if self.request.threads > 0:
            torch.set_num_threads(self.request.threads)

    def load(self) -> None:
        """Load the program and one method; a backend that the program needs and the wheel lacks is an error here."""
        self.refuse_precision("a .pte program")
        self.program = self.runtime.load_program(self.request.checkpoint)
        methods = sorted(self.program.method_names)
        name = str(self.options.get("method") or "forward")
        if name not in methods:
            raise Failure("unsupported", "the program has no method %s; it has %s" % (name, ", ".join(methods)))
        try:
            self.call = self.program.load_method(name)
        except RuntimeError as error:
            there = ", ".join(self._backends())
            text = "the method %s does not load (%s); backends here: %s"
            raise Failure("unsupported", text % (name, str(error)[:120], there), "load") from error
        about = self.call.metadata
        self.input_records = self._records(about.num_inputs(), about.input_tensor_meta, "input")
        self.output_records = self._records(about.num_outputs(), about.output_tensor_meta, "output")

    def _records(self, count: int, meta: Any, side: str) -> List[TensorRecord]:
        found = []
        for place in range(count):
            try:
                tensor = meta(place)
            except RuntimeError:  # a number or a list, not a tensor
                text = "%s %d of the program is no tensor"
                raise Failure("needs_adapter", text % (side, place), "load") from None
            number = int(tensor.dtype())
            dtype = DTYPES[number] if number < len(DTYPES) else ""
            found.append(TensorRecord("%s%d" % (side, place), dtype, list(tensor.sizes()), "declared", "program"))
        return found

    def _backends(self) -> List[str]:
        return sorted(self.runtime.backend_registry.registered_backend_names)

    def of_array(self, array: Array) -> Any:
        """Return a torch tensor."""
        return self.torch.from_numpy(super().of_array(array).copy())

    def infer(self, inputs: Any) -> Any:
        """Execute the method."""
        return self.call.execute(list(inputs.values()))

    def to_host(self, outputs: Any) -> Any:
        """Return copies by place: the next call may write to the same memory."""
        return {"output%d" % place: value.clone() for place, value in enumerate(outputs)}

    def effective(self) -> Dict[str, Any]:
        """Return the backends that are linked in."""
        return self.facts(backends=self._backends(), threads_source="the wheel's own pool")
