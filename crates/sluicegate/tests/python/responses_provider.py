"""OpenAI's Responses API with its rules: the types that its own SDK has for requests, and what
else a request of a client can break."""

import hashlib
import itertools
import json
import re
import time

import typed
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from openai_provider import check_url, demand, error
from provider import BREAK, Provider, Refused, pieces, script

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# What a request says and an answer repeats, with what holds where it says nothing.
REPEATED = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class Request(ResponseCreateParamsBase, total=False):
    stream: bool


def refused(mismatch: typed.Mismatch) -> Refused:
    kind = "invalid_request_error"
    return error(400, kind, mismatch.message, mismatch.where, mismatch.code)


check_types = typed.checker(Request, refused)


def encrypted(thought: str) -> str:
    """What only the provider can read: a thought, and the proof that it was not changed."""
    return f"gAAAAA{hashlib.sha256(thought.encode()).hexdigest()}=="


def as_typed(body: dict) -> dict:
    """A request with what the types want to be said and the API takes unsaid."""
    body = dict(body)
    for name, spelled_out in (("tools", tool_as_typed), ("input", item_as_typed)):
        if isinstance(body.get(name), list):
            body[name] = [one and spelled_out(one) for one in body[name]]
    return body


def tool_as_typed(tool: dict) -> dict:
    """With whether its schema is strict."""
    return {"strict": None, **tool} if tool.get("type") == "function" else tool


def item_as_typed(item: dict) -> dict:
    """What the assistant has said, as it was answered."""
    content = item.get("content")
    if item.get("role") != "assistant" or not isinstance(content, list):
        return item
    if any(part.get("type") != "output_text" for part in content):
        return item
    answered = {"id": "msg_0", "type": "message", "status": "completed"}
    return {**answered, **item, "content": [{"annotations": [], **part} for part in content]}


def check(headers: dict[str, str], body: dict) -> None:
    if not headers.get("authorization", "").startswith("Bearer "):
        raise error(401, "invalid_request_error", "You didn't provide an API key.")
    check_types(as_typed(body))
    for name in ("model", "input"):
        message = f"Missing required parameter: '{name}'."
        demand(name in body, message, name, "missing_required_parameter")
    bound = body.get("max_output_tokens") or 16
    message = f"Invalid 'max_output_tokens': expected a value >= 16, but got {bound} instead."
    demand(bound >= 16, message, "max_output_tokens", "integer_below_min_value")
    demand(0 <= (body.get("temperature") or 0) <= 2, "Invalid 'temperature'", "temperature")
    check_tools(body)
    check_format((body.get("text") or {}).get("format", {}))
    if isinstance(body["input"], list):
        check_items(body["input"])


def check_tools(body: dict) -> None:
    names = []
    for at, tool in enumerate(body.get("tools", [])):
        if tool["type"] != "function":
            continue
        message = f"Invalid 'tools[{at}].name': string does not match pattern."
        demand(NAME.fullmatch(tool["name"]), message, f"tools[{at}].name")
        check_schema(tool["parameters"] or {}, tool.get("strict"), f"tools[{at}].parameters")
        names.append(tool["name"])
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict) and choice["type"] == "function":
        message = f"Tool choice 'function' not found in 'tools' parameter: {choice['name']}."
        demand(choice["name"] in names, message, "tool_choice")


def check_format(form: dict) -> None:
    if form.get("type") == "json_schema":
        check_schema(form["schema"], form.get("strict"), "text.format.schema")


def check_schema(schema: dict, strict, where: str) -> None:
    if strict and schema.get("type") == "object":
        message = "Invalid schema: 'additionalProperties' is required to be supplied and false."
        demand(schema.get("additionalProperties") is False, message, where, "invalid_schema")


def check_items(items: list) -> None:
    waiting: list[str] = []
    for at, item in enumerate(items):
        where = f"input[{at}]"
        kind = item.get("type", "message")
        if kind == "message":
            check_content(f"{where}.content", item["content"], item["role"])
        elif kind == "function_call":
            waiting.append(item["call_id"])
        elif kind == "function_call_output":
            call = item["call_id"]
            message = f"No tool call found for function call output with call_id {call}."
            demand(call in waiting, message, "input")
            waiting.remove(call)
        elif kind == "reasoning":
            check_thought(item, items[at + 1 :])
    message = f"No tool output found for function call {', '.join(waiting)}."
    demand(not waiting, message, "input")


def check_thought(item: dict, rest: list) -> None:
    proof, name = item.get("encrypted_content"), item["id"]
    text = "".join(part["text"] for part in item["summary"])
    message = f"The encrypted content for item {name} could not be verified."
    fits = proof is None or proof == encrypted(text)
    demand(fits, message, None, "invalid_encrypted_content")
    message = f"Item '{name}' of type 'reasoning' was provided without its required following item."
    followers = ("message", "function_call", "reasoning")
    demand(rest and rest[0].get("type", "message") in followers, message, "input")


