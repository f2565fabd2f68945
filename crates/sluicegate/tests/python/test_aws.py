"""Requests that are signed for AWS are signed as AWS's own library would have signed them."""

import datetime
from unittest import mock

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from conftest import AWS_KEYS

ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "signed",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Danube."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


@pytest.fixture
def recorder(mesh):
    mesh.recorder.answer = ANSWER
    return mesh.recorder


def expected(path: str, headers: dict[str, str], body: bytes) -> str:
    """The signature that botocore gives to what came, at the time that it names."""
    authorization = headers["authorization"]
    names = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    signed = {name: headers[name] for name in names if name not in ("host", "x-amz-date")}
    url = f"http://{headers['host']}{path}"
    request = AWSRequest("POST", url, headers=signed, data=body)
    keys = Credentials(AWS_KEYS["accessKeyId"], AWS_KEYS["secretAccessKey"])
    now = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: now):
        botocore.auth.SigV4Auth(keys, "bedrock", "eu-west-1").add_auth(request)
    return request.headers["Authorization"]


def check(recorder) -> bytes:
    path, headers, body = recorder.requests[-1]
    assert headers["authorization"] == expected(path, headers, body)
    assert "host" in headers["authorization"] and "content-type" in headers["authorization"]
    assert headers["authorization"] != expected(path, headers, body + b" ")
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    at = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    assert abs((now - at).total_seconds()) < 60
    return body


# The last are hashed beside the threads that serve, and kept in a file.
@pytest.mark.parametrize("length", [10, 300_000, 3_000_000])
def test_a_body_that_is_passed_on(recorder, client, length):
    said = [{"role": "user", "content": "\u00fc" * length}]
    client.chat.completions.create(model="signed", messages=said)
    assert len(check(recorder)) > 2 * length


def test_a_body_that_is_changed_on_its_way(recorder, client):
    said = [{"role": "user", "content": "Name a river."}]
    # The recorder answers no stream, so nothing comes of it; what counts is what it was asked.
    list(client.chat.completions.create(model="signed", messages=said, stream=True))
    assert b"include_usage" in check(recorder)


@pytest.mark.parametrize("length", [10, 600_000])
def test_a_body_that_is_translated(recorder, anthropic_client, length):
    said = [{"role": "user", "content": "\u00fc" * length}]
    anthropic_client.messages.create(model="signed", max_tokens=9, messages=said)
    assert len(check(recorder)) > 2 * length
