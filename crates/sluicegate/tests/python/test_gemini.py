"""Google's official client works unchanged: with models of other providers, and with Gemini's own,
whose requests and answers pass through."""

import asyncio
import base64
import json

import pytest
from anthropic_provider import AnthropicProvider
from conftest import CLIENT_KEY, UPSTREAM_KEY
from gemini_provider import GeminiProvider
from google import genai
from google.genai import errors, types
from openai_provider import OpenAiProvider
from processes import eventually
from pydantic import BaseModel

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6364f80f00010501015a345b6d0000000049454e44ae426082"
)
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
DECLARED = types.FunctionDeclaration(
    name="weather", description="Of a city", parameters_json_schema=SCHEMA
)
WEATHER = types.Tool(function_declarations=[DECLARED])
TEXT = GeminiProvider.TEXT

every_model = pytest.mark.parametrize(
    "model", ["gpt-5", "claude", "qwen", "nova", "gemini-3-pro", "flash"]
)
# Those whose provider is strict about thoughts.
thinking_model = pytest.mark.parametrize("model", ["claude", "gemini-3-pro"])


class River(BaseModel):
    """What the script `json` answers."""

    river: str
    length: int


@pytest.fixture
def client(mesh):
    """It does not retry, so that a test sees the first answer."""
    options = types.HttpOptions(
        base_url=mesh.url, retry_options=types.HttpRetryOptions(attempts=1)
    )
    with genai.Client(api_key=CLIENT_KEY, http_options=options) as client:
        yield client


def whole(client, model, contents, **config):
    """The content that was answered, and the response."""
    response = client.models.generate_content(
        model=model, contents=contents, config=types.GenerateContentConfig(**config)
    )
    (candidate,) = response.candidates
    assert candidate.finish_reason
    return candidate.content, response


def streamed(client, model, contents, **config):
    """The content put together from its pieces, and the last of them."""
    parts, last = [], None
    for last in client.models.generate_content_stream(
        model=model, contents=contents, config=types.GenerateContentConfig(**config)
    ):
        for candidate in last.candidates or []:
            parts += (candidate.content and candidate.content.parts) or []
    assert last.candidates[0].finish_reason and last.usage_metadata
    return types.Content(role="model", parts=parts), last


def text_of(content, thought: bool = False) -> str:
    return "".join(part.text or "" for part in content.parts if bool(part.thought) == thought)


def calls_of(content) -> list:
    return [part.function_call for part in content.parts if part.function_call]


def user(*parts) -> types.Content:
    parts = [types.Part(text=part) if isinstance(part, str) else part for part in parts]
    return types.Content(role="user", parts=parts)


def answered(call, **response) -> types.Part:
    answer = types.FunctionResponse(id=call.id, name=call.name, response=response)
    return types.Part(function_response=answer)


def dropped(response) -> set[str]:
    named = response.sdk_http_response.headers.get("x-sluicegate-dropped", "")
    return {name.strip() for name in named.split(",")} - {""}


both = pytest.mark.parametrize("answer", [whole, streamed])


