"""A sandbox whose messages live a whole life in milliseconds, and somebody who calls it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from webapp.sandbox.server import Sandbox

LOGIN = ("demo", "demo")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Everything goes well, nobody answers by chance, and the clock stands still until it is moved."""
    with Sandbox(speed=1, failures=0, reply_share=0) as running:
        running.freeze()
        yield running


class Caller:
    """A client as plain as they come."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.http = requests.Session()
        self.http.auth = LOGIN

    def raw(self, name: str, **params: Any) -> requests.Response:
        return self.http.get(self.box.url + name, params=params, timeout=10, allow_redirects=False)

    def get(self, name: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.raw(name, **params).json()
        return answer

    def send(
        self, number: object = "11988880000", content: str = "Oi", type: object = 0, **more: Any
    ) -> dict[str, Any]:
        return self.get("send-single", number=number, content=content, type=type, **more)

    def batch(self, *messages: dict[str, Any], **defaults: Any) -> dict[str, Any]:
        body = {"defaultValues": defaults, "messages": list(messages)}
        answer: dict[str, Any] = self.http.post(self.box.url + "send-multiple", json=body, timeout=10).json()
        return answer

    def status(self, reference: str) -> str:
        rows = self.get("mt_id", campaign_id=reference)["messages"]
        assert len(rows) == 1
        return str(rows[0]["status"])

    def control(self, name: str, body: dict[str, Any] | None = None, **params: Any) -> Any:
        url = self.box.url.replace("/webservice-rest/", "/_sandbox/") + name
        answer = (
            requests.get(url, params=params, timeout=10) if body is None else requests.post(url, json=body, timeout=10)
        )
        return answer.json()


@pytest.fixture
def caller(box: Sandbox) -> Iterator[Caller]:
    client = Caller(box)
    yield client
    client.http.close()


def eventually(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether something becomes true within the seconds, asked often: other threads do it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.005)
    return true()
