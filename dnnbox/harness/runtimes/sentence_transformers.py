"""sentence-transformers: sentences in, one vector each out, and how alike they are."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from ..failures import Failure
from ..protocol import InputFile
from .base import Decoded
from .huggingface import TextInputs
from .torchvision_import import import_if_there

SHOWN_PAIRS = 50


class SentenceTransformers(TextInputs):
    """The timed call is the whole module chain (encoder, pooling, normalisation) over tokenised sentences."""

    def import_libraries(self) -> None:
        """Import torch and sentence_transformers."""
        super().import_libraries()
        import_if_there(self)
        import sentence_transformers

        self.library = sentence_transformers
        self.seen: List[Any] = []

    def load(self) -> None:
        """Load the folder."""
        settings: Dict[str, Any] = {"local_files_only": True}
        if self.options.get("allow_remote_code"):
            settings["trust_remote_code"] = True
        self.model = self.library.SentenceTransformer(self.request.checkpoint, device="cpu", **settings)
        self.tokenizer = self.model.tokenizer

    def example_items(self) -> List[Any]:
        """Return two sentences that mean the same and two that do not."""
        return self.sentences()

    def is_generative(self) -> bool:
        """An encoder continues nothing."""
        return False

    def items(self, files: Sequence[InputFile]) -> List[Any]:
        """Return the lines of the files."""
        return self.lines(files)

    def preprocess(self, items: Sequence[Any]) -> Any:
        """Return the features of the sentences."""
        if not all(isinstance(item, str) for item in items):
            raise Failure("input_failed", "sentences are needed: give a text file, one sentence a line", "input")
        prepare = getattr(self.model, "preprocess", None) or self.model.tokenize
        encoded = prepare(list(items))
        parameters = {"max_length": int(self.model.max_seq_length or 0), "padding": "longest"}
        self.step("preprocessing", "tokenize", parameters, "declared", "sentence_bert_config.json")
        return {name: value for name, value in encoded.items() if hasattr(value, "shape")}

    def infer(self, inputs: Any) -> Any:
        """Return the sentences' vectors; the chain writes into the dict it is given, so it gets a copy."""
        return {"sentence_embedding": self.model(dict(inputs))["sentence_embedding"]}

    def cast(self, tensor: Any) -> Any:
        """Token ids have no precision."""
        return tensor

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Keep the vectors for :meth:`conclude`."""
        for item, row in zip(items, outputs["sentence_embedding"].float()):
            if all(text != item for text, _ in self.seen):
                self.seen.append((item, row))
        return []

    def conclude(self, out_dir: str) -> Decoded:
        """Return the cosine similarity of pairs of sentences, the most alike first."""
        steps = [type(module).__name__ for module in self.model]
        self.step("postprocessing", "modules", {"chain": steps}, "declared", "modules.json")
        self.step("postprocessing", "similarity", {"measure": "cosine"}, "assumed", "dnnbox")
        cosine = self.torch.nn.functional.cosine_similarity
        pairs = []
        for index, (first, a) in enumerate(self.seen):
            for second, b in self.seen[index + 1 :]:
                pairs.append({"first": first, "second": second, "similarity": round(float(cosine(a, b, dim=0)), 4)})
        pairs.sort(key=lambda pair: -pair["similarity"])
        facts = {"kind": "similarity", "sentences": len(self.seen), "pairs": pairs[:SHOWN_PAIRS]}
        return [facts]

    def effective(self) -> Dict[str, Any]:
        """Return the facts of torch and the longest sentence."""
        return dict(super().effective(), max_tokens=self.model.max_seq_length)
