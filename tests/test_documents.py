"""The documents tell the truth: commands exist, tables are current, names are one set, links lead somewhere."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from dnnbox import catalog

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def make_targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def command_names() -> set[str]:
    """The commands that `dnnbox --help` knows."""
    from typer.main import get_command

    from dnnbox.cli.app import app

    return set(getattr(get_command(app), "commands", {}))


def option_names(command: str) -> set[str]:
    """The options that one command knows."""
    from typer.main import get_command

    from dnnbox.cli.app import app

    found = getattr(get_command(app), "commands", {})[command]
    return {name for parameter in found.params for name in parameter.opts} | {"--help", "-h"}


def code_of(path: Path) -> str:
    """Return all code of a document: fenced blocks and inline spans, a line each."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*blocks, *spans])


# docs/interface.md and docs/mission.md also name what is planned, and say so there.
PLANNED = {"docs/interface.md", "docs/mission.md", "CHANGELOG.md"}


@pytest.mark.parametrize("document", names(DOCUMENTS))
def test_make_commands__every_document__exist(document: str) -> None:
    used = set(re.findall(r"^\s*(?:\$ )?make ([a-z-]+)", code_of(ROOT / document), re.MULTILINE))
    assert used <= make_targets()


@pytest.mark.parametrize("document", [name for name in names(DOCUMENTS) if name not in PLANNED])
def test_dnnbox_commands__every_document__exist(document: str) -> None:
    for line in re.findall(r"^\s*(?:\$ )?dnnbox ([^\n]*)", code_of(ROOT / document), re.MULTILINE):
        words = line.split()
        # A call has a word for the command; `dnnbox --help` and output such as "dnnbox: error" have none.
        if not words or not re.fullmatch(r"[a-z]+", words[0]):
            continue
        assert words[0] in command_names(), line
        unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - option_names(words[0])
        assert not unknown, line


def test_readme__two_commands__are_what_ci_and_newcomers_run() -> None:
    text = README.read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^(exec )?make test$", ci, re.MULTILINE)


def test_check__makefile__is_what_ci_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (line,) = re.findall(r"^check: ([a-z -]+?)(?: ##|$)", makefile, re.MULTILINE)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert line.split() == [
        target for target in re.findall(r"^(?:exec )?make ([a-z-]+)", ci, re.MULTILINE) if target != "engines"
    ]


def test_generated_documents__are_current() -> None:
    script = [sys.executable, str(ROOT / "tools" / "generate_docs.py"), "--check"]
    done = subprocess.run(script, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}: run `make docs`"


def test_exit_codes__errors__are_distinct_and_below_126() -> None:
    from dnnbox.errors import leaves

    codes = [leaf.code for leaf in leaves()]
    assert len(codes) == len(set(codes))
    assert all(0 < code < 126 for code in codes)


def harness_runtimes() -> set[str]:
    """The names of the harness's table of runtimes, read without importing it."""
    tree = ast.parse((ROOT / "dnnbox" / "harness" / "runtimes" / "__init__.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if getattr(target, "id", "") == "RUNTIMES" and isinstance(value, ast.Dict):
            return {str(key.value) for key in value.keys if isinstance(key, ast.Constant)}
    raise AssertionError("no RUNTIMES in the harness")


def documented_runtimes() -> set[str]:
    """The first column of the table of runtimes in docs/interface.md."""
    text = (ROOT / "docs" / "interface.md").read_text(encoding="utf-8")
    table = text.partition("## Runtimes")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))


def test_runtimes__harness_catalogue_and_documents__are_one_set() -> None:
    assert harness_runtimes() == set(catalog.runtimes())
    assert harness_runtimes() == documented_runtimes()


@pytest.mark.parametrize("name", catalog.runtimes())
def test_catalogue__every_runtime__gives_its_reasons(name: str) -> None:
    spec = catalog.runtime(name)
    assert spec.title
    assert all(requirement.evidence[0].detail for requirement in spec.requirements)
    assert all(fact.source and fact.checked for fact in spec.facts)


@pytest.mark.parametrize("document", names(DOCUMENTS))
def test_links__every_document__lead_somewhere(document: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            assert (ROOT / document).parent.joinpath(target.partition("#")[0]).exists(), target


def mission_rows() -> list[tuple[str, str, str]]:
    """The table of rules: (rule, where, test)."""
    text = (ROOT / "docs" / "mission.md").read_text(encoding="utf-8")
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if re.match(r"\| \d", line)]
    return [(row[1].strip(), row[2].strip(), row[3].strip()) for row in rows]


def test_mission__every_rule__points_at_code_and_a_test_that_exist() -> None:
    rows = mission_rows()
    assert len(rows) > 40
    for rule, where, shown_by in rows:
        for name in re.findall(r"`([\w./-]+\.(?:py|toml|md|sh)|[\w/-]+/)`", f"{where} {shown_by}"):
            found = (ROOT / name).exists() or (ROOT / "dnnbox" / name).exists()
            assert found, f"{rule}: {name} does not exist"
        assert shown_by, f"{rule}: say which test shows it, or open"


def test_examples__speech__is_what_the_readme_says() -> None:
    import wave

    with wave.open(str(ROOT / "examples" / "speech.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert 3 < file.getnframes() / file.getframerate() < 10


def test_speech__maker__imports_without_side_effects() -> None:
    module = runpy.run_path(str(ROOT / "examples" / "make_speech.py"), run_name="make_speech")
    tone = [0.5] * 2205
    resampled = module["resample"](tone, 22050, 16000)
    assert len(resampled) == 1600
    assert all(abs(value - 0.5) < 0.02 for value in resampled[100:-100])


def test_threats__each_row__names_places_and_tests_that_are_there() -> None:
    text = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|.*\|([^|]*)\|([^|]*)\|$", text, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 47))
    for _, places, tests in rows:
        assert [place for place in re.findall(r"`([^`]+)`", places) if not (ROOT / "dnnbox" / place).exists()] == []
        for file, _, name in (test.partition("::") for test in re.findall(r"`([^` ]+\.py[^`]*)`", tests)):
            assert f"def {name}" in (ROOT / "tests" / file).read_text(encoding="utf-8"), (file, name)
