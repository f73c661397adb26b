#!/usr/bin/python3
"""The Redis master fails, and Sentinels elect another, while agents run and producers append.

What was acknowledged (redis.wait_replicas: when the replicas have it) is in the log, once and in its order; no agent
ends; who follows sees what is in the log, and is told what it saw of a tail that was lost.

usage: with-sentinel with-postgres failover.py BIN_DIR FAULT...
A fault is freeze (the master stops for a while), kill (with -9; it comes back as a replica) or again (it is demoted
and promoted before anybody sees it: another history, by the same process); or one that no Sentinel is to mend: memory
(Redis is full, for longer than a lease), disk (its append-only file cannot be written) and snapshot (so are its
snapshots, and it takes no writes without them).
"""
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from first_light import wait_for  # noqa: E402
from stack import Stack, Watcher  # noqa: E402

SERVER = os.environ.get("TEST_REDIS_SERVER", "redis-server")
PRODUCERS = 3
PACE_S = 0.005
REPLICAS = 2
DOWN_AFTER_MS = 500
FULL_S = 2  # more than a lease
LOAD = 50  # batches of each before a fault


class Election:
    """When a Sentinel first says who was promoted."""

    def __init__(self, sentinels):
        self.at, self.first = [], threading.Event()
        self.listeners = [subprocess.Popen(["redis-cli", "-p", s, "SUBSCRIBE", "+promoted-slave", "+switch-master"],
                                           stdout=subprocess.PIPE, text=True) for s in sentinels]
        for listener in self.listeners:
            threading.Thread(target=self.listen, args=(listener,), daemon=True).start()

    def listen(self, listener):
        for line in listener.stdout:
            if line.strip() == "message":
                self.at.append(time.monotonic())
                self.first.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for listener in self.listeners:
            listener.kill()
            listener.wait()

    def when(self):
        assert self.first.wait(60), "no Sentinel says that another was promoted"
        return min(self.at)


