"""Cohere's API of version 2 with its rules: the types that its own SDK has for requests, beyond which
it takes no field, the ranges that its documentation names, and the order of messages."""

import itertools
import json
import typing

import typed
from cohere.types import assistant_message_response
from cohere.v2.client import V2Client
from cohere.v2.types import v2chat_stream_response
from provider import BREAK, SOURCES, Provider, Refused, is_base64, pieces, script

CHAT, EMBED, RERANK = "/v2/chat", "/v2/embed", "/v2/rerank"
METHODS = {CHAT: V2Client.chat, EMBED: V2Client.embed, RERANK: V2Client.rerank}
# Fields and the numbers that they may be.
RANGES = {
    "temperature": (0, 1),
    "p": (0.01, 0.99),
    "k": (0, 500),
    "frequency_penalty": (0, 1),
    "presence_penalty": (0, 1),
    "max_tokens": (1, 32_768),
    "seed": (0, 2**64 - 1),
    "top_n": (1, 1_000),
}


def refuse(status: int, message: str) -> Refused:
    return Refused(status, {"id": "00000000-0000-0000-0000-000000000000", "message": message})


def refused(mismatch: typed.Mismatch) -> Refused:
    if mismatch.code == "unknown_parameter":
        return refuse(422, f"unknown field: parameter '{mismatch.where}' is not a valid field")
    return refuse(400, f"invalid request: {mismatch}")


def demand(condition, message: str) -> None:
    if not condition:
        raise refuse(400, f"invalid request: {message}")


def parameters(method) -> dict[str, typing.Any]:
    """The fields of a request and their types, as the SDK has them for the arguments of a method."""
    hints = typing.get_type_hints(method)
    return {name: hints[name] for name in hints if name not in ("request_options", "return")}


def is_required(kind) -> bool:
    return type(None) not in typing.get_args(kind)


def check(path: str, body: dict) -> None:
    known = parameters(METHODS[path])
    if path == CHAT:
        known["stream"] = typing.Optional[bool]
    for name, kind in known.items():
        if is_required(kind) and name not in body:
            raise refuse(400, f"invalid request: {name} must be set")
    for name, value in body.items():
        if name not in known:
            raise refused(typed.Mismatch(name, "unknown_parameter", ""))
        typed.checker(known[name], refused_at(name))(value)
        if name in RANGES and value is not None:
            low, high = RANGES[name]
            demand(low <= value <= high, f"{name} must be between {low} and {high} inclusive.")


def refused_at(name: str):
    """The refusal of what does not fit in a field."""

    def run(mismatch: typed.Mismatch) -> Refused:
        where = f"{name}.{mismatch.where}".replace(".[", "[").rstrip(".")
        return refused(typed.Mismatch(where, mismatch.code, mismatch.message))

    return run


def check_chat(body: dict) -> None:
    check_messages(body["messages"])
    tools = body.get("tools")
    demand(tools or not body.get("tool_choice"), "tool_choice requires tools to be specified")
    demand(tools or not body.get("strict_tools"), "strict_tools requires tools")
    for tool in tools or []:
        schema = tool["function"]["parameters"]
        demand(schema.get("type") == "object", "the parameters of a tool are an object")
    if (body.get("response_format") or {}).get("type") == "json_object":
        both = "response_format cannot be used with tools or documents"
        demand(not tools and not body.get("documents"), both)
    demand(len(body.get("stop_sequences") or []) <= 5, "at most 5 stop sequences")
    budget = (body.get("thinking") or {}).get("token_budget")
    demand(budget is None or budget > 0, "token_budget must be a positive integer")


def check_messages(messages: list) -> None:
    waiting: list[str] = []
    for message in messages:
        role = message["role"]
        if role == "tool":
            call = message["tool_call_id"]
            demand(call in waiting, f"tool_call_id {call} is of no call before it")
            waiting.remove(call)
        else:
            demand(not waiting, "every tool call needs a result behind it")
        demand(message.get("content") or message.get("tool_calls"), "all messages need content")
        if role == "assistant":
            planned = message.get("tool_plan") is not None
            demand(not planned or message.get("tool_calls"), "tool_plan goes with tool_calls")
            waiting = [call["id"] for call in message.get("tool_calls") or []]
            for call in message.get("tool_calls") or []:
                arguments = json.loads(call["function"]["arguments"])
                demand(isinstance(arguments, dict), "arguments are an object")
        for part in message["content"] if isinstance(message.get("content"), list) else []:
            check_image(part)
    last = messages[-1]["role"] if messages else None
    demand(last in ("user", "tool"), "the last message must be from a user or a tool")


