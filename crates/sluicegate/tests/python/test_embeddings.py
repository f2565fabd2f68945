"""Whoever asks for vectors and whoever makes them: the official clients of OpenAI, Google, Ollama, Cohere
and Mistral with the models of each other. Orders of documents too."""

import json

import cohere
import ollama
import openai
import pytest
from conftest import CLIENT_KEY, UPSTREAM_KEY
from google import genai
from google.genai import types
from mistralai.client import Mistral

TEXTS = ["a river", "the sea", "Brăila 🌊"]
# Who serves each model, and where its vectors are in what it answers.
SERVERS = {
    "our-vectors": ("azure", lambda answer: [one["embedding"] for one in answer["data"]]),
    "mistral-large": ("mistral", lambda answer: [one["embedding"] for one in answer["data"]]),
    "gemini-embedding-001": ("gemini", lambda answer: [o["values"] for o in answer["embeddings"]]),
    "nomic-embed-text": ("ollama", lambda answer: answer["embeddings"]),
    "embed-v4": ("cohere", lambda answer: answer["embeddings"]["float"]),
}
every_model = pytest.mark.parametrize("model", SERVERS)
# Azure's and Gemini's do not tell how many tokens it took, or not all do.
USAGE = {"our-vectors": 5, "mistral-large": 5, "nomic-embed-text": 5, "embed-v4": 5}


def last(mesh, model: str):
    return getattr(mesh.providers, SERVERS[model][0]).last


def made(mesh, model: str) -> list:
    """The vectors as the provider has made them."""
    return SERVERS[model][1](json.loads(last(mesh, model).sent))


def same(vectors, made) -> bool:
    """As far as floats of 32 bits can tell."""
    return [pytest.approx(vector, rel=1e-6) for vector in made] == [list(v) for v in vectors]


class TestOpenAi:
    @every_model
    def test_base64(self, client, mesh, model):
        """The client wants it by itself, and hides it."""
        answer = client.embeddings.create(model=model, input=TEXTS)
        assert [item.index for item in answer.data] == [0, 1, 2]
        vectors = [item.embedding for item in answer.data]
        if model != "our-vectors":
            assert same(vectors, made(mesh, model))
        assert answer.usage.prompt_tokens == answer.usage.total_tokens == USAGE.get(model, 0)

    @every_model
    def test_numbers(self, client, mesh, model):
        answer = client.embeddings.create(model=model, input="a river", encoding_format="float")
        (item,) = answer.data
        if model != "gemini-embedding-001":
            assert same([item.embedding], made(mesh, model))
        assert item.embedding and answer.model

    @pytest.mark.parametrize("model", ["gemini-embedding-001", "nomic-embed-text", "embed-v4"])
    def test_dimensions(self, client, mesh, model):
        raw = client.embeddings.with_raw_response.create(
            model=model, input=TEXTS, dimensions=16, user="u-1"
        )
        assert [len(item.embedding) for item in raw.parse().data] == [16] * 3
        assert raw.headers["x-sluicegate-dropped"] == "user"
        key = last(mesh, model).headers.get("x-goog-api-key") or last(mesh, model).headers[
            "authorization"
        ].removeprefix("Bearer ")
        assert key == UPSTREAM_KEY

    def test_a_purpose(self, client, mesh):
        fields = {"model": "embed-v4", "input": "a"}
        client.embeddings.create(**fields)
        assert last(mesh, "embed-v4").body["input_type"] == "search_document"
        client.embeddings.create(**fields, extra_body={"input_type": "query"})
        assert last(mesh, "embed-v4").body["input_type"] == "search_query"

    @pytest.mark.parametrize("model", ["gemini-embedding-001", "nomic-embed-text", "embed-v4"])
    def test_ids_of_tokens_are_refused(self, client, model):
        with pytest.raises(openai.BadRequestError, match="ids of tokens") as caught:
            client.embeddings.create(model=model, input=[[1, 2], [3]])
        assert caught.value.param == "input[0]"

    def test_a_text_that_is_too_long(self, client):
        """Is not cut in silence."""
        with pytest.raises(openai.BadRequestError, match="context length"):
            client.embeddings.create(model="nomic-embed-text", input="a" * 5_000)

    @pytest.mark.parametrize("model", ["claude", "nova"])
    def test_who_has_no_vectors(self, client, model):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model=model, input="a")


