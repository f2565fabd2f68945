"""OpenAI's chat completions with their rules, as far as a request of a client can break them."""

import itertools
import json
import re

from provider import BREAK, SOURCES, Provider, Refused, is_base64, pieces, script

TOP = {
    *("model", "messages", "max_completion_tokens", "temperature", "top_p", "n", "stop", "seed"),
    *("frequency_penalty", "presence_penalty", "logprobs", "top_logprobs", "logit_bias", "user"),
    *("tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort"),
    *("stream", "stream_options", "service_tier", "metadata", "store", "modalities", "verbosity"),
    *("prediction", "prompt_cache_key", "safety_identifier", "web_search_options", "audio"),
}
MESSAGES = {
    "system": {"content", "name"},
    "developer": {"content", "name"},
    "user": {"content", "name"},
    "assistant": {"content", "name", "refusal", "tool_calls", "audio"},
    "tool": {"content", "tool_call_id"},
}
PARTS = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def error(status: int, kind: str, message: str, param=None, code=None, **headers: str) -> Refused:
    fault = {"message": message, "type": kind, "param": param, "code": code}
    return Refused(status, {"error": fault}, **headers)


def demand(condition, message: str, param: str, code: str = "invalid_value") -> None:
    if not condition:
        raise error(400, "invalid_request_error", message, param, code)


def fields(where: str, value, must: set, may: set) -> None:
    demand(isinstance(value, dict), f"Invalid type for '{where}'", where, "invalid_type")
    at = f"{where}." if where else ""
    for name in sorted(must - value.keys()):
        path = f"{at}{name}"
        demand(False, f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
    for name in sorted(value.keys() - must - may):
        path = f"{at}{name}"
        demand(False, f"Unknown parameter: '{path}'.", path, "unknown_parameter")


def check(headers: dict[str, str], body: dict) -> None:
    if not headers.get("authorization", "").startswith("Bearer "):
        raise error(401, "invalid_request_error", "You didn't provide an API key.")
    if "max_tokens" in body:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        demand(False, f"{message}'max_completion_tokens'.", "max_tokens", "unsupported_parameter")
    fields("", body, {"model", "messages"}, TOP)
    streamed = body.get("stream")
    message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    demand(streamed or "stream_options" not in body, message, "stream_options")
    if "stream_options" in body:
        fields("stream_options", body["stream_options"], set(), {"include_usage"})
    check_sampling(body)
    check_tools(body)
    check_format(body)
    check_messages(body["messages"])


def check_sampling(body: dict) -> None:
    bound = body.get("max_completion_tokens", 1)
    is_count = type(bound) is int and bound > 0
    demand(is_count, "Invalid 'max_completion_tokens'", "max_completion_tokens")
    demand(0 <= body.get("temperature", 1) <= 2, "Invalid 'temperature'", "temperature")
    demand(0 <= body.get("top_p", 1) <= 1, "Invalid 'top_p'", "top_p")
    stop = body.get("stop") or []
    demand(isinstance(stop, str) or 1 <= len(stop) <= 4 or "stop" not in body, "Invalid", "stop")
    efforts = ("none", "minimal", "low", "medium", "high", "xhigh")
    effort = body.get("reasoning_effort", "low")
    demand(effort in efforts, "Invalid value", "reasoning_effort")
    tiers = ("auto", "default", "flex", "scale", "priority")
    demand(body.get("service_tier", "auto") in tiers, "Invalid value", "service_tier")


def check_tools(body: dict) -> None:
    for name in ("tool_choice", "parallel_tool_calls"):
        message = f"'{name}' is only allowed when 'tools' are specified."
        demand(name not in body or body.get("tools"), message, name)
    names = set()
    for index, tool in enumerate(body.get("tools", [])):
        where = f"tools[{index}]"
        fields(where, tool, {"type", "function"}, set())
        demand(tool["type"] == "function", "Invalid value", f"{where}.type")
        function = tool["function"]
        may = {"description", "parameters", "strict"}
        fields(f"{where}.function", function, {"name"}, may)
        path = f"{where}.function.name"
        demand(NAME.fullmatch(function["name"]), f"Invalid '{path}': string does not match", path)
        schema = function.get("parameters", {"type": "object"})
        path = f"{where}.function.parameters"
        demand(schema.get("type") == "object", "schema must be of type 'object'", path)
        names.add(function["name"])
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, str):
        demand(choice in ("auto", "none", "required"), "Invalid value", "tool_choice")
    else:
        fields("tool_choice", choice, {"type", "function"}, set())
        fields("tool_choice.function", choice["function"], {"name"}, set())
        known = choice["function"]["name"] in names
        demand(known, "Tool choice not found in 'tools' parameter.", "tool_choice")


