"""Plain values → Python objects → a module without weights, and how well its names and shapes fit a state dict."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import signal
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ..states.fitting import DERIVED, canonical
from . import merging, standins
from .importing import Source
from .recorded import Recorded, recorded
from .weights import Shapes

BUILD_SECONDS = 20.0  # of the processor
BUSY = 3.0  # times as much on the clock
_ATTRIBUTES = ("model", "net", "module", "network", "net_g", "netG", "generator")


class TooLong(BaseException):
    """One call took longer than it may."""

    def __str__(self) -> str:
        return "took too long"


class TooLarge(BaseException):
    """A build has many times more tensors than the checkpoint: its arguments are absurd, and it may take minutes."""

    def __str__(self) -> str:
        return "builds far more tensors than the checkpoint has"


@contextlib.contextmanager
def at_most(cpu_s: float, clock_s: float) -> Iterator[None]:
    """Stop Python code after so many seconds of the processor, or on the clock; in other threads there is no limit.

    A busy machine needs several times as long for the same, and must not come to another answer for that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise TooLong

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, cpu_s), (signal.SIGALRM, signal.ITIMER_REAL, clock_s))
    previous = [signal.signal(number, stop) for number, _, _ in timers]
    for _, timer, seconds in timers:
        signal.setitimer(timer, max(0.01, seconds))
    try:
        yield
    finally:
        for _, timer, _ in timers:
            signal.setitimer(timer, 0)
        for (number, _, _), handler in zip(timers, previous):
            signal.signal(number, handler)


