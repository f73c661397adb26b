#!/usr/bin/python3
"""The PostgreSQL primary is killed and its streaming standby promoted, while tasks are submitted and producers append.

Both servers are in pg.url, with target_session_attrs=read-write, and commits wait for the standby. What was accepted is
there, once, and runs to its end on its first attempt; what was acknowledged is in the log, once and in its order.

usage: with-postgres pg_failover.py BIN_DIR
"""
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import failover  # noqa: E402
from first_light import wait_for  # noqa: E402
from stack import free_port  # noqa: E402

SUBMITTERS = 3
PACE_S = 0.05
LOAD = 10  # tasks of each before the primary is killed, and after


class Submitter(threading.Thread):
    """One task after the other, each with a key of its own, repeated until it is answered."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.stack, self.over, self.problem = stack, False, None
        self.accepted = []  # (when, session)

    def run(self):
        try:
            while not self.over:
                sids = self.stack.submit(["true"])
                self.accepted += [(time.monotonic(), sid) for sid in sids]
                time.sleep(PACE_S)
        except Exception as e:  # pylint: disable=broad-except
            self.problem = repr(e)


def control(*words):
    subprocess.run(["sh", "-c", os.environ["TEST_PG_CTL"] + ' "$@"', "sh", *words], check=True)


def ask(port, sql):
    url = urllib.parse.urlsplit(os.environ["TEST_PG_ADMIN_URL"])._replace(netloc="admin@127.0.0.1:%d" % port).geturl()
    done = subprocess.run(["psql", "-XAtq", "-c", sql, url], capture_output=True, text=True, check=True)
    return done.stdout.split()


def has_standby(primary):
    return ask(primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == ["1"]


def promote(submitters):
    began = time.monotonic()
    control("kill")
    control("promote")
    promoted = time.monotonic()
    wait_for("tasks are accepted again", lambda: all(
        s.problem or sum(t > promoted for t, _ in s.accepted) >= LOAD for s in submitters), 90)
    assert not any(s.problem for s in submitters), [s.problem for s in submitters]
    first = max(min(t for t, _ in s.accepted if t > promoted) for s in submitters)
    print("promoted after %.1f s, all are accepted %.2f s later" % (promoted - began, first - promoted), flush=True)


def check_tasks(port, submitters, own):
    accepted = sorted(sid for s in submitters for _, sid in s.accepted) + own
    assert len(set(accepted)) == len(accepted)
    wait_for("all have ended", lambda: ask(
        port, "SELECT count(*) FROM sessions WHERE state NOT IN ('completed','failed','stopped','cancelled')") == ["0"], 90)
    rows = ask(port, "SELECT id || '|' || state || '|' || attempts FROM sessions")
    assert sorted(rows) == sorted(sid + "|completed|1" for sid in accepted), (
        set(rows) ^ {sid + "|completed|1" for sid in accepted})
    print("%d sessions" % len(rows))


def main(bin_dir):
    primary = urllib.parse.urlsplit(os.environ["TEST_PG_URL"])
    standby = free_port(1)
    control("standby", str(standby))
    control("set", "synchronous_standby_names", "'*'")
    wait_for("the standby follows", lambda: has_standby(primary.port))
    url = "postgresql://fairlead@127.0.0.1:%d,127.0.0.1:%d/fairlead?target_session_attrs=read-write" % (
        primary.port, standby)
    with failover.load(bin_dir, ["--external-postgres", url]) as (stack, producers, followers, end):
        submitters = [Submitter(stack) for _ in range(SUBMITTERS)]
        for s in submitters:
            s.start()
        wait_for("tasks are accepted", lambda: all(s.problem or len(s.accepted) >= LOAD for s in submitters))
        promote(submitters)
        for s in submitters:
            s.over = True
            s.join(90)
            assert s.problem is None, s.problem
        end()
        for f, p in zip(followers, producers):
            failover.check(stack, f, p)
        check_tasks(standby, submitters, [p.sid for p in producers])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, failover.leave)
    main(*sys.argv[1:])