def check_format(body: dict) -> None:
    form = body.get("response_format", {"type": "text"})
    if form.get("type") == "json_schema":
        fields("response_format", form, {"type", "json_schema"}, set())
        schema = form["json_schema"]
        where = "response_format.json_schema"
        fields(where, schema, {"name"}, {"schema", "strict", "description"})
        demand(NAME.fullmatch(schema["name"]), "Invalid name", f"{where}.name")
    else:
        fields("response_format", form, {"type"}, set())
        demand(form["type"] in ("text", "json_object"), "Invalid value", "response_format.type")


def check_messages(messages: list) -> None:
    demand(messages, "Invalid 'messages': empty array.", "messages", "empty_array")
    waiting: list[str] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        role = message.get("role")
        demand(role in MESSAGES, f"Invalid value: '{role}'.", f"{where}.role")
        fields(where, message, {"role"}, MESSAGES[role])
        if role == "tool":
            call = message.get("tool_call_id")
            demand(
                call in waiting,
                f"Invalid parameter: messages with role 'tool' must be a response to a "
                f"preceeding message with 'tool_calls'; {call} is of none.",
                f"{where}.role",
            )
            waiting.remove(call)
        else:
            unanswered(waiting, where)
        calls = message.get("tool_calls", [])
        demand(calls or "tool_calls" not in message, "Invalid: empty array.", f"{where}.tool_calls")
        for at, call in enumerate(calls):
            check_call(f"{where}.tool_calls[{at}]", call)
            waiting.append(call["id"])
        check_content(where, message)
    unanswered(waiting, f"messages[{len(messages)}]")


def unanswered(waiting: list[str], where: str) -> None:
    demand(
        not waiting,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        "each 'tool_call_id'. The following tool_call_ids did not have response messages: "
        + ", ".join(waiting),
        f"{where}.role",
    )


def check_call(where: str, call: dict) -> None:
    fields(where, call, {"id", "type", "function"}, set())
    demand(call["type"] == "function", "Invalid value", f"{where}.type")
    demand(len(call["id"]) <= 64, "string too long", f"{where}.id", "string_above_max_length")
    fields(f"{where}.function", call["function"], {"name", "arguments"}, set())
    arguments = call["function"]["arguments"]
    path = f"{where}.function.arguments"
    demand(isinstance(arguments, str), "Invalid type: expected a string", path, "invalid_type")


def check_content(where: str, message: dict) -> None:
    role, content = message["role"], message.get("content")
    path = f"{where}.content"
    if content is None:
        silent = role == "assistant" and (message.get("tool_calls") or message.get("refusal"))
        demand(silent, "Invalid value for 'content': expected a string, got null.", path)
        return
    if isinstance(content, str):
        return
    demand(isinstance(content, list), f"Invalid type for '{path}'", path, "invalid_type")
    demand(content, f"Invalid '{path}': empty array.", path, "empty_array")
    for index, part in enumerate(content):
        check_part(f"{path}[{index}]", part, role)


def check_part(where: str, part: dict, role: str) -> None:
    kind = part.get("type")
    demand(kind in PARTS[role], f"Invalid value: '{kind}'.", f"{where}.type")
    fields(where, part, {"type", kind}, set())
    value = part[kind]
    path = f"{where}.{kind}"
    if kind in ("text", "refusal"):
        demand(isinstance(value, str), f"Invalid type for '{path}'", path, "invalid_type")
    elif kind == "image_url":
        fields(path, value, {"url"}, {"detail"})
        demand(value.get("detail", "auto") in ("auto", "low", "high"), "Invalid", f"{path}.detail")
        check_url(f"{path}.url", value["url"], "image/")
    elif kind == "file":
        fields(path, value, {"filename", "file_data"}, set())
        check_url(f"{path}.file_data", value["file_data"], "application/pdf")
    else:
        fields(path, value, {"data", "format"}, set())
        demand(value["format"] in ("wav", "mp3"), "Invalid value", f"{path}.format")


def check_url(where: str, url: str, media_type: str) -> None:
    if media_type == "image/" and url.startswith(("https://", "http://")):
        return
    head, _, data = url.partition(";base64,")
    fits = head.startswith(f"data:{media_type}") and is_base64(data)
    demand(fits, "Invalid base64 data URL.", where, "invalid_base64")


