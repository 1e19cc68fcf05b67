"""The model written as an ONNX file and run by ONNX Runtime on the same inputs, so that the two can be compared."""

from __future__ import annotations

import os
import tempfile
from typing import Any, Dict

from . import jobs, trees
from .failures import Failure
from .session import Context, Session

FILE = "reference.onnx"


def export_job(context: Context) -> None:
    """Export through torch.export, with the shapes of the verified call."""
    session = Session(context)
    with session.described():
        session.climb()
        context.enter("export")
        runtime = session.runtime
        torch, model = getattr(runtime, "torch", None), getattr(runtime, "model", None)
        if torch is None or model is None or not hasattr(model, "parameters"):
            raise Failure("unsupported", "only a torch model can be written as ONNX", "export")
        path = os.path.join(tempfile.mkdtemp(prefix="dnnbox-"), FILE)
        inputs = {name: value.clone() for name, value in session.inputs.items()}
        by_name = bool(getattr(runtime, "by_name", False))
        arguments = {"args": (), "kwargs": inputs} if by_name else {"args": tuple(inputs.values())}
        with torch.inference_mode(False), torch.no_grad():
            torch.onnx.export(
                model, f=path, dynamo=True, external_data=False, input_names=list(inputs), verbose=False, **arguments
            )
        context.fields["findings"] = trees.plain({"bytes": os.path.getsize(path), "inputs": list(inputs)})
        named, _ = trees.named_arrays(_run(path, inputs))
        jobs.keep_arrays(context, "output", named)


def _run(path: str, inputs: Dict[str, Any]) -> Dict[str, Any]:
    """Return what ONNX Runtime makes of the file on the same inputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    fed = {field.name: inputs[field.name].cpu().numpy() for field in session.get_inputs()}
    return dict(zip([field.name for field in session.get_outputs()], session.run(None, fed)))
