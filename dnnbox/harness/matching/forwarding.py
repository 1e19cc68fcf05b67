"""Inputs that a built module takes: those that its source shows, else a ladder from its names and layers."""

from __future__ import annotations

import copy
import inspect
import itertools
import math
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from . import methods, oldnames
from .arguments import SIDES, Guess, argument, is_switch, latents, pyramid
from .asserting import asserted, demanded, remainders
from .building import signature_of
from .calling import CLOCK_SECONDS, Put, Spec, all_finite, call, tensors_of, text_of
from .describing import main_shapes
from .examples import of_example
from .kinds import apart
from .ladder import first_layers, ladder, sides
from .receiving import NODES, any_rank, first_layer, shape_of
from .repairing import OutOfTime, attempted, beginnings, repaired
from .things import things
from .told import told
from .unpacking import flipped
from .parsing import parsed
from .values import is_tensor

_MOST_INFINITE = 3
_FEW_SIDES, _LEAST_SIDE = 3, 224
# Switches that are on unless a caller says otherwise, and that only training needs.
_OF_TRAINING = ("is_train", "train", "training", "is_training", "train_mode", "return_loss")
AS_TOLD = "tried: as the code uses them"
_MAKING = ("gen", "generate", "generating", "infer", "inference", "is_inference", "sample", "sampling")
_SECONDS_BEFORE_OTHERS = (25.0, 10.0)  # for what forward may take, and for what its errors tell, where others wait
_MOST_INPUTS = 6  # that guesses are made for


def find(
    module: Any,
    hints: Dict[str, Any],
    goes_on: Callable[[], bool],
    seconds: Callable[[float], float] = float,
    known: Sequence[Spec] = (),
) -> Tuple[Optional[List[Any]], Optional[Spec], List[str]]:
    """Return (outputs, inputs) of the first call that the module answers with tensors, and what was tried in vain.

    Numbers go before what is none: a size that is too small for a model may give it nothing to divide by. ``hints`` of
    the source: ``examples``, the ``sides`` of its pictures, what its words are worth (``sizes``), and what it has as
    options (``passed``) for parameters that need not be given. ``known`` are inputs that another build of the same
    class took; ``seconds`` bounds one call.
    """
    part = methods.sole_part(module)
    if part:
        known = [_renamed(each, lambda method: method[len(part) :].lstrip(".")) for each in known]
        answer = find(getattr(module, part), hints, goes_on, seconds, known)
        outside = _renamed(answer[1], lambda method: ("%s.%s" % (part, method)).rstrip(".")) if answer[1] else None
        return answer[0], outside, answer[2]
    tried: List[str] = []
    infinite: List[Tuple[List[Any], Spec]] = []
    specs = itertools.chain(known, _specs(module, hints))
    asked = _Asked(module, goes_on, seconds)
    for spec, outputs, error in _answers(asked, hints, specs):
        if outputs is None:
            tried.append("%s: %s" % (text_of(spec), error) if error else "no time is left")
            continue
        if outputs and all_finite(outputs):
            return outputs, asked.marked(spec), tried
        infinite += [(outputs, asked.marked(spec))] if outputs else []
        tried.append("%s: %s" % (text_of(spec), "not finite" if outputs else "no tensors came out"))
        if len(infinite) > _MOST_INFINITE:
            break
    return (infinite[0][0], infinite[0][1], tried) if infinite else (None, None, tried)


def _renamed(spec: Spec, rule: Callable[[str], str]) -> Spec:
    """Return a call with its method, and those called before it, by other names: of a part, or of what holds it."""
    changed = dict(spec, method=rule(spec["method"]))
    return dict(changed, before=[_renamed(each, rule) for each in spec["before"]]) if "before" in spec else changed


class _Asked:
    """A module that is called. ``ways``: how it has to be treated, as libraries did once; see ``oldnames``."""

    def __init__(self, module: Any, goes_on: Callable[[], bool], seconds: Callable[[float], float]) -> None:
        self.module, self._goes_on, self._seconds = module, goes_on, seconds
        self.ways: List[str] = []
        self._puts = False

    def answer(self, spec: Spec) -> List[Any]:
        """Return the tensors that a call is answered with."""
        while True:
            if not self._goes_on():
                raise OutOfTime
            try:
                answer = call(self.module, self.marked(spec), seconds=self._seconds(CLOCK_SECONDS))
                self._puts = isinstance(answer, Put)
                return tensors_of(answer)
            except Exception as error:  # foreign code
                way = oldnames.way_for(error, self.module)
                if not way or way in self.ways:
                    raise
            self.ways.append(way)

    def marked(self, spec: Spec) -> Spec:
        """Return a call with what it needs of the module, and where its answer is."""
        spec = dict(spec, puts=True) if self._puts else spec
        return dict(spec, ways=list(dict.fromkeys([*spec.get("ways", ()), *self.ways]))) if self.ways else spec


