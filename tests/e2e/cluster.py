"""A system of several nodes of each kind, each with proxies of its own between it and the servers; for tests of faults.

Where `fairlead up` runs one of most things and restarts them itself, here the test decides what lives, and when.
PostgreSQL is that of with-postgres.
"""
import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from first_light import wait_for  # noqa: E402
from proxy import Proxies, free_port  # noqa: E402
from stack import Stack  # noqa: E402

COUNTS = {"api": 2, "streamer": 2, "scheduler": 2, "worker": 4}
PASSWORD = "of-a-test"
FRONT_CONF = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy/haproxy/fairlead.cfg")
CRASHES = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL)
LISTENS = {"api": "FAIRLEAD_API_LISTEN", "streamer": "FAIRLEAD_STREAMER_LISTEN", "scheduler": "FAIRLEAD_METRICS_LISTEN",
           "worker": "FAIRLEAD_METRICS_LISTEN"}


class Service:
    def __init__(self, name, argv, env):
        self.name, self.argv, self.env = name, argv, env
        self.process = None
        self.wanted = False  # who ends while it is wanted, ends by itself
        self.stopped = False


class Cluster(Stack):
    def __init__(self, bin_dir, env=None, counts=COUNTS):
        super().__init__(bin_dir, env)
        self.counts = counts
        self.pg = urlsplit(os.environ["TEST_PG_URL"])
        self.services, self.ended = {}, []
        self.ports, self.proxies = {}, Proxies()
        self.env.update(FAIRLEAD_HOME=self.home, FAIRLEAD_PEPPER="a pepper of a test, long enough for it",
                        FAIRLEAD_PG_URL=os.environ["TEST_PG_URL"])

    def __exit__(self, *_):
        self.stop()
        self.proxies.close()
        super().__exit__()

    # ---- what there is ----

    def start(self):
        for folder in ("log", "redis", "conf"):
            os.makedirs(self.path(folder))
        open(os.path.join(self.dir, "up.log"), "w").close()  # tail() shows it
        self.describe_redis()
        subprocess.run([self.bin, "migrate"], env=self.env, check=True, stdout=subprocess.DEVNULL)
        made = self.cli("admin", "key", "create", "--scope", "admin,system")
        self.key = made.stdout.split()[0]
        for kind, count in self.counts.items():
            for i in range(1, count + 1):
                self.describe(kind, "%s-%d" % (kind, i))
        self.describe_front()
        for name in self.services:
            self.spawn(name)
        try:
            wait_for("all is ready", self.is_ready, 60)
        except AssertionError:
            print(self.ended, self.tail(8))
            raise

    def path(self, name):
        return os.path.join(self.home, name)

    def is_ready(self):
        self.reap()
        try:
            if self.request("GET", "/readyz")[0] != 200:
                return False
            status, page = self.json("GET", "/api/v1/workers")
            return status == 200 and sum(w["alive"] for w in page["items"]) == self.counts["worker"]
        except OSError:
            return False

    def describe_redis(self):
        self.ports["redis"] = free_port()
        conf = self.path("conf/redis.conf")
        with open(conf, "w") as f:
            f.write("bind 127.0.0.1\nport %d\nrequirepass %s\ndir %s\nsave \"\"\nappendonly yes\nappendfsync everysec\n"
                    "maxmemory-policy noeviction\nclient-output-buffer-limit pubsub 32mb 8mb 60\n"
                    % (self.ports["redis"], PASSWORD, self.path("redis")))
        self.services["redis"] = Service("redis", ["redis-server", conf], {})

    def describe(self, kind, name):
        self.ports[name] = free_port()
        redis = self.proxies.open(name + ".redis", self.ports["redis"])
        env = {LISTENS[kind]: "127.0.0.1:%d" % self.ports[name], "FAIRLEAD_REDIS_URL": "redis://:%s@127.0.0.1:%d/0" % (PASSWORD, redis)}
        if kind == "worker":
            state = self.path(name)
            env.update(FAIRLEAD_WORKER_NAME=name, FAIRLEAD_WORKER_STATE_DIR=state, FAIRLEAD_PG_URL="",
                       FAIRLEAD_WORKER_USER="fairlead-agent" if os.geteuid() == 0 else "")
        else:
            pg = self.proxies.open(name + ".pg", self.pg.port)
            env["FAIRLEAD_PG_URL"] = self.pg._replace(netloc="%s@127.0.0.1:%d" % (self.pg.username, pg)).geturl()
        program = os.path.join(os.path.dirname(self.bin), "fairlead-" + kind)
        self.services[name] = Service(name, [program], env)

    def describe_front(self):
        env = {"FAIRLEAD_BIND": "127.0.0.1:%d" % self.port}
        for kind in ("api", "streamer"):
            for i in (1, 2):
                env["FAIRLEAD_%s_%d" % (kind.upper(), i)] = "127.0.0.1:%d" % self.ports["%s-%d" % (kind, i)]
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        self.services["front"] = Service("front", ["haproxy", "-db", "-f", FRONT_CONF], dict(env, PATH=path))

    # ---- living and dying; from one thread, the one that made this: a process dies with the thread that started it ----

    def spawn(self, name):
        service = self.services[name]
        with open(os.path.join(self.path("log"), name + ".log"), "ab") as log:
            service.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *service.argv],
                                               env=dict(self.env, **service.env), stdin=subprocess.DEVNULL,
                                               stdout=log, stderr=log)
        service.wanted, service.stopped = True, False

    def reap(self):
        """Who ended by itself is noted, and begins again, as any supervisor would have it."""
        for service in self.services.values():
            if service.wanted and service.process.poll() is not None:
                self.ended.append((service.name, service.process.returncode))
                self.spawn(service.name)

    def kill(self, name, signo=signal.SIGKILL):
        service = self.services[name]
        service.wanted = False
        if service.process is not None and service.process.poll() is None:
            service.process.send_signal(signo)
            service.process.wait(60)

    def freeze(self, name):
        self.services[name].stopped = True
        os.kill(self.services[name].process.pid, signal.SIGSTOP)

    def thaw(self, name):
        self.services[name].stopped = False
        os.kill(self.services[name].process.pid, signal.SIGCONT)

    def pid(self, service):
        return self.services[service].process.pid

    def stop(self):
        """In order, each by its pid: workers hand over, then who serves them."""
        for name in sorted(self.services, key=lambda n: (n in ("redis", "front"), not n.startswith("worker"))):
            service = self.services[name]
            if service.stopped:
                self.thaw(name)
            service.wanted = False
            if service.process is not None and service.process.poll() is None:
                service.process.send_signal(signal.SIGTERM)
        for service in self.services.values():
            if service.process is not None:
                try:
                    service.process.wait(60)
                except subprocess.TimeoutExpired:
                    service.process.kill()
                    service.process.wait()

    def crashes(self):
        """Of those who ended by themselves, who did so by a bug; and what sanitizers and assertions said."""
        found = [e for e in self.ended if e[1] in CRASHES]
        for name in os.listdir(self.path("log")):
            with open(os.path.join(self.path("log"), name), errors="replace") as f:
                found += [(name, line.strip()) for line in f
                          if "Sanitizer" in line or "runtime error:" in line or "Assertion" in line]
        return found

    def pause(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.reap()
            time.sleep(min(0.02, max(0, until - time.monotonic())))
