"""OpenAI's official client works unchanged with a model that speaks Anthropic's dialect."""

import base64
import json

import httpx2
import openai
import pydantic
import pytest
from anthropic_provider import REDACTED, AnthropicProvider, signature
from conftest import CLIENT_KEY, UPSTREAM_KEY
from processes import eventually, metric_sum

TEXT = AnthropicProvider.TEXT
THOUGHT = AnthropicProvider.THOUGHT
PIXEL = base64.b64encode(b"\x89PNG of one pixel").decode()
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
NOW = {"type": "function", "function": {"name": "now"}}
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}


class River(pydantic.BaseModel):
    river: str
    length: int


@pytest.fixture
def provider(mesh):
    return mesh.providers.anthropic


def user(content) -> dict:
    return {"role": "user", "content": content}


def ask(client, text: str, **fields):
    return client.chat.completions.create(model="claude", messages=[user(text)], **fields)


def whole(client, messages: list, **fields):
    """The answer as a whole."""
    return client.chat.completions.create(model="claude", messages=messages, **fields)


def streamed(client, messages: list, **fields):
    """The answer as the client's helper puts it together from a stream."""
    options = {"stream_options": {"include_usage": True}}
    with client.chat.completions.stream(
        model="claude", messages=messages, **options, **fields
    ) as stream:
        for _ in stream:
            pass
        return stream.get_final_completion()


both = pytest.mark.parametrize("answer", [whole, streamed])


def sent_back(message) -> dict:
    """A message of the model as clients put it into the next request."""
    return message.model_dump(exclude_none=True, exclude={"parsed"})


def results(message) -> list[dict]:
    """What the tools say to the calls of a message."""
    messages = []
    for call in message.tool_calls:
        arguments = json.loads(call.function.arguments)
        content = DEGREES[arguments["city"]]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
    return messages


class TestAnswer:
    @both
    def test_text(self, client, answer):
        completion = answer(client, [user("Name rivers.")])
        (choice,) = completion.choices
        assert completion.object == "chat.completion" and completion.model == "claude"
        assert completion.id and completion.created > 1_700_000_000
        assert choice.index == 0 and choice.finish_reason == "stop"
        assert choice.message.role == "assistant" and choice.message.content == TEXT
        assert not choice.message.tool_calls and choice.message.refusal is None
        usage = completion.usage
        counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
        assert counts == (21, 13, 34)

    @pytest.mark.parametrize(
        ("script", "finish", "exception"),
        [
            ("length", "length", openai.LengthFinishReasonError),
            ("refusal", "content_filter", openai.ContentFilterFinishReasonError),
        ],
    )
    def test_finish_reason(self, client, script, finish, exception):
        messages = [user(f"play {script}")]
        assert whole(client, messages).choices[0].finish_reason == finish
        *_, last = whole(client, messages, stream=True)
        assert last.choices[0].finish_reason == finish
        # The helper takes an answer that is cut off for none.
        with pytest.raises(exception):
            streamed(client, messages)

    @both
    def test_stop_sequence(self, client, provider, answer):
        completion = answer(client, [user("play stop")], stop="###")
        assert completion.choices[0].finish_reason == "stop"
        assert provider.last.body["stop_sequences"] == ["###"]

    @both
    def test_cached_tokens_are_part_of_the_prompt_s(self, client, answer):
        usage = answer(client, [user("play cached")]).usage
        assert usage.prompt_tokens == 21 + 1000 + 200
        assert usage.prompt_tokens_details.cached_tokens == 1000
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens

    @both
    def test_tokens_are_metered(self, mesh, client, answer):
        def tokens(kind: str) -> float:
            name = "gen_ai_client_token_usage_sum"
            labels = {"gen_ai_token_type": kind, "gen_ai_request_model": "claude"}
            return metric_sum(mesh.metrics(), name, **labels)

        read, written = tokens("input"), tokens("output")
        answer(client, [user("play cached")])
        eventually(lambda: tokens("input") == read + 1221 and tokens("output") == written + 13)

    def test_every_answer_has_a_request_id(self, client):
        assert ask(client, "one")._request_id != ask(client, "two")._request_id

    @both
    def test_parsed_into_a_model(self, client, provider, answer):
        if answer is whole:
            completion = client.chat.completions.parse(
                model="claude", messages=[user("play json")], response_format=River
            )
        else:
            completion = answer(client, [user("play json")], response_format=River)
        assert completion.choices[0].message.parsed == River(river="Danube", length=2850)
        schema = provider.last.body["output_config"]["format"]["schema"]
        assert set(schema["properties"]) == {"river", "length"}

    def test_stream_chunk_by_chunk(self, client):
        *chunks, last = ask(
            client, "Name rivers.", stream=True, stream_options={"include_usage": True}
        )
        assert chunks[0].choices[0].delta.role == "assistant"
        texts = [chunk.choices[0].delta.content or "" for chunk in chunks]
        assert "".join(texts) == TEXT and sum(map(bool, texts)) > 3
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert last.choices == [] and last.usage.total_tokens == 34
        assert len({chunk.id for chunk in (*chunks, last)}) == 1

    def test_stream_without_usage(self, client):
        chunks = list(ask(client, "Name rivers.", stream=True))
        assert all(chunk.usage is None and chunk.choices for chunk in chunks)


