"""Sentences in HTML and Markdown."""

from __future__ import annotations

import pytest

from dnnbox.reports.prose import code, data, say


@pytest.mark.parametrize(
    ("words", "html"),
    [
        ("ViTForImageClassification", "Vi<wbr>TFor<wbr>Image<wbr>Classification"),
        ("preprocessor_config.json:12", "preprocessor_<wbr>config.<wbr>json:12"),
        ("<b>NotMarkupOfOurs</b>", "&lt;b&gt;Not<wbr>Markup<wbr>Of<wbr>Ours&lt;/<wbr>b&gt;"),
        ("short LeNet", "short LeNet"),
    ],
)
def test_html__long_word__may_break_at_its_joints_only(words: str, html: str) -> None:
    assert data(words).__html__() == html
    assert code(words).__html__() == f"<code>{html}</code>"
    assert data(words).plain() == words


def test_say__data_with_markup__is_text_in_both() -> None:
    told = say("**{name}** runs", name="<i>*x*")
    assert told.__html__() == "<b>&lt;i&gt;*x*</b> runs"
    assert told.markdown() == r"**&lt;i&gt;\*x\*** runs"
