"""The page for coding agents: what it says exists, and an edited one is kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dnnbox.cli import skill
from dnnbox.errors import Usage, by_name
from tests.test_documents import command_names, option_names

PAGE = skill._PAGE.read_text(encoding="utf-8")


def test_page__commands_and_options__exist() -> None:
    for line in re.findall(r"(?:^    |`)dnnbox ([a-z][^`\n]*)", PAGE, re.MULTILINE):
        command = line.split()[0]
        assert command in command_names(), line
        assert set(re.findall(r"--[a-z-]+", line)) <= option_names(command), line


def test_page__exit_codes__exist() -> None:
    table = re.findall(r"^\| ([\d, –]+) \|", PAGE, re.MULTILINE)
    codes = {code for row in table for code in re.findall(r"\d+", row)}
    assert codes
    assert all(by_name(code) for code in codes)


def test_page__head__is_what_agents_read() -> None:
    assert re.match(r"---\nname: dnnbox\ndescription: [^\n]+\n---\n", PAGE)


def test_install__twice__writes_the_same_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert skill.skill(tmp_path / "skills", force=False, json=False) == 0
    assert (tmp_path / "skills" / "dnnbox" / "SKILL.md").read_text(encoding="utf-8") == PAGE
    assert "SKILL.md" in capsys.readouterr().out


def test_install__edited_one_is_there__is_kept_without_force(tmp_path: Path) -> None:
    target = tmp_path / "dnnbox" / "SKILL.md"
    target.parent.mkdir()
    target.write_text("mine")
    with pytest.raises(Usage, match="differs"):
        skill.skill(tmp_path, force=False, json=False)
    assert target.read_text() == "mine"
    skill.skill(tmp_path, force=True, json=False)
    assert target.read_text(encoding="utf-8") == PAGE
