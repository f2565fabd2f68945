"""The official clients for Node work unchanged: their tests are beside this directory, and are run
here in front of the same mesh as the clients for Python."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import CLIENT_KEY

SUITE = Path(__file__).parent.parent / "node"
MODULES = os.environ.get("SLUICEGATE_NODE_MODULES")
MODELS = ["gpt-5", "claude", "gemini-3-pro", "qwen", "nova", "mistral-large", "command-a"]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

# Of which more is looked at here.
IMAGES = "images.test.mjs"
FILES = {file.name for file in SUITE.glob("*.test.mjs")}

# Longest that the tests of one file may take.
SECONDS = 60

pytestmark = pytest.mark.skipif(
    not MODULES, reason="SLUICEGATE_NODE_MODULES does not tell where the packages for Node are"
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    """The tests beside the packages, since modules are looked for from where they are asked for."""
    directory = tmp_path_factory.mktemp("node")
    for file in SUITE.glob("*.mjs"):
        shutil.copy(file, directory)
    (directory / "node_modules").symlink_to(MODULES, target_is_directory=True)
    return directory


def passes(mesh, directory, name) -> None:
    """All the tests of a file pass, and there are some."""
    # Nothing else of the environment, in which a key or a proxy may be named.
    environment = {
        "PATH": os.environ["PATH"],
        "SLUICEGATE_URL": mesh.url,
        "SLUICEGATE_KEY": CLIENT_KEY,
        "SLUICEGATE_MODELS": ",".join(MODELS),
        "SLUICEGATE_PICTURE": PNG,
    }
    try:
        run = subprocess.run(
            ["node", "--test-reporter=spec", name],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as late:
        told = (late.stdout or b"").decode(errors="replace")
        pytest.fail(f"not done within {SECONDS} s; so far:\n{told}", pytrace=False)
    if run.returncode != 0:
        pytest.fail(failures(run.stdout), pytrace=False)
    counted = re.search(r"^ℹ pass (\d+)$", run.stdout, re.MULTILINE)
    assert counted and int(counted.group(1)) > 0, f"nothing was tested:\n{run.stdout}"


@pytest.mark.parametrize("name", sorted(FILES - {IMAGES}))
def test_clients(mesh, directory, name):
    passes(mesh, directory, name)


def test_images(mesh, directory):
    """Whether a model has seen a picture, its answer does not tell: what it was sent does."""
    passes(mesh, directory, IMAGES)
    providers = vars(mesh.providers)
    for name in ("openai", "anthropic", "gemini", "ollama", "bedrock", "mistral", "cohere"):
        bodies = [taken.raw for taken in providers[name].taken if b"Look at it" in taken.raw]
        assert bodies and all(PNG.encode() in body for body in bodies), name


def failures(output: str) -> str:
    """What Node tells of the tests that failed; all that it told if it did not come to tests."""
    _, mark, failed = output.partition("✖ failing tests:")
    return failed.strip() if mark else output
