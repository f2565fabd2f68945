"""Mistral's official client works unchanged at the paths of OpenAI's API, whoever serves the model,
and Mistral's models are there for other clients: nothing reaches them that they do not take."""

import asyncio
import base64
import json

import anthropic
import openai
import pydantic
import pytest
from conftest import CLIENT_KEY, UPSTREAM_KEY
from mistral_provider import CALL_ID, MistralProvider
from mistralai.client import Mistral, errors, models
from processes import eventually

TEXT, THOUGHT = MistralProvider.TEXT, MistralProvider.THOUGHT
LARGE = "mistral-large"
PIXEL = base64.b64encode(b"\x89PNG of one pixel").decode()
PNG = f"data:image/png;base64,{PIXEL}"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "Of a city", "parameters": SCHEMA},
}
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}
every_model = pytest.mark.parametrize("model", [LARGE, "gpt-5", "claude", "nova"])
translated = pytest.mark.parametrize("model", ["claude", "nova"])


class River(pydantic.BaseModel):
    river: str
    length: int


@pytest.fixture
def mistral(mesh):
    with Mistral(api_key=CLIENT_KEY, server_url=mesh.url) as client:
        yield client


@pytest.fixture
def provider(mesh):
    return mesh.providers.mistral


def user(content) -> dict:
    return {"role": "user", "content": content}


def whole(client, model, messages, **fields):
    """The message, why it ended, and the tokens."""
    answer = client.chat.complete(model=model, messages=messages, **fields)
    (choice,) = answer.choices
    assert answer.id and answer.created > 1_700_000_000 and answer.object == "chat.completion"
    return choice.message, choice.finish_reason, answer.usage


def streamed(client, model, messages, **fields):
    """The same, put together from the chunks of a stream."""
    said, calls, finish, usage = "", {}, None, None
    with client.chat.stream(model=model, messages=messages, **fields) as stream:
        for event in stream:
            usage = event.data.usage or usage
            for choice in event.data.choices:
                finish = choice.finish_reason or finish
                said += choice.delta.content or ""
                for call in choice.delta.tool_calls or []:
                    known = calls.setdefault(call.index, call)
                    if known is not call:
                        known.function.arguments += call.function.arguments
    message = models.AssistantMessage(content=said, tool_calls=list(calls.values()) or None)
    return message, finish, usage


both = pytest.mark.parametrize("answer", [whole, streamed])


def results(message) -> list[dict]:
    """What the tools say to the calls of a message."""
    told = []
    for call in message.tool_calls:
        content = DEGREES[json.loads(call.function.arguments)["city"]]
        told.append(
            {"role": "tool", "tool_call_id": call.id, "name": "weather", "content": content}
        )
    return told


