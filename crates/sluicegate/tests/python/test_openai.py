"""The official OpenAI client works unchanged: answers, streams, errors and what it does not say."""

import asyncio
import json

import httpx2
import openai
import pytest
from conftest import CLIENT_KEY, UPSTREAM_KEY
from processes import eventually, metric_sum

MESSAGES = [{"role": "user", "content": "Name three rivers that flow into the Black Sea."}]


def ask(client, model="llama", **fields):
    fields.setdefault("max_tokens", 12)
    fields.setdefault("messages", MESSAGES)
    return client.chat.completions.create(model=model, **fields)


class TestChat:
    def test_answer(self, client):
        completion = ask(client)
        (choice,) = completion.choices
        assert completion.model == "llama"
        assert choice.message.role == "assistant" and choice.message.content
        assert choice.finish_reason == "length"
        assert completion.usage.completion_tokens == 12
        assert completion.usage.prompt_tokens > 0

    def test_every_answer_has_a_request_id(self, client):
        first, second = ask(client)._request_id, ask(client)._request_id
        assert first and second and first != second

    def test_several_choices(self, client):
        completion = ask(client, n=3, temperature=1.0)
        assert [choice.index for choice in completion.choices] == [0, 1, 2]
        assert completion.usage.completion_tokens == 36

    def test_large_prompt(self, client):
        prompt = "the quick brown fox jumps over the lazy dog " * 2_000
        completion = ask(client, messages=[{"role": "user", "content": prompt}])
        assert completion.usage.prompt_tokens > 10_000

    def test_async_client(self, mesh):
        async def many():
            base_url = f"{mesh.url}/v1"
            async with openai.AsyncOpenAI(base_url=base_url, api_key=CLIENT_KEY) as client:
                return await asyncio.gather(*(ask(client) for _ in range(20)))

        answers = asyncio.run(many())
        assert all(answer.usage.completion_tokens == 12 for answer in answers)
        assert len({answer._request_id for answer in answers}) == 20


class TestStream:
    def test_without_usage(self, client):
        chunks = list(ask(client, stream=True))
        assert all(chunk.usage is None and chunk.choices for chunk in chunks)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert chunks[-1].choices[0].finish_reason == "length"

    def test_with_usage(self, client):
        *chunks, last = ask(client, stream=True, stream_options={"include_usage": True})
        assert last.choices == [] and last.usage.completion_tokens == 12
        assert all(chunk.usage is None for chunk in chunks)

    def test_the_text_is_that_of_the_answer(self, client):
        whole = ask(client, temperature=0).choices[0].message.content
        chunks = ask(client, temperature=0, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole

    def test_async_client(self, mesh):
        async def stream():
            base_url = f"{mesh.url}/v1"
            async with openai.AsyncOpenAI(base_url=base_url, api_key=CLIENT_KEY) as client:
                return [chunk async for chunk in await ask(client, stream=True)]

        assert asyncio.run(stream())[-1].choices[0].finish_reason == "length"

    def test_tokens_are_metered_though_the_client_did_not_ask(self, mesh, client):
        def output_tokens():
            name = "gen_ai_client_token_usage_sum"
            labels = {"gen_ai_token_type": "output", "gen_ai_request_model": "llama"}
            return metric_sum(mesh.metrics(), name, **labels)

        before = output_tokens()
        list(ask(client, stream=True))
        eventually(lambda: output_tokens() == before + 12)

    def test_leaving_cancels_the_upstream(self, mesh, client):
        slow = mesh.engines.slow
        stream = ask(client, model="slow", stream=True, max_tokens=4_000)
        next(iter(stream))
        assert slow.metric("vllm:num_requests_running") == 1
        stream.close()
        eventually(lambda: slow.metric("vllm:num_requests_running") == 0)
        labels = {"backend": "slow", "outcome": "client_aborted"}
        name = "sluicegate_request_outcomes_total"
        eventually(lambda: metric_sum(mesh.metrics(), name, **labels) == 1)

    def test_death_in_the_middle_raises(self, client, flaky):
        flaky.fault('{"death": {"after_tokens": 5}}')
        stream = ask(client, model="flaky", stream=True, max_tokens=200)
        text = ""
        # An error event in the stream is the one, an aborted connection the other.
        with pytest.raises((openai.APIError, httpx2.TransportError)):
            for chunk in stream:
                text += chunk.choices[0].delta.content or ""
        assert text


class TestOtherApis:
    def test_text_completion(self, client):
        completion = client.completions.create(model="llama", prompt="Once", max_tokens=7)
        assert completion.choices[0].text and completion.usage.completion_tokens == 7

    def test_embeddings(self, client):
        # The client asks for base64 unless told otherwise, and decodes it.
        texts = ["a river", "the sea"]
        default = client.embeddings.create(model="llama", input=texts)
        floats = client.embeddings.create(model="llama", input=texts, encoding_format="float")
        assert [item.index for item in default.data] == [0, 1]
        for one, other in zip(default.data, floats.data):
            assert one.embedding == pytest.approx(other.embedding, rel=1e-5)
        assert default.data[0].embedding != default.data[1].embedding

    def test_models(self, client):
        names = {model.id for model in client.models.list()}
        assert {"llama", "slow", "flaky", "recorded"} <= names


class TestErrors:
    """Each error is the exception that the client has for it."""

    def test_unknown_model(self, client):
        with pytest.raises(openai.NotFoundError) as caught:
            ask(client, model="no-such-model")
        assert caught.value.code == "model_not_found"
        assert "no-such-model" in caught.value.message

    def test_refused_by_the_engine(self, client):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, n=0)
        assert caught.value.body["message"]

    def test_refused_by_the_gateway(self, client):
        with pytest.raises(openai.BadRequestError) as caught:
            # A field that is given twice has two meanings: neither may be chosen in silence.
            client.post(
                "/chat/completions",
                content=b'{"model": "llama", "model": "slow", "messages": []}',
                cast_to=dict,
                options={"headers": {"content-type": "application/json"}},
            )
        assert "model" in caught.value.body["message"]

    @pytest.mark.parametrize(
        ("status", "exception"),
        [(429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.InternalServerError)],
    )
    def test_failing_engine(self, client, flaky, status, exception):
        flaky.fault(json.dumps({"errors": {"status": status}}))
        with pytest.raises(exception) as caught:
            ask(client, model="flaky")
        assert caught.value.body["message"]

    def test_a_failure_is_retried(self, mesh, client, flaky):
        def retries():
            return metric_sum(mesh.metrics(), "sluicegate_retries_total", backend="flaky")

        before = retries()
        flaky.fault('{"errors": {"status": 503, "rate": 0.5}}')
        for _ in range(8):
            try:
                ask(client, model="flaky")
            except openai.InternalServerError:
                pass
        assert retries() > before

    def test_timeout_cancels_the_upstream(self, mesh, client, flaky):
        flaky.fault('{"hang": {}}')
        with pytest.raises(openai.APITimeoutError):
            ask(client.with_options(timeout=0.5), model="flaky")
        gauge = "sluicegate_requests_in_flight"
        eventually(lambda: metric_sum(mesh.metrics(), gauge) == 0)


