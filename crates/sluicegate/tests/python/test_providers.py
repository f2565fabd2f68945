"""The simulated providers are as strict as the tests through the gateway take them to be."""

import anthropic
import openai
import pytest
from anthropic_provider import THOUGHT_ID, AnthropicProvider, signature
from openai_provider import OpenAiProvider

USER = {"role": "user", "content": "Name rivers."}
CALL = {"type": "tool_use", "id": "a", "name": "weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": "cold"}
OTHER, OTHER_RESULT = {**CALL, "id": "b"}, {**RESULT, "tool_use_id": "b"}
TOOL = {"name": "weather", "input_schema": {"type": "object"}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": signature("Hm.")}


def said(*blocks) -> dict:
    return {"role": "user", "content": list(blocks)}


def answered(*blocks) -> dict:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str, **fields) -> dict:
    return {"type": "text", "text": words, **fields}


@pytest.fixture(scope="module")
def anthropic_direct():
    provider = AnthropicProvider()
    base_url = f"http://127.0.0.1:{provider.port}"
    # The client has its key elsewhere; a gateway that knows but one place sends it here.
    fields = {"max_retries": 0, "default_headers": {"x-api-key": "k"}}
    with anthropic.Anthropic(base_url=base_url, api_key="k", **fields) as client:
        yield client
    provider.stop()


@pytest.fixture(scope="module")
def openai_direct():
    provider = OpenAiProvider()
    base_url = f"http://127.0.0.1:{provider.port}/v1"
    with openai.OpenAI(base_url=base_url, api_key="k", max_retries=0) as client:
        yield client
    provider.stop()


class TestAnthropic:
    @pytest.fixture
    def client(self, anthropic_direct):
        return anthropic_direct

    @staticmethod
    def ask(client, body: dict, headers=None):
        body = {"model": "claude", "max_tokens": 2000, "messages": [USER], **body}
        body = {name: value for name, value in body.items() if value is not None}
        options = {"headers": headers or {}}
        return client.post("/v1/messages", body=body, cast_to=dict[str, object], options=options)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"messages": [said(text("a")), answered(CALL), said(RESULT, text("b"))]},
            {"messages": [USER, answered(THOUGHT, text("a")), USER]},
            {"messages": [USER, answered(OTHER, CALL), said(RESULT, OTHER_RESULT)]},
            {"tools": [TOOL], "tool_choice": {"type": "any"}},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ],
    )
    def test_takes(self, client, body):
        assert self.ask(client, body)["type"] == "message"

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"max_tokens": None}, "max_tokens: Field required"),
            ({"max_tokens": "9"}, "valid integer"),
            ({"n": 1}, "n: Extra inputs"),
            ({"messages": []}, "at least one message"),
            ({"messages": [{**USER, "name": "Ann"}]}, "name: Extra inputs"),
            ({"messages": [said(text("a", index=0))]}, "index: Extra inputs"),
            ({"messages": [said({"type": "image_url", "image_url": {}})]}, "'image_url'"),
            ({"messages": [{"role": "system", "content": "a"}]}, "first message"),
            ({"messages": [answered(text("a")), USER]}, "first message"),
            ({"messages": [USER, answered(CALL), USER]}, "without `tool_result`"),
            ({"messages": [USER, answered(CALL)]}, "no `tool_result`"),
            ({"messages": [USER, answered(CALL), said(text("a"), RESULT)]}, "without `tool_res"),
            ({"messages": [USER, answered(OTHER, CALL), said(RESULT)]}, "without `tool_result`"),
            ({"messages": [USER, answered(CALL), said(RESULT, RESULT)]}, "single result"),
            ({"messages": [said(RESULT)]}, "unexpected `tool_use_id`"),
            ({"messages": [USER, answered({**CALL, "id": "a.b"}), said(RESULT)]}, "pattern"),
            ({"messages": [said(text(""))]}, "non-empty"),
            ({"messages": [said(text(" \n"))]}, "non-whitespace"),
            ({"messages": [said()]}, "must have content"),
            ({"system": [text("")]}, "non-empty"),
            (
                {"messages": [USER, answered({"type": "thinking", "thinking": "Hm."}), USER]},
                "signature: Field required",
            ),
            ({"messages": [USER, answered({**THOUGHT, "thinking": "H"}), USER]}, "Invalid `sig"),
            (
                {
                    "thinking": {"type": "enabled", "budget_tokens": 1024},
                    "messages": [
                        USER,
                        answered({**CALL, "id": THOUGHT_ID}),
                        said({**RESULT, "tool_use_id": THOUGHT_ID}),
                    ],
                },
                "Expected `thinking`",
            ),
            ({"temperature": 1.5}, "temperature"),
            ({"temperature": 0.5, "top_p": 0.5}, "cannot both"),
            ({"thinking": {"type": "adaptive"}, "temperature": 0.5}, "thinking is enabled"),
            ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "greater than"),
            ({"tool_choice": {"type": "auto"}}, "while providing tools"),
            ({"tools": [{**TOOL, "input_schema": {}}]}, "input_schema.type"),
            ({"tools": [{"type": "function", "function": TOOL}]}, "Field required"),
        ],
    )
    def test_refuses(self, client, body, words):
        with pytest.raises(anthropic.BadRequestError) as caught:
            self.ask(client, body)
        assert words in caught.value.body["error"]["message"]

    @pytest.mark.parametrize(
        ("header", "exception"),
        [
            ("anthropic-version", anthropic.BadRequestError),
            ("x-api-key", anthropic.AuthenticationError),
        ],
    )
    def test_refuses_without_header(self, client, header, exception):
        with pytest.raises(exception) as caught:
            self.ask(client, {}, {header: anthropic.Omit()})
        assert header in caught.value.body["error"]["message"]


