"""What upstream publishes: quoted with its line, only where it is of this model, and never more than text."""

from __future__ import annotations

from pathlib import Path

from dnnbox.sources import published

CARD = """---
license: apache-2.0
model-index:
- name: digits-vit
  results:
  - dataset:
      name: scikit-learn digits
    metrics:
    - type: accuracy
      value: 0.985
      name: Top-1 accuracy
---
# Digits
It has 25.6M parameters and reaches 76.1% top-1 accuracy on ImageNet-1k; WER 3.4 %.

```python
accuracy = 99.9  # no claim of anybody
```
"""
README = """# Many models
Our best mAP is 55.1.

| Model | Top-1 (%) | Params (M) | Latency |
|-------|:---------:|-----------:|---------|
| resnet50 | 80.4 | 25.6 | 3.2 ms |
| resnet50d | 81.0 | 25.6 | 3.4 ms |

resnet50 reaches a mAP of 41.2 on COCO.
"""


def figures(found: object) -> list[tuple[str, float, str, str]]:
    return [(f.metric, f.value, f.unit, f.dataset) for f in found.figures]  # type: ignore[attr-defined]


def test_published__card_in_the_checkpoint__index_and_sentences_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD, encoding="utf-8")
    found = published(tmp_path)
    assert figures(found) == [
        ("top1", 0.985, "", "scikit-learn digits"),
        ("top1", 76.1, "%", "ImageNet-1k"),
        ("wer", 3.4, "%", ""),
        ("parameters", 25.6, "M", ""),
    ]
    assert [figure.source for figure in found.figures] == ["README.md:10", *["README.md:14"] * 3]
    assert found.licence == "apache-2.0"


def test_published__readme_of_many_models__only_lines_that_name_this_one(tmp_path: Path) -> None:
    source, weights = tmp_path / "source", tmp_path / "weights"
    source.mkdir()
    weights.mkdir()
    (source / "README.md").write_text(README, encoding="utf-8")
    checkpoint = weights / "w.pth"
    checkpoint.write_bytes(b"")
    found = published(checkpoint, str(source), ("resnet50",))
    assert figures(found) == [
        ("top1", 80.4, "%", ""),
        ("parameters", 25.6, "M", ""),
        ("latency_ms", 3.2, "ms", ""),
        ("map", 41.2, "", "COCO"),
    ]
    assert found.figures[0].quote == "| resnet50 | 80.4 | 25.6 | 3.2 ms |"
    assert found.figures[0].source == "README.md of the source:6"


def test_published__nothing_there__says_where_it_looked(tmp_path: Path) -> None:
    checkpoint = tmp_path / "w.pth"
    checkpoint.write_bytes(b"")
    assert published(checkpoint).reason.startswith("no model card")
    (tmp_path / "README.md").write_text("# Mine\nNo figures.\n", encoding="utf-8")
    found = published(checkpoint)
    assert (found.figures, found.looked, found.reason) == ((), ("README.md",), "no figure that names this model")


def test_published__hostile_card__stays_one_visible_line(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("accuracy 91.2 \x1b[2J\u202e" + "x" * 5000, encoding="utf-8")
    (tmp_path / "MODEL_CARD.md").symlink_to("/etc/hostname")
    (figure,) = published(tmp_path).figures
    assert "\x1b" not in figure.quote
    assert "\u202e" not in figure.quote
    assert len(figure.quote) < 400


def test_published__broken_front_matter__is_no_error(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nmodel-index: [a, &b {c: *b}\n---\nTop-1: 70.1 %\n", encoding="utf-8")
    assert figures(published(tmp_path)) == [("top1", 70.1, "%", "")]
