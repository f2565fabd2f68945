"""Anthropic's models at Vertex AI and at Bedrock, for Anthropic's client and for others."""

import json
import urllib.request

import anthropic
import openai
import pydantic
import pytest
from anthropic_provider import AnthropicProvider
from claude_providers import AT_BEDROCK
from conftest import CLIENT_KEY, UPSTREAM_KEY
from google import genai
from google.genai import types
from processes import eventually

TEXT, THOUGHT = AnthropicProvider.TEXT, AnthropicProvider.THOUGHT
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
TOOL = {"name": "weather", "description": "Of a city", "input_schema": SCHEMA}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}
TOLD = "weather(Brăila)=21 °C; weather(Odesa)=18 °C"
THINKING = {"type": "enabled", "budget_tokens": 1024}
every_model = pytest.mark.parametrize("model", ["claude-vertex", "claude-bedrock"])
both = pytest.mark.parametrize("stream", [False, True])


class River(pydantic.BaseModel):
    river: str
    length: int


def provider_of(mesh, model: str):
    return mesh.providers.vertex if model == "claude-vertex" else mesh.providers.bedrock_claude


def user(content) -> dict:
    return {"role": "user", "content": content}


class TestAnthropic:
    @staticmethod
    def ask(client, stream, model, messages, **fields):
        fields = {"model": model, "max_tokens": 2000, "messages": messages, **fields}
        if not stream:
            return client.messages.create(**fields)
        with client.messages.stream(**fields) as events:
            return events.get_final_message()

    @both
    @every_model
    def test_text(self, anthropic_client, mesh, stream, model):
        message = self.ask(anthropic_client, stream, model, [user("Name rivers.")])
        assert (message.content[0].text, message.stop_reason) == (TEXT, "end_turn")
        assert (message.usage.input_tokens, message.usage.output_tokens) == (21, 13)
        headers = provider_of(mesh, model).last.headers
        assert headers["authorization"] == f"Bearer {UPSTREAM_KEY}" and "x-api-key" not in headers

    @both
    @every_model
    def test_tools_and_thoughts(self, anthropic_client, stream, model):
        messages = [user("play think-tool")]
        fields = {"tools": [TOOL], "thinking": THINKING}
        message = self.ask(anthropic_client, stream, model, messages, **fields)
        thought, call = message.content
        assert thought.thinking == THOUGHT and message.stop_reason == "tool_use"
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 °C"}
        messages += [{"role": "assistant", "content": message.content}, user([result])]
        message = self.ask(anthropic_client, stream, model, messages, **fields)
        assert message.content[0].text == "weather(Brăila)=21 °C"

    @every_model
    def test_what_is_not_known_is_passed_on(self, anthropic_client, mesh, model):
        """And refused there, by the provider's own words."""
        with pytest.raises(anthropic.BadRequestError, match="not_yet: Extra inputs"):
            self.ask(anthropic_client, False, model, [user("a")], extra_body={"not_yet": 1})

    @every_model
    def test_betas(self, anthropic_client, mesh, model):
        fields = {"betas": ["interleaved-thinking-2025-05-14", "next"], "max_tokens": 9}
        anthropic_client.beta.messages.create(model=model, messages=[user("a")], **fields)
        last = provider_of(mesh, model).last
        if model == "claude-vertex":
            betas = last.headers["anthropic-beta"].replace(" ", "").split(",")
        else:
            betas = last.body["anthropic_beta"]
        assert betas == fields["betas"]

    @every_model
    def test_count(self, anthropic_client, model):
        raw = anthropic_client.messages.with_raw_response.count_tokens(
            model=model, messages=[user("Name five rivers.")]
        )
        counted = raw.parse().input_tokens
        if model == "claude-vertex":
            assert counted == 77
        else:
            assert counted > 0 and raw.headers["x-sluicegate-estimated"] == "tokens"

    @both
    @every_model
    @pytest.mark.parametrize(
        ("script", "exception"),
        [
            ("invalid", anthropic.BadRequestError),
            ("limited", anthropic.RateLimitError),
            ("overloaded", anthropic.InternalServerError),
        ],
    )
    def test_errors(self, anthropic_client, stream, model, script, exception):
        with pytest.raises(exception) as caught:
            self.ask(anthropic_client, stream, model, [user(f"play {script}")])
        assert caught.value.body["error"]["message"]

    @both
    def test_errors_of_google_itself(self, anthropic_client, stream):
        with pytest.raises(anthropic.RateLimitError) as caught:
            self.ask(anthropic_client, stream, "claude-vertex", [user("play quota")])
        error = caught.value.body["error"]
        assert error == {"type": "rate_limit_error", "message": "Quota exceeded"}

    @every_model
    @pytest.mark.parametrize("script", ["broken", "failing"])
    def test_a_broken_stream_is_not_whole(self, anthropic_client, model, script):
        with pytest.raises(anthropic.APIError):
            self.ask(anthropic_client, True, model, [user(f"play {script}")])

    def test_a_model_that_climbs(self, anthropic_client, mesh):
        with pytest.raises(anthropic.APIStatusError):
            self.ask(anthropic_client, False, "..", [user("a")])

    @every_model
    def test_the_log_knows_the_tokens(self, anthropic_client, mesh, model):
        self.ask(anthropic_client, True, model, [user("play cached")])

        def line():
            lines = map(json.loads, mesh.access_log.read_text().splitlines())
            found = [entry for entry in lines if entry.get("model_requested") == model]
            return found and found[-1].get("cached_input_tokens") == 1000 and found[-1]

        entry = eventually(line)
        assert (entry["input_tokens"], entry["output_tokens"]) == (1221, 13)