def _answers(
    asked: _Asked, hints: Dict[str, Any], specs: Iterator[Spec]
) -> Iterator[Tuple[Spec, Optional[List[Any]], str]]:
    """Yield (inputs, outputs or None, error), while there is time; then what the errors of the first inputs lead to,
    then other methods of the class."""
    begun: List[Spec] = []
    is_answered = False
    are_others = bool(methods.own(asked.module, hints.get("called", ())))
    first, second = (_within(asked.answer, each if are_others else math.inf) for each in _SECONDS_BEFORE_OTHERS)
    for spec in specs:
        outputs, error = attempted(first, spec)
        is_answered = is_answered or bool(outputs)
        begun += [spec] if not spec["method"] and (not begun or spec["why"] == AS_TOLD) else []
        yield spec, outputs, error
        if not error and outputs is None:
            break
    if is_answered:
        return
    tokens = first_layers(asked.module)["tokens"]
    together = [spec for spec in begun if spec["why"] == AS_TOLD]
    for answered in repaired(together + (beginnings(begun[0]) if begun else []), tokens, second):
        yield answered
    for spec in _of_own_methods(asked.module, hints):
        outputs, error = attempted(asked.answer, spec)
        yield spec, outputs, error


def _within(answer: Callable[[Spec], List[Any]], seconds: float) -> Callable[[Spec], List[Any]]:
    """Return a way to call that goes on for so many seconds of the processor from its first call on."""
    end: List[float] = []

    def within(spec: Spec) -> List[Any]:
        end[:] = end or [time.process_time() + seconds]
        if time.process_time() > end[0]:
            raise OutOfTime
        return answer(spec)

    return within


def _specs(module: Any, hints: Dict[str, Any]) -> Iterator[Spec]:
    for example in hints["examples"]:
        spec = of_example(example)
        if spec is not None and hasattr(module, spec["method"] or "forward"):
            for each in _alone(spec):
                yield each
    for spec in _with_plain_values(module, hints, is_forward=True):
        yield spec
    passed = hints.get("passed", {})
    for spec in _of_signature(module, "", hints) if passed else ():
        yield dict(spec, kwargs=dict(spec["kwargs"], **passed), why="with options of the scripts")
    for method in ("", *methods.usual(module)):
        for spec in _of_signature(module, method, hints):
            yield spec
    for spec in _with_plain_values(module, hints, is_forward=False):  # five hundred tokens take longer than all before
        yield spec


def _with_plain_values(module: Any, hints: Dict[str, Any], is_forward: bool) -> Iterator[Spec]:
    for plain in hints.get("plain", ()):
        for spec in _with_plain(module, plain, hints) if is_forward != bool(plain["method"]) else ():
            yield spec


def _with_plain(module: Any, plain: Dict[str, Any], hints: Dict[str, Any]) -> Iterator[Spec]:
    """Yield guesses beside the plain values that the source gives a method by their places."""
    function = getattr(module, plain["method"] or "forward", None)
    if not inspect.ismethod(function):
        return
    parameters = list(signature_of(function).values())
    taken = parameters[: plain["count"]]
    rest = [p for place, p in enumerate(taken) if str(place) not in plain["args"]]
    is_open = any(p.kind in (p.VAR_POSITIONAL, p.KEYWORD_ONLY) for p in taken)
    if is_open or not 0 < len(rest) <= _MOST_INPUTS:
        return
    for spec in _guessed(_Called(module, plain["method"], rest, taken), hints):
        made = iter(spec["args"])
        args = [plain["args"][str(p)] if str(p) in plain["args"] else next(made) for p in range(len(taken))]
        yield dict(spec, args=args, kwargs={}, names=[p.name for p in taken])


def _of_own_methods(module: Any, hints: Dict[str, Any]) -> Iterator[Spec]:
    """Yield calls of methods of the class's own, with what has to be called before."""
    for method in methods.own(module, hints.get("called", ())):
        steps = methods.before(module, method)
        firsts = [next(_of_signature(module, step, hints), None) for step in steps]
        for spec in _of_signature(module, method, hints) if None not in firsts else ():
            yield dict(spec, before=firsts) if firsts else spec


def _alone(spec: Spec) -> List[Spec]:
    """Return a call that the source shows with one item of its batch, which takes less memory, then as it is."""
    shapes = [value["$tensor"][1] for value in spec["args"] if is_tensor(value)]
    if not shapes or any(len(shape) < 3 or shape[0] < 2 or shape[0] != shapes[0][0] for shape in shapes):
        return [spec]
    alone = copy.deepcopy(spec)
    for value in alone["args"]:
        if is_tensor(value):
            value["$tensor"][1][0] = 1
    return [alone, spec]


def _of_signature(module: Any, method: str, hints: Dict[str, Any]) -> Iterator[Spec]:
    """Yield calls of a method with what is guessed of its inputs; first without what only training needs."""
    function = getattr(module, method or "forward")
    parameters = list(signature_of(function).values())
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
    if not needed:
        needed = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)][:1]
    if not needed:
        return
    off = {p.name: False for p in parameters if p.default is True and p.name in _OF_TRAINING}
    making = {p.name: True for p in parameters if p.default is False and _makes(function, p.name)}
    for spec in _of_inputs(_Called(module, method, needed, parameters), hints):
        for each in (dict(spec, kwargs=dict(off, **spec["kwargs"])), spec) if off else (spec,):
            yield each
            lying = flipped(each["args"])
            if lying != each["args"]:
                yield dict(each, args=lying)
        if making:
            yield dict(spec, kwargs=dict(spec["kwargs"], **making))


