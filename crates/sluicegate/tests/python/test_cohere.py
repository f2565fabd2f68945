"""Cohere's official client works unchanged, whoever serves the model, and Cohere's models are there
for other clients."""

import asyncio
import base64
import json

import anthropic
import cohere
import openai
import pydantic
import pytest
from cohere_provider import CohereProvider
from conftest import CLIENT_KEY, UPSTREAM_KEY
from processes import eventually

TEXT, THOUGHT, PLAN = CohereProvider.TEXT, CohereProvider.THOUGHT, CohereProvider.PLAN
COMMAND = "command-a"
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG of one pixel").decode()
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
FUNCTION = {"name": "weather", "description": "Of a city", "parameters": SCHEMA}
WEATHER = {"type": "function", "function": FUNCTION}
NOW = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}
TOLD = "weather(Brăila)=21 °C; weather(Odesa)=18 °C"
RIVER = {
    "type": "object",
    "properties": {"river": {"type": "string"}, "length": {"type": "integer"}},
    "required": ["river", "length"],
}
every_model = pytest.mark.parametrize("model", [COMMAND, "gpt-5", "claude", "flash", "qwen", "nova"])
translated = pytest.mark.parametrize("model", ["gpt-5", "claude", "flash", "qwen", "nova"])


class River(pydantic.BaseModel):
    river: str
    length: int


@pytest.fixture
def co(mesh):
    with cohere.ClientV2(CLIENT_KEY, base_url=mesh.url, max_retries=0) as client:
        yield client


@pytest.fixture
def provider(mesh):
    return mesh.providers.cohere


def user(content) -> dict:
    return {"role": "user", "content": content}


def whole(client, model, messages, **fields):
    """The message, why it ended, and the tokens."""
    answer = client.chat(model=model, messages=messages, **fields)
    assert answer.id and answer.message.role == "assistant"
    return answer.message, answer.finish_reason, answer.usage


def streamed(client, model, messages, **fields):
    """The same, put together from the events of a stream, which come in order."""
    events = list(client.chat_stream(model=model, messages=messages, **fields))
    assert events[0].type == "message-start" and events[0].id
    blocks, calls, plan, ended = [], [], "", set()
    for event in events[1:-1]:
        message = getattr(getattr(event, "delta", None), "message", None)
        place = (event.type.rpartition("-")[0], getattr(event, "index", None))
        assert place not in ended
        match event.type:
            case "content-start":
                assert event.index == len(blocks)
                blocks.append(message.content.model_dump(exclude_none=True))
            case "content-delta":
                kind = blocks[event.index]["type"]
                blocks[event.index][kind] += getattr(message.content, kind)
            case "tool-plan-delta":
                plan += message.tool_plan
            case "tool-call-start":
                assert event.index == len(calls)
                calls.append(message.tool_calls)
            case "tool-call-delta":
                calls[event.index].function.arguments += message.tool_calls.function.arguments
            case "content-end" | "tool-call-end":
                ended.add(place)
            case other:
                raise AssertionError(f"{other} in a stream")
    assert len(ended) == len(blocks) + len(calls)
    end = events[-1]
    assert end.type == "message-end"
    content = {"content": blocks} if blocks else {}
    fields = {**content, "tool_plan": plan or None, "tool_calls": calls or None}
    message = cohere.AssistantMessageResponse.model_validate({"role": "assistant", **fields})
    return message, end.delta.finish_reason, end.delta.usage


both = pytest.mark.parametrize("answer", [whole, streamed])


def text_of(message) -> str:
    blocks = [block if isinstance(block, dict) else block.model_dump() for block in message.content]
    return "".join(block["text"] for block in blocks if block["type"] == "text")


def results(message) -> list[dict]:
    """What the tools say to the calls of a message."""
    told = []
    for call in message.tool_calls:
        said = DEGREES[json.loads(call.function.arguments)["city"]]
        content = [{"type": "text", "text": said}]
        told.append({"role": "tool", "tool_call_id": call.id, "content": content})
    return told


