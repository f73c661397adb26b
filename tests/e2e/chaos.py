#!/usr/bin/python3
"""Random faults on 2 api, 2 streamers, 2 schedulers, 4 workers and Redis while sessions of several kinds run.

Processes are killed with -9, or stopped for less and for more than a lease; they are cut off from Redis or PostgreSQL
(nothing goes through, answers come late, connections are reset); Redis is killed and restarted. Afterwards
  - each task that was accepted has sessions that ended, each once, and there are no others;
  - nothing was done by an epoch that had a successor: lines that agents wrote into one file, opened before the faults,
    what they said in the log, the refs that workers pushed, the branches that were delivered;
  - no two sessions with one concurrency key ran at once;
  - the queue's sets are what runs, to the last slot, and empty when nothing does;
  - no process of an agent is left, and no node ended by itself with a crash.

usage: with-postgres chaos.py BIN_DIR FAULTS [SEED]      the same seed makes the same plan; --plan FAULTS SEED prints it
"""
import collections
import heapq
import os
import random
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agents import living  # noqa: E402
from cluster import COUNTS, Cluster  # noqa: E402
from first_light import make_repo, wait_for  # noqa: E402
from stack import TERMINAL, Watcher  # noqa: E402
from stream_faults import Redis  # noqa: E402

OPEN = 20            # sessions that have not ended, at most
PACE_S = 0.45        # between two faults, on average
LONG_S = (1.8, 4.0)  # longer than a lease
SHORT_S = (0.1, 1.2)
QUIET_S = 120        # for all of them to end when the faults are over
LAST = 3             # sessions that run on, to count slots by
MARK = "chaos-%d" % os.getpid()

# $1 file, $2 what to do halfway, $3 steps. The file is opened once, before anything can happen to this epoch.
AGENT = """
exec 3>>"$1"
echo "$FAIRLEAD_EPOCH" >epoch.txt
for i in $(seq 1 $3); do
    echo "$FAIRLEAD_SESSION_ID $FAIRLEAD_EPOCH $i" >&3
    echo "said $FAIRLEAD_EPOCH $i"
    [ "$i" != 5 ] || [ "$2" != waits ] || "$BIN" agent wait --seconds 1 >/dev/null
    sleep 0.1
done
: %s
""" % MARK

Fault = collections.namedtuple("Fault", "at kind victim seconds how")


# ---- what goes wrong, and when ----

def nodes():
    return ["%s-%d" % (kind, i) for kind, count in COUNTS.items() for i in range(1, count + 1)]


def one_fault(rng, at):
    """Half of all is about workers: they hold what is to be fenced."""
    workers = [n for n in nodes() if n.startswith("worker")]
    victim = rng.choice(workers if rng.random() < 0.5 else nodes())
    long = rng.uniform(*(LONG_S if rng.random() < 0.5 else SHORT_S))
    kind = rng.choices(["kill", "stop", "cut", "redis"], [30, 30, 30, 10])[0]
    if kind == "kill":
        return Fault(at, "kill", victim, rng.uniform(0, 1.5), "")
    if kind == "stop":
        return Fault(at, "stop", victim, long, "")
    if kind == "cut":
        server = "redis" if victim in workers or rng.random() < 0.6 else "pg"
        return Fault(at, "cut", victim + "." + server, long, rng.choice(["hold", "mute", "break"]))
    how = rng.choice(["kill", "restart", "stop"])
    return Fault(at, "redis-" + how, "redis", rng.uniform(0, 1.0) if how != "stop" else long, "")


def plan(rng, count):
    """No victim has two at a time."""
    found, busy, at = [], {}, 0.0
    while len(found) < count:
        fault = one_fault(rng, at)
        node = fault.victim.split(".")[0]
        if busy.get(node, 0) <= at:
            found.append(fault)
            busy[node] = at + fault.seconds + 0.5
            at += rng.expovariate(1 / PACE_S)
        else:
            at += 0.05
    return found


def told(fault):
    return "%7.2f s  %-13s %-20s %.2f s %s" % (fault.at, fault.kind, fault.victim, fault.seconds, fault.how)


def begin(stack, fault):
    if fault.kind == "cut":
        stack.proxies.cut(fault.victim, fault.how)
    elif fault.kind.endswith("stop"):
        stack.freeze(fault.victim)
    else:
        stack.kill(fault.victim, 15 if fault.kind == "redis-restart" else 9)


