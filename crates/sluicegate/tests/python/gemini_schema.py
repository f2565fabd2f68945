"""The messages of Gemini's API as its JSON has them, and whether a body is one of them.

The fields are those that the API for developers documents; what only Vertex knows is unknown here,
as it is there. A field may be spelt in `camelCase` or in `snake_case`: `read` gives it in `camelCase`.
"""

import base64
import binascii

from provider import Refused

HARM = "HARM_CATEGORY_"
ENUMS = {
    "Role": {"user", "model", "function"},
    "Category": {
        *(f"{HARM}UNSPECIFIED", f"{HARM}HARASSMENT", f"{HARM}HATE_SPEECH"),
        *(f"{HARM}SEXUALLY_EXPLICIT", f"{HARM}DANGEROUS_CONTENT", f"{HARM}CIVIC_INTEGRITY"),
    },
    "Threshold": {
        *("HARM_BLOCK_THRESHOLD_UNSPECIFIED", "BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE"),
        *("BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"),
    },
    "Mode": {"MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"},
    "Level": {"THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH"},
    "Modality": {"MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO"},
    "Resolution": {f"MEDIA_RESOLUTION_{name}" for name in ("UNSPECIFIED", "LOW", "MEDIUM", "HIGH")},
    "Type": {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"},
    "Task": {
        *("TASK_TYPE_UNSPECIFIED", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY"),
        *("CLASSIFICATION", "CLUSTERING", "QUESTION_ANSWERING", "FACT_VERIFICATION"),
        "CODE_RETRIEVAL_QUERY",
    },
    "Tier": {"unspecified", "standard", "flex", "priority"},
}
# A list stands for a repeated field, a dictionary for a map.
MESSAGES = {
    "GenerateContentRequest": {
        **{"model": "string", "contents": ["Content"], "systemInstruction": "Content"},
        **{"tools": ["Tool"], "toolConfig": "ToolConfig", "safetySettings": ["SafetySetting"]},
        **{"generationConfig": "GenerationConfig", "cachedContent": "string"},
        **{"serviceTier": "Tier", "store": "bool"},
    },
    "CountTokensRequest": {
        **{"model": "string", "contents": ["Content"]},
        "generateContentRequest": "GenerateContentRequest",
    },
    "EmbedContentRequest": {
        **{"model": "string", "content": "Content", "taskType": "Task", "title": "string"},
        "outputDimensionality": "int32",
    },
    "BatchEmbedContentsRequest": {"requests": ["EmbedContentRequest"]},
    "Content": {"role": "Role", "parts": ["Part"]},
    "Part": {
        **{"text": "string", "inlineData": "Blob", "fileData": "FileData"},
        **{"functionCall": "FunctionCall", "functionResponse": "FunctionResponse"},
        **{"thought": "bool", "thoughtSignature": "bytes", "partMetadata": "struct"},
        **{"videoMetadata": "VideoMetadata", "mediaResolution": "PartResolution"},
    },
    "Blob": {"mimeType": "string", "data": "bytes"},
    "FileData": {"mimeType": "string", "fileUri": "string"},
    "FunctionCall": {"id": "string", "name": "string", "args": "struct"},
    "FunctionResponse": {
        **{"id": "string", "name": "string", "response": "struct"},
        **{"parts": ["FunctionResponsePart"], "willContinue": "bool"},
    },
    "FunctionResponsePart": {"inlineData": "Blob"},
    "VideoMetadata": {"startOffset": "string", "endOffset": "string", "fps": "number"},
    "PartResolution": {"level": "Resolution"},
    "Tool": {
        **{"functionDeclarations": ["FunctionDeclaration"], "googleSearch": "struct"},
        **{"codeExecution": "struct", "urlContext": "struct"},
    },
    "FunctionDeclaration": {
        **{"name": "string", "description": "string", "parameters": "Schema"},
        **{"parametersJsonSchema": "struct", "response": "Schema", "responseJsonSchema": "struct"},
    },
    "ToolConfig": {"functionCallingConfig": "FunctionCallingConfig"},
    "FunctionCallingConfig": {"mode": "Mode", "allowedFunctionNames": ["string"]},
    "SafetySetting": {"category": "Category", "threshold": "Threshold"},
    "GenerationConfig": {
        **{"candidateCount": "int32", "stopSequences": ["string"], "maxOutputTokens": "int32"},
        **{"temperature": "number", "topP": "number", "topK": "int32", "seed": "int32"},
        **{"presencePenalty": "number", "frequencyPenalty": "number", "responseLogprobs": "bool"},
        **{"logprobs": "int32", "responseMimeType": "string", "responseSchema": "Schema"},
        **{"responseJsonSchema": "struct", "responseModalities": ["Modality"]},
        **{"thinkingConfig": "ThinkingConfig", "mediaResolution": "Resolution"},
        "enableEnhancedCivicAnswers": "bool",
    },
    "ThinkingConfig": {
        **{"includeThoughts": "bool", "thinkingBudget": "int32", "thinkingLevel": "Level"},
    },
    "Schema": {
        **{"type": "Type", "format": "string", "title": "string", "description": "string"},
        **{"nullable": "bool", "enum": ["string"], "items": "Schema", "anyOf": ["Schema"]},
        **{"properties": {"": "Schema"}, "required": ["string"], "propertyOrdering": ["string"]},
        **{"minItems": "int64", "maxItems": "int64", "minLength": "int64", "maxLength": "int64"},
        **{"minProperties": "int64", "maxProperties": "int64", "pattern": "string"},
        **{"minimum": "number", "maximum": "number", "default": "any", "example": "any"},
    },
}


def error(code: int, status: str, message: str, details: "list | None" = None) -> Refused:
    fault = {"code": code, "message": message, "status": status}
    if details:
        fault["details"] = details
    return Refused(code, {"error": fault})


def invalid(message: str) -> Refused:
    return error(400, "INVALID_ARGUMENT", message)


def demand(condition, message: str) -> None:
    if not condition:
        raise invalid(message)


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def read(kind, value, where: str = ""):
    """The value as one of this kind, its fields in `camelCase`."""
    if isinstance(kind, list):
        mistyped(isinstance(value, list), where, "list", value)
        return [read(kind[0], item, f"{where}[{at}]") for at, item in enumerate(value)]
    if isinstance(kind, dict):
        mistyped(isinstance(value, dict), where, "map", value)
        return {name: read(kind[""], item, f"{where}.{name}") for name, item in value.items()}
    if kind not in MESSAGES:
        return scalar(kind, value, where)
    mistyped(isinstance(value, dict), where, kind, value)
    fields, found = MESSAGES[kind], {}
    for name, item in value.items():
        known = camel(name)
        at = f" at '{where}'" if where else ""
        payload = f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
        demand(known in fields, payload)
        demand(known not in found, f"Invalid value{at}: '{known}' stands there twice")
        if item is not None:
            path = f"{where}.{known}" if where else known
            found[known] = read(fields[known], item, path)
    return found


def scalar(kind: str, value, where: str):
    is_int = type(value) is int
    match kind:
        case "string":
            fits = isinstance(value, str)
        case "bool":
            fits = isinstance(value, bool)
        case "int32":
            fits = is_int and -(2**31) <= value < 2**31
        case "int64":
            fits = is_int or isinstance(value, str) and value.isdigit()
        case "number":
            fits = is_int or isinstance(value, float)
        case "struct":
            fits = isinstance(value, dict)
        case "bytes":
            fits = raw(value) is not None
        case "any":
            fits = True
        case "Type":
            # In small letters as well: so the documentation itself has it.
            fits = isinstance(value, str) and value.upper() in ENUMS[kind]
        case _:
            fits = isinstance(value, str) and value in ENUMS[kind]
    mistyped(fits, where, kind, value)
    return value


def mistyped(fits: bool, where: str, kind: str, value) -> None:
    demand(fits, f"Invalid value at '{where}' (TYPE_{kind.upper()}), {value!r}")


def raw(text) -> "bytes | None":
    """Bytes of base64 in either alphabet; `None` if it is neither."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (AttributeError, ValueError, binascii.Error):
        return None
