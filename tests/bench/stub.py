"""A gateway in a process of its own that costs nearly nothing: it reads a batch and answers what it always answers.

`python -m tests.bench.stub ITEMS SECONDS` prints its port, waits SECONDS before each answer, which accepts ITEMS
messages, and ends when its input does. `GET` tells how many batches came.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from urllib.request import urlopen

ACCEPTED = {"success": True, "responseCode": "000", "responseDescription": "Success queued", "credit": "1"}


def _answer(items: int) -> bytes:
    batch = {"success": True, "responseCode": "001", "responseDescription": "Batch processed", "credit": str(items)}
    totals = {"balance": "1000000", "totalProcessed": str(items), "totalSuccess": str(items)}
    return _http(json.dumps({**batch, **totals, "messages": [ACCEPTED] * items}).encode())


def _http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _serve(line: socket.socket, answer: bytes, seconds: float, calls: Iterator[int], last: list[int]) -> None:
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with line, line.makefile("rb") as reader:
        while head := reader.readline():
            length = 0
            while (header := reader.readline()) not in (b"\r\n", b""):
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            reader.read(length)
            if head.startswith(b"GET"):
                line.sendall(_http(str(last[0]).encode()))
                continue
            last[0] = next(calls)  # one step, whichever thread takes it
            time.sleep(seconds)
            line.sendall(answer)


def main(items: int, seconds: float) -> None:
    """Serve until the parent is gone."""
    calls, last, answer = count(1), [0], _answer(items)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            line, _ = listener.accept()
            threading.Thread(target=_serve, args=(line, answer, seconds, calls, last), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


class Stub:
    """A running stub."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/webservice-rest/"

    def calls(self) -> int:
        """Batches that came so far."""
        with urlopen(self.url, timeout=5) as answer:
            return int(answer.read())


@contextmanager
def stub(items: int, seconds: float) -> Iterator[Stub]:
    """A stub that accepts `items` messages a call after `seconds`, for the length of the block."""
    command = [sys.executable, "-m", "tests.bench.stub", str(items), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Stub(int(process.stdout.readline()))
        process.communicate()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