def end(stack, fault):
    if fault.kind == "cut":
        stack.proxies.heal(fault.victim)
    elif fault.kind.endswith("stop"):
        stack.thaw(fault.victim)
    else:
        stack.spawn(fault.victim)


def inflict(stack, faults, work):
    began, due = time.monotonic(), []
    for n, fault in enumerate(faults):
        heapq.heappush(due, (fault.at, n, begin, fault))
        heapq.heappush(due, (fault.at + fault.seconds, n, end, fault))
    while due:
        at, _, act, fault = heapq.heappop(due)
        stack.pause(began + at - time.monotonic())
        stack.reap()
        act(stack, fault)
        if act is begin:
            print(told(fault), flush=True)
        assert work.problem is None, work.problem


# ---- what runs meanwhile ----

class Work(threading.Thread):
    """Submits, follows some, cancels, stops and pauses some, until told to stop; what is paused is resumed in any case."""

    def __init__(self, stack, rng, repo, effects):
        super().__init__(daemon=True)
        self.stack, self.rng, self.repo, self.effects = stack, rng, repo, effects
        self.done = threading.Event()
        self.sessions = {}  # sid -> what it was submitted with
        self.ended, self.cancelled, self.stopped = {}, set(), set()
        self.watchers = []
        self.problem = None

    def run(self):
        try:
            while not self.done.is_set():
                self.look()
                for _ in range(OPEN - (len(self.sessions) - len(self.ended))):
                    self.submit(self.rng.choice(["plain", "plain", "waits", "git", "git", "keyed"]))
                self.steer()
                self.done.wait(0.3)
        except Exception as e:  # the main thread tells
            self.problem = repr(e)

    def submit(self, kind, steps=None):
        steps = steps or self.rng.randrange(5, 30)
        argv = ["sh", "-c", AGENT.replace("$BIN", self.stack.bin), "agent", self.effects, kind, str(steps)]
        more = {}
        if kind == "git":
            more["delivery"] = {"mode": "branch", "targetBranch": "work/%d" % len(self.sessions)}
        if kind == "keyed":
            more["concurrencyKey"] = "key-%d" % self.rng.randrange(3)
        [sid] = self.stack.submit(argv, repo=self.repo if kind == "git" else None, **more)
        self.sessions[sid] = dict(more, kind=kind, steps=steps)
        if kind == "plain":
            self.watchers.append(Watcher(self.stack, sid, deadline_s=3600))
            self.watchers[-1].start()
        return sid

    def look(self):
        for sid in [s for s in self.sessions if s not in self.ended]:
            status, session = self.stack.json("GET", "/api/v1/sessions/" + sid)
            if status != 200:
                raise RuntimeError("%s was accepted and is not there: %d %r" % (sid, status, session))
            if session["status"] in TERMINAL:
                self.ended[sid] = session
            elif session["status"] == "paused":
                self.ask("resume", sid)

    def steer(self):
        alive = [s for s in self.sessions if s not in self.ended]
        verb = self.rng.choices(["", "cancel", "stop", "pause"], [70, 8, 7, 15])[0]
        if alive and verb:
            sid = self.rng.choice(alive)
            if self.ask(verb, sid) and verb != "pause":
                (self.cancelled if verb == "cancel" else self.stopped).add(sid)

    def ask(self, verb, sid):
        path = "/api/v1/sessions/" + sid
        status, answer = self.stack.json("DELETE", path) if verb == "cancel" else self.stack.json("POST", path + "/" + verb)
        if status not in (202, 204, 409, 410):
            raise RuntimeError("%s: %d %r" % (verb, status, answer))
        return status < 300


# ---- what must be true then ----

def check_end(work, sid, events):
    session, last = work.ended[sid], events[-1]
    if sid in work.cancelled:
        assert session["status"] == "cancelled", (sid, session["status"], last)
        return "cancelled"
    if session["status"] == "completed" or session["status"] == "stopped" and sid in work.stopped:
        return session["status"]
    # A cancel whose first answer was lost is answered 409 the second time. Three lost workers are poison.
    assert session["status"] == "cancelled" or last.get("reason") == "poison", (sid, session["status"], last)
    return session["status"]


class Effects:
    """What agents wrote into the one file, in the order in which it happened: (session, epoch it was begun in) a line."""

    def __init__(self, path):
        with open(path) as f:
            self.lines = [(sid, int(epoch)) for sid, epoch, _ in map(str.split, f)]
        self.begun = collections.defaultdict(set)
        for sid, epoch in self.lines:
            self.begun[sid].add(epoch)

    def whose(self, sid, epoch):
        """The agent that has the rights of an epoch: the last that was begun. After a loss of Redis it goes on in a later one."""
        return max((e for e in self.begun[sid] if e <= epoch), default=0)


