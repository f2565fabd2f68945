"""Anthropic's official client works unchanged with a model that speaks OpenAI's dialect."""

import base64
import json

import anthropic
import httpx2
import pydantic
import pytest
from conftest import CLIENT_KEY, UPSTREAM_KEY
from openai_provider import OpenAiProvider

TEXT = OpenAiProvider.TEXT
PIXEL = base64.b64encode(b"\x89PNG of one pixel").decode()
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
NOW = {"name": "now", "input_schema": {"type": "object", "properties": {}}}
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}


class River(pydantic.BaseModel):
    river: str
    length: int


@pytest.fixture
def client(anthropic_client):
    return anthropic_client


@pytest.fixture
def provider(mesh):
    return mesh.providers.openai


def user(content) -> dict:
    return {"role": "user", "content": content}


def whole(client, messages: list, **fields):
    """The answer as a whole."""
    fields.setdefault("max_tokens", 1000)
    return client.messages.create(model="gpt-5", messages=messages, **fields)


def streamed(client, messages: list, **fields):
    """The answer as the client's helper puts it together from a stream."""
    fields.setdefault("max_tokens", 1000)
    with client.messages.stream(model="gpt-5", messages=messages, **fields) as stream:
        return stream.get_final_message()


both = pytest.mark.parametrize("answer", [whole, streamed])


def results(message) -> list[dict]:
    """What the tools say to the calls of a message."""
    blocks = []
    for call in message.content:
        if call.type == "tool_use":
            content = DEGREES[call.input["city"]]
            blocks.append({"type": "tool_result", "tool_use_id": call.id, "content": content})
    return blocks


class TestAnswer:
    @both
    def test_text(self, client, answer):
        message = answer(client, [user("Name rivers.")])
        assert message.type == "message" and message.role == "assistant" and message.id
        assert message.model == "gpt-5"
        (block,) = message.content
        assert block.type == "text" and block.text == TEXT
        assert message.stop_reason == "end_turn" and message.stop_sequence is None
        assert (message.usage.input_tokens, message.usage.output_tokens) == (21, 13)

    @both
    @pytest.mark.parametrize(
        ("script", "reason"), [("length", "max_tokens"), ("filter", "refusal")]
    )
    def test_stop_reason(self, client, answer, script, reason):
        message = answer(client, [user(f"play {script}")])
        assert message.stop_reason == reason and message.content

    @both
    def test_refusal_is_text(self, client, answer):
        (block,) = answer(client, [user("play refusal")]).content
        assert block.text == OpenAiProvider.REFUSAL

    @both
    def test_cached_tokens_are_no_input(self, client, answer):
        usage = answer(client, [user("play cached")]).usage
        assert usage.input_tokens == 21 and usage.cache_read_input_tokens == 1000
        assert usage.output_tokens == 13

    @both
    def test_reasoning_is_shown(self, client, answer):
        messages = [user("play think")]
        message = answer(client, messages)
        thought, text = message.content
        assert thought.type == "thinking" and thought.thinking == OpenAiProvider.THOUGHT
        assert text.text == TEXT
        # It has no proof and none is needed: the next turn does without.
        messages += [{"role": "assistant", "content": message.content}, user("Go on: play text")]
        assert answer(client, messages).content[-1].text == TEXT

    def test_every_answer_has_a_request_id(self, client):
        first, second = (whole(client, [user("Name rivers.")])._request_id for _ in range(2))
        assert first and second and first != second

    def test_parsed_into_a_model(self, client, provider):
        message = client.messages.parse(
            model="gpt-5", max_tokens=100, messages=[user("play json")], output_format=River
        )
        assert message.parsed_output == River(river="Danube", length=2850)
        schema = provider.last.body["response_format"]["json_schema"]["schema"]
        assert set(schema["properties"]) == {"river", "length"}

    def test_text_stream(self, client):
        with client.messages.stream(
            model="gpt-5", max_tokens=100, messages=[user("Name rivers.")]
        ) as stream:
            texts = list(stream.text_stream)
            message = stream.get_final_message()
        assert "".join(texts) == TEXT and len(texts) > 3
        assert message.usage.output_tokens == 13 and message.usage.input_tokens == 21

    def test_events_of_the_stream(self, client):
        events = whole(client, [user("play tool")], tools=[WEATHER], stream=True)
        kinds = []
        for event in events:
            if event.type != "ping" and event.type not in kinds[-1:]:
                kinds.append(event.type)
        block = ["content_block_start", "content_block_delta", "content_block_stop"]
        assert kinds == ["message_start", *block, *block, "message_delta", "message_stop"]


