#!/usr/bin/python3
"""A new version comes, node by node, while requests are made, sessions run and streams are followed.

The next version is this one with another protocol and some migrations more (tests/next). No request fails, no event
is lost or seen twice, no session needs a second attempt, and no stream is cut more often than its streamers are told
to stop. What the old version could not live with waits until it has gone, and then it is not let in any more.

usage: with-postgres upgrade.py OLD_BIN_DIR NEXT_BIN_DIR MIXED_S [NODE]      MIXED_S: how long both run side by side
With NODE only that one is replaced.
"""
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster  # noqa: E402
from first_light import wait_for  # noqa: E402
from stack import Watcher, run_all  # noqa: E402

COUNTS = {"api": 2, "streamer": 2, "scheduler": 2, "worker": 2}
DRAIN_DELAY_S = 3  # haproxy notices after two looks, one a second
ENV = {"FAIRLEAD_DRAIN_DELAY": "%ds" % DRAIN_DELAY_S, "FAIRLEAD_DRAIN_TIMEOUT": "5s",
       "FAIRLEAD_WORKER_STOP_GRACE": "2s"}
WORKER_ENV = {"FAIRLEAD_DRAIN_DELAY": "0s", "FAIRLEAD_DRAIN_TIMEOUT": "60s"}  # all turns end within that
LOGS = 3
LINES = 20
REQUEST_S = 0.02
SCRIPT = "for i in $(seq 1 %d); do echo line $i; sleep 0.05; done" % LINES


class Nodes(Cluster):
    def describe(self, kind, name):
        super().describe(kind, name)
        if kind == "worker":
            self.services[name].env.update(WORKER_ENV)


