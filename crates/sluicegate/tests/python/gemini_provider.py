"""Google's Gemini API for developers with its rules, as far as a request can break them.

Models of the third generation want the signature of each first call of a step back.
"""

import base64
import hashlib
import itertools
import json
import re

from gemini_schema import demand, error, invalid, raw, read
from provider import BREAK, SOURCES, Provider, Refused, pieces, script

PATH = re.compile(r"/v1beta/models/([^/:]+):(\w+)")
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
METHODS = {
    "generateContent": "GenerateContentRequest",
    "streamGenerateContent": "GenerateContentRequest",
    "countTokens": "CountTokensRequest",
    "embedContent": "EmbedContentRequest",
    "batchEmbedContents": "BatchEmbedContentsRequest",
}
# What a part holds, one of which it must.
DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
MEDIA = re.compile(r"image/(png|jpeg|webp|heic|heif)|audio/.+|video/.+|application/pdf|text/.+")
# Documented for calls that another model has made.
SKIP = raw("skip_thought_signature_validator")


def signature(text: str) -> str:
    """The proof of a thought or a call. One that was changed does not fit it any more."""
    return base64.b64encode(b"\x0a\x22" + hashlib.sha256(text.encode()).digest()).decode()


def proof_of(call: dict) -> str:
    return signature(f"{call['name']}:{json.dumps(call.get('args', {}), sort_keys=True)}")


def thinks(model: str) -> bool:
    """Whether it is of the generation that demands signatures."""
    return model.startswith("gemini-3")


def check(model: str, body: dict) -> None:
    demand(body.get("contents"), "* GenerateContentRequest.contents: contents is not specified\n")
    fits = "model" not in body or named(body["model"], model)
    demand(fits, "* GenerateContentRequest.model: must be that of the path")
    check_generation(model, body.get("generationConfig", {}))
    check_safety(body.get("safetySettings", []))
    names = check_tools(body.get("tools", []))
    check_choice(body.get("toolConfig", {}).get("functionCallingConfig", {}), names)
    for part in body.get("systemInstruction", {"parts": [{"text": ""}]}).get("parts", []):
        demand(part.keys() == {"text"}, "system_instruction can have text only")
    for at, content in enumerate(body["contents"]):
        empty = f"* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.\n"
        demand(content.get("parts"), empty)
    check_contents(model, in_turns(body["contents"]))


def named(name: str, model: str) -> bool:
    return name == f"models/{model}"


def check_generation(model: str, config: dict) -> None:
    def within(name: str, low: float, high: float) -> None:
        fits = low <= config.get(name, low) <= high
        field = f"GenerateContentRequest.generation_config.{name}"
        demand(fits, f"* {field}: must be in [{low}, {high}]")

    within("temperature", 0, 2)
    within("topP", 0, 1)
    within("candidateCount", 1, 8)
    within("maxOutputTokens", 1, 65536)
    within("logprobs", 0, 20)
    for name in ("presencePenalty", "frequencyPenalty"):
        within(name, -2, 2)
    demand(
        "logprobs" not in config or config.get("responseLogprobs"),
        "logprobs can be set only if response_logprobs is true",
    )
    stop = config.get("stopSequences", [])
    demand(len(stop) <= 5 and all(stop), "stop_sequences: at most 5, none of them empty")
    form = config.get("responseMimeType", "text/plain")
    known = ("text/plain", "application/json", "text/x.enum")
    demand(form in known, "response_mime_type: allowed mimetypes are `text/plain`, …")
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    demand(len(schemas) < 2, "response_schema and response_json_schema cannot both be set")
    only = "only allowed when 'response_mime_type' is 'application/json'"
    demand(not schemas or form == "application/json", f"response_schema: {only}")
    check_thinking(model, config.get("thinkingConfig", {}))


def check_thinking(model: str, config: dict) -> None:
    budget = config.get("thinkingBudget", -1)
    levels = "thinkingLevel" in config
    demand(not (levels and "thinkingBudget" in config), "You can only set one of budget and level.")
    demand(not levels or thinks(model), "Thinking level is not supported for this model.")
    demand(-1 <= budget <= 24_576, f"The thinking budget {budget} is invalid.")
    only = "Budget 0 is invalid. This model only works in thinking mode."
    demand(budget != 0 or not thinks(model), only)


