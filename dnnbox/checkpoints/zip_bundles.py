"""Zip archives of other frameworks: MediaPipe's .task is read, the others are named by the members that only they have.

Source: MediaPipe tasks/python/metadata; TorchServe model_archiver; Netron's list of modules (9.2).
"""

from __future__ import annotations

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes
from dnnbox.errors import Corrupt
from dnnbox.records.inspection import Verdict
from dnnbox.text import visible

_TFLITE = ".tflite"
# (members that must be there, format, framework, verdict, what to say)
NAMED: tuple[tuple[tuple[str, ...], str, str, Verdict, str], ...] = (
    (("MAR-INF/MANIFEST.json",), "torchserve-archive", "pytorch", "needs-code",
     "a TorchServe archive: its handler is Python that runs when the model is served; unpack it to see the weights"),
    (("dlc.metadata",), "dlc", "snpe", "no-code", ""),
    (("model", "model.params"), "dlc", "snpe", "no-code", ""),
    (("configuration.json", "coefficients.bin"), "dl4j", "deeplearning4j", "no-code", ""),
    (("nnp_version.txt",), "nnabla", "nnabla", "no-code", ""),
    (("TrainingInfo/Version.txt",), "mlnet", "ml.net", "no-code", ""),
)  # fmt: skip


class TaskBundle:
    """Reads MediaPipe's .task: the tensors of every TFLite model in it."""

    def sniff(self, data: Bytes) -> Match | None:
        """A zip with TFLite models at its top."""
        names = [name for name in data.archive.members if name.endswith(_TFLITE) and "/" not in name]
        return Match(0.8, names[0]) if names else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the models in place."""
        from dnnbox.checkpoints.edge_containers import tflite_model

        reading.format, reading.framework = "mediapipe-task", "mediapipe"
        for name in data.archive.members:
            if not name.endswith(_TFLITE):
                reading.not_scanned.append(visible(name, 120))
                continue
            tflite_model(data.archive.open(name), name, name.removesuffix(_TFLITE), reading)


class NamedZip:
    """Names an archive by the members that only its framework writes."""

    def sniff(self, data: Bytes) -> Match | None:
        """One of the sets of members."""
        row = _find(data)
        return Match(0.6, row[0][0]) if row else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Name the format and list the members."""
        row = _find(data)
        if row is None:
            raise Corrupt("the file changed while it was read")
        _, reading.format, reading.framework, verdict, text = row
        reading.worsen(verdict)
        if text:
            reading.find("warning", "embedded-code", "", text)
        reading.metadata["members"] = list(data.archive.members)[:500]
        reading.scanned.append("names of the members")
        reading.not_scanned.append("the members: only the format was recognised")


def _find(data: Bytes) -> tuple[tuple[str, ...], str, str, Verdict, str] | None:
    members = data.archive.members
    return next((row for row in NAMED if all(name in members for name in row[0])), None)
