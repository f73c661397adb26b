#!/usr/bin/python3
"""test_packages.py ROOT: the package lists are sound, and installing them leaves the system's services alone."""
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(sys.argv[1])
TOOL = ROOT + "/tools/install-packages"
LISTS = [ROOT + "/deploy/packages.txt", ROOT + "/tests/packages.txt"]

# Stands for dpkg-query: gcc is installed, the rest is not.
DPKG_QUERY = "#!/bin/sh\nfor name; do :; done\n[ \"$name\" = gcc ] && printf installed\n"
# Stands for apt-get: writes down how it was called, and what it finds in the place of the system's files.
APT_GET = """#!/bin/sh
for word; do case $word in -* | *::*) ;; *) printf '%s ' "$word"; esac; done >>"$PACKAGES_ROOT/calls"
echo >>"$PACKAGES_ROOT/calls"
case "$*" in
*" install "*)
	"$PACKAGES_ROOT/usr/sbin/policy-rc.d" >/dev/null 2>&1; echo "policy $?" >>"$PACKAGES_ROOT/calls" ;;
esac
case "$*" in
*" postgresql-common"*)
	mkdir -p "$PACKAGES_ROOT/etc/postgresql-common"
	[ -e "$PACKAGES_ROOT/etc/postgresql-common/createcluster.conf" ] ||
		echo 'create_main_cluster = true' >"$PACKAGES_ROOT/etc/postgresql-common/createcluster.conf" ;;
*" postgresql"*) grep create_main "$PACKAGES_ROOT/etc/postgresql-common/createcluster.conf" >>"$PACKAGES_ROOT/calls" ;;
esac
case "$*" in *" broken"*) echo "E: Unable to locate package broken" >&2; exit 100 ;; esac
exit 0
"""


def expect(holds, what, seen):
    if not holds:
        sys.exit(f"{what}: {seen}")


def names(release, *lists):
    done = subprocess.run([TOOL, "--list", release, *lists], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().split()


def script(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)


def install(root, text, policy):
    """Run the tool on a list with this text in a made-up system; the old policy-rc.d may be None."""
    script(root + "/bin/dpkg-query", DPKG_QUERY)
    script(root + "/bin/apt-get", APT_GET)
    script(root + "/bin/systemctl", "#!/bin/sh\necho systemctl \"$@\" >>\"$PACKAGES_ROOT/calls\"\n")
    script(root + "/etc/os-release", 'ID=debian\nVERSION_ID="12"\n')
    script(root + "/list", text)
    os.makedirs(root + "/usr/sbin", exist_ok=True)
    if policy is not None:
        script(root + "/usr/sbin/policy-rc.d", policy)
    done = subprocess.run([TOOL, root + "/list"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env={**os.environ, "PACKAGES_ROOT": root, "PATH": root + "/bin:" + os.environ["PATH"]})
    calls = ""
    if os.path.exists(root + "/calls"):
        with open(root + "/calls", encoding="utf-8") as file:
            calls = file.read()
    return done.returncode, done.stdout.decode(), calls


def check_lists():
    on12, on13 = names("12", *LISTS), names("13", *LISTS)
    expect("clang-format-14" in on12 and "clang-format-14" not in on13, "release marks", on13)
    expect("libclang-rt-19-dev" in on13 and "libclang-rt-19-dev" not in on12, "release marks", on12)
    expect(len(on12) == len(set(on12)) and "gcc" in on12, "names", on12)
    with tempfile.TemporaryDirectory() as root:
        script(root + "/list", "fine\nnot fine either\n")
        done = subprocess.run([TOOL, "--list", "12", root + "/list"], stderr=subprocess.PIPE, check=False)
        expect(done.returncode != 0 and b"list:2: must be" in done.stderr, "a bad line", done.stderr)


def check_install():
    for policy in (None, "#!/bin/sh\nexit 104\n"):
        with tempfile.TemporaryDirectory() as root:
            status, output, calls = install(root, "gcc\npostgresql\nredis-server [12]\nnever [13]\n", policy)
            expect(status == 0, "installing", output)
            expect(calls == "update \ninstall postgresql-common \npolicy 101\n"
                   "install postgresql redis-server \npolicy 101\ncreate_main_cluster = false\n"
                   "systemctl disable --quiet postgresql\nsystemctl disable --quiet redis-server\n", "calls", calls)
            path = root + "/usr/sbin/policy-rc.d"
            expect(os.path.exists(path) == (policy is not None), "policy-rc.d after", path)
            if policy is not None:
                with open(path, encoding="utf-8") as file:
                    expect(file.read() == policy, "policy-rc.d is restored", path)
            with open(root + "/etc/postgresql-common/createcluster.conf", encoding="utf-8") as file:
                expect(file.read() == "create_main_cluster = true\n", "createcluster.conf is restored", root)
    with tempfile.TemporaryDirectory() as root:
        status, output, calls = install(root, "gcc\n", None)
        expect(status == 0 and calls == "" and output == "", "nothing is missing", calls + output)
    with tempfile.TemporaryDirectory() as root:
        status, output, calls = install(root, "broken\n", None)
        expect(status == 1 and output.endswith(
            "install-packages: apt-get install broken failed: Unable to locate package broken\n"), "a failure", output)
        expect(not os.path.exists(root + "/usr/sbin/policy-rc.d"), "policy-rc.d after a failure", root)


def check_locks():
    """npm's packages are pinned by content, and come from whichever registry the machine uses."""
    found = subprocess.run(["git", "-C", ROOT, "ls-files", "*package-lock.json"], stdout=subprocess.PIPE, check=True)
    for name in found.stdout.decode().split():
        with open(f"{ROOT}/{name}", encoding="utf-8") as file:
            packages = json.load(file)["packages"]
        for path, package in packages.items():
            expect(path == "" or "integrity" in package, f"{name}: pinned", path)
            expect("resolved" not in package, f"{name}: names no registry", path)


check_lists()
check_install()
check_locks()
print("the package lists are sound; installing touches no service")