def check_safety(settings: list) -> None:
    categories = [setting.get("category") for setting in settings]
    message = "There were multiple safety settings with the same category."
    demand(len(set(categories)) == len(categories), message)
    for setting in settings:
        demand(setting.keys() == {"category", "threshold"}, "safety_settings: must have both")


def check_tools(tools: list) -> list[str]:
    names = []
    for tool in tools:
        demand(tool, "tools: one of its kinds must be set")
        for declared in tool.get("functionDeclarations", []):
            name = declared.get("name", "")
            demand(NAME.fullmatch(name), f"Invalid function name: {name!r}")
            demand(name not in names, f"Duplicate function declaration found: {name}")
            both = "parameters" in declared and "parametersJsonSchema" in declared
            demand(not both, "parameters and parameters_json_schema are mutually exclusive")
            schema = declared.get("parametersJsonSchema", {"type": "object"})
            demand(schema.get("type") == "object", "parameters: must be of type OBJECT")
            names.append(name)
    return names


def check_choice(config: dict, names: list[str]) -> None:
    allowed = config.get("allowedFunctionNames", [])
    mode = config.get("mode", "AUTO")
    demand(not allowed or mode in ("ANY", "VALIDATED"), "allowed_function_names: only with ANY")
    demand(set(allowed) <= set(names), "allowed_function_names: not declared")
    demand(mode != "ANY" or names, "Function calling mode `ANY` needs function declarations.")


def in_turns(contents: list) -> list:
    """The contents, with what the model says in a row as one: chats of Google's own clients have a
    content for each piece of a stream."""
    turns: list[dict] = []
    for content in contents:
        if turns and content.get("role") == turns[-1].get("role") == "model":
            parts = turns[-1].get("parts", []) + content.get("parts", [])
            turns[-1] = {**turns[-1], "parts": parts}
        else:
            turns.append(content)
    return turns


def check_contents(model: str, contents: list) -> None:
    waiting: list[dict] = []
    before = None
    for at, content in enumerate(contents):
        where = f"contents[{at}]"
        parts, role = content["parts"], content.get("role", "user")
        for index, part in enumerate(parts):
            check_part(f"{where}.parts[{index}]", part, role)
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        turn = "Please ensure that function call turn comes immediately after a user turn or after "
        demand(not calls or before == "user", f"{turn}a function response turn.")
        check_answers(waiting, answers)
        waiting, before = calls, "model" if role == "model" else "user"
    number = "Please ensure that the number of function response parts is equal to the number of "
    demand(not waiting, f"{number}function call parts of the function call turn.")
    ends = "Please ensure that single turn requests end with a user role."
    demand(len(contents) > 1 or before == "user", ends)
    if thinks(model):
        check_signatures(contents)


def check_answers(calls: list, answers: list) -> None:
    follows = "Please ensure that function response turn comes immediately after a function call "
    demand(calls or not answers, f"{follows}turn.")
    number = "Please ensure that the number of function response parts is equal to the number of "
    demand(len(calls) == len(answers), f"{number}function call parts of the function call turn.")
    names = sorted(call["name"] for call in calls)
    demand(names == sorted(one["name"] for one in answers), "a function response is of no call")
    ids = {call.get("id") for call in calls}
    known = all(one.get("id") is None or one["id"] in ids for one in answers)
    demand(known, "the id of a function response is that of no call")


def check_part(where: str, part: dict, role: str) -> None:
    held = [name for name in DATA if name in part]
    message = "required oneof field 'data' must have one initialized field"
    demand(len(held) == 1, f"* GenerateContentRequest.{where}.data: {message}\n")
    demand(role == "model" or not part.get("thought"), f"{where}: only the model has thoughts")
    wrong = "functionResponse" if role == "model" else "functionCall"
    demand(wrong not in part, f"{where}: a {wrong} cannot be of the role {role}")
    for name in ("functionCall", "functionResponse"):
        value = part.get(name, {"name": "f"})
        demand(NAME.fullmatch(value.get("name", "")), f"{where}.{name}.name: must not be empty")
    answered = "response" in part.get("functionResponse", {"response": {}})
    demand(answered, f"{where}.function_response.response: must be set")
    blob = part.get("inlineData", {"mimeType": "image/png", "data": "AAAA"})
    known = MEDIA.fullmatch(blob.get("mimeType", ""))
    demand(known and blob.get("data"), f"Unsupported MIME type: {blob.get('mimeType')}")
    if "thoughtSignature" in part:
        check_proof(where, part)