class TestClient:
    """Mistral's client."""

    @both
    @every_model
    def test_text(self, mistral, answer, model):
        messages = [{"role": "system", "content": "Be brief."}, user("Name rivers.")]
        message, finish, usage = answer(mistral, model, messages)
        assert (message.content, finish) == (TEXT, "stop")
        # The client has no field that asks for a stream's tokens: Mistral reports them unasked.
        if model == LARGE or answer is whole:
            assert (usage.prompt_tokens, usage.completion_tokens) == (21, 13)
            assert usage.total_tokens == 34

    # OpenAI itself takes no answers back from this client: they have a `prefix`.
    @both
    @pytest.mark.parametrize("model", [LARGE, "claude", "nova"])
    def test_tool_loop(self, mistral, answer, model):
        """Calls come whole in streams, as Mistral's own do."""
        messages = [user("play parallel")]
        first, finish, _ = answer(mistral, model, messages, tools=[WEATHER])
        assert finish == "tool_calls" and len(first.tool_calls) == 2
        messages += [first, *results(first)]
        second, finish, _ = answer(mistral, model, messages, tools=[WEATHER])
        assert second.content == "weather(Brăila)=21 °C; weather(Odesa)=18 °C"
        assert finish == "stop"

    @both
    @every_model
    def test_length(self, mistral, answer, model):
        fields = {"max_tokens": 50} if model != "gpt-5" else {}
        assert answer(mistral, model, [user("play length")], **fields)[1] == "length"

    @every_model
    def test_parsed(self, mistral, model):
        fields = {"model": model, "messages": [user("play json")]}
        parsed = mistral.chat.parse(response_format=River, **fields)
        assert parsed.choices[0].message.parsed == River(river="Danube", length=2850)
        text = ""
        with mistral.chat.parse_stream(response_format=River, **fields) as stream:
            for event in stream:
                for choice in event.data.choices:
                    text += choice.delta.content or ""
        assert River.model_validate_json(text).river == "Danube"

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [("auto", "auto"), ("any", "any"), ("required", "any"), ("none", "none")],
    )
    def test_choice(self, mistral, mesh, choice, expected):
        whole(mistral, "claude", [user("a")], tools=[WEATHER], tool_choice=choice)
        assert mesh.providers.anthropic.last.body["tool_choice"]["type"] == expected
        whole(mistral, LARGE, [user("a")], tools=[WEATHER], tool_choice=choice)
        assert mesh.providers.mistral.last.body["tool_choice"] == choice

    @translated
    def test_images(self, mistral, mesh, model):
        """Whose URL stands in an object or alone."""
        for url in (PNG, {"url": PNG, "detail": "high"}):
            image = {"type": "image_url", "image_url": url}
            content = [{"type": "text", "text": "What is it?"}, image]
            assert whole(mistral, model, [user(content)])[0].content == TEXT

    def test_thoughts(self, mistral):
        """Of Mistral's own models pass as they are."""
        thought, text = whole(mistral, LARGE, [user("play think")])[0].content
        assert thought.thinking[0].text == THOUGHT and text.text == TEXT

    @translated
    def test_hints_are_named(self, mesh, model):
        with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=CLIENT_KEY) as client:
            raw = client.chat.completions.with_raw_response.create(
                model=model,
                messages=[user("a")],
                extra_body={"random_seed": 7, "prompt_mode": "reasoning"},
            )
        dropped = raw.headers["x-sluicegate-dropped"]
        assert "random_seed" in dropped and "prompt_mode" in dropped

    @translated
    def test_a_safety_prompt_is_no_hint(self, mistral, model):
        with pytest.raises(errors.SDKError, match="safe_prompt"):
            whole(mistral, model, [user("a")], safe_prompt=True)

    @every_model
    def test_async(self, mesh, model):
        async def run():
            async with Mistral(api_key=CLIENT_KEY, server_url=mesh.url) as client:
                fields = {"model": model, "messages": [user("Name rivers.")]}
                answer = await client.chat.complete_async(**fields)
                stream = await client.chat.stream_async(**fields)
                chunks = [event.data async for event in stream]
                texts = [choice.delta.content for chunk in chunks for choice in chunk.choices]
                return answer, [text for text in texts if text]

        answer, deltas = asyncio.run(run())
        assert answer.choices[0].message.content == "".join(deltas) == TEXT and len(deltas) > 3

    def test_embeddings(self, mistral):
        answer = mistral.embeddings.create(model=LARGE, inputs=["a river", "the sea"])
        assert [item.index for item in answer.data] == [0, 1]
        assert answer.data[0].embedding == [0.5, 0.07]

    def test_models(self, mistral):
        names = {model.id for model in mistral.models.list().data}
        assert {LARGE, "claude", "gpt-5"} <= names

    def test_responses(self, mistral):
        answer = mistral.responses.create(model="claude", input="Name rivers.")
        assert TEXT in answer.model_dump_json()

    def test_fill_in_the_middle_is_not_served(self, mistral):
        with pytest.raises(errors.SDKError) as caught:
            mistral.fim.complete(model=LARGE, prompt="def f(")
        assert caught.value.status_code == 404

    @both
    @every_model
    @pytest.mark.parametrize(
        ("script", "status"), [("invalid", 400), ("limited", 429), ("overloaded", 503)]
    )
    def test_errors(self, mistral, answer, model, script, status):
        with pytest.raises(errors.SDKError) as caught:
            answer(mistral, model, [user(f"play {script}")], retries=None)
        assert caught.value.status_code == status and "essage" in caught.value.body

    def test_an_error_of_validation(self, mistral):
        """Passed on, it is the exception that the client has for it."""
        with pytest.raises(errors.HTTPValidationError, match="extra_forbidden"):
            whole(mistral, LARGE, [user("play refused")])

    def test_unknown_model(self, mistral):
        with pytest.raises(errors.SDKError, match="nobody") as caught:
            whole(mistral, "nobody", [user("a")])
        assert caught.value.status_code == 404

    @every_model
    @pytest.mark.parametrize("script", ["broken", "failing"])
    def test_a_broken_stream_is_not_whole(self, mistral, model, script):
        """The client knows no event of an error: what it cannot read as a chunk it raises."""
        with pytest.raises(Exception) as caught:
            streamed(mistral, model, [user(f"play {script}")])
        assert isinstance(caught.value, (errors.MistralError, ValueError))


