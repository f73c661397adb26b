"""tests/e2e/cluster.py with a host of its own for each node and server, on a network of ours (switch.py)."""
import http.client
import itertools
import mmap
import os
import shlex
import signal
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from cluster import FRONT_CONF, LISTENS, PASSWORD, Cluster, Service  # noqa: E402
from switch import Network  # noqa: E402

COUNTS = {"api": 2, "streamer": 2, "scheduler": 2, "worker": 3}
PORTS = {"redis": 6379, "front": 8000, "api": 8080, "streamer": 8090, "scheduler": 9090, "worker": 9090}
DISK, PG_DISK = 48 << 20, 192 << 20  # of the hosts whose disks can be full
WITH_POSTGRES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "with-postgres")


def nodes():
    return {kind: ["%s-%d" % (kind, i + 1) for i in range(count)] for kind, count in COUNTS.items()}


def pg_folder():
    return shlex.split(os.environ["TEST_PG_CTL"])[-1]


class Postgres:
    """with-postgres on a host, with a small disk, for as long as it is wanted."""

    def __init__(self, network, folder):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,mode=755" % PG_DISK, "fairlead-postgres", folder], check=True)
        self.folder = folder
        env = dict(os.environ, TMPDIR=folder, TEST_PG_ADDRESS=network.address("postgres"),
                   FAIRLEAD_TEST_CACHE=os.environ.get("FAIRLEAD_TEST_CACHE", "/tmp"))
        self.process = subprocess.Popen([*network.on("postgres"), WITH_POSTGRES, "sh", "-c", "env; echo; exec sleep infinity"],
                                        env=env, stdout=subprocess.PIPE, text=True)
        for line in iter(self.process.stdout.readline, "\n"):
            name, _, value = line.rstrip("\n").partition("=")
            if name.startswith("TEST_PG_") or name == "FAIRLEAD_UNSAFE_STORAGE":
                os.environ[name] = value
        assert "TEST_PG_URL" in os.environ, "PostgreSQL did not start"

    def close(self):
        self.process.terminate()
        self.process.wait(60)
        subprocess.run(["umount", "-l", self.folder], check=True)


