#!/usr/bin/python3
"""The whole system with a Redis user per kind of process (deploy/redis-acl): nothing that it does is denied, and each
user is denied what it must not do. And with streamers that speak TLS: what clients of it get, and a takeover.

usage: with-certificates with-postgres guarded.py BIN_DIR
"""
import json
import os
import ssl
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE]
from approvals import open_ones, submit  # noqa: E402
from cluster import Cluster, PASSWORD, Service  # noqa: E402
from first_light import wait_for  # noqa: E402
from proxy import free_port  # noqa: E402
from sockets import Socket  # noqa: E402
from stack import run_all  # noqa: E402

ACL = os.path.join(HERE, "..", "..", "deploy", "redis-acl")
KINDS = ("api", "streamer", "scheduler", "worker")
COUNTS = {"api": 2, "streamer": 2, "scheduler": 1, "worker": 2}
NEVER = ("flushall", "flushdb", "config get *", "config set maxmemory 1", "keys *", "monitor", "shutdown nosave",
         "acl list", "acl setuser x", "client kill type normal", "replicaof no one", "save", "module list", "function list",
         "psubscribe *", "migrate h 1 k 0 1", "rename a b", "swapdb 0 1", "script flush")
# Keys and channels of others.
OF_NOBODY = ("set other x", "publish other x", "subscribe other", "del {x:1}")
OF_OTHERS = {"api": ("set {u:1} x", "subscribe uploads", "get prices"),
             "streamer": ("set {u:1} x", "publish uploads x", "get prices", "publish replicas x"),
             "scheduler": ("get {k:1}:cookies", "set {r:1} x", "publish auth x", "subscribe replicas"),
             "worker": ("set prices x", "scan 0", "get {k:1}:cookies", "set {r:1} x", "publish auth x")}


class Guarded(Cluster):
    def describe_redis(self):
        self.ports["redis"] = free_port()
        users, conf = self.path("conf/users.acl"), self.path("conf/redis.conf")
        with open(users, "w") as out:
            out.write("user default off\nuser tester on >%s ~* &* +@all\n" % PASSWORD)
            for kind in KINDS:
                with open(os.path.join(ACL, kind + ".acl")) as file:
                    out.write("%s >%s\n" % (file.read().strip(), PASSWORD))
        with open(conf, "w") as out:
            out.write("bind 127.0.0.1\nport %d\ndir %s\nsave \"\"\nappendonly yes\nmaxmemory-policy noeviction\naclfile %s\n"
                      % (self.ports["redis"], self.path("redis"), users))
        self.services["redis"] = Service("redis", ["redis-server", conf], {})

    def describe(self, kind, name):
        super().describe(kind, name)
        url = self.services[name].env["FAIRLEAD_REDIS_URL"]
        self.services[name].env["FAIRLEAD_REDIS_URL"] = url.replace("://:", "://fairlead-%s:" % kind)

        if kind == "streamer":
            port = self.ports[name + ".tls"] = free_port()
            folder = os.environ["TEST_TLS_DIR"]
            self.services[name].env.update(
                FAIRLEAD_STREAMER_LISTEN="127.0.0.1:%d, tls://127.0.0.1:%d" % (self.ports[name], port),
                FAIRLEAD_STREAMER_TAKEOVER=self.path(name + ".takeover"),
                FAIRLEAD_TLS_CERTIFICATE=os.path.join(folder, "server.pem"), FAIRLEAD_TLS_KEY=os.path.join(folder, "server.key"))

    def redis(self, user, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.ports["redis"]), "--user", user, "--pass", PASSWORD,
                               "--no-auth-warning", *words], capture_output=True, text=True, timeout=30)
        return done.stdout + done.stderr

    def denied(self):
        return self.redis("tester", "acl", "log", "100")


# Asks, then does what each line says; what it is told is in its log.
ASKS = """
echo begun
if [ -z "$FAIRLEAD_RESTORED" ]; then "$BIN" agent ask deploy; else echo again; fi
while read -r line; do echo "got $line"; done
"""


def undenied(stack, what, condition, seconds=60):
    """Until it is so; and nothing was denied on the way."""
    wait_for(what, lambda: condition() or stack.denied().strip(), seconds)
    assert stack.denied().strip() == "", (what, stack.denied())


def lines(watcher):
    return [e["message"] for _, kind, e in list(watcher.events) if kind == "log"]


def count(watcher, kind):
    return len([1 for _, k, _ in list(watcher.events) if k == kind])


def ask(stack, method, path, body=None, good=(200, 201, 202, 204)):
    status, answer = stack.json(method, "/api/v1" + path, body)
    assert status in good, (method, path, status, answer)
    return answer


