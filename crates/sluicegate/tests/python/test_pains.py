"""What users of other gateways suffer from, each with the test that it is absent here."""

import base64
import json

import anthropic
import openai
import pytest
from anthropic_provider import signature
from lifecycle import check_stream
from processes import eventually

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"const": "celsius"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
TOOL = {"name": "weather", "input_schema": SCHEMA}
PNG = base64.b64encode(b"\x89PNG of one pixel").decode()
# A model of each dialect, and Anthropic's where clouds have them.
SERVERS = {
    "gpt-5": "openai",
    "claude": "anthropic",
    "flash": "gemini",
    "qwen": "ollama",
    "nova": "bedrock",
    "command-a": "cohere",
    "mistral-large": "mistral",
    "claude-vertex": "vertex",
    "claude-bedrock": "bedrock_claude",
}
every_model = pytest.mark.parametrize("model", SERVERS)


def user(content) -> dict:
    return {"role": "user", "content": content}


def provider_of(mesh, model: str):
    return getattr(mesh.providers, SERVERS[model])


@every_model
def test_arguments_of_streamed_calls_arrive(client, anthropic_client, model):
    """Not lost, not `{}`, and no empty list of calls taken for a call."""
    fields = {"messages": [user("play parallel")], "model": model}
    arguments: dict = {}
    for chunk in client.chat.completions.create(tools=[FUNCTION], stream=True, **fields):
        for choice in chunk.choices:
            assert choice.delta.tool_calls != []
            for call in choice.delta.tool_calls or []:
                before = arguments.get(call.index, "")
                arguments[call.index] = before + (call.function.arguments or "")
    cities = [json.loads(written)["city"] for written in arguments.values()]
    assert cities == ["Brăila", "Odesa"]
    with anthropic_client.messages.stream(max_tokens=900, tools=[TOOL], **fields) as stream:
        calls = [b for b in stream.get_final_message().content if b.type == "tool_use"]
    assert [call.input["city"] for call in calls] == cities


@pytest.mark.parametrize("model", ["claude", "flash", "qwen", "nova", "command-a"])
@pytest.mark.parametrize("script", ["text", "parallel"])
def test_the_lifecycle_of_responses_is_whole(client, model, script):
    """Each item is added before the first word of it."""
    tool = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
    fields = {"model": model, "input": f"play {script}", "tools": [tool], "stream": True}
    events = [event.to_dict() for event in client.responses.create(**fields)]
    check_stream(events)
    kinds = [event["type"] for event in events]
    first = next(at for at, kind in enumerate(kinds) if kind.endswith(".delta"))
    assert "response.output_item.added" in kinds[:first]


@every_model
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_a_read_is_no_event(client, mesh, model, piece):
    """However the network cuts or joins the events of a stream, text and tokens are the same."""
    provider = provider_of(mesh, model)
    provider.piece = piece
    try:
        options = {"include_usage": True}
        fields = {"model": model, "messages": [user("Name rivers.")], "stream_options": options}
        with client.chat.completions.stream(**fields) as stream:
            completion = stream.get_final_completion()
    finally:
        provider.piece = None
    assert completion.choices[0].message.content == provider.TEXT
    assert completion.usage.completion_tokens == 13


@every_model
def test_tokens_of_a_stream_reach_the_log_and_not_who_has_not_asked(client, mesh, model):
    chunks = list(
        client.chat.completions.create(model=model, messages=[user("play text")], stream=True)
    )
    # Mistral's own chunks have them unasked, and pass as they are.
    if model != "mistral-large":
        assert all(chunk.usage is None and chunk.choices for chunk in chunks)

    def line():
        lines = map(json.loads, mesh.access_log.read_text().splitlines())
        return [entry for entry in lines if entry.get("model_requested") == model][-1]

    entry = eventually(lambda: line().get("output_tokens") == 13 and line())
    assert entry["input_tokens"] == 21


@pytest.mark.parametrize(
    ("model", "read", "cached"),
    [("gpt-5", 1021, 1000), ("claude", 1221, 1000), ("claude-bedrock", 1221, 1000)],
)
def test_tokens_are_of_one_class_each(client, anthropic_client, model, read, cached):
    """What was read from a cache is within OpenAI's count and beside Anthropic's."""
    usage = client.chat.completions.create(model=model, messages=[user("play cached")]).usage
    assert usage.prompt_tokens == read
    assert usage.prompt_tokens_details.cached_tokens == cached
    usage = anthropic_client.messages.create(
        model=model, max_tokens=900, messages=[user("play cached")]
    ).usage
    assert usage.cache_read_input_tokens == cached
    written = usage.cache_creation_input_tokens or 0
    assert usage.input_tokens + written + cached == read


