"""Every official client is told where the words of an answer come from, whoever says them."""

import anthropic
import boto3
import botocore.config
import cohere
import pytest
from conftest import CLIENT_KEY
from google import genai
from google.genai import types
from provider import DNIESTER, SOURCES

TEXT = "The Danube, the Dniester and the Dnieper. Și încă trei 🌊."
MODELS = {
    "openai": "gpt-5",
    "anthropic": "claude",
    "gemini": "flash",
    "bedrock": "nova",
    "cohere": "command-a",
}
BLOCKS = ("anthropic", "bedrock")
ASKED = {"role": "user", "content": "play cited"}
both = pytest.mark.parametrize("stream", [False, True])
every_provider = pytest.mark.parametrize("provider", MODELS)


def expected(provider: str, client: str, stream: bool) -> list[tuple[str, str, str]]:
    """The words, and the address and the title of their source. A client that is told by the block is
    told of all of it where a stream does not say by itself where its blocks are."""
    whole = stream and client in BLOCKS and provider not in BLOCKS
    return [(TEXT if whole else words, url, title) for words, url, title, _ in SOURCES]


def of_pages(text: str, annotations) -> list[tuple[str, str, str]]:
    """What annotations of OpenAI's say."""
    pages = [getattr(one, "url_citation", one) for one in annotations]
    return [(text[one.start_index : one.end_index], one.url, one.title) for one in pages]


@both
@every_provider
def test_chat_completions(client, provider, stream):
    fields = {"model": MODELS[provider], "messages": [ASKED]}
    if not stream:
        message = client.chat.completions.create(**fields).choices[0].message
        assert message.content == TEXT
        assert of_pages(TEXT, message.annotations) == expected(provider, "openai", stream)
        return
    text, annotations = "", []
    for chunk in client.chat.completions.create(**fields, stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            annotations += getattr(choice.delta, "annotations", None) or []
    pages = [one["url_citation"] for one in annotations]
    cited = [(text[p["start_index"] : p["end_index"]], p["url"], p["title"]) for p in pages]
    assert (text, cited) == (TEXT, expected(provider, "openai", stream))


@pytest.mark.parametrize("provider", [name for name in MODELS if name != "openai"])
def test_chat_completions_helped(client, provider):
    """The client's helper puts a stream together, annotations included."""
    with client.chat.completions.stream(model=MODELS[provider], messages=[ASKED]) as events:
        message = events.get_final_completion().choices[0].message
    assert message.content == TEXT
    assert of_pages(TEXT, message.annotations) == expected(provider, "openai", True)


@both
@pytest.mark.parametrize("provider", [name for name in MODELS if name != "openai"])
def test_responses(client, provider, stream):
    fields = {"model": MODELS[provider], "input": "play cited"}
    added = []
    if stream:
        with client.responses.stream(**fields) as events:
            for event in events:
                if event.type == "response.output_text.annotation.added":
                    added.append(event.annotation_index)
            response = events.get_final_response()
    else:
        response = client.responses.create(**fields)
    assert response.output_text == TEXT
    (item,) = response.output
    # What is told in blocks is one message of several texts.
    told = [one for part in item.content for one in of_pages(part.text, part.annotations)]
    assert told == expected(provider, "responses", stream)
    assert len(added) == (len(told) if stream else 0)


@both
@every_provider
def test_messages(anthropic_client, provider, stream):
    fields = {"model": MODELS[provider], "max_tokens": 99, "messages": [ASKED]}
    if stream:
        with anthropic_client.messages.stream(**fields) as events:
            message = events.get_final_message()
    else:
        message = anthropic_client.messages.create(**fields)
    assert "".join(block.text for block in message.content) == TEXT
    told = [
        (block.text, citation.url, citation.title)
        for block in message.content
        for citation in block.citations or []
    ]
    assert told == expected(provider, "anthropic", stream)
    for block in message.content:
        for citation in block.citations or []:
            assert citation.type == "web_search_result_location"


@both
@every_provider
def test_gemini(mesh, provider, stream):
    options = types.HttpOptions(base_url=mesh.url)
    fields = {"model": MODELS[provider], "contents": "play cited"}
    with genai.Client(api_key=CLIENT_KEY, http_options=options) as client:
        if stream:
            answers = list(client.models.generate_content_stream(**fields))
        else:
            answers = [client.models.generate_content(**fields)]
    text = "".join(answer.text or "" for answer in answers)
    assert text == TEXT
    grounds = answers[-1].candidates[0].grounding_metadata
    parts = [part.text or "" for part in answers[-1].candidates[0].content.parts]
    told = []
    for support in grounds.grounding_supports:
        segment = support.segment
        where = text if stream else parts[segment.part_index or 0]
        words = where.encode()[segment.start_index or 0 : segment.end_index].decode()
        for index in support.grounding_chunk_indices:
            page = grounds.grounding_chunks[index].web
            told.append((words, page.uri, page.title))
    assert told == expected(provider, "gemini", stream)


@pytest.fixture
def bedrock(mesh):
    keys = {"aws_access_key_id": "AKIDCLIENT", "aws_secret_access_key": "client-secret"}
    place = {"region_name": "eu-west-1", "endpoint_url": mesh.url}
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    keys["aws_session_token"] = CLIENT_KEY
    client = boto3.client("bedrock-runtime", config=config, **keys, **place)
    yield client
    client.close()


@both
@every_provider
def test_converse(bedrock, provider, stream):
    fields = {"modelId": MODELS[provider]}
    fields["messages"] = [{"role": "user", "content": [{"text": "play cited"}]}]
    told, text = [], ""
    if stream:
        blocks: dict[int, tuple[str, list]] = {}
        for event in bedrock.converse_stream(**fields)["stream"]:
            if "contentBlockDelta" not in event:
                continue
            at = event["contentBlockDelta"]["contentBlockIndex"]
            delta = event["contentBlockDelta"]["delta"]
            words, citations = blocks.get(at, ("", []))
            cited = [delta["citation"]] if "citation" in delta else []
            blocks[at] = (words + delta.get("text", ""), [*citations, *cited])
        pieces = [blocks[at] for at in sorted(blocks)]
    else:
        content = bedrock.converse(**fields)["output"]["message"]["content"]
        cited = [block.get("citationsContent", {"content": [block]}) for block in content]
        pieces = [(one["content"][0]["text"], one.get("citations", [])) for one in cited]
    for words, citations in pieces:
        text += words
        told += [(words, one["location"]["web"]["url"], one["title"]) for one in citations]
    assert (text, told) == (TEXT, expected(provider, "bedrock", stream))


@both
@every_provider
def test_cohere(mesh, provider, stream):
    fields = {"model": MODELS[provider], "messages": [ASKED]}
    texts, citations = [], []
    with cohere.ClientV2(CLIENT_KEY, base_url=mesh.url, max_retries=0) as client:
        if stream:
            for event in client.chat_stream(**fields):
                if event.type == "content-start":
                    texts.append(event.delta.message.content.text)
                elif event.type == "content-delta":
                    texts[event.index] += event.delta.message.content.text
                elif event.type == "citation-start":
                    citations.append(event.delta.message.citations)
        else:
            message = client.chat(**fields).message
            texts = [block.text for block in message.content]
            citations = message.citations
    assert "".join(texts) == TEXT
    told = []
    for citation in citations:
        words = texts[citation.content_index][citation.start : citation.end]
        assert citation.text in (None, words)
        (source,) = citation.sources
        told.append((words, source.document["url"], source.document["title"]))
    assert told == expected(provider, "cohere", stream)


def ask_of_a_document(client, model: str) -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "The Dniester is long."}
    document = {"type": "document", "source": source, "citations": {"enabled": True}}
    messages = [{"role": "user", "content": [document, {"type": "text", "text": "play text"}]}]
    client.messages.create(model=model, max_tokens=99, messages=messages)


