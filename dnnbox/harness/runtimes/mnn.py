"""MNN: a .mnn net through its expression API, on the CPU and in full precision."""

from __future__ import annotations

from typing import Any, Dict

from ..failures import Failure
from ..protocol import TensorRecord
from .declared import DeclaredRuntime


class Mnn(DeclaredRuntime):
    """The library tells names only; types and sizes of the inputs are what the host read from the file."""

    any_batch = True

    def import_libraries(self) -> None:
        """Import MNN's parts."""
        super().import_libraries()
        import MNN
        from MNN import expr, nn

        self.mnn, self.nn, self.expr = MNN, nn, expr

    def load(self) -> None:
        """Open the net for its own input and output names, with full precision: the default may take 16 bits."""
        self.refuse_precision("an .mnn net")
        self.threads = self.request.threads or 1
        settings = {"backend": "CPU", "precision": "high", "numThread": self.threads}
        manager = self.nn.create_runtime_manager((settings,))
        bare = self.nn.load_module_from_file(self.request.checkpoint, [], [], runtime_manager=manager)
        about = bare.get_info()
        inputs = [str(name) for name in about["inputNames"]]
        outputs = [str(name) for name in about["outputNames"]]
        if not inputs or not outputs:
            raise Failure("load_failed", "the net names no inputs or no outputs", "load")
        self.model = self.nn.load_module_from_file(self.request.checkpoint, inputs, outputs, runtime_manager=manager)
        hinted = {record.name: record for record in self.hinted_records()}
        unknown = TensorRecord("", "float32", [], "assumed", "")
        self.input_records = [
            TensorRecord(name, hinted.get(name, unknown).dtype, hinted.get(name, unknown).shape, "declared", "net")
            for name in inputs
        ]
        self.output_records = [TensorRecord(name, "float32", [], "declared", "net") for name in outputs]

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs of the sizes in the net."""
        bare = [record.name for record in self.input_records if not record.shape]
        if bare:
            raise Failure("needs_adapter", "the net does not say how large %s is: give --input" % bare[0], "input")
        return super().example_inputs(batch_size)

    def infer(self, inputs: Any) -> Any:
        """Copy the inputs in, run, and read: the library computes when its outputs are read."""
        kinds = {"float32": self.expr.float, "int32": self.expr.int, "uint8": self.expr.uint8, "int64": self.expr.int64}
        given = []
        for record in self.input_records:
            value = inputs[record.name]
            kind = kinds.get(str(value.dtype))
            if kind is None:
                raise Failure("input_failed", "MNN takes no input of type %s" % value.dtype, "input")
            given.append(self.expr.const(value, list(value.shape), self.expr.NCHW, kind))
        made = self.model.forward(given)
        return {record.name: value.read() for record, value in zip(self.output_records, made)}

    def to_host(self, outputs: Any) -> Any:
        """Return copies as numpy arrays."""
        return {name: self.numpy.array(value) for name, value in outputs.items()}

    def effective(self) -> Dict[str, Any]:
        """Return threads and version."""
        return self.facts(
            threads=self.threads,
            threads_source="set" if self.request.threads else "one: MNN's default is four, whatever the machine has",
            mnn=str(getattr(self.mnn, "__version__", "")),
        )
