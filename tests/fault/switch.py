#!/usr/bin/python3
"""A switch of ours between hosts on one machine, each a network namespace with a cable (a tap device) to it.

Frames can be lost, or come late, between any two hosts: what tc's netem does where the kernel has it, and between pairs.
On standard input, one a line, each answered by a line "ok":
    host NAME NUMBER        plugs in the device NAME, whose addresses end with NUMBER
    cut A B                 nothing arrives from either at the other
    mute A B                nothing arrives from A at B
    slow A B MS             frames take so many milliseconds longer, each way, and up to a fifth more
    lose A B PERCENT        so many frames get lost, each way
    heal                    all is well again
At the end of its input it ends, and the cables with it.
"""
import fcntl
import heapq
import os
import random
import selectors
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME_MAX = 65536


class Switch:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.numbers, self.cables = {}, {}
        self.late = []  # a heap of (when, how many came before it, number of the receiver, frame)
        self.count = 0
        self.heal()

    # ---- what is asked ----

    def heal(self):
        self.lost, self.slow = {}, {}

    def host(self, name, number):
        cable = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(cable, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        self.numbers[name], self.cables[int(number)] = int(number), cable
        self.selector.register(cable, selectors.EVENT_READ, int(number))

    def set(self, table, a, b, value):
        table[self.numbers[a], self.numbers[b]] = value

    def obey(self, verb, *words):
        if verb == "heal":
            self.heal()
        elif verb == "host":
            self.host(*words)
        elif verb == "mute":
            self.set(self.lost, *words, 1)
        else:
            a, b, value = (*words, "100")[:3]
            table, unit = (self.slow, 1000) if verb == "slow" else (self.lost, 100)
            self.set(table, a, b, float(value) / unit)
            self.set(table, b, a, float(value) / unit)

    # ---- frames ----

    def send(self, number, frame):
        try:
            os.write(self.cables[number], frame)
        except OSError:
            pass  # the receiver's queue is full, or it is down: networks lose frames

    def forward(self, source, target, frame):
        if random.random() < self.lost.get((source, target), 0):
            return
        late = self.slow.get((source, target), 0)
        if late == 0:
            self.send(target, frame)
            return
        self.count += 1
        heapq.heappush(self.late, (time.monotonic() + late * random.uniform(1, 1.2), self.count, target, frame))

    def receive(self, source):
        """Who is meant is the last byte of the address; the others in a group are all."""
        try:
            frame = os.read(self.cables[source], FRAME_MAX)
        except OSError:
            return
        targets = [n for n in self.cables if n != source] if frame[0] & 1 else [frame[5]]
        for target in targets:
            if target in self.cables:
                self.forward(source, target, frame)

    def send_late(self):
        while self.late and self.late[0][0] <= time.monotonic():
            self.send(*heapq.heappop(self.late)[2:])
        return max(0, self.late[0][0] - time.monotonic()) if self.late else None

    def run(self):
        self.selector.register(sys.stdin, selectors.EVENT_READ, None)
        while True:
            for key, _ in self.selector.select(self.send_late()):
                if key.data is not None:
                    self.receive(key.data)
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                self.obey(*line.split())
                print("ok", flush=True)


class Network:
    """The process, and the hosts on it, as a test uses them. Whoever makes one is alone in its namespaces of networks and mounts."""

    NET = "10.77.0."

    def __init__(self):
        self.hosts, self.here = {}, None
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n", words

    def address(self, name):
        return self.NET + str(self.hosts[name])

    def add(self, name, here=False):
        """A host; here: it is where this process is."""
        number = self.hosts[name] = len(self.hosts) + 1
        self.ask("host", name, number)
        if here:
            self.here = name
        else:
            subprocess.run(["ip", "netns", "add", name], check=True)
            subprocess.run(["ip", "link", "set", name, "netns", name], check=True)
        # Jumbo frames: fewer of them come through here.
        self.ip(name, ["link set lo up", "link set %s address %s mtu 9000 txqueuelen 20000 up" % (name, self.hardware(name)),
                       "addr add %s/24 dev %s" % (self.address(name), name)])

    def introduce(self):
        """Everybody knows everybody's address for good, so that what is cut is silent and nothing else."""
        for name in self.hosts:
            self.ip(name, ["neigh replace %s lladdr %s dev %s nud permanent" % (self.address(n), self.hardware(n), name)
                           for n in self.hosts if n != name])

    def hardware(self, name):
        return "02:00:00:00:00:%02x" % self.hosts[name]

    def ip(self, name, lines):
        subprocess.run(["ip", *(["-n", name] if name != self.here else []), "-b", "-"], input="\n".join(lines) + "\n",
                       text=True, check=True)

    def on(self, name):
        """What a command begins with that is to run on that host."""
        return ["nsenter", "--net=/run/netns/" + name]

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


if __name__ == "__main__":
    Switch().run()
