"""Anthropic's Messages API with its rules, as far as a request of a client can break them.

The rules are those of its documentation, the messages those of its answers.
"""

import base64
import hashlib
import itertools
import json
import re

from provider import BREAK, Provider, Refused, cut, is_base64, pieces, script

TOP = {
    *("model", "messages", "max_tokens", "system", "metadata", "stop_sequences", "stream"),
    *("temperature", "top_p", "top_k", "tools", "tool_choice", "thinking", "service_tier"),
    *("output_config", "container", "inference_geo", "cache_control"),
}
# Each block with the fields that it must and may have, and the roles that may send it.
BLOCKS = {
    "text": ({"text"}, {"citations", "cache_control"}, {"user", "assistant", "system", "result"}),
    "image": ({"source"}, {"cache_control"}, {"user", "result"}),
    "document": (
        {"source"},
        {"title", "context", "citations", "cache_control"},
        {"user", "result"},
    ),
    "tool_use": ({"id", "name", "input"}, {"cache_control", "caller"}, {"assistant"}),
    "tool_result": ({"tool_use_id"}, {"content", "is_error", "cache_control"}, {"user"}),
    "thinking": ({"thinking", "signature"}, set(), {"assistant"}),
    "redacted_thinking": ({"data"}, set(), {"assistant"}),
}
SOURCES = {"base64": {"media_type", "data"}, "url": {"url"}, "text": {"media_type", "data"}}
IMAGES = {"image/jpeg", "image/png", "image/gif", "image/webp"}
THOUGHTS = ("thinking", "redacted_thinking")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
REDACTED = "EmwKAhgBEgxSRURBQ1RFRA=="
# Calls that were made with thinking: what was thought must come back with them.
THOUGHT_ID = "toolu_thought"


def error(status: int, kind: str, message: str, **headers: str) -> Refused:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return Refused(status, body, **headers)


def invalid(message: str) -> Refused:
    return error(400, "invalid_request_error", message)


def demand(condition, message: str) -> None:
    if not condition:
        raise invalid(message)


def signature(thinking: str) -> str:
    """The proof of a thought. A thought that was changed does not fit it any more."""
    proof = b"\x12\xa2" + hashlib.sha256(thinking.encode()).digest()
    return base64.b64encode(proof).decode()


def fields(where: str, value, must: set, may: set) -> None:
    demand(isinstance(value, dict), f"{where}: Input should be a valid dictionary")
    for name in sorted(must - value.keys()):
        raise invalid(f"{where}.{name}: Field required")
    for name in sorted(value.keys() - must - may):
        raise invalid(f"{where}.{name}: Extra inputs are not permitted")


def check(headers: dict[str, str], body: dict) -> None:
    if "x-api-key" not in headers:
        raise error(401, "authentication_error", "x-api-key header is required")
    demand("anthropic-version" in headers, "anthropic-version: header is required")
    for name in ("model", "max_tokens", "messages"):
        demand(name in body, f"{name}: Field required")
    for name in body.keys() - TOP:
        raise invalid(f"{name}: Extra inputs are not permitted")
    max_tokens = body["max_tokens"]
    demand(type(max_tokens) is int, "max_tokens: Input should be a valid integer")
    demand(max_tokens > 0, "max_tokens: must be greater than or equal to 1")
    check_tools(body)
    check_thinking(body)
    check_sampling(body)
    check_output(body)
    if "system" in body:
        check_content("system", body["system"], "system")
    check_messages(body)


def check_sampling(body: dict) -> None:
    thinks = body.get("thinking", {}).get("type", "disabled") != "disabled"
    temperature = body.get("temperature", 1)
    demand(0 <= temperature <= 1, "temperature: range: 0..1")
    demand(
        not thinks or temperature == 1,
        "`temperature` may only be set to 1 when thinking is enabled.",
    )
    demand(
        not ("temperature" in body and "top_p" in body),
        "`temperature` and `top_p` cannot both be specified for this model.",
    )
    demand(not thinks or "top_k" not in body, "`top_k` must be unset when thinking is enabled.")
    for stop in body.get("stop_sequences", []):
        demand(stop.strip(), "stop_sequences: each stop sequence must contain non-whitespace")
    fields("metadata", body.get("metadata", {}), set(), {"user_id"})
    tier = body.get("service_tier", "auto")
    demand(tier in ("auto", "standard_only"), "service_tier: Input should be 'auto'")


