#!/usr/bin/python3
"""Other people's clients against the whole system: they have the last word on what a stream is.

usage: clients.py BIN_DIR NAME...     each a script in clients/, or here
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
from stack import Stack  # noqa: E402
from stream_faults import occupy  # noqa: E402

INSTALLED = os.path.join(HERE, "clients", "node_modules", ".installed")
SETTINGS = {"FAIRLEAD_STREAM_KEEPALIVE": "1s", "FAIRLEAD_WORKER_SLOTS": "1"}


def command(name):
    if name.endswith(".mjs"):
        return ["node", os.path.join(HERE, "clients", name)]
    return ["/usr/bin/python3", os.path.join(HERE, name)]


SKIPPED = 77


def main(bin_dir, names):
    if any(name.endswith(".mjs") for name in names) and not os.path.exists(INSTALLED):
        print("the npm packages of clients/package-lock.json are not installed: tools/install-npm says why")
        sys.exit(SKIPPED)
    with Stack(bin_dir, SETTINGS) as stack:
        occupy(stack)
        env = dict(os.environ, CONFORMANCE_URL="http://127.0.0.1:%d" % stack.port, CONFORMANCE_KEY=stack.key,
                   CONFORMANCE_STATE=os.path.join(stack.home, "state.json"))
        for name in names:
            if subprocess.run(command(name), env=env, timeout=300).returncode != 0:
                sys.exit("%s failed" % name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
