"""Paddle Inference: a program (.json or .pdmodel) with its parameters (.pdiparams) beside it."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional, Tuple

from ..failures import Failure
from ..protocol import Check, TensorRecord
from .declared import DeclaredRuntime

PROGRAMS = (".json", ".pdmodel")
PARAMETERS = ".pdiparams"


class Paddle(DeclaredRuntime):
    """A directory that holds one program with its parameters, or the program itself."""

    @property
    def moves(self) -> bool:  # type: ignore[override]
        """On a GPU the copies are stages of their own."""
        return self.request.device != "cpu"

    def import_libraries(self) -> None:
        """Import the inference part."""
        super().import_libraries()
        import paddle
        from paddle import inference

        self.paddle, self.inference = paddle, inference

    def open_context(self) -> None:
        """Refuse a GPU that this build of Paddle cannot use."""
        kind, _, index = self.request.device.partition(":")
        self.index = int(index or 0)
        if kind == "cpu":
            return
        if kind != "cuda" or not self.paddle.is_compiled_with_cuda():
            text = "paddle %s is built without %s"
            raise Failure("device_unavailable", text % (self.paddle.__version__, self.request.device))

    def load(self) -> None:
        """Make the predictor."""
        self.refuse_precision("a Paddle program")
        program, parameters = _files(self.request.checkpoint)
        config = self.inference.Config(program, parameters)
        config.disable_glog_info()
        if self.request.device == "cpu":
            config.disable_gpu()
            if self.request.threads > 0:
                config.set_cpu_math_library_num_threads(self.request.threads)
        else:
            config.enable_use_gpu(256, self.index)
        self.config = config
        self.predictor = self.inference.create_predictor(config)
        if (self.request.device != "cpu") != bool(config.use_gpu()):
            raise Failure("device_unavailable", "asked for %s, Paddle chose another device" % self.request.device)
        told = {record.name: record for record in [*self.hinted_records(), *_declared(program)]}
        unknown = TensorRecord("", "float32", [], "assumed", "")
        self.input_records = [
            TensorRecord(name, told.get(name, unknown).dtype, told.get(name, unknown).shape, "declared", "program")
            for name in self.predictor.get_input_names()
        ]
        self.names = list(self.predictor.get_output_names())
        self.output_records = [TensorRecord(name, "float32", [], "declared", "program") for name in self.names]

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs of the sizes in the program."""
        bare = [record.name for record in self.input_records if not record.shape]
        if bare:
            raise Failure("needs_adapter", "the program does not say how large %s is: give --input" % bare[0], "input")
        return super().example_inputs(batch_size)

    def to_device(self, inputs: Any) -> Any:
        """Copy into the predictor's own inputs: that is where they have to be."""
        for name, value in inputs.items():
            handle = self.predictor.get_input_handle(name)
            handle.reshape(list(value.shape))
            handle.copy_from_cpu(self.numpy.ascontiguousarray(value))
        return inputs

    def infer(self, inputs: Any) -> Any:
        """Run."""
        self.predictor.run()
        return self.names

    def synchronize(self) -> None:
        """Wait for the GPU."""
        if self.request.device != "cpu":
            self.paddle.device.cuda.synchronize()

    def to_host(self, outputs: Any) -> Any:
        """Return numpy arrays by name."""
        return {name: self.predictor.get_output_handle(name).copy_to_cpu() for name in outputs}

    def effective(self) -> Dict[str, Any]:
        """Return device and threads as the configuration has them."""
        return self.facts(
            device=self.request.device,
            threads=int(self.config.cpu_math_library_num_threads()),
            paddle=str(self.paddle.__version__),
        )

    def device_check(self) -> Optional[Check]:
        """Return whether the predictor uses the GPU that was asked for; None on a CPU."""
        if self.request.device == "cpu":
            return None
        return Check("device", bool(self.config.use_gpu()), "GPU %d" % int(self.config.gpu_device_id()))


def _files(checkpoint: str) -> Tuple[str, str]:
    """Return program and parameters: of a directory the one pair in it."""
    if not os.path.isdir(checkpoint):
        return checkpoint, os.path.splitext(checkpoint)[0] + PARAMETERS
    names = sorted(os.listdir(checkpoint))
    stems = [os.path.splitext(name)[0] for name in names if name.endswith(PARAMETERS)]
    pairs = [(stem + suffix, stem + PARAMETERS) for stem in stems for suffix in PROGRAMS if stem + suffix in names]
    if not pairs:
        raise Failure("load_failed", "the directory has no program with its parameters", "load")
    return os.path.join(checkpoint, pairs[0][0]), os.path.join(checkpoint, pairs[0][1])


def _declared(program: str) -> List[TensorRecord]:
    """Return the inputs that a program in Paddle's JSON form declares: its ``data`` operators."""
    if not program.endswith(".json"):
        return []
    with open(program, encoding="utf-8") as file:
        whole = json.load(file)
    main = whole["program"]["regions"][0]["blocks"][0]
    found = []
    for operator in main.get("ops", []):
        if operator.get("#") == "1.data":
            facts = {fact.get("N"): fact.get("AT", {}).get("D") for fact in operator.get("A", [])}
            name, sizes = str(facts.get("name")), facts.get("shape") or []
            shape = ["%s_dim%d" % (name, axis) if size < 0 else size for axis, size in enumerate(sizes)]
            found.append(TensorRecord(name, str(facts.get("dtype")), shape, "declared", "program"))
    return found