class Load(threading.Thread):
    """Says something again and again, each time once: what fails has failed."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.stack = stack
        self.over = threading.Event()
        self.count, self.failed = 0, []

    def ask(self, method, path, body=None, headers=None):
        self.count += 1
        try:
            status, _, raw = self.stack.request(method, path, body, headers)
        except (OSError, http.client.HTTPException) as e:
            status, raw = 0, repr(e).encode()
        if not 200 <= status < 300:
            self.failed.append((time.time(), method, path, status, raw[:200]))
            return None
        return json.loads(raw)

    def run(self):
        while not self.over.is_set():
            self.step()
            time.sleep(REQUEST_S)  # its pace

    def finish(self):
        self.over.set()
        self.join(60)
        assert not self.is_alive(), "a request does not end"
        assert not self.failed, (len(self.failed), self.count, self.failed[:3])


class Producer(Load):
    """Appends to the log of a session that waits, and reads what it is."""

    def __init__(self, stack):
        super().__init__(stack)
        self.sid = stack.submit(["true"], workers={"required": ["zone=elsewhere"]})[0]
        self.watcher = Watcher(stack, self.sid, 600)
        self.watcher.start()
        self.sent = 0

    def step(self):
        self.sent += 1
        self.ask("POST", "/api/v1/sessions/%s/events" % self.sid,
                 {"producer": "upgrade", "sequence": self.sent,
                  "events": [{"type": "note", "message": str(self.sent)}]})
        self.ask("GET", "/api/v1/sessions/" + self.sid)

    def said(self):
        return [e.get("message") for _, kind, e in list(self.watcher.events) if kind == "note"]

    def check(self):
        wait_for("all has arrived", lambda: len(self.said()) >= self.sent, 30)
        assert self.said() == [str(i) for i in range(1, self.sent + 1)], self.said()
        w = self.watcher
        assert not w.gaps and w.problem is None, (w.gaps, w.problem)
        assert w.numbers() == list(range(1, len(w.events) + 1)), "not each event once, in order"


class Submitter(Load):
    """Sessions that run, each to its end at its first attempt."""

    def __init__(self, stack):
        super().__init__(stack)
        self.watchers, self.lost = [], 0

    def step(self):
        body = {"prompt": "x", "repo": {"mode": "none"}, "runtime": {"type": "local"},
                "agents": [{"type": "command", "version": "latest", "settings": {"argv": ["sh", "-c", SCRIPT]}}]}
        made = self.ask("POST", "/api/v1/tasks", body, {"Idempotency-Key": os.urandom(13).hex()})
        if made is not None:
            watcher = Watcher(self.stack, made["session_ids"][0], 120)
            watcher.start()
            self.watchers.append(watcher)
        self.over.wait(0.5)

    def check(self):
        for w in self.watchers:
            w.join(120)
            assert w.ended and w.problem is None and not w.gaps, (w.sid, w.problem, w.gaps)
            assert w.numbers() == list(range(1, len(w.events) + 1)), (w.sid, w.numbers())
            lines = [e["message"] for _, kind, e in w.events if kind == "log"]
            if any(e.get("reason") == "worker lost" for _, _, e in w.events):
                # This machine was too busy for a lease of 1.5 s: that is not what a stop does.
                self.lost += 1
                lines = lines[-LINES:]
            assert lines == ["line %d" % i for i in range(1, LINES + 1)], (w.sid, lines)
            status, session = self.stack.json("GET", "/api/v1/sessions/" + w.sid)
            assert status == 200 and session["status"] == "completed" and session["attempts"] == 1, session


def psql(query):
    done = subprocess.run(["psql", os.environ["TEST_PG_ADMIN_URL"], "-qtAc", query], capture_output=True, text=True,
                          check=True)
    return done.stdout.split()


def migrate(stack, bin_dir):
    done = subprocess.run([os.path.join(bin_dir, "fairlead"), "migrate"], env=stack.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def speaks(stack, name):
    """What it says itself; None while it cannot be asked."""
    conn = http.client.HTTPConnection("127.0.0.1", stack.ports[name], timeout=10)
    try:
        conn.request("GET", "/readyz")
        if conn.getresponse().read() is None:
            return None
        conn.request("GET", "/version")
        return json.loads(conn.getresponse().read())["protocol"]
    except (OSError, http.client.HTTPException):
        return None
    finally:
        conn.close()


def is_ready(stack, name):
    conn = http.client.HTTPConnection("127.0.0.1", stack.ports[name], timeout=10)
    try:
        conn.request("GET", "/readyz")
        return conn.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        conn.close()


def replace(stack, name):
    """What a rolling update does with one node."""
    service = stack.services[name]
    stack.kill(name, signal.SIGTERM)
    assert service.process.returncode == 0, (name, service.process.returncode)
    service.argv = [os.path.join(stack.next, os.path.basename(service.argv[0]))]
    stack.spawn(name)
    wait_for(name + " is ready", lambda: is_ready(stack, name), 60)
    assert speaks(stack, name) == stack.protocol + 1
    if name.startswith(("api", "streamer")) and name != stack.first[-1]:
        stack.pause(DRAIN_DELAY_S)  # until haproxy has seen it twice


def the_next_version_comes_node_by_node_and_nobody_notices(stack):
    stack.protocol = speaks(stack, "api-1")
    loads = [Producer(stack) for _ in range(LOGS)] + [Submitter(stack)]
    for load in loads:
        load.start()
    wait_for("sessions run", lambda: len(loads[-1].watchers) >= 2, 30)
    said = migrate(stack, stack.next)
    assert "9002_next_contract waits until %d nodes" % stack.olds in said, said
    for name in stack.first:
        replace(stack, name)
    stack.pause(stack.mixed)
    assert "9002_next_contract waits until" in migrate(stack, stack.next)
    assert psql("SELECT min_compatible FROM schema_version") == [str(stack.protocol)]
    for name in stack.last:
        replace(stack, name)
    for load in loads:
        load.finish()
    for load in loads:
        load.check()
    cuts = [w.reconnects for w in [load.watcher for load in loads[:LOGS]] + loads[-1].watchers]
    # One that moved to the other old streamer has to move again.
    assert max(cuts) <= COUNTS["streamer"], cuts
    print("         %d requests, %d sessions (%d lost their worker), %d events, %d cuts of %d streams" % (
        sum(load.count for load in loads), len(loads[-1].watchers), loads[-1].lost,
        sum(load.sent for load in loads[:LOGS]), sum(cuts), len(cuts)), flush=True)
    assert not stack.ended and not stack.crashes(), (stack.ended, stack.crashes())


def when_the_old_one_has_gone_it_is_cleared_away_and_not_let_in_again(stack):
    wait_for("the old nodes are gone", lambda: "waits" not in migrate(stack, stack.next), 60)
    assert psql("SELECT min_compatible FROM schema_version") == [str(stack.protocol + 1)]
    assert not psql("SELECT 1 FROM pg_class WHERE relname = 'of_the_version_before'")
    service = stack.services["api-1"]
    stack.kill("api-1", signal.SIGTERM)
    old = os.path.join(os.path.dirname(stack.bin), "fairlead-api")
    done = subprocess.run([old], env=dict(stack.env, **service.env), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.returncode
    assert "the database asks for protocol %d" % (stack.protocol + 1) in done.stderr, done.stderr[-2000:]
    stack.spawn("api-1")
    wait_for("the next one is ready", lambda: is_ready(stack, "api-1"), 60)


TESTS = [
    the_next_version_comes_node_by_node_and_nobody_notices,
    when_the_old_one_has_gone_it_is_cleared_away_and_not_let_in_again,
]


def main(old, following, mixed, only=None):
    counts = dict(COUNTS, scheduler=1, worker=1) if only else COUNTS
    with Nodes(old, ENV, counts) as stack:
        stack.next, stack.mixed = following, float(mixed)
        stack.olds = sum(counts.values()) - counts["worker"]  # those with PostgreSQL
        stack.first = [only] if only else ["scheduler-1", "api-1", "streamer-1", "worker-1"]
        stack.last = [] if only else ["worker-2", "streamer-2", "api-2", "scheduler-2"]
        run_all(TESTS[:1] if only else TESTS, stack)


if __name__ == "__main__":
    main(*sys.argv[1:])
