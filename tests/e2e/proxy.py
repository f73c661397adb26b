#!/usr/bin/python3
"""Small TCP proxies of ours between processes and their servers, so that a network can be cut between two of them.

On standard input, one a line, each answered by a line:
    open NAME PORT          a proxy to that port of loopback: "NAME <its own port>"
    cut NAME hold           nothing goes through in either direction; what was sent arrives when it is healed
    cut NAME mute           requests arrive, answers do not until it is healed
    cut NAME break          connections are reset, and new ones too
    heal NAME
At the end of its input it ends.
"""
import os
import selectors
import socket
import struct
import subprocess
import sys

CHUNK, BUFFER = 65536, 1 << 20
RESET = struct.pack("ii", 1, 0)


class Proxies:
    """The process, as a test uses it."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()[-1]

    def open(self, name, port):
        return int(self.ask("open", name, port))

    def cut(self, name, mode):
        self.ask("cut", name, mode)

    def heal(self, name):
        self.ask("heal", name)

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


class Proxy:
    def __init__(self, switch, target):
        self.switch, self.target = switch, target
        self.mode = "open"
        self.links = set()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", free_port()))
        self.listener.listen(512)
        self.listener.setblocking(False)
        self.watch()

    def watch(self):
        self.switch.watch(self.listener, 0 if self.mode in ("hold", "mute") else selectors.EVENT_READ, self)

    def set(self, mode):
        self.mode = mode
        self.watch()
        for link in list(self.links):
            if mode == "break":
                link.close(True)
            else:
                link.watch()

    def ready(self, _sock, _events):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        if self.mode == "break":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target), 5)
        except OSError:
            client.close()
            return
        self.links.add(Link(self, client, server))


class Link:
    """Two sockets; pending[s] is what is to be written to s."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.pending = {client: bytearray(), server: bytearray()}
        self.ended = set()
        for sock in self.pending:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.watch()

    def other(self, sock):
        return self.server if sock is self.client else self.client

    def flows(self, source):
        return self.proxy.mode == "open" or self.proxy.mode == "mute" and source is self.client

    def watch(self):
        for sock, pending in self.pending.items():
            events = 0
            if self.flows(sock) and sock not in self.ended and len(self.pending[self.other(sock)]) < BUFFER:
                events |= selectors.EVENT_READ
            if pending and self.flows(self.other(sock)):
                events |= selectors.EVENT_WRITE
            self.proxy.switch.watch(sock, events, self)

    def ready(self, sock, events):
        try:
            if events & selectors.EVENT_WRITE:
                del self.pending[sock][:sock.send(self.pending[sock])]
            if events & selectors.EVENT_READ:
                chunk = sock.recv(CHUNK)
                if not chunk:
                    self.ended.add(sock)
                self.pending[self.other(sock)] += chunk
        except BlockingIOError:
            pass
        except OSError:
            self.close(False)
            return
        if any(not self.pending[self.other(sock)] for sock in self.ended):
            self.close(False)
        else:
            self.watch()

    def close(self, reset):
        if self not in self.proxy.links:
            return
        self.proxy.links.discard(self)
        for sock in self.pending:
            self.proxy.switch.watch(sock, 0, self)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.close()


class Switch:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.proxies = {}

    def watch(self, sock, events, owner):
        known = self.selector.get_map().get(sock.fileno()) if sock.fileno() >= 0 else None
        if known is None and events:
            self.selector.register(sock, events, owner)
        elif known is not None and not events:
            self.selector.unregister(sock)
        elif known is not None and known.events != events:
            self.selector.modify(sock, events, owner)

    def obey(self, verb, name, *rest):
        if verb == "open":
            self.proxies[name] = Proxy(self, int(rest[0]))
            return "%s %d" % (name, self.proxies[name].listener.getsockname()[1])
        self.proxies[name].set(rest[0] if verb == "cut" else "open")
        return "ok"

    def run(self):
        control = sys.stdin.buffer.raw
        self.selector.register(control, selectors.EVENT_READ, None)
        words = b""
        while True:
            for key, events in self.selector.select():
                if key.data is None:
                    chunk = control.read(CHUNK)
                    if not chunk:
                        return
                    *lines, words = (words + chunk).split(b"\n")
                    for line in lines:
                        print(self.obey(*line.decode().split()), flush=True)
                elif key.fileobj.fileno() >= 0:  # not closed by what came before it
                    key.data.ready(key.fileobj, events)


def free_port():
    """Below 32768, so that no outgoing connection takes it meanwhile."""
    while True:
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


if __name__ == "__main__":
    Switch().run()