class TestTools:
    @both
    def test_call(self, client, answer):
        message = answer(client, [user("play tool")], tools=[WEATHER])
        said, call = message.content
        assert said.text == "I shall look."
        assert call.type == "tool_use" and call.id and call.name == "weather"
        assert call.input == {"city": "Brăila"}
        assert message.stop_reason == "tool_use"

    @both
    def test_call_without_arguments(self, client, answer):
        (call,) = answer(client, [user("play no-arguments")], tools=[NOW]).content
        assert call.name == "now" and call.input == {}

    @both
    def test_a_forced_call_stops_for_it(self, client, provider, answer):
        choice = {"type": "tool", "name": "weather"}
        message = answer(client, [user("play forced")], tools=[WEATHER], tool_choice=choice)
        assert message.stop_reason == "tool_use"
        forced = {"type": "function", "function": {"name": "weather"}}
        assert provider.last.body["tool_choice"] == forced

    @both
    def test_loop(self, client, provider, answer):
        messages = [user("play tool")]
        fields = {"tools": [WEATHER], "system": "Be brief."}
        first = answer(client, messages, **fields)
        messages += [{"role": "assistant", "content": first.content}, user(results(first))]
        second = answer(client, messages, **fields)
        assert second.content[0].text == "weather(Brăila)=21 °C"
        assert second.stop_reason == "end_turn"
        # A further turn, with all of it in front.
        messages += [{"role": "assistant", "content": second.content}, user("play text")]
        assert answer(client, messages, **fields).content[0].text == TEXT
        roles = [message["role"] for message in provider.last.body["messages"]]
        assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]

    @both
    @pytest.mark.parametrize("reverse", [False, True])
    def test_loop_with_parallel_calls(self, client, answer, reverse):
        messages = [user("play parallel")]
        first = answer(client, messages, tools=[WEATHER])
        assert len({call.id for call in first.content}) == 2
        told = results(first)
        told = told[::-1] if reverse else told
        messages += [{"role": "assistant", "content": first.content}, user(told)]
        second = answer(client, messages, tools=[WEATHER])
        parts = ["weather(Brăila)=21 °C", "weather(Odesa)=18 °C"]
        assert second.content[0].text == "; ".join(parts[::-1] if reverse else parts)

    @both
    def test_results_and_then_the_user(self, client, provider, answer):
        messages = [user("play parallel")]
        first = answer(client, messages, tools=[WEATHER])
        said = {"type": "text", "text": "Never mind: play text"}
        messages += [{"role": "assistant", "content": first.content}]
        messages += [user([*results(first), said])]
        assert answer(client, messages, tools=[WEATHER]).content[0].text == TEXT
        roles = [message["role"] for message in provider.last.body["messages"]]
        assert roles == ["user", "assistant", "tool", "tool", "user"]

    @pytest.mark.parametrize("content", [None, "", [], [{"type": "text", "text": "no such city"}]])
    def test_forms_of_results(self, client, content):
        messages = [user("play tool")]
        first = whole(client, messages, tools=[WEATHER])
        (result,) = results(first)
        result = {**result, "content": content, "is_error": bool(content)}
        if content is None:
            del result["content"]
        messages += [{"role": "assistant", "content": first.content}, user([result])]
        second = whole(client, messages, tools=[WEATHER])
        expected = "no such city" if content else ""
        assert second.content[0].text == f"weather(Brăila)={expected}"

    @pytest.mark.parametrize("stream", [False, True])
    def test_the_client_s_own_loop(self, client, stream):
        asked = []

        @anthropic.beta_tool
        def weather(city: str) -> str:
            """The weather of a city.

            Args:
                city: Its name.
            """
            asked.append(city)
            return DEGREES[city]

        runner = client.beta.messages.tool_runner(
            model="gpt-5",
            max_tokens=100,
            messages=[user("play parallel")],
            tools=[weather],
            stream=stream,
        )
        last = runner.until_done()
        assert sorted(asked) == ["Brăila", "Odesa"]
        assert last.content[0].text == "weather(Brăila)=21 °C; weather(Odesa)=18 °C"

    @pytest.mark.parametrize(
        ("choice", "expected", "parallel"),
        [
            ({"type": "auto"}, "auto", None),
            ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
            ({"type": "none"}, "none", None),
        ],
    )
    def test_choice(self, client, provider, choice, expected, parallel):
        whole(client, [user("Name rivers.")], tools=[WEATHER], tool_choice=choice)
        assert provider.last.body["tool_choice"] == expected
        assert provider.last.body.get("parallel_tool_calls") == parallel

    def test_arguments_as_they_come(self, client):
        with client.messages.stream(
            model="gpt-5", max_tokens=100, messages=[user("play parallel")], tools=[WEATHER]
        ) as stream:
            pieces = [event.partial_json for event in stream if event.type == "input_json"]
            message = stream.get_final_message()
        assert len(pieces) > 4
        assert [call.input for call in message.content] == [{"city": c} for c in DEGREES]


