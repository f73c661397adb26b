#!/usr/bin/python3
"""test_units.py ROOT BIN: systemd understands the units, the programs understand what they set, and how much is kept from them holds."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT, BIN = (os.path.abspath(arg) for arg in sys.argv[1:3])
UNITS = ["fairlead-api@8080.service", "fairlead-streamer@8090.service", "fairlead-scheduler.service", "fairlead-worker.service",
         "fairlead-migrate.service", "fairlead-api@8080.socket", "fairlead-streamer@8090.socket", "fairlead.target"]
# Tenths of systemd's exposure level. The worker becomes other users and runs what it is given.
EXPOSED = {"fairlead-worker.service": 49}
EXPOSED_OTHERS = 13


def expect(holds, what, seen):
    if not holds:
        sys.exit(f"{what}: {seen}")


def run(*command, **env):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, env={**os.environ, **env})
    return done.returncode, done.stdout


def stage(folder):
    """The units with the programs of this build, which are in no folder that systemd looks in."""
    shutil.copytree(ROOT + "/deploy/systemd", folder, dirs_exist_ok=True)
    for name in os.listdir(folder):
        if name.endswith(".service"):
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                text = re.sub(r"^(Exec\w+=)(fairlead)", rf"\1{BIN}/\2", file.read(), flags=re.M)
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)


def check_units(folder):
    search = {"SYSTEMD_UNIT_PATH": folder + ":"}
    status, told = run("systemd-analyze", "verify", "--man=no", *(f"{folder}/{unit}" for unit in UNITS), **search)
    expect(status == 0 and not told, "systemd-analyze verify", told)
    for unit in UNITS:
        if unit.endswith(".service"):
            most = EXPOSED.get(unit, EXPOSED_OTHERS)
            status, told = run("systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={most}", f"{folder}/{unit}", **search)
            expect(status == 0, f"{unit} is more exposed than {most / 10}", told)


def settings_of(unit):
    """What it sets, with its drop-in, for the instance 8080."""
    kind = "worker" if "worker" in unit else ""
    with open(f"{ROOT}/deploy/systemd/{unit}", encoding="utf-8") as one, \
            open(f"{ROOT}/deploy/systemd/fairlead-{kind}.service.d/service.conf", encoding="utf-8") as two:
        lines = re.findall(r"^Environment=(.*)$", one.read() + two.read(), re.M)
    return dict(pair.split("=", 1) for pair in " ".join(lines).replace("%i", "8080").split())


def check_settings(folder):
    """With the files that the package installs and secrets that are no addresses: only that is wrong."""
    with open(folder + "/secret", "w", encoding="utf-8") as file:
        file.write("no address, but long enough")
    for unit in UNITS[:4]:
        program = re.match(r"fairlead-\w+", unit).group()
        env = settings_of(re.sub(r"@\w+", "@", unit))
        env["FAIRLEAD_CONFIG"] = env["FAIRLEAD_CONFIG"].replace("/etc/fairlead", ROOT + "/deploy/debian")
        with open(ROOT + "/deploy/debian/fairlead.env", encoding="utf-8") as file:
            env.update(re.findall(r"^(\w+)=(.*)$", file.read(), re.M))
        env = {name: folder + "/secret" if name.endswith("_FILE") else value for name, value in env.items()}
        status, told = run(f"{BIN}/{program}", **env)
        expect(status == 1 and "redis URL: it starts with" in told and "unknown" not in told, unit, told)


def main():
    with tempfile.TemporaryDirectory(prefix="fairlead-units.") as folder:
        stage(folder)
        check_units(folder)
        check_settings(folder)


main()
