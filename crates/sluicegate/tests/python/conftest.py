"""One gateway in front of simulated engines and providers, for the whole run."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import anthropic
import openai
import pytest

sys.path.insert(0, str(Path(__file__).parent))
# So that what is asserted there is told as well as here.
pytest.register_assert_rewrite("asking", "lifecycle")

from anthropic_provider import AnthropicProvider  # noqa: E402
from azure_provider import DEPLOYMENTS, AzureProvider  # noqa: E402
from bedrock_provider import BedrockProvider  # noqa: E402
from claude_providers import (  # noqa: E402
    AT_BEDROCK,
    AT_VERTEX,
    PROJECT,
    BedrockClaudeProvider,
    VertexProvider,
)
from cohere_provider import CohereProvider  # noqa: E402
from gemini_provider import GeminiProvider  # noqa: E402
from media_provider import MediaProvider  # noqa: E402
from mistral_provider import MistralProvider  # noqa: E402
from ollama_provider import OllamaProvider  # noqa: E402
from openai_provider import OpenAiProvider  # noqa: E402
from processes import Engine, Process, free_port, get  # noqa: E402
from recorder import Recorder  # noqa: E402
from responses_provider import ResponsesProvider  # noqa: E402

# Access keys of AWS, by which the recorder is asked too.
AWS_KEYS = {"accessKeyId": "AKIDTESTS", "secretAccessKey": "aws-secret-of-the-tests"}

# A key that must reach neither an upstream nor a log.
CLIENT_KEY = "sk-client-key-of-the-tests"
UPSTREAM_KEY = "sk-upstream-key-of-the-tests"


def pool(name: str, model: str, *ports: int, **fields) -> dict:
    endpoints = [{"address": f"127.0.0.1:{port}"} for port in ports]
    return {"name": name, "models": [model], "endpoints": endpoints, **fields}


def provider(name: str, model: str, port: int, key: str, base: str = "/v1") -> dict:
    base_url = f"http://127.0.0.1:{port}{base}"
    return {"name": name, "dialect": name, "baseUrl": base_url, "apiKey": key, "models": [model]}


def gemini(port: int, key: str) -> dict:
    """Its models are those of routes."""
    base_url = f"http://127.0.0.1:{port}/v1beta"
    return {"name": "gemini", "dialect": "gemini", "baseUrl": base_url, "apiKey": key}


def bedrock(port: int, key: str) -> dict:
    claude = "anthropic.claude-sonnet-4-5"
    models = ["nova", claude, f"{claude}-v1:0"]
    return {**provider("bedrock", "", port, key, base=""), "models": models}


def other(name: str, port: int, key: str, base: str = "/v1", **fields) -> dict:
    """A provider whose dialect is OpenAI's unless a preset says otherwise."""
    return {"name": name, "baseUrl": f"http://127.0.0.1:{port}{base}", "apiKey": key, **fields}


def media(port: int, key: str) -> dict:
    return {"name": "media", "baseUrl": f"http://127.0.0.1:{port}/v1", "apiKey": key}


def renamed(model: str, theirs: str, provider: str = "media") -> dict:
    """A route for a model that the provider has under this name."""
    matches = [{"model": {"value": model}}]
    refs = [{"provider": provider, "model": theirs}]
    return {"name": model, "rules": [{"matches": matches, "backendRefs": refs}]}


def signed(directory: Path, model: str, port: int) -> dict:
    """A provider whose requests are signed, by keys in files."""
    auth = {"region": "eu-west-1"}
    for name, value in AWS_KEYS.items():
        (directory / name).write_text(value)
        auth[name] = "${file:%s}" % (directory / name)
    base_url = f"http://127.0.0.1:{port}/v1"
    return {"name": "signed", "baseUrl": base_url, "auth": {"aws": auth}, "models": [model]}