def runner(watcher):
    """The worker on which it runs, and its workspace there."""
    path = [e["workspace"]["path"] for _, kind, e in list(watcher.events) if kind == "status" and "workspace" in e][-1]
    return path.split("/")[-3], path


def an_agent_is_parked_answered_and_given_files(stack):
    """It goes on elsewhere after its worker is lost, with the files that prompts brought."""
    watcher = submit(stack, ASKS)
    undenied(stack, "it is parked", lambda: count(watcher, "parked"))
    lost, _ = runner(watcher)
    undenied(stack, "its question is a row", lambda: open_ones(stack, watcher))
    ask(stack, "POST", "/approvals/%s/approve" % open_ones(stack, watcher)[0]["id"], {})
    undenied(stack, "it is answered", lambda: "allow" in lines(watcher))
    status, _, raw = stack.request("POST", "/api/v1/uploads?name=notes.txt", b"some notes\n" * 20000, {"Content-Type": "text/plain"})
    upload = json.loads(raw)["id"]
    assert status == 201, raw
    ask(stack, "POST", "/sessions/%s/prompt" % watcher.sid,
        {"prompt": [{"type": "text", "text": "look"}, {"type": "file", "upload": upload}]})
    undenied(stack, "it has the file", lambda: any(upload in line for line in lines(watcher)))
    undenied(stack, "there is a snapshot with it", lambda: [k for _, k, e in list(watcher.events)
                                                          if k == "moment" or upload in e.get("message", "")][-1] == "moment")
    stack.kill(lost)
    undenied(stack, "it goes on elsewhere", lambda: "again" in lines(watcher))
    other, workspace = runner(watcher)
    assert other != lost, other
    assert os.path.getsize(os.path.join(workspace, ".fairlead/uploads", upload, "notes.txt")) == 11 * 20000
    stack.spawn(lost)
    ask(stack, "DELETE", "/sessions/" + watcher.sid)
    undenied(stack, "it is cancelled", lambda: watcher.ended)


def what_is_followed_asked_and_scheduled(stack):
    watcher = submit(stack, 'for i in 1 2 3; do echo "line $i"; sleep 0.1; done')
    stopped = submit(stack, "echo begun; sleep 60")
    undenied(stack, "it runs", lambda: "begun" in lines(stopped))
    ws = Socket(stack)
    ws.say({"type": "subscribe", "sessionId": stopped.sid, "presence": True, "ref": "a"})
    ws.say({"type": "prompt", "sessionId": stopped.sid, "prompt": "a line", "ref": "b"})
    said = [ws.next()["type"]]
    while "ack" not in said or "presence" not in said:
        said.append(ws.next()["type"])
    ws.close()
    ticket = ask(stack, "POST", "/stream-tickets", {"sessionId": stopped.sid})
    assert ticket["ticket"], ticket
    for verb in ("pause", "resume"):
        ask(stack, "POST", "/sessions/%s/%s" % (stopped.sid, verb), {})
        state = {"pause": "paused", "resume": "running"}[verb]
        undenied(stack, state, lambda: ask(stack, "GET", "/sessions/" + stopped.sid)["status"] == state)
    ask(stack, "POST", "/sessions/%s/stop" % stopped.sid, {})
    for path in ("/workers", "/demand", "/sessions/%s/why" % watcher.sid, "/usage", "/sessions/%s/events?limit=5" % watcher.sid,
                 "/scheduling/breakers", "/prices", "/sessions?perPage=3"):
        stack.request("GET", "/api/v1" + path)
    later = [submit(stack, "echo late") for _ in range(2)]
    settings = {"argv": ["true"]}
    task = {"prompt": "beat", "repo": {"mode": "none"}, "runtime": {"type": "local"}, "labels": {"by": "beat"},
            "agents": [{"type": "command", "version": "latest", "settings": settings}]}
    made = ask(stack, "POST", "/schedules", {"name": "beat", "everySeconds": 1, "task": task})

    def runs():
        return [s for s in ask(stack, "GET", "/sessions?label=by%3Dbeat")["items"] if s["status"] == "completed"]
    undenied(stack, "the schedule runs", lambda: len(runs()) >= 2)
    ask(stack, "DELETE", "/schedules/" + made["id"])
    undenied(stack, "all end", lambda: all(w.ended for w in [watcher, stopped] + later))
    assert stack.json("GET", "/api/v1/sessions/" + watcher.sid)[1]["status"] == "completed"


