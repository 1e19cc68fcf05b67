"""GGUF through llama.cpp: a prompt is read, then a few tokens are generated greedily; both are the timed call."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from .. import examples
from ..failures import Failure
from ..protocol import Check, InputFile
from .base import Decoded, Runtime

NEW_TOKENS = 16
LEAST_CONTEXT = 256
MOST_CONTEXT = 2048


class LlamaCpp(Runtime):
    """Items are prompts, one call each. ``options["new_tokens"]`` says how many tokens are generated."""

    prepares = True

    def import_libraries(self) -> None:
        """Import the bindings and numpy."""
        import llama_cpp
        import numpy as np

        self.numpy, self.library = np, llama_cpp
        self.answers: List[Dict[str, Any]] = []

    def open_context(self) -> None:
        """Refuse a GPU that this build cannot use: llama.cpp would run on the CPU without a word."""
        kind = self.request.device.partition(":")[0]
        if kind != "cpu" and not self.library.llama_supports_gpu_offload():
            text = "llama-cpp-python %s was built without a GPU backend, asked for %s"
            raise Failure("device_unavailable", text % (self.library.__version__, self.request.device))

    def load(self) -> None:
        """Load the model, with every layer on the GPU where one was asked for."""
        if self.request.precision not in ("fp32", "auto"):
            text = "a GGUF file has its quantisation built in; convert the file to get %s"
            raise Failure("unsupported", text % self.request.precision)
        if self.request.batch_size > 1:
            raise Failure("unsupported", "one prompt is one call, asked for %d" % self.request.batch_size)
        kind, _, index = self.request.device.partition(":")
        threads = self.request.threads or None
        self.new_tokens = int(self.options.get("new_tokens") or NEW_TOKENS)
        self.model = self.library.Llama(
            self.request.checkpoint,
            n_ctx=int(self.options.get("context") or LEAST_CONTEXT),
            n_threads=threads,
            n_threads_batch=threads,
            n_gpu_layers=0 if kind == "cpu" else -1,
            main_gpu=int(index or 0),
            seed=self.request.seed,
            logits_all=False,
            verbose=False,
        )

    def example_items(self) -> List[Any]:
        """Return one prompt."""
        return [examples.PROMPT]

    def items(self, files: Sequence[InputFile]) -> List[Any]:
        """Return the prompts, one a line of text files."""
        found: List[str] = []
        for file in files:
            if file.kind != "text":
                raise Failure("needs_adapter", "a language model takes text, not %s" % file.kind, "input")
            with open(file.path, encoding="utf-8") as stream:
                found += [line.strip() for line in stream if line.strip()]
        return found

    def preprocess(self, items: Sequence[Any]) -> Any:
        """Return the tokens of one prompt."""
        tokens = self.model.tokenize(str(items[0]).encode("utf-8"), add_bos=True, special=False)
        room = self.model.n_ctx() - self.new_tokens
        if len(tokens) > room:
            text = "the prompt has %d tokens, there is room for %d"
            raise Failure("input_failed", text % (len(tokens), room), "input")
        self.step("preprocessing", "tokenize", {"tokenizer": "in the file"}, "declared", "GGUF metadata")
        return {"tokens": self.numpy.array(tokens, dtype="int32")}

    def infer(self, inputs: Any) -> Any:
        """Read the prompt and generate; nothing is kept from the call before, so both parts are computed anew."""
        model = self.model
        model.reset()
        model.eval(inputs["tokens"].tolist())
        # The last row lies in llama.cpp's own memory and is overwritten by the next evaluation.
        row = first = self._logits().copy()
        made = []
        for _ in range(self.new_tokens):
            token = int(row.argmax())
            made.append(token)
            model.eval([token])
            row = self._logits()
        return {"logits": first, "tokens": self.numpy.array(made, dtype="int32")}

    # Token after token.

    def generates(self) -> str:
        """Every GGUF language model does."""
        return ""

    def prompt_tokens(self, inputs: Any) -> int:
        """Return the length of the one prompt."""
        return len(inputs["tokens"])

    def token_room(self, inputs: Any) -> int:
        """Return what the context leaves."""
        return int(self.model.n_ctx()) - len(inputs["tokens"])

    def prefill(self, inputs: Any) -> Any:
        """Read the prompt anew and choose the first token."""
        self.model.reset()
        self.model.eval(inputs["tokens"].tolist())
        return int(self._logits().argmax())

    def advance(self, state: Any) -> Any:
        """Evaluate the last token; what came before it lies in the library's cache."""
        self.model.eval([state])
        return int(self._logits().argmax())

    def chosen(self, state: Any) -> List[int]:
        """Return the last token."""
        return [int(state)]

    def _logits(self) -> Any:
        pointer = self.library.llama_get_logits_ith(self.model.ctx, -1)
        return self.numpy.ctypeslib.as_array(pointer, shape=(self.model.n_vocab(),))

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return the generated text."""
        text = self.model.detokenize(outputs["tokens"].tolist()).decode("utf-8", "replace")
        parameters = {"new_tokens": self.new_tokens, "sampling": "greedy"}
        self.step("postprocessing", "generate", parameters, "assumed", "dnnbox")
        return [{"kind": "text", "item": 0, "prompt": str(items[0]) if items else "", "text": text}]

    def effective(self) -> Dict[str, Any]:
        """Return threads, context and where the layers are."""
        return {
            "device": self.request.device,
            "precision": str(self.model.metadata.get("general.file_type", "")) or self.request.precision,
            "threads": int(self.model.n_threads),
            "threads_source": "set" if self.request.threads else "default: half of the cores",
            "context": int(self.model.n_ctx()),
            "llama_cpp": str(self.library.__version__),
        }

    def device_check(self) -> Optional[Check]:
        """Return whether the build can put layers on a GPU where one was asked for."""
        if self.request.device == "cpu":
            return None
        return Check("device", bool(self.library.llama_supports_gpu_offload()), "all layers were given to the GPU")