class Hosts(Cluster):
    """Made by drill, which has a network and mounts of its own; PostgreSQL is on the host of that name already."""

    def __init__(self, bin_dir, network, clock, env=None):
        super().__init__(bin_dir, env, COUNTS)
        self.network, self.clock = network, clock
        self.host, self.port = network.address("front"), PORTS["front"]
        self.env["FAIRLEAD_HTTP_TRUSTED_PROXIES"] = self.host
        self.clocks, self.disks = {}, {"postgres": os.path.dirname(pg_folder())}

    def __exit__(self, *_):
        self.stop()
        for name, disk in self.disks.items():
            if name != "postgres":
                subprocess.run(["umount", "-l", disk], check=True)
        super().__exit__()

    def is_ready(self):
        """Each node says so of itself."""
        return super().is_ready() and all(self.says_ready(name, kind) for kind, names in nodes().items() for name in names)

    def says_ready(self, name, kind):
        conn = http.client.HTTPConnection(self.network.address(name), PORTS[kind], timeout=1)
        try:
            conn.request("GET", "/readyz")
            return conn.getresponse().status == 200
        except OSError:
            return False
        finally:
            conn.close()

    # ---- as Cluster asks for it ----

    def add(self, name, argv, env):
        self.services[name] = Service(name, [*self.network.on(name), *argv], env)

    def mount(self, name, folder):
        """A small disk of its own."""
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,mode=755" % DISK, "fairlead-" + name, folder], check=True)
        self.disks[name] = folder

    def describe_redis(self):
        self.mount("redis", self.path("redis"))
        conf = self.path("conf/redis.conf")
        with open(conf, "w") as f:
            f.write("bind %s\nport %d\nrequirepass %s\ndir %s\nsave \"\"\nappendonly yes\nappendfsync everysec\n"
                    "maxmemory-policy noeviction\nclient-output-buffer-limit pubsub 32mb 8mb 60\n"
                    % (self.network.address("redis"), PORTS["redis"], PASSWORD, self.path("redis")))
        self.add("redis", ["redis-server", conf], {})

    def describe(self, kind, name):
        self.clocks[name] = self.path(name + ".clock")
        with open(self.clocks[name], "wb") as f:
            f.write(bytes(8))
        os.chmod(self.clocks[name], 0o644)
        env = {LISTENS[kind]: "%s:%d" % (self.network.address(name), PORTS[kind]),
               "FAIRLEAD_REDIS_URL": "redis://:%s@%s:%d/0" % (PASSWORD, self.network.address("redis"), PORTS["redis"]),
               "LD_PRELOAD": self.clock, "CLOCK_STEP_FILE": self.clocks[name]}
        # The preloaded clock comes before the library of a sanitizer, and calls it.
        env["ASAN_OPTIONS"] = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        if kind == "worker":
            self.mount(name, self.path(name))
            env.update(FAIRLEAD_WORKER_NAME=name, FAIRLEAD_WORKER_STATE_DIR=self.path(name), FAIRLEAD_PG_URL="",
                       FAIRLEAD_WORKER_USER="fairlead-agent")
        self.add(name, [os.path.join(os.path.dirname(self.bin), "fairlead-" + kind)], env)

    def describe_front(self):
        env = {"FAIRLEAD_BIND": "%s:%d" % (self.host, self.port), "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
        for kind in ("api", "streamer"):
            for i in (1, 2):
                env["FAIRLEAD_%s_%d" % (kind.upper(), i)] = "%s:%d" % (self.network.address("%s-%d" % (kind, i)), PORTS[kind])
        self.add("front", ["haproxy", "-db", "-f", FRONT_CONF], env)

    # ---- PostgreSQL, which is the wrapper's ----

    def pg_ctl(self, verb):
        subprocess.run([*self.network.on("postgres"), *shlex.split(os.environ["TEST_PG_CTL"]), verb], check=True)

    def pg_pids(self):
        """The postmaster and its children."""
        with open(os.path.join(pg_folder(), "data", "postmaster.pid")) as f:
            pid = f.readline().strip()
        with open("/proc/%s/task/%s/children" % (pid, pid)) as f:
            return [int(pid), *map(int, f.read().split())]

    def kill(self, name, signo=signal.SIGKILL):
        if name == "postgres":
            self.pg_ctl("kill")
        else:
            super().kill(name, signo)

    def spawn(self, name):
        if name == "postgres":
            self.pg_ctl("start")
        else:
            super().spawn(name)

    def freeze(self, name):
        if name == "postgres":
            for pid in self.pg_pids():
                os.kill(pid, signal.SIGSTOP)
        else:
            super().freeze(name)

    def thaw(self, name):
        if name == "postgres":
            for pid in self.pg_pids():
                os.kill(pid, signal.SIGCONT)
        else:
            super().thaw(name)

    # ---- disks and clocks ----

    def fill(self, name):
        """To the last byte; what is in the way is one file."""
        with open(os.path.join(self.disks[name], "in-the-way"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(1 << 12))
            except OSError:
                pass

    def free(self, name):
        os.unlink(os.path.join(self.disks[name], "in-the-way"))

    def step(self, name, seconds):
        """Its wall clock is that much ahead of the others from now on."""
        with open(self.clocks[name], "r+b") as f, mmap.mmap(f.fileno(), 8) as page:
            page[:] = struct.pack("q", seconds)


def alone(program):
    """The program's arguments, once it is in namespaces of networks and of mounts that nobody else is in: all of what it makes
    there goes with it."""
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        print("skipped: hosts on one machine need root, and /dev/net/tun for their cables")
        sys.exit(77)
    if sys.argv[1] != "--alone":
        os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, os.path.abspath(program), "--alone", *sys.argv[1:]])
    return sys.argv[2:]


def with_hosts(bin_dir, clock, settings, act):
    """Calls act with the whole system, a host for each part of it."""
    os.makedirs("/run/netns", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "fairlead-netns", "/run/netns"], check=True)
    network = Network()
    network.add("client", here=True)
    for name in ("front", "redis", "postgres", *itertools.chain(*nodes().values())):
        network.add(name)
    network.introduce()
    with tempfile.TemporaryDirectory(prefix="fairlead-hosts.") as folder:
        os.chmod(folder, 0o755)
        postgres = Postgres(network, folder)
        try:
            with Hosts(bin_dir, network, clock, settings) as stack:
                try:
                    act(stack)
                except BaseException:
                    print("FAILED\n" + stack.tail(15), flush=True)
                    raise
        finally:
            postgres.close()
            network.close()
