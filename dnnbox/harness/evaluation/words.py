"""Speech recognition: word and character error rate, computed by jiwer."""

from __future__ import annotations

import re
from typing import Any, Dict, List

from ..failures import Failure
from .base import Answered, Figure, Judge


class Words(Judge):
    """Takes decoded entries with ``text``. Both texts are lowered and stripped of punctuation first."""

    def __init__(self, runtime: Any, work: Dict[str, Any]) -> None:
        super().__init__(runtime, work)
        self.texts: List[List[str]] = []

    def add(self, answered: Answered) -> None:
        """Take one answer."""
        text = (answered.decoded or {}).get("text")
        if not isinstance(text, str):
            raise Failure("unsupported", "the runtime decodes no text; an adapter's postprocess can", "evaluate")
        wanted = str(answered.row["transcript"])
        self.texts.append([normal(wanted), normal(text)])
        self.answers.append({"item": answered.name, "label": wanted[:300], "answer": text[:300]})

    def figures(self) -> List[Figure]:
        """Return both rates; an empty transcript counts what was added to it."""
        try:
            import jiwer
        except ImportError as error:
            raise Failure("missing_module", "jiwer", "evaluate") from error
        found = []
        for name, process, what in (
            ("wer", jiwer.process_words, "word"),
            ("cer", jiwer.process_characters, "character"),
        ):
            pairs = []
            for wanted, text in self.texts:
                if not wanted:
                    pairs.append([len(text.split() if what == "word" else text), 0])
                    continue
                counts = process(wanted, text)
                errors = counts.substitutions + counts.deletions + counts.insertions
                pairs.append([errors, counts.hits + counts.substitutions + counts.deletions])
            total = sum(length for _, length in pairs)
            found.append(
                {
                    "name": name,
                    "value": sum(errors for errors, _ in pairs) / max(1, total),
                    "n": len(pairs),
                    "pairs": pairs,
                    "better": "lower",
                    "definition": "%ss to substitute, delete or insert, over %ss of the right transcripts"
                    % (what, what),
                    "method": "both texts in lower case, without punctuation",
                    "library": "jiwer",
                }
            )
        return found


def normal(text: str) -> str:
    """Return a text in lower case, without punctuation, with single spaces."""
    return " ".join(re.sub(r"[^\w\s']+", " ", text.lower()).split())
