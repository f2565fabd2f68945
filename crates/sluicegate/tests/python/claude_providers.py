"""Anthropic's models at Google's Vertex AI and at Amazon Bedrock: Anthropic's rules, in the envelope
of each cloud."""

import base64
import json
import re
from urllib.parse import unquote

from anthropic_provider import AnthropicProvider, demand, fields
from bedrock_provider import frame
from provider import BREAK, Refused

PROJECT = "/v1/projects/our-project/locations/europe-west1"
VERTEX = re.compile(f"{PROJECT}/publishers/anthropic/models/([^/:]+):(rawPredict|streamRawPredict)")
INVOKE = re.compile(r"/model/([^/]+)/(invoke|invoke-with-response-stream)")
AT_VERTEX, AT_BEDROCK = "claude-sonnet-4-5@20250929", "eu.anthropic.claude-sonnet-4-5-v1:0"


def as_own(headers: dict[str, str]) -> dict[str, str]:
    """The headers with which Anthropic itself would have been asked."""
    return {**headers, "x-api-key": "theirs", "anthropic-version": "2023-06-01"}


class VertexProvider(AnthropicProvider):
    """Names the model in the path, and the version in the body."""

    def serves(self, path: str) -> bool:
        return VERTEX.fullmatch(path) is not None

    def not_found(self, path: str) -> Refused:
        return Refused(404, {"error": {"code": 404, "message": "Not Found", "status": "NOT_FOUND"}})

    def answer(self, headers: dict[str, str], body: dict):
        if not headers.get("authorization", "").startswith("Bearer "):
            raise Refused(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
        if "play quota" in str(body):
            fault = {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}
            raise Refused(429, {"error": fault})
        name, method = VERTEX.fullmatch(headers[":path"]).groups()
        body = dict(body)
        version = body.pop("anthropic_version", None)
        demand(version == "vertex-2023-10-16", "anthropic_version: Field required")
        if name == "count-tokens":
            fields("count_tokens", body, {"model", "messages"}, {"system", "tools", "thinking"})
            return {"input_tokens": 77}
        demand("model" not in body, "model: Extra inputs are not permitted")
        streams = body.get("stream", False)
        demand(streams == (method == "streamRawPredict"), "stream: not as the path says")
        model = unquote(name).replace("@", "-")
        return super().answer(as_own(headers), {"model": model, **body})


class BedrockClaudeProvider(AnthropicProvider):
    """Names the model and the wish for a stream in the path, and version and betas in the body."""

    STREAM_TYPE = "application/vnd.amazon.eventstream"

    def serves(self, path: str) -> bool:
        return INVOKE.fullmatch(path) is not None

    def not_found(self, path: str) -> Refused:
        return Refused(404, {"message": "Unknown"}, x_amzn_ErrorType="UnknownOperationException")

    def answer(self, headers: dict[str, str], body: dict):
        if not headers.get("authorization", "").startswith("Bearer "):
            raise Refused(403, {"message": "Missing Authentication Token"})
        name, method = INVOKE.fullmatch(headers[":path"]).groups()
        body = dict(body)
        try:
            version = body.pop("anthropic_version", None)
            demand(version == "bedrock-2023-05-31", "anthropic_version: Field required")
            demand(not {"model", "stream"} & body.keys(), "Extra inputs are not permitted")
            betas = body.pop("anthropic_beta", [])
            demand(all(isinstance(beta, str) for beta in betas), "anthropic_beta: not strings")
            body["stream"] = method == "invoke-with-response-stream"
            answer = super().answer(as_own(headers), {"model": unquote(name), **body})
        except Refused as refused:
            raise in_amazons_words(refused) from None
        return in_messages(answer) if body["stream"] else answer


def in_amazons_words(refused: Refused) -> Refused:
    names = {429: "ThrottlingException", 529: "ServiceUnavailableException"}
    status = {529: 503}.get(refused.status, refused.status)
    name = names.get(refused.status, "ValidationException")
    message = refused.body["error"]["message"]
    return Refused(status, {"message": message}, x_amzn_ErrorType=name)


def in_messages(events: list) -> list:
    """The events of a stream, each in a message of Amazon's."""
    out: list = []
    for event in events:
        if event is BREAK:
            return [*out, BREAK]
        data = event.split("data: ", 1)[1].strip()
        if json.loads(data)["type"] == "error":
            said = {"message": "The system encountered an unexpected error"}
            return [*out, frame("exception", "internalServerException", said)]
        if json.loads(data)["type"] == "message_stop":
            metrics = {"inputTokenCount": 21, "outputTokenCount": 13, "invocationLatency": 7}
            said = {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}
            data = json.dumps(said)
        chunk = {"bytes": base64.b64encode(data.encode()).decode(), "p": "abcdefgh"}
        out.append(frame("event", "chunk", chunk))
    return out