def check_thinking(body: dict) -> None:
    thinking = body.get("thinking", {"type": "disabled"})
    kind = thinking.get("type")
    if kind == "enabled":
        fields("thinking", thinking, {"type", "budget_tokens"}, {"display"})
        budget = thinking["budget_tokens"]
        demand(
            budget >= 1024,
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        )
        demand(
            budget < body["max_tokens"],
            "`max_tokens` must be greater than `thinking.budget_tokens`.",
        )
    else:
        demand(kind in ("disabled", "adaptive"), "thinking: Input tag found does not match")
        fields("thinking", thinking, {"type"}, {"display"} if kind == "adaptive" else set())
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    demand(
        kind == "disabled" or not forced,
        "Thinking may not be enabled when tool_choice forces tool use.",
    )


def check_output(body: dict) -> None:
    config = body.get("output_config", {})
    fields("output_config", config, set(), {"effort", "format"})
    efforts = ("low", "medium", "high", "xhigh", "max")
    demand(config.get("effort", "low") in efforts, "output_config.effort: Input should be 'low'")
    if config.get("format"):
        fields("output_config.format", config["format"], {"type", "schema"}, set())
        demand(config["format"]["type"] == "json_schema", "output_config.format.type: invalid")


def check_tools(body: dict) -> None:
    for index, tool in enumerate(body.get("tools", [])):
        where = f"tools.{index}.custom"
        may = {"type", "description", "strict", "cache_control", "eager_input_streaming"}
        fields(where, tool, {"name", "input_schema"}, may)
        demand(NAME.fullmatch(tool["name"]), f"{where}.name: String should match pattern")
        is_object = tool["input_schema"].get("type") == "object"
        demand(is_object, f"{where}.input_schema.type: Field required")
    if "tool_choice" not in body:
        return
    choice = body["tool_choice"]
    demand(body.get("tools"), "tool_choice may only be specified while providing tools.")
    kind = choice.get("type")
    demand(kind in ("auto", "any", "tool", "none"), "tool_choice: Input tag does not match")
    may = set() if kind == "none" else {"disable_parallel_tool_use"}
    fields("tool_choice", choice, {"type", "name"} if kind == "tool" else {"type"}, may)
    names = {tool["name"] for tool in body["tools"]}
    demand(kind != "tool" or choice["name"] in names, "Tool was not found in provided tools")


def check_messages(body: dict) -> None:
    messages = body["messages"]
    demand(messages, "messages: at least one message is required")
    demand(
        messages[0].get("role") == "user",
        'messages: first message must use the "user" role',
    )
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        fields(where, message, {"role", "content"}, set())
        role = message["role"]
        demand(
            role in ("user", "assistant"),
            'messages: Unexpected role. Allowed roles are "user" or "assistant"',
        )
        blocks = check_content(f"{where}.content", message["content"], role)
        last = index == len(messages) - 1
        demand(blocks or (last and role == "assistant"), f"{where}: all messages must have content")
        answered = check_results(where, blocks, open_calls)
        missing = [call for call in open_calls if call not in answered]
        demand(
            not missing,
            f"{where}: `tool_use` ids were found without `tool_result` blocks immediately "
            f"after: {', '.join(missing)}. Each `tool_use` block must have a corresponding "
            "`tool_result` block in the next message.",
        )
        open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        demand(
            len(set(open_calls)) == len(open_calls),
            f"{where}.content: `tool_use` ids must be unique",
        )
        check_thoughts(where, blocks, body)
    demand(not open_calls, "messages: the last `tool_use` has no `tool_result`")
    last = messages[-1]
    if last["role"] == "assistant":
        text = last["content"] if isinstance(last["content"], str) else blocks[-1].get("text", "")
        demand(
            text == text.rstrip(),
            "messages: final assistant content cannot end with trailing whitespace",
        )


