"""The simulated providers of OpenAI's Responses API, Mistral, Azure and Cohere are as strict as the
tests through the gateway take them to be."""

import cohere
import openai
import pytest
from azure_provider import AzureProvider
from cohere_provider import CohereProvider
from lifecycle import check_response, check_stream
from mistral_provider import MistralProvider
from responses_provider import ResponsesProvider, encrypted

USER = {"role": "user", "content": "Name rivers."}
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}


def client_of(provider, base: str):
    base_url = f"http://127.0.0.1:{provider.port}{base}"
    return openai.OpenAI(base_url=base_url, api_key="k", max_retries=0)


@pytest.fixture(scope="module")
def responses_direct():
    provider = ResponsesProvider()
    with client_of(provider, "/v1") as client:
        yield client
    provider.stop()


@pytest.fixture(scope="module")
def mistral_direct():
    provider = MistralProvider()
    with client_of(provider, "/v1") as client:
        yield client
    provider.stop()


@pytest.fixture(scope="module")
def azure_direct():
    provider = AzureProvider()
    with client_of(provider, "/openai/v1") as client:
        yield client
    provider.stop()


@pytest.fixture(scope="module")
def cohere_direct():
    provider = CohereProvider()
    url = f"http://127.0.0.1:{provider.port}"
    with cohere.ClientV2("k", base_url=url, max_retries=0) as client:
        yield client
    provider.stop()


class TestResponses:
    @pytest.fixture
    def client(self, responses_direct):
        return responses_direct

    @staticmethod
    def ask(client, body: dict):
        body = {"model": "o9", "input": [USER], **body}
        return client.post("/responses", body=body, cast_to=dict[str, object])

    TEXT = {"type": "input_text", "text": "a"}
    CALL = {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"}
    RESULT = {"type": "function_call_output", "call_id": "a", "output": "cold"}
    TOOL = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}
    THOUGHT = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": encrypted("Hm."),
    }
    ANSWER = {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "a", "annotations": []}],
    }

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"input": "Name rivers."},
            {"input": [{**USER, "content": [TEXT]}]},
            {"input": [USER, CALL, RESULT]},
            {"input": [USER, THOUGHT, CALL, RESULT]},
            {"input": [USER, ANSWER, USER]},
            {"tools": [TOOL], "tool_choice": {"type": "function", "name": "weather"}},
            {"reasoning": {"effort": "max"}, "text": {"verbosity": "low"}},
        ],
    )
    def test_takes(self, client, body):
        check_response(self.ask(client, body))

    @pytest.mark.parametrize("script", ["text", "parallel", "think", "refusal", "length"])
    def test_its_own_streams_are_in_order(self, client, script):
        events = client.responses.create(model="o9", input=f"play {script}", stream=True)
        check_stream([event.to_dict() for event in events])

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"messages": []}, "messages"),
            ({"max_tokens": 20}, "max_tokens"),
            ({"input": None}, "input"),
            ({"max_output_tokens": 1}, "max_output_tokens"),
            ({"max_output_tokens": "20"}, "max_output_tokens"),
            ({"stream": 1}, "stream"),
            ({"reasoning": {"effort": "vast"}}, "reasoning.effort"),
            ({"reasoning": {"budget": 1}}, "reasoning.budget"),
            ({"input": [{"role": "tool", "content": "a"}]}, "input[0].role"),
            ({"input": [{**USER, "name": "Ann"}]}, "input[0].name"),
            ({"input": [{**USER, "content": [{"type": "text", "text": "a"}]}]}, None),
            ({"input": [{**USER, "role": "assistant", "content": [TEXT]}]}, "input[0].content[0]"),
            ({"input": [USER, RESULT]}, "input"),
            ({"input": [USER, CALL]}, "input"),
            ({"input": [USER, {**CALL, "arguments": {}}, RESULT]}, "input[1].arguments"),
            ({"input": [USER, {**CALL, "function": {}}, RESULT]}, "input[1].function"),
            ({"input": [USER, THOUGHT]}, "input"),
            ({"input": [USER, {**THOUGHT, "summary": []}, ANSWER, USER]}, None),
            ({"input": [{"type": "smell"}]}, "input[0].type"),
            ({"tools": [{"type": "function", "function": {"name": "a"}}]}, None),
            ({"tools": [{**TOOL, "parameters": {"type": "object"}}]}, "tools[0].parameters"),
            ({"tool_choice": {"type": "function", "name": "weather"}}, "tool_choice"),
            ({"response_format": {"type": "json_object"}}, "response_format"),
            ({"previous_response_id": "resp_0"}, "previous_response_id"),
        ],
    )
    def test_refuses(self, client, body, param):
        with pytest.raises(openai.BadRequestError) as caught:
            self.ask(client, body)
        assert param is None or caught.value.param == param

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda events: events.pop(3),
            lambda events: events[4].update(sequence_number=9),
            lambda events: events[4].update(item_id="msg_0"),
            lambda events: events[4].update(output_index=1),
            lambda events: events[4].update(delta="x"),
            lambda events: events[-1]["response"].update(output=[]),
            lambda events: events[-1]["response"].update(id="resp_0"),
            lambda events: events[-1]["response"]["usage"].pop("total_tokens"),
            lambda events: events[2].pop("item"),
            lambda events: events.insert(5, events[4]),
        ],
    )
    def test_a_stream_out_of_order_is_seen(self, client, spoil):
        events = client.responses.create(model="o9", input="play text", stream=True)
        events = [event.to_dict() for event in events]
        check_stream(events)
        spoil(events)
        with pytest.raises((AssertionError, ValueError, KeyError)):
            check_stream(events)


