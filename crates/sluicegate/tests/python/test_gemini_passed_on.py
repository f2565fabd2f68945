"""Gemini's models behind Google's own client: requests and answers go through as they are."""

import json
import urllib.error
import urllib.request

import pytest
from conftest import CLIENT_KEY, UPSTREAM_KEY
from google import genai
from google.genai import errors, types

# As no serialiser writes it: spaces, the other spelling, an escape, numbers in other forms.
BODY = (
    '{ "generation_config" : {"temperature":5e-1,"seed":7},\n'
    '  "contents":[ {"parts":[{"text":"Name \\u0072ivers. %s"}]} ], "store": true}'
)


@pytest.fixture
def provider(mesh):
    return mesh.providers.gemini


@pytest.fixture
def client(mesh):
    with genai.Client(
        api_key=CLIENT_KEY, http_options=types.HttpOptions(base_url=mesh.url)
    ) as client:
        yield client


def post(mesh, resource: str, body: bytes):
    headers = {"content-type": "application/json", "x-goog-api-key": CLIENT_KEY}
    request = urllib.request.Request(f"{mesh.url}/v1beta/models/{resource}", body, headers)
    return urllib.request.urlopen(request, timeout=10)


@pytest.mark.parametrize("model", ["gemini-3-pro", "flash"])
@pytest.mark.parametrize("script", ["text", "think", "tool", "blocked", "filter"])
@pytest.mark.parametrize(
    ("method", "content_type"),
    [
        ("generateContent", "application/json"),
        ("streamGenerateContent?alt=sse", "text/event-stream"),
        ("streamGenerateContent", "application/json; charset=UTF-8"),
    ],
)
def test_bytes_stay_as_they_are(mesh, provider, model, script, method, content_type):
    body = (BODY % f"play {script}").encode()
    with post(mesh, f"{model}:{method}", body) as response:
        answer = response.read()
        assert response.headers["content-type"] == content_type
    last = provider.last
    assert (last.raw, last.sent) == (body, answer)
    theirs = {"flash": "gemini-2.5-flash"}.get(model, model)
    assert last.path == f"/v1beta/models/{theirs}:{method}"
    assert last.headers["x-goog-api-key"] == UPSTREAM_KEY


def test_keys_in_the_query_end_here(mesh, provider):
    body = (BODY % "").encode()
    post(mesh, f"flash:streamGenerateContent?key={CLIENT_KEY}&alt=sse", body).close()
    assert provider.last.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"


def test_a_model_is_renamed_within(mesh, provider):
    body = b"""{"requests": [
        {"content": {"parts": [{"text": "models/embedder"}]}, "model" : "models\\/embedder"},
        {"model": "models/embedder", "content": {"parts": [{"text": "b"}]}} ]}"""
    theirs = b'"models/gemini-embedding-001"'
    renamed = body.replace(b'"models\\/embedder"', theirs)
    renamed = renamed.replace(b'"model": "models/embedder"', b'"model": ' + theirs)
    post(mesh, "embedder:batchEmbedContents", body).close()
    assert provider.last.raw == renamed
    with pytest.raises(urllib.error.HTTPError) as raised:
        post(mesh, "embedder:batchEmbedContents", body.replace(b"models/embedder", b"models/x"))
    # What names another model is not made to name this one.
    assert "models/x" in json.load(raised.value)["error"]["message"]


@pytest.mark.parametrize("model", ["gemini-embedding-001", "embedder"])
@pytest.mark.parametrize("texts", ["one", ["one", "two"]])
def test_embeddings(client, provider, model, texts):
    config = types.EmbedContentConfig(output_dimensionality=16, task_type="CLUSTERING")
    response = client.models.embed_content(model=model, contents=texts, config=config)
    count = 1 if isinstance(texts, str) else len(texts)
    assert [len(one.values) for one in response.embeddings] == [16] * count
    named = {one["model"] for one in provider.last.body["requests"]}
    assert named == {"models/gemini-embedding-001"}


def test_one_embedding(mesh, provider):
    body = b'{"model":"models/embedder","content":{"parts":[{"text":"one"}]}}'
    with post(mesh, "embedder:embedContent", body) as response:
        assert len(json.load(response)["embedding"]["values"]) == 8
    assert provider.last.raw == body.replace(b"embedder", b"gemini-embedding-001")


@pytest.mark.parametrize("model", ["nova", "claude"])
def test_embeddings_of_others_are_refused(client, model):
    with pytest.raises(errors.ClientError) as raised:
        client.models.embed_content(model=model, contents="one")
    assert (raised.value.code, raised.value.status) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("model", ["gemini-3-pro", "flash"])
def test_tokens_are_counted_by_the_provider(mesh, client, model):
    counted = client.models.count_tokens(model=model, contents="Name five rivers.")
    assert counted.total_tokens == 3
    assert "x-sluicegate-estimated" not in counted.sdk_http_response.headers
    contents = [{"role": "user", "parts": [{"text": "Name five long rivers."}]}]
    whole = {"generateContentRequest": {"model": f"models/{model}", "contents": contents}}
    with post(mesh, f"{model}:countTokens", json.dumps(whole).encode()) as response:
        assert json.load(response)["totalTokens"] == 4


def test_what_the_gateway_does_not_read(client, provider):
    """Filters and tools that Google runs are its own affair."""
    setting = types.SafetySetting(
        category="HARM_CATEGORY_DANGEROUS_CONTENT", threshold="BLOCK_LOW_AND_ABOVE"
    )
    search = types.Tool(google_search=types.GoogleSearch())
    config = types.GenerateContentConfig(safety_settings=[setting], tools=[search])
    client.models.generate_content(model="gemini-3-pro", contents="Name rivers.", config=config)
    body = provider.last.body
    assert body["safetySettings"][0]["threshold"] == "BLOCK_LOW_AND_ABOVE"
    assert body["tools"] == [{"googleSearch": {}}]


def test_blocked(client):
    for piece in client.models.generate_content_stream(model="flash", contents="play blocked"):
        assert piece.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    response = client.models.generate_content(model="flash", contents="play blocked")
    assert response.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


def test_errors_keep_their_details(client):
    with pytest.raises(errors.ClientError) as raised:
        client.models.generate_content(model="flash", contents="play limited")
    (again,) = raised.value.details["error"]["details"]
    assert again["retryDelay"] == "7s"
    with pytest.raises(errors.ClientError, match="Unknown name \"speechConfig\""):
        config = types.GenerateContentConfig(speech_config="Kore")
        client.models.generate_content(model="flash", contents="hi", config=config)


def test_signatures_are_demanded(client):
    """So that no test passes because the provider would take anything."""
    call = types.FunctionCall(name="weather", args={})
    answer = types.FunctionResponse(name="weather", response={"result": "fog"})
    contents = [
        types.Content(role="user", parts=[types.Part(text="Weather?")]),
        types.Content(role="model", parts=[types.Part(function_call=call)]),
        types.Content(role="user", parts=[types.Part(function_response=answer)]),
    ]
    with pytest.raises(errors.ClientError, match="missing a thought_signature"):
        client.models.generate_content(model="gemini-3-pro", contents=contents)
    client.models.generate_content(model="flash", contents=contents)
    contents[2].parts *= 2
    with pytest.raises(errors.ClientError, match="number of function response parts"):
        client.models.generate_content(model="flash", contents=contents)
