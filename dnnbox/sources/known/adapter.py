"""Recipe → ``scripts/adapter.py``: readable Python that builds, loads, feeds and calls a model of a known family."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from dnnbox.records.source import Recipe
from dnnbox.sources.known import pictures
from dnnbox.text import visible

_HEAD = '''"""How dnnbox runs this checkpoint: {title}.

{written}:
class {cls} of {url} at {commit}.
Change what is wrong and continue with `dnnbox run CKPT --source SOURCE --adapter THIS_FILE`.
"""

from __future__ import annotations

{constants}

class Adapter:
    """Loads, feeds and reads the model. dnnbox imports this file inside the box only."""

    preprocessing = {preprocessing}
    postprocessing = {postprocessing}

    def build(self):
        """Return the model as upstream builds it; no weights yet."""
{build}

    def load(self, checkpoint: str, device: str, precision: str) -> None:
        """Build the model, load the weights strictly, move it to ``device``."""
        import torch
        from dnnbox_harness.states.loading import cast, load_into

        self.model = self.build()
        done = load_into(self.model, checkpoint, prefix={prefix!r})
        self.strict_load = f"{{done.tensors}} tensors, every name and shape matches"
        self.notes = done.notes
        self.dtype = {{"fp16": torch.float16, "bf16": torch.bfloat16}}.get(precision, torch.float32)
        self.model.to(device)  # a class may have a way of its own for that, which knows no dtype
        cast(self.model, self.dtype).eval()
        self.device = device

    def example_inputs(self, batch_size: int):
        """Return made-up inputs of the right shape, type and range."""
{examples}

    def preprocess(self, paths: list):
        """Turn real files into inputs, as upstream does."""
{preprocess}

    def infer(self, inputs):
        """The timed call: inputs to outputs, nothing else."""
        import torch

        inputs = {{name: self._placed(value) for name, value in inputs.items()}}
        with torch.inference_mode():
            return {call}

    def _placed(self, value):
        """Return the tensor on the device; floats in the precision of the weights."""
        return value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)

    def postprocess(self, outputs, out_dir: str) -> dict:
        """Say what the outputs mean; what upstream does further stands in ``postprocessing``."""
        return {{}}
'''

_BARE = """# These packages' own __init__ imports more than the model needs, so only their place is made known.
import importlib.machinery
import importlib.util
import sys

for name in {names!r}:
    if name not in sys.modules:
        found = importlib.util.find_spec(name)
        bare = importlib.machinery.ModuleSpec(name, None, is_package=True)
        bare.submodule_search_locations = found.submodule_search_locations
        sys.modules[name] = importlib.util.module_from_spec(bare)
"""


def adapter_text(recipe: Recipe) -> str:
    """Return the adapter; every constant in it says where upstream has it."""
    return _HEAD.format(
        title=visible(recipe.title, 80),
        written=_written(recipe),
        cls=recipe.cls,
        url=recipe.url,
        commit=recipe.commit,
        constants=pictures.constants(recipe),
        preprocessing=_steps(recipe, "preprocess"),
        postprocessing=_steps(recipe, "postprocess"),
        build=textwrap.indent(_body(recipe), " " * 8),
        prefix=recipe.prefix,
        examples=textwrap.indent("\n".join(_made(recipe)), " " * 8),
        preprocess=textwrap.indent(pictures.body(recipe), " " * 8),
        call=recipe.call or f"self.model({', '.join(_arguments(recipe))})",
    )


def _written(recipe: Recipe) -> str:
    if not recipe.family:
        return "Found in the source by its tensors' names and shapes, and tried in the box"
    checked = next((e.detail.removeprefix("checked ") for e in recipe.evidence if e.detail.startswith("checked")), "")
    return f"Written from the catalogue of known families (read in upstream's repository on {checked})"


def _body(recipe: Recipe) -> str:
    return (_BARE.format(names=list(recipe.bare)) if recipe.bare else "") + recipe.build


def _arguments(recipe: Recipe) -> Iterator[str]:
    for item in recipe.inputs:
        yield f'inputs["{item["name"]}"]'


def _made(recipe: Recipe) -> Iterator[str]:
    """Yield the body of ``example_inputs``: a hole where the model took nothing that was tried."""
    if recipe.refused:
        example = "{'x': torch.zeros(batch_size, 3, 224, 224)}"
        asked = f"HOLE: which inputs does {recipe.cls} take? For example {example}."
        yield "raise NotImplementedError("
        yield from (f"    {text!r}" for text in (asked, *(f" Tried: {each}" for each in recipe.refused)))
        yield ")"
        return
    yield "import torch"
    yield ""
    yield "generator = torch.Generator().manual_seed(0)"
    yield "return {"
    yield from _examples(recipe)
    yield "}"


def _examples(recipe: Recipe) -> Iterator[str]:
    for item in recipe.inputs:
        sizes = ", ".join("batch_size" if size == "n" else str(size) for size in item["shape"])
        shape = f"({sizes}{',' if len(item['shape']) == 1 else ''})"
        dtype = "" if item["dtype"] == "int64" else f", dtype=torch.{item['dtype']}"
        if "filled" in item:
            made = f"torch.full({shape}, {item['filled']}, dtype=torch.{item['dtype']})"
        elif item["dtype"].startswith("int"):
            made = f"torch.randint(0, {item.get('high', 2)}, {shape}, generator=generator{dtype})"
        else:
            made = f"torch.rand({shape}, generator=generator){_ranged(item)}"
        yield f'    "{item["name"]}": {made},'


def _ranged(item: Any) -> str:
    """Return what brings [0, 1) to the model's range."""
    if item.get("low") == -1:
        return " * 2 - 1"
    return f" * {item['scale']}" if item.get("scale") else ""


def _steps(recipe: Recipe, kind: str) -> str:
    """Return upstream's constants as the contract lists them: declared where a line of the source has them."""
    values = recipe.preprocess if kind == "preprocess" else recipe.postprocess
    steps = [
        {
            "step": name,
            "parameters": {name: value},
            "status": "declared" if name in recipe.sources else "assumed",
            "source": recipe.sources.get(name) or "catalogue of known families",
        }
        for name, value in values.items()
        if name != "inside"
    ]
    lines = "".join(f"        {step!r},\n" for step in steps)
    return f"[\n{lines}    ]" if lines else "[]"