class TestClient:
    """Cohere's client."""

    @both
    @every_model
    def test_text(self, co, answer, model):
        messages = [{"role": "system", "content": "Be brief."}, user("Name rivers.")]
        message, finish, usage = answer(co, model, messages)
        assert (text_of(message), finish) == (TEXT, "COMPLETE")
        assert message.tool_calls is None and not message.tool_plan
        assert (usage.tokens.input_tokens, usage.tokens.output_tokens) == (21, 13)
        assert usage.billed_units.input_tokens == 21

    @both
    @every_model
    def test_tool_loop(self, co, answer, model):
        messages = [user("play parallel")]
        message, finish, _ = answer(co, model, messages, tools=[WEATHER])
        assert finish == "TOOL_CALL" and len({call.id for call in message.tool_calls}) == 2
        messages += [message.model_dump(exclude_none=True), *results(message)]
        message, finish, _ = answer(co, model, messages, tools=[WEATHER])
        assert (text_of(message), finish) == (TOLD, "COMPLETE")

    @both
    @pytest.mark.parametrize("model", [COMMAND, "claude", "nova"])
    def test_what_is_said_before_a_call(self, co, answer, model):
        message, _, _ = answer(co, model, [user("play tool")], tools=[WEATHER])
        said = message.tool_plan or text_of(message)
        assert said.startswith(("I shall look", "Let me", "I'll"))
        messages = [user("play tool"), message.model_dump(exclude_none=True), *results(message)]
        answer(co, model, messages, tools=[WEATHER])

    @both
    @every_model
    def test_a_call_without_arguments(self, co, answer, model):
        message, _, _ = answer(co, model, [user("play no-arguments")], tools=[NOW])
        (call,) = message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("now", {})

    @both
    @pytest.mark.parametrize("model", [COMMAND, "claude", "flash", "qwen", "nova"])
    def test_thoughts(self, co, answer, model):
        thinking = {"type": "enabled", "token_budget": 2000}
        fields = {"thinking": thinking, "max_tokens": 5000}
        message, _, _ = answer(co, model, [user("play think")], **fields)
        blocks = [b if isinstance(b, dict) else b.model_dump() for b in message.content]
        assert blocks[0]["type"] == "thinking" and blocks[0]["thinking"] == THOUGHT
        assert text_of(message) == TEXT

    @both
    @every_model
    def test_length(self, co, answer, model):
        assert answer(co, model, [user("play length")], max_tokens=5000)[1] == "MAX_TOKENS"

    @both
    @pytest.mark.parametrize(("model", "read"), [(COMMAND, 1021), ("claude", 1221)])
    def test_cached(self, co, answer, model, read):
        usage = answer(co, model, [user("play cached")])[2]
        assert usage.tokens.input_tokens == read and usage.cached_tokens == 1000

    @both
    @every_model
    def test_structured(self, co, answer, model):
        wanted = {"type": "json_object", "json_schema": RIVER}
        closed = {**RIVER, "additionalProperties": False}
        if model not in (COMMAND, "qwen"):
            wanted["json_schema"] = closed
        message, _, _ = answer(co, model, [user("play json")], response_format=wanted)
        assert River.model_validate_json(text_of(message)).length == 2850

    @translated
    def test_choice(self, co, mesh, model):
        whole(co, model, [user("a")], tools=[WEATHER], tool_choice="NONE")
        if model == "qwen":
            with pytest.raises(cohere.BadRequestError, match="tool_choice"):
                whole(co, model, [user("a")], tools=[WEATHER], tool_choice="REQUIRED")
        else:
            whole(co, model, [user("a")], tools=[WEATHER], tool_choice="REQUIRED")

    @translated
    def test_images(self, co, model):
        image = {"type": "image_url", "image_url": {"url": PNG}}
        content = [{"type": "text", "text": "What is it?"}, image]
        assert text_of(whole(co, model, [user(content)])[0]) == TEXT

    @translated
    def test_documents_are_refused(self, co, model):
        """What they would become is not known to other models, nor would they be cited."""
        with pytest.raises(cohere.BadRequestError, match="documents"):
            whole(co, model, [user("a")], documents=["The Danube is long."])

    def test_documents_are_passed_on(self, co, provider):
        whole(co, COMMAND, [user("a")], documents=["The Danube is long."], safety_mode="STRICT")
        assert provider.last.body["documents"] == ["The Danube is long."]
        assert provider.last.body["safety_mode"] == "STRICT"
        assert provider.last.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"

    @translated
    def test_hints_are_named(self, co, model):
        fields = {"model": model, "messages": [user("a")], "priority": 3}
        response = co.with_raw_response.chat(citation_options={"mode": "OFF"}, **fields)
        dropped = response.headers["x-sluicegate-dropped"]
        assert "citation_options" in dropped and "priority" in dropped

    @every_model
    def test_async(self, mesh, model):
        async def run():
            async with cohere.AsyncClientV2(CLIENT_KEY, base_url=mesh.url) as client:
                fields = {"model": model, "messages": [user("Name rivers.")]}
                answer = await client.chat(**fields)
                events = [event async for event in client.chat_stream(**fields)]
                deltas = [event for event in events if event.type == "content-delta"]
                return answer, [event.delta.message.content.text for event in deltas]

        answer, deltas = asyncio.run(run())
        assert text_of(answer.message) == "".join(deltas) == TEXT and len(deltas) > 3

    def test_models(self, co):
        names = {model.name for model in co.models.list().models}
        assert {COMMAND, "claude", "gpt-5"} <= names

    def test_embeddings(self, co, provider):
        fields = {"texts": ["a river", "sea"], "input_type": "search_document"}
        answer = co.embed(model="embed-v4", embedding_types=["float", "int8"], **fields)
        assert answer.embeddings.float_[0][-1] == 7 / 128 and len(answer.embeddings.int8) == 2
        assert provider.last.body["input_type"] == "search_document"

    def test_ranking(self, co):
        documents = ["a sea", "a long river", "a river"]
        answer = co.rerank(model="rerank-v4", query="long river", documents=documents, top_n=2)
        assert [result.index for result in answer.results] == [1, 2]
        assert answer.results[0].relevance_score == 1.0

    @both
    @every_model
    @pytest.mark.parametrize(
        ("script", "exception"),
        [
            ("invalid", cohere.BadRequestError),
            ("limited", cohere.TooManyRequestsError),
            ("overloaded", cohere.ServiceUnavailableError),
        ],
    )
    def test_errors(self, co, answer, model, script, exception):
        if (model, script) == ("qwen", "limited"):
            pytest.skip("Ollama has no limits")
        with pytest.raises(exception) as caught:
            answer(co, model, [user(f"play {script}")])
        assert caught.value.body["message"]

    def test_unknown_model(self, co):
        with pytest.raises(cohere.NotFoundError) as caught:
            whole(co, "nobody", [user("a")])
        assert "nobody" in caught.value.body["message"]

    def test_an_unknown_field(self, co):
        """The provider's own refusal."""
        options = {"additional_body_parameters": {"nonsense": 1}}
        with pytest.raises(cohere.UnprocessableEntityError) as caught:
            whole(co, COMMAND, [user("a")], request_options=options)
        assert "nonsense" in caught.value.body["message"]

    @every_model
    @pytest.mark.parametrize("script", ["broken", "failing"])
    def test_a_broken_stream_is_not_whole(self, co, model, script):
        """The client raises no event of an error: it is one that says so."""
        events = list(co.chat_stream(model=model, messages=[user(f"play {script}")]))
        end = events[-1]
        assert end.type == "message-end" and end.delta.finish_reason == "ERROR"
        assert end.delta.error


