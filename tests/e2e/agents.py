#!/usr/bin/python3
"""Agents that misbehave: each session ends, what it said is whole, and no process of it is left.

usage: agents.py BIN_DIR [BYTES]      BYTES that the loudest of them prints
"""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import credentials  # noqa: E402
from first_light import wait_for  # noqa: E402
from stack import TERMINAL, Stack, Watcher, run_all  # noqa: E402

LOUD_BYTES = 120 * 1000 * 1000
LINE = 8000
MIB = 1024 * 1024
PROCESSES = 400  # of the agents' user, other stacks on this host included
MARK = "864%02d"  # seconds that nothing else sleeps


def living(mark):
    """Processes with that in their command line, whoever they belong to by now."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line and int(pid) != os.getpid():
            found.append((int(pid), line))
    return found


def ended(stack, sid, deadline_s=60):
    """The session as it ended, and what it logged."""
    watcher = Watcher(stack, sid, deadline_s)
    watcher.start()
    watcher.join(deadline_s + 10)
    assert watcher.ended and watcher.problem is None and not watcher.gaps, (watcher.problem, watcher.gaps)
    assert watcher.numbers() == list(range(1, len(watcher.events) + 1)), watcher.numbers()
    status, session = stack.json("GET", "/api/v1/sessions/" + sid)
    assert status == 200 and session["status"] in TERMINAL, (status, session)
    return session, [e["message"] for _, kind, e in watcher.events if kind == "log"]


def run(stack, script):
    return stack.submit(["sh", "-c", script])[0]


def await_line(stack, sid, text):
    def there():
        items = stack.json("GET", "/api/v1/sessions/%s/logs" % sid)[1]["items"]
        return any(text in line["message"] for line in items)
    wait_for("%s says %s" % (sid, text), there, 30)


# ---- loud ----

class Counter(Watcher):
    """Keeps nothing but sums."""

    def __init__(self, stack, sid, deadline_s):
        super().__init__(stack, sid, deadline_s)
        self.bytes = self.lines = self.count = 0
        self.last_n = 0

    def dispatch(self, fields):
        done = super().dispatch(fields)
        for cursor, kind, event in self.events:
            n = int(cursor.split("-")[1])
            assert n == self.last_n + 1, (n, self.last_n)
            self.last_n = n
            if kind == "epoch" and event["cause"] == "lease":
                self.bytes = 0  # a worker that a busy host starved lost it: its agent begins anew
            if kind == "log":
                # Under load a line may come in two pieces, and then it ends only once.
                self.bytes += len(event["message"]) + (0 if event.get("partial") else 1)
        self.events.clear()
        return done


class Peak(threading.Thread):
    """The most memory that a service was seen with."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.first, self.peak, self.stopped = pid, self.read(pid), 0, threading.Event()

    @staticmethod
    def read(pid):
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def run(self):
        while not self.stopped.wait(0.1):
            try:
                self.peak = max(self.peak, self.read(self.pid))
            except FileNotFoundError:
                return

    def grown(self):
        self.stopped.set()
        return self.peak - self.first


