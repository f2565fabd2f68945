"""Amazon's official client works unchanged with models of other providers, and other clients with models
at Bedrock."""

import json
import urllib.request
from contextlib import contextmanager

import anthropic
import boto3
import botocore.config
import botocore.exceptions
import openai
import pytest
from anthropic_provider import AnthropicProvider
from bedrock_provider import BedrockProvider
from conftest import CLIENT_KEY, UPSTREAM_KEY
from processes import eventually

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6364f80f00010501015a345b6d0000000049454e44ae426082"
)
CLAUDE = "anthropic.claude-sonnet-4-5"
DEGREES = {"Brăila": "21 °C", "Odesa": "18 °C"}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
SPEC = {"name": "weather", "description": "Of a city", "inputSchema": {"json": SCHEMA}}
TOOLS = {"tools": [{"toolSpec": SPEC}]}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}

every_model = pytest.mark.parametrize("model", ["gpt-5", "claude", "qwen", "nova"])


def config(**fields) -> botocore.config.Config:
    return botocore.config.Config(retries={"total_max_attempts": 1}, **fields)


FAILED = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
KEYS = {"aws_access_key_id": "AKIDCLIENT", "aws_secret_access_key": "client-secret"}
PLACE = {"region_name": "eu-west-1"}


@pytest.fixture
def client(mesh):
    """It signs its requests, for credentials that mean nothing to the gateway."""
    keys = {**KEYS, "aws_session_token": CLIENT_KEY}
    client = boto3.client(
        "bedrock-runtime", endpoint_url=mesh.url, config=config(), **keys, **PLACE
    )
    yield client
    client.close()


@contextmanager
def openai_client(mesh):
    with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=CLIENT_KEY, max_retries=0) as client:
        yield client


@contextmanager
def anthropic_client(mesh):
    with anthropic.Anthropic(base_url=mesh.url, api_key=CLIENT_KEY, max_retries=0) as client:
        yield client


def user(*content) -> dict:
    return {"role": "user", "content": [{"text": c} if isinstance(c, str) else c for c in content]}


def whole(client, messages, model, **fields) -> tuple[list, str, dict]:
    response = client.converse(modelId=model, messages=messages, **fields)
    message = response["output"]["message"]
    assert message["role"] == "assistant"
    return message["content"], response["stopReason"], response["usage"]


def streamed(client, messages, model, **fields) -> tuple[list, str, dict]:
    """The answer put together from its events, as Amazon's examples do it."""
    content, reason, usage, calls = [], None, None, {}
    stream = client.converse_stream(modelId=model, messages=messages, **fields)["stream"]
    for event in stream:
        ((name, data),) = event.items()
        index = data.get("contentBlockIndex")
        if index is not None and index >= len(content):
            content.append({})
        match name:
            case "messageStart":
                assert data["role"] == "assistant" and not content
            case "contentBlockStart":
                content[index] = {"toolUse": {**data["start"]["toolUse"], "input": {}}}
                calls[index] = ""
            case "contentBlockDelta":
                delta = data["delta"]
                if "text" in delta:
                    content[index]["text"] = content[index].get("text", "") + delta["text"]
                elif "toolUse" in delta:
                    calls[index] += delta["toolUse"]["input"]
                else:
                    thought = content[index].setdefault("reasoningContent", {})
                    thought = thought.setdefault("reasoningText", {"text": ""})
                    for field, text in delta["reasoningContent"].items():
                        thought[field] = thought.get(field, "") + text
            case "contentBlockStop":
                if index in calls:
                    content[index]["toolUse"]["input"] = json.loads(calls[index] or "{}")
            case "messageStop":
                reason = data["stopReason"]
            case "metadata":
                usage = data["usage"]
    assert reason and usage
    return content, reason, usage


both = pytest.mark.parametrize("answer", [whole, streamed])