def check_content(where: str, content, role: str) -> None:
    if isinstance(content, str):
        return
    for at, part in enumerate(content):
        kind, place = part["type"], f"{where}[{at}]"
        message = f"Invalid value: '{kind}'. The role '{role}' does not say it."
        is_answer = kind in ("output_text", "refusal")
        demand(is_answer == (role == "assistant"), message, place)
        if kind == "input_image" and part.get("image_url"):
            check_url(f"{place}.image_url", part["image_url"], "image/")
        if kind == "input_file" and part.get("file_data"):
            check_url(f"{place}.file_data", part["file_data"], "application/pdf")


def event(kind: str, **data) -> dict:
    return {"type": kind, **data}


class ResponsesProvider(Provider):
    """The provider. Its scripts have the names of those of the other providers."""

    PATH = "/v1/responses"
    TEXT = "The Danube, the Dniester and the Dnieper. Și încă trei 🌊."
    REFUSAL = "I cannot help with that."
    THOUGHT = "Rivers of the Black Sea: which are the greatest?"

    def __init__(self):
        self.ids = itertools.count(1)
        # What was said and answered before, by the answer's id.
        self.kept: dict[str, list] = {}
        super().__init__()

    def not_found(self, path: str) -> Refused:
        return error(404, "invalid_request_error", f"Invalid URL (POST {path})")

    def not_json(self) -> Refused:
        return error(400, "invalid_request_error", "We could not parse the JSON body.")

    def answer(self, headers: dict[str, str], body: dict):
        items = self.conversation(body)
        check(headers, {**body, "input": items})
        said = [item for item in items if item.get("role") == "user"]
        called = items[-1].get("type") == "function_call_output"
        name = "results" if called else script([text for item in said for text in texts(item)])
        output, end = self.said(name, items)
        response = self.response(body, **end)
        if body.get("store", True):
            self.kept[response["id"]] = [*items, *output]
        if body.get("stream"):
            return self.events(response, output, name)
        return {**response, "output": output, "usage": self.usage(name)}

    def conversation(self, body: dict) -> list:
        """All that is said, with what was said before where the request goes on with that."""
        given = body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        before = body.get("previous_response_id")
        if before is None or not isinstance(items, list):
            return items
        message = f"Previous response with id '{before}' not found."
        code = "previous_response_not_found"
        demand(before in self.kept, message, "previous_response_id", code)
        return [*self.kept[before], *items]

    def response(self, body: dict, status="completed", reason=None) -> dict:
        repeated = {
            name: body[name] if body.get(name) is not None else default
            for name, default in REPEATED.items()
        }
        reasoning = {"effort": None, "summary": None, **(body.get("reasoning") or {})}
        now = int(time.time())
        return {
            "id": f"resp_{next(self.ids)}",
            "object": "response",
            "created_at": now,
            "completed_at": now if status == "completed" else None,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": reason} if reason else None,
            "model": body["model"],
            "output": [],
            "reasoning": reasoning,
            "service_tier": "default",
            "store": body.get("store", True),
            **repeated,
            "usage": None,
        }

    @staticmethod
    def usage(name: str) -> dict:
        cached, reasoning = 1000 * (name == "cached"), 9 * name.startswith("think")
        return {
            "input_tokens": 21 + cached,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens": 13,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": 34 + cached,
        }

    def said(self, name: str, items: list) -> tuple[list, dict]:
        text = self.message(self.TEXT)
        cut = {"status": "incomplete"}
        match name:
            case "text" | "broken" | "failing" | "failed":
                return [text], {}
            case "tool":
                return [self.message("I shall look."), self.call("weather", city="Brăila")], {}
            case "parallel":
                calls = [self.call("weather", city="Brăila"), self.call("weather", city="Odesa")]
                return calls, {}
            case "no-arguments":
                return [self.call("now")], {}
            case "think":
                return [self.thought(), text], {}
            case "think-tool":
                return [self.thought(), self.call("weather", city="Brăila")], {}
            case "length":
                return [{**text, **cut}], {**cut, "reason": "max_output_tokens"}
            case "filter":
                return [{**text, **cut}], {**cut, "reason": "content_filter"}
            case "refusal":
                part = {"type": "refusal", "refusal": self.REFUSAL}
                return [{**text, "content": [part]}], {}
            case "cached":
                return [text], {}
            case "json":
                return [self.message('{"river": "Danube", "length": 2850}')], {}
            case "results":
                return [self.message("; ".join(self.told(items)))], {}
            case "limited":
                message = "Rate limit reached for requests"
                raise error(429, "requests", message, None, "rate_limit_exceeded", retry_after="7")
            case "overloaded":
                raise error(503, "server_error", "The server is overloaded.")
            case "invalid":
                message = "Your input exceeds the context window of this model."
                code = "context_length_exceeded"
                raise error(400, "invalid_request_error", message, "input", code)
            case _:
                raise AssertionError(f"no script is called {name}")

    def message(self, text: str) -> dict:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {
            "id": f"msg_{next(self.ids)}",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }

    def call(self, tool: str, **arguments) -> dict:
        return {
            "id": f"fc_{next(self.ids)}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{next(self.ids)}",
            "name": tool,
            "arguments": json.dumps(arguments, ensure_ascii=False),
        }

    def thought(self) -> dict:
        return {
            "id": f"rs_{next(self.ids)}",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": self.THOUGHT}],
            "encrypted_content": encrypted(self.THOUGHT),
        }

    @staticmethod
    def told(items: list) -> list[str]:
        """The last results, each with the arguments of the call that it is of."""
        calls = {item["call_id"]: item for item in items if item.get("type") == "function_call"}
        told = []
        for item in reversed(items):
            if item.get("type") != "function_call_output":
                break
            call, output = calls[item["call_id"]], item["output"]
            if not isinstance(output, str):
                output = "".join(part.get("text", "") for part in output)
            arguments = ",".join(map(str, json.loads(call["arguments"]).values()))
            told.insert(0, f"{call['name']}({arguments})={output}")
        return told

    def events(self, response: dict, output: list, name: str) -> list:
        begun = {**response, "status": "in_progress", "completed_at": None}
        begun["incomplete_details"] = None
        events = [event("response.created", response=begun)]
        events.append(event("response.in_progress", response=begun))
        for index, item in enumerate(output):
            events += self.item(index, item)
        if name in ("broken", "failing", "failed"):
            cut = next(at for at, one in enumerate(events) if one["type"].endswith(".done"))
            return self.failure(events[:cut], begun, name)
        status = response["status"]
        whole = {**response, "output": output, "usage": self.usage(name)}
        return written([*events, event(f"response.{status}", response=whole)])

    @staticmethod
    def failure(events: list, begun: dict, name: str) -> list:
        fault = {"code": "server_error", "message": "The server had an error"}
        if name == "broken":
            return [*written(events), BREAK]
        if name == "failing":
            # So it comes, though the documentation has the fields without an object around them.
            return written([*events, event("error", error={"type": "server_error", **fault})])
        failed = {**begun, "status": "failed", "error": fault}
        return written([*events, event("response.failed", response=failed)])

    @staticmethod
    def item(index: int, item: dict) -> list:
        """An item as a stream has it: begun empty, gone on with, complete."""
        at = {"item_id": item["id"], "output_index": index}
        empty = {"message": "content", "function_call": "arguments", "reasoning": "summary"}
        field = empty[item["type"]]
        begun = {**item, field: type(item[field])(), "status": "in_progress"}
        if item["type"] == "reasoning":
            del begun["status"]
        events = [event("response.output_item.added", output_index=index, item=begun)]
        if field == "arguments":
            name = "response.function_call_arguments"
            for text in pieces(item["arguments"]):
                events.append(event(f"{name}.delta", **at, delta=text))
            events.append(event(f"{name}.done", **at, arguments=item["arguments"]))
        else:
            for number, part in enumerate(item[field]):
                events += part_events(at, number, part)
        return [*events, event("response.output_item.done", output_index=index, item=item)]


