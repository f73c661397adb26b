#!/usr/bin/python3
"""Redis is lost, whole or its last seconds, while agents run and many sessions wait.

No agent ends, no session is lost or begun twice, dispatch goes on, and readers see each event once and no gap.

usage: with-postgres redis_loss.py BIN_DIR RUNNING QUEUED FAULT...
A fault is flush (FLUSHALL), twice (two of them), fresh (another server, empty), tail (killed, and its append-only
file lost its end), flush_tail (FLUSHALL, then killed, and the file lost that too), former (schedulers are stopped,
and those that follow find what another version left: other keys, another mark), or shards (one of the schedulers is
started with more of them than before).
"""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from first_light import wait_for  # noqa: E402
from stack import Stack, Watcher, free_port  # noqa: E402

SHORT_SLOTS = 4  # in which what is queued takes turns
SHORT_S = 0.3
WATCHED = 40
BATCH = 100
AT_ONCE = 5
DISPATCH_S = 5  # after a loss
MORE_SHARDS = 4
RENAME_ALL = """
for _, key in ipairs(redis.call('KEYS', '{q*')) do
	redis.call('RENAME', key, (string.gsub(key, '/%d+}', '}', 1)))
end
local run, generation = string.match(redis.call('GET', '{w}:generation'), '^(%S+) (%d+)')
return redis.call('SET', '{w}:generation', run .. ' ' .. generation .. ' 01ARZ3NDEKTSV4RRFFQ69G5FAV')
"""


