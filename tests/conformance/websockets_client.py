#!/usr/bin/python3
"""Following and steering over /api/v1/ws with python3-websockets, which has its own idea of RFC 6455."""
import asyncio
import json
import os
import sys
import time
import urllib.request

import websockets
import websockets.version

URL = os.environ["CONFORMANCE_URL"]
KEY = os.environ["CONFORMANCE_KEY"]
HEADERS = {"Authorization": "ApiKey " + KEY}
WAIT_S = 20
sequences = {}


def ask(method, path, body=None):
    request = urllib.request.Request(URL + path, method=method, data=json.dumps(body).encode() if body else None,
                                     headers={**HEADERS, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return json.loads(answer.read() or "null")


def session():
    return ask("POST", "/api/v1/tasks", {
        "prompt": "test", "repo": {"mode": "none"}, "runtime": {"type": "local"},
        "agents": [{"type": "command", "settings": {"argv": ["true"]}}]})["session_ids"][0]


def append(sid, *messages):
    sequences[sid] = sequences.get(sid, 0) + 1
    return ask("POST", "/api/v1/sessions/%s/events" % sid, {
        "producer": "python", "sequence": sequences[sid],
        "events": [{"type": "note", "message": m} for m in messages]})["cursors"]


def log(sid):
    found, after = [], "0-0"
    while True:
        page = ask("GET", "/api/v1/sessions/%s/events?sort=asc&limit=100&after=%s" % (sid, after))["items"]
        if not page:
            return found
        found, after = found + page, page[-1]["id"]


# Its name since version 14.
HEADERS_WORD = "additional_headers" if int(websockets.version.version.split(".")[0]) >= 14 else "extra_headers"


def connect(**options):
    options[HEADERS_WORD] = HEADERS
    return websockets.connect(URL.replace("http", "ws") + "/api/v1/ws", max_size=1 << 20, **options)


async def frames(socket, until):
    """Those that come up to and with the one that fits."""
    got = []
    while not got or not until(got[-1]):
        got.append(json.loads(await asyncio.wait_for(socket.recv(), WAIT_S)))
    return got


async def say(socket, **frame):
    await socket.send(json.dumps(frame))


def events(got):
    return [f["event"] for f in got if f["type"] == "event"]


async def history_and_what_happens_are_followed(compression):
    sid = session()
    for i in range(30):
        append(sid, *["event %d %d" % (i, k) for k in range(10)])
    async with connect(compression=compression) as socket:
        await say(socket, type="subscribe", sessionId=sid, ref="s")
        got = await frames(socket, lambda f: f.get("seq") == len(log(sid)))
        assert got[0]["type"] == "subscribed" and got[0]["ref"] == "s", got[0]
        for i in range(20):
            last = append(sid, "live %d" % i, "grüße, 世界, 🚢")[-1]
            got += await frames(socket, lambda f: f.get("id") == last)
        assert events(got) == log(sid)


async def it_goes_on_after_a_number_or_a_cursor():
    sid = session()
    cursors = append(sid, *["event %d" % i for i in range(10)])
    for after in (cursors[4], int(cursors[4].split("-")[1])):
        async with connect() as socket:
            await say(socket, type="subscribe", sessionId=sid, after=after)
            assert events(await frames(socket, lambda f: f.get("id") == cursors[-1])) == log(sid)[-5:]


async def messages_in_fragments_are_one():
    async with connect() as socket:
        text = json.dumps({"type": "ping", "ref": "in parts: 世界"}, ensure_ascii=False)
        await socket.send(text[i:i + 3] for i in range(0, len(text), 3))
        assert json.loads(await asyncio.wait_for(socket.recv(), WAIT_S))["ref"] == "in parts: 世界"


async def pings_are_answered_with_what_they_carried():
    async with connect(ping_interval=None) as socket:
        for payload in (b"", b"x", b"\xff" * 125):
            await asyncio.wait_for(await socket.ping(payload), WAIT_S)


async def each_close_code_comes_back():
    for code in (1000, 1001, 1003, 1008, 1011, 3000, 4000, 4999):
        socket = await connect()
        await socket.close(code, "goodbye")
        assert socket.close_code == code, (code, socket.close_code)


async def a_message_that_is_not_ours_closes_with_a_reason():
    for message, code in ((b"\0\1", 1003), ("x" * 65537, 1009)):
        async with connect() as socket:
            await socket.send(message)
            try:
                await asyncio.wait_for(socket.recv(), WAIT_S)
                raise AssertionError("no goodbye")
            except websockets.ConnectionClosed as e:
                assert e.rcvd.code == code and e.rcvd.reason, e


async def fifty_sessions_on_one_connection():
    sids = [session() for _ in range(50)]
    async with connect() as socket:
        for sid in sids:
            await say(socket, type="subscribe", sessionId=sid)
        last = {sid: append(sid, *["event %d" % i for i in range(20)])[-1] for sid in sids}
        got = {sid: [] for sid in sids}
        while any(not seen or seen[-1]["id"] != last[sid] for sid, seen in got.items()):
            frame = json.loads(await asyncio.wait_for(socket.recv(), WAIT_S))
            if frame["type"] == "event":
                got[frame["sessionId"]].append(frame["event"])
        for sid in sids[::10]:
            assert got[sid] == log(sid), sid


async def a_prompt_is_committed_and_seen():
    sid = session()
    async with connect() as socket:
        await say(socket, type="subscribe", sessionId=sid)
        await say(socket, type="prompt", sessionId=sid, prompt="more of it", ref="p")
        answer = (await frames(socket, lambda f: f.get("ref") == "p"))[-1]
        assert answer["type"] == "ack", answer


async def main():
    tests = [history_and_what_happens_are_followed("deflate"), history_and_what_happens_are_followed(None),
             it_goes_on_after_a_number_or_a_cursor(), messages_in_fragments_are_one(),
             pings_are_answered_with_what_they_carried(), each_close_code_comes_back(),
             a_message_that_is_not_ours_closes_with_a_reason(), fifty_sessions_on_one_connection(),
             a_prompt_is_committed_and_seen()]
    for test in tests:
        began = time.monotonic()
        try:
            await test
        except BaseException:
            print("FAILED: python3-websockets: " + test.__name__.replace("_", " "), flush=True)
            raise
        print("%6.2f s  python3-websockets: %s" % (time.monotonic() - began, test.__name__.replace("_", " ")), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
    sys.exit(0)