def check_results(where: str, blocks: list, open_calls: list) -> list[str]:
    """The calls whose results stand in a message: before all else, and each once."""
    answered: list[str] = []
    others = False
    for at, block in enumerate(blocks):
        if block["type"] != "tool_result":
            others = True
            continue
        call = block["tool_use_id"]
        demand(
            call in open_calls,
            f"{where}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: "
            f"{call}. Each `tool_result` block must have a corresponding `tool_use` block in "
            "the previous message.",
        )
        demand(
            call not in answered,
            f"{where}.content.{at}: each tool_use must have a single result",
        )
        demand(
            not others,
            f"{where}: `tool_use` ids were found without `tool_result` blocks immediately "
            f"after: {call}.",
        )
        answered.append(call)
    return answered


def check_thoughts(where: str, blocks: list, body: dict) -> None:
    """Thoughts come before what they led to, and come back with calls that they led to where the model
    has to think."""
    thinks = body.get("thinking", {}).get("type") == "enabled"
    seen = False
    for at, block in enumerate(blocks):
        if block["type"] in THOUGHTS:
            seen = True
        elif block["type"] == "tool_use" and block["id"].startswith(THOUGHT_ID) and thinks:
            demand(
                seen,
                f"{where}.content.{at}.type: Expected `thinking` or `redacted_thinking`, but "
                "found `tool_use`. When `thinking` is enabled, a final `assistant` message must "
                "start with a thinking block (preceeding the lastmost set of `tool_use` and "
                "`tool_result` blocks).",
            )


def check_content(where: str, content, role: str) -> list[dict]:
    """The blocks of a content, checked."""
    if isinstance(content, str):
        demand(content.strip(), f"{where}: text content blocks must be non-empty")
        return [{"type": "text", "text": content}]
    demand(isinstance(content, list), f"{where}: Input should be a valid list")
    for index, block in enumerate(content):
        check_block(f"{where}.{index}", block, role)
    return content


def check_block(where: str, block: dict, role: str) -> None:
    kind = block.get("type")
    must, may, roles = BLOCKS.get(kind, (set(), set(), set()))
    demand(role in roles, f"{where}: Input tag '{kind}' does not match any of the expected tags")
    fields(f"{where}.{kind}", block, must | {"type"}, may)
    if kind == "text":
        demand(isinstance(block["text"], str), f"{where}.text.text: Input should be a string")
        demand(block["text"], "messages: text content blocks must be non-empty")
        demand(block["text"].strip(), "messages: text content blocks must contain non-whitespace")
        for index, citation in enumerate(block.get("citations") or []):
            check_citation(f"{where}.text.citations.{index}", citation)
    elif kind in ("image", "document"):
        check_source(f"{where}.{kind}.source", block["source"], kind)
    elif kind == "tool_use":
        demand(NAME.fullmatch(block["id"]), f"{where}.tool_use.id: String should match pattern")
        is_object = isinstance(block["input"], dict)
        demand(is_object, f"{where}.tool_use.input: Input should be a valid dictionary")
    elif kind == "tool_result":
        content = block.get("content", [])
        if content != "":
            check_content(f"{where}.tool_result.content", content, "result")
    elif kind == "thinking":
        demand(
            block["signature"] == signature(block["thinking"]),
            f"{where}: Invalid `signature` in `thinking` block",
        )
    elif kind == "redacted_thinking":
        demand(block["data"] == REDACTED, f"{where}: Invalid `data` in `redacted_thinking` block")


# What a citation must have beside its type and the words that it cites.
LOCATIONS = {
    "char_location": {"document_index", "document_title", "start_char_index", "end_char_index"},
    "page_location": {"document_index", "document_title", "start_page_number", "end_page_number"},
    "content_block_location": {
        *("document_index", "document_title", "start_block_index", "end_block_index"),
    },
    "web_search_result_location": {"encrypted_index", "title", "url"},
    "search_result_location": {
        *("search_result_index", "source", "title", "start_block_index", "end_block_index"),
    },
}