@pytest.fixture(scope="session")
def mesh(tmp_path_factory):
    """The gateway, its engines and where they are."""
    directory = tmp_path_factory.mktemp("mesh")
    recorder = Recorder()
    providers = SimpleNamespace(
        anthropic=AnthropicProvider(),
        azure=AzureProvider(),
        bedrock=BedrockProvider(),
        bedrock_claude=BedrockClaudeProvider(),
        cohere=CohereProvider(),
        gemini=GeminiProvider(),
        media=MediaProvider(),
        mistral=MistralProvider(),
        ollama=OllamaProvider(),
        openai=OpenAiProvider(),
        responses=ResponsesProvider(),
        vertex=VertexProvider(),
    )
    # `llama` is quick and has two replicas; `slow` runs in real time, so that a stream can be left
    # in the middle; `flaky` is the one that gets faults.
    engines = SimpleNamespace(
        llama=[Engine(directory, "llama", speed=20) for _ in range(2)],
        slow=Engine(directory, "slow", speed=1),
        flaky=Engine(directory, "flaky", speed=20),
    )
    port, admin = free_port(), free_port()
    (directory / "upstream.key").write_text(UPSTREAM_KEY + "\n")
    key = "${file:%s}" % (directory / "upstream.key")
    # JSON is YAML.
    configuration = directory / "sluicegate.yaml"
    configuration.write_text(
        json.dumps(
            {
                "listeners": [{"name": "public", "address": f"127.0.0.1:{port}"}],
                "pools": [
                    pool("engines", "llama", *(engine.port for engine in engines.llama)),
                    pool("slow", "slow", engines.slow.port),
                    pool("flaky", "flaky", engines.flaky.port),
                    pool("recorder", "recorded", recorder.port, apiKey=key),
                ],
                "providers": [
                    {
                        **provider("anthropic", "", providers.anthropic.port, key),
                        "models": ["claude", "claude-opus-4-5"],
                    },
                    provider("openai", "gpt-5", providers.openai.port, key),
                    signed(directory, "signed", recorder.port),
                    {
                        **provider("ollama", "", providers.ollama.port, key, base=""),
                        "models": ["qwen", "nomic-embed-text"],
                    },
                    bedrock(providers.bedrock.port, key),
                    gemini(providers.gemini.port, key),
                    media(providers.media.port, key),
                    other("responses", providers.responses.port, key, models=["o9"]),
                    other(
                        "mistral",
                        providers.mistral.port,
                        key,
                        preset="mistral",
                        models=["mistral-large"],
                    ),
                    other(
                        "cohere",
                        providers.cohere.port,
                        key,
                        base="/v2",
                        preset="cohere",
                        models=["command-a", "embed-v4", "rerank-v4"],
                    ),
                    other(
                        "vertex",
                        providers.vertex.port,
                        key,
                        base=PROJECT,
                        preset="vertex-anthropic",
                    ),
                    other(
                        "bedrock-claude",
                        providers.bedrock_claude.port,
                        key,
                        base="",
                        preset="bedrock-anthropic",
                    ),
                    other(
                        "azure",
                        providers.azure.port,
                        key,
                        base="/openai/v1",
                        preset="azure",
                        models=list(DEPLOYMENTS),
                    ),
                ],
                "routes": [
                    renamed("gpt-image", "gpt-image-theirs"),
                    renamed("claude-vertex", AT_VERTEX, "vertex"),
                    renamed("claude-bedrock", AT_BEDROCK, "bedrock-claude"),
                    renamed("whisper", "whisper-1"),
                    renamed("tts", "tts"),
                    renamed("gemini-3-pro", "gemini-3-pro", "gemini"),
                    renamed("flash", "gemini-2.5-flash", "gemini"),
                    renamed("gemini-embedding-001", "gemini-embedding-001", "gemini"),
                    renamed("embedder", "gemini-embedding-001", "gemini"),
                    renamed("omni-moderation-latest", "omni-moderation-latest"),
                ],
            }
        )
    )
    access_log = directory / "access.log"
    gateway = Process(
        directory / "gateway.log",
        "run",
        *("--config", str(configuration)),
        *("--admin", f"127.0.0.1:{admin}"),
        *("--access-log", str(access_log)),
        *("--drain-delay", "0s"),
    )
    try:
        gateway.wait_for(f"http://127.0.0.1:{admin}/readyz")
        yield SimpleNamespace(
            url=f"http://127.0.0.1:{port}",
            admin=f"http://127.0.0.1:{admin}",
            metrics=lambda: get(f"http://127.0.0.1:{admin}/metrics"),
            access_log=access_log,
            gateway=gateway,
            engines=engines,
            recorder=recorder,
            providers=providers,
        )
    finally:
        status = gateway.stop()
        for engine in (*engines.llama, engines.slow, engines.flaky):
            engine.process.stop()
        for server in (recorder, *vars(providers).values()):
            server.stop()
    assert status == 0, f"the gateway ended with {status}:\n{gateway.text()}"
    assert "panicked" not in gateway.text(), gateway.text()


@pytest.fixture
def client(mesh):
    """The official client. It does not retry, so that a test sees the first answer."""
    with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=CLIENT_KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(mesh):
    """Anthropic's official client, likewise."""
    with anthropic.Anthropic(base_url=mesh.url, api_key=CLIENT_KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def flaky(mesh):
    """The engine that gets faults; they end with the test."""
    engine = mesh.engines.flaky
    yield engine
    engine.fault("{}")