def check_proof(where: str, part: dict) -> None:
    """A signature proves what it stands at, or what was said before."""
    given = raw(part["thoughtSignature"])
    if "functionCall" in part:
        known = given in (SKIP, raw(proof_of(part["functionCall"])))
    else:
        known = given in (raw(signature(text)) for text in (GeminiProvider.THOUGHT, "said"))
    demand(known, f"{where}: Corrupted thought signature.")


def check_signatures(contents: list) -> None:
    """Of each step of the present turn, which began with what the user last said."""
    said = [at for at, content in enumerate(contents) if is_said(content)]
    for at, content in enumerate(contents[said[-1] if said else 0 :]):
        calls = [part for part in content["parts"] if "functionCall" in part]
        if calls and "thoughtSignature" not in calls[0]:
            raise invalid(
                "Function call is missing a thought_signature in functionCall parts. This is "
                "required for tools to work correctly, and missing thought_signature may lead to "
                "degraded model performance. Additional data, function call "
                f"`default_api:{calls[0]['functionCall']['name']}` , position {at + 1}."
            )


def is_said(content: dict) -> bool:
    answers = any("functionResponse" in part for part in content["parts"])
    return content.get("role", "user") == "user" and not answers


class Streamed(list):
    """A stream of another type than events: the items of one array."""

    content_type = "application/json; charset=UTF-8"


