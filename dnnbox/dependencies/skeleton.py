"""The adapter that a person or a coding agent completes when dnnbox cannot decide how to build a model.

It runs as it is up to its holes; what is known of the checkpoint stands beside them, as comments, sanitised.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dnnbox.records.inspection import Inspection
from dnnbox.text import visible

_MOST_TENSORS = 40

_BODY = '''
class Adapter:
    """Loads, feeds and reads the model. dnnbox imports this file inside the box only."""

    def load(self, checkpoint: str, device: str, precision: str) -> None:
        """Build the model, load the weights strictly, move it to ``device``."""
        import torch

        weights = {read}
        model: torch.nn.Module = self.build()
        model.load_state_dict(weights)
        self.model = model.to(device)
        self.model.eval()
        self.device = device

    def build(self):
        """Return the model with the right class and arguments."""
        raise NotImplementedError("HOLE 1: which class builds this model, with which arguments?")

    def example_inputs(self, batch_size: int):
        """Return made-up inputs of the right shape, type and range."""
        raise NotImplementedError("HOLE 2: for example {{'x': torch.zeros(batch_size, 3, 224, 224)}}")

    def preprocess(self, paths: list):
        """Turn real files into inputs; the constants come from the model's own code, not from memory."""
        raise NotImplementedError("HOLE 3: only needed with --input")

    def infer(self, inputs):
        """The timed call: inputs to outputs, nothing else."""
        import torch

        with torch.inference_mode():
            return self.model(**{{name: value.to(self.device) for name, value in inputs.items()}})

    def postprocess(self, outputs, out_dir: str) -> dict:
        """Say what the outputs mean; may write pictures to ``out_dir``."""
        return {{}}
'''


def adapter_skeleton(inspection: Inspection, missing: str) -> str:
    """Return the text of ``scripts/adapter.py``: valid Python with named holes; ``missing`` says what is not known."""
    keys = "".join(f"[{part!r}]" for part in inspection.entry.split(".") if part)
    is_safetensors = inspection.format == "safetensors"
    reader = "__import__('safetensors.torch').torch.load_file(checkpoint)" if is_safetensors else _torch_load(keys)
    comments = "\n".join(f"# {line}".rstrip() for line in _known(inspection, missing))
    head = '"""Complete the holes, then continue: `dnnbox run CKPT --adapter THIS_FILE`."""'
    return f"{head}\n\n{comments}\n\n{_BODY.format(read=reader)}"


def _torch_load(keys: str) -> str:
    return f'torch.load(checkpoint, map_location="cpu", weights_only=True){keys}'


def _known(inspection: Inspection, missing: str) -> Iterator[str]:
    yield f"Checkpoint: {visible(Path(inspection.path).name, 80)}"
    yield f"Missing: {visible(missing, 300)}"
    yield f"Format {inspection.format}, {inspection.tensors.count} tensors, {inspection.tensors.parameters} parameters."
    for candidate in inspection.identity.candidates[:3]:
        name = f"{candidate.library} {candidate.architecture}".strip()
        yield f"Perhaps {visible(name, 80)}: {candidate.match}, explains {candidate.score:.0%} of the tensors."
    for name in inspection.needs_code[:10]:
        yield f"Names the class {visible(name, 120)}."
    yield ""
    yield "The tensors, as stored:"
    for tensor in inspection.tensor_list[:_MOST_TENSORS]:
        yield f"  {visible(tensor.name, 120)}  {list(tensor.shape)}  {visible(tensor.dtype, 20)}"
    if len(inspection.tensor_list) > _MOST_TENSORS:
        yield f"  … {len(inspection.tensor_list) - _MOST_TENSORS} more: `dnnbox inspect --tensors` lists them"
