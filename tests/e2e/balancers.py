#!/usr/bin/python3
"""Fairlead behind haproxy and nginx, with the configurations of deploy/: what passes how, whose address is believed, and what clients notice
when the load balancer is reloaded or a node ends.

usage: balancers.py BIN_DIR
"""
import copy
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from first_light import wait_for  # noqa: E402
from front import address_of_a_login, get, raw  # noqa: E402
from sockets import Socket, follow  # noqa: E402
from stack import Stack, Watcher, run_all  # noqa: E402

DEPLOY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy")
GOES_ON = "for i in $(seq 1 1000); do [ -e %s ] && exit 0; echo line $i; sleep 0.05; done; exit 1"
ELSEWHERE = "127.0.0.9"  # an address of loopback that nothing else here comes from
NODES = ("API_1", "API_2", "STREAMER_1", "STREAMER_2")


class Balancer:
    """Another load balancer in front of a stack's nodes, by the same client as the stack's own."""

    def __init__(self, stack, number):
        self.view = copy.copy(stack)
        self.view.port = stack.port + 30 + number
        self.door = "127.0.0.1:%d" % self.view.port
        self.nodes = {name: "127.0.0.1:%d" % stack.service(name.lower().replace("_", "-"))["port"] for name in NODES}
        self.folder, self.process = stack.dir, None

    def begin(self, argv, env=None):
        with open(os.path.join(self.folder, "home/log", argv[0] + ".log"), "ab") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], stdout=log, stderr=log,
                                            env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin", **(env or {})))
        wait_for(argv[0] + " is ready", self.is_ready, 30)

    def is_ready(self):
        try:
            return self.view.request("GET", "/readyz")[0] == 200
        except OSError:
            assert self.process.poll() is None, "it has ended"
            return False

    def workers(self):
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as f:
            return f.read().split()

    def reload(self):
        """Until a new process accepts."""
        before = self.workers()
        self.process.send_signal(self.reloads)
        wait_for("new processes", lambda: set(self.workers()) - set(before), 30)
        wait_for("it answers", self.is_ready, 30)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Haproxy(Balancer):
    reloads = signal.SIGUSR2

    def start(self, config=DEPLOY + "/haproxy/fairlead.cfg"):
        env = {"FAIRLEAD_" + name: address for name, address in self.nodes.items()}
        self.begin(["haproxy", "-W", "-db", "-f", config], dict(env, FAIRLEAD_BIND=self.door))