class GeminiProvider(Provider):
    """The provider. Its scripts have the names of those of the other providers."""

    TEXT = "The Danube, the Dniester and the Dnieper. Și încă trei 🌊."
    THOUGHT = "Rivers of the Black Sea: which are the greatest?"
    STREAM_TYPE = "text/event-stream"

    def __init__(self):
        self.ids = itertools.count(1)
        super().__init__()

    def serves(self, path: str) -> bool:
        found = PATH.fullmatch(path)
        return found is not None and found.group(2) in METHODS

    def not_found(self, path: str) -> Refused:
        return error(404, "NOT_FOUND", f"{path} is not found for API version v1beta")

    def not_json(self) -> Refused:
        return invalid("Invalid JSON payload received. Expected a value.")

    def answer(self, headers: dict[str, str], body: dict):
        if not headers.get("x-goog-api-key"):
            message = "Method doesn't allow unregistered callers (callers without established "
            raise error(403, "PERMISSION_DENIED", f"{message}identity).")
        model, method = PATH.fullmatch(headers[":path"]).groups()
        body = read(METHODS[method], body)
        match method:
            case "countTokens":
                return self.counted(model, body)
            case "embedContent":
                return {"embedding": self.embedded(model, body, must_name=False)}
            case "batchEmbedContents":
                demand(body.get("requests"), "* BatchEmbedContentsRequest.requests: is empty")
                return {"embeddings": [self.embedded(model, one) for one in body["requests"]]}
        check(model, body)
        answers = self.events(model, body)
        if method == "generateContent":
            return self.whole(answers)
        if "alt=sse" in headers[":query"].split("&"):
            event = lambda answer: f"data: {json.dumps(answer)}\r\n\r\n"
            return [one if one is BREAK else event(one) for one in answers]
        items = [one if one is BREAK else json.dumps(one) for one in answers]
        return Streamed(["[", *self.separated(items), "]"])

    @staticmethod
    def separated(items: list) -> list:
        marks = itertools.chain([""], itertools.repeat("\r\n,\r\n"))
        return [one if one is BREAK else mark + one for mark, one in zip(marks, items)]

    def counted(self, model: str, body: dict) -> dict:
        whole = body.get("generateContentRequest")
        demand(("contents" in body) != (whole is not None), "set contents or the whole request")
        if whole is not None:
            demand(named(whole.get("model", ""), model), "* model: must be that of the path")
        request = whole or {"contents": body["contents"]}
        check(model, request)
        texts = [p.get("text", "") for content in request["contents"] for p in content["parts"]]
        count = sum(len(text.split()) for text in texts)
        details = [{"modality": "TEXT", "tokenCount": count}]
        return {"totalTokens": count, "promptTokensDetails": details}

    def embedded(self, model: str, body: dict, must_name: bool = True) -> dict:
        name = body.get("model")
        fits = named(name, model) if name is not None else not must_name
        demand(fits, f"* EmbedContentRequest.model: {name!r} is not that of the path")
        parts = body.get("content", {}).get("parts")
        demand(parts, "* EmbedContentRequest.content: contents is not specified")
        demand(all(part.keys() == {"text"} for part in parts), "content: text only")
        task = body.get("taskType", "RETRIEVAL_DOCUMENT")
        demand("title" not in body or task == "RETRIEVAL_DOCUMENT", "title: only for documents")
        size = body.get("outputDimensionality", 8)
        demand(0 < size <= 3072, "output_dimensionality: must be in [1, 3072]")
        digest = hashlib.sha256("".join(part["text"] for part in parts).encode()).digest()
        return {"values": [digest[at % len(digest)] / 255 for at in range(size)]}

    def events(self, model: str, body: dict) -> list[dict]:
        """What a stream has: answers of their own, each with what is new."""
        texts = [
            part["text"]
            for content in body["contents"]
            for part in content["parts"]
            if content.get("role", "user") == "user" and "text" in part
        ]
        last = body["contents"][-1]["parts"]
        name = "results" if "functionResponse" in last[-1] else script(texts)
        parts, finish, used = self.said(name, model, body)
        who = {"modelVersion": f"{model}-001", "responseId": f"r{next(self.ids)}"}
        begun = {"promptTokenCount": 21 + used.get("cachedContentTokenCount", 0)}
        if name == "blocked":
            feedback = {"blockReason": "PROHIBITED_CONTENT"}
            return [{"promptFeedback": feedback, "usageMetadata": begun, **who}]
        answers = [
            {"candidates": [candidate([part])], "usageMetadata": begun, **who}
            for whole in parts
            for part in bits(whole)
        ]
        if name == "broken":
            return [*answers, BREAK]
        if name == "failing":
            fault = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
            return [*answers, {"error": fault}]
        written = {"candidatesTokenCount": 13 - used.get("thoughtsTokenCount", 0), **used}
        total = begun["promptTokenCount"] + 13
        details = [{"modality": "TEXT", "tokenCount": begun["promptTokenCount"]}]
        usage = {**begun, **written, "totalTokenCount": total, "promptTokensDetails": details}
        end = {"usageMetadata": usage, **who}
        if not answers:
            return [{"candidates": [{"finishReason": finish, "index": 0}], **end}]
        answers[-1]["candidates"][0]["finishReason"] = finish
        if name == "cited":
            answers[-1]["candidates"][0]["groundingMetadata"] = self.grounding()
        return [*answers[:-1], {**answers[-1], **end}]

    def grounding(self) -> dict:
        """What the text is grounded on. Places are counted in bytes."""
        supports = []
        for index, (words, *_) in enumerate(SOURCES):
            begin = len(self.TEXT[: self.TEXT.index(words)].encode())
            place = {"startIndex": begin, "endIndex": begin + len(words.encode())}
            segment = {"segment": {**place, "text": words}}
            supports.append({**segment, "groundingChunkIndices": [index]})
        chunks = [{"web": {"uri": url, "title": title}} for _, url, title, _ in SOURCES]
        queries = {"webSearchQueries": ["rivers"]}
        return {**queries, "groundingChunks": chunks, "groundingSupports": supports}

    @staticmethod
    def whole(answers: list[dict]) -> dict:
        """The answer that the events are of. Signatures stand at the text that they were behind."""
        parts: list[dict] = []
        for answer in answers:
            for said in answer.get("candidates", []):
                for part in said.get("content", {}).get("parts", []):
                    joins = parts and "text" in part and "text" in parts[-1]
                    if joins and part.get("thought") == parts[-1].get("thought"):
                        parts[-1] = {**parts[-1], **part, "text": parts[-1]["text"] + part["text"]}
                    else:
                        parts.append(part)
        if "candidates" not in answers[-1]:
            return answers[-1]
        (last,) = answers[-1]["candidates"]
        content = {"content": {"parts": parts, "role": "model"}} if parts else {}
        return {**answers[-1], "candidates": [{**last, **content}]}

    def said(self, name: str, model: str, body: dict) -> tuple[list, str, dict]:
        text = {"text": self.TEXT}
        shown = body.get("generationConfig", {}).get("thinkingConfig", {}).get("includeThoughts")
        thoughts = [{"text": self.THOUGHT, "thought": True}] if shown else []
        match name:
            case "text" | "broken" | "failing" | "blocked":
                return [text], "STOP", {}
            case "tool":
                return [{"text": "I shall look."}, *self.calls(model, ["Brăila"])], "STOP", {}
            case "parallel":
                return self.calls(model, ["Brăila", "Odesa"]), "STOP", {}
            case "no-arguments":
                return self.proven(model, [{"name": "now", "args": {}}]), "STOP", {}
            case "think":
                proven = {**text, "thoughtSignature": signature("said")}
                return [*thoughts, proven], "STOP", {"thoughtsTokenCount": 9}
            case "think-tool":
                calls = self.calls(model, ["Brăila"])
                return [*thoughts, *calls], "STOP", {"thoughtsTokenCount": 9}
            case "length":
                return [text], "MAX_TOKENS", {}
            case "filter":
                return [], "SAFETY", {}
            case "cached":
                return [text], "STOP", {"cachedContentTokenCount": 1000}
            case "cited":
                return [text], "STOP", {}
            case "json":
                return [{"text": '{"river": "Danube", "length": 2850}'}], "STOP", {}
            case "results":
                told = self.told(in_turns(body["contents"]))
                return [{"text": "; ".join(told)}], "STOP", {}
            case "limited":
                message = "You exceeded your current quota, please check your plan."
                again = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}
                raise error(429, "RESOURCE_EXHAUSTED", message, [again])
            case "overloaded":
                raise error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
            case "invalid":
                raise invalid("The input token count exceeds the maximum of 1048576.")
            case "denied":
                raise error(403, "PERMISSION_DENIED", "Your API key was reported as leaked.")
            case _:
                raise AssertionError(f"no script is called {name}")

    def calls(self, model: str, cities: list[str]) -> list[dict]:
        return self.proven(model, [{"name": "weather", "args": {"city": city}} for city in cities])

    def proven(self, model: str, calls: list[dict]) -> list[dict]:
        """The newer models give each call an id, and the first of them its proof."""
        if not thinks(model):
            return [{"functionCall": call} for call in calls]
        parts = [{"functionCall": {"id": f"fc{next(self.ids)}", **call}} for call in calls]
        parts[0]["thoughtSignature"] = proof_of(calls[0])
        return parts

    @staticmethod
    def told(contents: list) -> list[str]:
        """The last results, each with the arguments of the call that it is of."""
        calls = [p["functionCall"] for p in contents[-2]["parts"] if "functionCall" in p]
        told = []
        for part in contents[-1]["parts"]:
            answer = part["functionResponse"]
            of = [call for call in calls if call["name"] == answer["name"]]
            call = next((one for one in of if one.get("id") == answer.get("id")), of[0])
            calls.remove(call)
            response = dict(answer["response"])
            # Some clients repeat it.
            demand(response.pop("name", answer["name"]) == answer["name"], "response of another")
            ((kind, content),) = response.items()
            mark = "!" if kind == "error" else ""
            arguments = ",".join(map(str, call.get("args", {}).values()))
            told.append(f"{call['name']}({arguments})={mark}{content}")
        return told


def candidate(parts: list) -> dict:
    return {"content": {"parts": parts, "role": "model"}, "index": 0}


def bits(part: dict) -> list[dict]:
    """A part as a stream has it: text in pieces, and its signature behind them, at none."""
    if "text" not in part:
        return [part]
    rest = {name: value for name, value in part.items() if name not in ("text", "thoughtSignature")}
    said = [{**rest, "text": text} for text in pieces(part["text"])]
    if "thoughtSignature" in part:
        said.append({"text": "", "thoughtSignature": part["thoughtSignature"]})
    return said
