#!/usr/bin/python3
"""jose.py PEER: another implementation of signed tokens (npm's jose) and ours read each other's."""
import os
import subprocess
import sys

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
SKIPPED = 77

if not os.path.exists(os.path.join(CLIENTS, "node_modules", "jose")):
    print("the npm packages of clients/package-lock.json are not installed: tools/install-npm says why")
    sys.exit(SKIPPED)
sys.exit(subprocess.run(["node", os.path.join(CLIENTS, "jose.mjs"), sys.argv[1]], timeout=100).returncode)