def part_events(at: dict, number: int, part: dict) -> list:
    """A part of a message or of a summary as a stream has it."""
    kind = part["type"]
    field = "refusal" if kind == "refusal" else "text"
    if kind == "summary_text":
        place, part_name = {**at, "summary_index": number}, "response.reasoning_summary_part"
        text_name = "response.reasoning_summary_text"
    else:
        place, part_name = {**at, "content_index": number}, "response.content_part"
        text_name = "response.refusal" if kind == "refusal" else "response.output_text"
    more = {"logprobs": []} if kind == "output_text" else {}
    events = [event(f"{part_name}.added", **place, part={**part, field: ""})]
    for text in pieces(part[field]):
        # OpenAI pads events, lest their length tell what is in them.
        events.append(event(f"{text_name}.delta", **place, delta=text, obfuscation="x7", **more))
    events.append(event(f"{text_name}.done", **place, **{field: part[field]}, **more))
    return [*events, event(f"{part_name}.done", **place, part=part)]


def written(events: list) -> list[str]:
    """Events as they stand on the wire, numbered."""
    return [
        f"event: {one['type']}\ndata: {json.dumps({**one, 'sequence_number': number})}\n\n"
        for number, one in enumerate(events)
    ]


def texts(item: dict) -> list[str]:
    content = item["content"]
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content if part["type"] == "input_text"]
