"""A private place for programs that are compared: a folder, processes on chosen cores, a Redis, what they use up."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


def pinned(core, *argv):
    """core None: wherever there is room."""
    return ["taskset", "-c", core, *argv] if core is not None else list(argv)


class Place:
    """A folder, and what runs in it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="fairlead-compare.")
        os.chmod(self.dir, 0o755)
        self.processes = []
        self.next_port = 21000 + os.getpid() % 200 * 40

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.stop(process)
        shutil.rmtree(self.dir, ignore_errors=True)

    def port(self):
        while True:
            self.next_port += 1
            with socket.socket() as s:
                try:
                    s.bind(("127.0.0.1", self.next_port))
                    return self.next_port
                except OSError:
                    pass

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def start(self, core, argv, name, env=None):
        log = open(os.path.join(self.dir, name + ".log"), "ab")
        process = subprocess.Popen(pinned(core, *argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        process.log = log.name
        self.processes.append(process)
        return process

    def stop(self, process, signo=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(signo)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process in self.processes:
            self.processes.remove(process)


def await_port(port, process):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    with open(process.log, errors="replace") as f:
        sys.exit("%s does not listen:\n%s" % (process.args, f.read()[-2000:]))


class Redis:
    def __init__(self, place, core, aof="no"):
        self.number = place.port()
        self.url = "redis://127.0.0.1:%d" % self.number
        self.process = place.start(core, ["redis-server", "--port", str(self.number), "--bind", "127.0.0.1",
                                          "--protected-mode", "no", "--save", "", "--appendonly", aof,
                                          "--maxmemory-policy", "noeviction", "--dir", place.dir, "--maxclients", "4000"],
                                   "redis")
        await_port(self.number, self.process)
        self.file = socket.create_connection(("127.0.0.1", self.number)).makefile("rwb")

    @staticmethod
    def words(*words):
        out = ["*%d\r\n" % len(words)]
        for word in words:
            out.append("$%d\r\n%s\r\n" % (len(str(word).encode()), word))
        return "".join(out)

    def call(self, *words):
        return self.pipeline([words])[0]

    def pipeline(self, calls):
        answers = []
        for begin in range(0, len(calls), 500):
            part = calls[begin:begin + 500]
            self.file.write("".join(self.words(*words) for words in part).encode())
            self.file.flush()
            answers += [self.answer() for _ in part]
        return answers

    def answer(self):
        line = self.file.readline().decode()
        kind, rest = line[0], line[1:-2]
        if kind == "-":
            raise RuntimeError(rest)
        if kind == "*":
            return [self.answer() for _ in range(int(rest))]
        if kind == "$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode(errors="replace")
        return rest

    def count(self, *commands):
        total = 0
        for line in self.call("INFO", "commandstats").splitlines():
            name, _, rest = line.partition(":")
            if name.replace("cmdstat_", "") in commands:
                total += int(rest.split("calls=")[1].split(",")[0])
        return total


def cpu_us(pids):
    total = 0
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                total += int(f.read().split()[0]) // 1000
    return total


def rss(pids):
    total = 0
    for pid in pids:
        with open("/proc/%d/statm" % pid) as f:
            total += int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    return total