class TestServer:
    """Mistral's models for other clients."""

    @pytest.mark.parametrize("stream", [False, True])
    def test_openai(self, client, provider, stream):
        messages = [user("play parallel")]
        tool = {"type": "function", "function": WEATHER["function"]}

        def ask():
            fields = {"model": LARGE, "messages": messages, "tools": [tool]}
            if not stream:
                return client.chat.completions.create(**fields)
            with client.chat.completions.stream(**fields) as events:
                return events.get_final_completion()

        message = ask().choices[0].message
        back = {"role": "assistant", "content": "", "tool_calls": []}
        for call in message.tool_calls:
            function = {"name": call.function.name, "arguments": call.function.arguments}
            back["tool_calls"].append({"id": call.id, "type": "function", "function": function})
        messages += [back, *results(message)]
        completion = ask()
        said = "weather(Brăila)=21 °C; weather(Odesa)=18 °C"
        assert completion.choices[0].message.content == said
        assert provider.last.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"

    def test_usage_of_a_stream(self, client, mesh):
        """Comes unasked, so it is never asked for: Mistral refuses that."""
        fields = {"model": LARGE, "messages": [user("play cached")], "stream": True}
        *_, last = client.chat.completions.create(**fields)
        assert last.choices[0].finish_reason == "stop" and last.usage.prompt_tokens == 1021
        options = {"stream_options": {"include_usage": True}}
        *_, last = client.chat.completions.create(**fields, **options)
        assert last.usage.prompt_tokens == 1021

    def test_the_log_knows_the_tokens(self, client, mesh):
        list(
            client.chat.completions.create(
                model=LARGE, messages=[user("play cached")], stream=True
            )
        )

        def line():
            lines = map(json.loads, mesh.access_log.read_text().splitlines())
            found = [entry for entry in lines if entry.get("model_requested") == LARGE]
            return found and found[-1].get("input_tokens") == 1021 and found[-1]

        entry = eventually(line)
        assert entry["cached_input_tokens"] == 1000 and entry["output_tokens"] == 13

    @pytest.mark.parametrize("stream", [False, True])
    def test_anthropic(self, mesh, anthropic_client, provider, stream):
        """With calls of another provider in the conversation, whose ids Mistral does not take."""
        call = {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"city": "Cahul"}}
        result = {"type": "tool_result", "tool_use_id": "toolu_01", "content": "cold"}
        messages = [user("a"), {"role": "assistant", "content": [call]}, user([result])]

        def ask():
            fields = {
                "model": LARGE,
                "max_tokens": 900,
                "system": "Be brief.",
                "messages": messages,
                "metadata": {"user_id": "u-1"},
                "tools": [{"name": "weather", "input_schema": SCHEMA}],
            }
            if not stream:
                return anthropic_client.messages.create(**fields)
            with anthropic_client.messages.stream(**fields) as events:
                return events.get_final_message()

        message = ask()
        assert message.content[0].text == "weather(Cahul)=cold"
        assert (message.usage.input_tokens, message.usage.output_tokens) == (21, 13)
        (sent,) = provider.last.body["messages"][2]["tool_calls"]
        assert CALL_ID.fullmatch(sent["id"])
        messages += [{"role": "assistant", "content": message.content}, user("play parallel")]
        message = ask()
        assert message.stop_reason == "tool_use"
        told = [
            {"type": "tool_result", "tool_use_id": call.id, "content": DEGREES[call.input["city"]]}
            for call in message.content
        ]
        messages += [{"role": "assistant", "content": message.content}, user(told)]
        said = "weather(Brăila)=21 °C; weather(Odesa)=18 °C"
        assert ask().content[0].text == said
        # As agents do, which have a word to add.
        messages[-1]["content"].append({"type": "text", "text": "Never mind, play text"})
        assert ask().content[0].text == TEXT
        roles = [message["role"] for message in provider.last.body["messages"]]
        assert roles[-4:] == ["tool", "tool", "assistant", "user"]

    @pytest.mark.parametrize("stream", [False, True])
    def test_thoughts(self, anthropic_client, stream):
        """Stand in the content there, beside the text."""
        fields = {"model": LARGE, "max_tokens": 900, "messages": [user("play think")]}
        if stream:
            with anthropic_client.messages.stream(**fields) as events:
                message = events.get_final_message()
        else:
            message = anthropic_client.messages.create(**fields)
        thought, text = message.content
        assert (thought.thinking, text.text) == (THOUGHT, TEXT)
        fields["messages"] += [{"role": "assistant", "content": message.content}, user("play text")]
        assert anthropic_client.messages.create(**fields).content[0].text == TEXT

    def test_the_model_s_length(self, anthropic_client):
        """Is a bound as well."""
        fields = {"model": LARGE, "max_tokens": 900, "messages": [user("play model-length")]}
        assert anthropic_client.messages.create(**fields).stop_reason == "max_tokens"

    def test_errors(self, anthropic_client):
        def ask(script: str, **fields):
            fields = {"model": LARGE, "max_tokens": 900, **fields}
            anthropic_client.messages.create(messages=[user(f"play {script}")], **fields)

        with pytest.raises(anthropic.BadRequestError, match="too large for model"):
            ask("invalid")
        with pytest.raises(anthropic.RateLimitError, match="Rate limit exceeded"):
            ask("limited")
        with pytest.raises(anthropic.APIStatusError, match="Service unavailable"):
            ask("overloaded")

    def test_what_it_does_not_understand(self, anthropic_client):
        """Its word for it reaches the client, which stands elsewhere than in its other errors."""
        fields = {"model": LARGE, "max_tokens": 900, "messages": [user("play refused")]}
        with pytest.raises(anthropic.APIStatusError, match="x: Extra inputs are not permitted"):
            anthropic_client.messages.create(**fields)
