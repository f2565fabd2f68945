"""A stream of the Responses API, held against OpenAI's: every event, its place and its number."""

from typing import get_args

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

# Each event's type, by the name that tells it.
EVENTS = {
    get_args(kind.model_fields["type"].annotation)[0]: kind
    for kind in get_args(get_args(ResponseStreamEvent)[0])
}
RESPONSE = TypeAdapter(Response)
ENDS = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}
# The parts of each kind of item, and the field of the item that has them.
PARTS = {"content": "content_index", "summary": "summary_index"}


def check_response(response: dict) -> None:
    """An answer has what the client's types require, and each item is told by its own id."""
    RESPONSE.validate_python(response)
    ids = [item["id"] for item in response["output"]]
    assert len(set(ids)) == len(ids), ids


def check_stream(events: list[dict]) -> None:
    """A whole stream. What has been told piece by piece is what the last event repeats."""
    for number, event in enumerate(events):
        EVENTS[event["type"]].model_validate(event)
        assert event["sequence_number"] == number, event
    first, second, *middle, last = events
    assert (first["type"], second["type"]) == ("response.created", "response.in_progress")
    assert first["response"]["status"] == second["response"]["status"] == "in_progress"
    assert first["response"]["output"] == second["response"]["output"] == []
    assert ENDS[last["type"]] == last["response"]["status"]
    same = ("id", "model", "created_at")
    for field in same:
        assert len({event["response"][field] for event in (first, second, last)}) == 1, field
    check_response(last["response"])
    items = Items()
    for event in middle:
        items.take(event)
    assert items.done == last["response"]["output"]
    assert not items.open, items.open


class Items:
    """The items of an answer as they come."""

    def __init__(self):
        self.done: list[dict] = []
        self.open: dict[int, dict] = {}
        # The part that goes on, by the item's place.
        self.part: dict[int, dict] = {}

    def take(self, event: dict) -> None:
        kind = event["type"].removeprefix("response.")
        at = event["output_index"]
        if kind == "output_item.added":
            assert at == len(self.done) and not self.open, event
            self.open[at] = self.empty(event["item"])
        elif kind == "output_item.done":
            assert at not in self.part, event
            self.finish(self.open.pop(at), event["item"])
        else:
            item = self.open[at]
            assert event["item_id"] == item["id"], event
            self.go_on(kind, at, item, event)

    @staticmethod
    def empty(item: dict) -> dict:
        field = {"message": "content", "function_call": "arguments", "reasoning": "summary"}
        assert not item[field[item["type"]]], item
        assert item.get("status", "in_progress") == "in_progress", item
        return {**item, field[item["type"]]: type(item[field[item["type"]]])()}

    def go_on(self, kind: str, at: int, item: dict, event: dict) -> None:
        if kind == "function_call_arguments.delta":
            item["arguments"] += event["delta"]
        elif kind == "function_call_arguments.done":
            assert event["arguments"] == item["arguments"], event
        else:
            field = "summary" if kind.startswith("reasoning_summary") else "content"
            assert event[PARTS[field]] == len(item[field]), event
            self.part_event(kind, at, item[field], event)

    def part_event(self, kind: str, at: int, parts: list, event: dict) -> None:
        name, _, what = kind.rpartition(".")
        is_part = name.endswith("part")
        if is_part and what == "added":
            assert at not in self.part, event
            self.part[at] = dict(event["part"])
            assert self.text(at) == "", event
        elif is_part:
            assert event["part"] == self.part[at], event
            parts.append(self.part.pop(at))
        elif what == "delta":
            self.part[at][self.field(at)] += event["delta"]
        else:
            assert event[self.field(at)] == self.text(at), event

    def field(self, at: int) -> str:
        return "refusal" if self.part[at]["type"] == "refusal" else "text"

    def text(self, at: int) -> str:
        return self.part[at][self.field(at)]

    def finish(self, item: dict, told: dict) -> None:
        """Proofs are told with the end of an item alone."""
        left = ("status", "encrypted_content")
        for name in (item.keys() | told.keys()) - set(left):
            assert item.get(name) == told.get(name), (item, told)
        assert told.get("status", "completed") != "in_progress", told
        self.done.append(told)