class TestRequest:
    """What of a request reaches the model."""

    @pytest.mark.parametrize(
        "system",
        [
            "Be brief.",
            [{"type": "text", "text": "Be brief."}],
            [
                {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "Be kind."},
            ],
        ],
    )
    def test_instructions(self, client, provider, system):
        whole(client, [user("Name rivers.")], system=system)
        first, second = provider.last.body["messages"]
        assert first["role"] == "system" and second == user("Name rivers.")
        assert "Be brief." in json.dumps(first["content"])
        assert ("Be kind." in json.dumps(first["content"])) == (len(system) == 2)

    def test_instructions_between_turns(self, client, provider):
        messages = [
            user("Name rivers."),
            {"role": "assistant", "content": "The Danube."},
            {"role": "system", "content": "Be brief."},
            user("More."),
        ]
        assert whole(client, messages).content[0].text == TEXT
        assert provider.last.body["messages"] == messages

    def test_images(self, client, provider):
        png = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        linked = {"type": "url", "url": "https://example.com/b.jpg"}
        content = [
            {"type": "image", "source": png, "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": linked},
            {"type": "text", "text": "What is it?"},
        ]
        assert whole(client, [user(content)]).content[0].text == TEXT
        (message,) = provider.last.body["messages"]
        urls = [part["image_url"]["url"] for part in message["content"][:2]]
        assert urls == [f"data:image/png;base64,{PIXEL}", "https://example.com/b.jpg"]
        assert message["content"][2] == content[2]

    def test_documents(self, client, provider):
        pdf = {"type": "base64", "media_type": "application/pdf", "data": PIXEL}
        plain = {"type": "text", "media_type": "text/plain", "data": "The Danube is long."}
        content = [
            {"type": "document", "source": pdf, "title": "rivers.pdf"},
            {"type": "document", "source": plain},
            {"type": "text", "text": "Sum up."},
        ]
        assert whole(client, [user(content)]).content[0].text == TEXT
        file, text, _ = provider.last.body["messages"][0]["content"]
        assert file["file"]["filename"] == "rivers.pdf"
        assert text == {"type": "text", "text": "The Danube is long."}

    def test_sampling(self, client, provider):
        fields = {"temperature": 0.3, "top_p": 0.8, "top_k": 5, "stop_sequences": ["###"]}
        # A bound of thinking, and what this API knows of it.
        thinking = {"type": "enabled", "budget_tokens": 10_000}
        metadata = {"user_id": "u-1"}
        messages = [user("Name rivers.")]
        whole(client, messages, metadata=metadata, extra_body={"thinking": thinking, **fields})
        body = provider.last.body
        assert body["max_completion_tokens"] == 1000 and body["temperature"] == 0.3
        assert body["top_p"] == 0.8 and body["stop"] == ["###"] and "top_k" not in body
        assert body["reasoning_effort"] == "medium" and body["user"] == "u-1"

    def test_the_client_s_key_and_dialect_end_at_the_gateway(self, client, provider):
        whole(client, [user("Name rivers.")])
        headers = provider.last.headers
        assert headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
        assert CLIENT_KEY not in str(headers)
        assert not [name for name in headers if name.startswith(("anthropic-", "x-api-key"))]

    def test_tokens_are_metered_though_nobody_asked_openai_for_them(self, client, provider):
        for _ in whole(client, [user("Name rivers.")], stream=True):
            pass
        assert provider.last.body["stream_options"] == {"include_usage": True}


