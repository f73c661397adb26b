"""A private `fairlead up` for end-to-end tests, and a small client of its API.

Standard library only. Every server it starts is stopped again, by pid.
"""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import database  # noqa: E402

TERMINAL = {"stopped", "completed", "failed", "cancelled"}


def free_port(span=40):
    """The first of `span` free ports below 32768. Tests that run at the same time look in different places."""
    base = 20000 + os.getpid() % 300 * span
    while base < 32000:
        socks = []
        try:
            for port in range(base, base + span):
                s = socket.socket()
                s.bind(("127.0.0.1", port))
                socks.append(s)
            return base
        except OSError:
            base += span
        finally:
            for s in socks:
                s.close()
    raise RuntimeError("no free ports")


def process_state(pid):
    """As /proc has it: "Z" has ended."""
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0]


class Stack:
    def __init__(self, bin_dir, env=None, options=(), fresh=False):
        self.bin = os.path.join(bin_dir, "fairlead")
        self.dir = tempfile.mkdtemp(prefix="fairlead-e2e.")
        os.chmod(self.dir, 0o711)
        self.home = os.path.join(self.dir, "home")
        self.host, self.port = "127.0.0.1", free_port()
        self.env = dict(os.environ, FAIRLEAD_HOME=self.home, FAIRLEAD_WORKER_LOCAL_REPOS=self.dir, **(env or {}))
        for name in ("FAIRLEAD_URL", "FAIRLEAD_KEY"):
            self.env.pop(name, None)
        self.options = list(options)  # of `fairlead up`
        self.fresh = fresh or "--external-postgres" in self.options  # it makes its database itself, or has none
        self.process = None
        self.key = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if os.environ.get("FAIRLEAD_KEEP") is None:
            shutil.rmtree(self.dir, ignore_errors=True)
        else:
            print("kept", self.dir)

    def start(self):
        if not self.fresh and not os.path.exists(self.home):
            database.give(self.bin, self.home)
        self.log = open(os.path.join(self.dir, "up.log"), "ab")
        self.process = subprocess.Popen([self.bin, "up", "--port", str(self.port), *self.options], env=self.env,
                                        stdout=self.log, stderr=self.log)
        if self.cli("status", "--wait", "90").returncode != 0:
            raise RuntimeError("not ready:\n" + self.tail())
        path = self.cli("admin", "key", "ensure-admin").stdout.strip()
        with open(path) as f:
            self.key = f.read().strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)

    def cli(self, *args, **kw):
        kw.setdefault("timeout", 180)
        return subprocess.run([self.bin, *args], env=self.env, capture_output=True, text=True, **kw)

    def tail(self, lines=15):
        out = []
        logs = os.path.join(self.home, "log")
        files = [os.path.join(self.dir, "up.log")]
        if os.path.isdir(logs):
            files += [os.path.join(logs, f) for f in sorted(os.listdir(logs))]
        for path in files:
            with open(path, errors="replace") as f:
                out.append("== %s\n%s" % (os.path.basename(path), "".join(f.readlines()[-lines:])))
        return "\n".join(out)

    def state(self):
        with open(os.path.join(self.home, "state.json")) as f:
            return json.load(f)

    def service(self, name):
        for row in self.state()["services"]:
            if row["name"] == name:
                return row
        raise KeyError(name)

    def pid(self, service):
        return self.service(service)["pid"]

    def kill9(self, service):
        pid = self.pid(service)
        os.kill(pid, signal.SIGKILL)
        return pid

    @contextlib.contextmanager
    def without(self, service):
        """Ends a service in order; the supervisor is held still, so that it begins no other meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        pid = self.pid(service)
        os.kill(pid, signal.SIGTERM)
        try:
            deadline = time.monotonic() + 60
            while process_state(pid) != "Z":
                assert time.monotonic() < deadline, service + " does not end"
                time.sleep(0.02)
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def processes(self):
        """Living processes that belong to this stack: those with its home in their environment or command line."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/environ" % pid, "rb") as f:
                    text = f.read()
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    line = f.read()
            except OSError:
                continue
            if int(pid) != os.getpid() and (self.home.encode() in text or self.home.encode() in line):
                found.append((int(pid), line.replace(b"\0", b" ").decode(errors="replace")))
        return found

    def request(self, method, path, body=None, headers=None, timeout=30):
        conn = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        head = {"Authorization": "ApiKey " + (self.key or "")}
        data = None
        if body is not None:
            data = body if isinstance(body, (bytes, str)) else json.dumps(body)
            head["Content-Type"] = "application/json"
        head.update(headers or {})
        try:
            conn.request(method, path, data, head)
            reply = conn.getresponse()
            raw = reply.read()
            return reply.status, dict(reply.getheaders()), raw
        finally:
            conn.close()

    def json(self, method, path, body=None, headers=None):
        """Until it is answered by something below 500: what a client behind a load balancer does."""
        deadline = time.monotonic() + 60
        head = dict(headers or {})
        if method == "POST":
            head.setdefault("Idempotency-Key", uuid.uuid4().hex.upper()[:26])
        while True:
            try:
                status, _, raw = self.request(method, path, body, head)
                if status < 500:
                    return status, json.loads(raw) if raw else None
                last = "%d %r" % (status, raw[:200])
            except (OSError, http.client.HTTPException) as e:
                last = repr(e)
            if time.monotonic() > deadline:
                raise RuntimeError("%s %s: %s" % (method, path, last))
            time.sleep(0.1)

    def submit(self, argv, repo=None, **more):
        body = {
            "prompt": "test",
            "repo": {"mode": "git", "url": repo} if repo else {"mode": "none"},
            "runtime": {"type": "local"},
            "agents": [{"type": "command", "version": "latest", "settings": {"argv": argv}}],
        }
        body.update(more)
        status, answer = self.json("POST", "/api/v1/tasks", body)
        if status != 201:
            raise RuntimeError("submit: %d %r" % (status, answer))
        return answer["session_ids"]


