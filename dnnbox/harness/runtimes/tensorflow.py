"""TensorFlow SavedModels: the serving signature as a concrete function, on the device that was asked for."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

from ..arrays import Array
from ..failures import Failure
from ..protocol import Check, TensorRecord
from .declared import DeclaredRuntime

SERVING = "serving_default"


class TensorFlow(DeclaredRuntime):
    """``options["signature"]`` names another signature than the usual one."""

    @property
    def moves(self) -> bool:  # type: ignore[override]
        """On a GPU the copies are stages of their own."""
        return self.request.device != "cpu"

    def import_libraries(self) -> None:
        """Import TensorFlow and set its threads, which is possible only before anything has run."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        super().import_libraries()
        import tensorflow as tf

        self.tf = tf
        if self.request.threads > 0:
            tf.config.threading.set_intra_op_parallelism_threads(self.request.threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.random.set_seed(self.request.seed)

    def open_context(self) -> None:
        """Find the device; soft placement would move work to the CPU silently, so it is switched off."""
        kind, _, index = self.request.device.partition(":")
        self.tf.config.set_soft_device_placement(False)
        if kind == "cpu":
            self.device = "/CPU:0"
            return
        found = self.tf.config.list_physical_devices("GPU")
        if kind not in ("cuda", "rocm") or int(index or 0) >= len(found):
            text = "TensorFlow %s sees %d GPUs, asked for %s"
            raise Failure("device_unavailable", text % (self.tf.__version__, len(found), self.request.device))
        self.device = "/GPU:%d" % int(index or 0)

    def load(self) -> None:
        """Load the signature; the object is kept, because its variables live as long as it does."""
        self.refuse_precision("a SavedModel")
        with self.tf.device(self.device):
            self.model = self.tf.saved_model.load(self.request.checkpoint)
        name = str(self.options.get("signature") or SERVING)
        there: List[str] = sorted(self.model.signatures)
        if name not in there:
            if len(there) != 1:
                text = "the SavedModel has no signature %s; it has %s"
                raise Failure("needs_adapter", text % (name, ", ".join(there) or "none"), "load")
            name = there[0]
        self.name, self.call = name, self.model.signatures[name]
        taken = self.call.structured_input_signature[1]
        self.input_records = [self._record(key, spec) for key, spec in sorted(taken.items())]
        self.output_records = [self._record(key, spec) for key, spec in sorted(self.call.structured_outputs.items())]

    def _record(self, name: str, spec: Any) -> TensorRecord:
        rank = spec.shape.rank
        shape: List[Any] = [] if rank is None else list(spec.shape.as_list())
        open_sizes = ["%s_dim%d" % (name, axis) if size is None else size for axis, size in enumerate(shape)]
        if rank is None:
            self.note("the signature does not say how many dimensions %s has" % name)
        return TensorRecord(name, spec.dtype.name, open_sizes, "declared", "signature %s" % self.name)

    def of_array(self, array: Array) -> Any:
        """Return a tensor in host memory."""
        with self.tf.device("/CPU:0"):
            return self.tf.constant(super().of_array(array))

    def to_device(self, inputs: Any) -> Any:
        """Copy to the device."""
        if self.request.device == "cpu":
            return inputs
        with self.tf.device(self.device):
            return {name: self.tf.identity(value) for name, value in inputs.items()}

    def infer(self, inputs: Any) -> Any:
        """Call the signature."""
        return self.call(**inputs)

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.request.device != "cpu":
            self.tf.test.experimental.sync_devices()

    def to_host(self, outputs: Any) -> Any:
        """Return numpy arrays by name."""
        self.placed = sorted({str(value.device) for value in outputs.values()})
        return {name: value.numpy() for name, value in sorted(outputs.items())}

    def effective(self) -> Dict[str, Any]:
        """Return the device and the threads that TensorFlow reports."""
        threads = int(self.tf.config.threading.get_intra_op_parallelism_threads())
        return self.facts(
            device=self.request.device,
            threads=threads or None,
            threads_source="set" if threads else "default: one per core",
            signature=self.name,
            tensorflow=str(self.tf.__version__),
        )

    def device_check(self) -> Optional[Check]:
        """Return whether every output came from the device asked for."""
        wanted = self.device.strip("/").lower()
        placed = [place.rpartition("/device:")[2].lower() for place in getattr(self, "placed", [])]
        return Check("device", placed == [wanted], "outputs lie on %s" % ", ".join(placed))