class TestErrors:
    """Each error is the exception that the client has for it, however the answer is asked for."""

    @both
    def test_refused_by_the_model_s_api(self, client, answer):
        with pytest.raises(anthropic.BadRequestError) as caught:
            answer(client, [user("play invalid")])
        error = caught.value.body["error"]
        assert caught.value.body["type"] == "error" and error["type"] == "invalid_request_error"
        assert "maximum context length" in error["message"]

    @both
    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
            ({"thinking": {"type": "deep"}}, "thinking.type"),
            ({"output_config": {"effort": "vast"}}, "output_config.effort"),
            ({"extra_body": {"mcp_servers": [{"type": "url", "url": "u"}]}}, "mcp_servers[0]"),
        ],
    )
    def test_the_field_at_fault_is_named(self, client, answer, fields, field):
        with pytest.raises(anthropic.BadRequestError) as caught:
            answer(client, [user("Name rivers.")], **fields)
        error = caught.value.body["error"]
        assert error["type"] == "invalid_request_error" and field in error["message"]

    @both
    @pytest.mark.parametrize(
        "block",
        [
            {"type": "thinking", "thinking": "Hm.", "signature": "of another provider"},
            {"type": "redacted_thinking", "data": "of another provider"},
        ],
    )
    def test_thoughts_that_another_provider_has_signed(self, client, answer, block):
        said = {"type": "text", "text": "The Danube."}
        messages = [
            user("Name rivers."),
            {"role": "assistant", "content": [block, said]},
            user("More."),
        ]
        with pytest.raises(anthropic.BadRequestError) as caught:
            answer(client, messages)
        assert "signed" in caught.value.body["error"]["message"]

    def test_an_image_in_a_result(self, client):
        messages = [user("play tool")]
        first = whole(client, messages, tools=[WEATHER])
        (result,) = results(first)
        png = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        result = {**result, "content": [{"type": "image", "source": png}]}
        messages += [{"role": "assistant", "content": first.content}, user([result])]
        with pytest.raises(anthropic.BadRequestError) as caught:
            whole(client, messages, tools=[WEATHER])
        assert "more than text" in caught.value.body["error"]["message"]

    def test_a_thread_that_the_server_would_hold(self, client):
        with pytest.raises(anthropic.BadRequestError) as caught:
            client.beta.messages.create(
                model="gpt-5",
                max_tokens=100,
                messages=[user("Name rivers.")],
                thread={"type": "create"},
            )
        error = caught.value.body["error"]
        assert error["details"]["error_code"] == "thread_unsupported_request"

    @both
    def test_limited(self, client, answer):
        with pytest.raises(anthropic.RateLimitError) as caught:
            answer(client, [user("play limited")])
        error = caught.value.body["error"]
        assert error["type"] == "rate_limit_error" and "Rate limit" in error["message"]
        assert caught.value.response.headers["retry-after"] == "7"

    @both
    def test_overloaded(self, client, answer):
        with pytest.raises(anthropic.InternalServerError) as caught:
            answer(client, [user("play overloaded")])
        error = caught.value.body["error"]
        assert error["type"] == "overloaded_error" and "overloaded" in error["message"]

    def test_unknown_model(self, client):
        with pytest.raises(anthropic.NotFoundError) as caught:
            client.messages.create(
                model="no-such-model", max_tokens=1, messages=[user("Name rivers.")]
            )
        assert caught.value.body["error"]["type"] == "not_found_error"

    @pytest.mark.parametrize("script", ["broken", "failing"])
    def test_a_broken_stream_raises(self, client, script):
        text = ""
        with pytest.raises((anthropic.APIError, httpx2.TransportError)) as caught:
            for event in whole(client, [user(f"play {script}")], stream=True):
                if event.type == "content_block_delta":
                    text += event.delta.text
        assert text and TEXT.startswith(text)
        if script == "failing":
            assert "had an error" in str(caught.value)

    @pytest.mark.parametrize("script", ["broken", "failing"])
    def test_a_broken_stream_raises_in_the_helper(self, client, script):
        with pytest.raises((anthropic.APIError, httpx2.TransportError)):
            streamed(client, [user(f"play {script}")])