class TestMistral:
    @pytest.fixture
    def client(self, mistral_direct):
        return mistral_direct

    @staticmethod
    def ask(client, body: dict):
        body = {"model": "mistral-large", "messages": [USER], **body}
        return client.post("/chat/completions", body=body, cast_to=dict[str, object])

    CALL = {"id": "D681PevKs", "function": {"name": "weather", "arguments": "{}"}}
    CALLED = {"role": "assistant", "tool_calls": [CALL]}
    RESULT = {"role": "tool", "tool_call_id": "D681PevKs", "content": "cold"}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"messages": [USER, CALLED, RESULT]},
            {"random_seed": 1, "safe_prompt": True, "tool_choice": "any"},
            {"stream_options": {}},
        ],
    )
    def test_takes(self, client, body):
        assert self.ask(client, body)["object"] == "chat.completion"

    @pytest.mark.parametrize(
        ("body", "place"),
        [
            ({"seed": 1}, ["seed"]),
            ({"user": "u"}, ["user"]),
            ({"max_completion_tokens": 1}, ["max_completion_tokens"]),
            ({"stream_options": {"include_usage": True}}, ["stream_options", "include_usage"]),
            ({"messages": [{**USER, "name": "Ann"}]}, ["messages", 0, "name"]),
            ({"messages": [USER, {**CALLED, "reasoning_content": "a"}, RESULT]}, None),
            ({"messages": [{**USER, "role": "developer"}]}, None),
        ],
    )
    def test_does_not_know(self, client, body, place):
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            self.ask(client, body)
        (fault,) = caught.value.response.json()["message"]["detail"]
        assert place is None or fault["loc"] == ["body", *place]

    @pytest.mark.parametrize(
        ("messages", "words"),
        [
            ([USER, CALLED, RESULT, USER], "Unexpected role 'user' after role 'tool'"),
            ([USER, CALLED, USER], "Not the same number"),
            ([USER, RESULT], "Unexpected role 'tool'"),
            ([USER, {"role": "assistant", "content": "a"}], "Expected last role"),
            (
                [USER, {**CALLED, "tool_calls": [{**CALL, "id": "call_1"}]}, RESULT],
                "a length of 9",
            ),
        ],
    )
    def test_refuses(self, client, messages, words):
        with pytest.raises(openai.BadRequestError) as caught:
            self.ask(client, {"messages": messages})
        assert words in caught.value.response.json()["message"]