@pytest.mark.parametrize("model", ["claude", "claude-vertex", "claude-bedrock", "gemini-3-pro"])
@pytest.mark.parametrize("stream", [False, True])
def test_proofs_of_thought_survive_a_turn(client, mesh, model, stream):
    """A provider refuses the next turn without them, as the simulated ones do."""
    messages = [user("play think" if model == "gemini-3-pro" else "play think-tool")]
    fields = {"model": model, "tools": [FUNCTION], "reasoning_effort": "low"}
    if stream:
        with client.chat.completions.stream(messages=messages, **fields) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(messages=messages, **fields).choices[0].message
    messages.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
    for call in message.tool_calls or []:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "fog"})
    if not message.tool_calls:
        messages.append(user("And?"))
    client.chat.completions.create(messages=messages, **fields)
    if model == "claude":
        sent = json.dumps(mesh.providers.anthropic.last.body)
        assert signature(mesh.providers.anthropic.THOUGHT) in sent


@every_model
def test_marks_for_a_cache_arrive_or_are_named(anthropic_client, mesh, model):
    text = {"type": "text", "text": "Name rivers.", "cache_control": {"type": "ephemeral"}}
    raw = anthropic_client.messages.with_raw_response.create(
        model=model, max_tokens=900, messages=[user([text])]
    )
    sent = provider_of(mesh, model).last.raw
    is_there = b"cache_control" in sent or b"cachePoint" in sent
    assert is_there or "cache_control" in raw.headers["x-sluicegate-dropped"]
    if model.startswith("claude"):
        assert b"cache_control" in sent


class TestFieldsThatMatter:
    """None of them is lost with status 200."""

    @every_model
    def test_schemas(self, client, mesh, model):
        function = {**FUNCTION["function"], "strict": True}
        raw = client.chat.completions.with_raw_response.create(
            model=model,
            messages=[user("a")],
            tools=[{"type": "function", "function": function}],
        )
        sent = provider_of(mesh, model).last.raw
        assert b'"const"' in sent
        is_there = b"strict" in sent or b"VALIDATED" in sent
        assert is_there or "strict" in raw.headers["x-sluicegate-dropped"]

    @every_model
    def test_one_call_at_a_time(self, client, mesh, model):
        fields = {"model": model, "messages": [user("a")], "tools": [FUNCTION]}
        try:
            client.chat.completions.create(parallel_tool_calls=False, **fields)
        except openai.BadRequestError as refused:
            assert refused.param == "parallel_tool_calls"
        else:
            sent = provider_of(mesh, model).last.raw
            assert b"parallel_tool" in sent

    @every_model
    def test_no_call(self, client, mesh, model):
        fields = {"model": model, "messages": [user("a")], "tools": [FUNCTION]}
        client.chat.completions.create(tool_choice="none", **fields)
        sent = provider_of(mesh, model).last.body
        told = json.dumps(sent.get("tool_choice") or sent.get("toolConfig") or {}).lower()
        has_tools = "tools" in sent or sent.get("toolConfig", {}).get("tools")
        assert "none" in told or not has_tools

    @every_model
    def test_images_in_results(self, anthropic_client, mesh, model):
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        result = {"type": "tool_result", "tool_use_id": "toolu_01"}
        result["content"] = [{"type": "image", "source": source}]
        call = {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"city": "Iași"}}
        messages = [user("a"), {"role": "assistant", "content": [call]}, user([result])]
        fields = {"model": model, "max_tokens": 900, "messages": messages, "tools": [TOOL]}
        try:
            anthropic_client.messages.create(**fields)
        except anthropic.BadRequestError as refused:
            assert "more than text" in str(refused) or "an image" in str(refused)
        else:
            assert PNG.encode() in provider_of(mesh, model).last.raw


@every_model
def test_a_stream_that_is_cut_does_not_end_as_if_it_were_whole(client, anthropic_client, model):
    fields = {"model": model, "messages": [user("play broken")]}
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(stream=True, **fields))
    with pytest.raises(anthropic.APIError):
        with anthropic_client.messages.stream(max_tokens=900, **fields) as stream:
            stream.get_final_message()