class TestOpenAi:
    @pytest.fixture
    def client(self, openai_direct):
        return openai_direct

    @staticmethod
    def ask(client, body: dict):
        body = {"model": "gpt-5", "messages": [USER], **body}
        return client.post("/chat/completions", body=body, cast_to=dict[str, object])

    CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    RESULT = {"role": "tool", "tool_call_id": "a", "content": "cold"}
    TOOL = {"type": "function", "function": {"name": "weather"}}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"messages": [USER, CALLED, RESULT]},
            {"messages": [said(text("a"))]},
            {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
        ],
    )
    def test_takes(self, client, body):
        assert self.ask(client, body)["object"] == "chat.completion"

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"top_k": 1}, "top_k"),
            ({"max_tokens": 1}, "max_tokens"),
            ({"stream_options": {"include_usage": True}}, "stream_options"),
            ({"messages": []}, "messages"),
            ({"messages": [{**USER, "cache_control": {}}]}, "messages[0].cache_control"),
            ({"messages": [said(text("a", index=0))]}, "messages[0].content[0].index"),
            ({"messages": [said()]}, "messages[0].content"),
            ({"messages": [said({"type": "image"})]}, "messages[0].content[0].type"),
            ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content"),
            ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
            ({"messages": [USER, RESULT]}, "messages[1].role"),
            ({"messages": [USER, CALLED]}, "messages[2].role"),
            ({"messages": [USER, CALLED, USER, RESULT]}, "messages[2].role"),
            ({"messages": [USER, CALLED, RESULT, RESULT]}, "messages[3].role"),
            ({"messages": [USER, {**CALLED, "tool_calls": []}]}, "messages[1].tool_calls"),
            (
                {"messages": [USER, {**CALLED, "reasoning_content": "Hm."}, RESULT]},
                "messages[1].reasoning_content",
            ),
            ({"tool_choice": "auto"}, "tool_choice"),
            ({"parallel_tool_calls": True}, "parallel_tool_calls"),
            ({"tools": [{"name": "weather", "input_schema": {}}]}, "tools[0].function"),
            ({"temperature": 3}, "temperature"),
        ],
    )
    def test_refuses(self, client, body, param):
        with pytest.raises(openai.BadRequestError) as caught:
            self.ask(client, body)
        assert caught.value.param == param

    def test_refuses_without_key(self, client):
        with pytest.raises(openai.AuthenticationError):
            client.post(
                "/chat/completions",
                body={"model": "gpt-5", "messages": [USER]},
                cast_to=dict[str, object],
                options={"headers": {"authorization": ""}},
            )
