"""The empty database that `fairlead up` makes at its first start: made once for a build, and copied for each test."""
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile
import time

SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def as_service():
    """As `fairlead up` runs PostgreSQL."""
    return {"user": "fairlead", "group": "fairlead", "extra_groups": []} if os.geteuid() == 0 else {}


def programs():
    return max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))


def migrate(fairlead, url):
    """Until the server is there."""
    env = dict(os.environ, FAIRLEAD_PG_URL=url, FAIRLEAD_UNSAFE_STORAGE="true")
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run([fairlead, "migrate"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode == 0:
            return
        assert time.monotonic() < deadline, done.stdout
        time.sleep(0.1)


def fill(fairlead, folder):
    """folder/data: what the first start leaves, with the migrations of this build."""
    user, bin_dir, data = as_service(), programs(), os.path.join(folder, "data")
    subprocess.run(["sh", os.path.join(SOURCES, "cli", "initdb.sh"), bin_dir, data], check=True, cwd=folder, **user)
    server = subprocess.Popen([bin_dir + "/postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c",
                               "fsync=off"], cwd=folder, stderr=subprocess.DEVNULL, **user)
    try:
        migrate(fairlead, "postgresql:///fairlead?host=%s&user=fairlead" % folder)
    finally:
        server.terminate()
        server.wait()


def make(fairlead, kept, stamp):
    shutil.rmtree(kept, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="fairlead-db.") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "fairlead", "fairlead")
        fill(fairlead, folder)
        os.makedirs(kept)
        subprocess.run(["cp", "-a", "--sparse=always", os.path.join(folder, "data"), kept], check=True)
    with open(os.path.join(kept, "of"), "w") as f:
        f.write(stamp)


def is_of(kept, stamp):
    try:
        with open(os.path.join(kept, "of")) as f:
            return f.read() == stamp
    except OSError:
        return False


def give(fairlead, home):
    """To a home that was never started."""
    kept = os.path.join(os.path.dirname(os.path.dirname(fairlead)), "Testing", "database")
    with open(fairlead, "rb") as f:
        stamp = hashlib.sha1(f.read()).hexdigest()
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    with open(kept + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_of(kept, stamp):
            make(fairlead, kept, stamp)
        os.makedirs(os.path.join(home, "postgres"))
        subprocess.run(["cp", "-a", os.path.join(kept, "data"), os.path.join(home, "postgres")], check=True)
