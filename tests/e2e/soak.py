#!/usr/bin/python3
"""Any service killed with -9 at any time, for as long as asked; every watcher's view must be the log itself.

usage: soak.py BIN_DIR [SECONDS] [SEED]
"""
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from first_light import make_repo, wait_for  # noqa: E402
from stack import TERMINAL, Stack, Watcher  # noqa: E402

SCRIPT = "for i in $(seq 1 40); do echo line $i; sleep 0.1; done; echo done >>file.txt"
VICTIMS = ["api-1", "api-2", "streamer-1", "streamer-2", "worker", "scheduler", "haproxy", "redis", "postgres"]


def history(stack, sid):
    """The log as its pages tell it, oldest first."""
    found, after = [], "0-0"
    while True:
        status, page = stack.json("GET", "/api/v1/sessions/%s/events?sort=asc&limit=100&after=%s" % (sid, after))
        assert status == 200, (status, page)
        if not page["items"]:
            return found
        found += [e["id"] for e in page["items"]]
        after = found[-1]


def check(stack, w):
    assert w.problem is None and w.ended, (w.sid, w.problem)
    assert not w.gaps, (w.sid, w.gaps)
    seen = [i for i, _, _ in w.events]
    assert w.numbers() == list(range(1, len(seen) + 1)), (w.sid, seen)
    assert seen == history(stack, w.sid), (w.sid, "the pages differ")
    _, session = stack.json("GET", "/api/v1/sessions/" + w.sid)
    assert session["status"] in TERMINAL, session["status"]
    last = w.events[-1][2]
    # Three lost workers make a session poison; nothing else that happens here may fail one.
    assert session["status"] == "completed" or "lost" in last.get("reason", ""), (w.sid, last)
    return session["status"]


def main(bin_dir, seconds, seed):
    print("seed", seed)
    rng = random.Random(seed)
    with Stack(bin_dir, {"FAIRLEAD_WORKER_SLOTS": "8"}) as stack:
        repo = make_repo(os.path.join(stack.dir, "repo"))
        watchers, kills = [], 0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if sum(not w.ended for w in watchers) < 16:
                sid = stack.submit(["sh", "-c", SCRIPT], repo=repo if rng.random() < 0.5 else None)[0]
                watchers.append(Watcher(stack, sid, deadline_s=seconds + 180))
                watchers[-1].start()
            if rng.random() < 0.1:
                victim = rng.choice(VICTIMS)
                if stack.pid(victim) > 0:
                    pid = stack.kill9(victim)
                    kills += 1
                    wait_for(victim + " is back", lambda: stack.pid(victim) not in (0, pid))
            time.sleep(0.1)
        for w in watchers:
            w.join(240)
        states = {}
        for w in watchers:
            try:
                state = check(stack, w)
            except AssertionError:
                print(stack.tail(40))
                raise
            states[state] = states.get(state, 0) + 1
        print("%d sessions %r, %d events, %d kills, %d reconnects" %
              (len(watchers), states, sum(len(w.events) for w in watchers), kills,
               sum(w.reconnects for w in watchers)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60,
         int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30))
