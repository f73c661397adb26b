#!/usr/bin/python3
"""The AOMI surface through the load balancer, with agents that answer: as its front ends and scripts use it.

usage: chats.py BIN_DIR
"""
import http.client
import json
import os
import sys
import threading
import time
import urllib.parse
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from first_light import wait_for  # noqa: E402
from stack import Stack, run_all  # noqa: E402

# Answers its prompt, then each line that it is given.
ECHO = ["sh", "-c", 'echo "you said $FAIRLEAD_PROMPT"; while read -r l; do echo "you said $l"; done']
ONCE = ["sh", "-c", 'echo "once: $FAIRLEAD_PROMPT"']
ASKS = ["sh", "-c", 'echo "$AOMI_MODEL $AOMI_USER_STATE"']
SLOW = ["sh", "-c", "echo thinking; sleep 3600"]


class Client:
    """One chat, as a front end has it."""

    def __init__(self, stack, key=None, sid=None):
        self.stack, self.key, self.sid = stack, key, sid or str(uuid.uuid4())
        self.cursor = None

    def headers(self):
        head = {"X-Session-Id": self.sid, "Authorization": ""}
        if self.key:
            head["X-API-Key"] = self.key
        return {name: value for name, value in head.items() if value}

    def ask(self, method, path, **query):
        conn = http.client.HTTPConnection("127.0.0.1", self.stack.port, timeout=30)
        try:
            conn.request(method, path + ("?" + urllib.parse.urlencode(query) if query else ""), headers=self.headers())
            reply = conn.getresponse()
            raw = reply.read()
            return reply.status, json.loads(raw) if raw else None
        finally:
            conn.close()

    def chat(self, message, **query):
        status, answer = self.ask("POST", "/api/chat", message=message, **query)
        assert status == 200, (status, answer)
        return answer

    def settled(self):
        """What the chat says once nobody works on it: how front ends poll."""
        found = {}

        def is_done():
            status, found["state"] = self.ask("GET", "/api/state")
            assert status == 200, (status, found)
            return not found["state"]["is_processing"]
        wait_for("an answer to %s" % self.sid, is_done, 30)
        return found["state"]


class Updates(threading.Thread):
    """Follows /api/updates; every event that has come, with its id."""

    def __init__(self, client, after=None):
        super().__init__(daemon=True)
        self.events, self.last_id, self.status, self.comments = [], after, None, 0
        self.conn = http.client.HTTPConnection("127.0.0.1", client.stack.port, timeout=60)
        head = dict(client.headers(), Accept="text/event-stream")
        if after:
            head["Last-Event-ID"] = after
        self.conn.request("GET", "/api/updates", headers=head)
        self.reply = self.conn.getresponse()
        assert self.reply.status == 200, (self.reply.status, self.reply.read())
        self.start()

    def run(self):
        for raw in self.reply:
            name, _, value = raw.decode().rstrip("\r\n").partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                raise AssertionError("an event with a name: " + value)
            elif name == "data":
                self.events.append((self.last_id, json.loads(value)))

    def of(self, kind):
        return [event for _, event in self.events if event["type"] == kind]

    def await_count(self, kind, count):
        wait_for("%d of %s" % (count, kind), lambda: len(self.of(kind)) >= count, 30)
        return self.of(kind)


def texts(state):
    return [(m["sender"], m["content"]) for m in state["messages"]]


def put(stack, name, argv, is_open=False):
    body = {"agent": {"type": "command", "settings": {"argv": argv}}, "open": is_open}
    status, _, raw = stack.request("PUT", "/api/v1/namespaces/" + name, body)
    assert status in (200, 201), (status, raw)


def a_guest_talks_to_the_agent_of_an_open_namespace(stack):
    me = Client(stack)
    updates = Updates(me)  # before there is a chat
    first = me.chat("hello there")
    assert first["is_processing"] and texts(first)[0] == ("user", "hello there"), first
    assert texts(me.settled()) == [("user", "hello there"), ("agent", "you said hello there")]
    me.chat("and more")
    state = me.settled()
    assert texts(state)[2:] == [("user", "and more"), ("agent", "you said and more")], state
    assert state["title"] == "hello there" and not any(m["is_streaming"] for m in state["messages"])
    title = updates.await_count("title_changed", 1)[0]
    assert title == {"type": "title_changed", "session_id": me.sid, "new_title": "hello there"}, title
    assert updates.await_count("system_notice", 1)[0]["message"] == "Backend connected"
    assert Client(stack).ask("GET", "/api/state")[1]["messages"] == []


