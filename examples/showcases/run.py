"""Runs dnnbox on ten models of ten kinds and lists the reports.

    python examples/showcases/run.py [NAME...]      (or: make showcases)

The checkpoints are made by models.py, small and really trained; experiments go to tmp/showcases/. Run as on any
checkpoint: nothing here knows more of a model than its command line says.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MADE = ROOT / ".cache" / "showcases"
EXPERIMENTS = ROOT / "tmp" / "showcases"


@dataclass(frozen=True)
class Showcase:
    """One run. ``@`` in an option stands for the folder that models.py fills; ``code`` is the expected exit code.

    ``full`` ones are measured as by default, with a profile: a minute and more instead of seconds.
    """

    name: str
    what: str
    checkpoint: str
    options: tuple[str, ...] = ()
    code: int = 0
    full: bool = False


SHOWCASES: tuple[Showcase, ...] = (
    Showcase(
        "classification",
        "digits, a Hugging Face vision transformer, judged on 200 labelled pictures",
        "@digits/digits-vit",
        ("--dataset", "@digits/labelled", "--target", "top1>=0.9", "--target", "latency_p50_ms<=50"),
        full=True,
    ),
    Showcase(
        "onnx",
        "the same classifier as ONNX, in three batch sizes",
        "@digits_onnx/digits.onnx",
        (
            "--batch",
            "1,8,32",
            "--target",
            "latency_p50_ms<=50",
            "--task",
            "image-classification",
            "--input",
            "@digits/labelled/3",
            "--contract",
            "@digits_onnx/contract.json",
        ),
    ),
    Showcase(
        "detection",
        "shapes, a bare state dict with an adapter that somebody wrote",
        "@shapes_detector/shapes-detector.pth",
        (
            "--task",
            "object-detection",
            "--adapter",
            str(HERE / "shapes_adapter.py"),
            "--input",
            "@shapes_detector/pictures",
        ),
    ),
    Showcase(
        "segmentation",
        "shapes, a small U-Net as TorchScript",
        "@shapes_segmenter/shapes-unet.pt",
        (
            "--task",
            "image-segmentation",
            "--input",
            "@shapes_segmenter/pictures",
            "--contract",
            "@shapes_segmenter/contract.json",
        ),
    ),
    Showcase(
        "super-resolution",
        "a photograph at twice its size, TorchScript",
        "@super_resolution/subpixel-x2.pt",
        (
            "--task",
            "image-to-image",
            "--input",
            "@super_resolution/pictures",
            "--contract",
            "@super_resolution/contract.json",
        ),
    ),
    Showcase(
        "embedding",
        "sentences, MiniLM with its real weights",
        "@sentences/all-MiniLM-L6-v2",
        ("--input", str(ROOT / "examples" / "sentences.txt")),
    ),
    Showcase(
        "text-generation",
        "a small Llama that has read one licence; a target that nobody could meet",
        "@licence_writer/licence-llama",
        ("--input", "@licence_writer/prompts.txt", "--target", "latency_p50_ms<=0.5"),
        code=1,
    ),
    Showcase(
        "voice-activity",
        "two spoken sentences, Silero's detector with its real weights",
        "@voice_activity/silero_vad.onnx",
        ("--input", str(ROOT / "examples" / "speech.wav")),
    ),
    Showcase(
        "training-check",
        "the digits' classifier: one batch, forward, backward, twenty steps",
        "@digits/digits-vit",
        ("--train-check",),
    ),
    Showcase("failing", "a model whose output is not finite: it gets no number", "@failing/divides-by-zero.pt", (), 46),
)


def run(showcase: Showcase) -> bool:
    """Run one showcase; returns whether it ended as expected."""
    out = EXPERIMENTS / showcase.name
    options = [_path(option) for option in showcase.options]
    command = [sys.executable, "-m", "dnnbox", "run", _path(showcase.checkpoint), *options]
    command += ["--box", "venv", "--threads", "1", "--yes", "--out", str(out), *([] if showcase.full else ["--quick"])]
    print(f"showcases: {showcase.name}: {showcase.what}", file=sys.stderr)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, cwd=ROOT)
    if done.returncode != showcase.code:
        print(f"showcases: {showcase.name} ended with {done.returncode}, not {showcase.code}", file=sys.stderr)
    return done.returncode == showcase.code


def _path(word: str) -> str:
    return str(MADE / word[1:]) if word.startswith("@") else word


def main(names: list[str]) -> int:
    """Make the checkpoints, run what is asked for and has not been run, say where the reports are."""
    unknown = sorted(set(names) - {showcase.name for showcase in SHOWCASES})
    if unknown:
        print(f"showcases: there is no {', '.join(unknown)}", file=sys.stderr)
        return 2
    maker = [str(ROOT / ".venv-zoo" / "bin" / "python"), "-B", str(HERE / "models.py"), str(MADE)]
    subprocess.run(maker, stdin=subprocess.DEVNULL, check=True)
    chosen = [s for s in SHOWCASES if not names or s.name in names]
    good = [run(s) for s in chosen if not (EXPERIMENTS / s.name).exists()]
    for showcase in chosen:
        print((EXPERIMENTS / showcase.name / "reports" / "experiment-report.html").relative_to(ROOT))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
