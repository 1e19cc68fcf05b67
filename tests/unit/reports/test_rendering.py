"""The reports: the same bytes twice, nothing foreign live, no path of the machine, every number from outputs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from dnnbox.reports import render
from dnnbox.reports.check import unmatched
from tests.unit.reports import made, readers
from tests.unit.text.hostile import hostile

NAMES = ("experiment-report.md", "experiment-report.html", "stakeholder-report.md", "stakeholder-report.html")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("experiments")
    found = {name: make(root / name) for name, make in made.KINDS.items()}
    for path in found.values():
        render(path)
    return found


def _bytes(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted((path / "reports").rglob("*")) if p.is_file()}


@pytest.mark.parametrize("kind", made.KINDS)
def test_render__any_run__writes_both_reports_in_both_formats(rendered: dict[str, Path], kind: str) -> None:
    assert {
        path.name for path in (rendered[kind] / "reports").iterdir() if path.is_file() and not path.name.startswith(".")
    } == set(NAMES)


@pytest.mark.parametrize("kind", made.KINDS)
def test_render__from_outputs_alone_elsewhere__gives_the_same_bytes(
    rendered: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    before = _bytes(rendered[kind])
    copy = tmp_path / "moved"
    (copy / "outputs").mkdir(parents=True)
    for path in (rendered[kind] / "outputs").glob("*.json"):
        shutil.copy(path, copy / "outputs")
    shutil.copy(rendered[kind] / "experiment.json", copy)
    render(copy)
    assert _bytes(copy) == before


@pytest.mark.parametrize("name", ["experiment-report.md", "stakeholder-report.md"])
@pytest.mark.parametrize("kind", made.KINDS)
def test_report__every_number__stands_in_outputs(rendered: dict[str, Path], kind: str, name: str) -> None:
    assert unmatched((rendered[kind] / "reports" / name).read_text(encoding="utf-8"), rendered[kind]) == ()


@pytest.mark.parametrize(
    ("text", "lacking"),
    [("19 of 20", 0), ("319 of 20 382", 0), ("319 of 20 383", 1), ("19 of 20 383", 2), ("0.19 of 20", 2)],
)
def test_unmatched__words_of_the_reports_own_within_a_number__are_no_such_words(
    tmp_path: Path, text: str, lacking: int
) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "stats.json").write_text('{"outliers": 319, "n": 20382}')

    assert len(unmatched(f"outliers: {text.replace(' ', chr(0xA0))}, counted", tmp_path)) == lacking


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("1.09 GFLOP", "1.19 GFLOP"), ("214 GFLOP/s", "241 GFLOP/s"), ("19.4 GB/s", "14.9 GB/s"), ("83 %", "73 %")],
)
def test_report__planted_wrong_rate__is_caught(rendered: dict[str, Path], right: str, wrong: str) -> None:
    report = (rendered["profiled"] / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    right, wrong = (text.replace(" ", "\u00a0") for text in (right, wrong))
    assert right in report
    assert unmatched(report.replace(right, wrong, 1), rendered["profiled"]) != ()


def test_report__profile__names_what_bounds_the_model(rendered: dict[str, Path]) -> None:
    report = (rendered["profiled"] / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    assert "| Bound by | Compute | The model reaches" in report
    assert "Listed are 4 of 31 kinds" in report.replace("\u00a0", " ")
    assert "| Bound by |" in (rendered["text"] / "reports" / "experiment-report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("right", "wrong"), [("8.12", "8.21"), ("91", "89"), ("0.61", "0.16"), ("2.51", "2.15"), ("230", "203")]
)
def test_report__planted_wrong_number__is_caught(rendered: dict[str, Path], right: str, wrong: str) -> None:
    report = (rendered["text"] / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    assert right in report
    assert unmatched(report.replace(right, wrong, 1), rendered["text"]) != ()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", made.KINDS)
def test_report__paths__are_never_absolute(rendered: dict[str, Path], kind: str, name: str) -> None:
    report = (rendered[kind] / "reports" / name).read_text(encoding="utf-8")
    body = re.sub(r"<style>.*?</style>", "", report, flags=re.DOTALL)
    assert not re.search(r"/(home|tmp|usr|root|work|dnnbox|var)/", body)
    assert str(rendered[kind]) not in body


@pytest.mark.parametrize("name", ["experiment-report.html", "stakeholder-report.html"])
@pytest.mark.parametrize("kind", made.KINDS)
def test_html__page__is_one_offline_file_with_a_policy(rendered: dict[str, Path], kind: str, name: str) -> None:
    source = (rendered[kind] / "reports" / name).read_text(encoding="utf-8")
    page = readers.html(source)
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(page.tags)
    assert not {"style", "onclick", "onerror", "onload", "srcset"} & page.attributes
    assert all(link.startswith(("#", "experiment-report.html")) for link in page.links)
    assert all(place.startswith("data:image/") for place in page.sources)
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)
    policy = re.search(r"style-src '(sha256-[^']+)'", source)
    assert style is not None
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy[1] == f"sha256-{digest}"
    assert "default-src 'none'" in source
    assert "url(" not in source
    known = r'http-equiv|xmlns="[^"]*"|https://\*\*\*@packages\.example/simple'
    assert "http" not in re.sub(known, "", source.replace("<wbr>", ""))


@pytest.mark.parametrize("name", ["experiment-report.html", "stakeholder-report.html"])
@pytest.mark.parametrize("kind", made.KINDS)
def test_html__links_and_ids__fit(rendered: dict[str, Path], kind: str, name: str) -> None:
    reports = rendered[kind] / "reports"
    page = readers.html((reports / name).read_text(encoding="utf-8"))
    target = readers.html((reports / "experiment-report.html").read_text(encoding="utf-8"))
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        place, _, anchor = link.partition("#")
        assert anchor in (target.ids if place else page.ids) or not anchor, link


@pytest.mark.parametrize("kind", ["text", "judged", "contended"])
def test_markdown__figures__lie_beside_the_report(rendered: dict[str, Path], kind: str) -> None:
    reports = rendered[kind] / "reports"
    _, _, images = readers.markdown((reports / "experiment-report.md").read_text(encoding="utf-8"))
    assert images == ["figures/latency.svg", "figures/stages.svg", "figures/batches.svg", "figures/cold.svg"]
    for image in images:
        assert (reports / image).read_text(encoding="utf-8").startswith('<svg xmlns="http://www.w3.org/2000/svg"')


def test_html__six_answers__in_their_order_whatever_happened(rendered: dict[str, Path]) -> None:
    for path in rendered.values():
        source = (path / "reports" / "experiment-report.html").read_text(encoding="utf-8")
        assert re.findall(r'<div class="a"><dt>([^<]+)</dt>', source) == [
            "What is it",
            "Does it run",
            "How fast",
            "How sure",
            "Targets met",
            "Bound by",
        ]


def test_html__failed_run__shows_stage_cause_log_and_next_step(rendered: dict[str, Path]) -> None:
    source = (rendered["failed"] / "reports" / "experiment-report.html").read_text(encoding="utf-8")
    text = "".join(readers.html(source).text)
    assert "Did not run" in text
    assert "failed after 0.90" in text
    assert "ModuleNotFoundError: No module named 'sitecam'" in text
    assert "quoted as data" in text
    assert "--source PATH" in text
    assert "Unknown is not missed" in text


@pytest.mark.parametrize(
    ("kind", "decision"), [("judged", "unknown"), ("failed", "no-go"), ("text", "unknown"), ("contended", "unknown")]
)
def test_stakeholder__decision__is_the_verdict(rendered: dict[str, Path], kind: str, decision: str) -> None:
    verdict = json.loads((rendered[kind] / "outputs" / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["decision"] == decision
    assert f"## Decision: {decision}" in (rendered[kind] / "reports" / "stakeholder-report.md").read_text(
        encoding="utf-8"
    )


def test_stakeholder__all_required_met__is_go(tmp_path: Path) -> None:
    render(made.text_model(tmp_path, targets=("latency_p50_ms<=10",), per_process=60))
    report = (tmp_path / "reports" / "stakeholder-report.md").read_text(encoding="utf-8")
    assert "## Decision: go" in report
    assert "Usual response time" in report


def test_stakeholder__words__are_for_people_who_decide(rendered: dict[str, Path]) -> None:
    for path in rendered.values():
        report = (path / "reports" / "stakeholder-report.md").read_text(encoding="utf-8")
        assert not re.search(
            r"\bp(50|90|95|99)\b|FLOP|roofline|blazing|optimal|robust|!(?!\[)", re.sub(r"`[^`]*`", "", report)
        )


def test_stakeholder__edited_by_hand__is_never_overwritten(tmp_path: Path) -> None:
    experiment = made.text_model(tmp_path, per_process=60)
    render(experiment)
    report = experiment / "reports" / "stakeholder-report.md"
    report.write_text("# Mine\n", encoding="utf-8")
    written = render(experiment)
    assert report.read_text(encoding="utf-8") == "# Mine\n"
    assert report not in written
    assert experiment / "reports" / "stakeholder-report.html" in written


def test_stakeholder__edited_and_the_marker_lost__is_still_kept(tmp_path: Path) -> None:
    experiment = made.text_model(tmp_path, per_process=60)
    render(experiment)
    (experiment / "reports" / ".written.json").unlink()
    report = experiment / "reports" / "stakeholder-report.md"
    report.write_text("# Mine\n", encoding="utf-8")
    render(experiment)
    assert report.read_text(encoding="utf-8") == "# Mine\n"


KEPT = {
    "schema",
    "kind",
    "verdict",
    "match",
    "severity",
    "status",
    "by",
    "group",
    "origin",
    "role",
    "decision",
    "quality",
    "modified_utc",
    "box",
    "device",
    "name",
}
"""Closed vocabularies that the records refuse to read with other values; free strings are not among them."""


def poisoned(value: Any, attacks: list[str], key: str = "") -> Any:
    """Put an attack into every foreign string of a JSON document."""
    if isinstance(value, dict):
        return {k: poisoned(v, attacks, k) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(v, attacks, key) for v in value]
    if (
        isinstance(value, str)
        and key not in KEPT
        and not re.fullmatch(r"latency_\w+|[a-z_]+[<>]=\S+|\w+_mib|cold_total_ms", value)
    ):
        attacks.append(attacks.pop(0))
        return f"{value[:20]} {attacks[-1]}"
    return value


@pytest.mark.parametrize("kind", ["judged", "failed"])
def test_report__hostile_text_in_every_field__nothing_is_live(kind: str, tmp_path: Path) -> None:
    clean, dirty = made.KINDS[kind](tmp_path / "clean"), tmp_path / "dirty"
    (dirty / "outputs").mkdir(parents=True)
    attacks = [attack for attack in hostile() if attack.strip()]
    for path in [clean / "experiment.json", *(clean / "outputs").glob("*.json")]:
        document = poisoned(json.loads(path.read_text(encoding="utf-8")), attacks)
        content = json.dumps(document, ensure_ascii=True)
        (dirty / path.relative_to(clean)).write_text(content, encoding="utf-8")
    render(clean)
    render(dirty)
    for name in NAMES:
        source = (dirty / "reports" / name).read_text(encoding="utf-8")
        assert not re.search(
            r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]",
            source,
        )
        expected = (clean / "reports" / name).read_text(encoding="utf-8")
        if name.endswith(".html"):
            page, model = readers.html(source), readers.html(expected)
            foreign = set(page.tags) - set(model.tags)
            assert foreign <= {"code", "br"}, foreign
            assert not set(page.tags) & {"script", "img", "iframe", "base", "form", "input", "b\u0131"}
            assert page.attributes <= model.attributes
            assert page.comments == 0
            assert all(link.startswith(("#", "experiment-report.html")) for link in page.links)
            assert page.sources == []
        else:
            counts, links, images = readers.markdown(source)
            assert "html_inline" not in counts
            assert "html_block" not in counts
            assert all(re.fullmatch(r"#[a-z]+|experiment-report\.md(#[a-z]+)?", link) for link in links), links
            assert all(re.fullmatch(r"figures/[a-z]+\.svg", image) for image in images), images
            assert counts.get("code_block", 0) == 0


def test_report__malformed_outputs__are_named_not_fatal(tmp_path: Path) -> None:
    experiment = made.text_model(tmp_path, per_process=60)
    (experiment / "outputs" / "stats.json").write_text("{", encoding="utf-8")
    (experiment / "outputs" / "identity.json").write_text('{"candidates": 3}', encoding="utf-8")
    (experiment / "outputs" / "environment.json").write_text("[" * 50_000, encoding="utf-8")
    render(experiment)
    report = (experiment / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    for name in ("stats.json", "identity.json", "environment.json"):
        assert name in report


def test_report__pictures__are_copied_and_embedded(tmp_path: Path) -> None:
    png = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    experiment = made.text_model(tmp_path, per_process=60)
    (experiment / "outputs" / "seen.png").write_bytes(png)
    (experiment / "outputs" / "lie.png").write_bytes(b"<svg onload=alert(1)>")
    artifacts = {
        "schema": "dnnbox.artifacts/1",
        "artifacts": [
            {
                "path": "outputs/seen.png",
                "role": "output",
                "kind": "image",
                "sha256": "sha256:0",
                "title": "boxes",
                "size_bytes": 1,
            },
            {
                "path": "outputs/lie.png",
                "role": "output",
                "kind": "image",
                "sha256": "sha256:0",
                "title": "lie",
                "size_bytes": 1,
            },
            {
                "path": "../../etc/passwd",
                "role": "output",
                "kind": "image",
                "sha256": "sha256:0",
                "title": "no",
                "size_bytes": 1,
            },
        ],
    }
    (experiment / "outputs" / "artifacts.json").write_text(json.dumps(artifacts), encoding="utf-8")
    render(experiment)
    page = readers.html((experiment / "reports" / "experiment-report.html").read_text(encoding="utf-8"))
    assert page.sources == [f"data:image/png;base64,{base64.b64encode(png).decode()}"]
    assert (experiment / "reports" / "figures" / "picture-1.png").read_bytes() == png


def test_report__many_items__shows_what_came_out_beside_what_went_in(tmp_path: Path) -> None:
    pixel = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    experiment = made.text_model(tmp_path, per_process=60)
    drawn = [f"outputs/artifacts/{what}-{item}.png" for what in ("input", "mask") for item in range(4)]
    given = [f"inputs/shapes_{item}.png" for item in range(4)]
    (experiment / "inputs").mkdir(exist_ok=True)
    (experiment / "outputs" / "artifacts").mkdir(exist_ok=True)
    for path in (*given, *drawn):
        (experiment / path).write_bytes(pixel)
    listed = [
        {"path": path, "role": path.partition("puts")[0] + "put", "kind": "image", "sha256": "sha256:0", "title": path}
        for path in (*given, *drawn)
    ]
    document = {"schema": "dnnbox.artifacts/1", "artifacts": listed}
    (experiment / "outputs" / "artifacts.json").write_text(json.dumps(document), encoding="utf-8")
    render(experiment)
    report = (experiment / "reports" / "experiment-report.md").read_text(encoding="utf-8")
    shown = re.findall(r"\((figures/picture-\d\.png)\)\n\n(\S+):", report.replace("\\", ""))
    assert [title for _, title in shown] == [
        f"outputs/artifacts/{what}-{item}.png" for item in range(4) for what in ("input", "mask")
    ]
