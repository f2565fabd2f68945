"""Processes under test: started on free ports, told apart by their logs, always stopped."""

import itertools
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

BINARY = os.environ.get("SLUICEGATE_BINARY", "target/debug/sluicegate")
START_SECONDS = 20
STOP_SECONDS = 10


PORTS = itertools.count(26_000)


def free_port() -> int:
    """A port that nobody has, and nobody else will be given: one that the system gives away may be
    given away again before it is used."""
    for port in PORTS:
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def get(url: str) -> str:
    """The body of a successful answer."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def eventually(condition, seconds: float = 10.0):
    """Wait until `condition()` is true and return what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not true within {seconds} s"
        time.sleep(0.02)


class Process:
    """A running `sluicegate` with its output in a file."""

    def __init__(self, log: Path, *arguments: str):
        self.log = log
        self.output = log.open("wb")
        self.child = subprocess.Popen(
            [BINARY, *arguments], stdout=self.output, stderr=subprocess.STDOUT
        )

    def wait_for(self, url: str) -> None:
        """Wait until the URL answers with success."""

        def answers() -> bool:
            assert self.child.poll() is None, f"exited at start:\n{self.text()}"
            try:
                get(url)
                return True
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return False

        try:
            eventually(answers, START_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; its output:\n{self.text()}") from None

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> int:
        """End it as an operator would; its exit status."""
        self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()
        finally:
            self.output.close()


class Engine:
    """A simulated vLLM replica."""

    def __init__(self, directory: Path, model: str, speed: float):
        self.model = model
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = Process(
            directory / f"engine-{model}-{self.port}.log",
            "engine",
            *("--port", str(self.port)),
            *("--replicas", "1"),
            *("--profile", "llama-3.1-8b-h100"),
            *("--model", model),
            *("--speed", str(speed)),
        )
        self.process.wait_for(f"{self.url}/health")

    def fault(self, body: str) -> None:
        """Set its faults; `{}` clears them."""
        request = urllib.request.Request(
            f"{self.url}/fault", body.encode(), {"content-type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=10).close()

    def metric(self, name: str) -> float:
        """The sum of a metric over its series."""
        return metric_sum(get(f"{self.url}/metrics"), name)


def metric_sum(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels, in a Prometheus exposition."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    total = 0.0
    for line in text.splitlines():
        if line.startswith((name + "{", name + " ")) and all(label in line for label in wanted):
            total += float(line.rsplit(" ", 1)[1])
    return total
