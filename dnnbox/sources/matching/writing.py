"""A match as the recipe that the adapter is written from: plain values become readable Python."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.records.evidence import Evidence
from dnnbox.records.source import Recipe, SourceTree
from dnnbox.text import visible

_LINE = 100
# Folders called like these modules of Python's own cannot be imported by their name.
_TAKEN = ("code", "platform", "parser", "token", "types", "select", "queue", "signal", "site", "profile", "statistics")
_OF_SOURCE, _NOTHING, _OLD_NAMES = "files of the source", "loads nothing: ", "old names"
_THINGS = '__import__("dnnbox_harness.matching.calling", fromlist=["Things"]).Things'
_BEFORE = "$before"  # as in the box


class _Code:
    """Collects the imports that expressions need."""

    def __init__(self) -> None:
        self.imports: dict[str, None] = {}
        self.needs_root = False

    def text(self, value: Any) -> str:
        """Return an expression for a plain value."""
        if isinstance(value, list):
            return f"[{', '.join(map(self.text, value))}]"
        if not isinstance(value, Mapping):
            return repr(value)
        if "$tuple" in value:
            items = ", ".join(map(self.text, value["$tuple"]))
            return f"({items},)" if len(value["$tuple"]) == 1 else f"({items})"
        if "$ref" in value:
            return self.name(value["$ref"])
        if "$call" in value:
            callee, args, kwargs = value["$call"]
            return f"{self.text(callee)}({self.arguments(args, kwargs)})"
        if "$with" in value:
            self.imports["from dnnbox_harness.matching import standins"] = None
            made, attributes = value["$with"]
            return f"standins.with_attributes({self.text(made)}, {self.text(attributes)})"
        if "$settings" in value:
            self.imports["from dnnbox_harness.matching import standins"] = None
            return f"standins.settings({self.text(value['$settings'])})"
        if "$path" in value:
            self.needs_root = True
            return f"os.path.join(root, {value['$path']!r})"
        if "$unknown" in value:
            return "None"
        return "{" + ", ".join(f"{key!r}: {self.text(item)}" for key, item in value.items()) + "}"

    def arguments(self, args: Any, kwargs: Mapping[str, Any]) -> str:
        """Return the arguments of a call."""
        named = (f"{name}={self.text(item)}" for name, item in kwargs.items() if name != _BEFORE)
        return ", ".join([*map(self.text, args), *named])

    def before(self, kwargs: Mapping[str, Any]) -> list[str]:
        """Return the line that reads a file over an object of the source, where the call wants that."""
        if _BEFORE not in kwargs:
            return []
        self.imports["from dnnbox_harness.matching import merging"] = None
        return [f"merging.merge({', '.join(self.text(kwargs[_BEFORE][each]) for each in ('of', 'file', 'set'))})"]

    def name(self, ref: str) -> str:
        """Return the expression for a reference, and note its import."""
        place, _, name = ref.partition(":")
        module = place.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        first, dot, rest = name.partition(".")
        if place.endswith(".py") and has_no_name(module):
            self.needs_root = True
            self.imports["from dnnbox_harness.matching.importing import by_path"] = None
            return f"by_path(os.path.join(root, {place!r}))" + (f".{name}" if name else "")
        if not first:
            self.imports[f"import {module}"] = None
            return module
        bare = first.removesuffix("()")
        self.imports[f"from {module} import {bare}"] = None
        return f"{first}{dot}{rest}"


def recipe_of(match: Mapping[str, Any], answer: Mapping[str, Any], source: SourceTree) -> Recipe:
    """Return the recipe of a match: the build's body, example inputs, the call, and why."""
    code = _Code()
    given = "" if match.get("is_object") else f"({code.arguments(match['args'], match['kwargs'])})"
    made = code.name(match["callee"]) + given + match["access"]
    before = code.before(match["kwargs"])
    example = match.get("example")
    inputs, forward = _inputs(example) if example else ([], "self.model(**inputs)")
    for way in example.get("ways", ()) if example else ():
        code.imports["from dnnbox_harness.matching import oldnames"] = None
        made = f"oldnames.{way}({made})"
    cls = str(match["class"])
    return Recipe(
        family="",
        title=visible(cls.rpartition(".")[2], 60),
        cls=visible(cls, 160),
        file=visible(str(match["ref"]).partition(":")[0], 160),
        arguments=dict(match["arguments"]),
        build="\n".join([*_preparation(code, match, answer), *code.imports, "", *before, f"return {made}"]),
        call=forward,
        inputs=tuple(inputs),
        refused=() if example else tuple(visible(str(text), 200) for text in match["tried"]) or ("nothing was tried",),
        prefix=str(match["prefix"]),
        url=source.url or "the given source",
        commit=source.commit or f"sha256 {source.sha256[:12]}",
        evidence=(
            Evidence(f"{cls} fits strictly", str(match["ref"]), f"arguments from {match['origin']}"[:200]),
            *_methods(example),
            *(
                Evidence(f"{name} was replaced", "box", "not importable, not needed", 0.3)
                for name in answer["stand_ins"]
            ),
        ),
    )


def _methods(example: Mapping[str, Any] | None) -> tuple[Evidence, ...]:
    """Return that methods of the class's own stand for the forward pass, where they do."""
    names = [step["method"] for step in (*example.get("before", ()), example) if step["method"]] if example else []
    called = ", then ".join(f"{name}()" for name in names)
    return (Evidence(f"run by {called}", "box", "its forward was answered by nothing that was tried"),) if names else ()


