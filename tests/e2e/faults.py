#!/usr/bin/python3
"""Redis that freezes or is killed, and PostgreSQL that is away, while sessions run: nobody is killed, nothing is lost.

usage: with-postgres faults.py BIN_DIR      PostgreSQL is the wrapper's, so that it can be stopped
"""
import json
import os
import shlex
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import living  # noqa: E402
from first_light import wait_for  # noqa: E402
from stack import Stack, Watcher, run_all  # noqa: E402

SESSIONS = 3
MARK = "faults-%d" % os.getpid()  # other tests run beside this one


class Running:
    """A session that counts aloud, ten times a second, and somebody who follows it."""

    def __init__(self, stack, lines):
        script = ": %s; for i in $(seq 1 %d); do echo line $i; sleep 0.1; done; echo pid $$" % (MARK, lines)
        self.stack, self.lines = stack, lines
        self.sid = stack.submit(["sh", "-c", script])[0]
        self.watcher = Watcher(stack, self.sid, 120)
        self.watcher.start()

    def said(self):
        return [e["message"] for _, kind, e in list(self.watcher.events) if kind == "log"]

    def begun(self):
        return len(self.said()) >= 5

    def check(self):
        """One run from the first line to the last, and each event once."""
        w = self.watcher
        w.join(120)
        assert w.ended and w.problem is None and not w.gaps, (self.sid, w.ended, w.problem, w.gaps)
        assert w.numbers() == list(range(1, len(w.events) + 1)), (self.sid, w.numbers())
        lines = self.said()
        assert lines[:-1] == ["line %d" % i for i in range(1, self.lines + 1)], (self.sid, lines)
        assert lines[-1].startswith("pid "), lines[-1]
        status, session = self.stack.json("GET", "/api/v1/sessions/" + self.sid)
        assert status == 200 and session["status"] == "completed", session
        assert session["attempts"] == 1, session


def start(stack, lines):
    running = [Running(stack, lines) for _ in range(SESSIONS)]
    wait_for("all of them run", lambda: all(r.begun() for r in running), 30)
    return running


def a_redis_that_freezes_for_three_seconds_kills_nobody(stack):
    running = start(stack, 60)
    redis = stack.pid("redis")
    os.kill(redis, signal.SIGSTOP)
    try:
        time.sleep(3)  # the fault itself
    finally:
        os.kill(redis, signal.SIGCONT)
    for r in running:
        r.check()
    assert stack.pid("redis") == redis


def a_redis_that_is_killed_loses_nothing_and_stops_nobody(stack):
    running = start(stack, 60)
    before = stack.kill9("redis")
    wait_for("Redis is back", lambda: stack.pid("redis") not in (0, before))
    for r in running:
        r.check()


def a_redis_that_is_killed_again_and_again(stack):
    running = start(stack, 90)
    for _ in range(3):
        before = stack.kill9("redis")
        wait_for("Redis is back", lambda: stack.pid("redis") not in (0, before))
        seen = [len(r.said()) for r in running]
        wait_for("events flow again", lambda: all(len(r.said()) > n for r, n in zip(running, seen)), 30)
    for r in running:
        r.check()


def while_redis_is_away_new_work_is_refused_for_now(stack):
    redis = stack.pid("redis")
    os.kill(redis, signal.SIGSTOP)
    try:
        wait_for("readyz says no", lambda: stack.request("GET", "/readyz")[0] == 503, 20)
    finally:
        os.kill(redis, signal.SIGCONT)
    wait_for("readyz says yes", lambda: stack.request("GET", "/readyz")[0] == 200, 20)
    r = Running(stack, 5)
    r.check()


# The first life takes nothing from its standard input; the next tells what came.
DEAF = """
if [ ! -e "$1" ]; then : >"$1"; echo ready; exec sleep 600; fi
while read -r number rest; do echo "got $number"; done
"""
PROMPTS_MAX = 40


def prompts_until_one_is_stuck(stack, sid, watcher):
    """The ids of the commands, in order: pipes have filled, so that the last has begun and does not end."""
    ids = []

    def ends(kind):
        return {e["command_id"] for _, k, e in list(watcher.events) if k == kind}

    while len(ids) < PROMPTS_MAX:
        status, answer = stack.json("POST", "/api/v1/sessions/%s/prompt" % sid,
                                    {"prompt": "%d %s" % (len(ids), "x" * 16000)})
        assert status == 202, (status, answer)
        ids.append(answer["commandId"])
        wait_for("it has begun", lambda: ids[-1] in ends("command_started"), 20)
        until = time.monotonic() + 1  # what there is room for ends at once
        while ids[-1] not in ends("command_finished"):
            if time.monotonic() > until:
                return ids
            time.sleep(0.02)
    raise AssertionError("pipes without end")


