"""OpenAI's official client works unchanged with its Responses API, whoever serves the model: a
provider of that API, to which all is passed on, or one of another dialect."""

import asyncio
import json

import anthropic_provider
import bedrock_provider
import openai
import pydantic
import pytest
import responses_provider
from anthropic_provider import REDACTED
from asking import (
    CLAUDE_AT_BEDROCK,
    NOVA,
    NOW,
    PDF,
    PIXEL,
    PNG,
    TEXT,
    THOUGHT,
    WEATHER,
    both,
    calls_of,
    every_model,
    helped,
    provider_of,
    results,
    streamed,
    translated,
    user,
    ways,
    whole,
)
from conftest import CLIENT_KEY, UPSTREAM_KEY
from processes import eventually, metric_sum


class River(pydantic.BaseModel):
    river: str
    length: int


class TestAnswer:
    @ways
    @every_model
    def test_text(self, client, answer, model):
        response = answer(client, model, "Name rivers.", instructions="Be brief.")
        assert response.status == "completed" and response.model == model
        assert response.id and response.created_at > 1_700_000_000
        assert response.output_text == TEXT
        (message,) = response.output
        assert (message.role, message.status) == ("assistant", "completed")
        usage = response.usage
        counts = (usage.input_tokens, usage.output_tokens, usage.total_tokens)
        assert counts == (21, 13, 34)

    @both
    @every_model
    def test_incomplete(self, client, answer, model):
        response = answer(client, model, "play length", max_output_tokens=16)
        assert response.status == "incomplete"
        assert response.incomplete_details.reason == "max_output_tokens"
        assert response.output[-1].status == "incomplete" and response.output_text == TEXT

    @both
    @pytest.mark.parametrize("model", ["o9", NOVA])
    def test_filtered(self, client, answer, model):
        response = answer(client, model, "play filter")
        assert response.status == "incomplete"
        assert response.incomplete_details.reason == "content_filter"

    @both
    def test_refusal_without_words(self, client, answer):
        response = answer(client, "claude", "play refusal")
        assert response.status == "incomplete" and response.output == []
        assert response.incomplete_details.reason == "content_filter"

    @ways
    def test_refusal_in_words(self, client, answer):
        response = answer(client, "o9", "play refusal")
        (part,) = response.output[0].content
        assert part.refusal == responses_provider.ResponsesProvider.REFUSAL

    @ways
    @pytest.mark.parametrize(
        ("model", "read", "written"), [("o9", 1021, 0), ("claude", 1221, 200), (NOVA, 1221, 200)]
    )
    def test_cached_tokens(self, client, answer, model, read, written):
        usage = answer(client, model, "play cached").usage
        assert usage.input_tokens == read and usage.total_tokens == read + 13
        assert usage.input_tokens_details.cached_tokens == 1000
        assert usage.input_tokens_details.cache_write_tokens == written

    @ways
    @every_model
    def test_parsed(self, client, mesh, answer, model):
        fields = {"model": model, "input": "play json"}
        if answer is whole:
            response = client.responses.parse(**fields, text_format=River)
        elif answer is helped:
            response = answer(client, model, "play json", text_format=River)
        else:
            pytest.skip("nothing is parsed in a plain stream")
        assert response.output_parsed == River(river="Danube", length=2850)
        assert "length" in json.dumps(provider_of(mesh, model).last.body)

    @every_model
    def test_tokens_are_metered(self, mesh, client, model):
        def tokens(kind: str) -> float:
            labels = {"gen_ai_token_type": kind, "gen_ai_request_model": model}
            return metric_sum(mesh.metrics(), "gen_ai_client_token_usage_sum", **labels)

        for answer in (whole, streamed):
            read, written = tokens("input"), tokens("output")
            answer(client, model, "Name rivers.")
            eventually(lambda: tokens("input") == read + 21 and tokens("output") == written + 13)

    def test_async(self, mesh):
        async def run():
            base_url = f"{mesh.url}/v1"
            async with openai.AsyncOpenAI(base_url=base_url, api_key=CLIENT_KEY) as client:
                async with client.responses.stream(model="claude", input="Name rivers.") as stream:
                    deltas = [e.delta async for e in stream if e.type.endswith("text.delta")]
                    return deltas, await stream.get_final_response()

        deltas, response = asyncio.run(run())
        assert "".join(deltas) == response.output_text == TEXT and len(deltas) > 3

    def test_a_backend_without_the_api(self, client):
        """What speaks OpenAI's dialect is asked at the same path, and says that it has none."""
        with pytest.raises(openai.NotFoundError, match="responses"):
            whole(client, "gpt-5", "Name rivers.")


