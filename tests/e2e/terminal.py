"""`fairlead top` on a terminal of its own, and without one. Part of cli.py."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from first_light import wait_for

LEAVES = b"\x1b[?1049l"


class Terminal:
    """A program on a pseudo terminal of rows and columns, and what it last drew."""

    def __init__(self, argv, env, rows=24, cols=80):
        self.ours, self.its = pty.openpty()
        self.resize(rows, cols)
        self.before = termios.tcgetattr(self.its)
        self.process = subprocess.Popen(argv, env=env, stdin=self.its, stdout=self.its, stderr=self.its,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.seen = b""

    def resize(self, rows, cols):
        fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def read(self):
        while select.select([self.ours], [], [], 0.05)[0]:
            self.seen += os.read(self.ours, 65536)

    def screen(self):
        """The lines of the last whole screen, without its styles."""
        whole = self.seen.split(b"\x1b[H")[-1].decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", whole.replace("\r", "")).split("\n")

    def await_screen(self, what, fits):
        def there():
            self.read()
            assert self.process.poll() is None, self.seen[-2000:]
            return fits(self.screen())
        wait_for(what, there, 30)

    def press(self, keys):
        os.write(self.ours, keys)

    def end(self, code):
        """It has ended, and its terminal is as it was."""
        deadline = time.monotonic() + 30
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            self.read()
        self.read()
        assert self.process.returncode == code, (self.process.returncode, self.seen[-500:])
        assert self.seen.endswith(LEAVES) and b"\x1b[?25h" in self.seen, self.seen[-200:]
        assert termios.tcgetattr(self.its) == self.before
        os.close(self.ours)
        os.close(self.its)


def top(stack, **size):
    return Terminal([stack.bin, "top"], dict(stack.env, TERM="xterm"), **size)


def top_shows_every_process_and_leaves_the_terminal_as_it_was(stack):
    terminal = top(stack)
    programs = {"fairlead-api", "fairlead-streamer", "fairlead-scheduler", "fairlead-worker"}
    terminal.await_screen("all programs", lambda lines: programs <= {line.split(" ")[0] for line in lines})
    assert len(terminal.screen()) == 24 and max(map(len, terminal.screen())) <= 80, terminal.screen()
    terminal.press(b"\t")
    terminal.await_screen("workers", lambda lines: "[workers]" in lines[2] and "WORKER" in lines[3] and "online" in lines[4])
    terminal.resize(10, 40)
    terminal.await_screen("the new size", lambda lines: len(lines) == 10 and max(map(len, lines)) <= 40)
    terminal.press(b"\x1b[C\x1b[Cr")
    terminal.await_screen("another order", lambda lines: "STATUSv" in lines[3])
    terminal.press(b"q")
    terminal.end(0)


def a_signal_leaves_the_terminal_as_it_was_too(stack):
    for signo in (signal.SIGTERM, signal.SIGINT):
        terminal = top(stack)
        terminal.await_screen("a screen", lambda lines: len(lines) == 24)
        terminal.process.send_signal(signo)
        terminal.end(0)


def top_once_is_plain_text_or_json(stack):
    def told():
        return {n["program"] for n in json.loads(stack.cli("top", "--json").stdout)["nodes"]["items"]}
    wait_for("every program tells of itself", lambda: len(told()) == 4, 30)
    result = stack.cli("top", "--once")
    assert result.returncode == 0 and "\x1b" not in result.stdout and "fairlead-worker" in result.stdout, result
    assert set(json.loads(stack.cli("top", "--json").stdout)) == {"nodes", "workers", "queue", "waits", "failures"}
    result = stack.cli("top")
    assert result.returncode == 2 and "no terminal" in result.stderr, result


TESTS = [
    top_shows_every_process_and_leaves_the_terminal_as_it_was,
    a_signal_leaves_the_terminal_as_it_was_too,
    top_once_is_plain_text_or_json,
]
