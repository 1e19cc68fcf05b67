"""Pickles without torch's framing: ``pickle.dump``, joblib, Paddle's .pdparams, detectron2's .pkl.

joblib writes raw arrays between the opcodes; the machine passes over them.
"""

from __future__ import annotations

import re

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes

_BINARY = re.compile(rb"\A\x80[\x00-\x05]")
_OLD = re.compile(
    rb"\A(?:\(?[dl]p?\d*\n|[\]}(][q(\]})Xc]|\(?[ci][\w.]+\n[\w.]+\n|[SV][^\n]{0,200}\n|[IFL][\d.+-]+L?\n)"
)
_MAX_PICKLES = 100
_PADDLE_NAMES = "StructuredToParameterName@@"  # paddle.save adds the table of its names to a state_dict


class BarePickle:
    """Reads one pickle or several in a row."""

    def sniff(self, data: Bytes) -> Match | None:
        """PROTO, or what protocols 0 and 1 start with."""
        if _BINARY.match(data.head):
            return Match(0.7, "pickle protocol 2 or later")
        return Match(0.3, "looks like a pickle of protocol 0 or 1") if _OLD.match(data.head) else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Run and judge every pickle of the file; the first is described."""
        from dnnbox.checkpoints.pickled import Broken, Pickles, report  # 30 ms that recognition does not need

        reading.format, reading.framework = "pickle", "python"
        pickles = Pickles(reading)
        values: list[object] = []
        offset = 0
        try:
            while offset < data.size and len(values) < _MAX_PICKLES:
                if values and not _BINARY.match(data.up_to(offset, 2)):
                    break
                value, offset = pickles.run(data, f"pickle {len(values)}", offset)
                values.append(value)
                reading.scanned.append(f"pickle {len(values) - 1}")
        except Broken:
            pass
        pickles.judge()
        if values:
            report(values[0], reading)
        _name(pickles.packages(), reading)
        if values and isinstance(values[0], dict) and _PADDLE_NAMES in values[0]:
            reading.framework = "paddle"
        if values and offset < data.size and reading.verdict != "dangerous":
            text = f"{data.size - offset} bytes follow the pickle; they were not read"
            reading.find("warning", "bytes-after-pickle", f"byte {offset}", text)
            reading.not_scanned.append(text)


def _name(packages: set[str], reading: Reading) -> None:
    """Name the framework from the packages that the pickle names."""
    known = {"sklearn": "scikit-learn", "paddle": "paddle", "xgboost": "xgboost", "lightgbm": "lightgbm"}
    for package, framework in known.items():
        if package in packages:
            reading.framework = framework
            return
    if "torch" in packages:
        reading.framework = "pytorch"
    elif "joblib" in packages:
        reading.format = "joblib"
