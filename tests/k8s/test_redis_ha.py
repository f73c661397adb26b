#!/usr/bin/python3
"""test_redis_ha.py ROOT: the Redis of overlays/ha with real servers: it forms, fails over, and takes back who lost its volume.

Three pods are three addresses of loopback; what begin.sh and the pods' commands do is what stands in the overlay.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(sys.argv[1])
PASSWORD = "of-a-test"
WORKER_PASSWORD = "of a test's worker"
WAIT_S = 60


def address(number):
    return f"127.0.1.{10 + number}"


def await_that(what, holds):
    end = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"not within {WAIT_S} s: {what}")
        time.sleep(0.1)


class Pod:
    def __init__(self, folder, number):
        self.number, self.volume, self.processes = number, f"{folder}/{number}", []
        self.environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "HOSTNAME": f"redis-{number}",
                            "DATA": self.volume, "REDIS_PASSWORD": PASSWORD, "WORKER_PASSWORD": WORKER_PASSWORD}

    def start(self):
        os.makedirs(self.volume, exist_ok=True)
        subprocess.run(["sh", ROOT + "/k8s/overlays/ha/begin.sh"], env=self.environment, check=True, timeout=WAIT_S)
        for command in (["redis.conf", "--aclfile", self.volume + "/users.acl"], ["sentinel.conf", "--sentinel"]):
            self.processes.append(subprocess.Popen(  # pylint: disable=consider-using-with
                ["setpriv", "--pdeathsig", "KILL", "redis-server", f"{self.volume}/{command[0]}", *command[1:], "--bind",
                 address(self.number)], stdout=subprocess.DEVNULL))

    def kill(self):
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def ask(self, *words, port=6379, password=PASSWORD):
        proof = ["-a", password, "--no-auth-warning"] if port == 6379 and password else []
        return subprocess.run(["redis-cli", "-h", address(self.number), "-p", str(port), *proof, *words],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=30).stdout.strip()

    def ask_as_worker(self, *words, password=WORKER_PASSWORD):
        return subprocess.run(["redis-cli", "-h", address(self.number), "--user", "fairlead-worker", "--pass", password,
                               "--no-auth-warning", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=30).stdout.strip()

    def info(self, field):
        rows = dict(line.split(":", 1) for line in self.ask("info", "replication").splitlines() if ":" in line)
        return rows.get(field)

    def master(self):
        return self.ask("sentinel", "get-master-addr-by-name", "fairlead", port=26379).split("\n")[0]

    def follows(self):
        return self.info("role") == "slave" and self.info("master_link_status") == "up"


def formed(pods):
    """Every Sentinel knows the others and both replicas: only then is nobody forgotten by a failover."""
    return all(pod.ask("sentinel", "ckquorum", "fairlead", port=26379).startswith("OK 3")
               and pod.ask("sentinel", "replicas", "fairlead", port=26379).split("\n").count("name") == 2 for pod in pods)


def of_address(pods, found):
    return next(pod for pod in pods if address(pod.number) == found)


def check_users(pod):
    for words, said in ((("set", "{s:x}:log", "1"), "OK"), (("set", "kept", "no"), "NOPERM"), (("flushall",), "NOPERM")):
        answer = pod.ask_as_worker(*words)
        if said not in answer:
            sys.exit(f"a worker that says {words} is told: {answer}")
    for answer in pod.ask_as_worker("get", "{s:x}:log", password="another"), pod.ask("ping", password=""):
        if "NOAUTH" not in answer and "WRONGPASS" not in answer:
            sys.exit(f"without its password: {answer}")


def fail_over(pods, old, meanwhile):
    """Kills the master; returns the next one, once `meanwhile` was called and the old one is back as a replica."""
    others = [pod for pod in pods if pod is not old]
    old.kill()
    meanwhile(old)
    await_that("another master", lambda: len({pod.master() for pod in others}) == 1 and others[0].master() != address(old.number))
    new = of_address(pods, others[0].master())
    await_that("it is the master", lambda: new.info("role") == "master" and new.info("connected_slaves") != "0")
    await_that("it is written", lambda: new.ask("incr", "failovers").isdigit())
    return new


def check(pods):
    for pod in pods:
        pod.start()
        await_that("it answers", lambda pod=pod: pod.info("role") is not None)
    first = pods[0]
    await_that("two replicas", lambda: first.info("connected_slaves") == "2" and all(pod.follows() for pod in pods[1:]))
    await_that("all know each other", lambda: formed(pods))
    await_that("it is written", lambda: first.ask("set", "kept", "yes") == "OK")
    first.ask("wait", "2", "10000")

    check_users(first)

    second = fail_over(pods, first, lambda old: None)
    check_users(second)
    first.start()
    await_that("the first is a replica", lambda: first.follows() and formed(pods))

    def lose_volume(old):
        shutil.rmtree(old.volume)
        old.start()  # comes back only when the others have another master

    third = fail_over(pods, second, lose_volume)
    await_that("the second is a replica, and has all", lambda: second.follows() and second.ask("get", "kept") == "yes")
    if third.ask("get", "kept") != "yes":
        sys.exit("the new master lost what there was")


def main():
    folder = tempfile.mkdtemp(prefix="fairlead-redis-ha.")
    os.mkdir(folder + "/bin")
    with open(folder + "/bin/getent", "w", encoding="utf-8") as file:  # the names of Services
        file.write('#!/bin/sh\necho "127.0.1.$((10 + ${2##*-})) STREAM $2"\n')
    os.chmod(folder + "/bin/getent", 0o755)
    pods = [Pod(folder, number) for number in range(3)]
    try:
        check(pods)
    finally:
        for pod in pods:
            pod.kill()
        shutil.rmtree(folder)
    print("the Redis of overlays/ha forms, fails over, and takes back who lost its volume")


main()
