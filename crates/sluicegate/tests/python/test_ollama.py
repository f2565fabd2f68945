"""Ollama's official client works unchanged with models of other providers, and other clients with
models that Ollama serves."""

import json

import anthropic
import ollama
import openai
import pydantic
import pytest
from anthropic_provider import AnthropicProvider
from conftest import CLIENT_KEY, UPSTREAM_KEY
from ollama_provider import OllamaProvider
from openai_provider import OpenAiProvider
from processes import eventually

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

every_model = pytest.mark.parametrize("model", ["gpt-5", "claude", "qwen"])


class River(pydantic.BaseModel):
    river: str
    length: int


@pytest.fixture
def client(mesh):
    return ollama.Client(host=mesh.url, headers={"authorization": f"Bearer {CLIENT_KEY}"})


def user(content: str, **fields) -> dict:
    return {"role": "user", "content": content, **fields}


def whole(client, messages, model, **fields):
    return client.chat(model=model, messages=messages, **fields)


def streamed(client, messages, model, **fields):
    """The answer put together from its lines, as the client's documentation does it."""
    text, thinking, calls = "", "", []
    for part in client.chat(model=model, messages=messages, stream=True, **fields):
        text += part.message.content or ""
        thinking += part.message.thinking or ""
        calls += part.message.tool_calls or []
    assert part.done
    part.message.content, part.message.thinking, part.message.tool_calls = text, thinking, calls
    return part


both = pytest.mark.parametrize("answer", [whole, streamed])


class TestClient:
    """Ollama's client."""

    @both
    @every_model
    def test_text(self, client, answer, model):
        response = answer(client, [user("Name rivers.")], model)
        assert response.model == model and response.done and response.done_reason == "stop"
        assert response.message.role == "assistant"
        assert response.message.content == OllamaProvider.TEXT
        assert (response.prompt_eval_count, response.eval_count) == (21, 13)
        assert response.created_at

    @both
    @every_model
    def test_length(self, client, answer, model):
        response = answer(client, [user("play length")], model, options={"num_predict": 5000})
        assert response.done_reason == "length"

    @both
    @every_model
    def test_thinking(self, client, answer, model):
        response = answer(client, [user("play think")], model, think=True)
        assert response.message.thinking and response.message.content == OllamaProvider.TEXT

    @both
    @every_model
    def test_tool_loop(self, client, answer, model):
        messages = [{"role": "system", "content": "Be brief."}, user("play parallel")]
        first = answer(client, messages, model, tools=[WEATHER]).message
        cities = [call.function.arguments["city"] for call in first.tool_calls]
        assert cities == ["Brăila", "Odesa"]
        messages.append(first)
        for call in first.tool_calls:
            content = DEGREES[call.function.arguments["city"]]
            name = call.function.name
            messages.append({"role": "tool", "content": content, "tool_name": name})
        second = answer(client, messages, model, tools=[WEATHER])
        assert second.message.content == "weather(Brăila)=21 °C; weather(Odesa)=18 °C"

    @every_model
    def test_generate(self, client, model):
        fields = {"model": model, "prompt": "Name rivers.", "system": "Be brief."}
        if model == "qwen":
            pytest.skip("the simulated server has chats alone")
        assert client.generate(**fields).response == OllamaProvider.TEXT
        parts = list(client.generate(**fields, stream=True))
        assert "".join(part.response for part in parts) == OllamaProvider.TEXT
        assert len(parts) > 3 and parts[-1].done and parts[-1].eval_count == 13

    def test_images(self, client, mesh):
        whole(client, [user("What is it?", images=[PNG])], "gpt-5")
        text, image = mesh.providers.openai.last.body["messages"][0]["content"]
        assert text["text"] == "What is it?"
        assert image["image_url"]["url"] == f"data:image/png;base64,{PNG}"

    def test_structured(self, client, mesh):
        schema = River.model_json_schema()
        response = whole(client, [user("play json")], "gpt-5", format=schema)
        assert River.model_validate_json(response.message.content).length == 2850
        form = mesh.providers.openai.last.body["response_format"]["json_schema"]
        assert form["schema"] == schema

    def test_options(self, client, mesh):
        options = {"temperature": 0.5, "num_predict": 50, "stop": ["END"], "num_ctx": 4096}
        whole(client, [user("Name rivers.")], "claude", options=options, keep_alive="5m")
        body = mesh.providers.anthropic.last.body
        assert (body["temperature"], body["max_tokens"]) == (0.5, 50)
        assert body["stop_sequences"] == ["END"]

    def test_models(self, client):
        names = {model.model for model in client.list().models}
        assert {"gpt-5", "claude", "qwen", "llama"} <= names
        shown = client.show("gpt-5")
        assert "completion" in shown.capabilities

    @every_model
    @pytest.mark.parametrize(("name", "status"), [("invalid", 400), ("overloaded", 503)])
    def test_errors(self, client, name, status, model):
        with pytest.raises(ollama.ResponseError) as raised:
            whole(client, [user(f"play {name}")], model)
        assert raised.value.status_code == status and raised.value.error

    def test_unknown_model(self, client):
        with pytest.raises(ollama.ResponseError) as raised:
            whole(client, [user("hi")], "nobody")
        assert raised.value.status_code == 404 and "nobody" in raised.value.error
        with pytest.raises(ollama.ResponseError) as raised:
            client.show("nobody")
        assert raised.value.status_code == 404

    @every_model
    @pytest.mark.parametrize("name", ["failing", "broken"])
    def test_error_in_a_stream(self, client, name, model):
        with pytest.raises(ollama.ResponseError):
            streamed(client, [user(f"play {name}")], model)

    def test_keys_stay_apart(self, client, mesh):
        whole(client, [user("Name rivers.")], "qwen")
        assert mesh.providers.ollama.last.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"

    def test_the_log_knows_the_tokens(self, client, mesh):
        """Of what is passed on, too."""
        list(client.chat(model="qwen", messages=[user("play length")], stream=True))

        def line():
            lines = map(json.loads, mesh.access_log.read_text().splitlines())
            found = [entry for entry in lines if entry.get("dialect") == "ollama"]
            return found and found[-1]

        entry = eventually(line)
        assert (entry["input_tokens"], entry["output_tokens"]) == (21, 13)
        assert entry["stream"] and entry["model_served"] == "qwen"