class TestTools:
    @both
    def test_call(self, client, answer):
        completion = answer(client, [user("play tool")], tools=[WEATHER])
        (choice,) = completion.choices
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content == "I shall look."
        (call,) = choice.message.tool_calls
        assert call.type == "function" and call.id and call.function.name == "weather"
        assert json.loads(call.function.arguments) == {"city": "Brăila"}

    @both
    def test_call_without_arguments(self, client, answer):
        completion = answer(client, [user("play no-arguments")], tools=[NOW])
        (call,) = completion.choices[0].message.tool_calls
        assert call.function.name == "now" and call.function.arguments == "{}"

    @both
    def test_loop(self, client, provider, answer):
        messages = [
            {"role": "system", "content": "Be brief."},
            user("play tool"),
        ]
        first = answer(client, messages, tools=[WEATHER]).choices[0].message
        messages += [sent_back(first), *results(first)]
        second = answer(client, messages, tools=[WEATHER]).choices[0]
        assert second.message.content == "weather(Brăila)=21 °C"
        assert second.finish_reason == "stop"
        # A further turn, with all of it in front.
        messages += [sent_back(second.message), user("play text")]
        assert answer(client, messages, tools=[WEATHER]).choices[0].message.content == TEXT
        assert len(provider.last.body["messages"]) == 5

    @both
    @pytest.mark.parametrize("reverse", [False, True])
    def test_loop_with_parallel_calls(self, client, answer, reverse):
        messages = [user("play parallel")]
        first = answer(client, messages, tools=[WEATHER]).choices[0].message
        assert len(first.tool_calls) == 2
        assert first.tool_calls[0].id != first.tool_calls[1].id
        told = results(first)
        messages += [sent_back(first), *(reversed(told) if reverse else told)]
        second = answer(client, messages, tools=[WEATHER]).choices[0].message
        parts = ["weather(Brăila)=21 °C", "weather(Odesa)=18 °C"]
        assert second.content == "; ".join(reversed(parts) if reverse else parts)

    def test_results_and_then_the_user(self, client, provider):
        messages = [user("play parallel")]
        first = whole(client, messages, tools=[WEATHER]).choices[0].message
        messages += [sent_back(first), *results(first), user("Never mind, play text")]
        assert whole(client, messages, tools=[WEATHER]).choices[0].message.content == TEXT
        kinds = [block["type"] for block in provider.last.body["messages"][-1]["content"]]
        assert kinds == ["tool_result", "tool_result", "text"]

    def test_a_result_that_says_nothing(self, client):
        messages = [user("play tool")]
        first = whole(client, messages, tools=[WEATHER]).choices[0].message
        (result,) = results(first)
        messages += [sent_back(first), {**result, "content": ""}]
        second = whole(client, messages, tools=[WEATHER]).choices[0].message
        assert second.content == "weather(Brăila)="

    def test_ids_of_another_provider(self, client):
        call = {
            "id": "functions.weather:0",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Brăila"}'},
        }
        messages = [
            user("How is the weather?"),
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "cold"},
        ]
        completion = whole(client, messages, tools=[WEATHER])
        assert completion.choices[0].message.content == "weather(Brăila)=cold"

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            ("auto", {"type": "auto", "disable_parallel_tool_use": True}),
            ("required", {"type": "any", "disable_parallel_tool_use": True}),
            ("none", {"type": "none"}),
            (
                {"type": "function", "function": {"name": "weather"}},
                {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
            ),
        ],
    )
    def test_choice(self, client, provider, choice, expected):
        fields = {"tools": [WEATHER], "tool_choice": choice, "parallel_tool_calls": False}
        ask(client, "Name rivers.", **fields)
        assert provider.last.body["tool_choice"] == expected

    def test_events_of_the_stream_helper(self, client):
        # Arguments are parsed as they come for a tool that is strict.
        strict = {**WEATHER["function"], "strict": True}
        strict["parameters"] = {**strict["parameters"], "additionalProperties": False}
        tools = [{"type": "function", "function": strict}]
        with client.chat.completions.stream(
            model="claude", messages=[user("play parallel")], tools=tools
        ) as stream:
            done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        assert [event.index for event in done] == [0, 1]
        cities = [event.parsed_arguments for event in done]
        assert cities == [{"city": "Brăila"}, {"city": "Odesa"}]


