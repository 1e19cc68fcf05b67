"""The rules of the house, as tests: floors, the wall, sizes, what no file may say (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dnnbox"
HARNESS = PACKAGE / "harness"

STAGES = {"checkpoints", "identify", "sources", "dependencies", "environments", "boxes", "inputs", "results", "reports"}
GROUND = {"records", "errors"}
TOP = {"pipeline": 4, "handoff": 5, "sweep": 5, "cli": 6, "__main__": 7}
FROM_HARNESS = {"dnnbox.harness.protocol", "dnnbox.harness.arrays", "dnnbox.harness.oldsyntax"}

MAY_IMPORT_SUBPROCESS = {"process.py"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 100


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def unit_of(path: Path) -> str:
    """The folder or module right under the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor_of(unit: str) -> int:
    """0 harness, 1 ground, 2 support, 3 stages, 4 pipeline, 5 whole experiments, 6 the command line."""
    if unit == "harness":
        return 0
    if unit in GROUND:
        return 1
    return 3 if unit in STAGES else TOP.get(unit, 2)


def imports_of(path: Path) -> Iterator[str]:
    """Yield the absolute dotted name of every import in a module, those inside functions included."""
    package = ["dnnbox", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            # `from dnnbox.harness import protocol` names a module only with its last word.
            yield from (".".join([*base, alias.name]) for alias in node.names)


def complaint(unit: str, name: str) -> str:
    """Return why a module of ``unit`` may not import ``name``, or ""."""
    top, _, rest = name.partition(".")
    other = rest.partition(".")[0]
    if unit == "harness":
        allowed = other == "harness" if top == "dnnbox" else top in sys.stdlib_module_names
        return "" if allowed else "the harness imports the standard library and itself only"
    if top != "dnnbox" or other in ("", unit, "__version__"):
        return ""
    if other == "harness":
        # The bare package has no code of its own: it tells where the files lie that go into the box.
        ok = name == "dnnbox.harness" or any(f"{name}.".startswith(f"{allowed}.") for allowed in FROM_HARNESS)
        return "" if ok else f"of the harness the host imports only {sorted(FROM_HARNESS)}"
    mine, theirs = floor_of(unit), floor_of(other)
    if mine > theirs or (mine == theirs and mine in (1, 2)):
        return ""
    return f"floor {mine} may not import floor {theirs}"


# Modules of the harness that import frameworks do so inside functions, in the box: the test of the stdlib rule is for
# what is imported when the module itself is.
def top_level_imports(path: Path) -> Iterator[str]:
    """Yield the names that importing a module imports at once."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.Try | ast.If)]
    for node in (inner for outer in body for inner in ast.walk(outer)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)


def test_imports__whole_package__point_only_down() -> None:
    bad = [
        f"{relative(path)}: {name}: {why}"
        for path in modules()
        if unit_of(path) not in ("__init__", "harness")
        for name in imports_of(path)
        if (why := complaint(unit_of(path), name))
    ]
    assert not bad, "\n".join(bad)


def test_harness__imported__needs_the_standard_library_only() -> None:
    bad = [
        f"{relative(path)}: {name}"
        for path in sorted(HARNESS.rglob("*.py"))
        for name in top_level_imports(path)
        if name.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert not bad, "\n".join(bad)


def test_harness__everywhere__imports_nothing_else_of_dnnbox() -> None:
    bad = [
        f"{relative(path)}: {name}"
        for path in sorted(HARNESS.rglob("*.py"))
        for name in imports_of(path)
        if name.partition(".")[0] == "dnnbox" and not name.startswith("dnnbox.harness")
    ]
    assert not bad, "\n".join(bad)


def absolute_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)


def test_harness__everywhere__uses_relative_imports() -> None:
    """In the box the package has another name, so that it can never be taken for the model's own."""
    bad = [
        relative(path) for path in HARNESS.rglob("*.py") if any(n.startswith("dnnbox") for n in absolute_imports(path))
    ]
    assert not bad


def pythons() -> list[str]:
    """Return one interpreter per version from 3.7 on that this machine has and that runs."""
    found = {}
    for minor in range(7, 15):
        places = [shutil.which(f"python3.{minor}"), *Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")]
        for place in filter(None, places):
            done = subprocess.run([str(place), "-c", ""], stdin=subprocess.DEVNULL, capture_output=True, check=False)
            if done.returncode == 0:
                found.setdefault(minor, str(place))
    return [found[minor] for minor in sorted(found)]


IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.append(sys.argv[1])
import dnnbox_harness
names = [m.name for m in pkgutil.walk_packages(dnnbox_harness.__path__, "dnnbox_harness.")]
for name in names:
    importlib.import_module(name)
assert "dnnbox_harness.protocol" in names
"""


def test_harness__every_python_here__imports(tmp_path: Path) -> None:
    shutil.copytree(HARNESS, tmp_path / "dnnbox_harness", ignore=shutil.ignore_patterns("__pycache__"))
    found = pythons()
    assert found
    for python in found:
        command = [python, "-I", "-B", "-c", IMPORT_ALL, str(tmp_path)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{python}: {done.stderr[-1500:]}"


def test_subprocess__whole_package__imported_in_one_module() -> None:
    bad = [
        relative(path)
        for path in modules()
        if unit_of(path) != "harness" and relative(path) not in MAY_IMPORT_SUBPROCESS
        for name in absolute_imports(path)
        if name.partition(".")[0] == "subprocess"
    ]
    assert not bad


def test_typer__whole_package__imported_by_the_command_line_only() -> None:
    bad = [
        relative(path)
        for path in modules()
        if unit_of(path) != "cli"
        for name in absolute_imports(path)
        if name.partition(".")[0] in ("typer", "click")
    ]
    assert not bad


HEAVY = {"docker", "jinja2", "rich", "typer", "pynvml", "tomlkit", "requests", "matplotlib", "rattler"}


def test_heavy_libraries__whole_package__imported_inside_functions() -> None:
    """`dnnbox --help` must not pay for a container client."""
    bad = [
        f"{relative(path)}: {name}"
        for path in modules()
        if relative(path) not in ("cli/app.py", "cli/handoff_commands.py", "cli/verify_commands.py")
        for name in top_level_imports(path)
        if name.partition(".")[0] in HEAVY and not _only_for_types(path, name)
    ]
    assert not bad, "\n".join(bad)


def _only_for_types(path: Path, name: str) -> bool:
    """Whether every import of ``name`` at the top stands under ``if TYPE_CHECKING``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    inside = {id(inner) for node in guarded for inner in ast.walk(node)}
    wanted = [
        node
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and node.module == name)
        or (isinstance(node, ast.Import) and any(alias.name == name for alias in node.names))
    ]
    at_top = [node for node in wanted if node in tree.body or id(node) in inside]
    return all(id(node) in inside for node in at_top)


def test_files__whole_package__stay_short() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    bad = {name: length for name, length in lengths.items() if length > MAX_FILE_LINES}
    assert not bad


def test_functions__whole_package__stay_short() -> None:
    bad = [
        f"{relative(path)}: {node.name} has {length} lines"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert not bad, "\n".join(bad)


def test_modules__whole_package__say_what_they_are_for() -> None:
    bad = [relative(path) for path in modules() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not bad


def test_shell__whole_package__never_used() -> None:
    bad = [
        f"{relative(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "shell" and getattr(node.value, "value", False) is True
    ]
    assert not bad


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every text file under version control."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listing = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listing.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            yield name, data.decode("utf-8", "replace")


# A path of somebody's machine, wherever the checkout lies, and hosts of package mirrors. /home/user and the like stay
# allowed in examples: they name nobody.
MACHINE_PATHS = re.compile(
    r"/root/|/opt/wheels|/home/(?!user\b|you\b|me\b|alice\b|app\b|model\b|dnnbox\b)\w+|/Users/(?!you\b|me\b|alice\b)\w+"
)
MIRRORS = re.compile(r"artifactory|nexus\.|/simple/?@|pypi-mirror|packages\.internal|jfrog", re.IGNORECASE)


def test_tree__every_file__names_no_machine() -> None:
    here = str(ROOT if str(ROOT.parent) in ("/", "/tmp", "/home", "/opt", "/srv") else ROOT.parent) + "/"
    bad = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in tracked_texts()
        if not name.startswith("tests/") or "/samples/" in name
        for number, line in enumerate(text.splitlines(), 1)
        if here in line or MACHINE_PATHS.search(line) or MIRRORS.search(line)
    ]
    assert not bad, "\n".join(bad)


def test_tree__every_file__is_small() -> None:
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listing = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    sizes = {
        name: (ROOT / name).stat().st_size for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()
    }
    bad = {name: size for name, size in sizes.items() if size > 2 << 20}
    assert not bad, "large files are made by a script, not kept"