class Servers:
    """The servers of with-sentinel: who is the master, and what becomes of it."""

    def __init__(self):
        self.ports = os.environ["TEST_REDIS_PORTS"].split()
        self.sentinels = os.environ["TEST_SENTINEL_PORTS"].split()
        self.started = []

    @staticmethod
    def options():
        return ["--external-postgres", os.environ["TEST_PG_URL"], "--external-redis", os.environ["TEST_SENTINEL_URL"]]

    @staticmethod
    def say(port, *words):
        done = subprocess.run(["redis-cli", "-p", port, *words], capture_output=True, text=True)
        return done.stdout.split()

    def master(self):
        """As most Sentinels say."""
        said = self.said()
        return max(set(said), key=said.count)

    def said(self):
        return [(self.say(s, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "fairlead") + [None, None])[1]
                for s in self.sentinels]

    def is_about_it(self, sentinel):
        words = self.say(sentinel, "SENTINEL", "MASTER", "fairlead")
        return "failover_in_progress" in words[words.index("flags") + 1]

    def facts(self, port):
        return dict(line.split(":", 1) for line in self.say(port, "INFO") if ":" in line)

    def replicas(self, port):
        return sum("state=online" in v for k, v in self.facts(port).items() if k.startswith("slave"))

    def settle(self):
        """All follow the one that all Sentinels name, which may be the second that was elected; they would take ten
        seconds to say so to one that they do not expect. And no Sentinel is still about it: if the one that it promoted
        dies before its failover has ended, it names that one for ever."""
        if len(set(self.said())) > 1 or any(map(self.is_about_it, self.sentinels)):
            return False
        master = self.master()
        for port in self.ports:
            facts = self.facts(port)
            if port != master and facts and facts.get("master_port") != master:
                self.say(port, "REPLICAOF", "127.0.0.1", master)
        return self.replicas(master) == REPLICAS

    def fail(self, port, signo):
        """When another was elected, and the failed one's folder."""
        facts, folder = self.facts(port), self.say(port, "CONFIG", "GET", "dir")[1]
        with Election(self.sentinels) as election:
            os.kill(int(facts["process_id"]), signo)
            at = election.when()
            wait_for("all Sentinels name another", lambda: port not in self.said() and None not in self.said(), 60)
        return at, int(facts["process_id"]), folder

    def freeze(self, port):
        elected, pid, _ = self.fail(port, signal.SIGSTOP)
        return elected, lambda: os.kill(pid, signal.SIGCONT)

    def kill(self, port):
        elected, _, folder = self.fail(port, signal.SIGKILL)

        def back():
            self.started.append(subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", SERVER,
                 "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "",
                 "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0",
                 "--logfile", os.path.join(folder, "log"), "--replicaof", "127.0.0.1", self.master()]))

        return elected, back

    def again(self, port):
        """What two elections do in the end, in a moment; Sentinels end connections of who is demoted, too."""
        generation = self.generation()
        subprocess.run(["redis-cli", "-p", port], text=True, check=True, stdout=subprocess.DEVNULL, input="\n".join(
            ("MULTI", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "CLIENT KILL TYPE normal", "EXEC")))
        at = time.monotonic()
        wait_for("another generation", lambda: self.generation() > generation)
        return at, lambda: None

    def generation(self):
        return int((self.say(self.master(), "GET", "{w}:generation") + ["", "0"])[1])

    # ---- no room: writes are refused until there is some ----

    def memory(self, port):
        used = int(self.facts(port)["used_memory"])
        self.say(port, "CONFIG", "SET", "maxmemory", str(used // 2))
        return lambda: self.say(port, "CONFIG", "SET", "maxmemory", "0")

    def disk(self, port):
        """No file of it may grow: what a full disk looks like (with-sentinel has SIGXFSZ ignored)."""
        pid, folder = int(self.facts(port)["process_id"]), self.say(port, "CONFIG", "GET", "dir")[1]
        self.bear_with()
        self.limit(pid, 1)

        def back():
            self.limit(pid, "unlimited")
            wait_for("it writes again", lambda: self.facts(port)["aof_last_write_status"] == "ok")
            self.check_file(pid, folder)
            self.bear_no_longer()

        return back

    def snapshot(self, port):
        """The same, of one that keeps snapshots and no append-only file."""
        pid = int(self.facts(port)["process_id"])
        self.bear_with()
        self.say(port, "CONFIG", "SET", "appendonly", "no", "save", "3600 1")
        self.limit(pid, 1)
        self.save(port, "err")

        def back():
            self.limit(pid, "unlimited")
            self.save(port, "ok")
            self.say(port, "CONFIG", "SET", "save", "", "appendonly", "yes")
            self.bear_no_longer()

        return back

    def save(self, port, outcome):
        def saved():
            self.say(port, "BGSAVE")  # refused while another one is written
            return self.facts(port)["rdb_last_bgsave_status"] == outcome

        wait_for("a snapshot is " + outcome, saved)

    def bear_with(self):
        """Who answers PING with MISCONF for long is left by them for another."""
        for sentinel in self.sentinels:
            self.say(sentinel, "SENTINEL", "SET", "fairlead", "down-after-milliseconds", "600000")

    def bear_no_longer(self):
        for sentinel in self.sentinels:
            wait_for("it is believed to live", lambda: self.pinged_ms(sentinel) < DOWN_AFTER_MS / 2)
            self.say(sentinel, "SENTINEL", "SET", "fairlead", "down-after-milliseconds", str(DOWN_AFTER_MS))

    def pinged_ms(self, sentinel):
        """How long ago that Sentinel had a good answer from the master."""
        words = self.say(sentinel, "SENTINEL", "MASTER", "fairlead")
        return int(words[words.index("last-ok-ping-reply") + 1])

    @staticmethod
    def limit(pid, size):
        subprocess.run(["prlimit", "--pid", str(pid), "--fsize=%s:" % size], check=True)

    @staticmethod
    def check_file(pid, folder):
        os.kill(pid, signal.SIGSTOP)  # so that nothing is half written
        manifest = os.path.join(folder, "appendonlydir", "appendonly.aof.manifest")
        done = subprocess.run([SERVER.removesuffix("-server") + "-check-aof", manifest], capture_output=True, text=True)
        os.kill(pid, signal.SIGCONT)
        assert done.returncode == 0, done.stdout

    def close(self):
        for process in self.started:
            process.kill()
            process.wait()


class Follower(Watcher):
    """What was retracted never happened."""

    def dispatch(self, fields):
        gap = json.loads(fields["data"]) if fields.get("event") == "gap" else None
        if gap and gap["reason"] == "retracted":
            self.events = [e for e in self.events if not gap["from"] <= int(e[0].split("-")[1]) <= gap["to"]]
            return False
        return super().dispatch(fields)


class Producer(threading.Thread):
    """One batch after the other; what is not acknowledged is sent again."""

    def __init__(self, stack, sid, name):
        super().__init__(daemon=True)
        self.stack, self.sid, self.name = stack, sid, name
        self.acked = []  # (when, cursor)
        self.over = self.problem = None
        self.refused = 0

    def run(self):
        while not self.over:
            sequence = len(self.acked) + 1
            body = {"producer": self.name, "sequence": sequence,
                    "events": [{"type": "note", "message": self.text(sequence)}]}
            try:
                status, head, raw = self.stack.request("POST", "/api/v1/sessions/%s/events" % self.sid, body)
            except OSError:
                continue
            if status == 200:
                self.acked.append((time.monotonic(), json.loads(raw)["last"]))
            elif status >= 500 and "retry-after" in map(str.lower, head):
                self.refused += 1
            else:
                self.problem = (status, raw[:200])
                return
            time.sleep(PACE_S)

    def text(self, sequence):
        return "%s %d" % (self.name, sequence)


def fail_over(servers, producers, fault, need_replicas=True):
    """How long after an election an append of each producer is acknowledged; need_replicas: these come back before."""
    wait_for("every replica follows", servers.settle, 60)
    before = servers.master()
    counts = [len(p.acked) for p in producers]
    wait_for("all append", lambda: all(len(p.acked) > n + LOAD for p, n in zip(producers, counts)), 60)
    began = time.monotonic()
    elected, back = getattr(servers, fault)(before)
    if need_replicas:
        back()
        wait_for("every replica follows", servers.settle, 60)
    whole = time.monotonic()
    wait_for("appends are acknowledged again", lambda: all(
        p.problem or p.acked[-1][0] > elected for p in producers), 60)
    assert not any(p.problem for p in producers), [p.problem for p in producers]
    resumed = max(min(t for t, _ in p.acked if t > elected) for p in producers)
    if not need_replicas:
        back()
        wait_for("every replica follows", servers.settle, 60)
    print("%-8s elected after %.1f s, all producers go on %.2f s later%s; %d refused" % (
        fault, elected - began, resumed - elected,
        ", replicas are there after %.2f s" % (whole - elected) if need_replicas else "",
        sum(p.refused for p in producers)), flush=True)
    return resumed - elected


def fill(servers, producers, fault):
    """Refused is refused: 503 with Retry-After, and no more than that."""
    wait_for("every replica follows", servers.settle, 60)
    master = servers.master()
    refused = [p.refused for p in producers]
    back = getattr(servers, fault)(master)
    wait_for("all are refused", lambda: all(p.problem or p.refused > n for p, n in zip(producers, refused)), 60)
    counts = [len(p.acked) for p in producers]
    time.sleep(FULL_S)
    assert all(len(p.acked) <= n + 1 for p, n in zip(producers, counts)), "acknowledged without room"
    back()
    room = time.monotonic()
    wait_for("appends are acknowledged again", lambda: all(
        p.problem or p.acked[-1][0] > room for p in producers), 60)
    assert servers.master() == master
    assert not any(p.problem for p in producers), [p.problem for p in producers]
    print("%-8s all producers go on %.2f s after there is room" % (
        fault, max(min(t for t, _ in p.acked if t > room) for p in producers) - room), flush=True)


def said_in(follower):
    return [(i, e["message"]) for i, kind, e in follower.events if kind in ("log", "note")]


def check(stack, follower, producer):
    again = Follower(stack, producer.sid, 60)
    again.run()
    for f in (follower, again):
        assert f.ended and f.problem is None and not f.gaps, (f.problem, f.gaps)
        assert f.numbers() == list(range(1, len(f.events) + 1)), f.numbers()
    said = said_in(again)
    assert said == said_in(follower)
    mine = [(i, m) for i, m in said if m.startswith(producer.name)]
    texts = [m for _, m in mine]
    count = len(producer.acked)
    assert texts[:count] == [producer.text(n + 1) for n in range(count)], "lost, doubled or disordered"
    assert texts[count:] in ([], [producer.text(count + 1)])  # the one that was not acknowledged
    assert [i for i, _ in mine][:count] == [cursor for _, cursor in producer.acked]
    lines = [m for _, m in said if m.startswith("line")]
    assert lines == ["line %d" % n for n in range(1, len(lines) + 1)], lines
    status, session = stack.json("GET", "/api/v1/sessions/" + producer.sid)
    assert status == 200 and session["status"] == "completed" and session["attempts"] == 1, session


@contextlib.contextmanager
def load(bin_dir, options, replicas=0):
    """A whole system with those options of `fairlead up`, and who appends and who follows; end() is their end."""
    settings = {"FAIRLEAD_REDIS_WAIT_REPLICAS": str(replicas), "FAIRLEAD_REDIS_TIMEOUT": "1s"}
    with Stack(bin_dir, settings, options) as stack:
        go = os.path.join(stack.dir, "go")
        script = "i=0; while [ ! -e %s ]; do i=$((i+1)); echo line $i; sleep 0.1; done" % go
        sids = [stack.submit(["sh", "-c", script])[0] for _ in range(PRODUCERS)]
        followers = [Follower(stack, sid) for sid in sids]
        producers = [Producer(stack, sid, "producer-%d" % i) for i, sid in enumerate(sids)]
        for thread in followers + producers:
            thread.start()

        def end():
            for p in producers:
                p.over = True
                p.join(30)
                assert p.problem is None, p.problem
            open(go, "w").close()
            for f in followers:
                f.join(60)

        try:
            wait_for("all append and follow", lambda: all(
                p.acked for p in producers) and all(len(f.events) > 5 for f in followers))
            yield stack, producers, followers, end
        except BaseException:
            print("FAILED\n%s" % stack.tail(40), flush=True)
            raise
        assert stack.stop() == 0


def main(bin_dir, *faults):
    servers = Servers()
    try:
        with load(bin_dir, servers.options(), REPLICAS) as (stack, producers, followers, end):
            for fault in faults:
                (fill if fault in ("memory", "disk", "snapshot") else fail_over)(servers, producers, fault)
            end()
            for f, p in zip(followers, producers):
                check(stack, f, p)
            print("%d batches" % sum(len(p.acked) for p in producers))
    finally:
        servers.close()


def leave(*_):
    raise SystemExit(1)  # so that the servers are stopped


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    main(*sys.argv[1:])
