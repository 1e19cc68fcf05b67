"""One file's syntax tree → candidate constants: transforms, arguments of command lines, defaults, divisions by 255."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dnnbox.sources.constants.reading import File
from dnnbox.sources.constants.values import Scope, Unknown


@dataclass(frozen=True)
class Fact:
    """One candidate: a field, its value, the line, how directly it says so, and in which function it stands."""

    field: str
    value: Any
    line: int
    weight: float
    where: str

    @property
    def on_request(self) -> bool:
        """Whether it stands below a switch, ``if self.legacy:``, of which nothing here says that it is on."""
        return _SWITCH in self.where


_SWITCH = "?"
_NAMED: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("mean", re.compile(r"(?i)^(.*_)?(pixel_|image_|rgb_)?means?$")),
    ("std", re.compile(r"(?i)^(.*_)?(pixel_|image_|rgb_)?stds?$")),
    ("size", re.compile(r"(?i)^(img_?size|image_?size|input_?size|imgsz|test_size|crop_size|target_length|net_[hw])$")),
    ("sample_rate", re.compile(r"(?i)^sampl(e|ing)_?rate$")),
    ("n_fft", re.compile(r"(?i)^(n_fft|filter_length)$")),
    ("hop_length", re.compile(r"(?i)^hop_(length|size)$")),
    ("win_length", re.compile(r"(?i)^win_(length|size)$")),
    ("n_mels", re.compile(r"(?i)^(n_mels|num_mels|n_mel_channels)$")),
    ("fmin", re.compile(r"(?i)^(mel_)?fmin$")),
    ("fmax", re.compile(r"(?i)^(mel_)?fmax$")),
    ("confidence", re.compile(r"(?i)^(conf(_?thres(hold)?)?|confidence|score_thr(eshold)?|box_threshold)$")),
    ("iou", re.compile(r"(?i)^(iou(_?thres(hold)?)?|nms(_?thr(e|es|eshold)?)?)$")),
    ("mask_threshold", re.compile(r"(?i)^mask_?threshold$")),
    ("context_length", re.compile(r"(?i)^(context_length|max_text_len)$")),
    ("temperature", re.compile(r"(?i)^temperature$")),
    ("top_k", re.compile(r"(?i)^top_?k$")),
)
_PICTURE = re.compile(r"(?i)transpose\(|permute\(|imread\(|^(im|img|image|frame|picture|x)\w{0,2}$")
_ORDERING = (ast.Slice, ast.Tuple, ast.List)
_SPELT_OUT = ("imread", "open", "convert", "cvtColor")
_RANGE = re.compile(r"(?i)^max_(range|val(ue)?|pixel)$")
_ORDER = re.compile(r"(?i)^(image_format|colou?r_(format|mode|order)|channel_order)$")
_NORMALISERS = ("Normalize", "NormalizeImage", "normalize")
_RESIZERS: Mapping[str, str] = {
    "Resize": "shortest",
    "CenterCrop": "crop",
    "ResizeLongestSide": "longest",
    "letterbox": "letterbox",
    "LetterBox": "letterbox",
    "RandomResize": "shortest",
}
_FILTERS = {
    **dict.fromkeys(("bicubic", "cubic"), "bicubic"),
    **dict.fromkeys(("bilinear", "linear"), "bilinear"),
    **dict.fromkeys(("lanczos", "lanczos4"), "lanczos"),
    **{word: word for word in ("nearest", "area")},
}
_WEIGHTS = {"call": 3.0, "option": 2.5, "constant": 2.0, "default": 1.0}


def facts(file: File) -> Iterator[Fact]:
    """Yield the candidates of one file."""
    yield from _Reader(file.scope).read(file.tree.body, "")


class _Reader:
    """Walks statements, remembering the function that it is in and the defaults that its names have there."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def read(self, body: list[ast.stmt], where: str) -> Iterator[Fact]:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = f"{where}.{node.name}".strip(".")
                yield from self._defaults(node, inner)
                yield from self.read(node.body, inner)
            elif isinstance(node, ast.ClassDef):
                yield from self.read(node.body, f"{where}.{node.name}".strip("."))
            elif isinstance(node, ast.If):
                # What is done only in training says so in the condition.
                test = ast.unparse(node.test)
                yield from self._expressions(node.test, where)
                switch = _SWITCH if isinstance(node.test, (ast.Name, ast.Attribute)) else ""
                inner = where if test.startswith("not ") else f"{where}.{test[:60]}{switch}"
                yield from self.read(node.body, inner)
                yield from self.read(node.orelse, where)
            else:
                yield from self._statement(node, where)

    def _defaults(self, node: ast.FunctionDef | ast.AsyncFunctionDef, where: str) -> Iterator[Fact]:
        named = [*node.args.posonlyargs, *node.args.args]
        pairs = list(zip(named[len(named) - len(node.args.defaults) :], node.args.defaults, strict=True))
        pairs += [(arg, value) for arg, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if value]
        for argument, value in pairs:
            yield from self._named(argument.arg, value, value.lineno, _WEIGHTS["default"], where)

    def _statement(self, node: ast.stmt, where: str) -> Iterator[Fact]:
        inner = where
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            name = (
                target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
            )
            inner = f"{where}.{name[:40]}".strip(".")
            yield from self._named(name, node.value, node.lineno, _WEIGHTS["constant"], inner)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from self._named(ast.unparse(node.target), node.value, node.lineno, _WEIGHTS["constant"], inner)
        blocks = [
            part for name in ("body", "orelse", "finalbody", "handlers") for part in getattr(node, name, None) or []
        ]
        for part in ast.iter_child_nodes(node):
            if part not in blocks:
                yield from self._expressions(part, inner)
        for block in (getattr(node, name, None) or [] for name in ("body", "orelse", "finalbody")):
            yield from self.read(block, inner) if isinstance(block, list) else ()
        for handler in getattr(node, "handlers", None) or []:
            yield from self.read(handler.body, inner)

    def _expressions(self, tree: ast.AST, where: str) -> Iterator[Fact]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from self._call(node, where)
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _is(node.right, 255):
                yield Fact("scale", "1/255", node.lineno, _WEIGHTS["constant"], where)
            elif isinstance(node, ast.Subscript) and _turns(node):
                yield Fact("flip", True, node.lineno, _WEIGHTS["constant"], where)

    def _named(self, name: str, node: ast.expr, line: int, weight: float, where: str) -> Iterator[Fact]:
        if isinstance(node, ast.IfExp):
            # Two values in one line: both are candidates; the one that is called the default is the likelier.
            for part in (node.body, node.orelse):
                more = 0.3 if "default" in ast.unparse(part).lower() else 0.0
                yield from self._named(name, part, line, weight + more, where)
            return
        yield from self._special(name, node, line, weight, where)
        for field, pattern in _NAMED:
            if pattern.match(name):
                value = self._value(node)
                if _fits(field, value):
                    yield Fact(field, _plain(value), line, weight, where)

    def _special(self, name: str, node: ast.expr, line: int, weight: float, where: str) -> Iterator[Fact]:
        """Yield what names say in another form: both statistics at once, the range, the order of channels."""
        value = self._value(node)
        if name.lower().endswith("stats") and isinstance(value, tuple) and len(value) == 2:
            for field, part in zip(("mean", "std"), value, strict=True):
                if _fits(field, part):
                    yield Fact(field, _plain(part), line, weight, where)
        elif _RANGE.match(name) and value in (255, 255.0):
            yield Fact("scale", "1/255", line, weight, where)
        elif _ORDER.match(name) and value in ("RGB", "BGR"):
            yield Fact("channels", value, line, weight, where)

    def _value(self, node: ast.expr | None) -> Any:
        try:
            return self.scope.value(node)
        except Unknown:
            return None

    def _call(self, node: ast.Call, where: str) -> Iterator[Fact]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        for key, value in keywords.items():
            yield from self._named(key, value, value.lineno, _WEIGHTS["constant"], where)
        if name in _NORMALISERS:
            yield from self._normalise(node, keywords, where)
        elif name in _RESIZERS:
            yield from self._resize(name, node, keywords, where)
        elif name == "add_argument":
            yield from self._option(node, keywords, where)
        else:
            yield from self._picture(name, node, where)
        resizes = name.lower() in ("resize", "rescale") or name in _RESIZERS
        filters = [value for key, value in keywords.items() if key != "mode"] + list(node.args) if resizes else []
        for value in filters + [keywords[key] for key in ("interpolation", "resample") if key in keywords]:
            yield from self._filter(value, where, _WEIGHTS["call"])
        if (
            resizes and "mode" in keywords
        ):  # of tensors, as inside a model: features are resized so, and pictures rarely
            yield from self._filter(keywords["mode"], where, 0.0)

    def _normalise(self, node: ast.Call, keywords: Mapping[str, ast.expr], where: str) -> Iterator[Fact]:
        arguments = [value for value in node.args if isinstance(self._value(value), tuple)]
        pairs = (("mean", 0), ("std", 1))
        for field, place in pairs:
            value = self._value(keywords.get(field, arguments[place] if len(arguments) > place else None))
            if _fits(field, value):
                yield Fact(field, _plain(value), node.lineno, _WEIGHTS["call"], where)

    def _resize(self, name: str, node: ast.Call, keywords: Mapping[str, ast.expr], where: str) -> Iterator[Fact]:
        values = [*node.args, *(keywords[key] for key in ("size", "new_shape", "width") if key in keywords)]
        sizes = [value for value in map(self._value, values) if _fits("size", value)]
        mode = _RESIZERS[name]
        if mode != "crop":
            yield Fact("resize", mode, node.lineno, _WEIGHTS["call"], where)
        if sizes:
            # A crop says what the model gets; a resize before it is larger.
            weight = _WEIGHTS["call"] + (1.0 if mode == "crop" else 0.0)
            yield Fact("size", _plain(sizes[0]), node.lineno, weight, where)

    def _option(self, node: ast.Call, keywords: Mapping[str, ast.expr], where: str) -> Iterator[Fact]:
        flags = [value.value for value in node.args if isinstance(value, ast.Constant) and isinstance(value.value, str)]
        if "default" in keywords:
            for flag in flags:
                name = flag.lstrip("-").replace("-", "_")
                yield from self._named(name, keywords["default"], node.lineno, _WEIGHTS["option"], where)

    def _picture(self, name: str, node: ast.Call, where: str) -> Iterator[Fact]:
        text = ast.unparse(node) if name in _SPELT_OUT else ""
        if name == "ToTensor":
            yield Fact("scale", "1/255", node.lineno, _WEIGHTS["call"], where)
        elif name in ("div", "div_") and node.args and _is(node.args[0], 255):
            yield Fact("scale", "1/255", node.lineno, _WEIGHTS["constant"], where)
        elif name == "imread" and "cv2" in text:
            yield Fact("reader", "cv2", node.lineno, _WEIGHTS["call"], where)
        elif (name == "open" and text.startswith(("Image.", "PIL."))) or (name == "convert" and "RGB" in text):
            yield Fact("reader", "PIL", node.lineno, _WEIGHTS["call"], where)
        elif name == "cvtColor" and "BGR2RGB" in text:
            yield Fact("flip", True, node.lineno, _WEIGHTS["call"], where)
        elif name in ("get_encoding", "encoding_for_model") and node.args:
            value = self._value(node.args[0])
            if isinstance(value, str):
                yield Fact("tokenizer", value, node.lineno, _WEIGHTS["call"], where)

    def _filter(self, node: ast.expr, where: str, weight: float) -> Iterator[Fact]:
        word = ast.unparse(node).rpartition(".")[2].removeprefix("INTER_").strip("'\"").lower()
        if word in _FILTERS:
            yield Fact("interpolation", _FILTERS[word], node.lineno, weight, where)