class OpenAiProvider(Provider):
    """The provider. Its scripts have the names of those of Anthropic's where they do the same."""

    PATH = "/v1/chat/completions"
    TEXT = "The Danube, the Dniester and the Dnieper. Și încă trei 🌊."
    REFUSAL = "I cannot help with that."
    THOUGHT = "Rivers of the Black Sea: which are the greatest?"

    def __init__(self):
        self.ids = itertools.count(1)
        super().__init__()

    def not_found(self, path: str) -> Refused:
        return error(404, "invalid_request_error", f"Invalid URL (POST {path})")

    def not_json(self) -> Refused:
        return error(400, "invalid_request_error", "We could not parse the JSON body.")

    def answer(self, headers: dict[str, str], body: dict):
        check(headers, body)
        texts = []
        for message in body["messages"]:
            content = message.get("content")
            if message["role"] == "user" and isinstance(content, str):
                texts.append(content)
            elif message["role"] == "user":
                texts += [part["text"] for part in content if part["type"] == "text"]
        name = "results" if body["messages"][-1]["role"] == "tool" else script(texts)
        said, finish, used = self.said(name, body)
        completion = {
            "id": f"chatcmpl-{next(self.ids)}",
            "created": 1_764_000_000,
            "model": body["model"],
            "service_tier": "default",
            "system_fingerprint": None,
        }
        cached, reasoning = used.get("cached", 0), used.get("reasoning", 0)
        usage = {
            "prompt_tokens": 21 + cached,
            "completion_tokens": 13,
            "total_tokens": 34 + cached,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
        }
        if body.get("stream"):
            return self.chunks(completion, said, finish, usage, name, body)
        message = {"role": "assistant", "content": None, "refusal": None, "annotations": [], **said}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {**completion, "object": "chat.completion", "choices": [choice], "usage": usage}

    def said(self, name: str, body: dict) -> tuple[dict, str, dict]:
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
            case "forced":
                # So the provider ends an answer that had to call a tool.
                return {"tool_calls": [self.call("weather", city="Brăila")]}, "stop", {}
            case "think":
                return {"reasoning_content": self.THOUGHT, **text}, "stop", {"reasoning": 9}
            case "length":
                return text, "length", {}
            case "cited":
                return {**text, "annotations": [self.page(*one) for one in SOURCES]}, "stop", {}
            case "refusal":
                return {"refusal": self.REFUSAL}, "stop", {}
            case "filter":
                return {"content": "I"}, "content_filter", {}
            case "cached":
                return text, "stop", {"cached": 1000}
            case "json":
                return {"content": '{"river": "Danube", "length": 2850}'}, "stop", {}
            case "results":
                return {"content": "; ".join(self.told(body["messages"]))}, "stop", {}
            case "limited":
                message = "Rate limit reached for requests"
                raise error(429, "requests", message, None, "rate_limit_exceeded", retry_after="7")
            case "overloaded":
                raise error(503, "server_error", "The server is overloaded.")
            case "invalid":
                message = "This model's maximum context length is 128000 tokens."
                code = "context_length_exceeded"
                raise error(400, "invalid_request_error", message, "messages", code)
            case _:
                raise AssertionError(f"no script is called {name}")

    def page(self, words: str, url: str, title: str, _: str) -> dict:
        begin = self.TEXT.index(words)
        place = {"start_index": begin, "end_index": begin + len(words)}
        return {"type": "url_citation", "url_citation": {"url": url, "title": title, **place}}

    def call(self, tool: str, **arguments) -> dict:
        written = json.dumps(arguments, ensure_ascii=False)
        function = {"name": tool, "arguments": written}
        return {"id": f"call_{next(self.ids)}", "type": "function", "function": function}

    @staticmethod
    def told(messages: list) -> list[str]:
        """The last results, each with the arguments of the call that it is of."""
        calls = {c["id"]: c["function"] for m in messages for c in m.get("tool_calls", [])}
        told = []
        for message in reversed(messages):
            if message["role"] != "tool":
                break
            call = calls[message["tool_call_id"]]
            content = message["content"]
            if not isinstance(content, str):
                content = "".join(part["text"] for part in content)
            arguments = ",".join(map(str, json.loads(call["arguments"]).values()))
            told.insert(0, f"{call['name']}({arguments})={content}")
        return told

    def chunks(self, completion, said, finish, usage, name, body) -> list:
        wanted = body.get("stream_options", {}).get("include_usage")

        def chunk(*choices: dict, used=None) -> str:
            data = {**completion, "object": "chat.completion.chunk", "choices": list(choices)}
            if wanted:
                data["usage"] = used
            return f"data: {json.dumps(data)}\n\n"

        def choice(delta: dict, finish=None) -> dict:
            return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}

        chunks = [chunk(choice({"role": "assistant", "content": "", "refusal": None}))]
        for field in ("reasoning_content", "content", "refusal"):
            for text in pieces(said.get(field) or ""):
                chunks.append(chunk(choice({field: text})))
        if said.get("annotations"):
            chunks.append(chunk(choice({"annotations": said["annotations"]})))
        if name == "broken":
            return [*chunks, BREAK]
        if name == "failing":
            fault = {"message": "The server had an error", "type": "server_error"}
            return [*chunks, f"data: {json.dumps({'error': fault})}\n\n"]
        for index, call in enumerate(said.get("tool_calls", [])):
            function = {**call["function"], "arguments": ""}
            delta = {"index": index, **call, "function": function}
            chunks.append(chunk(choice({"tool_calls": [delta]})))
            for text in pieces(call["function"]["arguments"]):
                delta = {"index": index, "function": {"arguments": text}}
                chunks.append(chunk(choice({"tool_calls": [delta]})))
        chunks.append(chunk(choice({}, finish)))
        if wanted:
            chunks.append(chunk(used=usage))
        return [*chunks, "data: [DONE]\n\n"]
