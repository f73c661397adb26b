#!/usr/bin/python3
"""test_install.py CMAKE BUILD_DIR: what is installed stands on its own, away from the build.

Every program starts from the installed folder, `fairlead up` finds the others beside itself (and says which one when
it does not), and the load balancer's rules are there.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile

CMAKE, BUILD = sys.argv[1:3]
PROGRAMS = ("fairlead", "fairlead-api", "fairlead-guard", "fairlead-scheduler", "fairlead-streamer",
            "fairlead-worker")


def expect(holds, what, seen):
    if not holds:
        sys.exit(f"{what}: {seen}")


def run(*command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, **more)


def starts(prefix):
    for name in PROGRAMS:
        path = f"{prefix}/bin/{name}"
        expect(os.access(path, os.X_OK), "not installed", path)
        if name != "fairlead-guard":  # has no other business than its worker's
            told = run(path, "--version")
            expect(told.returncode == 0 and re.fullmatch(name + r" \d+\.\d+\.\d+\n", told.stdout), path, told)
    for name in ("haproxy/fairlead.cfg", "nginx/fairlead.conf", "prometheus/rules.yaml", "prometheus/prometheus.yaml", "grafana/overview.json"):
        path = f"{prefix}/share/fairlead/{name}"
        expect(os.path.exists(path) and os.path.getsize(path) > 0, "not installed", path)


def take_port(sock):
    """One that `fairlead up` accepts."""
    for port in range(20000 + os.getpid() % 10000, 32000):
        try:
            sock.bind(("127.0.0.1", port))
            sock.listen()
            return port
        except OSError:
            pass
    return sys.exit("no free port")


def up(prefix, env):
    """What `fairlead up` says when its port is taken: it comes to that only after it has found its programs."""
    with socket.socket() as taken:
        port = str(take_port(taken))
        told = run(f"{prefix}/bin/fairlead", "up", "--port", port, env=env)
    expect(told.returncode not in (0, -6, -11), "up on a taken port", told)
    return told.stdout.replace(port, "PORT")


def worker(prefix, env):
    """What a worker says that cannot start."""
    env = dict(env, FAIRLEAD_REDIS_URL="redis://127.0.0.1:1", FAIRLEAD_WORKER_USER="nobody" if os.geteuid() == 0 else "")
    told = run(f"{prefix}/bin/fairlead-worker", env=env)
    expect(told.returncode not in (0, -6, -11), "a worker that cannot start", told)
    return told.stdout


def without(path, told, *args):
    os.rename(path, path + ".away")
    try:
        return told(*args)
    finally:
        os.rename(path + ".away", path)


def main():
    with tempfile.TemporaryDirectory(prefix="fairlead-install.") as folder:
        os.chmod(folder, 0o711)
        prefix = folder + "/usr"
        done = run(CMAKE, "--install", BUILD, "--prefix", prefix)
        expect(done.returncode == 0, "cmake --install", done.stdout)
        starts(prefix)
        env = {"PATH": os.environ["PATH"], "FAIRLEAD_HOME": folder + "/home", "HOME": folder}
        expect("port PORT is taken" in up(prefix, env), "with all programs", up(prefix, env))
        for name in PROGRAMS[1:]:
            path = f"{prefix}/bin/{name}"
            if name != "fairlead-guard":
                told = without(path, up, prefix, env)
                expect(path + " is missing" in told, "without " + name, told)
            else:
                told = without(path, worker, prefix, env)
                expect(path + ": No such file" in told, "without " + name, told)


main()
