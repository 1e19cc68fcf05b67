"""jax.export: a serialised StableHLO program with its signature; it holds no Python."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

from .. import trees
from ..failures import Failure
from ..protocol import Check, TensorRecord
from .declared import DeclaredRuntime

PLATFORMS = {"cpu": "cpu", "cuda": "cuda", "rocm": "rocm"}


class JaxExport(DeclaredRuntime):
    """The program was lowered for certain platforms when it was exported; another one is refused."""

    @property
    def moves(self) -> bool:  # type: ignore[override]
        """On a GPU the copies are stages of their own."""
        return self.request.device != "cpu"

    def import_libraries(self) -> None:
        """Choose the platform before jax is imported, so that it neither falls back nor looks for others."""
        self.kind, _, index = self.request.device.partition(":")
        self.index = int(index or 0)
        os.environ["JAX_PLATFORMS"] = PLATFORMS.get(self.kind, self.kind)
        if self.request.threads > 0:
            flags = "--xla_cpu_multi_thread_eigen=%s" % ("false" if self.request.threads == 1 else "true")
            os.environ["XLA_FLAGS"] = flags
        super().import_libraries()
        import jax
        from jax import export

        self.jax, self.export = jax, export

    def open_context(self) -> None:
        """Find the device."""
        try:
            devices = self.jax.devices()
        except RuntimeError as error:
            text = "jax %s has no device %s: %s"
            values = (self.jax.__version__, self.request.device, str(error).partition("\n")[0][:160])
            raise Failure("device_unavailable", text % values) from error
        if self.index >= len(devices):
            raise Failure("device_unavailable", "asked for %s, jax sees %d" % (self.request.device, len(devices)))
        self.device = devices[self.index]

    def load(self) -> None:
        """Read the program; it is compiled by the first call."""
        self.refuse_precision("an exported program")
        with open(self.request.checkpoint, "rb") as file:
            self.exported = self.export.deserialize(bytearray(file.read()))
        platform = PLATFORMS.get(self.kind, self.kind)
        if platform not in self.exported.platforms:
            text = "the program was exported for %s, asked for %s"
            raise Failure("unsupported", text % (", ".join(self.exported.platforms), platform), "load")
        if self.exported.nr_devices != 1:
            raise Failure("unsupported", "the program is for %d devices at once" % self.exported.nr_devices, "load")
        self.call = self.jax.jit(self.exported.call)
        names = self._names()
        self.input_records = [_record(value, name) for value, name in zip(self.exported.in_avals, names)]
        self.output_records = []  # named by the tree that comes out

    def _names(self) -> List[str]:
        """Return the inputs' names: the keys of the arguments' tree, else their places."""
        tree = self.jax.tree_util
        count = len(self.exported.in_avals)
        filled = tree.tree_unflatten(self.exported.in_tree, list(range(count)))
        paths, _ = tree.tree_flatten_with_path(filled)
        names = []
        for path, _place in paths:
            parts = [str(getattr(key, "key", getattr(key, "idx", key))) for key in path]
            inner = parts[2:]  # behind args/kwargs and the argument itself
            names.append(".".join(inner) if inner else "input%s" % parts[-1] if parts[:1] == ["0"] else parts[-1])
        return names if len(set(names)) == count else ["input%d" % place for place in range(count)]

    def to_device(self, inputs: Any) -> Any:
        """Copy to the device, as the arguments that the function takes."""
        values = [self.jax.device_put(inputs[record.name], self.device) for record in self.input_records]
        return self.jax.tree_util.tree_unflatten(self.exported.in_tree, values)

    def infer(self, inputs: Any) -> Any:
        """Call the program and wait: jax returns before it has computed."""
        arguments, keywords = inputs
        return self.jax.block_until_ready(self.call(*arguments, **keywords))

    def to_host(self, outputs: Any) -> Any:
        """Return numpy arrays in the tree that the function returns."""
        self.placed = sorted({str(d) for leaf in self.jax.tree_util.tree_leaves(outputs) for d in leaf.devices()})
        return trees.convert(outputs, self.numpy.asarray)

    def effective(self) -> Dict[str, Any]:
        """Return device and versions; jax's CPU client does not tell its threads."""
        return self.facts(
            device=self.request.device,
            threads=None,
            threads_source="one for large products" if self.request.threads == 1 else "default of the library",
            platforms=list(self.exported.platforms),
            jax=str(self.jax.__version__),
        )

    def device_check(self) -> Optional[Check]:
        """Return whether the outputs lie on the device asked for."""
        placed = getattr(self, "placed", [])
        return Check("device", placed == [str(self.device)], "outputs lie on %s" % ", ".join(placed))


def _record(value: Any, name: str) -> TensorRecord:
    shape: List[Any] = [size if isinstance(size, int) else str(size) for size in value.shape]
    return TensorRecord(name, str(value.dtype), shape, "declared", "exported program")