class TestStream:
    """Every stream begins, goes on and ends as OpenAI's do; `check_stream` looks at each event."""

    @pytest.mark.parametrize(
        "script", ["text", "tool", "parallel", "no-arguments", "think", "think-tool", "json"]
    )
    @every_model
    def test_order(self, client, model, script):
        response = streamed(client, model, f"play {script}", tools=[WEATHER, NOW])
        assert response.status == "completed" and response.usage.total_tokens > 0

    @pytest.mark.parametrize("script", ["redacted", "thoughts", "refusal"])
    def test_order_of_claude_s(self, client, script):
        streamed(client, "claude", f"play {script}", tools=[WEATHER])

    @every_model
    def test_one_by_one(self, client, model):
        events = list(client.responses.create(model=model, input="Name rivers.", stream=True))
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        assert "".join(deltas) == TEXT and len(deltas) > 3
        kinds = [event.type for event in events if not event.type.endswith(".delta")]
        assert kinds == [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]

    @every_model
    def test_a_call_is_told_in_pieces(self, client, model):
        with client.responses.stream(model=model, input="play parallel", tools=[WEATHER]) as stream:
            events = [event for event in stream if "function_call_arguments" in event.type]
        done = [event for event in events if event.type.endswith(".done")]
        assert [event.output_index for event in done] == [0, 1]
        cities = [json.loads(event.arguments)["city"] for event in done]
        assert cities == ["Brăila", "Odesa"]
        assert len(events) > 4 and events[-2].snapshot == done[-1].arguments

    @pytest.mark.parametrize("script", ["broken", "failing", "failed"])
    def test_passed_on_as_it_breaks(self, client, script):
        """An event of an error ends the helper, whether the provider sent it or the gateway."""
        text, last = "", None
        stream = client.responses.create(model="o9", input=f"play {script}", stream=True)
        try:
            for last in stream:
                text += getattr(last, "delta", "")
        except openai.APIError as error:
            assert script != "failed" and error.body["message"]
        else:
            assert last.type == "response.failed" and last.response.status == "failed"
        assert text == TEXT

    @pytest.mark.parametrize("script", ["broken", "failing"])
    @translated
    def test_a_break_is_an_error(self, client, model, script):
        text = ""
        with pytest.raises(openai.APIError):
            for event in client.responses.create(model=model, input=f"play {script}", stream=True):
                text += getattr(event, "delta", "")
        assert text == TEXT
        with pytest.raises(openai.APIError):
            helped(client, model, f"play {script}")


class TestTools:
    @ways
    @every_model
    def test_loop(self, client, mesh, answer, model):
        """The client sends the items back that it got, as its documentation tells it to."""
        said = [user("play tool")]
        fields = {"tools": [WEATHER], "store": False}
        first = answer(client, model, said, **fields)
        assert first.output_text == "I shall look." and first.status == "completed"
        said += first.output
        said += results(first)
        second = answer(client, model, said, **fields)
        assert second.output_text == "weather(Brăila)=21 °C"
        said += [*second.output, user("play text")]
        assert answer(client, model, said, **fields).output_text == TEXT

    @ways
    @pytest.mark.parametrize("reverse", [False, True])
    @every_model
    def test_loop_with_parallel_calls(self, client, answer, model, reverse):
        said = [user("play parallel")]
        first = answer(client, model, said, tools=[WEATHER])
        assert len({call.call_id for call in calls_of(first)}) == 2
        told = results(first)
        said += [*first.output, *(reversed(told) if reverse else told)]
        second = answer(client, model, said, tools=[WEATHER])
        parts = ["weather(Brăila)=21 °C", "weather(Odesa)=18 °C"]
        assert second.output_text == "; ".join(reversed(parts) if reverse else parts)

    @ways
    @every_model
    def test_call_without_arguments(self, client, answer, model):
        (call,) = calls_of(answer(client, model, "play no-arguments", tools=[NOW]))
        assert (call.name, call.arguments) == ("now", "{}")

    @translated
    def test_results_in_parts(self, client, mesh, model):
        call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
        parts = [{"type": "input_text", "text": "cold"}, {"type": "input_text", "text": " and wet"}]
        result = {"type": "function_call_output", "call_id": "c1", "output": parts}
        response = whole(client, model, [user("a"), call, result], tools=[WEATHER])
        assert response.output_text == "weather()=cold and wet"

    def test_a_picture_as_result(self, client, mesh):
        call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
        image = {"type": "input_image", "image_url": PNG, "detail": "auto"}
        result = {"type": "function_call_output", "call_id": "c1", "output": [image]}
        whole(client, "claude", [user("a"), call, result], tools=[WEATHER])
        (block,) = mesh.providers.anthropic.last.body["messages"][-1]["content"]
        assert block["content"][0]["source"]["data"] == PIXEL

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            ("auto", {"type": "auto", "disable_parallel_tool_use": True}),
            ("required", {"type": "any", "disable_parallel_tool_use": True}),
            ("none", {"type": "none"}),
            (
                {"type": "function", "name": "weather"},
                {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
            ),
        ],
    )
    def test_choice(self, client, mesh, choice, expected):
        fields = {"tools": [WEATHER], "tool_choice": choice, "parallel_tool_calls": False}
        whole(client, "claude", "Name rivers.", **fields)
        assert mesh.providers.anthropic.last.body["tool_choice"] == expected

    def test_a_model_of_arguments(self, client):
        """Tools as the client makes them of a class, and arguments as it parses them."""

        class Weather(pydantic.BaseModel):
            city: str

        tool = openai.pydantic_function_tool(Weather, name="weather")
        tool = {"type": "function", **tool["function"]}
        response = client.responses.parse(model="claude", input="play tool", tools=[tool])
        (call,) = calls_of(response)
        assert json.loads(call.arguments) == {"city": "Brăila"}


