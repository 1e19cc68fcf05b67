"""The sanitiser, checked by parsing what it returns as a reader would."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dnnbox import text
from dnnbox.cli import fail, show_json
from dnnbox.errors import Usage
from tests.unit.text.hostile import BYTES, FORMULA, hostile

HOSTILE = hostile()
LIVE = {
    "link_open",
    "image",
    "html_inline",
    "html_block",
    "autolink",
    "heading_open",
    "fence",
    "code_block",
    "table_open",
}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.other: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def handle_decl(self, decl: str) -> None:
        self.other.append(decl)

    def handle_pi(self, data: str) -> None:
        self.other.append(data)

    def unknown_decl(self, data: str) -> None:
        self.other.append(data)

    def handle_data(self, data: str) -> None:
        self.text += data


def _markdown_tokens(source: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(source)
    return [t.type for token in tokens for t in (token, *(token.children or ()))]


def test_hostile__count__is_at_least_two_hundred() -> None:
    assert len(HOSTILE) >= 200


@pytest.mark.parametrize("s", [*HOSTILE, *BYTES], ids=lambda s: repr(s[:24]))
def test_visible__hostile__is_one_printable_line_within_the_limit(s: str | bytes) -> None:
    for limit in (20, 200):
        shown = text.visible(s, limit)
        assert shown.isprintable()
        assert len(shown) <= limit + 1


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain name_1.pt", "plain name_1.pt"),
        ("Grüße, 北京, русский", "Grüße, 北京, русский"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202egnp", "\\u202egnp"),
        ("a\r\nb", "a\\x0d\\x0ab"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\U000e0041", "\\U000e0041"),
        ("x\u00a0y", "x y"),
        ("abcdef", "abcd…"),
    ],
)
def test_visible__known_text__is_shown_as_written_here(raw: str | bytes, shown: str) -> None:
    assert text.visible(raw, 4 if raw == "abcdef" else 200) == shown


@given(st.text(max_size=300), st.integers(1, 100))
def test_visible__any_text__holds_its_promise(s: str, limit: int) -> None:
    shown = text.visible(s, limit)
    assert shown.isprintable()
    assert len(shown) <= limit + 1
    assert text.visible(shown, limit + 1) == shown


@pytest.mark.parametrize("s", HOSTILE, ids=lambda s: repr(s[:24]))
def test_html__hostile__parses_as_text_only(s: str) -> None:
    parser = _Tags()
    parser.feed(f'<p title="{text.html(s)}">{text.html(s)}</p>')
    parser.close()
    assert parser.tags == [("p", [("title", text.visible(s))])]
    assert parser.other == []
    assert parser.text == text.visible(s)


@pytest.mark.parametrize("show", [text.markdown, text.markdown_code])
@pytest.mark.parametrize("s", HOSTILE, ids=lambda s: repr(s[:24]))
def test_markdown__hostile__has_no_live_element(s: str, show) -> None:  # type: ignore[no-untyped-def]
    for source in (show(s), f"# {show(s)}", f"- {show(s)}", f"before {show(s)} after"):
        allowed = {"heading_open"} if source.startswith("# ") else set()
        assert not (set(_markdown_tokens(source)) & (LIVE - allowed)), source


@pytest.mark.parametrize("show", [text.markdown, text.markdown_code])
@pytest.mark.parametrize("s", HOSTILE, ids=lambda s: repr(s[:24]))
def test_markdown__hostile_in_a_table__stays_one_cell(s: str, show) -> None:  # type: ignore[no-untyped-def]
    types = _markdown_tokens(f"| a | b |\n| --- | --- |\n| {show(s)} | second |\n")
    assert types.count("td_open") == 2
    assert types.count("tr_open") == 2
    assert not set(types) & (LIVE - {"table_open"})


def _rendered_text(source: str) -> str:
    parser = _Tags()
    parser.feed(MarkdownIt("commonmark").render(source))
    return parser.text.strip()


@given(st.text(alphabet=st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=60))
def test_markdown__printable_text__reads_as_it_was(s: str) -> None:
    assert _rendered_text(text.markdown(s)) == s
    assert _rendered_text(text.markdown_code(s)) == s


def test_markdown__address__is_broken_by_a_code_span() -> None:
    assert text.markdown("me@evil.example") == r"me`@`evil.example"
    assert _rendered_text(text.markdown("@@")) == "@@"


@pytest.mark.parametrize("s", FORMULA)
def test_csv_cell__formula__is_text(s: str) -> None:
    assert text.csv_cell(s)[:1] not in "=+-@|%＝"
    out = io.StringIO()
    csv.writer(out).writerow([text.csv_cell(s), "next"])
    assert next(csv.reader(io.StringIO(out.getvalue())))[1] == "next"


def test_csv_cell__plain__is_unchanged() -> None:
    assert text.csv_cell("bert-base") == "bert-base"


SECRETS = (
    ("https://user:CANARY@github.com/o/r.git", "github.com/o/r.git"),
    ("https://CANARY@host/x", "host/x"),
    ("http://u:p@CANARY@proxy:3128", "proxy:3128"),
    ("u:CANARY@proxy:3128", "proxy:3128"),
    ("https://h/x?X-Amz-Signature=CANARY&y=1", "y=1"),
    ("https://h/x?hf_token=CANARY#f", "#f"),
    ("HF_TOKEN=CANARY", "HF_TOKEN="),
    ("export MY_API_KEY='CANARY'", "MY_API_KEY"),
    ('{"auth": "CANARY"}', '"auth"'),
    ('{"aws_secret_access_key": "CANARY"}', "aws_secret"),
    ("Authorization: Basic CANARY", "Authorization:"),
    ("Authorization: Bearer CANARY", "Authorization:"),
    ("Proxy-Authorization: CANARY", "Proxy-Authorization"),
    ("Cookie: session=CANARY; b=CANARY", "Cookie:"),
    ("pip --password CANARY install", "install"),
    ("--hf-token CANARY --x", "--x"),
    ("machine h login me password CANARY", "machine h"),
    ("-----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY-----\nafter", "after"),
    ("-----BEGIN PRIVATE KEY-----\nCANARY", ""),
    ("//registry.example/:_authToken=CANARY", "registry.example"),
)


@pytest.mark.parametrize(("raw", "kept"), SECRETS)
def test_redact__secret__is_gone_and_the_rest_stays(raw: str, kept: str) -> None:
    shown = text.redact(raw)
    assert "CANARY" not in shown
    assert kept in shown


@pytest.mark.parametrize(
    "token",
    [
        "hf_" + "a" * 34,
        "ghp_" + "b" * 36,
        "github_pat_" + "c" * 40,
        "sk-" + "d" * 40,
        "AKIA" + "E" * 16,
        "glpat-" + "f" * 20,
    ],
)
def test_redact__token_shape_anywhere__is_gone(token: str) -> None:
    assert token not in text.redact(f"cloning with {token} now")


@pytest.mark.parametrize(
    "harmless",
    ["pad_token: [PAD]", '"token_type_ids": 3', "max_token=5", "author: me", "tokenizer.json", "image:tag@sha256:abc", "s3://b/k",
     "layer.0.attention.self.query.weight", "/a/b/c:12: error", "12:34:56 done"],
)  # fmt: skip
def test_redact__words_of_the_trade__stay(harmless: str) -> None:
    assert text.redact(harmless) == harmless


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "seed", ["a-", "token", "://", "a:b", " ", "password ", '"token_', "u:p@", "-----BEGIN PRIVATE KEY-----"]
)
def test_redact__long_adversarial_text__stays_fast(seed: str) -> None:
    assert isinstance(text.redact(seed * (100_000 // len(seed))), str)


def test_excerpt__log__keeps_the_last_lines_without_secrets() -> None:
    log = "\n".join([f"line {i}" for i in range(50)] + ["\x1b[31mTOKEN=abc", "", "ModuleNotFoundError: x"])
    assert text.excerpt(log, lines=3) == ("line 49", "\\x1b[31mTOKEN=***", "ModuleNotFoundError: x")


@pytest.mark.parametrize("s", HOSTILE, ids=lambda s: repr(s[:24]))
def test_csv_cell__hostile__is_one_cell_and_no_formula(s: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([text.csv_cell(s), "next"])
    (row,) = csv.reader(io.StringIO(out.getvalue()))
    assert len(row) == 2
    assert row[0].isprintable()
    assert row[0].lstrip()[:1] not in tuple("=+-@|%＝＋－＠") or not row[0]


def test_json__hostile__is_ascii_and_comes_back_whole(capsys: pytest.CaptureFixture[str]) -> None:
    whole = [s.encode("utf-8", "backslashreplace").decode() for s in HOSTILE]
    show_json({"texts": HOSTILE})
    shown = capsys.readouterr().out
    assert all(" " <= char <= "~" or char == "\n" for char in shown)
    assert json.loads(shown) == {"texts": whole}


def test_console__hostile_error__is_one_printable_line(capsys: pytest.CaptureFixture[str]) -> None:
    for s in HOSTILE:
        fail(Usage(s, hint=s), [])
        shown = capsys.readouterr().err
        assert shown.endswith("\n")
        assert shown[:-1].isprintable()
        assert len(shown) <= 301