class TestGoogle:
    @every_model
    def test_vectors(self, mesh, model):
        options = types.HttpOptions(base_url=mesh.url)
        client = genai.Client(api_key=CLIENT_KEY, http_options=options)
        answer = client.models.embed_content(model=model, contents=TEXTS)
        assert same([one.values for one in answer.embeddings], made(mesh, model))

    def test_a_purpose(self, mesh):
        options = types.HttpOptions(base_url=mesh.url)
        client = genai.Client(api_key=CLIENT_KEY, http_options=options)
        config = types.EmbedContentConfig(task_type="SEMANTIC_SIMILARITY", output_dimensionality=7)
        client.models.embed_content(model="embed-v4", contents="a", config=config)
        body = last(mesh, "embed-v4").body
        assert (body["input_type"], body["output_dimension"]) == ("clustering", 7)


class TestOllama:
    @every_model
    def test_vectors(self, mesh, model):
        client = ollama.Client(mesh.url, headers={"authorization": f"Bearer {CLIENT_KEY}"})
        answer = client.embed(model=model, input=TEXTS)
        assert same(answer.embeddings, made(mesh, model))
        assert answer.prompt_eval_count == USAGE.get(model)

    def test_cut(self, mesh):
        client = ollama.Client(mesh.url, headers={"authorization": f"Bearer {CLIENT_KEY}"})
        client.embed(model="embed-v4", input="a", truncate=True, dimensions=9)
        body = last(mesh, "embed-v4").body
        assert (body["truncate"], body["output_dimension"]) == ("END", 9)


@pytest.fixture
def co(mesh):
    with cohere.ClientV2(CLIENT_KEY, base_url=mesh.url, max_retries=0) as client:
        yield client


class TestCohere:
    @every_model
    def test_vectors(self, co, mesh, model):
        fields = {"model": model, "texts": TEXTS, "input_type": "search_query"}
        answer = co.embed(**fields, embedding_types=["float"])
        assert same(answer.embeddings.float_, made(mesh, model))
        assert answer.meta.billed_units is None or answer.meta.billed_units.input_tokens == 5
        if model == "gemini-embedding-001":
            (one, *_) = last(mesh, model).body["requests"]
            assert one["taskType"] == "RETRIEVAL_QUERY"

    def test_other_numbers_are_refused(self, co):
        fields = {"texts": TEXTS, "input_type": "search_query", "embedding_types": ["int8"]}
        with pytest.raises(cohere.BadRequestError) as caught:
            co.embed(model="nomic-embed-text", **fields)
        assert "embedding_types[0]" in caught.value.body["message"]

    def test_an_order(self, co, mesh):
        """By a server that has it as vLLM does."""
        results = [
            {"index": 1, "document": {"text": "sea"}, "relevance_score": 0.75},
            {"index": 0, "document": {"text": "river"}, "relevance_score": 0.5},
        ]
        usage = {"total_tokens": 7, "prompt_tokens": 7}
        mesh.recorder.answer = {"id": "r1", "model": "recorded", "usage": usage, "results": results}
        fields = {"query": "water", "documents": ["river", "sea"], "top_n": 2}
        answer = co.rerank(model="recorded", **fields)
        told = [(result.index, result.relevance_score) for result in answer.results]
        assert told == [(1, 0.75), (0, 0.5)]
        assert answer.id == "r1" and answer.meta.billed_units.input_tokens == 7
        assert mesh.recorder.requests[-1][0] == "/v1/rerank"
        assert mesh.recorder.last_body() == {"model": "recorded", **fields}


class TestMistral:
    # It does not read what Azure answers, which has no id.
    @pytest.mark.parametrize("model", [model for model in SERVERS if model != "our-vectors"])
    def test_vectors(self, mesh, model):
        with Mistral(api_key=CLIENT_KEY, server_url=mesh.url) as client:
            answer = client.embeddings.create(model=model, inputs=TEXTS)
        assert same([item.embedding for item in answer.data], made(mesh, model))


def test_an_order_by_cohere(client):
    """For who asks as Jina's API is asked; OpenAI's client has no method for it."""
    body = {"model": "rerank-v4", "query": "long river", "top_n": 2}
    body["documents"] = ["a sea", {"text": "a long river"}, "a river"]
    answer = client.post("/rerank", body=body, cast_to=dict[str, object])
    assert [result["index"] for result in answer["results"]] == [1, 2]
    assert answer["model"] == "rerank-v4"