@both
@every_model
class TestEveryModel:
    """Whoever answers."""

    def test_text(self, client, answer, model):
        content, last = answer(
            client,
            model,
            "Name rivers.",
            system_instruction="Be brief.",
            max_output_tokens=5000,
            temperature=0.5,
            stop_sequences=["END"],
        )
        assert content.role == "model" and text_of(content) == TEXT
        assert last.candidates[0].finish_reason == types.FinishReason.STOP
        usage = last.usage_metadata
        assert (usage.prompt_token_count, usage.candidates_token_count) == (21, 13)
        assert usage.total_token_count == 34
        assert last.response_id and last.model_version

    def test_turns(self, client, answer, model):
        parts = [types.Part(text="Hello."), types.Part(text="You?")]
        said = types.Content(role="model", parts=parts)
        content, _ = answer(client, model, [user("Hi."), said, user("Name ", "rivers.")])
        assert text_of(content) == TEXT

    def test_call(self, client, answer, model):
        content, last = answer(client, model, "play tool", tools=[WEATHER])
        assert text_of(content) == "I shall look."
        (call,) = calls_of(content)
        assert (call.name, call.args) == ("weather", {"city": "Brăila"})
        # So Google says of calls, too.
        assert last.candidates[0].finish_reason == types.FinishReason.STOP

    def test_parallel_calls(self, client, answer, model):
        contents = [user("play parallel")]
        content, _ = answer(client, model, contents, tools=[WEATHER])
        calls = calls_of(content)
        assert [call.args for call in calls] == [{"city": "Brăila"}, {"city": "Odesa"}]
        results = [answered(call, result=DEGREES[call.args["city"]]) for call in calls]
        contents += [content, user(*results)]
        content, _ = answer(client, model, contents, tools=[WEATHER])
        assert text_of(content) == "weather(Brăila)=21 °C; weather(Odesa)=18 °C"

    def test_length(self, client, answer, model):
        _, last = answer(client, model, "play length")
        assert last.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS

    def test_errors(self, client, answer, model):
        with pytest.raises(errors.ClientError) as raised:
            answer(client, model, "play invalid")
        assert (raised.value.code, raised.value.status) == (400, "INVALID_ARGUMENT")
        assert raised.value.message
        with pytest.raises(errors.ServerError) as raised:
            answer(client, model, "play overloaded")
        assert (raised.value.code, raised.value.status) in (
            (503, "UNAVAILABLE"),
            (529, "UNAVAILABLE"),
        )

    def test_limits(self, client, answer, model):
        if model == "qwen":
            pytest.skip("a server of one's own has no quota")
        with pytest.raises(errors.ClientError) as raised:
            answer(client, model, "play limited")
        assert (raised.value.code, raised.value.status) == (429, "RESOURCE_EXHAUSTED")

    def test_image(self, client, answer, model):
        image = types.Part.from_bytes(data=PNG, mime_type="image/png")
        content, _ = answer(client, model, [user("What is it?", image)])
        assert text_of(content) == TEXT


@every_model
@pytest.mark.parametrize("name", ["failing", "broken"])
def test_error_in_a_stream(client, model, name):
    """A stream that broke is not taken for a whole one."""
    with pytest.raises(errors.APIError):
        streamed(client, model, f"play {name}")