def _turns(node: ast.Subscript) -> bool:
    """Tell whether an index turns the order of channels around; ``[:, ::-1]`` mirrors a picture."""
    text = ast.unparse(node.slice).strip("()").replace(" ", "") if isinstance(node.slice, _ORDERING) else ""
    if text == "::-1":  # anything may be turned around so: sizes, an order by score
        return bool(_PICTURE.search(ast.unparse(node.value)))
    return text != ":,::-1" and bool(re.search(r"::-1|\[2,1,0\]|^2,1,0$", text))


def _is(node: ast.expr, number: int) -> bool:
    return isinstance(node, ast.Constant) and node.value == number


def _fits(field: str, value: Any) -> bool:
    """Tell whether a value can be one of the field at all."""
    if field in ("mean", "std"):
        numbers = isinstance(value, tuple) and len(value) in (1, 3) and all(isinstance(v, (int, float)) for v in value)
        return numbers and any(value)
    if field == "size":
        sides = value if isinstance(value, tuple) else (value,)
        whole = all(isinstance(side, int) and not isinstance(side, bool) and 16 <= side <= 8192 for side in sides)
        return whole and 1 <= len(sides) <= 3
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """Return lists for tuples, one number for a square size."""
    if isinstance(value, tuple):
        square = len(set(value)) == 1 and len(value) < 3 and isinstance(value[0], int)
        return value[0] if square else list(value)
    return value
