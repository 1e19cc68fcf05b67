"""Weights as people store them: found in the file, brought to the model's own names, and loaded strictly.

The one place for it; runtimes and adapters come here. ``reading`` opens files, ``finding`` looks for sets of tensors,
``fitting`` matches one set with a model, ``loading`` does all of it.
"""

from __future__ import annotations
