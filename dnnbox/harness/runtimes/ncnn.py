"""ncnn: a text graph (.param) with its weights (.bin) beside it, on the CPU."""

from __future__ import annotations

import os
from typing import Any, Dict

from ..arrays import Array
from ..failures import Failure
from ..protocol import TensorRecord
from .declared import DeclaredRuntime

MOST = 4  # dimensions of an ncnn matrix


class Ncnn(DeclaredRuntime):
    """Inputs have no batch dimension: one call is one item. Their sizes are in the graph or come with ``--input``."""

    def import_libraries(self) -> None:
        """Import ncnn."""
        super().import_libraries()
        import ncnn

        self.ncnn = ncnn

    def load(self) -> None:
        """Read graph and weights with fp32 throughout: ncnn would take 16 bits by itself where the CPU has them."""
        self.refuse_precision("an ncnn graph")
        if self.request.batch_size > 1:
            raise Failure("unsupported", "ncnn runs one item at a time, asked for %d" % self.request.batch_size)
        self.model = self.ncnn.Net()
        options = self.model.opt
        options.use_vulkan_compute = False
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(options, name, False)
        if self.request.threads > 0:
            options.num_threads = self.request.threads
        weights = os.path.splitext(self.request.checkpoint)[0] + ".bin"
        if not os.path.exists(weights):
            raise Failure("load_failed", "the weights %s are not beside the graph" % os.path.basename(weights), "load")
        if self.model.load_param(self.request.checkpoint) != 0 or self.model.load_model(weights) != 0:
            raise Failure("load_failed", "ncnn could not read the graph and its weights", "load")
        hinted = {record.name: record for record in self.hinted_records()}
        unknown = TensorRecord("", "float32", [], "assumed", "")
        self.input_records = [
            TensorRecord(name, "float32", hinted.get(name, unknown).shape, "declared", "graph")
            for name in self.model.input_names()
        ]
        self.output_records = [TensorRecord(name, "float32", [], "declared", "graph") for name in self._outputs()]

    def _outputs(self) -> Any:
        return [str(name) for name in self.model.output_names()]

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs of the sizes in the graph."""
        bare = [record.name for record in self.input_records if not record.shape]
        if bare:
            raise Failure("needs_adapter", "the graph does not say how large %s is: give --input" % bare[0], "input")
        return super().example_inputs(batch_size)

    def of_array(self, array: Array) -> Any:
        """Return the array without a batch dimension of one, which ncnn does not have."""
        value = super().of_array(array)
        if value.ndim == MOST and value.shape[0] == 1:
            value = value[0]
        if value.dtype != self.numpy.float32:
            raise Failure("input_failed", "ncnn takes float32, got %s" % value.dtype, "input")
        return value

    def infer(self, inputs: Any) -> Any:
        """Run a new extractor: one keeps its results and would answer the second time without computing."""
        extractor = self.model.create_extractor()
        for name, value in inputs.items():
            if extractor.input(name, self.ncnn.Mat(value)) != 0:
                raise Failure("infer_failed", "ncnn refuses the input %s" % name, "infer")
        found = {}
        for name in self._outputs():
            code, found[name] = extractor.extract(name)
            if code != 0:
                raise Failure("infer_failed", "ncnn could not compute %s (code %d)" % (name, code), "infer")
        return found

    def to_host(self, outputs: Any) -> Any:
        """Return copies as numpy arrays."""
        return {name: self.numpy.array(value) for name, value in outputs.items()}

    def effective(self) -> Dict[str, Any]:
        """Return the threads that the net has."""
        return self.facts(
            threads=int(self.model.opt.num_threads),
            threads_source="set" if self.request.threads else "default of the library",
            ncnn=str(self.ncnn.__version__),
        )
