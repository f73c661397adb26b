#!/usr/bin/python3
"""40 tasks through haproxy while one api, one streamer, the worker and the scheduler are each killed with -9 once.

Every watcher sees every event of its session once, in order; every session ends in a terminal
state; no agent process is left.

usage: first_light.py BIN_DIR
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stack import TERMINAL, Stack, Watcher  # noqa: E402

TASKS = 40
SCRIPT = "for i in $(seq 1 25); do echo line $i; sleep 0.1; done; echo done >>file.txt"
VICTIMS = ["api-1", "streamer-1", "worker", "scheduler"]


def make_repo(path):
    os.makedirs(path)
    env = dict(os.environ, GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@example.org",
               GIT_COMMITTER_NAME="t", GIT_COMMITTER_EMAIL="t@example.org", GIT_CONFIG_GLOBAL="/dev/null")
    with open(os.path.join(path, "file.txt"), "w") as f:
        f.write("hello\n")
    for args in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *args], cwd=path, env=env, check=True)
    return path


def wait_for(what, ready, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError("timed out: " + what)
        time.sleep(0.05)


def check_watcher(stack, w):
    assert w.problem is None, "%s: %s" % (w.sid, w.problem)
    assert w.ended, "%s: no end" % w.sid
    assert not w.gaps, "%s: gaps %r" % (w.sid, w.gaps)
    assert w.numbers() == list(range(1, len(w.events) + 1)), "%s: %r" % (w.sid, w.numbers())
    status, session = stack.json("GET", "/api/v1/sessions/" + w.sid)
    assert status == 200 and session["status"] in TERMINAL, (status, session)
    assert session["status"] == "completed", (w.sid, session["status"], w.events[-3:])
    lines = [e["message"] for _, kind, e in w.events if kind == "log"]
    assert lines[-25:] == ["line %d" % i for i in range(1, 26)], (w.sid, lines)


def main(bin_dir):
    with Stack(bin_dir, {"FAIRLEAD_WORKER_SLOTS": "10"}, fresh=True) as stack:
        repo = make_repo(os.path.join(stack.dir, "repo"))
        watchers = []
        for i in range(TASKS):
            sid = stack.submit(["sh", "-c", SCRIPT], repo=repo if i % 2 else None)[0]
            watchers.append(Watcher(stack, sid))
            watchers[-1].start()
        for victim in VICTIMS:
            before = sum(len(w.events) for w in watchers)
            wait_for("events flow before %s dies" % victim,
                     lambda: sum(len(w.events) for w in watchers) > before + 60)
            pid = stack.kill9(victim)
            wait_for("%s is back" % victim, lambda: stack.pid(victim) not in (0, pid))
        for w in watchers:
            w.join(200)
        for w in watchers:
            check_watcher(stack, w)
        agents = [p for p in stack.processes() if "seq 1 25" in p[1]]
        assert not agents, agents
        assert stack.stop() == 0
        wait_for("nothing is left", lambda: not stack.processes(), 10)
        print("%d sessions, %d events, %d reconnects" %
              (TASKS, sum(len(w.events) for w in watchers), sum(w.reconnects for w in watchers)))


if __name__ == "__main__":
    main(sys.argv[1])
