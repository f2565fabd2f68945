"""How the tests of the Responses API ask, and what they look at."""

import base64
import json

import pytest
from anthropic_provider import AnthropicProvider
from lifecycle import check_response, check_stream

TEXT = AnthropicProvider.TEXT
THOUGHT = AnthropicProvider.THOUGHT
PIXEL = base64.b64encode(b"\x89PNG of one pixel").decode()
PNG = f"data:image/png;base64,{PIXEL}"
PDF = f"data:application/pdf;base64,{PIXEL}"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "parameters": SCHEMA,
    "strict": True,
}
NOW = {"type": "function", "name": "now", "parameters": None, "strict": None}
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}
# `o9` is served by the API itself, the others are not.
NOVA, CLAUDE_AT_BEDROCK = "nova", "anthropic.claude-sonnet-4-5"
every_model = pytest.mark.parametrize("model", ["o9", "claude", NOVA])
translated = pytest.mark.parametrize("model", ["claude", NOVA])


def user(content) -> dict:
    return {"role": "user", "content": content}


def whole(client, model, said, **fields):
    """The answer as a whole."""
    response = client.responses.create(model=model, input=said, **fields)
    check_response(response.to_dict())
    return response


def streamed(client, model, said, **fields):
    """The answer that ends a stream in which all is in order."""
    events = list(client.responses.create(model=model, input=said, stream=True, **fields))
    check_stream([event.to_dict() for event in events])
    return events[-1].response


def helped(client, model, said, **fields):
    """The answer as the client's helper puts it together from a stream."""
    with client.responses.stream(model=model, input=said, **fields) as stream:
        return stream.get_final_response()


ways = pytest.mark.parametrize("answer", [whole, streamed, helped])
both = pytest.mark.parametrize("answer", [whole, streamed])


def provider_of(mesh, model: str):
    names = {"o9": "responses", "claude": "anthropic"}
    return getattr(mesh.providers, names.get(model, "bedrock"))


def calls_of(response) -> list:
    return [item for item in response.output if item.type == "function_call"]


def results(response) -> list[dict]:
    """What the tools say to the calls of an answer."""
    said = []
    for call in calls_of(response):
        output = DEGREES[json.loads(call.arguments)["city"]]
        said.append({"type": "function_call_output", "call_id": call.call_id, "output": output})
    return said
