#!/usr/bin/python3
"""Streamers killed, doorbells lost, Redis restarted, the archiver killed, and readers that come and go: each reader's
view must be the log.

Sessions that no worker takes are appended to over the API, some batches past their doorbell; hundreds of readers
(tests/fault/followers.c) follow them and keep a running hash of (id, data). At the end the log is read page by page:
it must hold what was acknowledged, once and in order, and every reader's hash must be the log's.

usage: stream_faults.py BIN_DIR FOLLOWERS LOG_APPEND_LUA DELIVERIES SECONDS [SEED]
"""
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from first_light import wait_for  # noqa: E402
from stack import Stack, Watcher  # noqa: E402

READERS = 26         # of a session, half of them over sockets
CHURN = 30           # per cent of all connections that are cut each second
SILENT = 0.05        # of the batches do not ring
PRODUCER = "faults"
SETTINGS = {         # small rings and little in Redis: replays come from every tier
    "FAIRLEAD_STREAM_RING_EVENTS": "64",
    "FAIRLEAD_STREAM_FOLD_AFTER": "1h",  # a reader's hash is of the events as they are
    "FAIRLEAD_ARCHIVE_HOT_EVENTS": "100",
    "FAIRLEAD_ARCHIVE_INTERVAL": "200ms",
    "FAIRLEAD_WORKER_SLOTS": "1",
}


