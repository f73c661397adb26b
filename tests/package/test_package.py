#!/usr/bin/python3
"""test_package.py ROOT FOLDER SUITE: the package on a host of its own: installed, run by systemd, upgraded, removed and purged.

The package and a bare Debian (SUITE: bookworm, trixie) are those of deploy/image/build, in FOLDER. systemd is process 1 in a copy of the latter, with Redis and
PostgreSQL as Debian starts them, and a network of its own. Run it as root. It is upgraded to itself as a later version; PACKAGE_BEFORE may name
the package of an earlier one that is upgraded to it instead.
"""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT, FOLDER, SUITE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3]
HOST = FOLDER + "/host"
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
# As the unit says: chown, dac_override, dac_read_search, fowner, kill, setgid, setuid.
WORKER_RIGHTS = "00000000000000ef"
UNITS = ["fairlead-api@8080.service", "fairlead-api@8081.service", "fairlead-streamer@8090.service", "fairlead-scheduler.service",
         "fairlead-worker.service"]
API, STREAMER = "http://127.0.0.1:8080", "http://127.0.0.1:8090"
SECRETS = """
su postgres -c "psql -qc \\"create role fairlead login password 'of-a-test'\\" && createdb -O fairlead fairlead"
cd /etc/fairlead
echo redis://127.0.0.1:6379/0 | tee worker/redis-url >secrets/redis-url
echo postgresql://fairlead:of-a-test@127.0.0.1/fairlead >secrets/pg-url
head -c 32 /dev/urandom | base64 >secrets/pepper
chgrp fairlead secrets/*
chmod 640 secrets/*
"""
ADMIN = "set -a; . /etc/fairlead/fairlead.env; "


def expect(holds, what, seen):
    if not holds:
        sys.exit(f"{what}: {seen}")