def check_image(part: dict) -> None:
    if part["type"] != "image_url":
        return
    head, _, data = part["image_url"]["url"].partition(";base64,")
    is_data = head.startswith("data:image/") and is_base64(data)
    demand(is_data or head.startswith("https://"), "an image is a data URL or on the web")


def words(content) -> str:
    """What is said in a content."""
    if isinstance(content, str) or not content:
        return content or ""
    return "".join(part["text"] for part in content if part["type"] == "text")


class CohereProvider(Provider):
    """The provider. Its scripts have the names of those of the other providers."""

    TEXT = "The Danube, the Dniester and the Dnieper. Și încă trei 🌊."
    THOUGHT = "Rivers of the Black Sea: which are the greatest?"
    PLAN = "I shall look."

    def __init__(self):
        self.ids = itertools.count(1)
        super().__init__()

    def serves(self, path: str) -> bool:
        return path in METHODS

    def not_found(self, path: str) -> Refused:
        return Refused(404, {"message": f"404 page not found: {path}"})

    def not_json(self) -> Refused:
        return refuse(400, "invalid json")

    def answer(self, headers: dict[str, str], body: dict):
        if not headers.get("authorization", "").startswith("Bearer "):
            raise Refused(401, {"message": "no api key supplied"})
        path = headers[":path"]
        check(path, body)
        if path == EMBED:
            return self.embeddings(body)
        if path == RERANK:
            return self.ranking(body)
        check_chat(body)
        return self.chat(body)

    def name(self) -> str:
        return f"c14c80c3-18eb-4519-9460-{next(self.ids):012x}"

    def embeddings(self, body: dict) -> dict:
        texts = body.get("texts") or [words(one["content"]) for one in body.get("inputs") or []]
        demand(texts, "texts, images or inputs must be set")
        size = body.get("output_dimension") or 4
        vectors = {}
        for kind in body.get("embedding_types") or ["float"]:
            one = {"float": 0.5, "int8": 64, "uint8": 191, "binary": 3, "ubinary": 131}.get(kind)
            vectors[kind] = [[one] * (size - 1) + [len(text) / 128] for text in texts]
            if kind != "float":
                vectors[kind] = [[one] * size for _ in texts]
        meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 5}}
        answer = {"id": self.name(), "embeddings": vectors, "texts": texts, "meta": meta}
        return {**answer, "response_type": "embeddings_by_type"}

    def ranking(self, body: dict) -> dict:
        """The more words a document has of the query, the better."""
        query = set(body["query"].lower().split())
        found = [len(query & set(text.lower().split())) for text in body["documents"]]
        order = sorted(range(len(found)), key=lambda index: -found[index])
        results = [
            {"index": index, "relevance_score": found[index] / max(len(query), 1)}
            for index in order[: body.get("top_n") or len(found)]
        ]
        meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
        return {"id": self.name(), "results": results, "meta": meta}

    def chat(self, body: dict):
        messages = body["messages"]
        said = [words(message.get("content")) for message in messages if message["role"] == "user"]
        name = "results" if messages[-1]["role"] == "tool" else script(said)
        message, finish, used = self.said(name, messages)
        tokens = {"input_tokens": 21.0, "output_tokens": 13.0}
        usage = {"billed_units": dict(tokens), "tokens": {**tokens, "input_tokens": 21.0}, **used}
        if body.get("stream"):
            return self.events(message, finish, usage, name)
        message = {"role": "assistant", **message}
        # Its own SDK takes it as it is.
        assistant_message_response.AssistantMessageResponse.model_validate(message)
        answer = {"id": self.name(), "message": message, "finish_reason": finish, "usage": usage}
        if body.get("logprobs"):
            answer["logprobs"] = [{"text": "The", "token_ids": [11], "logprobs": [-0.5]}]
        return answer

    def said(self, name: str, messages: list) -> tuple[dict, str, dict]:
        def text(said: str) -> dict:
            return {"content": [{"type": "text", "text": said}]}

        match name:
            case "text" | "broken" | "failing":
                return text(self.TEXT), "COMPLETE", {}
            case "tool":
                calls = [self.call("weather", city="Brăila")]
                return {"tool_plan": self.PLAN, "tool_calls": calls}, "TOOL_CALL", {}
            case "parallel":
                calls = [self.call("weather", city="Brăila"), self.call("weather", city="Odesa")]
                return {"tool_calls": calls}, "TOOL_CALL", {}
            case "no-arguments":
                return {"tool_calls": [self.call("now")]}, "TOOL_CALL", {}
            case "think":
                thought = {"type": "thinking", "thinking": self.THOUGHT}
                content = [thought, {"type": "text", "text": self.TEXT}]
                return {"content": content}, "COMPLETE", {}
            case "length":
                return text(self.TEXT), "MAX_TOKENS", {}
            case "stop":
                return text(self.TEXT), "STOP_SEQUENCE", {}
            case "toxic":
                return text("The"), "ERROR_TOXIC", {}
            case "cached":
                tokens = {"input_tokens": 1021.0, "output_tokens": 13.0}
                return text(self.TEXT), "COMPLETE", {"tokens": tokens, "cached_tokens": 1000.0}
            case "cited":
                cited = [self.cited(*source) for source in SOURCES]
                return {**text(self.TEXT), "citations": cited}, "COMPLETE", {}
            case "json":
                return text('{"river": "Danube", "length": 2850}'), "COMPLETE", {}
            case "results":
                return text("; ".join(self.told(messages))), "COMPLETE", {}
            case "limited":
                message = "You are past the per minute request limit, please wait and try again."
                raise Refused(429, {"message": message}, retry_after="3")
            case "overloaded":
                raise Refused(503, {"message": "the model is overloaded"})
            case "invalid":
                raise refuse(400, "too many tokens: total number of tokens is 250000")
            case _:
                raise AssertionError(f"no script is called {name}")

    def cited(self, words: str, url: str, title: str, quote: str) -> dict:
        begin = self.TEXT.index(words)
        place = {"start": begin, "end": begin + len(words), "text": words}
        document = {"id": f"doc:{title}", "url": url, "title": title, "snippet": quote}
        sources = [{"type": "document", "id": document["id"], "document": document}]
        return {**place, "sources": sources, "content_index": 0, "type": "TEXT_CONTENT"}

    def call(self, tool: str, **arguments) -> dict:
        written = json.dumps(arguments, ensure_ascii=False)
        name = f"{tool}_{next(self.ids):012x}"
        return {"id": name, "type": "function", "function": {"name": tool, "arguments": written}}

    @staticmethod
    def told(messages: list) -> list[str]:
        """The last results, each with the arguments of the call that it is of."""
        calls = {c["id"]: c["function"] for m in messages for c in m.get("tool_calls") or []}
        told = []
        for message in reversed(messages):
            if message["role"] != "tool":
                break
            call = calls[message["tool_call_id"]]
            arguments = ",".join(map(str, json.loads(call["arguments"]).values()))
            told.insert(0, f"{call['name']}({arguments})={words(message['content'])}")
        return told

    def events(self, message: dict, finish: str, usage: dict, name: str) -> list:
        empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}
        empty["citations"] = []
        events = [event("message-start", id=self.name(), delta={"message": empty})]
        for text in pieces(message.get("tool_plan") or ""):
            events.append(event("tool-plan-delta", delta={"message": {"tool_plan": text}}))
        for index, block in enumerate(message.get("content") or []):
            events += self.block(index, block)
        for index, citation in enumerate(message.get("citations") or []):
            start = {"message": {"citations": citation}}
            events.append(event("citation-start", index=index, delta=start))
            events.append(event("citation-end", index=index))
        if name == "broken":
            return [*events[:-1], BREAK]
        if name == "failing":
            failed = {"error": "internal server error", "finish_reason": "ERROR"}
            return [*events, event("message-end", delta=failed), DONE]
        for index, call in enumerate(message.get("tool_calls") or []):
            events += self.streamed_call(index, call)
        end = {"finish_reason": finish, "usage": usage}
        return [*events, event("message-end", delta=end), DONE]

    @staticmethod
    def block(index: int, block: dict) -> list[str]:
        kind = block["type"]

        def content(name: str, **fields) -> str:
            return event(name, index=index, delta={"message": {"content": fields}})

        deltas = [content("content-delta", **{kind: text}) for text in pieces(block[kind])]
        start = content("content-start", type=kind, **{kind: ""})
        return [start, *deltas, event("content-end", index=index)]

    @staticmethod
    def streamed_call(index: int, call: dict) -> list[str]:
        def piece(name: str, **fields) -> str:
            return event(name, index=index, delta={"message": {"tool_calls": fields}})

        arguments = call["function"]["arguments"]
        start = {**call, "function": {"name": call["function"]["name"], "arguments": ""}}
        deltas = [
            piece("tool-call-delta", function={"arguments": text}) for text in pieces(arguments)
        ]
        return [piece("tool-call-start", **start), *deltas, event("tool-call-end", index=index)]


DONE = "data: [DONE]\n\n"
EVENTS = {
    typing.get_args(kind.model_fields["type"].annotation)[0]: kind
    for kind in typing.get_args(typed.bare(v2chat_stream_response.V2ChatStreamResponse))
}


def event(name: str, **fields) -> str:
    """An event that the SDK has a type for."""
    data = {"type": name, **fields}
    EVENTS[name].model_validate(data)
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