class TestUpstreamSees:
    """What reaches an upstream is what the client has sent."""

    ANSWER = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_764_000_000,
        "model": "recorded",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city": "Brăila"}'},
                        }
                    ],
                },
            }
        ],
        "usage": {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59},
    }

    TOOL = {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of a city",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "unit": {"const": "celsius"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }

    @pytest.fixture
    def recorder(self, mesh):
        mesh.recorder.answer = self.ANSWER
        return mesh.recorder

    def test_tools(self, client, recorder):
        fields = {
            "tools": [self.TOOL],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
            "parallel_tool_calls": False,
        }
        completion = ask(client, model="recorded", **fields)
        (call,) = completion.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"city": "Brăila"}
        sent = {"model": "recorded", "messages": MESSAGES, "max_tokens": 12, **fields}
        assert recorder.last_body() == sent

    def test_unknown_fields(self, client, recorder):
        extra = {"x_new_field": {"deep": [1, 2.50, None, "é"]}}
        ask(client, model="recorded", extra_body=extra)
        assert recorder.last_body()["x_new_field"] == extra["x_new_field"]

    def test_the_upstream_gets_its_own_key_and_not_the_client_s(self, client, recorder):
        ask(client, model="recorded")
        assert recorder.last_headers()["authorization"] == f"Bearer {UPSTREAM_KEY}"
        assert CLIENT_KEY not in str(recorder.last_headers())


class TestLogs:
    def test_a_request_is_one_line_without_its_content(self, mesh, client):
        secret = "a-prompt-that-no-log-may-hold"
        completion = ask(client, messages=[{"role": "user", "content": secret}])

        def line():
            lines = mesh.access_log.read_text().splitlines()
            return next((line for line in lines if completion._request_id in line), None)

        record = json.loads(eventually(line))
        assert record["status"] == 200 and record["outcome"] == "completed"
        assert record["model_requested"] == "llama" and record["backend"] == "engines"
        assert record["output_tokens"] == 12 and record["attempts"] == 1
        assert 0 <= record["overhead_ms"] <= record["duration_ms"]
        everything = mesh.access_log.read_text() + mesh.gateway.text()
        for text in (secret, CLIENT_KEY, UPSTREAM_KEY, completion.choices[0].message.content):
            assert text not in everything