def run_all(tests, stack):
    """Each test, named; the first that fails ends the run with the last lines of every log."""
    for test in tests:
        began = time.monotonic()
        try:
            test(stack)
        except BaseException:
            print("FAILED: %s\n%s" % (test.__name__.replace("_", " "), stack.tail(12)), flush=True)
            raise
        print("%6.2f s  %s" % (time.monotonic() - began, test.__name__.replace("_", " ")), flush=True)


class Watcher(threading.Thread):
    """Follows one session over SSE, through whatever happens, to its end."""

    def __init__(self, stack, sid, deadline_s=180):
        super().__init__(daemon=True)
        self.stack, self.sid = stack, sid
        self.deadline = time.monotonic() + deadline_s
        self.events = []  # (id, type, object)
        self.gaps = []
        self.last_id = None
        self.ended = False
        self.reconnects = 0
        self.problem = None

    def run(self):
        while not self.ended and self.problem is None:
            if time.monotonic() > self.deadline:
                self.problem = "no end after %d events, last id %s" % (len(self.events), self.last_id)
                return
            try:
                self.follow()
            except (OSError, http.client.HTTPException):
                pass
            if not self.ended:
                self.reconnects += 1
                time.sleep(0.1)

    def follow(self):
        conn = http.client.HTTPConnection(self.stack.host, self.stack.port, timeout=40)
        head = {"Authorization": "ApiKey " + self.stack.key, "Accept": "text/event-stream"}
        if self.last_id:
            head["Last-Event-ID"] = self.last_id
        try:
            conn.request("GET", "/api/v1/sessions/%s/events" % self.sid, headers=head)
            reply = conn.getresponse()
            if reply.status == 204:
                self.ended = True
            elif reply.status == 200:
                self.read(reply)
            elif reply.status < 500:
                self.problem = "status %d: %r" % (reply.status, reply.read()[:200])
        finally:
            conn.close()

    def read(self, reply):
        fields = {}
        while True:
            line = reply.readline()
            if not line:
                return
            line = line.decode().rstrip("\n").rstrip("\r")
            if line:
                name, _, value = line.partition(":")
                if name:
                    value = value[1:] if value.startswith(" ") else value
                    fields[name] = fields[name] + "\n" + value if name == "data" and name in fields else value
                continue
            if self.dispatch(fields):
                return
            fields = {}

    def dispatch(self, fields):
        kind = fields.get("event", "message")
        if "id" in fields:
            self.last_id = fields["id"]
        if kind == "end":
            self.ended = True
        elif kind == "gap":
            self.gaps.append(fields.get("data"))
        elif "data" in fields and "id" in fields:  # else it is about the connection
            self.events.append((fields["id"], kind, json.loads(fields["data"])))
        return self.ended

    def numbers(self):
        return [int(i.split("-")[1]) for i, _, _ in self.events]