def _preparation(code: _Code, match: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
    lines = []
    folders = [path for path in answer["paths"] if path != "." and not path.startswith("/")]
    bare = {name: folder for name, folder in answer.get("bare", {}).items() if not folder.startswith("/")}
    if folders or bare or code.needs_root or _OF_SOURCE in answer["replaced"]:
        anchor = str(match["ref"]).partition(":")[0]
        lines += ["import os", "import sys", ""]
        lines += [f"root = next(p for p in sys.path if os.path.isfile(os.path.join(p, {anchor!r})))"]
        for folder in folders:
            lines.append(f"sys.path.append(os.path.join(root, {folder!r}))")
    if answer["stand_ins"] or answer["lacking"] or answer["replaced"] or bare:
        code.imports.pop("from dnnbox_harness.matching import standins", None)
        lines += ["from dnnbox_harness.matching import standins", ""]
        if answer["stand_ins"] or answer["lacking"]:
            lines.append("# Imported by the source, not installed, and not needed for the forward pass:")
            lines.append(f"standins.stand_in({list(answer['stand_ins'])!r}, {list(answer['lacking'])!r})")
        if bare:
            places = ", ".join(f"{name!r}: os.path.join(root, {folder!r})" for name, folder in bare.items())
            lines.append("# Packages whose own imports fail, while the model's file needs nothing of them:")
            lines.append(f"standins.bare_packages({{{places}}})")
        lines += _quieted(answer)
    return lines


def _quieted(answer: Mapping[str, Any]) -> list[str]:
    """Return the lines that let a source do without what is not here."""
    lines = []
    if "version checks" in answer["replaced"]:
        lines.append("standins.without_version_checks()")
    if "torch.version.cuda" in answer["replaced"]:
        lines.append("standins.without_cuda_version()")
    if _OLD_NAMES in answer["replaced"]:
        lines += ["from dnnbox_harness.matching import oldnames", ""]
        lines.append("oldnames.bring_back()  # it uses names that libraries no longer have")
    nothing = [name.removeprefix(_NOTHING) for name in answer["replaced"] if name.startswith(_NOTHING)]
    lines += ["from dnnbox_harness.matching import downloads", ""] if nothing else []
    lines += [f"downloads.load_nothing({place!r})  # it would fetch weights of others" for place in nothing]
    calls = [name.removeprefix(_NOTHING) for name in answer["replaced"] if name not in (_OF_SOURCE, _OLD_NAMES)]
    if _OF_SOURCE in answer["replaced"]:
        lines += ["from dnnbox_harness.matching import files", ""]
        lines.append("files.look_in(root)  # it opens some of its own files by a way that is not there")
    if calls:
        lines.append(f"standins.quiet_builds()  # it would call {', '.join(calls)[:_LINE]}")
    if answer.get("sizes"):
        lines += ["from dnnbox_harness.matching import hub", ""]
        lines.append(f"hub.SIZES.update({answer['sizes']!r})  # the checkpoint's, where they are no defaults")
    return lines


def _inputs(example: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Return the inputs by name and the expression of the call over them."""
    inputs: list[dict[str, Any]] = []

    def expression(value: Any, name: str) -> str:
        if isinstance(value, Mapping) and "$tensor" in value:
            dtype, shape, high = value["$tensor"]
            sizes: list[Any] = ["n", *shape[1:]] if shape[:1] == [1] else list(shape)
            name = _free(name, inputs)
            more = {**({"high": high} if high else {}), **({"filled": value["filled"]} if "filled" in value else {})}
            inputs.append({"name": name, "dtype": dtype, "shape": sizes, **more})
            return f'inputs["{name}"]' + (".cpu().numpy()" if value.get("array") else "")
        if isinstance(value, Mapping) and "$tuple" in value:
            return f"({', '.join(expression(v, f'{name}{i}') for i, v in enumerate(value['$tuple']))},)"
        if isinstance(value, Mapping) and "$object" in value:
            held = ", ".join(f"{k}={expression(v, str(k))}" for k, v in value["$object"].items())
            return f"{_THINGS}({held})"
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{k!r}: {expression(v, str(k))}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return f"[{', '.join(expression(v, f'{name}{i}') for i, v in enumerate(value))}]"
        return repr(value)

    def called(step: Mapping[str, Any]) -> str:
        names = list(step.get("names") or ())
        parts = [
            expression(value, names[place] if place < len(names) else f"input{place}")
            for place, value in enumerate(step["args"])
        ]
        parts += [f"{name}={expression(value, name)}" for name, value in step["kwargs"].items()]
        method = f".{step['method']}" if step["method"] else ""
        if step.get("puts"):  # it returns nothing: its answer is in the mapping that it was given
            return f"(lambda given: (self.model{method}(given), given)[-1])({', '.join(parts)})"
        return f"self.model{method}({', '.join(parts)})"

    steps = [called(step) for step in (*example.get("before", ()), example)]
    return inputs, steps[0] if len(steps) == 1 else f"({', '.join(steps)})[-1]"


def _free(name: str, inputs: Sequence[Mapping[str, Any]]) -> str:
    """Return a name that no input has yet."""
    while any(each["name"] == name for each in inputs):
        name += "_"
    return name


def has_no_name(module: str) -> bool:
    """Tell whether a file is loaded by its path, by the rule of the box (``harness/matching/importing.py``)."""
    parts = module.split(".")
    return not all(part.isidentifier() for part in parts) or (len(parts) > 1 and parts[0] in _TAKEN)


def is_plain(document: Any) -> bool:
    """Tell whether something can be written as JSON."""
    try:
        json.dumps(document)
    except (TypeError, ValueError):
        return False
    return True
