"""A load client that costs little: bare sockets that stay open, requests made beforehand, in a process of its own."""

import gc
import selectors
import socket
import time
from collections.abc import Sequence
from itertools import islice

from tests.bench.ground import Wrong

CONNECTIONS = 64
_GOOD = b"HTTP/1.1 200 "


def request(path: str, cookie: str = "") -> bytes:
    """A GET as the gateway sends it (or a browser with its cookie), over a connection that stays open."""
    more = f"Cookie: {cookie}\r\n" if cookie else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n{more}\r\n".encode()


def asked(port: int, requests: Sequence[bytes], connections: int = CONNECTIONS) -> float:
    """Send every request once, `connections` at a time; seconds until the last answer. Raises Wrong unless all are 200."""
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(min(connections, len(requests)))]
    gc.disable()
    waiting, left = iter(requests), len(requests)
    with selectors.EpollSelector() as ready:
        for line in lines:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(line, selectors.EVENT_READ, line)
        began = time.perf_counter()
        for line, each in zip(lines, waiting, strict=False):
            line.sendall(each)
        while left:
            for key, _ in ready.select(60):
                answer = _answer(key.data)
                left -= 1
                if not answer.startswith(_GOOD):
                    raise Wrong(f"answered {answer[:80]!r}")
                for each in islice(waiting, 1):
                    key.data.sendall(each)
        seconds = time.perf_counter() - began
    for line in lines:
        line.close()
    return seconds


def in_turn(port: int, requests: Sequence[bytes], pause: float = 0.0) -> list[float]:
    """Send one after the other over one connection, as a person would; seconds that each took."""
    taken = []
    with socket.create_connection(("127.0.0.1", port)) as line:
        for each in requests:
            time.sleep(pause)
            began = time.perf_counter()
            line.sendall(each)
            answer = _answer(line)
            taken.append(time.perf_counter() - began)
            if not answer.startswith(_GOOD):
                raise Wrong(f"answered {answer[:80]!r}")
    return taken


def _answer(line: socket.socket) -> bytes:
    """One answer with a short body, which nearly always comes in one piece."""
    answer = line.recv(65536)
    while True:
        head, end, body = answer.partition(b"\r\n\r\n")
        if end and len(body) >= _length(head):
            return answer
        more = line.recv(65536)
        if not more:
            raise Wrong(f"closed after {answer[:80]!r}")
        answer += more


def _length(head: bytes) -> int:
    _, _, told = head.lower().partition(b"content-length:")
    return int(told.partition(b"\r\n")[0] or 0)
