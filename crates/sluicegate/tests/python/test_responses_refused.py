"""What is refused of a request to the Responses API, by the gateway or the model's own API, and how
OpenAI's client raises it."""

import openai
import pytest
from asking import (
    NOVA,
    WEATHER,
    both,
    every_model,
    provider_of,
    results,
    translated,
    user,
    ways,
    whole,
)


class TestState:
    """What a server keeps is for who keeps it."""

    def test_goes_on_at_the_api_itself(self, client):
        first = client.responses.create(model="o9", input="play tool", tools=[WEATHER])
        fields = {"previous_response_id": first.id, "tools": [WEATHER]}
        second = whole(client, "o9", results(first), **fields)
        assert second.output_text == "weather(Brăila)=21 °C"
        assert second.previous_response_id == first.id

    def test_what_was_kept_is_not_served(self, client):
        """Nor is what else stands below the path."""
        first = client.responses.create(model="o9", input="Name rivers.")
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(first.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.input_tokens.count(model="o9", input="Name rivers.")

    def test_unknown_at_the_api_itself(self, client):
        with pytest.raises(openai.BadRequestError) as caught:
            whole(client, "o9", "Go on.", previous_response_id="resp_nobody")
        assert caught.value.param == "previous_response_id"
        assert caught.value.code == "previous_response_not_found"

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"previous_response_id": "resp_1"}, "previous_response_id"),
            ({"conversation": "conv_1"}, "conversation"),
            ({"prompt": {"id": "pmpt_1"}}, "prompt"),
            ({"background": True}, "background"),
            ({"truncation": "auto"}, "truncation"),
            ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
            ({"tools": [{"type": "custom", "name": "a"}]}, "tools[0].type"),
            (
                {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "auto"}},
                "tool_choice.type",
            ),
            ({"text": {"format": {"type": "json_object"}}}, "text.format"),
            ({"input": [user([{"type": "input_file", "file_id": "file_1"}])]}, "input"),
            ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ],
    )
    @translated
    @both
    def test_cannot_be_said_to_others(self, client, mesh, answer, model, fields, param):
        taken = len(provider_of(mesh, model).taken)
        fields = {"input": "Go on.", **fields}
        with pytest.raises(openai.BadRequestError) as caught:
            answer(client, model, fields.pop("input"), **fields)
        assert caught.value.param == param
        assert caught.value.type == "invalid_request_error"
        assert len(provider_of(mesh, model).taken) == taken


class TestErrors:
    """Each error is the exception that the client has for it, however the answer is asked for."""

    @ways
    @every_model
    @pytest.mark.parametrize(
        ("script", "exception"),
        [
            ("invalid", openai.BadRequestError),
            ("limited", openai.RateLimitError),
            ("overloaded", openai.InternalServerError),
        ],
    )
    def test_of_the_backend(self, client, answer, model, script, exception):
        with pytest.raises(exception) as caught:
            answer(client, model, f"play {script}")
        assert caught.value.body["message"] and caught.value.type

    def test_denied(self, client):
        with pytest.raises(openai.PermissionDeniedError, match="access to the model"):
            whole(client, NOVA, "play denied")

    def test_unknown_model(self, client):
        with pytest.raises(openai.NotFoundError) as caught:
            whole(client, "nobody", "Name rivers.")
        assert caught.value.code == "model_not_found"

    @pytest.mark.parametrize(
        ("said", "param"),
        [
            ([user([{"type": "smell"}])], "input[0].content[0].type"),
            ([{"role": "nobody", "content": "a"}], "input[0].role"),
            ([{"type": "function_call", "name": "a", "arguments": "{}"}], "input[0].call_id"),
        ],
    )
    @every_model
    def test_the_field_at_fault_is_named(self, client, model, said, param):
        with pytest.raises(openai.BadRequestError) as caught:
            whole(client, model, said)
        if model != "o9":
            assert caught.value.param == param
