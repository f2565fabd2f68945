"""Images, sound and moderations by OpenAI's official client."""

import io
import json

import httpx2
import openai
import pytest
from conftest import UPSTREAM_KEY
from media_provider import PIXEL, SOUND
from processes import eventually

PNG = ("pixel.png", b"\x89PNG\r\n\x1a\n" + b"\r\n--a\r\n" * 1000, "image/png")
# Longer than one read, with line ends and hyphens in it.
WAV = ("said.wav", b"RIFF" + bytes(range(256)) * 4000 + b"\r\n--", "audio/wav")


@pytest.fixture
def provider(mesh):
    return mesh.providers.media


def entry(mesh, operation: str) -> dict:
    """The last line of the log for an operation."""

    def line():
        lines = map(json.loads, mesh.access_log.read_text().splitlines())
        found = [entry for entry in lines if entry.get("operation") == operation]
        return found and found[-1]

    return eventually(line)


class TestImages:
    def test_generated(self, client, provider, mesh):
        images = client.images.generate(model="gpt-image", prompt="A river", n=2, size="1024x1024")
        assert [image.b64_json for image in images.data] == [PIXEL] * 2
        assert images.usage.total_tokens == 150
        assert provider.last.body["size"] == "1024x1024"
        assert provider.last.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
        logged = entry(mesh, "image_generation")
        assert (logged["input_tokens"], logged["output_tokens"]) == (50, 100)

    def test_streamed(self, client):
        events = list(
            client.images.generate(
                model="gpt-image", prompt="A river", stream=True, partial_images=2
            )
        )
        kinds = [event.type.rsplit(".")[-1] for event in events]
        assert kinds == ["partial_image", "partial_image", "completed"]
        assert events[-1].usage.input_tokens == 50

    def test_edited(self, client, provider):
        images = client.images.edit(
            model="gpt-image", image=[PNG, PNG], mask=PNG, prompt="Add a boat", n=1
        )
        assert images.data[0].b64_json == PIXEL
        body = provider.last.body
        assert body["model"] == "gpt-image-theirs" and body["prompt"] == "Add a boat"
        assert body["mask"] == ("pixel.png", PNG[1])


class TestSound:
    def test_speech(self, client, provider):
        spoken = client.audio.speech.create(model="tts", voice="alloy", input="Hello")
        assert spoken.content == SOUND
        assert spoken.response.headers["content-type"] == "audio/mpeg"
        with client.audio.speech.with_streaming_response.create(
            model="tts", voice="alloy", input="Hello"
        ) as response:
            assert b"".join(response.iter_bytes(1000)) == SOUND

    def test_transcription(self, client, provider, mesh):
        told = client.audio.transcriptions.create(
            model="whisper", file=WAV, language="en", timestamp_granularities=["word"]
        )
        assert told.text == "So be it."
        body = provider.last.body
        # The name that the provider has for it is spliced into the form, and nothing else changes.
        assert body["model"] == "whisper-1" and body["file"] == ("said.wav", WAV[1])
        assert body["language"] == "en"
        length = int(provider.last.headers["content-length"])
        assert length == len(provider.last.raw)
        assert entry(mesh, "transcription")["model_requested"] == "whisper"

    def test_transcription_as_text(self, client):
        told = client.audio.transcriptions.create(
            model="whisper", file=WAV, response_format="text"
        )
        assert told == "So be it.\n"

    def test_transcription_streamed(self, client):
        events = list(client.audio.transcriptions.create(model="whisper", file=WAV, stream=True))
        assert [event.type for event in events][-1] == "transcript.text.done"
        assert "".join(e.delta for e in events if e.type.endswith("delta")) == "So be it."

    def test_translation(self, client, provider):
        told = client.audio.translations.create(model="whisper", file=io.BytesIO(b"RIFF"))
        assert told.text == "So be it." and provider.last.path == "/v1/audio/translations"

    def test_a_long_recording(self, client, provider):
        recording = ("long.wav", b"RIFF" + b"\r\n-" * 4_000_000, "audio/wav")
        client.audio.transcriptions.create(model="whisper", file=recording)
        assert provider.last.body["file"][1] == recording[1]


class TestModerations:
    def test_judged(self, client, provider):
        judged = client.moderations.create(model="omni-moderation-latest", input="Hello")
        assert not judged.results[0].flagged

    def test_a_model_need_not_be_named(self, client, provider):
        judged = client.moderations.create(input=["Hello", "there"])
        assert judged.model == "omni-moderation-latest"
        assert provider.last.body["input"] == ["Hello", "there"]


class TestErrors:
    def test_of_the_provider(self, client):
        with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'style'"):
            client.images.generate(model="gpt-image", prompt="A river", style="vivid")

    def test_of_the_form(self, mesh):
        url = f"{mesh.url}/v1/audio/transcriptions"

        def ask(content_type: str, body: bytes) -> str:
            headers = {"content-type": content_type}
            response = httpx2.post(url, headers=headers, content=body)
            assert response.status_code == 400
            return response.json()["error"]["message"]

        assert "boundary" in ask("multipart/form-data", b"")
        kind = "multipart/form-data; boundary=b"
        part = b'--b\r\ncontent-disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        assert "breaks off" in ask(kind, part % (b"model", b"whisper"))
        twice = part % (b"model", b"whisper") * 2 + b"--b--\r\n"
        assert "more than once" in ask(kind, twice)
        assert "model" in ask(kind, part % (b"file", b"x") + b"--b--\r\n")

    def test_of_another_dialect(self, client):
        with pytest.raises(openai.BadRequestError, match="another dialect"):
            client.images.generate(model="claude", prompt="A river")