class TestRequest:
    """What of a request reaches the model."""

    def test_instructions(self, client, provider):
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            user("Name rivers."),
        ]
        whole(client, messages)
        texts = [block["text"] for block in provider.last.body["system"]]
        assert texts == ["Be brief.", "Be kind."]
        assert [message["role"] for message in provider.last.body["messages"]] == ["user"]

    def test_images(self, client, provider):
        content = [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/b.jpg"}},
        ]
        assert whole(client, [user(content)]).choices[0].message.content == TEXT
        _, inline, linked = provider.last.body["messages"][0]["content"]
        png = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        assert inline == {"type": "image", "source": png}
        assert linked["source"] == {"type": "url", "url": "https://example.com/b.jpg"}

    def test_document(self, client, provider):
        data = f"data:application/pdf;base64,{PIXEL}"
        file = {"filename": "rivers.pdf", "file_data": data}
        whole(client, [user([{"type": "file", "file": file}, {"type": "text", "text": "Sum up"}])])
        document, _ = provider.last.body["messages"][0]["content"]
        assert document["type"] == "document" and document["title"] == "rivers.pdf"

    def test_sampling_is_made_to_fit(self, client, provider):
        ask(client, "Name rivers.", temperature=1.7, seed=7, presence_penalty=0.5)
        assert provider.last.body["temperature"] == 1.0
        ask(client, "Name rivers.", temperature=0.2, top_p=0.9, user="u-1")
        assert provider.last.body["temperature"] == 0.2
        assert provider.last.body["metadata"] == {"user_id": "u-1"}

    @pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
    def test_bound(self, client, provider, field):
        ask(client, "Name rivers.", **{field: 77})
        assert provider.last.body["max_tokens"] == 77

    def test_blank_texts(self, client):
        messages = [
            {"role": "system", "content": ""},
            user("Name rivers."),
            {"role": "assistant", "content": ""},
            user([{"type": "text", "text": " "}, {"type": "text", "text": "More."}]),
        ]
        assert whole(client, messages).choices[0].message.content == TEXT

    def test_the_client_s_key_ends_at_the_gateway(self, client, provider):
        ask(client, "Name rivers.")
        assert provider.last.headers["x-api-key"] == UPSTREAM_KEY
        assert "authorization" not in provider.last.headers
        assert CLIENT_KEY not in str(provider.last.headers)
        assert provider.last.path == "/v1/messages"