def one_that_prints_without_end(stack):
    peaks = {name: Peak(stack.pid(name)) for name in ("worker", "redis", "scheduler", "streamer-1", "streamer-2")}
    for peak in peaks.values():
        peak.start()
    began = time.monotonic()
    sid = run(stack, "yes $(printf %%0%dd 7) | head -c %d" % (LINE - 1, stack.loud_bytes))
    watcher = Counter(stack, sid, 900)
    watcher.start()
    watcher.join(1000)
    took = time.monotonic() - began
    assert watcher.ended and watcher.problem is None and not watcher.gaps, (watcher.problem, watcher.gaps)
    assert watcher.bytes == stack.loud_bytes, watcher.bytes
    grown = {name: peak.grown() // MIB for name, peak in peaks.items()}
    print("%d MB in %.1f s; grown by MiB at most: %r" % (stack.loud_bytes // 1000000, took, grown), flush=True)
    # A session may have 16 MiB that are not archived and some that are; the rest is what allocators and the rewriting
    # of the append-only file take.
    assert all(mib < 160 for mib in grown.values()), grown
    assert stack.json("GET", "/api/v1/sessions/" + sid)[1]["status"] == "completed"


# ---- hard to get rid of ----

def one_that_leaves_a_grandchild_in_another_session(stack):
    mark = MARK % 1
    script = "setsid sh -c 'setsid sleep %s & sleep %s' >/dev/null 2>&1 & sleep 0.3; echo leaving; exit 0" % (mark, mark)
    session, lines = ended(stack, run(stack, script))
    assert session["status"] == "completed" and lines == ["leaving"], (session, lines)
    assert not living("sleep " + mark), living("sleep " + mark)


def one_whose_grandchild_keeps_the_output_open(stack):
    mark = MARK % 2
    session, lines = ended(stack, run(stack, "setsid sleep %s & echo leaving" % mark))
    assert session["status"] == "completed" and lines == ["leaving"], (session, lines)
    assert not living("sleep " + mark), living("sleep " + mark)


def one_that_ignores_sigterm(stack):
    mark = MARK % 3
    sid = run(stack, "trap 'echo no' TERM INT HUP; echo ready; while :; do sleep %s; done" % mark)
    await_line(stack, sid, "ready")
    assert stack.json("POST", "/api/v1/sessions/%s/stop" % sid, {})[0] == 202
    session, lines = ended(stack, sid)
    assert session["status"] == "stopped" and lines[0] == "ready", (session, lines)
    assert not living("sleep " + mark), living("sleep " + mark)


def one_that_freezes_itself(stack):
    mark = MARK % 4
    sid = run(stack, "echo ready; sleep %s & kill -STOP $$; wait" % mark)
    await_line(stack, sid, "ready")
    assert stack.json("POST", "/api/v1/sessions/%s/stop" % sid, {})[0] == 202
    session, _ = ended(stack, sid)
    assert session["status"] == "stopped", session
    assert not living("sleep " + mark), living("sleep " + mark)


def one_that_forks_faster_than_it_is_killed(stack):
    mark = MARK % 5
    # Each of them starts its successor and ends: there is never the same process twice.
    script = ("export F='i=$((i+1)); [ $i -gt 100000 ] && exit; export i; setsid sh -c \"$F\" %s & exit'; "
              "i=0; export i; for k in 1 2 3 4; do setsid sh -c \"$F\" %s & done; echo ready; sleep %s" % (mark, mark, mark))
    sid = run(stack, script)
    await_line(stack, sid, "ready")
    before = {pid for pid, _ in living(mark)}
    wait_for("they change", lambda: len({pid for pid, _ in living(mark)} - before) > 3, 10)
    assert stack.request("DELETE", "/api/v1/sessions/" + sid)[0] == 204
    session, _ = ended(stack, sid)
    assert session["status"] == "cancelled", session
    wait_for("all of them are gone", lambda: not living(mark), 15)


def one_that_forks_without_end(stack):
    mark = MARK % 6
    sid = run(stack, "sh -c 'b() { b & b & sleep %s; }; b' %s 2>/dev/null; echo ready; sleep %s" % (mark, mark, mark))
    wait_for("there are many", lambda: len(living(mark)) > PROCESSES / 2, 30)
    peak = 0
    for _ in range(10):
        peak = max(peak, len(living(mark)))
        time.sleep(0.1)
    assert peak <= PROCESSES, peak
    # Its first shell may have ended by itself, for want of a process.
    assert stack.request("DELETE", "/api/v1/sessions/" + sid)[0] in (204, 409)
    session, _ = ended(stack, sid)
    assert session["status"] in ("cancelled", "failed"), session
    wait_for("all of them are gone", lambda: not living(mark), 15)


# ---- hard to understand ----

def one_that_prints_what_is_no_text(stack):
    script = r"printf 'good\n\377\376 bad \200\n\303\nnul\000in it\n\033[31mred\033[0m\r\n\355\240\200\nunended \342\202'"
    session, lines = ended(stack, run(stack, script))
    assert session["status"] == "completed", session
    assert lines[0] == "good" and len(lines) == 7, lines
    assert " bad " in lines[1] and "nul" in lines[3] and "red" in lines[4] and lines[6].startswith("unended "), lines
    for line in lines:
        line.encode()  # a lone surrogate would not be text


def one_that_prints_a_line_without_end(stack):
    session, lines = ended(stack, run(stack, "head -c 1000000 /dev/zero | tr '\\0' x"))
    assert session["status"] == "completed", session
    assert sum(map(len, lines)) == 1000000 and max(map(len, lines)) <= 8192, (len(lines), max(map(len, lines)))


def one_that_closes_its_output_and_goes_on(stack):
    session, lines = ended(stack, run(stack, "echo first; exec >&- 2>&-; sleep 1; exit 5"))
    assert (session["status"], session["exitCode"], lines) == ("failed", 5, ["first"]), (session, lines)


def one_that_removes_its_workspace(stack):
    session, lines = ended(stack, run(stack, "rm -rf \"$PWD\"/* \"$PWD\"/.[a-z]* 2>/dev/null; rmdir \"$PWD\"; echo done"))
    # What rmdir complains of comes through another pipe, before or after.
    assert session["status"] in TERMINAL and "done" in lines, (session, lines)


def one_that_asks_for_everything_it_may_not(stack):
    home = stack.home
    script = "cat %s/admin.key %s/pepper; ls %s/worker; kill -9 %d; kill -9 $PPID; echo still here" % (
        home, home, home, stack.pid("worker"))
    session, lines = ended(stack, run(stack, script))
    text = "\n".join(lines)
    assert stack.key not in text, text
    assert session["status"] in TERMINAL, session


TESTS = [
    one_that_leaves_a_grandchild_in_another_session,
    one_whose_grandchild_keeps_the_output_open,
    one_that_ignores_sigterm,
    one_that_freezes_itself,
    one_that_forks_faster_than_it_is_killed,
    one_that_forks_without_end,
    one_that_prints_what_is_no_text,
    one_that_prints_a_line_without_end,
    one_that_closes_its_output_and_goes_on,
    one_that_removes_its_workspace,
    one_that_asks_for_everything_it_may_not,
    one_that_prints_without_end,
]


def main(bin_dir, loud_bytes):
    # The sanitizer keeps freed memory back, by default more than what is measured here.
    asan = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"
    env = {"FAIRLEAD_WORKER_STOP_GRACE": "1s", "FAIRLEAD_WORKER_PROCESSES": str(PROCESSES), "ASAN_OPTIONS": asan.lstrip(":")}
    with Stack(bin_dir, env) as stack:
        stack.loud_bytes = loud_bytes
        worker = stack.pid("worker")
        run_all([*credentials.TESTS, *TESTS], stack)
        assert stack.pid("worker") == worker, "the worker was restarted"
        assert stack.stop() == 0
        wait_for("nothing is left", lambda: not stack.processes(), 10)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else LOUD_BYTES)
