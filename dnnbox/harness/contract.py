"""The observed contract: what went in and came out, with names for the dimensions that may vary."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

from .protocol import TensorRecord
from .session import Named, Session


def describe(session: Session, inputs: Named, outputs: Named) -> None:
    """Fill in the result's inputs and outputs."""
    declared_inputs, declared_outputs = session.runtime.signature()
    session.context.fields["inputs"] = _observed(inputs, declared_inputs)
    session.context.fields["outputs"] = _observed(outputs, declared_outputs)


def _observed(named: Named, declared: Sequence[TensorRecord]) -> List[TensorRecord]:
    """Return what was seen, with the declared names of the dimensions that may vary."""
    by_name = {record.name: record for record in declared}
    records: List[TensorRecord] = []
    for name, array in named:
        record: Optional[TensorRecord] = by_name.get(name)
        shape: List[Any] = [int(size) for size in array.shape]
        if record is None or len(record.shape) != len(shape):
            records.append(TensorRecord(name, array.dtype, shape, "observed", ""))
            continue
        merged = [size if isinstance(size, str) else seen for size, seen in zip(record.shape, shape)]
        status = "assumed" if record.status == "assumed" else "observed"
        records.append(TensorRecord(name, array.dtype, merged, status, record.source))
    return records
