"""Token after token: the time to the first one, the time between two, the prompt and the continuation apart.

A run reads the prompt once (prefill) and then makes one token after the other (decode), the likeliest each time, so
that every run makes the same ones. Only where the runtime says that its model continues a text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import List

from . import checks, jobs, measure, trees
from .failures import Failure
from .protocol import Check, MeasurePlan
from .session import Context, Session

NEW_TOKENS = 32
LEAST_TOKENS = 2
LEAST_RUNS = 10
WINDOW_RUNS = 3
"""A run holds many tokens, so fewer of them say as much as single calls do."""


def generate_job(context: Context) -> None:
    """Verify the forward pass, see that two runs make the same tokens, and time runs until the plan is met."""
    session = Session(context)
    with session.described():
        session.climb()
        session.verify(session.first())
        runtime = session.runtime
        refusal = runtime.generates()
        if refusal:
            raise Failure("unsupported", refusal, "generate")
        context.enter("generate")
        count = min(NEW_TOKENS, runtime.token_room(session.inputs))
        if count < LEAST_TOKENS:
            raise Failure("unsupported", "the prompt leaves no room for a continuation", "generate")
        made = _repeated(session, count)
        context.fields["generation"] = trees.plain(
            {
                "prompt_tokens": runtime.prompt_tokens(session.inputs),
                "sequences": len(made[0]),
                "new_tokens": count,
                "tokens": [step[0] for step in made],
            }
        )
        jobs.time_stages(session, _stages(session, count), session.inputs, _plan(context), len(made[0]))
        jobs.finish(session)


def _plan(context: Context) -> MeasurePlan:
    plan = context.request.plan
    return replace(plan, min_iterations=min(plan.min_iterations, LEAST_RUNS), window_iterations=WINDOW_RUNS)


def _repeated(session: Session, count: int) -> List[List[int]]:
    """Return the tokens of a run, one list for each step; the gate fails where a second run makes others."""
    first, second = _tokens(session, count), _tokens(session, count)
    found = Check("repeatable_tokens", first == second, "two runs of %d tokens" % count)
    session.context.fields["checks"] = list(session.context.fields["checks"]) + [found]
    checks.require([found])
    return first


def _tokens(session: Session, count: int) -> List[List[int]]:
    runtime = session.runtime
    runtime.reset()
    state = runtime.prefill(runtime.to_device(session.inputs))
    made = [runtime.chosen(state)]
    for _ in range(count - 1):
        state = runtime.advance(state)
        made.append(runtime.chosen(state))
    return made


def _stages(session: Session, count: int) -> List[measure.Stage]:
    """Return preprocess (where there is text), prefill with the copy to the device, and a stage for each token more."""
    runtime, batch = session.runtime, session.batches[0] if session.batches else []
    chain: List[measure.Stage] = []
    if batch and runtime.prepares:
        chain.append(("preprocess", lambda _: runtime.preprocess(batch)))
    chain.append(("prefill", lambda inputs: runtime.prefill(runtime.to_device(inputs))))
    chain += [("token_%d" % number, runtime.advance) for number in range(2, count + 1)]
    return chain
