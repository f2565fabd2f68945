"""The official clients of OpenAI and Anthropic work unchanged with Gemini's models."""

import base64
import json

import anthropic
import openai
import pydantic
import pytest
from conftest import CLIENT_KEY, UPSTREAM_KEY
from gemini_provider import GeminiProvider, proof_of, signature
from processes import eventually

TEXT = GeminiProvider.TEXT
THOUGHT = GeminiProvider.THOUGHT
PNG = base64.b64encode(b"\x89PNG of one pixel").decode()
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
TOOL = {"name": "weather", "description": "Of a city", "input_schema": SCHEMA}
TOLD = "weather(Brăila)=21 °C; weather(Odesa)=18 °C"
SAID = signature("said")

# One that demands signatures and gives calls ids, and one that does neither and has another name.
every_model = pytest.mark.parametrize("model", ["gemini-3-pro", "flash"])
both = pytest.mark.parametrize("stream", [False, True])


class River(pydantic.BaseModel):
    """What the script `json` answers."""

    river: str
    length: int


@pytest.fixture
def provider(mesh):
    return mesh.providers.gemini


def user(content) -> dict:
    return {"role": "user", "content": content}


class TestOpenAi:
    """Chat completions."""

    @staticmethod
    def ask(client, stream, messages, model="gemini-3-pro", **fields):
        fields = {"model": model, "messages": messages, **fields}
        if not stream:
            return client.chat.completions.create(**fields)
        options = {"include_usage": True}
        with client.chat.completions.stream(stream_options=options, **fields) as events:
            return events.get_final_completion()

    @both
    @every_model
    def test_text(self, client, stream, model):
        completion = self.ask(client, stream, [user("Name rivers.")], model)
        (choice,) = completion.choices
        assert (choice.message.content, choice.finish_reason) == (TEXT, "stop")
        usage = completion.usage
        counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
        assert counts == (21, 13, 34)
        assert completion.id and completion.model.endswith("-001")

    @both
    @every_model
    def test_parallel_calls(self, client, provider, stream, model):
        messages = [user("play parallel")]
        message = self.ask(client, stream, messages, model, tools=[FUNCTION]).choices[0].message
        calls = message.tool_calls
        assert len({call.id for call in calls}) == 2 and message.content in (None, "")
        messages.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
        for call in calls:
            content = DEGREES[json.loads(call.function.arguments)["city"]]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
        completion = self.ask(client, stream, messages, model, tools=[FUNCTION])
        assert completion.choices[0].message.content == TOLD
        called = provider.last.body["contents"][1]["parts"]
        if model == "gemini-3-pro":
            proof = proof_of({"name": "weather", "args": {"city": "Brăila"}})
            assert called[0]["thoughtSignature"] == proof
            assert "thoughtSignature" not in called[1]

    @both
    def test_calls_of_others(self, client, provider, stream):
        """A client that keeps no signatures, as most of OpenAI's do."""
        function = {"name": "weather", "arguments": '{"city":"Brăila"}'}
        call = {"id": "call_1", "type": "function", "function": function}
        messages = [
            user("Weather?"),
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "fog"},
        ]
        completion = self.ask(client, stream, messages, tools=[FUNCTION])
        assert completion.choices[0].message.content == "weather(Brăila)=fog"
        (part,) = provider.last.body["contents"][1]["parts"]
        assert part["thoughtSignature"] == "skip_thought_signature_validator"

    @both
    @every_model
    def test_thoughts(self, client, provider, stream, model):
        messages = [user("play think")]
        completion = self.ask(client, stream, messages, model, reasoning_effort="low")
        message = completion.choices[0].message
        assert (message.content, message.reasoning_content) == (TEXT, THOUGHT)
        assert completion.usage.completion_tokens_details.reasoning_tokens == 9
        assert completion.usage.completion_tokens == 13
        proofs = [one.get("signature") for one in message.reasoning_details]
        assert [proof for proof in proofs if proof] == [SAID]
        sent = provider.last.body["generationConfig"]["thinkingConfig"]
        level = {"thinkingLevel": "LOW"} if model == "gemini-3-pro" else {"thinkingBudget": 1024}
        assert sent == {**level, "includeThoughts": True}
        messages += [message.model_dump(exclude_none=True, exclude={"parsed"}), user("And?")]
        self.ask(client, stream, messages, model, reasoning_effort="low")
        parts = provider.last.body["contents"][1]["parts"]
        assert {"text": "", "thoughtSignature": SAID} in parts

    def test_a_proof_alone(self, client):
        """The last piece of a stream is a signature: no text comes of it, and nothing is lost."""
        chunks = client.chat.completions.create(
            model="gemini-3-pro", messages=[user("play think")], stream=True
        )
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        proofs = [delta for delta in deltas if getattr(delta, "reasoning_details", None)]
        (proof,) = proofs
        assert proof.content is None
        assert [one["signature"] for one in proof.reasoning_details] == [SAID]
        assert "".join(delta.content or "" for delta in deltas) == TEXT

    @both
    @every_model
    def test_structured(self, client, provider, stream, model):
        messages = [user("play json")]
        if stream:
            completion = self.ask(client, stream, messages, model, response_format=River)
        else:
            completion = client.chat.completions.parse(
                model=model, messages=messages, response_format=River
            )
        assert completion.choices[0].message.parsed == River(river="Danube", length=2850)
        config = provider.last.body["generationConfig"]
        assert config["responseMimeType"] == "application/json"
        assert config["responseJsonSchema"]["required"] == ["river", "length"]

    def test_request(self, client, provider):
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        self.ask(
            client,
            False,
            [
                {"role": "system", "content": "Be brief."},
                user([{"type": "text", "text": "What is it?"}, image]),
            ],
            max_completion_tokens=50,
            stop=["END"],
            seed=7,
            temperature=0.5,
            tools=[FUNCTION],
            tool_choice="required",
        )
        body = provider.last.body
        assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
        said = {"inlineData": {"mimeType": "image/png", "data": PNG}}
        content = {"role": "user", "parts": [{"text": "What is it?"}, said]}
        assert body["contents"] == [content]
        assert body["generationConfig"] == {
            "maxOutputTokens": 50,
            "stopSequences": ["END"],
            "seed": 7,
            "temperature": 0.5,
        }
        assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}

    @both
    @pytest.mark.parametrize(
        ("name", "finish"), [("filter", "content_filter"), ("blocked", "content_filter")]
    )
    def test_refusal(self, client, stream, name, finish):
        answer = client.chat.completions.create(
            model="gemini-3-pro", messages=[user(f"play {name}")], stream=stream
        )
        last = [chunk for chunk in answer if chunk.choices][-1] if stream else answer
        assert last.choices[0].finish_reason == finish

    @both
    def test_length(self, client, stream):
        answer = client.chat.completions.create(
            model="flash", messages=[user("play length")], stream=stream
        )
        last = list(answer)[-1] if stream else answer
        assert last.choices[0].finish_reason == "length"

    @both
    def test_cached_tokens(self, client, stream):
        usage = self.ask(client, stream, [user("play cached")]).usage
        assert usage.prompt_tokens == 1021
        assert usage.prompt_tokens_details.cached_tokens == 1000

    @both
    @pytest.mark.parametrize(
        ("name", "exception", "match"),
        [
            ("invalid", openai.BadRequestError, "token count exceeds"),
            ("limited", openai.RateLimitError, "current quota"),
            ("denied", openai.PermissionDeniedError, "leaked"),
            ("overloaded", openai.InternalServerError, "overloaded"),
        ],
    )
    def test_errors(self, client, stream, name, exception, match):
        with pytest.raises(exception, match=match):
            self.ask(client, stream, [user(f"play {name}")])

    @pytest.mark.parametrize("name", ["failing", "broken"])
    def test_error_in_a_stream(self, client, name):
        with pytest.raises(openai.APIError):
            self.ask(client, True, [user(f"play {name}")])

    @both
    def test_responses(self, client, stream):
        fields = {"model": "gemini-3-pro", "reasoning": {"effort": "low"}, "store": False}
        fields["include"] = ["reasoning.encrypted_content"]
        tool = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
        items = [{"role": "user", "content": "play think-tool"}]

        def ask():
            if not stream:
                return client.responses.create(input=items, tools=[tool], **fields)
            with client.responses.stream(input=items, tools=[tool], **fields) as events:
                return events.get_final_response()

        first = ask()
        (call,) = [item for item in first.output if item.type == "function_call"]
        items += [item.model_dump(exclude_none=True) for item in first.output]
        for item in items:
            item.pop("parsed_arguments", None)
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": "fog"})
        last = ask()
        assert last.output_text == "weather(Brăila)=fog"
        assert last.usage.input_tokens == 21

    def test_keys_stay_apart(self, client, provider):
        self.ask(client, False, [user("Name rivers.")])
        headers = provider.last.headers
        assert headers["x-goog-api-key"] == UPSTREAM_KEY
        assert not [value for value in headers.values() if CLIENT_KEY in value]