class TestThinking:
    @both
    def test_is_shown(self, client, answer):
        completion = answer(client, [user("play think")], reasoning_effort="low")
        message = completion.choices[0].message
        assert message.content == TEXT and message.reasoning_content == THOUGHT
        assert completion.usage.completion_tokens_details.reasoning_tokens == 9

    @both
    @pytest.mark.parametrize("script", ["think-tool", "thoughts"])
    def test_round_trip(self, client, provider, answer, script):
        """Thoughts come back with their proof, and in their order."""
        fields = {"tools": [WEATHER], "reasoning_effort": "medium"}
        messages = [user(f"play {script}")]
        first = answer(client, messages, **fields).choices[0].message
        assert first.reasoning_details
        messages += [sent_back(first), *results(first)]
        second = answer(client, messages, **fields).choices[0].message
        assert second.content == "weather(Brăila)=21 °C"
        *thoughts, call = provider.last.body["messages"][1]["content"]
        proof = signature(THOUGHT)
        expected = [{"type": "thinking", "thinking": THOUGHT, "signature": proof}]
        if script == "thoughts":
            expected.append({"type": "redacted_thinking", "data": REDACTED})
        assert thoughts == expected and call["type"] == "tool_use"

    @both
    def test_details_alone_come_back(self, client, provider, answer):
        """Clients that follow the documentation send the details and nothing else of thoughts."""
        fields = {"tools": [WEATHER], "reasoning_effort": "medium"}
        messages = [user("play think-tool")]
        first = answer(client, messages, **fields).choices[0].message
        back = sent_back(first)
        del back["reasoning_content"]
        messages += [back, *results(first)]
        assert answer(client, messages, **fields).choices[0].message.content
        assert provider.last.body["messages"][1]["content"][0]["thinking"] == THOUGHT

    def test_chunks_of_details_come_back(self, client, provider):
        """So do those that gather the details of a stream as they come."""
        fields = {"tools": [WEATHER], "reasoning_effort": "medium"}
        messages = [user("play thoughts")]
        details, calls = [], {}
        for chunk in whole(client, messages, stream=True, **fields):
            delta = chunk.choices[0].delta
            details += getattr(delta, "reasoning_details", None) or []
            for call in delta.tool_calls or []:
                known = calls.setdefault(call.index, call)
                if known is not call:
                    known.function.arguments += call.function.arguments
        (call,) = calls.values()
        call = call.model_dump(exclude={"index"})
        back = {"role": "assistant", "tool_calls": [call], "reasoning_details": details}
        messages += [back, {"role": "tool", "tool_call_id": call["id"], "content": "cold"}]
        answer = whole(client, messages, **fields).choices[0].message
        assert answer.content == "weather(Brăila)=cold"
        thinking, redacted, _ = provider.last.body["messages"][1]["content"]
        assert thinking["thinking"] == THOUGHT and redacted["data"] == REDACTED

    @both
    def test_redacted(self, client, provider, answer):
        messages = [user("play redacted")]
        first = answer(client, messages, reasoning_effort="low").choices[0].message
        assert first.content == TEXT
        messages += [sent_back(first), user("Go on, play text")]
        answer(client, messages, reasoning_effort="low")
        block = provider.last.body["messages"][1]["content"][0]
        assert block == {"type": "redacted_thinking", "data": REDACTED}

    def test_sampling_gives_way(self, client):
        fields = {"reasoning_effort": "high", "temperature": 0.3, "top_p": 0.5}
        assert ask(client, "play think", **fields).choices[0].message.content == TEXT


class TestErrors:
    """Each error is the exception that the client has for it, however the answer is asked for."""

    @both
    def test_refused_by_the_model_s_api(self, client, answer):
        with pytest.raises(openai.BadRequestError) as caught:
            answer(client, [user("play invalid")])
        assert "prompt is too long" in caught.value.body["message"]
        assert caught.value.type == "invalid_request_error"

    @both
    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"n": 2}, "n"),
            ({"response_format": {"type": "json_object"}}, "response_format"),
            ({"tool_choice": "required"}, "tool_choice"),
            ({"reasoning_effort": "vast"}, "reasoning_effort"),
        ],
    )
    def test_not_to_be_said_to_the_model(self, client, answer, fields, param):
        with pytest.raises(openai.BadRequestError) as caught:
            answer(client, [user("Name rivers.")], **fields)
        assert caught.value.param == param
        assert caught.value.type == "invalid_request_error" and caught.value.body["message"]

    @pytest.mark.parametrize(
        ("messages", "param"),
        [
            ([{"role": "user"}], "messages[0].content"),
            ([user("a"), user([{"type": "smell"}])], "messages[1].content[0].type"),
            ([{"role": "assistant", "content": "I begin."}], "messages"),
        ],
    )
    def test_the_field_at_fault_is_named(self, client, messages, param):
        with pytest.raises(openai.BadRequestError) as caught:
            whole(client, messages)
        assert caught.value.param == param

    @both
    def test_limited(self, client, answer):
        with pytest.raises(openai.RateLimitError) as caught:
            answer(client, [user("play limited")])
        assert "rate limit" in caught.value.body["message"]
        assert caught.value.response.headers["retry-after"] == "7"

    @both
    def test_overloaded(self, client, answer):
        with pytest.raises(openai.InternalServerError) as caught:
            answer(client, [user("play overloaded")])
        assert caught.value.status_code == 503
        assert caught.value.body["message"] == "Overloaded"

    @pytest.mark.parametrize("script", ["broken", "failing"])
    def test_a_broken_stream_raises(self, client, script):
        text = ""
        with pytest.raises((openai.APIError, httpx2.TransportError)) as caught:
            for chunk in ask(client, f"play {script}", stream=True):
                text += chunk.choices[0].delta.content or ""
        assert text and TEXT.startswith(text)
        if script == "failing":
            assert "Overloaded" in str(caught.value)

    @pytest.mark.parametrize("script", ["broken", "failing"])
    def test_a_broken_stream_raises_in_the_helper(self, client, script):
        with pytest.raises((openai.APIError, httpx2.TransportError)):
            streamed(client, [user(f"play {script}")])
