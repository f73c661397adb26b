#!/usr/bin/python3
"""The whole system with a Redis user per kind of process (deploy/redis-acl): nothing that it does is denied, and each
user is denied what it must not do.

usage: with-postgres redis_acl.py BIN_DIR
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE]
from approvals import submit  # noqa: E402
from cluster import Cluster, PASSWORD, Service  # noqa: E402
from first_light import wait_for  # noqa: E402
from proxy import free_port  # noqa: E402

ACL = os.path.join(HERE, "..", "..", "deploy", "redis-acl")
KINDS = ("api", "streamer", "scheduler", "worker")
COUNTS = {"api": 2, "streamer": 2, "scheduler": 1, "worker": 1}
NEVER = ("flushall", "flushdb", "config get *", "config set maxmemory 1", "keys *", "monitor", "shutdown nosave",
         "acl list", "acl setuser x", "client kill type normal", "replicaof no one", "save", "module list", "function list",
         "psubscribe *", "migrate h 1 k 0 1", "rename a b", "swapdb 0 1", "script flush")
NOT_A_WORKER = ("set prices x", "set other x", "publish other x", "subscribe other", "scan 0")


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

    def redis(self, user, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.ports["redis"]), "--user", user, "--pass", PASSWORD,
                               "--no-auth-warning", *words], capture_output=True, text=True, timeout=30)
        return done.stdout + done.stderr

    def denied(self):
        return self.redis("tester", "acl", "log", "100")


def nothing_is_denied(stack):
    watcher = submit(stack, 'for i in 1 2 3; do echo "line $i"; sleep 0.1; done')
    stopped = submit(stack, "echo begun; sleep 60")
    wait_for("it runs", lambda: any(kind == "log" for _, kind, _ in stopped.events) or stack.denied().strip(), 40)
    stack.json("POST", "/api/v1/sessions/%s/prompt" % stopped.sid, {"prompt": "a line"})
    stack.json("POST", "/api/v1/sessions/%s/stop" % stopped.sid, {})
    for path in ("/workers", "/demand", "/sessions/%s/why" % watcher.sid, "/usage", "/sessions/%s/events?limit=5" % watcher.sid):
        stack.request("GET", "/api/v1" + path)
    wait_for("both end", lambda: watcher.ended and stopped.ended or stack.denied().strip(), 40)
    assert stack.denied().strip() == "", stack.denied()
    assert stack.json("GET", "/api/v1/sessions/" + watcher.sid)[1]["status"] == "completed"


def much_is_denied(stack):
    for kind in KINDS:
        for command in NEVER + (NOT_A_WORKER if kind == "worker" else ()):
            said = stack.redis("fairlead-" + kind, *command.split())
            assert "NOPERM" in said, (kind, command, said)


def main(bin_dir):
    with Guarded(bin_dir, counts=COUNTS) as stack:
        nothing_is_denied(stack)
        much_is_denied(stack)
        assert not stack.ended, stack.ended


if __name__ == "__main__":
    main(sys.argv[1])