class TestTranslated:
    """What reaches models of other providers, and what comes back."""

    @both
    @pytest.mark.parametrize("model", ["gpt-5", "claude", "gemini-3-pro", "flash"])
    @pytest.mark.parametrize("form", ["pydantic", "schema", "json_schema"])
    def test_structured(self, client, answer, model, form):
        config = {
            "pydantic": {"response_schema": River},
            "schema": {
                "response_schema": {
                    "type": "OBJECT",
                    "properties": {"river": {"type": "STRING"}, "length": {"type": "INTEGER"}},
                    "required": ["river", "length"],
                }
            },
            "json_schema": {"response_json_schema": River.model_json_schema()},
        }[form]
        content, last = answer(
            client, model, "play json", response_mime_type="application/json", **config
        )
        assert River.model_validate_json(text_of(content)) == River(river="Danube", length=2850)
        if answer is whole and form == "pydantic":
            assert last.parsed == River(river="Danube", length=2850)

    def test_schema_as_it_is_sent(self, client, mesh):
        config = {"response_mime_type": "application/json", "response_schema": River}
        whole(client, "gpt-5", "play json", **config)
        sent = mesh.providers.openai.last.body["response_format"]["json_schema"]["schema"]
        assert sent["type"] == "object" and sent["required"] == ["river", "length"]
        assert sent["properties"]["length"]["type"] == "integer"

    def test_request_to_openai(self, client, mesh):
        image = types.Part.from_bytes(data=PNG, mime_type="image/png")
        choice = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["weather"])
        whole(
            client,
            "gpt-5",
            [user("Name rivers.", image)],
            system_instruction="Be brief.",
            max_output_tokens=50,
            stop_sequences=["END"],
            seed=7,
            tools=[WEATHER],
            tool_config=types.ToolConfig(function_calling_config=choice),
            thinking_config=types.ThinkingConfig(thinking_level="LOW"),
        )
        body = mesh.providers.openai.last.body
        system, said = body["messages"]
        assert system["content"] == "Be brief."
        assert said["content"][0] == {"type": "text", "text": "Name rivers."}
        url = "data:image/png;base64," + base64.b64encode(PNG).decode()
        assert said["content"][1]["image_url"] == {"url": url}
        assert (body["max_completion_tokens"], body["stop"], body["seed"]) == (50, ["END"], 7)
        assert body["reasoning_effort"] == "low"
        assert body["tools"][0]["function"]["parameters"] == SCHEMA
        assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}

    def test_request_to_anthropic(self, client, mesh):
        whole(
            client,
            "claude",
            "Name rivers.",
            system_instruction=["Be brief.", "Be kind."],
            max_output_tokens=50,
            stop_sequences=["END"],
            top_k=5,
        )
        body = mesh.providers.anthropic.last.body
        system = body["system"]
        texts = [system] if isinstance(system, str) else [block["text"] for block in system]
        assert "Be brief." in texts[0] and "Be kind." in texts[-1]
        assert (body["max_tokens"], body["stop_sequences"], body["top_k"]) == (50, ["END"], 5)

    @pytest.mark.parametrize("mode", ["AUTO", "NONE", "ANY", "VALIDATED"])
    @pytest.mark.parametrize("model", ["gpt-5", "claude", "gemini-3-pro"])
    def test_a_function_in_googles_schema(self, client, model, mode):
        city = types.Schema(type="STRING", description="A city", enum=["Brăila", "Odesa"])
        schema = types.Schema(type="OBJECT", properties={"city": city}, required=["city"])
        declared = types.FunctionDeclaration(name="weather", parameters=schema)
        choice = types.FunctionCallingConfig(mode=mode)
        content, _ = whole(
            client,
            model,
            "play tool",
            tools=[types.Tool(function_declarations=[declared])],
            tool_config=types.ToolConfig(function_calling_config=choice),
        )
        assert calls_of(content)[0].args == {"city": "Brăila"}

    def test_media_of_functions(self, client, mesh):
        contents = [user("play tool")]
        content, _ = whole(client, "claude", contents, tools=[WEATHER])
        (call,) = calls_of(content)
        blob = types.FunctionResponseBlob(data=PNG, mime_type="image/png")
        answer = types.FunctionResponse(
            id=call.id,
            name=call.name,
            response={"error": "no words"},
            parts=[types.FunctionResponsePart(inline_data=blob)],
        )
        contents += [content, user(types.Part(function_response=answer))]
        whole(client, "claude", contents, tools=[WEATHER])
        (result,) = mesh.providers.anthropic.last.body["messages"][-1]["content"]
        assert result["is_error"] and result["content"][0]["text"] == "no words"
        assert result["content"][1]["source"]["media_type"] == "image/png"

    def test_documents(self, client, mesh):
        pdf = types.Part.from_bytes(data=b"%PDF-1", mime_type="application/pdf")
        text = types.Part.from_bytes(data="Brăila".encode(), mime_type="text/plain")
        whole(client, "claude", [user("Sum up.", pdf, text)])
        _, pdf, text = mesh.providers.anthropic.last.body["messages"][0]["content"]
        assert pdf["source"]["data"] == base64.b64encode(b"%PDF-1").decode()
        assert text["source"]["data"] == "Brăila"

    @both
    @thinking_model
    def test_thoughts_go_with_their_proofs(self, client, answer, model):
        config = {
            "thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_budget=2000),
            "max_output_tokens": 4000,
            "tools": [WEATHER],
        }
        contents = [user("play think-tool")]
        content, _ = answer(client, model, contents, **config)
        assert text_of(content, thought=True) == AnthropicProvider.THOUGHT
        assert any(part.thought_signature for part in content.parts)
        (call,) = calls_of(content)
        contents += [content, user(answered(call, result="fog"))]
        content, _ = answer(client, model, contents, **config)
        assert text_of(content) == "weather(Brăila)=fog"
        contents += [content, user("play think")]
        content, last = answer(client, model, contents, **config)
        assert text_of(content) == TEXT and text_of(content, thought=True)
        assert last.usage_metadata.thoughts_token_count == 9
        assert last.usage_metadata.candidates_token_count == 4
        contents += [content, user("Name rivers.")]
        content, _ = answer(client, model, contents, **config)
        assert text_of(content) == TEXT

    @both
    def test_thoughts_that_only_their_provider_reads(self, client, answer):
        config = {
            "thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_budget=2000),
            "max_output_tokens": 4000,
            "tools": [WEATHER],
        }
        contents = [user("play thoughts")]
        content, _ = answer(client, "claude", contents, **config)
        (call,) = calls_of(content)
        contents += [content, user(answered(call, result="fog"))]
        content, _ = answer(client, "claude", contents, **config)
        assert text_of(content) == "weather(Brăila)=fog"

    @both
    def test_thoughts_without_proof(self, client, answer):
        content, last = answer(client, "gpt-5", "play think")
        assert text_of(content, thought=True) == OpenAiProvider.THOUGHT
        assert text_of(content) == TEXT
        assert last.usage_metadata.thoughts_token_count == 9

    @both
    @pytest.mark.parametrize("model", ["gpt-5", "claude", "gemini-3-pro"])
    def test_cached_tokens(self, client, answer, model):
        _, last = answer(client, model, "play cached")
        usage = last.usage_metadata
        assert usage.cached_content_token_count == 1000
        written = 200 if model == "claude" else 0
        assert usage.prompt_token_count == 1021 + written

    @both
    @pytest.mark.parametrize("model", ["gpt-5", "claude", "gemini-3-pro"])
    def test_a_call_without_arguments(self, client, answer, model):
        content, _ = answer(client, model, "play no-arguments", tools=[WEATHER])
        (call,) = calls_of(content)
        assert call.name == "now" and not call.args

    @both
    @pytest.mark.parametrize(
        ("model", "name"), [("gpt-5", "filter"), ("claude", "refusal"), ("gemini-3-pro", "filter")]
    )
    def test_refusal(self, client, answer, model, name):
        _, last = answer(client, model, f"play {name}")
        assert last.candidates[0].finish_reason == types.FinishReason.SAFETY

    @both
    def test_refusal_in_words(self, client, answer):
        content, _ = answer(client, "gpt-5", "play refusal")
        assert text_of(content) == OpenAiProvider.REFUSAL

    @both
    def test_a_stop_sequence(self, client, answer):
        _, last = answer(client, "claude", "play stop", stop_sequences=["END"])
        assert last.candidates[0].finish_reason == types.FinishReason.STOP

    @pytest.mark.parametrize("threshold", ["OFF", "BLOCK_NONE"])
    @pytest.mark.parametrize("model", ["gpt-5", "claude"])
    def test_no_filter_is_no_loss(self, client, model, threshold):
        setting = types.SafetySetting(
            category="HARM_CATEGORY_DANGEROUS_CONTENT", threshold=threshold
        )
        content, response = whole(client, model, "Name rivers.", safety_settings=[setting])
        assert text_of(content) == TEXT
        assert "safetySettings" in dropped(response)

    def test_a_filter_is_refused(self, client):
        setting = types.SafetySetting(
            category="HARM_CATEGORY_DANGEROUS_CONTENT", threshold="BLOCK_LOW_AND_ABOVE"
        )
        with pytest.raises(errors.ClientError, match="safetySettings") as raised:
            whole(client, "gpt-5", "Name rivers.", safety_settings=[setting])
        assert (raised.value.code, raised.value.status) == (400, "INVALID_ARGUMENT")

    def test_what_cannot_be_said_is_refused(self, client):
        search = types.Tool(google_search=types.GoogleSearch())
        with pytest.raises(errors.ClientError, match="googleSearch"):
            whole(client, "gpt-5", "Name rivers.", tools=[search])
        with pytest.raises(errors.ClientError, match="cachedContent"):
            whole(client, "gpt-5", "Name rivers.", cached_content="cachedContents/1")

    def test_hints_are_named(self, client):
        _, response = whole(
            client,
            "claude",
            "Name rivers.",
            seed=7,
            media_resolution="MEDIA_RESOLUTION_LOW",
            service_tier="flex",
        )
        named = {"generationConfig.seed", "generationConfig.mediaResolution", "serviceTier"}
        assert named <= dropped(response)