def what_a_page_posts_comes_on_the_stream_and_again_after_a_cursor(stack):
    me = Client(stack, stack.key)
    me.chat("hello")
    me.settled()
    updates = Updates(me)
    for i in range(3):
        assert me.ask("POST", "/api/system", message=json.dumps({"type": "wallet_tx_response", "n": i}))[0] == 200
    seen = updates.await_count("wallet_tx_response", 3)
    assert [e["n"] for e in seen] == [0, 1, 2] and all(e["session_id"] == me.sid for e in seen), seen
    first = next(i for i, e in updates.events if e["type"] == "wallet_tx_response")
    again = Updates(me, after=first)
    assert [e["n"] for e in again.await_count("wallet_tx_response", 2)] == [1, 2]
    # Two clients, each with its own place: nobody takes events from another.
    assert [e["n"] for e in Updates(me, after=first).await_count("wallet_tx_response", 2)] == [1, 2]


def an_agent_that_has_ended_is_followed_by_another_in_the_same_chat(stack):
    me = Client(stack, stack.key)
    updates = Updates(me)
    for i in range(3):
        me.chat("turn %d" % i, namespace="once")
        state = me.settled()
    assert texts(state) == [pair for i in range(3) for pair in (("user", "turn %d" % i), ("agent", "once: turn %d" % i))], state
    assert len(updates.await_count("system_notice", 3)) == 3
    status, history = me.ask("GET", "/api/db/sessions/" + me.sid)
    assert status == 200 and history["message_count"] == 6, history


def an_interrupt_stops_what_runs_and_the_chat_goes_on(stack):
    me = Client(stack, stack.key)
    me.chat("think", namespace="slow")
    wait_for("a thought", lambda: ("agent", "thinking") in texts(me.ask("GET", "/api/state")[1]), 30)
    status, state = me.ask("POST", "/api/interrupt")
    assert status == 200 and not state["is_processing"], state
    assert [e["InlineCall"]["kind"] for e in state["system_events"]] == ["Interuption"], state
    # Going elsewhere, the chat keeps what was said.
    me.chat("instead", namespace="once")
    assert texts(me.settled())[-1] == ("agent", "once: instead")


def an_agent_is_told_which_model_and_which_wallet(stack):
    me = Client(stack, stack.key)
    assert me.ask("POST", "/api/control/model", rig="haiku", namespace="asks")[0] == 200
    me.chat("x", namespace="asks", user_state='{"chainId": 1}')
    assert texts(me.settled())[-1] == ("agent", 'haiku-3-5 {"chainId": 1}')
    me.chat("y")
    assert texts(me.settled())[-1] == ("agent", 'haiku-3-5 {"chainId": 1}')


def both_nodes_and_streamers_agree_while_some_die(stack):
    me = Client(stack, stack.key)
    updates = Updates(me)
    me.chat("before")
    me.settled()
    stack.kill9("api-1")
    stack.kill9("streamer-1")

    def said():
        try:
            return me.ask("POST", "/api/chat", message="after")[0] == 200
        except (OSError, http.client.HTTPException):
            return False
    wait_for("the other node", said, 30)
    wait_for("an answer", lambda: ("agent", "you said after") in texts(me.settled()), 30)
    again = Updates(me, after=updates.last_id)
    assert me.ask("POST", "/api/system", message="still there")[0] == 200
    assert any(e["message"] == "still there" for e in again.await_count("system_notice", 1))


def a_namespace_that_is_closed_is_closed_to_guests_who_are_in(stack):
    me, mine = Client(stack), Client(stack, stack.key)
    me.chat("hello")
    me.settled()
    mine.chat("hello")
    followed, own = Updates(me), Updates(mine)
    put(stack, "default", ECHO)
    followed.join(10)
    assert not followed.is_alive() and own.is_alive()
    assert me.ask("GET", "/api/state")[0] == 401 and mine.ask("GET", "/api/state")[0] == 200


def main():
    with Stack(sys.argv[1]) as stack:
        put(stack, "default", ECHO, True)
        put(stack, "once", ONCE)
        put(stack, "slow", SLOW)
        put(stack, "asks", ASKS)
        run_all([
            a_guest_talks_to_the_agent_of_an_open_namespace,
            what_a_page_posts_comes_on_the_stream_and_again_after_a_cursor,
            an_agent_that_has_ended_is_followed_by_another_in_the_same_chat,
            an_interrupt_stops_what_runs_and_the_chat_goes_on,
            an_agent_is_told_which_model_and_which_wallet,
            both_nodes_and_streamers_agree_while_some_die,
            a_namespace_that_is_closed_is_closed_to_guests_who_are_in,
        ], stack)


main()