def test_documents_are_cited_at_bedrock(anthropic_client, mesh):
    ask_of_a_document(anthropic_client, "nova")
    sent = mesh.providers.bedrock.last.body["messages"][0]["content"][0]["document"]
    assert sent["citations"] == {"enabled": True}
    # In bytes it could not be cited.
    assert sent["source"] == {"text": "The Dniester is long."}


@pytest.mark.parametrize("model", ["gpt-5", "flash", "command-a", "qwen"])
def test_documents_cannot_be_cited_elsewhere(anthropic_client, model):
    with pytest.raises(anthropic.BadRequestError) as raised:
        ask_of_a_document(anthropic_client, model)
    assert "messages.content.citations" in str(raised.value)


@pytest.mark.parametrize("model", ["claude", "nova", "flash", "command-a", "qwen"])
def test_what_was_cited_is_named_where_it_cannot_be_told_again(client, model):
    """A client sends the answer back as it came."""
    first = client.chat.completions.create(model="nova", messages=[ASKED])
    said = first.choices[0].message.model_dump(exclude_none=True)
    assert said["annotations"][0]["url_citation"]["url"] == DNIESTER[1]
    messages = [ASKED, said, {"role": "user", "content": "play text"}]
    raw = client.chat.completions.with_raw_response.create(model=model, messages=messages)
    assert "citations" in raw.headers["x-sluicegate-dropped"]


def test_what_was_cited_of_a_document_goes_on_to_bedrock(anthropic_client, mesh):
    location = {"type": "char_location", "document_index": 0, "document_title": "rivers"}
    location |= {"cited_text": "is long", "start_char_index": 13, "end_char_index": 20}
    said = {"type": "text", "text": "Long.", "citations": [location]}
    messages = [
        {"role": "user", "content": "play text"},
        {"role": "assistant", "content": [said]},
        {"role": "user", "content": "play text"},
    ]
    anthropic_client.messages.create(model="nova", max_tokens=99, messages=messages)
    (block,) = mesh.providers.bedrock.last.body["messages"][1]["content"]
    (citation,) = block["citationsContent"]["citations"]
    assert citation["location"] == {"documentChar": {"documentIndex": 0, "start": 13, "end": 20}}


def test_an_openai_client_has_no_annotations_where_nothing_is_cited(client):
    asked = {"role": "user", "content": "play text"}
    completion = client.chat.completions.create(model="claude", messages=[asked])
    assert not completion.choices[0].message.annotations