class Redis:
    """A server of our own, with an append-only file that can lose its end."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="fairlead-redis.")
        self.port = free_port(4)
        self.url = "redis://127.0.0.1:%d/0" % self.port
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir, "--save", "",
             "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction",
             "--auto-aof-rewrite-percentage", "0", "--logfile", os.path.join(self.dir, "log")],
            preexec_fn=die_with_parent)
        wait_for("redis answers", lambda: self.say("PING") == "PONG", 60)

    def say(self, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True)
        return done.stdout.strip()

    def file(self):
        folder = os.path.join(self.dir, "appendonlydir")
        return os.path.join(folder, next(f for f in os.listdir(folder) if f.endswith(".incr.aof")))

    def written(self):
        return os.path.getsize(self.file())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def flush(self):
        self.say("FLUSHALL")

    def twice(self):
        self.say("FLUSHALL")
        time.sleep(0.7)  # some have noticed, and have begun to rebuild
        self.say("FLUSHALL")

    def fresh(self):
        self.kill()
        shutil.rmtree(os.path.join(self.dir, "appendonlydir"))
        self.start()

    def cut(self, size):
        self.kill()
        os.truncate(self.file(), size)
        self.start()

    def tail(self):
        size = self.written()
        time.sleep(2)
        self.cut(size)

    def rename_all(self):
        assert self.say("EVAL", RENAME_ALL, "0") == "OK"

    def flush_tail(self):
        size = self.written()
        self.say("FLUSHALL")
        time.sleep(5)  # until every worker has read the new epochs
        self.cut(size)


def psql(query):
    done = subprocess.run(["psql", os.environ["TEST_PG_ADMIN_URL"], "-qtAc", query], capture_output=True, text=True,
                          check=True)
    return done.stdout.split()


class Reader(Watcher):
    """What was retracted never happened; that may only be an epoch that a loss after it took with it, when nobody
    had read it yet but us."""

    def dispatch(self, fields):
        gap = json.loads(fields["data"]) if fields.get("event") == "gap" else None
        if gap and gap["reason"] == "retracted":
            taken = [e for e in self.events if gap["from"] <= int(e[0].split("-")[1]) <= gap["to"]]
            if all(kind == "epoch" for _, kind, _ in taken):
                self.events = [e for e in self.events if e not in taken]
                return False
        return super().dispatch(fields)


class World:
    def __init__(self, stack, redis, changes):
        self.stack, self.redis = stack, redis
        self.changes = changes  # faults of schedulers rather than of Redis, by name
        self.go = os.path.join(stack.dir, "go")
        self.starts = os.path.join(stack.dir, "starts")
        with open(self.starts, "w"):
            pass
        os.chmod(self.starts, 0o666)
        self.runners, self.watchers = [], []

    def submit(self, script, count):
        ids = []
        while len(ids) < count:
            more = min(BATCH, count - len(ids))
            agents = [{"type": "command", "version": "latest", "count": more,
                       "settings": {"argv": ["sh", "-c", script]}}]
            ids += self.stack.submit(["true"], agents=agents)
            time.sleep(len(ids) / 1e6)  # the machine has agents to run meanwhile
        return ids

    def run_agents(self, count):
        """A few at a time, as they end: beginning and ending is the work, not running."""
        while len(self.runners) < count:
            script = "i=0; while [ ! -e %s.%d ]; do i=$((i+1)); echo line $i; sleep %d; done; echo pid $$" % (
                self.go, len(self.runners) // AT_ONCE, max(1, count // 20))
            self.runners += self.submit(script, min(AT_ONCE, count - len(self.runners)))
            wait_for("they run", lambda: self.count("running") >= len(self.runners), 60)
        self.watchers = [Reader(self.stack, sid, 3600) for sid in self.runners[:WATCHED]]
        for w in self.watchers:
            w.start()
        wait_for("they are followed", lambda: all(len(lines_of(w.events)) > 0 for w in self.watchers), 60)

    def queue(self, count):
        # At the end they keep the slots that they get: it is not about how many can begin in a second.
        self.submit("echo $FAIRLEAD_SESSION_ID >> %s; [ -e %s ] && sleep 1000; sleep %s" % (
            self.starts, self.go, SHORT_S), count)
        self.wait_for_starts(SHORT_SLOTS)

    def count(self, state):
        return int(psql("SELECT count(*) FROM sessions WHERE state = '%s'" % state)[0])

    def started(self):
        with open(self.starts) as f:
            return f.read().split()

    def wait_for_starts(self, more):
        want = len(self.started()) + more
        wait_for("sessions start", lambda: len(self.started()) >= want, 120)

    def queued_ids(self):
        """What is in two shards is there once too often."""
        shards = (self.redis.say("GET", "{w}:generation").split() + ["", "", ""])[2]
        ids = []
        for key in self.redis.say("KEYS", "{q*/%s}:i" % shards).split():
            ids += self.redis.say("HKEYS", key).split()
        assert len(ids) == len(set(ids)), "in two shards"
        return set(ids)

    def former_keys(self):
        shards = (self.redis.say("GET", "{w}:generation").split() + ["", "", ""])[2]
        return [key for key in self.redis.say("KEYS", "{q*").split() if "/%s}" % shards not in key]

    def missing(self):
        """Sessions that live and are in no queue."""
        return set(psql("SELECT id FROM sessions WHERE state NOT IN "
                        "('completed', 'failed', 'stopped', 'cancelled')")) - self.queued_ids()

    def lose(self, fault):
        began = time.monotonic()
        seen = [len(lines_of(w.events)) for w in self.watchers]
        (self.changes.get(fault) or getattr(self.redis, fault))()
        lost, before = time.monotonic(), len(self.started())
        # More than could have been on their way.
        wait_for("sessions start again", lambda: len(self.started()) >= before + 2 * SHORT_SLOTS, 120)
        resumed = time.monotonic()
        deadline = lost + 600
        while self.missing():  # asking is work for Redis too
            assert time.monotonic() < deadline, "not queued again: %r" % sorted(self.missing())[:5]
            time.sleep(0.5)
        filled = time.monotonic()
        wait_for("agents are heard again", lambda: all(
            len(lines_of(w.events)) > n + 1 for w, n in zip(self.watchers, seen)), 60)
        wait_for("nothing is left of what was", lambda: not self.former_keys(), 60)
        again = self.doubles()
        assert not again, again
        print("%-10s lost in %.1f s; dispatch after %.1f s, all queued after %.1f s, agents heard after %.1f s" % (
            fault, lost - began, resumed - lost, filled - lost, time.monotonic() - lost), flush=True)
        return resumed - lost

    def doubles(self):
        started = self.started()
        return sorted({sid for sid in started if started.count(sid) > 1}) if len(set(started)) < len(started) else []

    def finish(self):
        with open(self.go, "w"):
            pass
        for i in range(0, len(self.runners), AT_ONCE):
            with open("%s.%d" % (self.go, i // AT_ONCE), "w"):
                pass
            group = set(self.runners[i:i + AT_ONCE])
            wait_for("they have ended", lambda: not group & set(psql(
                "SELECT id FROM sessions WHERE state NOT IN ('completed', 'failed', 'stopped', 'cancelled') "
                "AND started_at IS NOT NULL")), 120)
        for w in self.watchers:
            w.join(60)
        for i in range(0, len(self.runners), 20):
            readers = [Reader(self.stack, sid, 120) for sid in self.runners[i:i + 20]]
            for r in readers:
                r.start()
            for r in readers:
                r.join(120)
                self.check(r)
        by_id = {w.sid: w for w in self.watchers}
        for sid, w in by_id.items():
            self.check(w)
            again = Reader(self.stack, sid, 120)
            again.run()
            assert timeless(again.events) == timeless(w.events), difference(sid, w.events, again.events)
        assert psql("SELECT count(*) FROM sessions WHERE state IN ('failed', 'cancelled')") == ["0"]

    def check(self, w):
        assert w.ended and w.problem is None and not w.gaps, (w.sid, w.ended, w.problem, w.gaps)
        assert w.numbers() == list(range(1, len(w.events) + 1)), (w.sid, w.numbers())
        lines = lines_of(w.events)
        assert lines[:-1] == ["line %d" % i for i in range(1, len(lines))], (w.sid, lines)
        assert lines[-1].startswith("pid "), (w.sid, lines[-1])
        status, session = self.stack.json("GET", "/api/v1/sessions/" + w.sid)
        assert status == 200 and session["status"] == "completed" and session["attempts"] == 1, session


def lines_of(events):
    return [e["message"] for _, kind, e in list(events) if kind == "log"]


def timeless(events):
    """What a journal brought back has the time of its worker's clock."""
    return [(i, kind, {k: v for k, v in e.items() if k != "ts"}) for i, kind, e in events]


