"""The table of bad inputs: what is typed, what lies there, and the exit code that it must end with.

Each line has a name, the command line (``{}`` is the folder of things that the test has made) and the code's name.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

Bad = tuple[str, list[str], str]


def things(root: Path) -> None:
    """Make everything that the table names."""
    root.mkdir()
    (root / "empty.pt").touch()
    (root / "text.pt").write_text("hello\n" * 20)
    (root / "nul.bin").write_bytes(bytes(4096))
    (root / "noise.bin").write_bytes(bytes(range(256)) * 16)
    (root / "cut.zip").write_bytes(b"PK\x03\x04" + b"\x00" * 40)
    with zipfile.ZipFile(root / "photos.zip", "w") as photos:
        photos.writestr("a.jpg", b"\xff\xd8")
    (root / "danger.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    (root / "cut.pkl").write_bytes(b"\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00}")
    (root / "long.safetensors").write_bytes(struct.pack("<Q", 1 << 40) + b"{}")
    (root / "cut.safetensors").write_bytes(struct.pack("<Q", 300) + b'{"a": {"dtype": "F32"')
    (root / "lies.safetensors").write_bytes(_safetensors({"a": _tensor([2, 2], [0, 999])}, 16))
    (root / "cut.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1))
    (root / "cut.onnx").write_bytes(b"\x08\x07\x12\x07pytorch\x3a\xff\xff\xff\x7f")
    (root / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(24))
    (root / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00\xff\xff")
    (root / "object.npy").write_bytes(_npy("|O", 8) + b"cos\nsystem\n.")
    (root / "page.html").write_text("<html>404 Not Found</html>")
    (root / "pointer.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 99\n"
    )
    (root / "gone.pt").symlink_to(root / "never")
    (root / "loop.pt").symlink_to(root / "loop.pt")
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    os.mkfifo(root / "pipe.pt")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(os.path.relpath(root / "socket.pt"))
    (root / "folder").mkdir()
    (root / "photos").mkdir()
    (root / "photos" / "cat.jpg").write_bytes(b"\xff\xd8\xff")
    hub = root / "hub"
    hub.mkdir()
    (hub / "config.json").write_text("{not json")
    (hub / "model.safetensors").write_bytes(_safetensors({"w": _tensor([1], [0, 4])}, 4))
    code = root / "code"
    code.mkdir()
    (code / "config.json").write_text(json.dumps({"model_type": "x", "auto_map": {"AutoModel": "modeling.X"}}))
    (code / "modeling.py").write_text("raise SystemExit(1)")
    (code / "model.safetensors").write_bytes(_safetensors({"w": _tensor([1], [0, 4])}, 4))
    shards = root / "shards"
    shards.mkdir()
    (shards / "config.json").write_text('{"model_type": "bert"}')
    (shards / "model.safetensors.index.json").write_text('{"weight_map": {"w": "../../../etc/passwd"}}')
    (root / "model.onnx").write_bytes(ONNX)
    (root / os.fsdecode(b"b\xffd.pt")).write_text("not a checkpoint")
    (root / "line\nbreak.pt").write_text("not a checkpoint")
    (root / "esc\x1b[2Jape.pt").write_text("not a checkpoint")
    (root / "\u202egnp.pt").write_text("not a checkpoint")
    (root / "--option.pt").write_text("not a checkpoint")
    (root / "adapter.py").write_text("def nothing(): pass\n")
    (root / "broken.py").write_text("class Adapter(:\n")
    (root / "file").write_text("x")
    for name, text in EXPERIMENTS.items():
        (root / name).mkdir()
        (root / name / "experiment.json").write_bytes(text)


def _safetensors(header: dict[str, object], size: int) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


def _tensor(shape: list[int], offsets: list[int]) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": offsets}


def _npy(dtype: str, size: int) -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({size},), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


_VALUE = _field(2, _field(1, b"\x08\x01\x12\x04" + _field(1, b"\x08\x01")))
ONNX = (
    b"\x08\x08"
    + _field(
        7,
        _field(1, _field(1, b"x") + _field(2, b"y") + _field(4, b"Identity"))
        + _field(2, b"g")
        + _field(11, _field(1, b"x") + _VALUE)
        + _field(12, _field(1, b"y") + _VALUE),
    )
    + _field(8, b"\x10\x11")
)
"""The least that is an ONNX model: y = Identity(x)."""

EXPERIMENTS = {
    "exp-empty": b"",
    "exp-half": b'{"schema": "dnnbox.experiment/1", "stat',
    "exp-list": b"[]",
    "exp-null": b"null",
    "exp-unknown": b'{"surprise": 1}',
    "exp-status": b'{"status": "splendid"}',
    "exp-types": b'{"stages": 7}',
    "exp-bytes": b"\xff\xfe\x00",
    "exp-deep": b"[" * 100_000,
    "exp-nan": b'{"exit_code": NaN}',
}

FILES: tuple[tuple[str, str], ...] = (
    ("missing.pt", "NOT_READABLE"),
    ("folder/missing/deeper.pt", "NOT_READABLE"),
    ("file/below.pt", "NOT_READABLE"),
    ("empty.pt", "CORRUPT"),
    ("text.pt", "UNSUPPORTED"),
    ("nul.bin", "CORRUPT"),
    ("noise.bin", "UNSUPPORTED"),
    ("cut.zip", "CORRUPT"),
    ("photos.zip", "UNSUPPORTED"),
    ("cut.pkl", "CORRUPT"),
    ("long.safetensors", "UNSUPPORTED"),
    ("cut.safetensors", "CORRUPT"),
    ("lies.safetensors", "CORRUPT"),
    ("cut.gguf", "CORRUPT"),
    ("cut.onnx", "CORRUPT"),
    ("cut.h5", "UNSUPPORTED"),
    ("cut.npy", "CORRUPT"),
    ("page.html", "UNSUPPORTED"),
    ("pointer.safetensors", "UNSUPPORTED"),
    ("gone.pt", "NOT_READABLE"),
    ("loop.pt", "NOT_READABLE"),
    ("a", "NOT_READABLE"),
    ("pipe.pt", "NOT_READABLE"),
    ("socket.pt", "NOT_READABLE"),
    ("folder", "UNSUPPORTED"),
    ("photos", "UNSUPPORTED"),
    ("hub", "UNSUPPORTED"),
    (os.fsdecode(b"b\xffd.pt"), "UNSUPPORTED"),
    ("line\nbreak.pt", "UNSUPPORTED"),
    ("esc\x1b[2Jape.pt", "UNSUPPORTED"),
    ("\u202egnp.pt", "UNSUPPORTED"),
    ("x" * 300, "NOT_READABLE"),
    ("y/" * 3000, "NOT_READABLE"),
)

DEVICES = (
    ("/dev/null", "NOT_READABLE"),
    ("/dev/zero", "NOT_READABLE"),
    ("/dev/random", "NOT_READABLE"),
    ("/proc/self/mem", "CORRUPT"),
    ("/proc/self/maps", "CORRUPT"),
)

OPTIONS: tuple[tuple[str, str], ...] = (
    ("--box=kitchen", "USAGE"),
    ("--box=", "USAGE"),
    ("--deps=later", "USAGE"),
    ("--precision=fp7", "USAGE"),
    ("--precision=FP32", "USAGE"),
    ("--batch=0", "USAGE"),
    ("--batch=-1", "USAGE"),
    ("--batch=", "USAGE"),
    ("--batch=1,,2", "USAGE"),
    ("--batch=99999999999", "USAGE"),
    ("--batch=one", "USAGE"),
    ("--batch=" + "9" * 5000, "USAGE"),
    ("--threads=-1", "USAGE"),
    ("--threads=x", "USAGE"),
    ("--memory=lots", "USAGE"),
    ("--memory=-5G", "USAGE"),
    ("--memory=5X", "USAGE"),
    ("--memory=" + "9" * 400 + "T", "USAGE"),
    ("--shm-size=1.2.3M", "USAGE"),
    ("--device=tpu", "USAGE"),
    ("--device=cuda:x", "USAGE"),
    ("--device=cuda:-1", "USAGE"),
    ("--target=fast", "USAGE"),
    ("--target=latency_p50_ms<=x", "USAGE"),
    ("--target=latency_p50_ms<=nan", "USAGE"),
    ("--target=lateness<=1", "USAGE"),
    ("--target=", "USAGE"),
    ("--want==1", "USAGE"),
    ("--allow=everything", "USAGE"),
    ("--adapter={}/missing.py", "USAGE"),
    ("--adapter={}/folder", "USAGE"),
    ("--adapter={}/pipe.pt", "USAGE"),
    ("--progress=loud", "USAGE"),
    ("--source={}/missing", "NOT_READABLE"),
    ("--source=~nobody-at-all/x", "NOT_READABLE"),
    ("--input=~nobody-at-all/x", "NOT_READABLE"),
    ("--source=ftp://example.org/x", "USAGE"),
    ("--source=https://example.org/x@--upload-pack=x", "USAGE"),
    ("--input={}/missing.png", "NOT_READABLE"),
    ("--input=x=@{}/missing.npy", "NOT_READABLE"),
    ("--input={}/pipe.pt", "NOT_READABLE"),
    ("--unheard-of", "USAGE"),
    ("--batch", "USAGE"),
)

CONFIGS: tuple[tuple[str, str], ...] = (
    ("box = 7", "USAGE"),
    ("bxo = 'venv'", "USAGE"),
    ("box = ", "USAGE"),
    ("indexes = 'x'", "USAGE"),
    ("indexes = [7]", "USAGE"),
    ("find-links = [1]", "USAGE"),
    ("constraints = 'x'", "USAGE"),
    ("base-images = []", "USAGE"),
    ("box = 'kitchen'", "USAGE"),
    ("[", "USAGE"),
    ("a = 1\na = 2", "USAGE"),
    ("\xff", "USAGE"),
)

COMMANDS: tuple[Bad, ...] = (
    ("no such command", ["cook"], "USAGE"),
    ("command with an escape", ["\x1b[2J"], "USAGE"),
    ("inspect nothing", ["inspect"], "USAGE"),
    ("inspect an empty name", ["inspect", ""], "NOT_READABLE"),
    ("inspect two", ["inspect", "a", "b"], "USAGE"),
    ("inspect a URL", ["inspect", "https://example.org/x.pt"], "NOT_READABLE"),
    ("inspect a hub name", ["inspect", "hf://org/model"], "NOT_READABLE"),
    ("inspect a NUL", ["inspect", "a\x00b"], "NOT_READABLE"),
    ("inspect a home that is nobody's", ["inspect", "~nobody-at-all/x.pt"], "NOT_READABLE"),
    ("run nothing", ["run"], "USAGE"),
    ("run an option as file", ["run", "--option.pt"], "USAGE"),
    ("run a dangerous pickle", ["run", "{}/danger.pkl", "--yes"], "UNSAFE_CHECKPOINT"),
    ("plan a dangerous pickle", ["plan", "{}/danger.pkl"], "UNSAFE_CHECKPOINT"),
    ("run code beside the weights", ["run", "{}/code", "--yes"], "CONSENT_NEEDED"),
    ("run into a file", ["run", "{}/model.onnx", "--out", "{}/file", "--offline"], "USAGE"),
    ("run into a full folder", ["run", "{}/model.onnx", "--out", "{}/photos"], "USAGE"),
    ("run below a file", ["run", "{}/model.onnx", "--yes", "--out", "{}/file/below"], "HOST_PERM"),
    ("run without a yes", ["run", "{}/model.onnx", "--box", "venv"], "CONSENT_NEEDED"),
    ("resume nothing", ["run", "--resume", "{}/missing"], "USAGE"),
    ("resume a file", ["run", "--resume", "{}/file"], "USAGE"),
    ("resume with other options", ["run", "--resume", "{}/exp-half", "--batch", "2"], "USAGE"),
    ("env without a place", ["env", "{}/model.onnx"], "USAGE"),
    ("env of nothing", ["env", "{}/missing", "-o", "out"], "NOT_READABLE"),
    ("env in no format", ["env", "{}/model.onnx", "-o", "out", "--format", ""], "USAGE"),
    ("env in a strange format", ["env", "{}/model.onnx", "-o", "out", "--format", "doc"], "USAGE"),
    ("env for a strange accelerator", ["env", "{}/model.onnx", "-o", "out", "--accelerator", "abacus"], "USAGE"),
    ("env for Python 2", ["env", "{}/model.onnx", "-o", "out", "--python", "2.7"], "USAGE"),
    ("report of nothing", ["report", "{}/missing"], "USAGE"),
    ("report of a folder", ["report", "{}/folder"], "USAGE"),
    ("report of a file", ["report", "{}/file"], "USAGE"),
    ("report in a strange format", ["report", "{}/folder", "--format", "docx"], "USAGE"),
    ("gate of nothing", ["gate", "{}/missing"], "USAGE"),
    ("gate with a strange target", ["gate", "{}/folder", "--target", "x"], "USAGE"),
    ("gate without a number", ["gate", "{}/folder", "--min-effect", "x"], "USAGE"),
    ("gate against nothing", ["gate", "{}/folder", "--baseline", "{}/missing"], "USAGE"),
    ("compare one", ["compare", "{}/folder"], "USAGE"),
    ("compare nothing", ["compare", "{}/missing", "{}/missing"], "USAGE"),
    ("explain nothing", ["explain"], "USAGE"),
    ("explain a strange code", ["explain", "999"], "USAGE"),
    ("explain an escape", ["explain", "\x1b[2J"], "USAGE"),
    ("schema of a strange name", ["schema", "cake"], "USAGE"),
    ("schema of a path", ["schema", "../../etc/passwd"], "USAGE"),
    ("clean after a strange time", ["clean", "--older", "yesterday"], "USAGE"),
    ("clean after a negative time", ["clean", "--older", "-3"], "USAGE"),
    ("clean after no number", ["clean", "--older", "nan"], "USAGE"),
    ("doctor with an argument", ["doctor", "please"], "USAGE"),
    ("skill into a file", ["skill", "--install", "{}/file"], "HOST_PERM"),
)


def table() -> Iterator[Bad]:
    """Yield every line; ``{}`` stands for the folder of things."""
    for name, code in FILES:
        yield f"inspect {name[:20]!a}", ["inspect", f"{{}}/{name}"], code
    for name, code in FILES[:12]:
        yield f"run {name}", ["run", f"{{}}/{name}", "--yes"], code
    for device, code in DEVICES:
        yield f"inspect {device}", ["inspect", device], code
    for option, code in OPTIONS:
        yield f"plan {option[:40]!a}", ["plan", "{}/model.onnx", "--offline", option], code
    for name in EXPERIMENTS:
        yield f"resume {name}", ["run", "--resume", f"{{}}/{name}"], "CORRUPT"
        yield f"report {name}", ["report", f"{{}}/{name}"], "CORRUPT"
        yield f"gate {name}", ["gate", f"{{}}/{name}"], "BAD_OUTPUT"
        yield f"compare {name}", ["compare", f"{{}}/{name}", f"{{}}/{name}"], "BAD_OUTPUT"
    yield from COMMANDS
