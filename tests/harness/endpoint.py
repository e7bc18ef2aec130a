"""A real endpoint on loopback that speaks the OpenAI protocol and does as a test tells it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

CAPABILITIES = ("flow", "image_editor", "image_scorer", "image_to_video", "tracker", "control_to_video")
CLASSICAL = "".join(f'[backends.{name}]\nname = "classical"\n' for name in CAPABILITIES)

INSTRUCTION = (
    "Shift the background to a rooftop overlooking a modern city skyline at dusk, with warm city lights "
    "beginning to glow and wisps of evening fog drifting across the skyline."
)
OBJECTS = [
    {"bbox_2d": [400, 200, 620, 980], "label": "woman in brown coat"},
    {"bbox_2d": [450, 200, 560, 330], "label": "brown wide-brimmed hat"},
]


def config_toml(vlm: str) -> str:
    """A configuration whose VLM is given and whose other backends are classical."""
    return f'name = "test"\n{CLASSICAL}\n[backends.vlm]\n{vlm}\n'


def completion(
    text, finish_reason: str = "stop", about: dict | None = None, **message
) -> tuple[int, dict, bytes]:
    """Status, headers and body of a chat completion that says `text`; `about` is beside the choices."""
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": text, **message},
    }
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    body |= about or {}
    return 200, {}, json.dumps(body).encode()


def fault(status: int, said: str = "no", **headers: str) -> tuple[int, dict, bytes]:
    """Status, headers and body of an error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, json.dumps({"error": {"message": said}}).encode()


def question_of(body: dict) -> str:
    """The words of a request."""
    return body["messages"][0]["content"][-1]["text"]


def job_of(body: dict) -> str:
    """The job that a request is for, by the words of its prompt."""
    marks = {
        "camera": "fixed camera?",
        "compose": "chosen_keyword:",
        "describe": "Describe its scene",
        "ground1": "List the foreground",
        "ground2": "Find each of them",
    }
    return next(job for job, mark in marks.items() if mark in question_of(body))


def good_answer(body: dict) -> str:
    """A good answer to any of the jobs."""
    job = job_of(body)
    scene = "A street with brick houses in even daylight."
    if job == "camera":
        return json.dumps({"reasoning": "The walls keep their place.", "fixed": True})
    if job == "describe":
        return json.dumps({"original_scene": scene})
    if job == "compose":
        keyword = question_of(body).partition("\n- ")[2].partition(" (")[0]
        return json.dumps({"original_scene": scene, "chosen_keyword": keyword, "prompt": INSTRUCTION})
    if job == "ground2":
        return json.dumps({"objects": [OBJECTS[0], {**OBJECTS[1], "bbox_2d": []}]})
    return json.dumps({"objects": OBJECTS})


def pictures(body: dict) -> list[np.ndarray]:
    """The pictures of a request, decoded: uint8 (H, W, 3) RGB."""
    found = []
    for part in body["messages"][0]["content"]:
        if part["type"] == "image_url":
            head, _, data = part["image_url"]["url"].partition(",")
            assert head == "data:image/png;base64"
            pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
            found.append(pixels[..., ::-1])
    return found


class Server(ThreadingHTTPServer):
    """A server with a thread per connection; those that come while it is busy wait for their turn."""

    daemon_threads = True
    request_queue_size = 128


class LocalEndpoint:
    """The server: what it was asked, what it says.

    Attributes:
        requests: The body of each request, in order.
        headers: The headers of each.
        faults: Replies to give first, in order: status, headers and body.
        answer: What it says otherwise, by the request's body.
        about: What stands beside that; the model is the one that is asked.
        delay: Seconds that an answer takes.
        together: The first answers wait until so many requests are under way.
        peak: The most requests that were under way at once.
    """

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.faults: deque[tuple[int, dict, bytes]] = deque()
        self.answer = good_answer
        self.about: dict = {}
        self.delay = 0.0
        self.together = 1
        self.peak = 0
        self._under_way = 0
        self._changed = threading.Condition()
        self.server = Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wait_for_requests(self, count: int) -> None:
        """Wait until so many have come: a client that gave up may be ahead of them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, timeout=240)

    def reply(self, path: str, headers: dict[str, str], body: dict) -> tuple[int, dict, bytes]:
        with self._changed:
            self.requests.append(body)
            self.headers.append(headers)
            self._under_way += 1
            self.peak = max(self.peak, self._under_way)
            scripted = self.faults.popleft() if self.faults else None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.peak >= self.together, timeout=240)
        time.sleep(self.delay)
        with self._changed:
            self._under_way -= 1
        if not self.serves(path):
            return fault(404, f"no such path: {path}")
        return scripted or self.said(body)

    def serves(self, path: str) -> bool:
        return path == "/v1/chat/completions"

    def said(self, body: dict) -> tuple[int, dict, bytes]:
        return completion(self.answer(body), about={"model": body["model"], **self.about})

    def _handler(endpoint):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, headers, data = endpoint.reply(self.path, dict(self.headers), body)
                try:
                    self.send_response(status)
                    for name, value in {"content-type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:  # the client has given up
                    self.close_connection = True

            def log_message(self, *_) -> None:
                pass

        return Handler
