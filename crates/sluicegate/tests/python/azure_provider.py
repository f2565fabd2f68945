"""Azure OpenAI with its rules: OpenAI's, but for the key's header, names of deployments, errors,
and what its filters add to answers and streams."""

import base64
import json
import struct

from openai_provider import OpenAiProvider, demand, fields
from provider import BREAK, Refused

CHAT, EMBEDDINGS = "/openai/v1/chat/completions", "/openai/v1/embeddings"
DEPLOYMENTS = ("our-chat", "our-vectors")
HARMLESS = {
    name: {"filtered": False, "severity": "safe"}
    for name in ("hate", "self_harm", "sexual", "violence")
}
PROMPT = [{"prompt_index": 0, "content_filter_results": HARMLESS}]


def error(number: int, code: str, message: str, **more) -> Refused:
    return Refused(number, {"error": {"code": code, "message": message, **more}})


def check(headers: dict[str, str], body: dict) -> None:
    if not headers.get("api-key") or "authorization" in headers:
        message = "Access denied due to invalid subscription key or wrong API endpoint."
        raise error(401, "401", message)
    if body.get("model") not in DEPLOYMENTS:
        message = "The API deployment for this resource does not exist."
        raise error(404, "DeploymentNotFound", message)


def vector(text: str, form: str):
    numbers = [0.5, len(text) / 128]
    if form == "float":
        return numbers
    return base64.b64encode(struct.pack("<2f", *numbers)).decode()


class AzureProvider(OpenAiProvider):
    """The provider. It has the scripts of OpenAI's, and `filtered`."""

    def serves(self, path: str) -> bool:
        return path in (CHAT, EMBEDDINGS)

    def not_found(self, path: str) -> Refused:
        return error(404, "404", "Resource not found")

    def answer(self, headers: dict[str, str], body: dict):
        check(headers, body)
        if headers[":path"] == EMBEDDINGS:
            return self.embeddings(body)
        bearer = {**headers, "authorization": f"Bearer {headers['api-key']}"}
        return self.filtered(super().answer(bearer, body))

    def said(self, name: str, body: dict):
        if name != "filtered":
            return super().said(name, body)
        inner = {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {**HARMLESS, "jailbreak": {"filtered": True}},
        }
        message = "The response was filtered due to the prompt triggering our policy."
        more = {"type": None, "param": "prompt", "status": 400, "innererror": inner}
        raise error(400, "content_filter", message, **more)

    @staticmethod
    def embeddings(body: dict) -> dict:
        fields("", body, {"model", "input"}, {"encoding_format", "dimensions", "user"})
        form = body.get("encoding_format", "float")
        demand(form in ("float", "base64"), "Invalid value", "encoding_format")
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = [
            {"object": "embedding", "index": index, "embedding": vector(text, form)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        return {"object": "list", "model": "text-embedding-3-small", "data": data, "usage": usage}

    def filtered(self, answer):
        """An answer with what the filters say of it: a stream begins with a word about the prompt,
        which has neither id nor model nor choices."""
        if isinstance(answer, dict):
            for choice in answer["choices"]:
                choice["content_filter_results"] = HARMLESS
            return {**answer, "model": "gpt-5-2025-08-07", "prompt_filter_results": PROMPT}
        first = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
        first["prompt_filter_results"] = PROMPT
        return [f"data: {json.dumps(first)}\n\n", *map(self.filtered_chunk, answer)]

    @staticmethod
    def filtered_chunk(event):
        if event is BREAK or "[DONE]" in event or '"error"' in event:
            return event
        chunk = json.loads(event.removeprefix("data: "))
        chunk["model"] = "gpt-5-2025-08-07"
        for choice in chunk["choices"]:
            choice["content_filter_results"] = HARMLESS if choice["delta"].get("content") else {}
        return f"data: {json.dumps(chunk)}\n\n"