class TestThinking:
    @ways
    @every_model
    def test_is_shown(self, client, answer, model):
        reasoning = {"effort": "low", "summary": "auto"} if model != NOVA else {}
        response = answer(client, model, "play think", reasoning=reasoning)
        thought = response.output[0]
        assert thought.summary[0].text == THOUGHT and response.output_text == TEXT
        if model != NOVA:
            assert response.usage.output_tokens_details.reasoning_tokens == 9

    @ways
    @pytest.mark.parametrize("model", ["o9", "claude", CLAUDE_AT_BEDROCK])
    def test_comes_back_with_its_proof(self, client, mesh, answer, model):
        """Which each provider checks."""
        fields = {
            "tools": [WEATHER],
            "reasoning": {"effort": "medium"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
        }
        said = [user("play think-tool")]
        first = answer(client, model, said, **fields)
        assert [item.type for item in first.output] == ["reasoning", "function_call"]
        assert first.output[0].encrypted_content
        said += [*first.output, *results(first)]
        second = answer(client, model, said, **fields)
        assert second.output_text == "weather(Brăila)=21 °C"
        sent = provider_of(mesh, model).last.body
        assert THOUGHT in json.dumps(sent, ensure_ascii=False)

    @ways
    def test_what_nobody_can_read_comes_back(self, client, mesh, answer):
        fields = {"tools": [WEATHER], "reasoning": {"effort": "medium"}}
        said = [user("play thoughts")]
        first = answer(client, "claude", said, **fields)
        said += [*first.output, *results(first)]
        assert answer(client, "claude", said, **fields).output_text == "weather(Brăila)=21 °C"
        thought, redacted, _ = mesh.providers.anthropic.last.body["messages"][1]["content"]
        assert thought["signature"] == anthropic_provider.signature(THOUGHT)
        assert redacted == {"type": "redacted_thinking", "data": REDACTED}

    @pytest.mark.parametrize(
        ("effort", "budget"), [("minimal", 1024), ("low", 4096), ("medium", 16384), ("max", 24576)]
    )
    def test_effort(self, client, mesh, effort, budget):
        fields = {"reasoning": {"effort": effort}, "max_output_tokens": 60_000}
        whole(client, CLAUDE_AT_BEDROCK, "Name rivers.", **fields)
        sent = mesh.providers.bedrock.last.body["additionalModelRequestFields"]
        assert sent["thinking"] == {"type": "enabled", "budget_tokens": budget}

    def test_a_proof_of_another(self, client):
        """Is refused by its provider, and the client hears why."""
        proof = bedrock_provider.signature("Other.")
        item = {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": THOUGHT}],
            "encrypted_content": f"signature:{proof}",
        }
        said = [user("a"), item, {"role": "assistant", "content": "b"}, user("c")]
        with pytest.raises(openai.BadRequestError, match="signature"):
            whole(client, "claude", said)


class TestRequest:
    """What of a request reaches the model."""

    def test_is_passed_on_as_it_is(self, client, mesh):
        fields = {
            "instructions": "Be brief.",
            "max_output_tokens": 500,
            "metadata": {"who": "Ann"},
            "prompt_cache_key": "k",
            "reasoning": {"effort": "high", "summary": "detailed"},
            "safety_identifier": "u-1",
            "service_tier": "flex",
            "text": {"verbosity": "low"},
            "tools": [WEATHER, {"type": "web_search"}],
            "tool_choice": "auto",
            "truncation": "auto",
            "include": ["reasoning.encrypted_content"],
        }
        whole(client, "o9", "Name rivers.", **fields)
        last = mesh.providers.responses.last
        assert last.body == {"model": "o9", "input": "Name rivers.", **fields}
        assert last.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
        streamed(client, "o9", "Name rivers.", **fields)
        sent = {"model": "o9", "input": "Name rivers.", "stream": True, **fields}
        assert mesh.providers.responses.last.body == sent

    @every_model
    def test_roles(self, client, mesh, model):
        said = [
            {"role": "developer", "content": "Be kind."},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]},
            {"role": "assistant", "content": "Hello."},
            user("Name rivers."),
        ]
        response = whole(client, model, said, instructions="Be brief.")
        assert response.output_text == TEXT
        body = provider_of(mesh, model).last.body
        if model != "o9":
            assert [block["text"] for block in body["system"]] == ["Be brief.", "Be kind."]
            assert len(body["messages"]) == 3

    @every_model
    def test_a_refusal_of_the_model_comes_back(self, client, mesh, model):
        answer = {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": "I would rather not."}],
        }
        said = [user("a"), answer, user("Name rivers.")]
        assert whole(client, model, said).output_text == TEXT
        assert "I would rather not." in json.dumps(provider_of(mesh, model).last.body)

    @pytest.mark.parametrize("model", ["o9", "claude"])
    def test_media(self, client, mesh, model):
        content = [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": PNG, "detail": "auto"},
            {"type": "input_image", "image_url": "https://example.com/b.jpg", "detail": "high"},
            {"type": "input_file", "filename": "rivers.pdf", "file_data": PDF},
            {"type": "input_file", "file_url": "https://example.com/c.pdf"},
        ]
        assert whole(client, model, [user(content)]).output_text == TEXT
        if model == "claude":
            _, *media = mesh.providers.anthropic.last.body["messages"][0]["content"]
            png = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            pdf = {"type": "base64", "media_type": "application/pdf", "data": PIXEL}
            assert [block["source"] for block in media] == [
                png,
                {"type": "url", "url": "https://example.com/b.jpg"},
                pdf,
                {"type": "url", "url": "https://example.com/c.pdf"},
            ]
            assert media[2]["title"] == "rivers.pdf"

    def test_media_at_bedrock(self, client, mesh):
        content = [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": PNG, "detail": "auto"},
            {"type": "input_file", "filename": "rivers.pdf", "file_data": PDF},
        ]
        assert whole(client, NOVA, [user(content)]).output_text == TEXT
        _, image, document = mesh.providers.bedrock.last.body["messages"][0]["content"]
        assert image["image"]["source"] == {"bytes": PIXEL}
        assert document["document"]["format"] == "pdf"

    @translated
    def test_a_mark_for_a_cache(self, client, mesh, model):
        text = {"type": "input_text", "text": "Name rivers."}
        content = [{**text, "prompt_cache_breakpoint": {"mode": "explicit"}}]
        raw = client.responses.with_raw_response.create(model=model, input=[user(content)])
        assert raw.parse().output_text == TEXT

    def test_hints_are_named(self, client):
        raw = client.responses.with_raw_response.create(
            model="claude",
            input="Name rivers.",
            metadata={"who": "Ann"},
            text={"verbosity": "low"},
            service_tier="flex",
        )
        dropped = raw.headers["x-sluicegate-dropped"]
        assert {"metadata", "text.verbosity"} <= set(dropped.replace(" ", "").split(","))

    def test_the_client_s_key_ends_at_the_gateway(self, client, mesh):
        for model in ("o9", "claude", NOVA):
            whole(client, model, "Name rivers.")
            assert CLIENT_KEY not in str(provider_of(mesh, model).last.headers)