class TestAzure:
    @staticmethod
    def ask(client, model: str, headers: dict):
        fields = {"model": model, "messages": [USER], "extra_headers": headers}
        return client.chat.completions.create(**fields)

    KEY = {"api-key": "k", "Authorization": openai.Omit()}

    @pytest.mark.parametrize(
        ("headers", "model", "exception"),
        [
            ({}, "our-chat", openai.AuthenticationError),
            ({"api-key": "k"}, "our-chat", openai.AuthenticationError),
            (KEY, "gpt-5", openai.NotFoundError),
        ],
    )
    def test_refuses(self, azure_direct, headers, model, exception):
        with pytest.raises(exception):
            self.ask(azure_direct, model, headers)

    def test_takes(self, azure_direct):
        completion = self.ask(azure_direct, "our-chat", self.KEY)
        assert completion.choices[0].content_filter_results


class TestCohere:
    @staticmethod
    def ask(client, body: dict):
        fields = {"model": "command-a", "messages": [USER]}
        return client.chat(**fields, request_options={"additional_body_parameters": body})

    CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    CALLED = {"role": "assistant", "tool_plan": "Hm.", "tool_calls": [CALL]}
    RESULT = {"role": "tool", "tool_call_id": "a", "content": "cold"}
    TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    FORMAT = {"type": "json_object", "json_schema": SCHEMA}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"messages": [USER, CALLED, RESULT], "tools": [TOOL], "tool_choice": "REQUIRED"},
            {"response_format": FORMAT, "temperature": 1, "k": 500, "p": 0.99, "seed": 0},
            {"thinking": {"type": "enabled", "token_budget": 1}, "documents": ["a"]},
        ],
    )
    def test_takes(self, cohere_direct, body):
        assert self.ask(cohere_direct, body).message.role == "assistant"

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"temperature": 1.1}, "temperature"),
            ({"p": 1}, "p must be between"),
            ({"max_tokens": "1"}, "max_tokens"),
            ({"messages": [USER, CALLED, USER]}, "needs a result"),
            ({"messages": [USER, RESULT]}, "of no call"),
            ({"messages": [USER, {"role": "assistant", "content": "a"}]}, "last message"),
            ({"messages": [{"role": "user", "content": ""}]}, "need content"),
            ({"messages": [{"role": "developer", "content": "a"}]}, "messages"),
            ({"messages": [USER, {**CALLED, "tool_calls": []}, USER]}, "content"),
            ({"messages": [USER, CALLED, {**RESULT, "tool_call_id": None}]}, "tool_call_id"),
            ({"tools": [TOOL], "response_format": FORMAT}, "cannot be used with"),
            ({"response_format": {"type": "json_schema"}}, "response_format"),
            ({"tool_choice": "REQUIRED"}, "requires tools"),
            ({"tools": [TOOL], "tool_choice": "required"}, "tool_choice"),
            ({"tools": [{"type": "function", "function": {"name": "a"}}]}, "parameters"),
            ({"thinking": {"type": "enabled", "token_budget": 0}}, "token_budget"),
            ({"stop_sequences": list("abcdef")}, "5 stop"),
        ],
    )
    def test_refuses(self, cohere_direct, body, words):
        with pytest.raises(cohere.BadRequestError) as caught:
            self.ask(cohere_direct, body)
        assert words in caught.value.body["message"]

    @pytest.mark.parametrize(
        "body",
        [
            {"max_completion_tokens": 1},
            {"messages": [{**USER, "name": "Ann"}]},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "x": 1}]}]},
            {"messages": [USER, {**CALLED, "reasoning_content": "a"}, RESULT]},
            {"tools": [{**TOOL, "strict": True}]},
        ],
    )
    def test_does_not_know(self, cohere_direct, body):
        with pytest.raises(cohere.UnprocessableEntityError, match="unknown field"):
            self.ask(cohere_direct, body)