def check_citation(where: str, citation: dict) -> None:
    kind = citation.get("type")
    demand(kind in LOCATIONS, f"{where}: Input tag '{kind}' does not match")
    fields(f"{where}.{kind}", citation, LOCATIONS[kind] | {"type", "cited_text"}, {"file_id"})
    proven = kind != "web_search_result_location" or citation["encrypted_index"].startswith("E")
    demand(proven, f"{where}: Invalid `encrypted_index` in `web_search_result_location`")


def check_source(where: str, source: dict, kind: str) -> None:
    form = source.get("type")
    demand(form in SOURCES and (form, kind) != ("text", "image"), f"{where}: Input tag '{form}'")
    fields(f"{where}.{form}", source, SOURCES[form] | {"type"}, set())
    if form == "base64":
        taken = IMAGES if kind == "image" else {"application/pdf"}
        demand(source["media_type"] in taken, f"{where}.base64.media_type: Input should be one of")
        demand(is_base64(source["data"]), f"{where}.base64.data: invalid base64 data")


class AnthropicProvider(Provider):
    """The provider. Each script is a method that gives blocks and what differs from the usual."""

    PATH = "/v1/messages"
    TEXT = "The Danube, the Dniester and the Dnieper. Și încă trei 🌊."
    THOUGHT = "Rivers of the Black Sea: which are the greatest?"

    def __init__(self):
        self.ids = itertools.count(1)
        super().__init__()

    def not_found(self, path: str) -> Refused:
        return error(404, "not_found_error", f"{path} not found")

    def not_json(self) -> Refused:
        return invalid("The request body is not valid JSON")

    def answer(self, headers: dict[str, str], body: dict):
        check(headers, body)
        results, texts = [], []
        for message in body["messages"]:
            content = message["content"]
            content = [{"type": "text", "text": content}] if isinstance(content, str) else content
            if message["role"] == "user":
                results = [block for block in content if block["type"] == "tool_result"]
                said = [block["text"] for block in content if block["type"] == "text"]
                texts += said
        name = "results" if results and not said else script(texts)
        message = self.message(body["model"], name, body, results)
        return self.events(message, name) if body.get("stream") else message

    def message(self, model: str, name: str, body: dict, results: list) -> dict:
        content, other = self.content(name, body, results)
        usage = {
            "input_tokens": 21,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 13,
            "service_tier": "standard",
            **other.pop("usage", {}),
        }
        calls = any(block["type"] == "tool_use" for block in content)
        return {
            "id": f"msg_{next(self.ids)}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": "tool_use" if calls else "end_turn",
            "stop_sequence": None,
            "stop_details": None,
            "usage": usage,
            **other,
        }

    def content(self, name: str, body: dict, results: list) -> tuple[list, dict]:
        text = {"type": "text", "text": self.TEXT}
        thought = {
            "type": "thinking",
            "thinking": self.THOUGHT,
            "signature": signature(self.THOUGHT),
        }
        redacted = {"type": "redacted_thinking", "data": REDACTED}
        match name:
            case "text" | "broken" | "failing":
                return [text], {}
            case "tool":
                said = {"type": "text", "text": "I shall look."}
                return [said, self.call("weather", city="Brăila")], {}
            case "parallel":
                calls = [self.call("weather", city="Brăila"), self.call("weather", city="Odesa")]
                return calls, {}
            case "no-arguments":
                return [self.call("now")], {}
            case "think":
                usage = {"output_tokens_details": {"thinking_tokens": 9}}
                return [thought, text], {"usage": usage}
            case "think-tool":
                return [thought, self.call("weather", THOUGHT_ID, city="Brăila")], {}
            case "redacted":
                return [redacted, text], {}
            case "thoughts":
                call = self.call("weather", THOUGHT_ID, city="Brăila")
                return [thought, redacted, call], {}
            case "length":
                return [text], {"stop_reason": "max_tokens"}
            case "stop":
                other = {"stop_reason": "stop_sequence", "stop_sequence": body["stop_sequences"][0]}
                return [text], other
            case "refusal":
                return [], {"stop_reason": "refusal"}
            case "cached":
                usage = {"cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200}
                return [text], {"usage": usage}
            case "cited":
                return [self.cited(*piece) for piece in cut(self.TEXT)], {}
            case "json":
                return [{"type": "text", "text": '{"river": "Danube", "length": 2850}'}], {}
            case "results":
                said = [self.told(body, result) for result in results]
                return [{"type": "text", "text": "; ".join(said)}], {}
            case "limited":
                message = "This request would exceed your organization's rate limit."
                raise error(429, "rate_limit_error", message, retry_after="7")
            case "overloaded":
                raise error(529, "overloaded_error", "Overloaded")
            case "invalid":
                raise invalid("prompt is too long: 250000 tokens > 200000 maximum")
            case _:
                raise AssertionError(f"no script is called {name}")

    @staticmethod
    def cited(text: str, source: "tuple | None") -> dict:
        block = {"type": "text", "text": text}
        if source is None:
            return block
        _, url, title, quote = source
        location = {"type": "web_search_result_location", "encrypted_index": "Eo8BCioIAhgB"}
        location |= {"url": url, "title": title, "cited_text": quote}
        return {**block, "citations": [location]}

    def call(self, tool: str, prefix: str = "toolu", **arguments) -> dict:
        return {
            "type": "tool_use",
            "id": f"{prefix}_{next(self.ids)}",
            "name": tool,
            "input": arguments,
        }

    def told(self, body: dict, result: dict) -> str:
        """A result, with the arguments of the call that it is of."""
        lists = [m["content"] for m in body["messages"] if isinstance(m["content"], list)]
        blocks = [block for content in lists for block in content]
        (call,) = [block for block in blocks if block.get("id") == result["tool_use_id"]]
        content = result.get("content", "")
        content = [{"text": content}] if isinstance(content, str) else content
        texts = [block.get("text", "") for block in content]
        arguments = ",".join(map(str, call["input"].values()))
        return f"{call['name']}({arguments})={''.join(texts)}"

    def events(self, message: dict, name: str) -> list:
        def event(kind: str, **data) -> str:
            return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"

        delta = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
        usage = message["usage"]
        begun = {**message, "content": [], **dict.fromkeys(delta)}
        begun["usage"] = {**usage, "output_tokens": 1}
        begun["usage"].pop("output_tokens_details", None)
        events = [event("message_start", message=begun), event("ping")]
        for index, block in enumerate(message["content"]):
            begun, deltas = self.deltas(block)
            events.append(event("content_block_start", index=index, content_block=begun))
            events += [event("content_block_delta", index=index, delta=one) for one in deltas]
            if name == "broken":
                return [*events, BREAK]
            if name == "failing":
                fault = {"type": "overloaded_error", "message": "Overloaded"}
                return [*events, event("error", error=fault)]
            events.append(event("content_block_stop", index=index))
        events.append(event("message_delta", delta=delta, usage=usage))
        return [*events, event("message_stop")]

    @staticmethod
    def deltas(block: dict) -> tuple[dict, list[dict]]:
        """A block as a stream begins it, and what completes it."""
        match block["type"]:
            case "text":
                more = [{"type": "text_delta", "text": text} for text in pieces(block["text"])]
                cited = block.get("citations", [])
                more += [{"type": "citations_delta", "citation": citation} for citation in cited]
                empty = {"citations": []} if cited else {}
                return {**block, "text": "", **empty}, more
            case "thinking":
                thoughts = pieces(block["thinking"])
                more = [{"type": "thinking_delta", "thinking": text} for text in thoughts]
                proof = {"type": "signature_delta", "signature": block["signature"]}
                return {**block, "thinking": "", "signature": ""}, [*more, proof]
            case "tool_use":
                written = json.dumps(block["input"]) if block["input"] else ""
                parts = ["", *pieces(written)]
                more = [{"type": "input_json_delta", "partial_json": part} for part in parts]
                return {**block, "input": {}}, more
            case _:
                return block, []
