"""Sentences in HTML and Markdown."""

from __future__ import annotations

import pytest

from dnnbox.reports.prose import code, data, say, sentence_case, unbroken


@pytest.mark.parametrize(
    ("words", "html"),
    [
        ("ViTForImageClassification", "ViT<wbr>For<wbr>Image<wbr>Classification"),
        ("LlamaForCausalLM", "Llama<wbr>For<wbr>CausalLM"),
        ("preprocessor_config.json:12", "preprocessor_<wbr>config.<wbr>json:12"),
        ("<b>NotMarkupOfOurs</b>", "&lt;b&gt;Not<wbr>Markup<wbr>Of<wbr>Ours&lt;/<wbr>b&gt;"),
        ("short LeNet", "short LeNet"),
    ],
)
def test_html__long_word__may_break_at_its_joints_only(words: str, html: str) -> None:
    assert data(words).__html__() == html
    assert code(words).__html__() == f"<code>{html}</code>"
    assert data(words).plain() == words


def test_html__number_and_unit__stay_on_one_line() -> None:
    told = data("it rises by 33 % within 60.0 s, 3 steps of 12 sizes")
    assert told.__html__() == "it rises by 33\u00a0% within 60.0\u00a0s, 3 steps of 12 sizes"
    assert told.plain() == "it rises by 33 % within 60.0 s, 3 steps of 12 sizes"


def test_unbroken__command__keeps_its_options_whole_and_its_markup_dead() -> None:
    assert unbroken("run <b> --out a-b") == 'run &lt;b&gt; <span class="nw">--out</span> a-b'
    assert unbroken("--------- --x<i>") == "--------- --x&lt;i&gt;"


def test_say__data_with_markup__is_text_in_both() -> None:
    told = say("**{name}** runs", name="<i>*x*")
    assert told.__html__() == "<b>&lt;i&gt;*x*</b> runs"
    assert told.markdown() == r"**&lt;i&gt;\*x\*** runs"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("the GPU was throttled", "The GPU was throttled"),
        ("warm-up did not settle", "Warm-up did not settle"),
        ("it's late", "It's late"),
        ("stopped", "Stopped"),
        ("src/model.py:Net fits every tensor", "src/model.py:Net fits every tensor"),
        ("torch.load refused it", "torch.load refused it"),
        ("num_classes is not known", "num_classes is not known"),
        ("p50 is above the limit", "p50 is above the limit"),
        ("", ""),
    ],
)
def test_sentence_case__names_stay(given: str, shown: str) -> None:
    assert sentence_case(given) == shown
