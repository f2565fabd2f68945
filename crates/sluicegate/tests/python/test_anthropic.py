"""Anthropic's official client works unchanged with a model of its own dialect: nothing is lost."""

import anthropic
import httpx2
import pytest
from anthropic_provider import REDACTED, AnthropicProvider, signature
from conftest import CLIENT_KEY, UPSTREAM_KEY
from processes import eventually, metric_sum

TEXT = AnthropicProvider.TEXT
THOUGHT = AnthropicProvider.THOUGHT
WEATHER = {
    "name": "weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture
def client(anthropic_client):
    return anthropic_client


@pytest.fixture
def provider(mesh):
    return mesh.providers.anthropic


def user(content) -> dict:
    return {"role": "user", "content": content}


def whole(client, messages: list, **fields):
    """The answer as a whole."""
    fields.setdefault("max_tokens", 2000)
    return client.messages.create(model="claude", messages=messages, **fields)


def streamed(client, messages: list, **fields):
    """The answer as the client's helper puts it together from a stream."""
    fields.setdefault("max_tokens", 2000)
    with client.messages.stream(model="claude", messages=messages, **fields) as stream:
        return stream.get_final_message()


both = pytest.mark.parametrize("answer", [whole, streamed])


@both
def test_text(client, provider, answer):
    message = answer(client, [user("Name rivers.")], system="Be brief.")
    assert message.content[0].text == TEXT and message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (21, 13)
    assert provider.last.body["system"] == "Be brief."


@both
def test_thinking_with_parallel_blocks_and_a_loop(client, provider, answer):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    fields = {"tools": [WEATHER], "thinking": thinking}
    messages = [user("play thoughts")]
    first = answer(client, messages, **fields)
    thought, redacted, call = first.content
    assert (thought.thinking, thought.signature) == (THOUGHT, signature(THOUGHT))
    assert redacted.data == REDACTED and call.input == {"city": "Brăila"}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "cold"}
    messages += [{"role": "assistant", "content": first.content}, user([result])]
    assert answer(client, messages, **fields).content[0].text == "weather(Brăila)=cold"


@both
def test_cached_tokens(mesh, client, answer):
    def input_tokens():
        name = "gen_ai_client_token_usage_sum"
        labels = {"gen_ai_token_type": "input", "gen_ai_request_model": "claude"}
        return metric_sum(mesh.metrics(), name, **labels)

    before = input_tokens()
    usage = answer(client, [user("play cached")]).usage
    assert usage.cache_read_input_tokens == 1000
    assert usage.cache_creation_input_tokens == 200 and usage.input_tokens == 21
    eventually(lambda: input_tokens() == before + 1221)


@both
def test_refusal(client, answer):
    message = answer(client, [user("play refusal")])
    assert message.stop_reason == "refusal" and message.content == []


@both
def test_stop_sequence(client, answer):
    message = answer(client, [user("play stop")], stop_sequences=["###"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "###")


def test_the_upstream_gets_its_own_key_and_the_client_s_version(client, provider):
    whole(client, [user("Name rivers.")], extra_headers={"anthropic-beta": "some-2026-01-01"})
    headers = provider.last.headers
    assert headers["x-api-key"] == UPSTREAM_KEY and CLIENT_KEY not in str(headers)
    assert headers["anthropic-version"] and headers["anthropic-beta"] == "some-2026-01-01"


def test_every_answer_has_a_request_id(client):
    assert whole(client, [user("Name rivers.")])._request_id


@both
@pytest.mark.parametrize(
    ("script", "exception", "kind"),
    [
        ("invalid", anthropic.BadRequestError, "invalid_request_error"),
        ("limited", anthropic.RateLimitError, "rate_limit_error"),
        ("overloaded", anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_errors(client, answer, script, exception, kind):
    with pytest.raises(exception) as caught:
        answer(client, [user(f"play {script}")])
    assert caught.value.body["error"]["type"] == kind
    if script == "overloaded":
        assert caught.value.status_code == 529
    if script == "limited":
        assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("script", ["broken", "failing"])
def test_a_broken_stream_raises(client, script):
    with pytest.raises((anthropic.APIError, httpx2.TransportError)):
        streamed(client, [user(f"play {script}")])