def check_effects(work, effects):
    """Who has a successor writes no more. A key is free as soon as its session is cancelled, whatever its agent does."""
    newest, holder, over = {}, {}, set()
    for at, (sid, epoch) in enumerate(effects.lines):
        assert epoch >= newest.get(sid, 0), ("line %d: by %d, after %d began" % (at, epoch, newest[sid]), sid,
                                             [n for n, line in enumerate(effects.lines) if line[0] == sid],
                                             [line[1] for line in effects.lines if line[0] == sid])
        newest[sid] = epoch
        key = work.sessions[sid].get("concurrencyKey")
        if key is not None and work.ended[sid]["status"] != "cancelled" and holder.get(key) != (sid, epoch):
            assert (sid, epoch) not in over, ("line %d: two at a time of %s" % (at, key), sid, epoch, holder[key])
            over.add(holder.get(key))
            holder[key] = (sid, epoch)


def check_log(work, effects, sid, events):
    """Dense; and what an agent said is in an epoch that it had the right to, once, in order, from its beginning."""
    numbers = [int(e["id"].split("-")[1]) for e in events]
    assert numbers == list(range(1, len(events) + 1)), (sid, "not dense", numbers)
    said = collections.defaultdict(list)
    for event in events:
        words = event.get("message", "").split()
        if event["type"] == "log" and words[:1] == ["said"]:
            epoch = int(words[1])
            assert effects.whose(sid, int(event["id"].split("-")[0])) == epoch, (sid, "from a stale epoch", event)
            said[epoch].append(int(words[2]))
    for epoch, steps in said.items():
        assert steps == list(range(1, len(steps) + 1)), (sid, epoch, steps)
    if work.ended[sid]["status"] == "completed":
        assert len(said[max(said)]) == work.sessions[sid]["steps"], (sid, said)


def all_events(stack, sid):
    found, after = [], "0-0"
    while True:
        status, page = stack.json("GET", "/api/v1/sessions/%s/events?sort=asc&limit=100&after=%s" % (sid, after))
        assert status == 200, (status, page)
        if not page["items"]:
            return found
        found += page["items"]
        after = found[-1]["id"]


def git(repo, *args):
    return subprocess.run(["git", "-c", "safe.directory=*", "-C", repo, *args], check=True, capture_output=True,
                          text=True).stdout


def check_refs(work, effects):
    """An epoch pushes to its own ref what it made; a branch is what the epoch that ended the session made."""
    refs = git(work.repo, "for-each-ref", "--format=%(refname)", "refs/fairlead/").split()
    for ref in refs:
        sid, epoch = ref.split("/")[-2:]
        assert sid in work.sessions, ref
        made_by = int(git(work.repo, "show", ref + ":epoch.txt"))
        assert made_by == effects.whose(sid, int(epoch)), (ref, made_by)
    return len(refs)


def check_branches(stack, work, effects, final):
    delivered = 0
    for sid, made in work.sessions.items():
        if made["kind"] == "git" and work.ended[sid]["status"] == "completed":
            def state():
                return stack.json("GET", "/api/v1/sessions/" + sid)[1].get("delivered", {}).get("state")
            wait_for("delivery of " + sid, lambda: state() not in (None, "waiting"), 60)
            assert state() == "done", (sid, state())
            made_by = int(git(work.repo, "show", made["delivery"]["targetBranch"] + ":epoch.txt"))
            assert made_by == effects.whose(sid, final[sid]), (sid, made_by, final[sid])
            delivered += 1
    return delivered


def leases(redis):
    """Each set of the queue that has to do with leases, and who is in it."""
    found, cursor = {}, "0"
    while True:
        cursor, keys = redis.call("SCAN", cursor, "MATCH", "{q*", "COUNT", 1000)
        for key in keys:
            if re.match(r"\{q\d+/\d+\}:(leasing|leased|parked|held|delayed|[wpnkbr]:.*|back:.*|wait:.*|ready:.*)$", key):
                found[key] = set(redis.call("SMEMBERS", key) if redis.call("TYPE", key) == "set" else
                                 redis.call("ZRANGE", key, 0, -1))
        if cursor == "0":
            return {key: members for key, members in found.items() if members}


