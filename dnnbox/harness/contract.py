"""The observed contract: what went in and came out, with names for the dimensions that may vary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Optional, Sequence

from . import trees
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


def open_batch(session: Session, inputs: Named, outputs: Named) -> None:
    """Call the first dimension N in the contract where twice the batch runs and only that dimension doubles."""
    runtime, fields = session.runtime, session.context.fields
    declared = runtime.signature()[0]
    if any(isinstance(size, str) for record in declared for size in record.shape):
        return
    size = max(1, session.context.request.batch_size)
    notes = list(runtime.notes)
    try:
        doubled = runtime.preprocess(session.batches[0] * 2) if session.batches else runtime.example_inputs(2 * size)
        wider = [trees.named_arrays(doubled, "input")[0], trees.named_arrays(session.call(doubled))[0]]
    except Exception as error:  # the model's code may refuse another batch in any way
        runtime.note("twice the batch does not run (%s), so the batch is taken as fixed" % type(error).__name__)
        return
    runtime.notes[:] = notes
    for side, before, after in (("inputs", inputs, wider[0]), ("outputs", outputs, wider[1])):
        fields[side] = _with_open_batch(fields[side], before, after)


def _with_open_batch(records: Sequence[TensorRecord], before: Named, after: Named) -> List[TensorRecord]:
    seen = {name: array.shape for name, array in after}
    opened: List[TensorRecord] = []
    for record, (name, array) in zip(records, before):
        old, new = list(array.shape), list(seen.get(name, ()))
        doubled = bool(old) and len(new) == len(old) and new[0] == 2 * old[0] and new[1:] == old[1:]
        opened.append(replace(record, shape=["N"] + record.shape[1:]) if doubled else record)
    return opened