def _makes(function: Any, name: str) -> bool:
    """Tell whether a parameter is what a method asks whether to make something, where it would compare else."""
    return name in _MAKING and is_switch(function, name)


class _Called(NamedTuple):
    """A method of a module: the parameters that are guessed, and all that it has."""

    module: Any
    method: str  # "" is forward
    needed: List[inspect.Parameter]
    parameters: List[inspect.Parameter]

    @property
    def function(self) -> Any:
        """Return the method itself."""
        return getattr(self.module, self.method or "forward")


def _of_inputs(called: _Called, hints: Dict[str, Any]) -> Iterator[Spec]:
    module, method, needed, function = called.module, called.method, called.needed, called.function
    names = [p.name for p in needed]
    for spec in _guessed(called, hints) if len(needed) <= _MOST_INPUTS else ():
        yield dict(spec, names=names)
    maps = pyramid(module, function, names[0]) if len(needed) == 1 else []
    if maps:
        yield {"method": method, "args": [maps], "kwargs": {}, "why": "tried: maps, each half as large as the last"}
    for args in _of_layers(called, hints):
        yield {"method": method, "args": args, "kwargs": {}, "names": names, "why": AS_TOLD}
    objects = things(module, function, needed, SIDES[0])
    if objects and len(needed) <= _MOST_INPUTS:
        layers, guess = first_layers(module), ("float32", [NODES, 1], "", 0)
        args = [objects.get(p.name) or argument(module, layers, p, guess, 1, function) for p in needed]
        yield {"method": method, "args": args, "kwargs": {}, "names": names, "why": "tried: an object of what is read"}
    together = told(module, function, needed)
    if together:
        yield {"method": method, "args": together, "kwargs": {}, "names": names, "why": AS_TOLD}


def _of_layers(called: _Called, hints: Dict[str, Any]) -> Iterator[List[Any]]:
    """Yield inputs each as the first layer wants it that gets it; those of which no layer is found as they were guessed
    beside the first."""
    module, needed, function = called.module, called.needed, called.function
    found = {p.name: received for p in needed for received in [first_layer(module, function, p.name)] if received}
    if not found or len(needed) > _MOST_INPUTS:
        return
    layers = dict(first_layers(module), sides=hints.get("sides", []), sizes=hints.get("sizes", {}))
    side = sides(module, layers)[0]
    for rank in (2, 3) if any(map(any_rank, found.values())) else (2,):
        made = {name: shape_of(received, rank, side) for name, received in found.items()}
        dtype, shape, high = next(iter(made.values()))["$tensor"]
        guess: Guess = (dtype, shape, "", high)
        yield [
            made[p.name] if p.name in made else argument(module, layers, p, guess, max(place, 1), function)
            for place, p in enumerate(needed)
        ]


def _guessed(called: _Called, hints: Dict[str, Any]) -> Iterator[Spec]:
    module, needed, function = called.module, called.needed, called.function
    wanted = demanded(parsed(function))
    also = [p for p in called.parameters if p.default is None and p.name in wanted and p not in needed]
    others = apart(module, function, [p.name for p in called.parameters if p.name != needed[0].name])
    layers = dict(first_layers(module, others), sides=hints.get("sides", []), sizes=hints.get("sizes", {}))
    for guess, beside in _guesses(module, layers, function, needed):
        guesses = [guess] + [beside] * (len(needed) - 1)
        args = [argument(module, layers, p, guesses[place], place, function) for place, p in enumerate(needed)]
        spec = {"method": called.method, "args": args, "kwargs": {}, "why": "tried: %s" % guess[2]}
        yield spec
        if also:
            yield dict(spec, kwargs={p.name: argument(module, layers, p, beside, len(needed), function) for p in also})


def _guesses(
    module: Any, layers: Dict[str, Any], function: Any, needed: List[inspect.Parameter]
) -> Iterator[Tuple[Guess, Guess]]:
    """Yield what to try for the main input, and for those beside it of which nothing else is known."""
    name, few = needed[0].name, _FEW_SIDES if len(needed) > 1 else 1
    for width in latents(module, name):
        guess: Guess = ("float32", [1, width], "as wide as the module says", 0)
        yield guess, guess
    for shape in asserted(module, parsed(function), name):
        guess = ("float32", shape, "as it asserts", 0)
        yield guess, guess
    for divisor, rest in remainders(parsed(function)) if layers["kind"] == "conv2d" else ():
        side = _LEAST_SIDE // divisor * divisor + rest
        guess = ("float32", [1, layers["channels"] or 3, side, side], "as it asserts", 0)
        yield guess, guess
    for shape in main_shapes(function, name, layers.get("sizes", {})):
        for side in (layers.get("sides", []) + sides(module, layers))[:few]:
            beside: Guess = ("float32", [1, layers["channels"] or 3, side, side], "", 0)
            yield ("float32", shape, "as its comments say", 0), beside
    for each in ladder(module, layers, name):
        yield each, each
