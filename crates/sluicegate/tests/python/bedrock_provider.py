"""Amazon Bedrock's Converse with its rules: the model of the service that its own SDK has, and what
else a request of a client can break."""

import hashlib
import itertools
import json
import re
import struct
import zlib
from urllib.parse import unquote

import botocore.session
from botocore.validate import ParamValidator
from provider import BREAK, Provider, Refused, cut, is_base64, pieces, script

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PATH = re.compile(r"/model/([^/]+)/(converse|converse-stream)")
DOCUMENT = re.compile(r"[a-zA-Z0-9\-()\[\]]+( [a-zA-Z0-9\-()\[\]]+)*")
SERVICE = botocore.session.get_session().get_service_model("bedrock-runtime")
SHAPES = {name: SERVICE.operation_model(name).input_shape for name in ("Converse", "ConverseStream")}


def error(status: int, name: str, message: str) -> Refused:
    return Refused(status, {"message": message}, x_amzn_ErrorType=name)


def invalid(message: str) -> Refused:
    return error(400, "ValidationException", message)


def demand(condition, message: str) -> None:
    if not condition:
        raise invalid(message)


def signature(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def known(shape, value, where: str = "") -> None:
    """There are no fields but those of the service's model, and one of each union."""
    if shape.type_name == "structure" and shape.members:
        demand(isinstance(value, dict), f"{where}: expected an object")
        for name, inner in value.items():
            demand(name in shape.members, f"extraneous key [{name}] is not permitted at {where}")
            known(shape.members[name], inner, f"{where}.{name}")
        union = getattr(shape, "is_tagged_union", False)
        demand(not union or len(value) == 1, f"{where}: exactly one of a union must be set")
    elif shape.type_name == "list":
        demand(isinstance(value, list), f"{where}: expected a list")
        for at, inner in enumerate(value):
            known(shape.member, inner, f"{where}.{at}")
    elif shape.type_name == "blob":
        demand(is_base64(value), f"{where}: not base64")
    elif getattr(shape, "enum", None):
        demand(value in shape.enum, f"{where}: Member must satisfy enum value set: {shape.enum}")


def check(model: str, body: dict, stream: bool) -> None:
    shape = SHAPES["ConverseStream" if stream else "Converse"]
    demand("modelId" not in body, "extraneous key [modelId] is not permitted")
    known(shape, body)
    report = ParamValidator().validate({**body, "modelId": model}, shape)
    demand(not report.has_errors(), report.generate_report())
    check_tools(body.get("toolConfig"))
    demand(body.get("messages"), "messages: at least one message is required")
    check_messages(body["messages"], "toolConfig" in body)


def check_tools(config: "dict | None") -> None:
    if config is None:
        return
    names = [tool["toolSpec"]["name"] for tool in config["tools"] if "toolSpec" in tool]
    for tool in config["tools"]:
        if "toolSpec" in tool:
            schema = tool["toolSpec"]["inputSchema"]["json"]
            demand(schema.get("type") == "object", "inputSchema.json.type must be object")
            demand(NAME.fullmatch(tool["toolSpec"]["name"]), "toolSpec.name: must satisfy pattern")
    chosen = config.get("toolChoice", {}).get("tool", {}).get("name")
    demand(chosen is None or chosen in names, "toolChoice names no tool of toolConfig")


def check_messages(messages: list, tools: bool) -> None:
    waiting: list[str] = []
    documents: set[str] = set()
    for at, message in enumerate(messages):
        where = f"messages.{at}"
        role = "user" if at % 2 == 0 else "assistant"
        first = "A conversation must start with a user message." if at == 0 else "Roles must alternate"
        demand(message["role"] == role, first)
        demand(message["content"], f"The content field in the Message object at {where} is empty.")
        blocks = message["content"]
        calls = [block["toolUse"] for block in blocks if "toolUse" in block]
        results = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
        needed = "The toolConfig field must be defined when using toolUse and toolResult blocks."
        demand(tools or not (calls or results), needed)
        demand(
            sorted(results) == sorted(waiting),
            f"Expected toolResult blocks at {where}.content for the following Ids: {waiting}",
        )
        waiting = [call["toolUseId"] for call in calls]
        for block in blocks:
            check_block(where, block, message["role"], documents)
    demand(not waiting, "the last toolUse has no result")
    demand(messages[-1]["role"] == "user", "the conversation must end with a user message")


def check_block(where: str, block: dict, role: str, documents: set) -> None:
    if "text" in block:
        demand(block["text"].strip(), "The text field in the ContentBlock object is blank.")
    if "document" in block:
        name = block["document"]["name"]
        demand(DOCUMENT.fullmatch(name), f"the document's name has other characters: {name}")
        demand(name not in documents, f"two documents have the same name: {name}")
        documents.add(name)
        # Its users report that plain text is cited only where it is not in bytes.
        cited = block["document"].get("citations", {}).get("enabled")
        is_text = block["document"].get("format") == "txt"
        plain = not cited or not is_text or "bytes" not in block["document"]["source"]
        demand(plain, "The PDF specified was not valid.")
    for kind in ("toolUse", "toolResult"):
        if kind in block:
            demand(NAME.fullmatch(block[kind]["toolUseId"]), f"{kind}.toolUseId: pattern")
    if "toolResult" in block:
        for one in block["toolResult"]["content"]:
            cited = one.get("document", {}).get("citations", {}).get("enabled")
            demand(not cited, "Citations are not supported in tool result documents")
    if "citationsContent" in block:
        demand(role == "assistant", "citationsContent is the assistant's")
        demand(block["citationsContent"].get("content"), "citationsContent.content is empty")
    if "reasoningContent" in block:
        demand(role == "assistant", "reasoningContent is the assistant's")
        thought = block["reasoningContent"].get("reasoningText")
        if thought:
            proof = thought.get("signature") == signature(thought["text"])
            demand(proof, f"{where}: Invalid `signature` in `thinking` block")


def frame(kind: str, name: str, payload: dict) -> bytes:
    """A message of an event stream."""
    headers = b""
    texts = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    for field, value in texts.items():
        value = value.encode()
        headers += struct.pack(">B", len(field)) + field.encode()
        headers += struct.pack(">BH", 7, len(value)) + value
    data = json.dumps(payload).encode()
    start = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
    start += struct.pack(">I", zlib.crc32(start))
    whole = start + headers + data
    return whole + struct.pack(">I", zlib.crc32(whole))


class BedrockProvider(Provider):
    """The provider. Its scripts have the names of those of the other providers."""

    STREAM_TYPE = "application/vnd.amazon.eventstream"
    TEXT = "The Danube, the Dniester and the Dnieper. Și încă trei 🌊."
    THOUGHT = "Rivers of the Black Sea: which are the greatest?"

    def __init__(self):
        self.ids = itertools.count(1)
        super().__init__()

    def serves(self, path: str) -> bool:
        return PATH.fullmatch(path) is not None

    def not_found(self, path: str) -> Refused:
        return error(404, "UnknownOperationException", f"{path} is unknown")

    def not_json(self) -> Refused:
        return error(400, "SerializationException", "not JSON")

    def answer(self, headers: dict[str, str], body: dict):
        model, method = PATH.fullmatch(headers[":path"]).groups()
        stream = method == "converse-stream"
        check(unquote(model), body, stream)
        texts = [
            block["text"]
            for message in body["messages"]
            for block in message["content"]
            if message["role"] == "user" and "text" in block
        ]
        last = body["messages"][-1]["content"]
        name = "results" if "toolResult" in last[-1] else script(texts)
        content, reason, usage = self.said(name, body)
        used = {"inputTokens": 21, "outputTokens": 13, "totalTokens": 34, **usage}
        end = {"usage": used, "metrics": {"latencyMs": 7}}
        if stream:
            return self.events(content, reason, end, name)
        output = {"message": {"role": "assistant", "content": content}}
        return {"output": output, "stopReason": reason, **end}

    def said(self, name: str, body: dict) -> tuple[list, str, dict]:
        text = {"text": self.TEXT}
        thought = {"text": self.THOUGHT, "signature": signature(self.THOUGHT)}
        thought = {"reasoningContent": {"reasoningText": thought}}
        match name:
            case "text" | "broken" | "failing":
                return [text], "end_turn", {}
            case "tool":
                call = self.call("weather", city="Brăila")
                return [{"text": "I shall look."}, call], "tool_use", {}
            case "parallel":
                calls = [self.call("weather", city="Brăila"), self.call("weather", city="Odesa")]
                return calls, "tool_use", {}
            case "no-arguments":
                return [self.call("now")], "tool_use", {}
            case "think":
                return [thought, text], "end_turn", {}
            case "think-tool":
                return [thought, self.call("weather", city="Brăila")], "tool_use", {}
            case "length":
                return [text], "max_tokens", {}
            case "filter":
                return [text], "guardrail_intervened", {}
            case "cached":
                usage = {"cacheReadInputTokens": 1000, "cacheWriteInputTokens": 200}
                return [text], "end_turn", {**usage, "totalTokens": 1234}
            case "cited":
                return [self.cited(*piece) for piece in cut(self.TEXT)], "end_turn", {}
            case "json":
                return [{"text": '{"river": "Danube", "length": 2850}'}], "end_turn", {}
            case "results":
                return [{"text": "; ".join(self.told(body["messages"]))}], "end_turn", {}
            case "limited":
                raise error(429, "ThrottlingException", "Too many requests, please wait.")
            case "overloaded":
                raise error(503, "ServiceUnavailableException", "Bedrock is unable to process it.")
            case "invalid":
                raise invalid("Input is too long for requested model.")
            case "denied":
                body = {"Message": "You don't have access to the model."}
                raise Refused(403, body, x_amzn_ErrorType="AccessDeniedException")
            case _:
                raise AssertionError(f"no script is called {name}")

    @staticmethod
    def cited(text: str, source: "tuple | None") -> dict:
        if source is None:
            return {"text": text}
        _, url, title, quote = source
        location = {"web": {"url": url, "domain": "rivers.example"}}
        citation = {"title": title, "source": url, "sourceContent": [{"text": quote}]}
        cited = {"content": [{"text": text}], "citations": [{**citation, "location": location}]}
        return {"citationsContent": cited}

    def call(self, tool: str, **arguments) -> dict:
        use = {"toolUseId": f"tooluse_{next(self.ids)}", "name": tool, "input": arguments}
        return {"toolUse": use}

    @staticmethod
    def told(messages: list) -> list[str]:
        """The last results, each with the arguments of the call that it is of."""
        blocks = [block for message in messages for block in message["content"]]
        calls = {b["toolUse"]["toolUseId"]: b["toolUse"] for b in blocks if "toolUse" in b}
        told = []
        for block in messages[-1]["content"]:
            result = block["toolResult"]
            call = calls[result["toolUseId"]]
            content = "".join(part.get("text", "") for part in result["content"])
            arguments = ",".join(map(str, call["input"].values()))
            mark = "!" if result.get("status") == "error" else ""
            told.append(f"{call['name']}({arguments})={mark}{content}")
        return told

    def events(self, content: list, reason: str, end: dict, name: str) -> list:
        events = [frame("event", "messageStart", {"role": "assistant"})]
        for index, block in enumerate(content):
            at = {"contentBlockIndex": index}
            if "toolUse" in block:
                use = block["toolUse"]
                start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
                events.append(frame("event", "contentBlockStart", {**at, "start": start}))
            for delta in self.deltas(block):
                # Amazon pads events, lest their length tell what is in them.
                padded = {**at, "delta": delta, "p": "abcdefgh"[: index + 3]}
                events.append(frame("event", "contentBlockDelta", padded))
            if name == "broken":
                return [*events, BREAK]
            if name == "failing":
                message = {"message": "The model is overloaded."}
                return [*events, frame("exception", "modelStreamErrorException", message)]
            events.append(frame("event", "contentBlockStop", at))
        events.append(frame("event", "messageStop", {"stopReason": reason}))
        return [*events, frame("event", "metadata", end)]

    @staticmethod
    def deltas(block: dict) -> list[dict]:
        if "text" in block:
            return [{"text": text} for text in pieces(block["text"])]
        if "citationsContent" in block:
            cited = block["citationsContent"]
            said = [{"text": text} for text in pieces(cited["content"][0]["text"])]
            return [*said, *({"citation": one} for one in cited["citations"])]
        if "reasoningContent" in block:
            thought = block["reasoningContent"]["reasoningText"]
            said = [{"text": text} for text in pieces(thought["text"])]
            said.append({"signature": thought["signature"]})
            return [{"reasoningContent": delta} for delta in said]
        arguments = block["toolUse"]["input"]
        written = json.dumps(arguments, ensure_ascii=False) if arguments else ""
        return [{"toolUse": {"input": text}} for text in pieces(written)]
