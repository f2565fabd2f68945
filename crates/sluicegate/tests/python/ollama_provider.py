"""A simulated Ollama server: its types, refused where Go would refuse them, and unknown fields too."""

import itertools
import json

from provider import BREAK, Provider, Refused, is_base64, pieces, script

CHAT, EMBED = "/api/chat", "/api/embed"
TOP = {
    *("model", "messages", "stream", "format", "keep_alive", "tools", "options", "think"),
    *("logprobs", "top_logprobs", "truncate", "shift"),
}
MESSAGE = {*("role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id")}
OPTIONS = {
    **dict.fromkeys(("num_predict", "top_k", "seed", "num_ctx"), int),
    **dict.fromkeys(("temperature", "top_p", "min_p"), (int, float)),
    **dict.fromkeys(("frequency_penalty", "presence_penalty", "repeat_penalty"), (int, float)),
    "stop": list,
}


def error(status: int, message: str) -> Refused:
    return Refused(status, {"error": message})


def demand(condition, message: str) -> None:
    if not condition:
        raise error(400, message)


def fields(where: str, value, must: dict, may: set) -> None:
    """The fields of an object: those that must be there with their types, and others."""
    demand(isinstance(value, dict), f"json: cannot unmarshal into Go value of type {where}")
    for name, kind in must.items():
        demand(isinstance(value.get(name), kind), f"json: cannot unmarshal {where}.{name}")
    unknown = sorted(value.keys() - must.keys() - may)
    demand(not unknown, f"json: unknown field {unknown}")


def check(body: dict) -> None:
    fields("ChatRequest", body, {"model": str, "messages": list}, TOP)
    demand(body["model"], "model is required")
    think = body.get("think", True)
    demand(think in (True, False, "low", "medium", "high", "max"), f"invalid think value: {think}")
    form = body.get("format", "json")
    demand(form == "json" or isinstance(form, dict), f"invalid format: {form!r}; expected json")
    for name, value in body.get("options", {}).items():
        demand(name in OPTIONS, f"invalid option provided {name}")
        demand(isinstance(value, OPTIONS[name]), f"option {name!r} must be of another type")
    for tool in body.get("tools", []):
        fields("Tool", tool, {"type": str, "function": dict}, set())
        function = tool["function"]
        fields("ToolFunction", function, {"name": str, "parameters": dict}, {"description"})
        demand(function["parameters"].get("type") == "object", "parameters must be an object")
    calls = []
    for message in body["messages"]:
        check_message(message, calls)


def check_message(message: dict, calls: list) -> None:
    fields("Message", message, {"role": str}, MESSAGE)
    demand(isinstance(message.get("content", ""), str), "json: cannot unmarshal Message.content")
    role = message["role"]
    demand(role in ("system", "user", "assistant", "tool"), f"invalid role: {role}")
    for image in message.get("images", []):
        demand(is_base64(image), "illegal base64 data at input byte 0")
    for call in message.get("tool_calls", []):
        fields("ToolCall", call, {"function": dict}, {"id"})
        fields("ToolCallFunction", call["function"], {"name": str, "arguments": dict}, {"index"})
        calls.append(call)
    if role == "tool":
        demand(call_of(message, calls), "a tool's result is of no call")


def call_of(result: dict, calls: list) -> "dict | None":
    """The call that a result is of, and of no further result: by its id, else by its tool."""
    for call in calls:
        by_id = result.get("tool_call_id")
        name = call["function"]["name"]
        if call.get("id") == by_id if by_id else name == result.get("tool_name"):
            calls.remove(call)
            return call
    return None


