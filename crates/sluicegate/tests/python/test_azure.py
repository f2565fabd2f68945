"""The official client of Azure OpenAI works unchanged, whoever serves the model, and what Azure
serves is there for other clients."""

import asyncio
import json

import anthropic
import openai
import pytest
from anthropic_provider import AnthropicProvider
from azure_provider import CHAT, EMBEDDINGS
from conftest import CLIENT_KEY, UPSTREAM_KEY
from lifecycle import check_response, check_stream
from processes import eventually

TEXT = AnthropicProvider.TEXT
OUR_CHAT, OUR_VECTORS = "our-chat", "our-vectors"
CLAUDE_AT_BEDROCK = "anthropic.claude-sonnet-4-5-v1:0"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}
every_model = pytest.mark.parametrize(
    "model", [OUR_CHAT, "gpt-5", "claude", "nova", CLAUDE_AT_BEDROCK]
)


def by_key(mesh, model: str):
    """A deployment for each model, by a key in `api-key`."""
    return openai.AzureOpenAI(
        azure_endpoint=mesh.url,
        api_version="2024-10-21",
        api_key=CLIENT_KEY,
        max_retries=0,
    )


def by_token(mesh, model: str):
    """By the token of an identity."""
    return openai.AzureOpenAI(
        azure_endpoint=mesh.url,
        api_version="2024-10-21",
        azure_ad_token_provider=lambda: CLIENT_KEY,
        max_retries=0,
    )


def of_one(mesh, model: str):
    """A client of one deployment."""
    return openai.AzureOpenAI(
        azure_endpoint=f"{mesh.url}/",
        azure_deployment=model,
        api_version="2025-04-01-preview",
        api_key=CLIENT_KEY,
        max_retries=0,
    )


def of_v1(mesh, model: str):
    """OpenAI's client at Azure's newer paths."""
    return openai.OpenAI(
        base_url=f"{mesh.url}/openai/v1/",
        default_query={"api-version": "preview"},
        default_headers={"api-key": CLIENT_KEY},
        api_key=CLIENT_KEY,
        max_retries=0,
    )


ways = pytest.mark.parametrize("connect", [by_key, by_token, of_one, of_v1])


@pytest.fixture
def azure(mesh):
    with by_key(mesh, "") as client:
        yield client


@pytest.fixture
def provider(mesh):
    return mesh.providers.azure


def user(content) -> dict:
    return {"role": "user", "content": content}


def whole(client, model, messages, **fields):
    return client.chat.completions.create(model=model, messages=messages, **fields)


def streamed(client, model, messages, **fields):
    options = {"stream_options": {"include_usage": True}}
    with client.chat.completions.stream(
        model=model, messages=messages, **options, **fields
    ) as stream:
        return stream.get_final_completion()


both = pytest.mark.parametrize("answer", [whole, streamed])


def results(message) -> list[dict]:
    told = []
    for call in message.tool_calls:
        content = DEGREES[json.loads(call.function.arguments)["city"]]
        told.append({"role": "tool", "tool_call_id": call.id, "content": content})
    return told


