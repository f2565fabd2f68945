"""The Python that the documentation shows runs, against this gateway in the place of its own, and the
tests are there that it names."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[4] / "docs"
PAGE = DOCS / "getting-started.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_there_is_python_to_run():
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
def test_block(mesh, capsys, block):
    for shown, real in {"http://127.0.0.1:8080": mesh.url, "qwen3-32b": "llama"}.items():
        assert shown in block
        block = block.replace(shown, real)
    exec(compile(block, str(PAGE), "exec"), {})
    answer, streamed = capsys.readouterr().out.split("\n", 1)
    assert answer.rsplit(" ", 1)[-1].isdigit() and streamed.strip()


def test_pains_and_the_page_name_each_other():
    page = (DOCS / "reliability.md").read_text().split("## What hurts users of gateways")[1]
    told = set(re.findall(r"`(test_\w+|Test\w+)` \|$", page, re.MULTILINE))
    source = Path(__file__).with_name("test_pains.py").read_text()
    there = set(re.findall(r"^(?:def|class) (test_\w+|Test\w+)", source, re.MULTILINE))
    assert told == there and len(there) > 5