class Redis:
    """A connection to the stack's own Redis, made again whenever it is lost."""

    def __init__(self, stack):
        with open(os.path.join(stack.home, "conf", "redis.conf")) as f:
            self.conf = dict(line.split(None, 1) for line in f if not line.startswith("#"))
        self.file = None

    def call(self, *words):
        """The answer, or OSError: then nobody knows whether it was done."""
        try:
            if self.file is None:
                sock = socket.create_connection((self.conf["bind"].split()[0], int(self.conf["port"])), 5)
                self.file = sock.makefile("rwb")
                sock.close()
                self.ask(("AUTH", self.conf["requirepass"].strip()))
            return self.ask(words)
        except OSError:
            self.close()
            raise

    def close(self):
        if self.file is not None:
            self.file.close()
            self.file = None

    def ask(self, words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            raw = str(word).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
        self.file.write(b"".join(out))
        self.file.flush()
        return self.answer()

    def answer(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("Redis has gone")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise OSError(rest)
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        if kind == b"$":
            if int(rest) < 0:
                return None
            return self.file.read(int(rest) + 2)[:-2].decode()
        return rest


class Appender(threading.Thread):
    """Appends to one session until it has so many events; each batch is repeated until it is known to be there."""

    def __init__(self, stack, sid, script, pace, seed):
        super().__init__(daemon=True)
        self.stack, self.sid, self.script = stack, sid, script
        self.count, self.seconds = pace
        self.rng = random.Random(seed)
        self.acknowledged = []  # messages
        self.silent = self.repeats = 0
        self.problem = None

    def run(self):
        redis, sequence, began = Redis(self.stack), 0, time.monotonic()
        try:
            while len(self.acknowledged) < self.count:
                sequence += 1
                base = len(self.acknowledged)
                batch = ["%s event %d %s" % (self.sid, base + i, "x" * self.rng.randrange(200))
                         for i in range(min(self.rng.randrange(1, 16), self.count - base))]
                self.append(redis, sequence, batch)
                self.acknowledged += batch
                due = began + self.seconds * len(self.acknowledged) / self.count
                time.sleep(max(0, due - time.monotonic()))
        except Exception as e:  # the main thread tells
            self.problem = repr(e)
        redis.close()

    def append(self, redis, sequence, batch):
        deadline = time.monotonic() + 60
        silent = self.rng.random() < SILENT
        while time.monotonic() < deadline:
            try:
                if silent and self.append_silently(redis, sequence, batch):
                    self.silent += 1
                    return
                if not silent and self.append_aloud(sequence, batch):
                    return
            except OSError:
                pass
            silent = False  # nobody knows whether it is there: the same batch again, by the ordinary way
            self.repeats += 1
            time.sleep(0.1)
        raise RuntimeError("%s: not appended for a minute" % self.sid)

    def append_aloud(self, sequence, batch):
        body = {"producer": PRODUCER, "sequence": sequence,
                "events": [{"type": "note", "message": message} for message in batch]}
        status, _, raw = self.stack.request("POST", "/api/v1/sessions/%s/events" % self.sid, body)
        if status >= 500 or status == 429:
            return False
        if status != 200:
            raise RuntimeError("%s: %d %r" % (self.sid, status, raw[:300]))
        return True

    def append_silently(self, redis, sequence, batch):
        """As the script does it, but that no bell is rung: what a lost message of Redis's looks like."""
        head, log = "{s:%s}:head" % self.sid, "{s:%s}:log" % self.sid
        tenant, generation, state = redis.call("HMGET", head, "t", "g", "st")
        words = ["EVAL", self.script, 2, head, log, tenant, generation, "", PRODUCER, sequence, ",%s," % state, "", "",
                 "nobody-hears-this", "-", len(batch)]
        for message in batch:
            words += ["note", "", json.dumps({"message": message}, separators=(",", ":"))]
        return redis.call(*words)[0] in ("ok", "again")  # rebuild, stale: the API knows what to do


class Faults(threading.Thread):
    """One thing after the other goes wrong, until told to stop."""

    def __init__(self, stack, rng):
        super().__init__(daemon=True)
        self.stack, self.rng = stack, rng
        self.done = threading.Event()
        self.counts = {}
        self.problem = None

    def run(self):
        redis, turn = Redis(self.stack), 0
        try:
            while not self.done.wait(0.3 + self.rng.random()):
                turn += 1
                if turn % 10 == 0:
                    self.kill("redis")
                elif turn % 3 == 0:
                    self.kill("scheduler")
                elif turn % 3 == 1:
                    self.kill(self.rng.choice(["streamer-1", "streamer-2"]))
                else:
                    self.cut_doorbells(redis)
        except Exception as e:  # the main thread tells
            self.problem = repr(e)
        redis.close()

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def kill(self, victim):
        if self.stack.pid(victim) <= 0:
            return
        before = self.stack.kill9(victim)
        self.count(victim)
        wait_for(victim + " is back", lambda: self.stack.pid(victim) not in (0, before))

    def cut_doorbells(self, redis):
        try:
            redis.call("CLIENT", "KILL", "TYPE", "pubsub")
            self.count("doorbells")
        except OSError:
            pass


def fnv(log):
    """Of each event's id and data, as the readers compute it."""
    value, mask = 0xcbf29ce484222325, (1 << 64) - 1
    for id_, data in log:
        for byte in b"%s\n%s\n" % (id_.encode(), data.encode()):
            value = ((value ^ byte) * 0x100000001b3) & mask
    return "%016x" % value


def read_log(stack, sid):
    """(id, data) of every event, as the pages tell it, oldest first."""
    found, after = [], "0-0"
    while True:
        status, page = stack.json("GET", "/api/v1/sessions/%s/events?sort=asc&limit=100&after=%s" % (sid, after))
        assert status == 200, (status, page)
        if not page["items"]:
            return found
        found += [(e["id"], json.dumps(e, separators=(",", ":"), ensure_ascii=False)) for e in page["items"]]
        after = found[-1][0]


def check(stack, appender, views):
    log = read_log(stack, appender.sid)
    assert [int(i.split("-")[1]) for i, _ in log] == list(range(1, len(log) + 1)), (appender.sid, "not dense")
    messages = [e["message"] for e in map(json.loads, (data for _, data in log)) if e["type"] == "note"]
    assert messages == appender.acknowledged, (appender.sid, "the log is not what was acknowledged",
                                               len(messages), len(appender.acknowledged))
    want = (str(len(log)), log[-1][0], fnv(log))
    for form, *seen, _ in views:
        assert tuple(seen) == want, (appender.sid, form, seen, want)
    return len(log) * len(views)


def without_bell(path):
    """The script, with its doorbell taken out."""
    with open(path) as f:
        script = f.read()
    ring = "redis.call('PUBLISH', ARGV[9],"
    assert script.count(ring) == 1, "log_append rings otherwise now"
    return script.replace(ring, "redis.call('ECHO',")


def occupy(stack):
    """The only slot, for good: other sessions stay queued."""
    sid = stack.submit(["sleep", "100000"])[0]
    wait_for("the slot is taken", lambda: stack.json("GET", "/api/v1/sessions/" + sid)[1]["status"] == "running")


def check_trace(stack, sid):
    """A request that says it is sampled is found in the log of the streamer that delivered its event."""
    trace = os.urandom(16).hex()
    watcher = Watcher(stack, sid)
    watcher.start()
    wait_for("somebody follows", lambda: len(watcher.events) >= 2)
    status, _, raw = stack.request("POST", "/api/v1/sessions/%s/events" % sid,
                                   {"producer": "traced", "sequence": 1, "events": [{"type": "note", "message": "x"}]},
                                   {"traceparent": "00-%s-%s-01" % (trace, os.urandom(8).hex())})
    assert status == 200, (status, raw)
    want = "event=stream.traced trace=%s session=%s first=%s " % (trace, sid, json.loads(raw)["last"])

    def is_told():
        for name in ("streamer-1.log", "streamer-2.log"):
            with open(os.path.join(stack.home, "log", name), errors="replace") as f:
                if want in f.read():
                    return True
        return False
    wait_for("the trace is told: " + want, is_told)
    watcher.deadline = 0


def follow(stack, followers, sids, forms, seed):
    plan = tempfile.TemporaryFile("w+")
    for sid in sids:
        for form in forms:
            plan.write("%s %s %d\n" % (form, sid, READERS // len(forms)))
    plan.seek(0)
    return subprocess.Popen([followers, str(stack.port), stack.key, str(CHURN), "1500", str(seed)], stdin=plan,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def main(bin_dir, followers, lua, deliveries, seconds, seed):
    print("seed", seed)
    rng = random.Random(seed)
    script = without_bell(lua)
    sessions = 8 if deliveries <= 500000 else 40
    events = deliveries // sessions // READERS
    with Stack(bin_dir, SETTINGS) as stack:
        occupy(stack)
        check_trace(stack, stack.submit(["true"])[0])
        sids = [stack.submit(["true"])[0] for _ in range(sessions)]
        readers = follow(stack, followers, sids, ["sse", "socket"], rng.randrange(1, 1 << 60))
        try:
            appenders = [Appender(stack, sid, script, (events, seconds), rng.random()) for sid in sids]
            faults = Faults(stack, rng)
            for thread in appenders + [faults]:
                thread.start()
            for a in appenders:
                a.join(1200)
            faults.done.set()
            faults.join(90)
            for thread in appenders + [faults]:
                assert thread.problem is None and not thread.is_alive(), (thread.problem, stack.tail(30))
            for sid in sids:
                status, answer = stack.json("DELETE", "/api/v1/sessions/" + sid)
                assert status == 204, (status, answer)
            out, problems = readers.communicate(timeout=180)
            assert readers.returncode == 0, problems[-3000:] + stack.tail(20)
        finally:
            if readers.poll() is None:
                readers.kill()
                readers.wait()
        views = [line.split() for line in out.splitlines()]
        seen = sum(check(stack, a, [v[1:] for v in views if v[0] == a.sid]) for a in appenders)
        assert len(views) == sessions * READERS, len(views)
        assert deliveries < 100000 or min(a.silent for a in appenders) > 0, "every bell rang"
        print("%d events reached %d readers: %d deliveries, %d reconnects; faults: %r; %d batches without a bell, "
              "%d batches repeated" % (sum(len(a.acknowledged) for a in appenders), len(views), seen,
                                       sum(int(v[-1]) for v in views), faults.counts,
                                       sum(a.silent for a in appenders), sum(a.repeats for a in appenders)))


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]), float(sys.argv[5]),
         int(sys.argv[6]) if len(sys.argv) > 6 else random.randrange(1, 1 << 30))