class TestOpenAi:
    @staticmethod
    def ask(client, stream, model, messages, **fields):
        fields = {"model": model, "messages": messages, **fields}
        if not stream:
            return client.chat.completions.create(**fields)
        options = {"include_usage": True}
        with client.chat.completions.stream(stream_options=options, **fields) as events:
            return events.get_final_completion()

    @both
    @every_model
    def test_tool_loop(self, client, stream, model):
        messages = [{"role": "system", "content": "Be brief."}, user("play parallel")]
        message = self.ask(client, stream, model, messages, tools=[FUNCTION]).choices[0].message
        messages.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
        for call in message.tool_calls:
            content = DEGREES[json.loads(call.function.arguments)["city"]]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
        completion = self.ask(client, stream, model, messages, tools=[FUNCTION])
        assert completion.choices[0].message.content == TOLD
        assert completion.usage.total_tokens == 34

    @both
    @every_model
    def test_thoughts_come_back(self, client, stream, model):
        messages = [user("play think")]
        fields = {"reasoning_effort": "low", "max_completion_tokens": 9000}
        message = self.ask(client, stream, model, messages, **fields).choices[0].message
        assert message.reasoning_content == THOUGHT
        messages += [message.model_dump(exclude_none=True, exclude={"parsed"}), user("And?")]
        self.ask(client, stream, model, messages, **fields)

    @every_model
    @pytest.mark.parametrize(
        ("script", "exception"),
        [("invalid", openai.BadRequestError), ("limited", openai.RateLimitError)],
    )
    def test_errors(self, client, model, script, exception):
        with pytest.raises(exception) as caught:
            self.ask(client, False, model, [user(f"play {script}")])
        assert caught.value.body["message"] and "status" not in caught.value.body["message"]

    @every_model
    @pytest.mark.parametrize("script", ["broken", "failing"])
    def test_a_broken_stream_is_not_whole(self, client, model, script):
        with pytest.raises(openai.APIError):
            self.ask(client, True, model, [user(f"play {script}")])


@both
@every_model
def test_google(mesh, stream, model):
    options = types.HttpOptions(base_url=mesh.url)
    client = genai.Client(api_key=CLIENT_KEY, http_options=options)
    if stream:
        chunks = client.models.generate_content_stream(model=model, contents="Name rivers.")
        assert "".join(chunk.text or "" for chunk in chunks) == TEXT
    else:
        assert client.models.generate_content(model=model, contents="Name rivers.").text == TEXT


def test_bytes_that_the_envelope_leaves(mesh):
    """Spellings of numbers, spaces and escapes arrive as they were sent, and fields in their order."""
    raw = (
        rb'{ "max_tokens" : 9, "model":"claude-bedrock", "temperature":0.50,'
        rb' "messages":[ {"role":"user","content":"\u0103"} ] }'
    )
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json"}
    request = urllib.request.Request(f"{mesh.url}/v1/messages", raw, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["type"] == "message"
    last = mesh.providers.bedrock_claude.last
    assert last.path == f"/model/{AT_BEDROCK.replace(':', '%3A')}/invoke"
    assert last.raw == (
        rb'{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"temperature":0.50,'
        rb'"messages":[ {"role":"user","content":"\u0103"} ]}'
    )