class TestClient:
    """Azure's client."""

    @ways
    @both
    @every_model
    def test_text(self, mesh, connect, answer, model):
        with connect(mesh, model) as client:
            completion = answer(client, model, [user("Name rivers.")])
        (choice,) = completion.choices
        assert (choice.message.content, choice.finish_reason) == (TEXT, "stop")
        assert completion.usage.total_tokens == 34

    @both
    @every_model
    def test_tool_loop(self, azure, answer, model):
        messages = [user("play parallel")]
        first = answer(azure, model, messages, tools=[WEATHER]).choices[0]
        assert first.finish_reason == "tool_calls"
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in first.message.tool_calls
        ]
        messages += [{"role": "assistant", "tool_calls": calls}, *results(first.message)]
        second = answer(azure, model, messages, tools=[WEATHER]).choices[0]
        assert second.message.content == "weather(Brăila)=21 °C; weather(Odesa)=18 °C"

    def test_the_deployment_decides(self, mesh, provider):
        """Whatever the body says."""
        with of_one(mesh, OUR_CHAT) as client:
            whole(client, "gpt-4o", [user("Name rivers.")])
        assert provider.last.body["model"] == OUR_CHAT

    @pytest.mark.parametrize("connect", [by_key, by_token, of_v1])
    def test_responses(self, mesh, connect):
        with connect(mesh, "") as client:
            for model in ("o9", "claude"):
                response = client.responses.create(model=model, input="Name rivers.")
                check_response(response.to_dict())
                assert response.output_text == TEXT
                events = client.responses.create(model=model, input="Name rivers.", stream=True)
                check_stream([event.to_dict() for event in events])

    @ways
    def test_embeddings(self, mesh, provider, connect):
        with connect(mesh, OUR_VECTORS) as client:
            answer = client.embeddings.create(model=OUR_VECTORS, input=["a river", "the sea"])
        assert [item.embedding for item in answer.data] == [[0.5, 7 / 128]] * 2
        assert provider.last.path == EMBEDDINGS

    def test_media(self, azure):
        sound = ("a.wav", b"RIFF" + bytes(100))
        assert azure.audio.transcriptions.create(model="whisper", file=sound).text
        assert azure.images.generate(model="gpt-image", prompt="A river.").data

    @pytest.mark.parametrize("connect", [by_key, of_v1])
    def test_models(self, mesh, connect):
        with connect(mesh, "") as client:
            assert {OUR_CHAT, "claude"} <= {model.id for model in client.models.list()}
            assert client.models.retrieve(OUR_CHAT).id == OUR_CHAT

    def test_async(self, mesh):
        async def run():
            fields = {"azure_endpoint": mesh.url, "api_version": "2024-10-21"}
            async with openai.AsyncAzureOpenAI(api_key=CLIENT_KEY, **fields) as client:
                fields = {"model": "claude", "messages": [user("Name rivers.")]}
                stream = await client.chat.completions.create(**fields, stream=True)
                return [chunk.choices[0].delta.content or "" async for chunk in stream]

        assert "".join(asyncio.run(run())) == TEXT

    @ways
    @pytest.mark.parametrize("model", [OUR_CHAT, "claude", "nova"])
    def test_keys_stay_apart(self, mesh, connect, model):
        """Neither the key nor the version goes on."""
        names = {OUR_CHAT: "azure", "claude": "anthropic", "nova": "bedrock"}
        with connect(mesh, model) as client:
            whole(client, model, [user("Name rivers.")])
        last = getattr(mesh.providers, names[model]).last
        assert CLIENT_KEY not in str(last.headers) and "api-version" not in last.path

    @both
    @every_model
    @pytest.mark.parametrize(
        ("script", "exception"),
        [("invalid", openai.BadRequestError), ("overloaded", openai.InternalServerError)],
    )
    def test_errors(self, azure, answer, model, script, exception):
        with pytest.raises(exception) as caught:
            answer(azure, model, [user(f"play {script}")])
        assert caught.value.body["message"]

    @ways
    def test_unknown_deployment(self, mesh, connect):
        with connect(mesh, "nobody") as client, pytest.raises(openai.NotFoundError) as caught:
            whole(client, "nobody", [user("a")])
        assert caught.value.code == "model_not_found" and "nobody" in caught.value.message

    def test_unknown_path(self, azure):
        with pytest.raises(openai.NotFoundError):
            azure.fine_tuning.jobs.list()

    @every_model
    @pytest.mark.parametrize("script", ["broken", "failing"])
    def test_a_broken_stream_raises(self, azure, model, script):
        with pytest.raises(openai.APIError):
            streamed(azure, model, [user(f"play {script}")])