class Curl:
    """Follows a session over TLS, as curl does; what came, by line."""

    def __init__(self, stack, sid, port, *more):
        self.process = subprocess.Popen(
            ["curl", "-sSN", "--noproxy", "*", "--http1.1", "--cacert", os.path.join(os.environ["TEST_TLS_DIR"], "ca.pem"), "-H",
             "Authorization: ApiKey " + stack.key, "-H", "Accept: text/event-stream", "-w", "\\ncurl: %{http_code} %{exitcode}\\n", *more,
             "https://localhost:%d/api/v1/sessions/%s/events" % (port, sid)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def ids(self):
        """Of events; a comment or a note about the connection has none."""
        return [line[4:] for line in list(self.lines) if line.startswith("id: ")]

    def has(self, line):
        return line in list(self.lines)


def streams_go_over_tls_and_are_drained_when_another_takes_over(stack):
    watcher = submit(stack, 'i=0; while [ $i -lt 20 ] || [ ! -e done ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done')
    port = stack.ports["streamer-1.tls"]
    curl = Curl(stack, watcher.sid, port)
    trusts = ssl.create_default_context(cafile=os.path.join(os.environ["TEST_TLS_DIR"], "ca.pem"))
    ws = Socket(stack, port=port, wrap=lambda sock: trusts.wrap_socket(sock, server_hostname="localhost"))
    assert ws.sock.version() == "TLSv1.3", ws.sock.version()
    ws.say({"type": "subscribe", "sessionId": watcher.sid, "ref": "a"})
    seen = [ws.next() for _ in range(8)]
    assert seen[0]["type"] == "subscribed" and [f["seq"] for f in seen[1:]] == list(range(1, 8)), seen
    undenied(stack, "curl follows", lambda: len(curl.ids()) > 7)
    old = stack.services["streamer-1"]
    old.wanted = False  # it ends when another has taken over
    stack.services["streamer-1.next"] = Service("streamer-1.next", old.argv + ["--takeover"], old.env)
    stack.spawn("streamer-1.next")
    undenied(stack, "curl is told to come again", lambda: curl.has("event: drain"))
    while seen[-1]["type"] != "drain":
        seen.append(ws.next())
    assert seen[-1]["retryMs"] > 0, seen[-1]
    ws.sock.close()
    assert curl.process.wait(30) == 0 and old.process.wait(60) == 0, (curl.lines[-3:], old.process.returncode)
    again = Curl(stack, watcher.sid, port, "-H", "Last-Event-ID: " + curl.ids()[-1])
    undenied(stack, "it goes on at the new one", lambda: len(again.ids()) > 3)
    with open(os.path.join(runner(watcher)[1], "done"), "w"):
        pass
    undenied(stack, "it ends", lambda: watcher.ended and again.has("event: end"))
    wait_for("both have read all", lambda: curl.has("curl: 200 0") and again.has("curl: 200 0"), 30)
    came = curl.ids() + again.ids()
    assert came[:len(watcher.events)] == [i for i, _, _ in watcher.events], (came, watcher.numbers())


def redis_is_lost_and_all_is_made_again(stack):
    """FLUSHALL by who may: generations, queue, leases, logs and journals come back, by these users."""
    runs = submit(stack, "i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo line $i; sleep 0.1; done")
    undenied(stack, "it runs", lambda: len(lines(runs)) > 3)
    waits = submit(stack, "echo waited", not_before=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5)))
    before = len(lines(runs))
    assert "OK" in stack.redis("tester", "flushall")
    undenied(stack, "it is heard again", lambda: len(lines(runs)) > before + 2, 90)
    undenied(stack, "what waited runs", lambda: waits.ended, 90)
    after = submit(stack, "echo after")
    undenied(stack, "another runs", lambda: after.ended, 90)
    ask(stack, "DELETE", "/sessions/" + runs.sid)
    undenied(stack, "it is cancelled", lambda: runs.ended, 60)


def much_is_denied(stack):
    for kind in KINDS:
        for command in NEVER + OF_NOBODY + OF_OTHERS[kind]:
            said = stack.redis("fairlead-" + kind, *command.split())
            assert "NOPERM" in said, (kind, command, said)


def main(bin_dir):
    stack = Guarded(bin_dir, {"FAIRLEAD_WORKER_SLOTS": "4"}, counts=COUNTS)
    stack.env["FAIRLEAD_WORKER_SNAPSHOT_DIR"] = stack.path("snapshots")
    with stack:
        run_all([an_agent_is_parked_answered_and_given_files, what_is_followed_asked_and_scheduled,
                 streams_go_over_tls_and_are_drained_when_another_takes_over, redis_is_lost_and_all_is_made_again,
                 much_is_denied], stack)
        assert not stack.ended, stack.ended


if __name__ == "__main__":
    main(sys.argv[1])