class TestServer:
    """Cohere's models for other clients."""

    @pytest.mark.parametrize("stream", [False, True])
    def test_openai(self, client, provider, stream):
        messages = [{"role": "system", "content": "Be brief."}, user("play parallel")]

        def ask(**fields):
            fields = {"model": COMMAND, "messages": messages, **fields}
            if not stream:
                return client.chat.completions.create(**fields)
            options = {"include_usage": True}
            with client.chat.completions.stream(stream_options=options, **fields) as events:
                return events.get_final_completion()

        message = ask(tools=[WEATHER], max_tokens=900, stop=["§"], seed=7).choices[0].message
        sent = provider.last.body
        assert (sent["max_tokens"], sent["stop_sequences"], sent["seed"]) == (900, ["§"], 7)
        messages.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
        for call in message.tool_calls:
            content = DEGREES[json.loads(call.function.arguments)["city"]]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
        completion = ask(tools=[WEATHER])
        assert completion.choices[0].message.content == TOLD
        usage = completion.usage
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (21, 13, 34)
        assert completion.model == COMMAND
        assert provider.last.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"

    @pytest.mark.parametrize("stream", [False, True])
    def test_openai_plans(self, client, provider, stream):
        fields = {"model": COMMAND, "messages": [user("play tool")], "tools": [WEATHER]}
        if stream:
            with client.chat.completions.stream(**fields) as events:
                message = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**fields).choices[0].message
        assert message.content == PLAN and len(message.tool_calls) == 1
        call = message.tool_calls[0].id
        fields["messages"] += [
            message.model_dump(exclude_none=True, exclude={"parsed"}),
            {"role": "tool", "tool_call_id": call, "content": "21 °C"},
        ]
        client.chat.completions.create(**fields)
        assert provider.last.body["messages"][1]["tool_plan"] == PLAN

    @pytest.mark.parametrize("stream", [False, True])
    def test_openai_thoughts(self, client, provider, stream):
        fields = {"model": COMMAND, "messages": [user("play think")], "reasoning_effort": "low"}
        if stream:
            with client.chat.completions.stream(**fields) as events:
                message = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**fields).choices[0].message
        assert (message.content, message.reasoning_content) == (TEXT, THOUGHT)
        assert provider.last.body["thinking"] == {"type": "enabled", "token_budget": 4096}

    def test_openai_parsed(self, client, provider):
        completion = client.chat.completions.parse(
            model=COMMAND, messages=[user("play json")], response_format=River
        )
        assert completion.choices[0].message.parsed == River(river="Danube", length=2850)
        wanted = provider.last.body["response_format"]
        assert wanted["json_schema"]["required"] == ["river", "length"]

    @pytest.mark.parametrize("stream", [False, True])
    def test_anthropic(self, anthropic_client, provider, stream):
        tool = {"name": "weather", "description": "Of a city", "input_schema": SCHEMA}
        messages = [user("play parallel")]

        def ask():
            fields = {"model": COMMAND, "max_tokens": 900, "tools": [tool], "system": "Be brief."}
            if not stream:
                return anthropic_client.messages.create(messages=messages, **fields)
            with anthropic_client.messages.stream(messages=messages, **fields) as events:
                return events.get_final_message()

        message = ask()
        assert message.stop_reason == "tool_use"
        told = [
            {"type": "tool_result", "tool_use_id": call.id, "content": DEGREES[call.input["city"]]}
            for call in message.content
        ]
        messages += [{"role": "assistant", "content": message.content}, user(told)]
        message = ask()
        assert message.content[0].text == TOLD
        assert (message.usage.input_tokens, message.usage.output_tokens) == (21, 13)
        messages += [{"role": "assistant", "content": message.content}, user("play cached")]
        usage = ask().usage
        assert (usage.input_tokens, usage.cache_read_input_tokens) == (21, 1000)

    @pytest.mark.parametrize(
        ("script", "finish"), [("stop", "stop"), ("length", "length"), ("toxic", "content_filter")]
    )
    def test_why_it_ended(self, client, script, finish):
        completion = client.chat.completions.create(
            model=COMMAND, messages=[user(f"play {script}")]
        )
        assert completion.choices[0].finish_reason == finish

    @pytest.mark.parametrize(
        ("script", "exception"),
        [
            ("invalid", openai.BadRequestError),
            ("limited", openai.RateLimitError),
            ("overloaded", openai.InternalServerError),
        ],
    )
    def test_errors(self, client, script, exception):
        with pytest.raises(exception) as caught:
            client.chat.completions.create(model=COMMAND, messages=[user(f"play {script}")])
        assert caught.value.body["message"]

    @pytest.mark.parametrize("script", ["broken", "failing"])
    def test_a_broken_stream_is_not_whole(self, client, anthropic_client, script):
        messages = [user(f"play {script}")]
        with pytest.raises(openai.APIError):
            list(client.chat.completions.create(model=COMMAND, messages=messages, stream=True))
        with pytest.raises(anthropic.APIError):
            with anthropic_client.messages.stream(
                model=COMMAND, max_tokens=900, messages=messages
            ) as stream:
                stream.get_final_message()

    def test_the_log_knows_the_tokens(self, co, mesh):
        streamed(co, COMMAND, [user("play cached")])

        def line():
            lines = map(json.loads, mesh.access_log.read_text().splitlines())
            found = [entry for entry in lines if entry.get("model_requested") == COMMAND]
            return found and found[-1].get("input_tokens") == 1021 and found[-1]

        entry = eventually(line)
        assert entry["cached_input_tokens"] == 1000 and entry["output_tokens"] == 13