def a_prompt_on_its_way_when_its_worker_is_killed_is_asked_about_and_never_repeated(stack):
    mark = os.path.join(stack.dir, "deaf")
    os.makedirs(mark)
    os.chmod(mark, 0o777)
    sid = stack.submit(["sh", "-c", DEAF, "agent", os.path.join(mark, "begun")])[0]
    watcher = Watcher(stack, sid)
    watcher.start()

    def said():
        return [e["message"] for _, kind, e in list(watcher.events) if kind == "log"]

    wait_for("the agent is there", lambda: said() == ["ready"], 30)
    ids = prompts_until_one_is_stuck(stack, sid, watcher)
    status, _ = stack.json("POST", "/api/v1/sessions/%s/prompt" % sid, {"prompt": "last x"})
    assert status == 202, status
    before = stack.kill9("worker")
    wait_for("the worker is back", lambda: stack.pid("worker") not in (0, before))
    wait_for("the next prompt is given", lambda: "got last" in said(), 30)

    def unknown():
        return [e["command_id"] for _, kind, e in list(watcher.events) if kind == "command_unknown"]

    wait_for("one is asked about", unknown, 20)
    stack.json("DELETE", "/api/v1/sessions/" + sid)
    watcher.join(30)
    assert watcher.ended and unknown() == ids[-1:], (unknown(), ids)
    assert said() == ["ready", "got last"], said()
    started = [e["command_id"] for _, kind, e in watcher.events if kind == "command_started"]
    assert len(started) == len(set(started)) == len(ids) + 1, started


def postgres(verb):
    subprocess.run(shlex.split(os.environ["TEST_PG_CTL"]) + [verb], check=True, timeout=60)


def refusal(stack):
    """What a client that submits now is told, and after how long."""
    body = {"prompt": "x", "repo": {"mode": "none"}, "runtime": {"type": "local"},
            "agents": [{"type": "command", "version": "latest", "settings": {"argv": ["true"]}}]}
    began = time.monotonic()
    status, headers, raw = stack.request("POST", "/api/v1/tasks", body, {"Idempotency-Key": os.urandom(8).hex()})
    return status, {k.lower(): v for k, v in headers.items()}, raw, time.monotonic() - began


def without_postgres_streams_and_agents_go_on(stack):
    running = start(stack, 120)
    postgres("stop")
    try:
        for _ in range(4):  # both nodes
            status, headers, raw, took = refusal(stack)
            assert status == 503 and int(headers["retry-after"]) > 0, (status, headers, raw)
            assert headers["content-type"] == "application/problem+json", headers
            assert json.loads(raw)["status"] == 503, raw
            assert took < 10, took
        seen = [len(r.said()) for r in running]
        wait_for("events flow", lambda: all(len(r.said()) > n + 10 for r, n in zip(running, seen)), 20)
        assert all(r.watcher.reconnects == 0 for r in running), "a stream was cut"
    finally:
        postgres("start")
    wait_for("tasks are accepted again", lambda: refusal(stack)[0] == 201, 30)
    for r in running:
        r.check()


def a_session_that_ends_without_postgres_is_told_to_it_later(stack):
    running = start(stack, 20)
    postgres("stop")
    try:
        for r in running:
            r.watcher.join(60)
            assert r.watcher.ended, r.sid
    finally:
        postgres("start")
    for r in running:
        r.check()
    listed = "/api/v1/sessions?status=completed&perPage=200"

    def all_listed():
        status, page = stack.json("GET", listed)
        return status == 200 and {r.sid for r in running} <= {s["id"] for s in page["items"]}
    wait_for("their rows follow", all_listed, 20)


def nobody_is_left(stack):
    assert not living(MARK), living(MARK)


TESTS = [
    a_redis_that_freezes_for_three_seconds_kills_nobody,
    a_redis_that_is_killed_loses_nothing_and_stops_nobody,
    a_redis_that_is_killed_again_and_again,
    while_redis_is_away_new_work_is_refused_for_now,
    a_prompt_on_its_way_when_its_worker_is_killed_is_asked_about_and_never_repeated,
    without_postgres_streams_and_agents_go_on,
    a_session_that_ends_without_postgres_is_told_to_it_later,
    nobody_is_left,
]


def main(bin_dir):
    url = os.environ["TEST_PG_URL"]
    with Stack(bin_dir, None, ["--external-postgres", url]) as stack:
        run_all(TESTS, stack)
        assert stack.stop() == 0
        wait_for("nothing is left", lambda: not stack.processes(), 10)


if __name__ == "__main__":
    main(sys.argv[1])