def check_slots(stack, work):
    """With a few that run: they, and nobody else, are in all the sets that count them. Then: nobody is in any."""
    redis = Redis(stack)
    sids = {work.submit("keyed" if i == 0 else "idle", steps=100000) for i in range(LAST)}
    for sid in sids:
        wait_for("it runs", lambda: stack.json("GET", "/api/v1/sessions/" + sid)[1]["status"] == "running")

    def is_true():
        found = leases(redis)
        by_name = collections.defaultdict(set)
        for key, members in found.items():
            name = key.split(":")[1]
            by_name[name + ":" + key.split(":")[2] if name == "k" else name] |= members
        held = by_name.pop("k:c", set())
        return len(held) == 1 and held <= sids and all(m == sids for m in by_name.values()) and \
            {"leased", "w", "k:t", "k:u"} <= set(by_name)
    try:
        wait_for("the queue has what runs", is_true, 20)
    except AssertionError:
        raise AssertionError("a slot leaked: %r run, and the queue has %r" % (sids, leases(redis)))
    for sid in sids:
        assert stack.json("DELETE", "/api/v1/sessions/" + sid)[0] == 204
    try:
        wait_for("the queue is empty", lambda: not leases(redis), 20)
    except AssertionError:
        raise AssertionError("a slot leaked: nothing runs, and the queue has %r" % leases(redis))
    redis.close()
    work.cancelled |= sids


def check_all_are_known(stack, work):
    found, cursor = set(), ""
    page = 1
    while True:
        status, answer = stack.json("GET", "/api/v1/sessions?perPage=100&page=%d" % page)
        assert status == 200, answer
        if not answer["items"]:
            break
        found |= {s["id"] for s in answer["items"]}
        page += 1
    assert found == set(work.sessions), ("lost or made twice", found ^ set(work.sessions))


def check(stack, work):
    effects = Effects(work.effects)
    check_effects(work, effects)
    events = {sid: all_events(stack, sid) for sid in work.ended}
    ends = collections.Counter(check_end(work, sid, events[sid]) for sid in work.ended)
    for sid in work.ended:
        check_log(work, effects, sid, events[sid])
    for w in work.watchers:
        w.join(30)
        assert w.ended and w.problem is None and not w.gaps, (w.sid, w.ended, w.problem, w.gaps)
        assert [i for i, _, _ in w.events] == [e["id"] for e in events[w.sid]], (w.sid, "a reader saw something else")
    final = {sid: int(log[-1]["id"].split("-")[0]) for sid, log in events.items()}
    refs, branches = check_refs(work, effects), check_branches(stack, work, effects, final)
    print("%d sessions: %s; %d agents begun, %d lines, %d events, %d refs, %d branches" %
          (len(events), dict(ends), sum(map(len, effects.begun.values())), len(effects.lines),
           sum(map(len, events.values())), refs, branches))


def run(stack, count, seed):
    rng = random.Random(seed)
    faults = plan(rng, count)
    effects = os.path.join(stack.dir, "effects")
    open(effects, "w").close()
    os.chmod(effects, 0o666)
    work = Work(stack, random.Random(rng.random()), make_repo(os.path.join(stack.dir, "repo")), effects)
    work.start()
    inflict(stack, faults, work)
    work.done.set()
    began = time.monotonic()
    while work.is_alive() or len(work.ended) < len(work.sessions):
        stack.pause(0.2)
        if not work.is_alive():
            work.look()
        assert work.problem is None, work.problem
        assert time.monotonic() < began + QUIET_S, ("never ended", [s for s in work.sessions if s not in work.ended])
    print("all ended %.1f s after the last fault; who ended by itself: %r" % (time.monotonic() - began, stack.ended))
    check(stack, work)
    check_slots(stack, work)
    check_all_are_known(stack, work)
    wait_for("no agent is left", lambda: not living(MARK), 20)
    stack.stop()
    wait_for("nothing is left", lambda: not stack.processes(), 10)
    assert not stack.crashes(), stack.crashes()


def main(bin_dir, count, seed):
    print("seed", seed, flush=True)
    with Cluster(bin_dir, {"FAIRLEAD_WORKER_SLOTS": "4", "FAIRLEAD_WORKER_STOP_GRACE": "1s"}) as stack:
        try:
            run(stack, count, seed)
        except BaseException:
            print("FAILED: seed %d\n%s" % (seed, stack.tail(15)), flush=True)
            raise


if __name__ == "__main__":
    if sys.argv[1] == "--plan":
        for planned in plan(random.Random(int(sys.argv[3])), int(sys.argv[2])):
            print(told(planned))
    else:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30))