def weather(city: str) -> str:
    """The weather of a city."""
    return DEGREES[city]


class TestClient:
    """What the client does of its own accord."""

    @every_model
    def test_functions_are_called(self, client, model):
        response = client.models.generate_content(
            model=model,
            contents="play parallel",
            config=types.GenerateContentConfig(tools=[weather]),
        )
        assert response.text == "weather(Brăila)=21 °C; weather(Odesa)=18 °C"

    @every_model
    def test_functions_are_called_in_a_stream(self, client, model):
        pieces = client.models.generate_content_stream(
            model=model,
            contents="play parallel",
            config=types.GenerateContentConfig(tools=[weather]),
        )
        text = "".join(piece.text or "" for piece in pieces)
        assert text == "weather(Brăila)=21 °C; weather(Odesa)=18 °C"

    @every_model
    def test_chat(self, client, model):
        chat = client.chats.create(
            model=model, config=types.GenerateContentConfig(system_instruction="Be brief.")
        )
        assert chat.send_message("Name rivers.").text == TEXT
        pieces = list(chat.send_message_stream("And again."))
        assert "".join(piece.text or "" for piece in pieces) == TEXT
        # The history has a content for each piece of the stream.
        assert chat.send_message("And again.").text == TEXT
        assert len(chat.get_history(curated=True)) == len(chat.get_history()) > 6

    @thinking_model
    def test_chat_with_thoughts(self, client, model):
        config = types.GenerateContentConfig(
            thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=2000),
            max_output_tokens=4000,
            tools=[WEATHER],
        )
        chat = client.chats.create(model=model, config=config)
        pieces = list(chat.send_message_stream("play think-tool"))
        (call,) = [call for piece in pieces for call in piece.function_calls or []]
        pieces = list(chat.send_message_stream(answered(call, result="fog")))
        assert "".join(piece.text or "" for piece in pieces) == "weather(Brăila)=fog"
        assert chat.send_message("play think").text == TEXT
        assert chat.send_message("Name rivers.").text == TEXT

    @every_model
    def test_async(self, mesh, model):
        options = types.HttpOptions(base_url=mesh.url)

        async def ask():
            async with genai.Client(api_key=CLIENT_KEY, http_options=options).aio as client:
                one = await client.models.generate_content(model=model, contents="Name rivers.")
                text = ""
                stream = client.models.generate_content_stream(
                    model=model, contents="Name rivers."
                )
                async for piece in await stream:
                    text += piece.text or ""
                with pytest.raises(errors.ClientError):
                    await client.models.generate_content(model=model, contents="play invalid")
                return one.text, text

        assert asyncio.run(ask()) == (TEXT, TEXT)

    def test_models(self, client):
        models = list(client.models.list())
        names = {model.name for model in models}
        assert {"models/gpt-5", "models/claude", "models/gemini-3-pro", "models/flash"} <= names
        assert client.models.get(model="claude").name == "models/claude"
        with pytest.raises(errors.ClientError) as raised:
            client.models.get(model="nobody/x")
        assert raised.value.code == 404

    def test_unknown_model(self, mesh):
        options = types.HttpOptions(base_url=mesh.url)
        client = genai.Client(api_key=CLIENT_KEY, http_options=options)
        with pytest.raises(errors.ClientError, match="nobody") as raised:
            whole(client, "nobody", "hi")
        assert (raised.value.code, raised.value.status) == (404, "NOT_FOUND")

    @every_model
    def test_count_tokens(self, client, model):
        counted = client.models.count_tokens(model=model, contents="Name five rivers.")
        assert 2 < counted.total_tokens < 20

    def test_keys_stay_apart(self, client, mesh):
        for model, provider, name in [
            ("gemini-3-pro", mesh.providers.gemini, "x-goog-api-key"),
            ("gpt-5", mesh.providers.openai, "authorization"),
            ("claude", mesh.providers.anthropic, "x-api-key"),
        ]:
            whole(client, model, "Name rivers.")
            headers = provider.last.headers
            assert UPSTREAM_KEY in headers[name]
            assert not [value for value in headers.values() if CLIENT_KEY in value]

    def test_the_log_knows_the_tokens(self, client, mesh):
        streamed(client, "gemini-3-pro", "play cached")

        def line():
            lines = map(json.loads, mesh.access_log.read_text().splitlines())
            found = [one for one in lines if one.get("cached_input_tokens") == 1000]
            return [one for one in found if one.get("model_requested") == "gemini-3-pro"]

        entry = eventually(line)[-1]
        assert (entry["input_tokens"], entry["output_tokens"]) == (1021, 13)
        assert entry["stream"] and entry["dialect"] == "gemini"
