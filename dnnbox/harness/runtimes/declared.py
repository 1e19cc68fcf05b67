"""For runtimes whose file declares its inputs and outputs, and that take numpy arrays in host memory."""

from __future__ import annotations

from typing import Any, Dict, List

from .. import examples
from ..arrays import Array
from ..failures import Failure
from ..protocol import TensorRecord
from .base import Runtime, Signature


class DeclaredRuntime(Runtime):
    """``load`` fills ``input_records`` and ``output_records``. Inputs are a dict of numpy arrays by name.

    ``options["inputs"]`` may give sizes for open dimensions, and whole inputs where the file does not declare them.
    """

    any_batch = False
    """Whether a first dimension that the file fixes may differ all the same."""

    tells_inputs = False
    """Whether the library tells every input: then none means that the model takes none."""

    input_records: List[TensorRecord]
    output_records: List[TensorRecord]

    def import_libraries(self) -> None:
        """Import numpy; the library itself is the subclass's."""
        import numpy as np

        self.numpy = np

    def refuse_precision(self, kind: str) -> None:
        """Refuse a precision that would need another file. ``kind`` is what the user calls such a file."""
        if self.request.precision not in ("fp32", "auto"):
            text = "%s has its precision built in; convert it to get %s"
            raise Failure("unsupported", text % (kind, self.request.precision))

    def hinted_records(self, fallback: str = "float32") -> List[TensorRecord]:
        """Return the inputs that the host read from the file, for libraries that do not tell them."""
        found = []
        for place, hint in enumerate(self.options.get("inputs") or []):
            name = str(hint.get("name") or "input%d" % place)
            shape = [_named(size, name, axis) for axis, size in enumerate(hint.get("shape") or ())]
            words = (str(hint.get("status") or "declared"), str(hint.get("source") or "model header"))
            found.append(TensorRecord(name, str(hint.get("dtype") or fallback), shape, *words))
        return found

    def signature(self) -> Signature:
        """Return what the file declares."""
        return self.input_records, self.output_records

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs of the declared types, with open dimensions filled in from hints and names."""
        if not self.input_records and not self.tells_inputs:
            raise Failure("needs_adapter", "the file does not say what its inputs are: give --input", "input")
        hints = {str(hint.get("name", "")): hint.get("shape") or () for hint in self.options.get("inputs") or []}
        for record in self.input_records:
            self._refuse_fixed_batch(record, batch_size)
        shapes = examples.resolve({record.name: record.shape for record in self.input_records}, batch_size, hints)
        made = {}
        for record in self.input_records:
            shape = shapes[record.name]
            if self.any_batch and batch_size > 1 and len(shape) > 1:
                shape = [batch_size] + shape[1:]
            seed, vocabulary = self.request.seed, examples.DEFAULT_VOCABULARY
            made[record.name] = examples.tensor(record.name, record.dtype, shape, seed, vocabulary)
        return self.of_arrays(made)

    def _refuse_fixed_batch(self, record: TensorRecord, batch_size: int) -> None:
        fixed = record.shape[0] if len(record.shape) > 1 else None
        if batch_size > 1 and isinstance(fixed, int) and fixed != batch_size and not self.any_batch:
            text = "the batch of input %s is fixed at %d, asked for %d"
            raise Failure("unsupported", text % (record.name, fixed, batch_size), "input")

    def of_arrays(self, named: Dict[str, Array]) -> Any:
        """Return numpy arrays by name; a name that the model lacks is an error."""
        known = [record.name for record in self.input_records]
        unknown = sorted(set(named) - set(known)) if known or self.tells_inputs else []
        if unknown:
            raise Failure("input_failed", "the model has no input %s" % unknown[0], "input")
        return {name: self.of_array(array) for name, array in named.items()}

    def of_array(self, array: Array) -> Any:
        """Return one plain array as numpy's, over the same bytes."""
        return self.numpy.frombuffer(bytes(array.data), dtype=array.dtype).reshape(array.shape)

    def item_count(self, inputs: Any) -> int:
        """Return the first dimension of the first input that has more than one."""
        for value in inputs.values():
            if getattr(value, "ndim", 0) > 1 and self.request.batch_size > 1:
                return int(value.shape[0])
        return max(1, self.request.batch_size)

    def facts(self, **more: Any) -> Dict[str, Any]:
        """Return what is effective for a library that computes on the CPU and does not tell its threads."""
        types = sorted({record.dtype for record in self.input_records if record.dtype.startswith(("float", "bfloat"))})
        known: Dict[str, Any] = {
            "device": "cpu",
            "precision": "fp16" if types == ["float16"] else self.request.precision.replace("auto", "fp32"),
            "input_types": types,
            "threads": self.request.threads or None,
            "threads_source": "set" if self.request.threads else "default of the library",
        }
        known.update(more)
        return known


def _named(size: Any, name: str, axis: int) -> Any:
    return size if isinstance(size, (int, str)) and size != "" else "%s_dim%d" % (name, axis)
