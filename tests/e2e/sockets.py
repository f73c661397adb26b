#!/usr/bin/python3
"""Sessions followed and steered by WebSocket, through haproxy.

usage: sockets.py BIN_DIR
"""
import base64
import hashlib
import json
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stack import Stack, run_all  # noqa: E402

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ASKS = "for i in $(seq 1 20); do echo line $i; sleep 0.05; done; read answer; echo got $answer"


class Socket:
    """A client of RFC 6455 that reads texts and answers pings."""

    def __init__(self, stack, target="/api/v1/ws", port=None, wrap=lambda sock: sock):
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock = wrap(socket.create_connection(("127.0.0.1", port or stack.port), timeout=60))
        self.data = b""
        self.sock.sendall(("GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nAuthorization: ApiKey %s\r\n\r\n"
                           % (target, key, stack.key)).encode())
        while b"\r\n\r\n" not in self.data:
            self.more()
        self.head, self.data = self.data.split(b"\r\n\r\n", 1)
        self.status = int(self.head.split()[1])
        if self.status == 101:
            proof = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest())
            assert proof in self.head, self.head

    def more(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise EOFError("the server has closed")
        self.data += piece

    def take(self, n):
        while len(self.data) < n:
            self.more()
        piece, self.data = self.data[:n], self.data[n:]
        return piece

    def send(self, opcode, payload):
        size = len(payload)
        head = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
        self.sock.sendall(bytes([0x80 | opcode]) + head + bytes(4) + payload)

    def say(self, frame):
        self.send(1, json.dumps(frame).encode())

    def next(self):
        while True:
            first, size = self.take(2)
            if size == 126:
                size = struct.unpack(">H", self.take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.take(8))[0]
            payload = self.take(size)
            if first == 0x89:
                self.send(10, payload)
            elif first == 0x81:
                return json.loads(payload)
            elif first == 0x88:
                raise EOFError("closed with %r" % payload)

    def close(self):
        self.sock.close()


def follow(ws, sid, after=0, answer=None):
    """Numbers of the events after that one, until the session ends; the answer is given when it is asked for."""
    numbers = []
    ws.say({"type": "subscribe", "sessionId": sid, "after": after})
    while True:
        frame = ws.next()
        assert frame["type"] in ("subscribed", "event", "ack", "end"), frame
        if frame["type"] == "event":
            numbers.append(frame["seq"])
            if answer and frame["event"].get("message") == "line 20":
                ws.say({"type": "prompt", "sessionId": sid, "prompt": answer, "ref": "an answer"})
        elif frame["type"] == "ack":
            assert frame["ref"] == "an answer", frame
        elif frame["type"] == "end":
            assert frame["status"] == "completed", frame
            return numbers


def a_session_is_followed_and_answered(stack):
    sid = stack.submit(["sh", "-c", ASKS])[0]
    ws = Socket(stack)
    numbers = follow(ws, sid, answer="forty two")
    assert numbers == list(range(1, len(numbers) + 1)), numbers
    status, page = stack.json("GET", "/api/v1/sessions/%s/events?type=log&perPage=1" % sid)
    assert status == 200 and page["items"][0]["message"] == "got forty two", page
    ws.close()
    ws = Socket(stack, "/stream/api/v1/ws")
    assert follow(ws, sid, after=5) == numbers[5:]
    ws.close()


def an_api_node_says_where_to_go(stack):
    ws = Socket(stack, port=stack.service("api-1")["port"])
    assert ws.status == 307 and b"/stream/api/v1/ws" in ws.head, ws.head
    ws.close()


def a_killed_streamer_costs_a_reconnect_and_no_event(stack):
    sid = stack.submit(["sh", "-c", "for i in $(seq 1 100); do echo line $i; sleep 0.03; done"])[0]
    last, numbers, killed = 0, [], []
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline, numbers
        try:
            ws = Socket(stack)
            if ws.status != 101:
                continue
            ws.say({"type": "subscribe", "sessionId": sid, "after": last})
            while True:
                frame = ws.next()
                if frame["type"] == "event":
                    last = frame["seq"]
                    numbers.append(last)
                elif frame["type"] == "end":
                    assert numbers == list(range(1, last + 1)), numbers
                    assert len(killed) == 2, killed
                    return
                if last in (20, 60) and len(killed) < 2 and last not in killed:
                    killed.append(last)
                    stack.kill9("streamer-%d" % len(killed))
        except (OSError, EOFError):
            continue


if __name__ == "__main__":
    with Stack(sys.argv[1]) as whole:
        run_all([a_session_is_followed_and_answered, an_api_node_says_where_to_go,
                 a_killed_streamer_costs_a_reconnect_and_no_event], whole)
