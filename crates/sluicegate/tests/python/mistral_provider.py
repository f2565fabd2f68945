"""Mistral's API with its rules: the types that its own SDK has for requests, beyond which it takes
no field, and what else a request of a client can break."""

import copy
import itertools
import json
import re
import time

import typed
from mistralai.client import models
from provider import BREAK, Provider, Refused, pieces, script

CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")
CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
# Who may speak after whom.
AFTER = {
    None: {"system", "user", "assistant"},
    "system": {"system", "user", "assistant"},
    "user": {"system", "user", "assistant"},
    "assistant": {"user", "assistant", "tool"},
    "tool": {"assistant", "tool"},
}


def error(status: int, kind: str, message, code=None) -> Refused:
    body = {"object": "error", "message": message, "type": kind, "param": None, "code": code}
    return Refused(status, {**body, "raw_status_code": status})


def refused(mismatch: typed.Mismatch) -> Refused:
    """A field that is not known or not as it should be: 422, as its framework says it."""
    place = [int(name) if name.isdigit() else name for name in re.findall(r"\w+", mismatch.where)]
    kinds = {
        "unknown_parameter": ("extra_forbidden", "Extra inputs are not permitted"),
        "missing_required_parameter": ("missing", "Field required"),
    }
    kind, message = kinds.get(mismatch.code, ("value_error", mismatch.message))
    detail = [{"type": kind, "loc": ["body", *place], "msg": message, "input": None}]
    return error(422, "invalid_request_error", {"detail": detail})


check_chat = typed.checker(models.ChatCompletionRequestTypedDict, refused)
check_embeddings = typed.checker(models.EmbeddingRequestTypedDict, refused)


def demand(condition, kind: str, message: str, code: str) -> None:
    if not condition:
        raise error(400, kind, message, code)


def as_typed(body: dict) -> dict:
    """A request by the names that the types have for what is called otherwise on the wire."""
    body = copy.deepcopy(body)
    # It is no field of the types, but an object of which nothing is known.
    for name in body.pop("stream_options", {}):
        raise refused(typed.Mismatch(f"stream_options.{name}", "unknown_parameter", ""))
    if "input" in body:
        body["inputs"] = body.pop("input")
    schema = (body.get("response_format") or {}).get("json_schema")
    if schema:
        schema["schema_definition"] = schema.pop("schema", None)
    return body


def check(headers: dict[str, str], body: dict) -> None:
    if not headers.get("authorization", "").startswith("Bearer "):
        raise Refused(401, {"detail": "Unauthorized"})
    if headers[":path"] == EMBEDDINGS:
        check_embeddings(as_typed(body))
        return
    check_chat(as_typed(body))
    demand(0 <= (body.get("temperature") or 0) <= 1.5, "invalid_request", "temperature", "2210")
    check_messages(body["messages"])


def check_messages(messages: list) -> None:
    kind, code = "invalid_request_message_order", "3230"
    before, waiting = None, []
    for message in messages:
        role = message["role"]
        order = f"Unexpected role '{role}' after role '{before}'"
        demand(role in AFTER[before], kind, order, code)
        if role == "tool":
            call = message.get("tool_call_id")
            demand(call in waiting, kind, f"Unexpected tool call id {call} in tool results", code)
            waiting.remove(call)
        else:
            number = "Not the same number of function calls and responses"
            demand(not waiting, kind, number, code)
        for call in message.get("tool_calls") or []:
            check_call(call)
            waiting.append(call["id"])
        if role == "assistant" and not message.get("tool_calls"):
            said = "Assistant message must have either content or tool_calls, but not none."
            demand(message.get("content"), "invalid_request_assistant_message", said, "3240")
        before = role
    last = f"Expected last role User or Tool for serving but got {before}"
    demand(before in ("user", "tool"), kind, last, code)


def check_call(call: dict) -> None:
    name = call.get("id", "null")
    message = f"Tool call id was {name} but must be a-z, A-Z, 0-9, with a length of 9."
    demand(CALL_ID.fullmatch(name), "invalid_function_call", message, "3280")


def words(content) -> str:
    """What is said in a content."""
    if isinstance(content, str) or not content:
        return content or ""
    return "".join(part["text"] for part in content if part["type"] == "text")


