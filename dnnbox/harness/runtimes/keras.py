"""Keras 3 on its torch backend: .keras and whole-model .h5 files; a keras model is a torch module there."""

from __future__ import annotations

import os
from typing import Any, List

from .. import examples, trees
from ..failures import Failure
from ..protocol import TensorRecord
from .base import Signature
from .torch_base import TorchRuntime


class Keras(TorchRuntime):
    """Custom layers need their code; Lambda layers hold code, which Keras refuses in its safe mode."""

    def import_libraries(self) -> None:
        """Choose the backend before Keras is imported: it cannot be changed afterwards."""
        os.environ["KERAS_BACKEND"] = "torch"
        super().import_libraries()
        import keras

        self.keras = keras
        keras.utils.set_random_seed(self.request.seed)

    def load(self) -> None:
        """Build the model from its configuration and read the weights; the optimizer is left out."""
        if self.request.precision not in ("fp32", "auto"):
            raise Failure("unsupported", "a Keras model computes in the precision of its policy, which is in the file")
        try:
            self.model = self.keras.saving.load_model(self.request.checkpoint, compile=False, safe_mode=True)
        except (TypeError, ValueError) as error:
            text = str(error).partition("\n")[0][:300]
            if "Could not locate class" in text or "Unknown layer" in text:
                raise Failure("needs_adapter", "a layer's code is not in the file: %s" % text, "load") from error
            raise Failure("load_failed", text, "load") from error
        if not self.model.built:
            raise Failure("needs_adapter", "the model was saved before it was built: its input is not known", "load")

    def signature(self) -> Signature:
        """Return the model's declared inputs and outputs."""
        names = list(getattr(self.model, "output_names", ()))
        outputs = [
            self._record(tensor, names[place] if place < len(names) else "output%d" % place)
            for place, tensor in enumerate(self.model.outputs or ())
        ]
        return [self._record(tensor, str(tensor.name)) for tensor in self.model.inputs or ()], outputs

    def _record(self, tensor: Any, name: str) -> TensorRecord:
        shape: List[Any] = [
            ("batch" if axis == 0 else "%s_dim%d" % (name, axis)) if size is None else int(size)
            for axis, size in enumerate(tensor.shape)
        ]
        return TensorRecord(name, str(tensor.dtype), shape, "declared", "model configuration")

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs of the declared types and shapes; pictures are in the range that Keras' own models expect."""
        records = self.signature()[0]
        if not records:
            raise Failure("needs_adapter", "the model declares no input: give --input", "input")
        shapes = examples.resolve({record.name: record.shape for record in records}, batch_size, {})
        made = {}
        for record in records:
            made[record.name] = examples.tensor(record.name, record.dtype, shapes[record.name], self.request.seed)
        return self.of_arrays(made)

    def infer(self, inputs: Any) -> Any:
        """Call the model as its functional graph wants its inputs: one tensor, or a list in order."""
        values = list(inputs.values())
        return self.model(values[0] if len(values) == 1 else values, training=False)

    def to_host(self, outputs: Any) -> Any:
        """Return the outputs by name."""
        names = [record.name for record in self.signature()[1]]
        if isinstance(outputs, (list, tuple)) and len(outputs) == len(names):
            outputs = dict(zip(names, outputs))
        elif len(names) == 1 and hasattr(outputs, "ndim"):
            outputs = {names[0]: outputs}
        return trees.convert(outputs, lambda tensor: tensor.detach().cpu())