class TestServer:
    """What Azure serves, for other clients."""

    def test_passed_on_as_it_is(self, client, provider):
        """With what the filters say, and by Azure's own header for the key."""
        fields = {"max_completion_tokens": 50, "reasoning_effort": "low"}
        completion = whole(client, OUR_CHAT, [user("Name rivers.")], **fields)
        assert completion.prompt_filter_results[0]["prompt_index"] == 0
        assert completion.choices[0].content_filter_results["hate"]["severity"] == "safe"
        last = provider.last
        assert last.headers["api-key"] == UPSTREAM_KEY and last.path == CHAT
        assert last.body == {"model": OUR_CHAT, "messages": [user("Name rivers.")], **fields}

    def test_a_stream_begins_with_the_filters(self, client):
        chunks = list(whole(client, OUR_CHAT, [user("Name rivers.")], stream=True))
        assert chunks[0].choices == [] and chunks[0].prompt_filter_results
        texts = [chunk.choices[0].delta.content or "" for chunk in chunks[1:]]
        assert "".join(texts) == TEXT
        assert all(chunk.usage is None for chunk in chunks)

    @pytest.mark.parametrize("stream", [False, True])
    def test_anthropic(self, anthropic_client, provider, stream):
        messages = [user("play parallel")]

        def ask():
            fields = {
                "model": OUR_CHAT,
                "max_tokens": 900,
                "system": "Be brief.",
                "messages": messages,
                "tools": [{"name": "weather", "input_schema": SCHEMA}],
            }
            if not stream:
                return anthropic_client.messages.create(**fields)
            with anthropic_client.messages.stream(**fields) as events:
                return events.get_final_message()

        message = ask()
        assert message.id.startswith("chatcmpl-") and message.model == "gpt-5-2025-08-07"
        # Whatever a deployment is called, the model is OpenAI's.
        assert provider.last.body["max_completion_tokens"] == 900
        told = [
            {"type": "tool_result", "tool_use_id": call.id, "content": DEGREES[call.input["city"]]}
            for call in message.content
        ]
        messages += [{"role": "assistant", "content": message.content}, user(told)]
        message = ask()
        assert message.content[0].text == "weather(Brăila)=21 °C; weather(Odesa)=18 °C"
        assert (message.usage.input_tokens, message.usage.output_tokens) == (21, 13)

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_filtered_prompt(self, client, anthropic_client, stream):
        """What the filters found reaches clients of OpenAI, and the words of it all."""
        with pytest.raises(openai.BadRequestError) as caught:
            whole(client, OUR_CHAT, [user("play filtered")], stream=stream)
        assert caught.value.code == "content_filter"
        inner = caught.value.body["innererror"]
        assert inner["content_filter_result"]["jailbreak"]["filtered"]
        fields = {"model": OUR_CHAT, "max_tokens": 900, "messages": [user("play filtered")]}
        with pytest.raises(anthropic.BadRequestError, match="triggering our policy"):
            anthropic_client.messages.create(**fields, stream=stream)

    def test_a_filtered_answer(self, anthropic_client):
        fields = {"model": OUR_CHAT, "max_tokens": 900, "messages": [user("play filter")]}
        assert anthropic_client.messages.create(**fields).stop_reason == "refusal"

    def test_limits(self, client, anthropic_client):
        with pytest.raises(openai.RateLimitError) as caught:
            whole(client, OUR_CHAT, [user("play limited")])
        assert caught.value.response.headers["retry-after"] == "7"
        fields = {"model": OUR_CHAT, "max_tokens": 900, "messages": [user("play limited")]}
        with pytest.raises(anthropic.RateLimitError, match="Rate limit"):
            anthropic_client.messages.create(**fields)

    def test_the_log_knows_the_tokens(self, client, mesh):
        list(whole(client, OUR_CHAT, [user("play cached")], stream=True))

        def line():
            lines = map(json.loads, mesh.access_log.read_text().splitlines())
            found = [entry for entry in lines if entry.get("model_requested") == OUR_CHAT]
            return found and found[-1].get("input_tokens") == 1021 and found[-1]

        entry = eventually(line)
        assert entry["model_served"] == "gpt-5-2025-08-07" and entry["backend"] == "azure"
        assert (entry["cached_input_tokens"], entry["output_tokens"]) == (1000, 13)