class TestClient:
    """Amazon's client."""

    @both
    @every_model
    def test_text(self, client, answer, model):
        messages = [user("Name rivers.")]
        content, reason, usage = answer(
            client,
            messages,
            model,
            system=[{"text": "Be brief."}],
            inferenceConfig={"maxTokens": 5000, "stopSequences": ["END"]},
        )
        assert content == [{"text": BedrockProvider.TEXT}]
        assert reason == "end_turn"
        assert (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]) == (21, 13, 34)

    @both
    @every_model
    def test_tool_loop(self, client, answer, model):
        messages = [user("play parallel")]
        content, reason, _ = answer(client, messages, model, toolConfig=TOOLS)
        assert reason == "tool_use"
        calls = [block["toolUse"] for block in content if "toolUse" in block]
        assert [call["input"] for call in calls] == [{"city": "Brăila"}, {"city": "Odesa"}]
        messages.append({"role": "assistant", "content": content})
        result = lambda call: {
            "toolUseId": call["toolUseId"],
            "content": [{"text": DEGREES[call["input"]["city"]]}],
        }
        messages.append(user(*({"toolResult": result(call)} for call in calls)))
        content, reason, _ = answer(client, messages, model, toolConfig=TOOLS)
        assert content == [{"text": "weather(Brăila)=21 °C; weather(Odesa)=18 °C"}]
        assert reason == "end_turn"

    @both
    @every_model
    def test_length(self, client, answer, model):
        assert answer(client, [user("play length")], model)[1] == "max_tokens"

    @both
    @pytest.mark.parametrize("model", ["gpt-5", "claude", "nova"])
    def test_a_call_without_arguments(self, client, answer, model):
        content, _, _ = answer(client, [user("play no-arguments")], model, toolConfig=TOOLS)
        assert content[-1]["toolUse"]["input"] == {}

    @both
    def test_thoughts_go_with_their_proofs(self, client, answer):
        thinking = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
        fields = {"additionalModelRequestFields": thinking, "inferenceConfig": {"maxTokens": 4000}}
        messages = [user("play think")]
        content, _, _ = answer(client, messages, "claude", **fields)
        thought = content[0]["reasoningContent"]["reasoningText"]
        assert thought["text"] == AnthropicProvider.THOUGHT and thought["signature"]
        messages += [{"role": "assistant", "content": content}, user("Name rivers.")]
        content, _, _ = answer(client, messages, "claude", **fields)
        assert content[-1] == {"text": AnthropicProvider.TEXT}

    @both
    def test_cached_tokens(self, client, answer):
        _, _, usage = answer(client, [user("play cached")], "claude")
        assert usage["inputTokens"] == 21 and usage["cacheReadInputTokens"] == 1000
        assert usage["cacheWriteInputTokens"] == 200 and usage["totalTokens"] == 1234

    def test_media(self, client, mesh):
        image = {"image": {"format": "png", "source": {"bytes": PNG}}}
        whole(client, [user("What is it?", image)], "gpt-5")
        _, image = mesh.providers.openai.last.body["messages"][0]["content"]
        assert image["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")

    def test_structured(self, client, mesh):
        schema = {"schema": json.dumps(SCHEMA), "name": "river"}
        form = {"type": "json_schema", "structure": {"jsonSchema": schema}}
        content, _, _ = whole(
            client, [user("play json")], "gpt-5", outputConfig={"textFormat": form}
        )
        assert json.loads(content[0]["text"])["river"] == "Danube"
        sent = mesh.providers.openai.last.body["response_format"]["json_schema"]
        assert (sent["name"], sent["schema"]) == ("river", SCHEMA)

    @every_model
    def test_errors(self, client, model):
        with pytest.raises(client.exceptions.ValidationException, match="."):
            whole(client, [user("play invalid")], model)
        with pytest.raises(client.exceptions.ServiceUnavailableException, match="."):
            whole(client, [user("play overloaded")], model)

    def test_limits(self, client):
        with pytest.raises(client.exceptions.ThrottlingException, match="ate limit"):
            whole(client, [user("play limited")], "gpt-5")

    def test_unknown_model(self, client):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="nobody"):
            whole(client, [user("hi")], "nobody")

    def test_what_cannot_be_said_is_refused(self, client):
        guard = {"guardrailIdentifier": "abcd", "guardrailVersion": "1"}
        with pytest.raises(client.exceptions.ValidationException, match="guardrailConfig"):
            whole(client, [user("hi")], "gpt-5", guardrailConfig=guard)

    @every_model
    @pytest.mark.parametrize("name", ["failing", "broken"])
    def test_error_in_a_stream(self, client, name, model):
        with pytest.raises(FAILED):
            streamed(client, [user(f"play {name}")], model)

    def test_keys_stay_apart(self, client, mesh):
        """Neither what signs nor what is signed goes on."""
        whole(client, [user("Name rivers.")], "nova")
        headers = mesh.providers.bedrock.last.headers
        assert headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
        leaked = [n for n, v in headers.items() if CLIENT_KEY in v or n.startswith("x-amz")]
        assert not leaked

    def test_bearer_keys(self, mesh):
        """As other clients send them: Amazon's own sends them over TLS alone."""
        body = json.dumps({"messages": [user("Name rivers.")]}).encode()
        headers = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json"}
        url = f"{mesh.url}/model/gpt-5/converse"
        request = urllib.request.Request(url, body, headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        assert answer["output"]["message"]["content"] == [{"text": BedrockProvider.TEXT}]

    def test_passed_on_as_it_is(self, client, mesh):
        """A name with a colon, and fields that the gateway does not read."""
        fields = {"performanceConfig": {"latency": "optimized"}}
        whole(client, [user("Name rivers.")], f"{CLAUDE}-v1:0", **fields)
        last = mesh.providers.bedrock.last
        assert last.path == f"/model/{CLAUDE}-v1%3A0/converse"
        assert last.body == {"messages": [user("Name rivers.")], **fields}

    def test_counting(self, client, mesh):
        asked = {"converse": {"messages": [user("Name rivers.")]}}
        few = client.count_tokens(modelId="gpt-5", input=asked)["inputTokens"]
        assert 8 < few < 25

    def test_models(self, mesh):
        client = boto3.client("bedrock", endpoint_url=mesh.url, config=config(), **KEYS, **PLACE)
        models = client.list_foundation_models()["modelSummaries"]
        assert {"gpt-5", "claude", "nova"} <= {model["modelId"] for model in models}
        model = client.get_foundation_model(modelIdentifier="gpt-5")["modelDetails"]
        assert model["modelId"] == "gpt-5"
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_foundation_model(modelIdentifier="nobody")
        client.close()

    def test_the_log_knows_the_tokens(self, client, mesh):
        """Of what is passed on, too."""
        streamed(client, [user("play length")], "nova")

        def line():
            lines = map(json.loads, mesh.access_log.read_text().splitlines())
            found = [entry for entry in lines if entry.get("dialect") == "bedrock"]
            return found and found[-1].get("stream") and found[-1]

        entry = eventually(line)
        assert (entry["input_tokens"], entry["output_tokens"]) == (21, 13)
        assert entry["stream"] and entry["model_requested"] == "nova"


class TestServer:
    """Models at Bedrock, for other clients."""

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("model", ["nova", CLAUDE])
    def test_openai(self, mesh, stream, model):
        with openai_client(mesh) as client:
            messages = [{"role": "user", "content": "play parallel"}]

            def ask():
                fields = {"model": model, "messages": messages, "tools": [FUNCTION]}
                if not stream:
                    return client.chat.completions.create(**fields)
                with client.chat.completions.stream(**fields) as events:
                    return events.get_final_completion()

            completion = ask()
            assert completion.id and completion.model == model
            (choice,) = completion.choices
            assert choice.finish_reason == "tool_calls"
            calls = choice.message.tool_calls
            messages.append(
                {
                    "role": "assistant",
                    "tool_calls": [call.model_dump(include={"id", "type"}) | {
                        "function": {"name": call.function.name, "arguments": call.function.arguments}
                    } for call in calls],
                }
            )
            for call in calls:
                content = DEGREES[json.loads(call.function.arguments)["city"]]
                messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
            completion = ask()
            (choice,) = completion.choices
            assert choice.message.content == "weather(Brăila)=21 °C; weather(Odesa)=18 °C"
            assert choice.finish_reason == "stop"
            if not stream:
                assert completion.usage.total_tokens == 34

    @pytest.mark.parametrize("stream", [False, True])
    def test_anthropic(self, mesh, stream):
        with anthropic_client(mesh) as client:
            messages = [{"role": "user", "content": "play think-tool"}]

            def ask():
                fields = {
                    "model": CLAUDE,
                    "max_tokens": 4000,
                    "messages": messages,
                    "thinking": {"type": "enabled", "budget_tokens": 2000},
                    "tools": [{"name": "weather", "input_schema": SCHEMA}],
                }
                if not stream:
                    return client.messages.create(**fields)
                with client.messages.stream(**fields) as events:
                    return events.get_final_message()

            message = ask()
            assert message.id and message.model == CLAUDE and message.stop_reason == "tool_use"
            thought, call = message.content
            assert thought.thinking == BedrockProvider.THOUGHT and thought.signature
            messages.append({"role": "assistant", "content": message.content})
            result = {"type": "tool_result", "tool_use_id": call.id, "content": "fog"}
            messages.append({"role": "user", "content": [{**result, "is_error": True}]})
            (text,) = ask().content
            assert text.text == "weather(Brăila)=!fog"
        body = mesh.providers.bedrock.last.body
        thinking = {"type": "enabled", "budget_tokens": 2000}
        assert body["additionalModelRequestFields"] == {"thinking": thinking}

    def test_request(self, mesh):
        with anthropic_client(mesh) as client:
            document = {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"},
            }
            text = {"type": "text", "text": "Sum up.", "cache_control": {"type": "ephemeral"}}
            client.messages.create(
                model=CLAUDE,
                max_tokens=50,
                system=[text],
                messages=[{"role": "user", "content": [document, text]}],
                extra_body={"top_k": 5},
            )
        body = mesh.providers.bedrock.last.body
        mark = {"cachePoint": {"type": "default"}}
        assert body["system"] == [{"text": "Sum up."}, mark]
        document = {"format": "pdf", "name": "a pdf", "source": {"bytes": "JVBERi0x"}}
        assert body["messages"][0]["content"] == [{"document": document}, {"text": "Sum up."}, mark]
        assert body["inferenceConfig"] == {"maxTokens": 50}
        assert body["additionalModelRequestFields"] == {"top_k": 5}

    def test_errors(self, mesh):
        with openai_client(mesh) as client:
            ask = lambda name: client.chat.completions.create(
                model="nova", messages=[{"role": "user", "content": f"play {name}"}]
            )
            with pytest.raises(openai.RateLimitError, match="Too many requests"):
                ask("limited")
            with pytest.raises(openai.BadRequestError, match="too long"):
                ask("invalid")
            with pytest.raises(openai.PermissionDeniedError, match="access to the model"):
                ask("denied")

    @pytest.mark.parametrize("name", ["failing", "broken"])
    def test_error_in_a_stream(self, mesh, name):
        with openai_client(mesh) as client, pytest.raises(openai.APIError):
            for _ in client.chat.completions.create(
                model="nova",
                messages=[{"role": "user", "content": f"play {name}"}],
                stream=True,
            ):
                pass