class Host:
    def __init__(self):
        self.boot = subprocess.Popen([ROOT + "/tests/package/boot", HOST])  # pylint: disable=consider-using-with
        self.pid = None

    def await_up(self):
        end = time.monotonic() + 120
        while True:
            with open(f"/proc/{self.boot.pid}/task/{self.boot.pid}/children", encoding="utf-8") as file:
                self.pid = file.read().strip()
            told = self.run("systemctl is-system-running", check=False) if self.pid else ""
            if told.strip() == "running":
                return
            if told.strip() == "degraded" or time.monotonic() >= end:
                sys.exit("systemd does not come up: " + told + (self.run("systemctl --failed --no-legend", check=False) if self.pid else ""))
            time.sleep(0.1)

    def command(self, script):
        return ["nsenter", "-t", self.pid, "-m", "-p", "-u", "-i", "-n", "-C", "--", "env", "-i", PATH, "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive", "sh", "-ec", script]

    def run(self, script, check=True):
        done = subprocess.run(self.command(script), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
        expect(done.returncode == 0 or not check, script, done.stdout + (self.journal() if check else ""))
        return done.stdout

    def journal(self):
        return self.run("journalctl --no-pager -n 60 -u 'fairlead*'", check=False)

    def pids(self):
        return dict(zip(UNITS, self.run("systemctl show --value -p MainPID " + " ".join(UNITS)).split()))

    def start(self, script):
        return subprocess.Popen(self.command(script), stdout=subprocess.PIPE, text=True)  # pylint: disable=consider-using-with

    def end(self):
        self.boot.send_signal(signal.SIGKILL)
        self.boot.wait()


def prepare():
    """A host with the package installed, which starts nothing by that, and the same package as a later version."""
    subprocess.run([ROOT + "/deploy/image/build", "--suite", SUITE, FOLDER, "compile"], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(HOST, ignore_errors=True)
    subprocess.run(["cp", "-a", FOLDER + "/base", HOST], check=True)
    shutil.copy("/etc/resolv.conf", HOST + "/etc/resolv.conf")
    made = FOLDER + "/compile/out/fairlead.deb"
    shutil.copy(os.environ.get("PACKAGE_BEFORE", made), HOST + "/root/fairlead.deb")
    shutil.copy(made, HOST + "/root/made.deb")
    install = ("apt-get update -q; apt-get install -y -q --no-install-recommends systemd dbus curl redis-server postgresql /root/fairlead.deb; "
               "cd /root; dpkg-deb -R made.deb later; sed -i 's/^Version: .*/Version: 99.0/' later/DEBIAN/control; dpkg-deb -b later later.deb")
    done = subprocess.run(["chroot", HOST, "env", "-i", PATH, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "sh", "-ec", install],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    expect(done.returncode == 0, "installing", done.stdout[-3000:])


def begin(host):
    told = host.run("systemctl list-units --all --no-legend 'fairlead*'; systemctl list-unit-files --state=enabled --no-legend 'fairlead*' || true")
    expect(not told, "begun or enabled by its installation", told)
    host.run(SECRETS)
    names = " ".join(UNITS) + " fairlead-api@8080.socket fairlead-api@8081.socket fairlead-streamer@8090.socket"
    host.run(f"systemctl enable fairlead.target {names}; systemctl start {names}")
    ready = host.run("for port in 8080 8081 8090 9090 9091; do fairlead health --ready 127.0.0.1:$port; done; echo ready")
    expect(ready.endswith("ready\n"), "active, and not ready", ready)
    expect(host.run(ADMIN + "fairlead migrate").startswith("0 applied"), "the schema before the nodes", host.journal())
    return host.run(ADMIN + "fairlead admin key create --name all --scope admin,system").split()[0]


def status_of(host, unit):
    """What the kernel says of a unit's process: the user, capabilities, the filter of system calls."""
    told = host.run(f"cat /proc/$(systemctl show --value -p MainPID {unit})/status")
    return {name: value.split() for name, value in re.findall(r"^(\w+):\s*(.*)$", told, re.M)}


def check_rights(host):
    """Not what the units say, but what their processes have."""
    users = {host.run("id -u " + name).strip() for name in ("fairlead", "root")}
    for unit in UNITS:
        status, worker = status_of(host, unit), unit == UNITS[-1]
        expect(status["NoNewPrivs"] == ["1"] and status["Seccomp"] == ["2"], f"{unit} can gain rights", status)
        expect(status["CapBnd"] == [WORKER_RIGHTS if worker else "0" * 16], f"the capabilities of {unit}", status["CapBnd"])
        expect(worker or set(status["Uid"]) == users - {"0"}, f"the user of {unit}", status["Uid"])
        hidden = "secrets" if worker else "worker"
        told = host.run(f"nsenter -t $(systemctl show --value -p MainPID {unit}) -m sh -c 'cat /etc/fairlead/{hidden}/redis-url; "
                        "touch /usr/new /etc/fairlead/new' 2>&1 || true")
        expect(told.count("Permission denied") + told.count("No such file") == 1 and told.count("Read-only file system") == 2,
               f"what {unit} reads and writes", told)


def check_socket(host):
    """Whoever connects to the socket of a service that is not there begins it, and is answered."""
    told = host.run("systemctl stop -q fairlead-api@8081; ! systemctl is-active -q fairlead-api@8081; "
                    "curl -sS -m 60 -o /dev/null -w '%{http_code} ' http://127.0.0.1:8081/healthz; systemctl start fairlead-api@8081; "
                    "systemctl is-active fairlead-api@8081", check=False)
    expect(told.endswith("200 active\n"), "a request to a service that is not there", told)


def check_task(host, key):
    """As the agents' user, in a sandbox; the worker has the cgroup that was delegated to it."""
    task = {"prompt": "t", "repo": {"mode": "none"}, "runtime": {"type": "local", "sandbox": "workspace-write"},
            "agents": [{"type": "command", "version": "latest", "settings": {"argv": ["sh", "-c", "id -u; cat /proc/self/cgroup"]}}]}
    with open(HOST + "/root/task.json", "w", encoding="utf-8") as file:
        json.dump(task, file)
    made = json.loads(host.run(f"curl -sS -H 'Authorization: ApiKey {key}' -H 'Content-Type: application/json' -d @/root/task.json {API}/api/v1/tasks"))
    told = host.run(f"curl -sSN -m 60 -H 'Authorization: ApiKey {key}' -H 'Accept: text/event-stream' "
                    f"{STREAMER}/api/v1/sessions/{made['session_ids'][0]}/events")
    user = host.run("id -u fairlead-agent").strip()
    expect("event: end" in told and f'"message":"{user}"' in told, "a task", told + host.journal())
    log = host.run("journalctl --no-pager -u fairlead-worker")
    expect("event=worker.cgroup path=/sys/fs/cgroup/system.slice/fairlead-worker.service/" in log, "the worker's cgroup", log)


def begin_stream(host, key):
    """A session that goes on for long, and one connection that follows it."""
    sid = host.run(f"FAIRLEAD_URL={API} FAIRLEAD_KEY={key} fairlead task run --detach -- sh -c "
                   "'while [ ! -e /run/enough ]; do echo line; sleep 0.2; done'").split()[-1]
    return host.start(f"curl -sSN -w '%{{num_connects}} connections' -H 'Authorization: ApiKey {key}' -H 'Accept: text/event-stream' "
                      f"{STREAMER}/api/v1/sessions/{sid}/events")


def end_stream(host, stream):
    host.run("touch /run/enough")
    told, _ = stream.communicate(timeout=60)
    numbers = [int(n) for n in re.findall(r"^id: \d+-(\d+)\nevent: (?!end)", told, re.M)]
    expect(told.endswith("1 connections") and "event: end" in told and numbers == list(range(numbers[0], numbers[0] + len(numbers))),
           "a stream across reload and upgrade", told[-2000:])


def check_reload_and_restart(host):
    """A streamer is another process afterwards; while an API node begins anew nobody is refused."""
    before = host.pids()
    host.run("systemctl reload fairlead-streamer@8090 fairlead-api@8080 fairlead-worker")
    after = host.pids()
    expect([unit for unit in UNITS if before[unit] != after[unit]] == ["fairlead-streamer@8090.service"], "reloaded", (before, after))
    told = host.run(f"systemctl restart fairlead-api@8080 & while kill -0 $! 2>/dev/null; do curl -sS -m 60 {API}/healthz >/dev/null; done; wait; echo done")
    expect(told == "done\n", "requests while it begins anew", told)


def check_watchdog(host):
    """One that is stuck is ended and begun anew."""
    unit = "fairlead-api@8081.service"
    host.run(f"mkdir -p /run/systemd/system/{unit}.d; printf '[Service]\\nWatchdogSec=4\\n' >/run/systemd/system/{unit}.d/short.conf; "
             f"systemctl daemon-reload; systemctl restart {unit}")
    before = host.pids()[unit]
    host.run(f"kill -STOP {before}; while [ $(systemctl show --value -p MainPID {unit}) = {before} ]; do sleep 0.2; done; "
             f"until systemctl is-active -q {unit}; do sleep 0.2; done; rm -r /run/systemd/system/{unit}.d")


def check_upgrade(host):
    before = host.pids()
    host.run("echo '# mine' >>/etc/fairlead/fairlead.conf; dpkg -i --force-confold /root/later.deb")
    host.run("systemctl is-active " + " ".join(UNITS[:-1]))
    expect(host.run("tail -n 1 /etc/fairlead/fairlead.conf") == "# mine\n", "settings after an upgrade", "not kept")
    expect(all(before[unit] != pid for unit, pid in host.pids().items() if unit != UNITS[-1]), "what an upgrade begins anew", before)
    return before[UNITS[-1]]


def await_worker(host, before):
    """It waited for its session to end."""
    host.run(f"until [ $(systemctl show --value -p MainPID fairlead-worker) != {before} ] && systemctl is-active -q fairlead-worker; do sleep 0.2; done")


def left_over():
    return [path for pattern in ("etc/fairlead*", "etc/systemd/system/*fairlead*", "etc/systemd/system/*/fairlead*", "usr/bin/fairlead*",
                                 "usr/lib/systemd/system/fairlead*", "usr/share/*/fairlead*", "var/lib/fairlead*", "var/lib/dpkg/info/fairlead*")
            for path in glob.glob(f"{HOST}/{pattern}")]


def check_removal(host):
    host.run("dpkg -r fairlead")
    told = host.run("systemctl list-units --no-legend 'fairlead*'; cat /proc/[0-9]*/comm | grep fairlead || true")
    expect(not told, "after its removal there runs", told)
    kept = host.run("ls /etc/fairlead")
    expect("fairlead.conf" in kept and "secrets" in kept, "settings after its removal", kept)
    told = host.run("dpkg -P fairlead")
    expect("/etc/fairlead/secrets is not empty and stays" in told and os.path.exists(HOST + "/etc/fairlead/secrets/pepper"), "purge", told)
    host.run("dpkg -i /root/fairlead.deb; rm -rf /etc/fairlead/secrets/* /etc/fairlead/worker/* /var/lib/fairlead/*; "
             "dpkg -P fairlead")
    expect(not left_over(), "left over by purge", left_over())


def proved(what):
    print(f"{SUITE}: {what}", flush=True)


def main():
    if os.geteuid() != 0:
        sys.exit("needs root: it makes a host of its own")
    prepare()
    host = Host()
    try:
        host.await_up()
        key = begin(host)
        proved("installed: nothing runs or is enabled by it; its users and folders are there; active units are ready")
        check_rights(host)
        proved("rights: no capabilities for nodes and seven for the worker, system calls filtered, files read-only, others' secrets hidden")
        check_socket(host)
        proved("sockets: a request to a service that is stopped begins it, and is answered")
        check_task(host, key)
        proved("a task ran as the agents' user, in the worker's delegated cgroup")
        stream = begin_stream(host, key)
        check_reload_and_restart(host)
        proved("reload: the streamer is another process; restart: nobody was refused")
        check_watchdog(host)
        proved("watchdog: a process that was stopped was begun anew")
        worker = check_upgrade(host)
        end_stream(host, stream)
        await_worker(host, worker)
        proved("upgraded: settings kept, nodes begun anew and active, one stream open all the time, the worker waited for its session")
        check_removal(host)
        proved("removed: nothing runs, settings and secrets stay; purged: nothing is left but secrets, and nothing at all without them")
    finally:
        host.end()


main()
