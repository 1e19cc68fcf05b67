"""READMEs: made once, notes kept, changes only grow."""

from __future__ import annotations

from pathlib import Path

from dnnbox.reports import readmes
from tests.unit.reports import made, readers

WHEN = "2026-11-23T01:31:00Z"


def _experiment(root: Path) -> Path:
    made.refused(root)
    for folder in readmes.FOLDERS:
        (root / folder).mkdir(exist_ok=True)
    return root


def test_update__new_experiment__every_folder_has_one(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path)
    written = readmes.update(experiment, {"": "experiment made", "inputs": "1 file copied"}, when=WHEN)
    assert len(written) == 1 + len(readmes.FOLDERS)
    for path in written:
        content = path.read_text(encoding="utf-8")
        assert "## Notes" in content
        assert "## Changes" in content
    assert f"- {WHEN}: 1 file copied" in (experiment / "inputs" / "README.md").read_text(encoding="utf-8")


def test_update__again__keeps_notes_and_old_changes(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path)
    readmes.update(experiment, {"scripts": "first"}, when=WHEN)
    path = experiment / "scripts" / "README.md"
    path.write_text(
        path.read_text(encoding="utf-8").replace("Yours: dnnbox keeps what stands here.", "My note."), encoding="utf-8"
    )
    readmes.update(experiment, {"scripts": "second"}, when="2026-11-24T00:00:00Z")
    content = path.read_text(encoding="utf-8")
    assert "My note." in content
    assert content.index(": first") < content.index(": second")


def test_update__same_change_twice__is_listed_once(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path)
    for _ in range(2):
        readmes.update(experiment, {"": "reports rendered"}, when=WHEN)
    assert (experiment / "README.md").read_text(encoding="utf-8").count("reports rendered") == 1


def test_update__hostile_names__stay_text(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path)
    made.write(
        experiment, made.index(checkpoint="<img src=x>[a](http://evil)|`x`.pt", command=("run", "a`b|c\x1b[31m"))
    )
    readmes.update(experiment, {"": "copied ![x](http://evil) <b>x</b>\n# heading"}, when=WHEN)
    counts, links, images = readers.markdown((experiment / "README.md").read_text(encoding="utf-8"))
    assert (links, images) == ([], [])
    assert not {"html_inline", "html_block"} & set(counts)
    assert counts["heading_open"] == 3