class TestAnthropic:
    """Messages."""

    @staticmethod
    def ask(client, stream, messages, model="gemini-3-pro", **fields):
        fields = {"model": model, "max_tokens": 4000, "messages": messages, **fields}
        if not stream:
            return client.messages.create(**fields)
        with client.messages.stream(**fields) as events:
            return events.get_final_message()

    @both
    @every_model
    def test_text(self, anthropic_client, provider, stream, model):
        text = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
        fields = {"system": [text], "stop_sequences": ["END"], "extra_body": {"top_k": 5}}
        message = self.ask(anthropic_client, stream, [user("Name rivers.")], model, **fields)
        (said,) = message.content
        assert (said.text, message.stop_reason) == (TEXT, "end_turn")
        assert (message.usage.input_tokens, message.usage.output_tokens) == (21, 13)
        body = provider.last.body
        assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
        config = {"maxOutputTokens": 4000, "stopSequences": ["END"], "topK": 5}
        assert body["generationConfig"] == config

    @both
    @every_model
    def test_calls_with_thoughts(self, anthropic_client, provider, stream, model):
        messages = [user("play think-tool")]
        thinking = {"type": "enabled", "budget_tokens": 2000}

        def ask():
            fields = {"thinking": thinking, "tools": [TOOL]}
            return self.ask(anthropic_client, stream, messages, model, **fields)

        message = ask()
        assert message.stop_reason == "tool_use"
        assert [one.thinking for one in message.content if one.type == "thinking"][0] == THOUGHT
        (call,) = [one for one in message.content if one.type == "tool_use"]
        assert call.input == {"city": "Brăila"}
        messages.append({"role": "assistant", "content": message.content})
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "fog"}
        messages.append(user([{**result, "is_error": True}]))
        (text,) = ask().content
        assert text.text == "weather(Brăila)=!fog"

    @both
    @every_model
    def test_parallel_calls(self, anthropic_client, stream, model):
        messages = [user("play parallel")]
        message = self.ask(anthropic_client, stream, messages, model, tools=[TOOL])
        calls = [one for one in message.content if one.type == "tool_use"]
        messages.append({"role": "assistant", "content": message.content})
        result = lambda call: {
            "type": "tool_result",
            "tool_use_id": call.id,
            "content": DEGREES[call.input["city"]],
        }
        messages.append(user([result(call) for call in calls]))
        message = self.ask(anthropic_client, stream, messages, model, tools=[TOOL])
        assert message.content[0].text == TOLD

    @both
    @every_model
    def test_thoughts(self, anthropic_client, provider, stream, model):
        messages = [user("play think")]
        thinking = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
        message = self.ask(anthropic_client, stream, messages, model, **thinking)
        texts = [one.text for one in message.content if one.type == "text"]
        assert texts == [TEXT]
        thoughts = [one for one in message.content if one.type == "thinking"]
        assert thoughts[0].thinking == THOUGHT
        assert [one.signature for one in thoughts if one.signature] == [SAID]
        messages += [{"role": "assistant", "content": message.content}, user("And?")]
        message = self.ask(anthropic_client, stream, messages, model, **thinking)
        assert {"text": "", "thoughtSignature": SAID} in provider.last.body["contents"][1]["parts"]

    def test_media(self, anthropic_client, provider):
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}
        content = [
            {"type": "image", "source": source},
            {"type": "document", "source": pdf},
            {"type": "text", "text": "What is it?"},
        ]
        self.ask(anthropic_client, False, [user(content)])
        assert provider.last.body["contents"][0]["parts"] == [
            {"inlineData": {"mimeType": "image/png", "data": PNG}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0x"}},
            {"text": "What is it?"},
        ]

    @both
    @pytest.mark.parametrize(
        ("name", "reason"),
        [("length", "max_tokens"), ("filter", "refusal"), ("blocked", "refusal")],
    )
    def test_reasons(self, anthropic_client, stream, name, reason):
        message = self.ask(anthropic_client, stream, [user(f"play {name}")])
        assert message.stop_reason == reason

    @both
    def test_cached_tokens(self, anthropic_client, stream):
        usage = self.ask(anthropic_client, stream, [user("play cached")]).usage
        assert (usage.input_tokens, usage.cache_read_input_tokens) == (21, 1000)

    @both
    @pytest.mark.parametrize(
        ("name", "exception", "match"),
        [
            ("invalid", anthropic.BadRequestError, "token count exceeds"),
            ("limited", anthropic.RateLimitError, "current quota"),
            ("denied", anthropic.PermissionDeniedError, "leaked"),
            ("overloaded", anthropic.InternalServerError, "overloaded"),
        ],
    )
    def test_errors(self, anthropic_client, stream, name, exception, match):
        with pytest.raises(exception, match=match):
            self.ask(anthropic_client, stream, [user(f"play {name}")])

    @pytest.mark.parametrize("name", ["failing", "broken"])
    def test_error_in_a_stream(self, anthropic_client, name):
        with pytest.raises(anthropic.APIError):
            self.ask(anthropic_client, True, [user(f"play {name}")])

    def test_count_tokens(self, anthropic_client):
        messages = [user("Name five rivers.")]
        counted = anthropic_client.messages.count_tokens(model="flash", messages=messages)
        assert 2 < counted.input_tokens < 20

    def test_the_log_knows_the_tokens(self, mesh, anthropic_client):
        self.ask(anthropic_client, True, [user("play cached")])

        def line():
            lines = map(json.loads, mesh.access_log.read_text().splitlines())
            found = [one for one in lines if one.get("model_served") == "gemini-3-pro-001"]
            return [one for one in found if one.get("dialect") == "anthropic"]

        entry = eventually(line)[-1]
        assert (entry["input_tokens"], entry["output_tokens"]) == (1021, 13)