class MistralProvider(Provider):
    """The provider. Its scripts have the names of those of the other providers."""

    TEXT = "The Danube, the Dniester and the Dnieper. Și încă trei 🌊."
    THOUGHT = "Rivers of the Black Sea: which are the greatest?"

    def __init__(self):
        self.ids = itertools.count(1)
        super().__init__()

    def serves(self, path: str) -> bool:
        return path in (CHAT, EMBEDDINGS)

    def not_found(self, path: str) -> Refused:
        return Refused(404, {"detail": "Not Found"})

    def not_json(self) -> Refused:
        return Refused(422, {"detail": [{"type": "json_invalid", "loc": ["body"], "msg": "JSON"}]})

    def answer(self, headers: dict[str, str], body: dict):
        check(headers, body)
        if headers[":path"] == EMBEDDINGS:
            return self.embeddings(body)
        messages = body["messages"]
        said = [words(message["content"]) for message in messages if message["role"] == "user"]
        name = "results" if messages[-1]["role"] == "tool" else script(said)
        message, finish, usage = self.said(name, messages)
        used = {"prompt_tokens": 21, "completion_tokens": 13, "total_tokens": 34, **usage}
        answer = {
            "id": f"cmpl{next(self.ids):028x}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
        }
        if body.get("stream"):
            return self.chunks(answer, message, finish, used, name)
        message = {"role": "assistant", "tool_calls": None, "content": "", **message}
        choice = {"index": 0, "finish_reason": finish, "message": message}
        return {**answer, "usage": used, "choices": [choice]}

    @staticmethod
    def embeddings(body: dict) -> dict:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = [
            {"object": "embedding", "index": index, "embedding": [0.5, len(text) / 100]}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 5, "total_tokens": 5, "completion_tokens": 0}
        name = {"id": "embd1", "object": "list", "model": body["model"]}
        return {**name, "data": data, "usage": usage}

    def said(self, name: str, messages: list) -> tuple[dict, str, dict]:
        text = {"content": self.TEXT}
        match name:
            case "text" | "broken" | "failing":
                return text, "stop", {}
            case "tool":
                calls = [self.call("weather", city="Brăila")]
                return {"content": "I shall look.", "tool_calls": calls}, "tool_calls", {}
            case "parallel":
                calls = [self.call("weather", city="Brăila"), self.call("weather", city="Odesa")]
                return {"tool_calls": calls}, "tool_calls", {}
            case "no-arguments":
                return {"tool_calls": [self.call("now")]}, "tool_calls", {}
            case "think":
                thought = {"type": "thinking", "thinking": [{"type": "text", "text": self.THOUGHT}]}
                return {"content": [thought, {"type": "text", "text": self.TEXT}]}, "stop", {}
            case "length":
                return text, "length", {}
            case "model-length":
                return text, "model_length", {}
            case "cached":
                details = {"prompt_tokens_details": {"cached_tokens": 1000}}
                return text, "stop", {"prompt_tokens": 1021, "total_tokens": 1034, **details}
            case "json":
                return {"content": '{"river": "Danube", "length": 2850}'}, "stop", {}
            case "results":
                return {"content": "; ".join(self.told(messages))}, "stop", {}
            case "limited":
                raise error(429, "rate_limited", "Rate limit exceeded", "1300")
            case "overloaded":
                raise error(503, "unreachable_backend", "Service unavailable.", "1100")
            case "invalid":
                message = "Prompt contains 250000 tokens, too large for model with 131072."
                raise error(400, "invalid_request_prompt", message, "3051")
            case "refused":
                raise refused(typed.Mismatch("messages[0].x", "unknown_parameter", ""))
            case _:
                raise AssertionError(f"no script is called {name}")

    def call(self, tool: str, **arguments) -> dict:
        written = json.dumps(arguments, ensure_ascii=False)
        function = {"name": tool, "arguments": written}
        name = f"c{next(self.ids):08d}"
        return {"id": name, "type": "function", "function": function, "index": 0}

    @staticmethod
    def told(messages: list) -> list[str]:
        """The last results, each with the arguments of the call that it is of."""
        calls = {c["id"]: c["function"] for m in messages for c in m.get("tool_calls") or []}
        told = []
        for message in reversed(messages):
            if message["role"] != "tool":
                break
            call = calls[message["tool_call_id"]]
            arguments = call["arguments"]
            arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
            arguments = ",".join(map(str, arguments.values()))
            told.insert(0, f"{call['name']}({arguments})={words(message['content'])}")
        return told

    def chunks(self, answer: dict, message: dict, finish: str, usage: dict, name: str) -> list:
        """Calls come whole, each in one piece, and with the end come the tokens, unasked."""

        def chunk(delta: dict, finish=None, **fields) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            data = {**answer, "object": "chat.completion.chunk", "choices": [choice], **fields}
            return f"data: {json.dumps(data)}\n\n"

        chunks = [chunk({"role": "assistant", "content": ""})]
        for content in self.streamed(message.get("content") or ""):
            chunks.append(chunk({"content": content}))
        if name == "broken":
            return [*chunks, BREAK]
        if name == "failing":
            fault = {"object": "error", "message": "Internal error", "type": "internal_error"}
            return [*chunks, f"data: {json.dumps({'error': fault})}\n\n"]
        calls = message.get("tool_calls") or []
        calls = [{**call, "index": index} for index, call in enumerate(calls)]
        end = {"content": "", **({"tool_calls": calls} if calls else {})}
        return [*chunks, chunk(end, finish, usage=usage), "data: [DONE]\n\n"]

    @staticmethod
    def streamed(content) -> list:
        """Text comes as text, thoughts come as parts."""
        if isinstance(content, str):
            return pieces(content)
        streamed: list = []
        for part in content:
            if part["type"] == "text":
                streamed += pieces(part["text"])
                continue
            for text in pieces(part["thinking"][0]["text"]):
                thought = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
                streamed.append([thought])
        return streamed
