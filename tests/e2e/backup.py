#!/usr/bin/python3
"""A backup taken while sessions run, and an empty database made of it, on which the system goes on.

usage: with-postgres backup.py BIN_DIR WAIT     WAIT: seconds for the archive; with 15 or more it has everything
"""
import json
import os
import shutil
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli import expect  # noqa: E402
from first_light import wait_for  # noqa: E402
from stack import TERMINAL, Stack, Watcher, run_all  # noqa: E402

ARCHIVED_S = 15
SECRET = "a value that only agents see"


def psql(*statements):
    words = [w for s in statements for w in ("-c", s)]
    subprocess.run(["psql", os.environ["TEST_PG_ADMIN_URL"], "-qtA", *words], check=True)


def url_of(database):
    return os.environ["TEST_PG_URL"].rpartition("/")[0] + "/" + database


def empty(database):
    psql('CREATE DATABASE "%s" OWNER fairlead' % database)
    return url_of(database)


def admin(stack, *words, code=0, out=None, err=None, **env):
    done = subprocess.run([stack.bin, "admin", *words], env=dict(stack.env, **env), capture_output=True, text=True,
                          timeout=120)
    return expect(done, code, out, err).stdout


def it_is_taken_while_sessions_run(stack):
    status, _ = stack.json("PUT", "/api/v1/secrets/OF_A_TEST", {"value": SECRET})
    assert status in (200, 201), status
    stack.ended = stack.submit(["sh", "-c", "for i in 1 2 3; do echo $i; done"])[0]
    watcher = Watcher(stack, stack.ended)
    watcher.start()
    watcher.join(60)
    assert watcher.ended, stack.ended
    stack.before = watcher.events
    stack.running = stack.submit(["sh", "-c", "echo begun; exec sleep 600"])[0]
    wait_for("it runs", lambda: stack.json("GET", "/api/v1/sessions/" + stack.running)[1]["status"] == "running")
    stack.waiting = stack.submit(["true"], workers={"required": ["zone=elsewhere"]})[0]
    stack.folder = os.path.join(stack.dir, "backups", "of-today")
    made = json.loads(admin(stack, "backup", stack.folder, "--wait", str(stack.wait), "--json"))
    assert made["onlyInRedis"]["sessions"] <= (0 if stack.wait >= ARCHIVED_S else 2), made
    rows = {t["name"]: t["rows"] for t in made["tables"]}
    assert rows["sessions"] == 3 and rows["audit"] > 0, rows
    for name in os.listdir(stack.folder):
        path = os.path.join(stack.folder, name)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, name
        with open(path, "rb") as f:
            assert SECRET.encode() not in f.read(), name
    assert sorted(os.listdir(stack.folder)) == ["fairlead.dump", "manifest.json"], os.listdir(stack.folder)
    assert "backup" in admin(stack, "audit", "list", "--all", "--action", "backup")


def what_would_do_harm_is_refused(stack):
    admin(stack, "backup", stack.folder, code=1, err="must be empty")
    admin(stack, "restore", stack.folder, code=1, err="Redis is in use")
    admin(stack, "restore", os.path.join(stack.dir, "nowhere"), code=1, err="No such file")
    admin(stack, "restore", stack.folder, code=1, err="the pepper is not the one", FAIRLEAD_PEPPER="another pepper of a test, long enough")
    damaged = os.path.join(stack.dir, "damaged")
    shutil.copytree(stack.folder, damaged)
    with open(os.path.join(damaged, "fairlead.dump"), "r+b") as f:
        f.seek(2000)
        byte = f.read(1)
        f.seek(2000)
        f.write(bytes([byte[0] ^ 1]))
    admin(stack, "restore", damaged, code=1, err="it was damaged")
    os.unlink(os.path.join(damaged, "manifest.json"))
    admin(stack, "restore", damaged, code=1, err="no whole backup")


def cancel(stack, *sids):
    for sid in sids:
        assert stack.json("DELETE", "/api/v1/sessions/" + sid)[0] in (200, 202, 204), sid
    for sid in sids:
        wait_for("it has ended", lambda: stack.json("GET", "/api/v1/sessions/" + sid)[1]["status"] in TERMINAL, 30)


def an_empty_database_is_filled_and_one_with_tables_is_not(stack):
    cancel(stack, stack.running)  # of which the backup knows nothing
    assert stack.stop() == 0
    stack.key_before = stack.key
    shutil.rmtree(os.path.join(stack.home, "redis"))
    none = {"FAIRLEAD_REDIS_URL": "", "FAIRLEAD_PG_URL": url_of("fairlead")}
    admin(stack, "restore", stack.folder, code=1, err="the database must be empty", **none)
    url = empty("restored")
    assert "rows" in admin(stack, "restore", stack.folder, FAIRLEAD_PG_URL=url, FAIRLEAD_REDIS_URL="")
    admin(stack, "restore", stack.folder, code=1, err="the database must be empty", FAIRLEAD_PG_URL=url, FAIRLEAD_REDIS_URL="")
    admin(stack, "audit", "verify", FAIRLEAD_PG_URL=url)
    stack.options = ["--external-postgres", url]
    stack.start()


def the_system_goes_on_with_it(stack):
    assert stack.key == stack.key_before
    watcher = Watcher(stack, stack.ended)
    watcher.start()
    watcher.join(60)
    assert watcher.ended and not watcher.gaps and watcher.events == stack.before, (watcher.events, stack.before)
    wait_for("what ran begins again", lambda: stack.json("GET", "/api/v1/sessions/" + stack.running)[1]["status"] == "running", 30)
    script = 'test "$WORD" = "%s" && echo it is' % SECRET
    agents = [{"type": "command", "version": "latest",
               "settings": {"argv": ["sh", "-c", script], "secrets": [{"name": "OF_A_TEST", "as": "WORD"}]}}]
    watcher = Watcher(stack, stack.submit([], agents=agents)[0])
    watcher.start()
    watcher.join(60)
    assert "it is" in [e.get("message") for _, kind, e in watcher.events if kind == "log"], watcher.events
    cancel(stack, stack.running, stack.waiting)


TESTS = [
    it_is_taken_while_sessions_run,
    what_would_do_harm_is_refused,
    an_empty_database_is_filled_and_one_with_tables_is_not,
    the_system_goes_on_with_it,
]


def main(bin_dir, wait):
    with Stack(bin_dir, None, ["--external-postgres", os.environ["TEST_PG_URL"]]) as stack:
        stack.wait = int(wait)
        run_all(TESTS, stack)


if __name__ == "__main__":
    main(*sys.argv[1:])
