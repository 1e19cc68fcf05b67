"""What the heads of Hugging Face models say beyond classes and words: transcripts, boxes, masks, depth."""

from __future__ import annotations

import os
from typing import Any, Dict, Sequence

from .base import Decoded

MOST_BOXES = 50
THRESHOLD = 0.3
NEW_TOKENS = 64


def special(runtime: Any, outputs: Any, items: Sequence[Any]) -> Any:
    """Return the answer of a head of its own kind, or None for the common ones."""
    name = type(runtime.model).__name__
    if name.endswith("ForCTC"):
        return _ctc(runtime, outputs, items)
    if runtime.model.main_input_name in ("input_features", "input_values") and hasattr(runtime.model, "generate"):
        return _generated_speech(runtime, items)
    if name.endswith("ForObjectDetection"):
        return _boxes(runtime, outputs, items)
    if name.endswith("SemanticSegmentation"):
        return [{"kind": "segmentation", "item": place} for place in range(int(outputs["logits"].shape[0]))]
    if name.endswith("DepthEstimation"):
        depth = outputs["predicted_depth"]
        return [
            {"kind": "depth", "item": place, "lowest": float(plane.min()), "highest": float(plane.max())}
            for place, plane in enumerate(depth)
        ]
    return None


def _texts(runtime: Any, ids: Any) -> Any:
    """Return the words of token ids, or None without a tokenizer."""
    return None if runtime.tokenizer is None else runtime.tokenizer.batch_decode(ids, skip_special_tokens=True)


def _transcripts(ids: Any, texts: Any, items: Sequence[Any]) -> Decoded:
    decoded: Decoded = []
    for place, row in enumerate(ids.tolist()):
        entry: Dict[str, Any] = {"kind": "transcript", "item": place}
        if place < len(items) and hasattr(items[place], "path"):
            entry["source"] = os.path.basename(items[place].path)
        if texts is None:
            entry["token_ids"] = row[:64]
        else:
            entry["text"] = texts[place].strip()
        decoded.append(entry)
    return decoded


def _ctc(runtime: Any, outputs: Any, items: Sequence[Any]) -> Decoded:
    """The most likely token of each frame; the tokenizer drops repeats and blanks."""
    ids = outputs["logits"].argmax(-1)
    runtime.step("postprocessing", "ctc", {"search": "greedy"}, "assumed", "the model's class")
    return _transcripts(ids, _texts(runtime, ids), items)


def _generated_speech(runtime: Any, items: Sequence[Any]) -> Decoded:
    """Greedy words for the last features; the timed call is one step of the decoder only."""
    kept = {name: value for name, value in runtime.last_inputs.items() if not name.startswith("decoder_")}
    ids = runtime.model.generate(**runtime.to_device(kept), do_sample=False, num_beams=1, max_new_tokens=NEW_TOKENS)
    runtime.step("postprocessing", "generate", {"max_new_tokens": NEW_TOKENS, "beams": 1}, "assumed", "dnnbox")
    return _transcripts(ids, _texts(runtime, ids), items)


def _boxes(runtime: Any, outputs: Any, items: Sequence[Any]) -> Decoded:
    """Boxes in pixels of the file where there is one, else of the model's input."""
    pixels = runtime.last_inputs["pixel_values"]
    count, high, wide = int(pixels.shape[0]), int(pixels.shape[-2]), int(pixels.shape[-1])
    sizes = [_size(items, place) or (wide, high) for place in range(count)]
    names = runtime.class_names()
    probabilities = outputs["logits"].float().softmax(-1)[..., :-1]
    scores, classes = probabilities.max(-1)
    runtime.step("postprocessing", "boxes", {"threshold": THRESHOLD}, "assumed", "DETR's centre and size in [0, 1]")
    decoded: Decoded = []
    for place in range(count):
        width, height = sizes[place]
        boxes = []
        for score, kind, box in zip(
            scores[place].tolist(), classes[place].tolist(), outputs["pred_boxes"][place].tolist()
        ):
            if score < THRESHOLD:
                continue
            x, y, w, h = box
            corners = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
            label = names[kind] if kind < len(names) else None
            entry = {"box_xyxy": [round(side, 1) for side in corners], "class": kind, "label": label}
            boxes.append(dict(entry, score=round(score, 4)))
        boxes.sort(key=lambda box: -box["score"])
        told = {"kind": "boxes", "item": place, "count": len(boxes), "boxes": boxes[:MOST_BOXES]}
        decoded.append(dict(told, picture_size=[width, height]))
    return decoded


def _size(items: Sequence[Any], place: int) -> Any:
    path = getattr(items[place], "path", "") if place < len(items) else ""
    if not path:
        return None
    from PIL import Image

    with Image.open(path) as picture:
        return picture.size