class Nginx(Balancer):
    reloads = signal.SIGHUP

    def start(self):
        """The file as it is, but for its places."""
        with open(DEPLOY + "/nginx/fairlead.conf") as f:
            text = f.read()
        for name, port in zip(NODES, (8080, 8081, 8090, 8091)):
            text = text.replace("server 127.0.0.1:%d " % port, "server %s " % self.nodes[name])
        text = text.replace("listen 127.0.0.1:7080;", "listen %s;" % self.door)
        paths = "".join("%s_temp_path %s/nginx.%s;\n" % (kind, self.folder, kind)
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write("daemon off; pid %s/nginx.pid; error_log stderr; worker_processes 1; events {}\nhttp {\naccess_log off;\n%s%s}\n"
                    % (self.folder, paths, text))
        self.begin(["nginx", "-e", "stderr", "-p", self.folder, "-c", conf])


class Stream:
    """One connection that follows a session by SSE; it never comes back by itself."""

    def __init__(self, view, sid):
        self.conn = http.client.HTTPConnection("127.0.0.1", view.port, timeout=60)
        self.conn.request("GET", "/api/v1/sessions/%s/events" % sid,
                          headers={"Authorization": "ApiKey " + view.key, "Accept": "text/event-stream"})
        self.reply = self.conn.getresponse()
        assert self.reply.status == 200, self.reply.status
        self.numbers = []

    def next(self):
        """The number of the next event; None at the session's end."""
        number, kind = None, ""
        for line in iter(self.reply.readline, b""):
            name, _, value = line.decode().strip().partition(": ")
            if name == "id":
                number = int(value.rpartition("-")[2])
            elif name == "event":
                kind = value
            elif not name and kind == "end":
                return None
            elif not name and number is not None:
                self.numbers.append(number)
                return number
        raise EOFError("cut after %s" % self.numbers[-3:])


class Session:
    """One that says something all the time, until it is let end."""

    def __init__(self, view):
        self.flag = os.path.join(view.dir, "enough-%d" % time.monotonic_ns())
        self.id = view.submit(["sh", "-c", GOES_ON % self.flag])[0]

    def end(self):
        with open(self.flag, "w"):
            pass


def what_passes(view):
    """Streams as they come, in both ways; figures stay inside."""
    session = Session(view)
    stream, ws = Stream(view, session.id), Socket(view)
    assert ws.status == 101, ws.head
    ws.say({"type": "subscribe", "sessionId": session.id, "after": 0})
    for _ in range(8):  # while it goes on: nobody waits for buffers to fill
        stream.next()
        ws.next()
    assert get(view, "/metrics")[0] == 404
    status, answer = raw(view, b"POST /api/v1/sessions/%s/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                         % session.id.encode())
    assert status == 401 and b"problem+json" in answer, answer
    session.end()
    while stream.next() is not None:
        pass
    ws.close()


def whose_address_it_is(view):
    real = socket.create_connection
    socket.create_connection = lambda address, timeout=None, *_: real(address, timeout, (ELSEWHERE, 0))
    try:
        for headers in ([], ["X-Forwarded-For: 203.0.113.9"], ["Forwarded: for=203.0.113.9"]):
            assert address_of_a_login(view, *headers) == ELSEWHERE, headers
    finally:
        socket.create_connection = real


def streams_go_on(view, balancer):
    """Across a reload: the same connections, and every event once."""
    session = Session(view)
    stream, ws = Stream(view, session.id), Socket(view)
    stream.next()
    balancer.reload()
    session.end()
    seen = follow(ws, session.id)
    while stream.next() is not None:
        pass
    assert stream.numbers == seen == list(range(1, len(seen) + 1)), (stream.numbers, seen)
    ws.close()


class Asking(threading.Thread):
    """Asks API nodes all the time, each time on a new connection."""

    def __init__(self, view):
        super().__init__(daemon=True)
        self.view, self.answers, self.enough = view, [], threading.Event()

    def run(self):
        while not self.enough.is_set():
            self.answers.append(self.view.request("GET", "/api/v1/sessions?perPage=1")[0])


def a_node_ends(stack, view):
    """No request fails; who follows is told to come back, and gets every event once."""
    session, asking = Session(view), Asking(view)
    watchers = [Watcher(view, session.id) for _ in range(4)]
    for thread in [asking, *watchers]:
        thread.start()
    wait_for("all follow", lambda: all(w.events for w in watchers), 30)
    for service in ("api-1", "streamer-1"):
        with stack.without(service):
            count = len(asking.answers)
            wait_for("answers without it", lambda c=count: len(asking.answers) > c + 10, 30)
        wait_for(service + " is back", lambda s=service: stack.cli("health", "--ready", "127.0.0.1:%d" % stack.service(s)["port"]).returncode == 0, 60)
    asking.enough.set()
    session.end()
    for thread in [asking, *watchers]:
        thread.join(60)
    assert set(asking.answers) == {200}, set(asking.answers)
    for w in watchers:
        assert w.ended and not w.gaps and w.numbers() == list(range(1, len(w.events) + 1)), (w.problem, w.gaps, w.numbers())
    assert sum(w.reconnects for w in watchers) > 0, "nobody was on the streamer that ended"


def who_is_put_off(kind, number):
    """No streamer is there: a browser's EventSource gets an empty stream, after which it comes again; others are told."""
    def run(stack):
        balancer = kind(stack, number)
        balancer.nodes.update(STREAMER_1="127.0.0.1:1", STREAMER_2="127.0.0.1:1")
        balancer.start()
        target = "/api/v1/sessions/01JD0M6T3RHN4P6S8TAVCXEZ1B/events"
        for lines, wanted in ((["Sec-Fetch-Mode: cors"], 200), (["User-Agent: Mozilla/5.0"], 200), (["User-Agent: curl/8"], 503), ([], 503)):
            status, answer = get(balancer.view, target, "Accept: text/event-stream", *lines)
            assert status == wanted, (lines, status)
            assert (b"\r\ncontent-type: text/event-stream" in answer.lower()) == (wanted == 200), answer
        assert get(balancer.view, target, "User-Agent: Mozilla/5.0")[0] == 503
        balancer.end()
    run.__name__ = "who_is_put_off_by_" + kind.__name__.lower()
    return run


def by_the_proxy_protocol(stack):
    """Nodes behind haproxy that are told by PROXY headers who connects, and not by what haproxy writes into requests."""
    wait_for("a node that was ended is back", lambda: stack.pid("api-1") != 0, 60)
    with open("/proc/%d/environ" % stack.pid("api-1"), "rb") as f:
        env = dict(pair.split("=", 1) for pair in f.read().decode().split("\0") if pair)
    balancer = Haproxy(stack, 2)
    place = "127.0.0.1:%d" % (balancer.view.port + 1)
    balancer.nodes.update(API_1=place, API_2=place)
    env["FAIRLEAD_API_LISTEN"] = "proxy://" + place
    with open(DEPLOY + "/haproxy/fairlead.cfg") as f:
        text = f.read()
    changed = re.sub(r"http-request set-header X-Forwarded-For .*", "http-request del-header X-Forwarded-For", text)
    changed = changed.replace("check inter 1s", "send-proxy-v2 check-send-proxy check inter 1s", 1)
    assert changed.count("send-proxy") == 2, "the configuration has other words"
    config = os.path.join(stack.dir, "proxy.cfg")
    with open(config, "w") as f:
        f.write(changed)
    with subprocess.Popen([os.path.dirname(stack.bin) + "/fairlead-api"], env=env, stderr=subprocess.DEVNULL) as node:
        try:
            balancer.start(config)
            whose_address_it_is(balancer.view)
            balancer.end()
        finally:
            node.terminate()


def behind(kind, number):
    def run(stack):
        balancer = kind(stack, number)
        balancer.start()
        try:
            what_passes(balancer.view)
            whose_address_it_is(balancer.view)
            streams_go_on(balancer.view, balancer)
            a_node_ends(stack, balancer.view)
        finally:
            balancer.end()
    run.__name__ = "behind_" + kind.__name__.lower()
    return run


def make_user(stack):
    status, user = stack.json("POST", "/api/v1/service-accounts", {"name": "front", "role": "operator"})
    assert status == 201, user
    status, key = stack.json("POST", "/api/v1/keys", {"name": "front", "scopes": ["session:read"], "ownerId": user["id"]})
    assert status == 201, key
    stack.user_key = key["key"]


def main():
    with Stack(sys.argv[1]) as stack:
        run_all([make_user, behind(Haproxy, 0), behind(Nginx, 1), who_is_put_off(Haproxy, 4), who_is_put_off(Nginx, 5), by_the_proxy_protocol], stack)


if __name__ == "__main__":
    main()