class OllamaProvider(Provider):
    """The server. Its scripts have the names of those of the other providers."""

    STREAM_TYPE = "application/x-ndjson"
    TEXT = "The Danube, the Dniester and the Dnieper. Și încă trei 🌊."
    THOUGHT = "Rivers of the Black Sea: which are the greatest?"

    def __init__(self):
        self.ids = itertools.count(1)
        super().__init__()

    def serves(self, path: str) -> bool:
        return path in (CHAT, EMBED)

    def not_found(self, path: str) -> Refused:
        return error(404, f"{path} not found")

    def not_json(self) -> Refused:
        return error(400, "invalid character looking for beginning of value")

    def answer(self, headers: dict[str, str], body: dict):
        if headers[":path"] == EMBED:
            return self.embeddings(body)
        check(body)
        last = body["messages"][-1]
        texts = [m.get("content", "") for m in body["messages"] if m["role"] == "user"]
        name = "results" if last["role"] == "tool" else script(texts)
        said, reason = self.said(name, body)
        head = {"model": body["model"], "created_at": "2026-01-27T12:00:30.123456789Z"}
        end = {
            "done": True,
            "done_reason": reason,
            **dict.fromkeys(("total_duration", "load_duration"), 5_000_000),
            **{"prompt_eval_count": 21, "prompt_eval_duration": 1_000_000},
            **{"eval_count": 13, "eval_duration": 2_000_000},
        }
        if body.get("stream", True):
            return self.lines(head, said, end, name)
        return {**head, "message": {"role": "assistant", "content": "", **said}, **end}

    @staticmethod
    def embeddings(body: dict) -> dict:
        optional = {"truncate", "dimensions", "options", "keep_alive"}
        fields("EmbedRequest", body, {"model": str, "input": (str, list)}, optional)
        demand(isinstance(body.get("truncate", True), bool), "truncate is a boolean")
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        demand(texts and all(isinstance(text, str) for text in texts), "invalid input type")
        size = body.get("dimensions", 8)
        demand(size > 0, "dimensions must be positive")
        long = any(len(text) > 4_000 for text in texts)
        demand(not long or body.get("truncate", True), "the input length exceeds the context length")
        vectors = [[0.1, *[len(text) / 128] * (size - 1)] for text in texts]
        durations = dict.fromkeys(("total_duration", "load_duration"), 5_000_000)
        return {"model": body["model"], "embeddings": vectors, **durations, "prompt_eval_count": 5}

    def said(self, name: str, body: dict) -> tuple[dict, str]:
        text = {"content": self.TEXT}
        match name:
            case "text" | "broken" | "failing":
                return text, "stop"
            case "tool":
                calls = [self.call("weather", city="Brăila")]
                return {"content": "I shall look.", "tool_calls": calls}, "stop"
            case "parallel":
                calls = [self.call("weather", city="Brăila"), self.call("weather", city="Odesa")]
                return {"tool_calls": calls}, "stop"
            case "no-arguments":
                return {"tool_calls": [self.call("now")]}, "stop"
            case "think":
                return {"thinking": self.THOUGHT, **text}, "stop"
            case "length":
                return text, "length"
            case "json":
                return {"content": '{"river": "Danube", "length": 2850}'}, "stop"
            case "results":
                return {"content": "; ".join(self.told(body["messages"]))}, "stop"
            case "overloaded":
                raise error(503, "server busy, please try again.  maximum pending requests exceeded")
            case "invalid":
                raise error(400, f"{body['model']!r} does not support thinking")
            case "missing":
                raise error(404, f"model '{body['model']}' not found")
            case _:
                raise AssertionError(f"no script is called {name}")

    def call(self, tool: str, **arguments) -> dict:
        function = {"index": 0, "name": tool, "arguments": arguments}
        return {"id": f"call_{next(self.ids)}", "function": function}

    @staticmethod
    def told(messages: list) -> list[str]:
        """The last results, each with the arguments of the call that it is of."""
        calls, told = [], []
        for message in messages:
            if message["role"] == "tool":
                call = call_of(message, calls)["function"]
                demand(message["tool_name"] == call["name"], "the result is of another tool")
                arguments = ",".join(map(str, call["arguments"].values()))
                told.append(f"{call['name']}({arguments})={message['content']}")
            else:
                calls, told = list(message.get("tool_calls", [])), []
        return told

    def lines(self, head: dict, said: dict, end: dict, name: str) -> list:
        def line(rest: dict, **message) -> str:
            message = {"role": "assistant", "content": "", **message}
            return json.dumps({**head, "message": message, **rest}) + "\n"

        more = {"done": False}
        lines = [line(more, thinking=text) for text in pieces(said.get("thinking", ""))]
        lines += [line(more, content=text) for text in pieces(said.get("content", ""))]
        if name == "broken":
            return [*lines, BREAK]
        if name == "failing":
            return [*lines, json.dumps({"error": "llama runner process has terminated"}) + "\n"]
        lines += [line(more, tool_calls=[call]) for call in said.get("tool_calls", [])]
        return [*lines, line(end)]