class Builder:
    """Builds modules from recipes. ``tensors`` is what a parameter that wants a state dict gets.

    ``seconds`` says how much of a limit is left to one build, ``most`` how many parameters it may make;
    ``make_room`` is called before a build with storage.
    """

    def __init__(
        self,
        source: Source,
        tensors: Dict[str, Any],
        seconds: Callable[[float], float] = lambda most: most,
        most: int = 100_000,
        make_room: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = source
        self.tensors = tensors
        self.seconds = seconds
        self.most = most
        self.make_room = make_room
        self.built = 0
        self.settings: List[Recorded] = []

    def value(self, encoded: Any) -> Any:
        """Return the object that a plain value stands for."""
        if isinstance(encoded, list):
            return [self.value(item) for item in encoded]
        if not isinstance(encoded, dict):
            return encoded
        if "$tuple" in encoded:
            return tuple(self.value(item) for item in encoded["$tuple"])
        if "$ref" in encoded:
            return self.source.resolve(encoded["$ref"])
        if "$call" in encoded or "$with" in encoded:
            return self._object(encoded)
        if "$settings" in encoded:
            made = recorded({k: self.value(v) for k, v in encoded["$settings"].items()})
            self.settings.append(made)
            return made
        if "$path" in encoded:
            paths = [os.path.join(root, encoded["$path"]) for root in self.source.roots]
            return next((path for path in paths if os.path.exists(path)), paths[0])
        if "$state_dict" in encoded:
            return dict(self.tensors)
        if "$unknown" in encoded:
            return None
        return {key: self.value(item) for key, item in encoded.items()}

    def _object(self, encoded: Any) -> Any:
        """Return what a call makes, and with the attributes that are set on it."""
        if "$with" in encoded:
            made, attributes = encoded["$with"]
            return standins.with_attributes(self.value(made), {k: self.value(v) for k, v in attributes.items()})
        callee, args, kwargs = encoded["$call"]
        return self.value(callee)(*self.value(args), **{k: self.value(v) for k, v in kwargs.items()})

    def build(self, callee: str, kwargs: Dict[str, Any], args: Sequence[Any] = (), meta: bool = True) -> Any:
        """Return what the call returns; raises whatever it raises."""
        import torch

        self.built += 1
        self.settings = []
        merging.restore()
        if not meta:
            self.make_room()
        function = self.source.resolve(callee)
        limit = at_most(BUILD_SECONDS, self.seconds(BUSY * BUILD_SECONDS))
        with limit, contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            with on_meta() if meta else contextlib.nullcontext(), without_inits(), _at_most_parameters(self.most):
                self._prepare(kwargs.get(merging.BEFORE))
                made_args = [self.value(item) for item in args]
                made = {name: self.value(item) for name, item in kwargs.items() if name != merging.BEFORE}
                return function if isinstance(function, torch.nn.Module) else function(*made_args, **made)

    def _prepare(self, before: Optional[Dict[str, Any]]) -> None:
        """Read a file over an object of the source, which keeps that until the next build."""
        if before is not None:
            settings = self.value(before["of"])
            merging.keep(settings)
            merging.merge(settings, self.value(before["file"]), before["set"])


_MAKERS = ("empty", "zeros", "ones", "randn", "rand", "full", "eye")
_FILLERS = ("normal_", "uniform_", "random_", "bernoulli_", "exponential_", "log_normal_", "cauchy_", "geometric_")


@contextlib.contextmanager
def on_meta() -> Iterator[None]:
    """Make new tensors without storage, but leave counting ones (arange, linspace) alone.

    The functions themselves are replaced: a TorchFunctionMode would see every access to every tensor, ten times slower.
    """
    import torch

    data = torch.Tensor.data  # type: ignore[attr-defined]
    kept = {name: getattr(torch, name) for name in _MAKERS}

    def hold(self: Any, value: Any) -> None:
        # Weights that are computed and not drawn, ``layer.weight.data = torch.from_numpy(…)``: their shape is enough.
        data.__set__(self, torch.empty_like(value, device="meta") if self.is_meta and not value.is_meta else value)

    def replaced(function: Callable[..., Any]) -> Callable[..., Any]:
        def make(*args: Any, **kwargs: Any) -> Any:
            device = str(kwargs.get("device"))
            if device == "None" or device.startswith(("cpu", "cuda")):
                kwargs["device"] = "meta"
            return function(*args, **kwargs)

        return make

    def filled(function: Callable[..., Any]) -> Callable[..., Any]:
        # Of tensors without storage torch computes nothing here, but imports its compiler first: seconds for nothing.
        return lambda self, *args, **kwargs: self if self.is_meta else function(self, *args, **kwargs)

    for name, function in kept.items():
        setattr(torch, name, replaced(function))
    fillers = {name: getattr(torch.Tensor, name) for name in _FILLERS}
    for name, function in fillers.items():
        setattr(torch.Tensor, name, filled(function))
    torch.Tensor.data = property(data.__get__, hold)  # type: ignore[assignment,misc]
    move = torch.nn.Module.to
    torch.nn.Module.to = lambda self, *_, **__: self  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        del torch.Tensor.data
        torch.nn.Module.to = move  # type: ignore[method-assign]
        for name, function in kept.items():
            setattr(torch, name, function)
        for name, function in fillers.items():
            setattr(torch.Tensor, name, function)


@contextlib.contextmanager
def _at_most_parameters(most: int) -> Iterator[None]:
    """Stop a build that makes more parameters; older torch has no hook for that, and no limit then."""
    from torch.nn.modules import module

    register = getattr(module, "register_module_parameter_registration_hook", None)
    if register is None:
        yield
        return
    counted = [0]

    def count(*_: Any) -> None:
        counted[0] += 1
        if counted[0] > most:
            raise TooLarge

    handle = register(count)
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def without_inits() -> Iterator[None]:
    """Skip the initialisation of weights and the loading of others': the checkpoint brings them all."""
    import torch

    names = [name for name in dir(torch.nn.init) if name.endswith("_") and not name.startswith("_")]
    kept = {name: getattr(torch.nn.init, name) for name in names}
    load = torch.nn.Module.load_state_dict
    for name in names:
        setattr(torch.nn.init, name, lambda tensor=None, *_, **__: tensor)
    torch.nn.Module.load_state_dict = lambda *_, **__: ([], [])  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(torch.nn.init, name, function)
        torch.nn.Module.load_state_dict = load  # type: ignore[method-assign]


def modules_in(made: Any) -> List[Tuple[str, Any]]:
    """Return (how to get at it, module) for the modules in what a call returned: itself, items, usual attributes."""
    import torch

    found: List[Tuple[str, Any]] = []
    if isinstance(made, torch.nn.Module):
        found.append(("", made))
    if isinstance(made, (tuple, list)):
        found += [("[%d]" % place, item) for place, item in enumerate(made) if isinstance(item, torch.nn.Module)]
    for name in _ATTRIBUTES:
        held = getattr(made, name, None) if not isinstance(made, (dict, str)) else None
        if isinstance(held, torch.nn.Module):
            found.append((".%s" % name, held))
    return [_unwrapped(way, module) for way, module in found]


def _unwrapped(way: str, module: Any) -> Tuple[str, Any]:
    """Return what is wrapped for several devices, and how to get at it."""
    import torch

    while isinstance(module, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
        way, module = way + ".module", module.module
    return way, module


class Fit:
    """How a module's names and shapes compare with the wanted ones. ``score`` rises towards 1, which is strict.

    Strict as loading is: buffers that a constructor computes, or a profiler left behind, may be on one side only.
    """

    def __init__(self, wanted: Shapes, found: Shapes) -> None:
        wanted, found = _told_apart(wanted, found), _told_apart(found, wanted)
        union = len(set(wanted) | set(found)) or 1
        both = [name for name in found if name in wanted]
        exact = sum(found[name] == wanted[name] for name in both)
        sizes = sum(_alike(found[name], wanted[name]) for name in both)
        self.strict = exact == union and bool(found)
        self.share = exact / union
        self.score = 1.0 if self.strict else 0.5 * len(both) / union + 0.3 * exact / union + 0.2 * sizes / union
        self.missing = [name for name in found if name not in wanted]
        self.unexpected = [name for name in wanted if name not in found]
        self.differing = [name for name in both if found[name] != wanted[name]]
        self.found = found


def _told_apart(shapes: Shapes, others: Shapes) -> Shapes:
    """Return the names without those computed ones that only this side has."""
    return {name: shape for name, shape in shapes.items() if name in others or not DERIVED.search(name)}


def _alike(found: Tuple[int, ...], wanted: Tuple[int, ...]) -> float:
    if len(found) != len(wanted):
        return 0.0
    return 1.0 if not found else sum(a == b for a, b in zip(found, wanted)) / len(found)


def shapes_of(module: Any) -> Shapes:
    """Return the shapes of a module's state dict, by canonical names."""
    return named_shapes(module.state_dict())


def named_shapes(tensors: Dict[str, Any]) -> Shapes:
    """Return shapes by names in the older spelling of parametrizations; as they are where that makes two the same."""
    plain = {name: tuple(value.shape) for name, value in tensors.items() if hasattr(value, "shape")}
    found = {canonical(name): shape for name, shape in plain.items()}
    return found if len(found) == len(plain) else plain


def best_fit(wanted: Shapes, made: Any) -> Tuple[Optional[Fit], str]:
    """Return the best fit among the modules of a result, and how to get at that module."""
    best, access = None, ""  # type: Optional[Fit], str
    for way, module in modules_in(made):
        fit = Fit(wanted, shapes_of(module))
        if best is None or fit.score > best.score:
            best, access = fit, way
    return best, access


def accessed(made: Any, access: str) -> Any:
    """Return the module at the end of ``access``, ``[0].module``."""
    for number, name in re.findall(r"\[(\d+)\]|\.(\w+)", access):
        made = made[int(number)] if number else getattr(made, name)
    return made


def signature_of(function: Callable[..., Any]) -> Dict[str, inspect.Parameter]:
    """Return the parameters of a callable; empty where it has no signature."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


def constructor_arguments(module: Any, rebuild: Callable[[], Any]) -> Dict[str, str]:
    """Return the arguments that the module's class really got while it is built again, defaults included, as text."""

    def _named(bound: inspect.BoundArguments) -> Iterator[Tuple[str, Any]]:
        for name, value in list(bound.arguments.items())[1:]:
            kind = bound.signature.parameters[name].kind
            if kind == inspect.Parameter.VAR_KEYWORD:
                yield from value.items()
            elif value or kind != inspect.Parameter.VAR_POSITIONAL:
                yield name, value

    cls = type(module)
    original = cls.__init__
    seen: Dict[str, str] = {}

    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self) is cls and not seen:
            try:
                bound = inspect.signature(original).bind(self, *args, **kwargs)
                bound.apply_defaults()
                seen.update({k: repr(v)[:300] for k, v in _named(bound)})
            except (TypeError, ValueError):
                pass
        original(self, *args, **kwargs)

    cls.__init__ = noting
    try:
        rebuild()
    except (Exception, SystemExit, TooLong, TooLarge):  # it was built before; without the arguments it is as good
        pass
    finally:
        cls.__init__ = original
    return seen
