"""The Python that the documentation shows runs, against this gateway in the place of its own."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[4] / "docs" / "getting-started.md"
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
