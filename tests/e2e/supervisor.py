#!/usr/bin/python3
"""`fairlead up` as an operator meets it: refusals in one clear sentence, restarts, a killed supervisor, data that stays.

usage: supervisor.py BIN_DIR
"""
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from first_light import wait_for  # noqa: E402
from stack import Stack, Watcher  # noqa: E402


def sentence(result):
    """The one line that says what is wrong, and that it failed."""
    lines = [l for l in result.stderr.splitlines() if l.startswith("fairlead: ")]
    assert result.returncode not in (0, -6, -11), result
    assert len(lines) == 1, result.stderr
    return lines[0]


def refuses_a_second_instance(stack):
    text = sentence(stack.cli("up", "--port", str(stack.port + 20)))
    assert "already runs" in text and str(stack.process.pid) in text, text


def refuses_a_taken_port(stack, other_home):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", stack.port + 30))
        s.listen()
        text = sentence(stack.cli("up", "--home", other_home, "--port", str(stack.port + 30)))
    assert "port %d is taken" % (stack.port + 30) in text, text


def refuses_a_missing_tool(stack, other_home):
    script = "mount -t tmpfs none /usr/sbin && exec \"$0\" up --home \"$1\" --port \"$2\""
    result = subprocess.run(["unshare", "-m", "sh", "-c", script, stack.bin, other_home, str(stack.port + 20)],
                            env=stack.env, capture_output=True, text=True, timeout=60)
    text = sentence(result)
    assert "is missing; install the package" in text, text


def refuses_a_full_disk(stack):
    place = os.path.join(stack.dir, "small")
    os.makedirs(place, exist_ok=True)
    script = "mount -t tmpfs -o size=16m,mode=711 none \"$1\" && exec \"$0\" up --home \"$1/home\" --port \"$2\""
    result = subprocess.run(["unshare", "-m", "sh", "-c", script, stack.bin, place, str(stack.port + 20)],
                            env=stack.env, capture_output=True, text=True, timeout=60)
    text = sentence(result)
    assert "is full" in text, text


def restarts_what_dies(stack):
    for name in ("api-2", "haproxy", "redis"):
        pid = stack.kill9(name)
        wait_for(name + " is back", lambda: stack.pid(name) not in (0, pid))
    wait_for("ready again", lambda: stack.request("GET", "/readyz")[0] == 200)


def replaces_streamers_under_open_streams(stack):
    sid = stack.submit(["sh", "-c", "for i in $(seq 400); do echo line $i; sleep 0.02; done"])[0]
    watchers = [Watcher(stack, sid) for _ in range(8)]
    for watcher in watchers:
        watcher.start()
    wait_for("all follow", lambda: all(len(w.events) > 20 for w in watchers))
    before = [stack.pid(name) for name in ("streamer-1", "streamer-2")]
    stack.process.send_signal(signal.SIGUSR2)
    wait_for("others stream", lambda: all(
        stack.pid(name) not in (0, pid) for name, pid in zip(("streamer-1", "streamer-2"), before)))
    for watcher in watchers:
        watcher.join(60)
        assert watcher.ended and watcher.problem is None and watcher.reconnects == 0, vars(watcher)
        assert watcher.numbers() == list(range(1, len(watcher.events) + 1)), watcher.numbers()


def leaves_nothing_when_killed(stack):
    stack.process.send_signal(signal.SIGKILL)
    stack.process.wait()
    wait_for("nothing outlives a killed supervisor", lambda: not stack.processes(), 30)


def starts_again_with_its_data(stack, sid):
    began = time.monotonic()
    stack.start()
    print("ready again after %.1f s" % (time.monotonic() - began))
    with open(os.path.join(stack.dir, "up.log")) as f:
        assert "taking over its lock" in f.read()
    status, session = stack.json("GET", "/api/v1/sessions/" + sid)
    assert status == 200 and session["id"] == sid, (status, session)


def main(bin_dir):
    with Stack(bin_dir) as stack:
        other = os.path.join(stack.dir, "other")
        sid = stack.submit(["true"])[0]
        refuses_a_second_instance(stack)
        refuses_a_taken_port(stack, other)
        if os.geteuid() == 0:  # only root can make a full disk, or hide a program, for one process
            refuses_a_full_disk(stack)
            refuses_a_missing_tool(stack, other)
        restarts_what_dies(stack)
        replaces_streamers_under_open_streams(stack)
        leaves_nothing_when_killed(stack)
        starts_again_with_its_data(stack, sid)
        assert stack.cli("down").returncode == 0
        assert stack.process.wait(60) == 0
        wait_for("nothing is left", lambda: not stack.processes(), 10)
        assert stack.cli("status").returncode == 1


if __name__ == "__main__":
    main(sys.argv[1])
