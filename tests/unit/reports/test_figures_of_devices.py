"""The sections and figures of tokens, memory over time, energy, the roof, and what a GPU run left to the CPU."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from dnnbox.records.measurements import Cold, Generation, Memory, Operator, Profile, Statistics, Stats, Warm
from dnnbox.reports import cold, generation, memory_figure, profile, roofline_figure, stakeholder, summary, token_figure
from dnnbox.reports.blocks import Beside, Block, Figure, Pairs, Table, figures
from dnnbox.reports.canvas import Size
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import Prose

TIME = Statistics(p50=2.0, ci95=(1.9, 2.1), p95=2.5, n=100)
MADE = Generation(
    1, 10, 9, 1, 32, TIME, TIME, TIME, replace(TIME, p50=70.0), (2.0,) * 31, 4500.0, 500.0, 457.0, "quiet"
)
PEAKS = {"flops_per_s": 3.5e10, "bytes_per_s": 7.8e9, "library": "numpy", "dtype": "float32"}
ROOF = {"model_ms": 2.0, "flops_per_s": 1.1e10, "bytes_per_s": 3e9, "flops_per_byte": 3.2, "ridge_flops_per_byte": 4.5}
OPERATORS = (
    Operator("Conv", 2, 1.5, 0.75, 30_000_000, 2_000_000, "CUDA"),
    Operator("Gemm", 1, 0.5, 0.25, 1_000_000, 1_500_000, "CPU"),
)


def plain(prose: Prose) -> str:
    """Return the words with ordinary blanks."""
    return prose.plain().replace("\u00a0", " ")


def flat(blocks: tuple[Block, ...]) -> list[Block]:
    """Return the blocks of a section, those beside each other one after the other."""
    found: list[Block] = []
    for block in blocks:
        found += flat(block.left) + flat(block.right) if isinstance(block, Beside) else [block]
    return found


def test_generation__model_that_continues__table_figure_and_rates() -> None:
    section = generation.generation(Outputs(stats=Stats(generation=MADE)))
    assert section is not None
    table, figure, rates = section.blocks
    assert isinstance(table, Table)
    assert isinstance(figure, Figure)
    assert isinstance(rates, Pairs)
    assert plain(table.title) == "First token after 2.00 ms, then one in 2.00 ms"
    assert [plain(row[0]) for row in table.rows][:3] == ["First token", "Reading the prompt", "Each token after it"]
    assert ("Continuation (decode)", "500 tokens/s") in [(name, plain(value)) for name, value in rates.items]


def test_summary__model_that_continues__the_timed_request_is_the_prompt() -> None:
    outputs = Outputs(stats=Stats(generation=MADE, warm=Warm(latency_ms=Statistics(p50=3.66, n=264))))
    assert "reads a prompt in 3.66" in summary.title(outputs).plain()
    assert plain(summary.writing(outputs)) == "Writing 32 tokens takes 70.0 ms."


def test_generation__other_model__has_no_section() -> None:
    assert generation.generation(Outputs()) is None


@pytest.mark.parametrize("size", ["s", "m", "l"])
def test_figures__every_size__are_well_formed(size: Size) -> None:
    series = memory_figure.MemorySeries([(0, 10), (500, 200), (1200, 180)], [("import", 400), ("run", 1200)])
    dots = [roofline_figure.Dot("Conv", 15, 2e10), roofline_figure.Dot("Gemm", 0.7, 2e9)]
    roof = roofline_figure.Roof(3.5e10, 7.8e9, roofline_figure.Dot("model", 3.2, 1.1e10), dots)
    for draw in (
        memory_figure.memory(series),
        roofline_figure.roofline(roof),
        token_figure.tokens((1.0, 2.0, 1.5), 1.5),
    ):
        root = ET.fromstring(draw(size).svg())
        assert root.get("aria-label")
        width = float(str(root.get("viewBox")).split()[2])
        assert all(0 <= float(str(mark.get("cx"))) <= width for mark in root.iter("circle"))


def test_cold__memory_and_energy__are_told_with_their_figures() -> None:
    power = {"joules_per_item": 0.0381, "watts": 250.0, "idle_watts": 60.0, "counter": "energy counter"}
    gpu = {"sm_clock_mhz": [1000, 1700, 1755], "highest_sm_clock_mhz": 1980, "reasons": ["power cap"]}
    stats = Stats(
        cold=Cold(5, {"load": TIME}, TIME, {"dropped": True, "checkpoint_share": 0.0}),
        memory=Memory(host_peak_mib=300.0, vram_process_peak_mib=900.0),
        energy={"calls": 50, "items": 50, "window_s": 2.0, "sources": {"gpu": power}, "gpu": gpu},
    )
    points = {"points": [[0.0, 10.0], [800.0, 300.0]], "phases": [["load", 500.0]]}
    section = cold.cold(Outputs(stats=stats, samples={"memory": points}))
    assert section is not None
    blocks = flat(section.blocks)
    told = {name: plain(value) for block in blocks if isinstance(block, Pairs) for name, value in block.items}
    assert told["GPU, an item"] == "38.1 mJ"
    assert told["GPU, power"] == "250 W, idle 60.0 W; by energy counter"
    assert told["GPU clock"] == "1700 MHz of 1980 MHz"
    assert told["GPU held back by"] == "power cap"
    assert told["VRAM, as the driver counts"] == "0.88 GiB"
    assert "Box, page cache included" not in told  # nothing is shown for what is only known in some boxes
    assert {block.name for block in blocks if isinstance(block, Figure)} == {"cold", "memory"}
    captions = " ".join(plain(block.caption) for block in blocks if isinstance(block, Figure))
    assert "The page cache was dropped" in captions


def test_cold__no_counter__says_why() -> None:
    stats = Stats(memory=Memory(host_peak_mib=300.0), reasons={"energy": "no RAPL here"})
    section = cold.cold(Outputs(stats=stats))
    assert section is not None
    told = {
        name: plain(value) for block in flat(section.blocks) if isinstance(block, Pairs) for name, value in block.items
    }
    assert "no RAPL here" in told["Energy"]


def test_profile__gpu_run_that_left_nodes_to_the_cpu__names_them() -> None:
    nodes = ({"name": "/head/Gemm", "operator": "Gemm", "provider": "CPU", "self_ms": 0.5},)
    found = Profile(
        tool="profile of onnxruntime",
        operators=OPERATORS,
        operators_n=2,
        peaks=PEAKS,
        roofline=ROOF,
        shares={"fallbacks_share": 0.25},
        fallbacks=nodes,
        fallbacks_n=1,
    )
    section = profile.profile(Outputs(profile=found))
    assert section is not None
    (table,) = [block for block in section.blocks if isinstance(block, Table) and block.caption == "CPU fallbacks"]
    assert plain(table.title) == "The CPU ran 1 node of this GPU run"
    assert plain(table.rows[0][0]) == "/head/Gemm"
    (figure,) = figures(section.blocks)
    assert figure.name == "roofline"
    assert "11.0 GFLOP/s of 35.0 GFLOP/s" in plain(figure.title)


def test_profile__no_peaks__draws_no_roof() -> None:
    section = profile.profile(Outputs(profile=Profile(tool="t", operators=OPERATORS, operators_n=2)))
    assert section is not None
    assert figures(section.blocks) == []


def test_findings__memory__names_the_gpu_where_one_was_used() -> None:
    on_gpu = Outputs(stats=Stats(memory=Memory(host_peak_mib=300.0, vram_peak_mib=34.0, vram_process_peak_mib=900.0)))
    assert plain(stakeholder._memory_in_words(300.0, on_gpu)) == (
        "0.29 GiB of main memory at its peak, 0.88 GiB of the GPU's memory."
    )
    on_cpu = Outputs(stats=Stats(memory=Memory(host_peak_mib=300.0)))
    assert plain(stakeholder._memory_in_words(300.0, on_cpu)) == "0.29 GiB of main memory at its peak."
