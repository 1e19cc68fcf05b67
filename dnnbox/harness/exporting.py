"""The model written as an ONNX file beside its results, so that the two can be compared on the same inputs."""

from __future__ import annotations

import os

from . import trees
from .failures import Failure
from .protocol import ARTIFACTS
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
        path = os.path.join(context.folder(ARTIFACTS), FILE)
        inputs = {name: value.clone() for name, value in session.inputs.items()}
        by_name = bool(getattr(runtime, "by_name", False))
        arguments = {"args": (), "kwargs": inputs} if by_name else {"args": tuple(inputs.values())}
        with torch.inference_mode(False), torch.no_grad():
            torch.onnx.export(
                model, f=path, dynamo=True, external_data=False, input_names=list(inputs), verbose=False, **arguments
            )
        context.fields["artifacts"] = [{"path": "%s/%s" % (ARTIFACTS, FILE), "kind": "file", "title": FILE}]
        context.fields["findings"] = trees.plain({"bytes": os.path.getsize(path), "inputs": list(inputs)})