class TestServer:
    """Models that Ollama serves, for other clients."""

    @pytest.mark.parametrize("stream", [False, True])
    def test_openai(self, mesh, stream):
        with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=CLIENT_KEY, max_retries=0) as client:
            messages = [user("play parallel")]
            tool = {"model": "qwen", "tools": [WEATHER]}

            def ask():
                if not stream:
                    return client.chat.completions.create(messages=messages, **tool)
                with client.chat.completions.stream(messages=messages, **tool) as events:
                    return events.get_final_completion()

            (choice,) = ask().choices
            assert choice.finish_reason == "tool_calls"
            messages.append(choice.message.model_dump(exclude_none=True))
            for call in choice.message.tool_calls:
                content = DEGREES[json.loads(call.function.arguments)["city"]]
                messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
            messages[1].pop("parsed", None)
            for call in messages[1]["tool_calls"]:
                call["function"].pop("parsed_arguments", None)
            (choice,) = ask().choices
            assert choice.message.content == "weather(Brăila)=21 °C; weather(Odesa)=18 °C"
            assert choice.finish_reason == "stop"

    @pytest.mark.parametrize("stream", [False, True])
    def test_anthropic(self, mesh, stream):
        with anthropic.Anthropic(base_url=mesh.url, api_key=CLIENT_KEY, max_retries=0) as client:
            fields = {"model": "qwen", "max_tokens": 100, "messages": [user("play think")]}
            if stream:
                with client.messages.stream(**fields) as events:
                    message = events.get_final_message()
            else:
                message = client.messages.create(**fields)
            thought, text = message.content
            assert thought.thinking == OllamaProvider.THOUGHT
            assert text.text == OllamaProvider.TEXT
            assert message.stop_reason == "end_turn"
            assert (message.usage.input_tokens, message.usage.output_tokens) == (21, 13)

    def test_request(self, mesh):
        with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=CLIENT_KEY, max_retries=0) as client:
            image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
            client.chat.completions.create(
                model="qwen",
                messages=[user([{"type": "text", "text": "What is it?"}, image])],
                temperature=0.5,
                max_completion_tokens=50,
                stop=["END"],
                reasoning_effort="high",
            )
        body = mesh.providers.ollama.last.body
        assert body["messages"] == [user("What is it?", images=[PNG])]
        assert body["options"] == {"num_predict": 50, "temperature": 0.5, "stop": ["END"]}
        assert body["think"] == "high" and body["stream"] is False

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"tools": [WEATHER], "tool_choice": "required"}, "tool_choice"),
            ({"n": 2}, "n"),
            ({"tools": [WEATHER], "parallel_tool_calls": False}, "parallel_tool_calls"),
        ],
    )
    def test_what_cannot_be_said_is_refused(self, mesh, fields, param):
        with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=CLIENT_KEY, max_retries=0) as client:
            with pytest.raises(openai.BadRequestError) as raised:
                client.chat.completions.create(model="qwen", messages=[user("hi")], **fields)
        assert raised.value.param == param

    def test_errors(self, mesh):
        with anthropic.Anthropic(base_url=mesh.url, api_key=CLIENT_KEY, max_retries=0) as client:
            with pytest.raises(anthropic.NotFoundError, match="not found"):
                client.messages.create(
                    model="qwen", max_tokens=9, messages=[user("play missing")]
                )


def test_counting_without_a_counter(mesh):
    """No backend of this model counts tokens, so the gateway does."""
    with anthropic.Anthropic(base_url=mesh.url, api_key=CLIENT_KEY, max_retries=0) as client:
        fields = {"model": "gpt-5", "system": "Be brief.", "messages": [user("Name rivers.")]}
        response = client.messages.with_raw_response.count_tokens(**fields)
        assert response.headers["x-sluicegate-estimated"] == "tokens"
        few = response.parse().input_tokens
        assert 8 < few < 25
        tool = {"name": "f", "description": "so " * 100, "input_schema": {"type": "object"}}
        assert client.messages.count_tokens(**fields, tools=[tool]).input_tokens > few + 100


assert OllamaProvider.TEXT == OpenAiProvider.TEXT == AnthropicProvider.TEXT