def difference(sid, seen, now):
    return sid, [pair for pair in zip(timeless(seen), timeless(now)) if pair[0] != pair[1]][:3], len(seen), len(now)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Scheduler:
    """A second one, beside that of `fairlead up`."""

    def __init__(self, stack, env):
        self.stack = stack
        self.log = open(os.path.join(stack.dir, "scheduler-2.log"), "ab")
        self.start(env)

    def start(self, env):
        stack = self.stack
        self.process = subprocess.Popen([os.path.join(os.path.dirname(stack.bin), "fairlead-scheduler")],
                                        env=dict(stack.env, **env), stdout=self.log, stderr=self.log,
                                        preexec_fn=die_with_parent)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, "the second scheduler"


def main(bin_dir, running, queued, *faults):
    redis = Redis()
    url = os.environ["TEST_PG_URL"]
    settings = {"FAIRLEAD_WORKER_SLOTS": str(int(running) + SHORT_SLOTS), "FAIRLEAD_WORKER_PROCESSES": "0"}
    try:
        with Stack(bin_dir, settings, ["--external-postgres", url, "--external-redis", redis.url]) as stack:
            env = {"FAIRLEAD_REDIS_URL": redis.url, "FAIRLEAD_PG_URL": url,
                   "FAIRLEAD_METRICS_LISTEN": "127.0.0.1:%d" % (stack.port + 39)}
            second = Scheduler(stack, env)

            def more_shards():
                second.close()
                second.start(dict(env, FAIRLEAD_QUEUE_SHARDS=str(MORE_SHARDS)))
                wait_for("there are more shards", lambda: psql("SELECT shards FROM queue_layout") == [str(MORE_SHARDS)],
                         30)

            def former():
                with stack.without("scheduler"):
                    second.close()
                    redis.rename_all()
                second.start(env)

            world = World(stack, redis, {"shards": more_shards, "former": former})
            began = time.monotonic()
            try:
                world.run_agents(int(running))
                world.queue(int(queued))
                print("%s run, %s wait after %.1f s" % (running, queued, time.monotonic() - began), flush=True)
                took = [world.lose(fault) for fault in faults]
                world.finish()
                if os.environ.get("FAIRLEAD_TIMES"):
                    assert max(took) <= DISPATCH_S, took
            except BaseException:
                print("FAILED\n%s" % stack.tail(40), flush=True)
                second.process.kill()
                raise
            second.close()
            assert stack.stop() == 0
            wait_for("nothing is left", lambda: not stack.processes(), 10)
    finally:
        redis.close()


def leave(*_):
    raise SystemExit(1)  # so that the servers are stopped


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    main(*sys.argv[1:])
