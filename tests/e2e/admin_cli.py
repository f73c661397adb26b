#!/usr/bin/python3
"""Every command of `fairlead admin`, as people see it and as programs do, beside a running system.

usage: admin_cli.py BIN_DIR
"""
import json
import os
import pty
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli import expect  # noqa: E402
from first_light import wait_for  # noqa: E402
from stack import Stack, run_all  # noqa: E402

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")


def admin(stack, *words, code=0, out=None, err=None):
    return expect(stack.cli("admin", *words), code, out, err).stdout


def made(stack, *words):
    """What a command answers to a program."""
    return json.loads(admin(stack, *words, "--json"))


def both(stack, *words):
    """The items of a list, which people see as a table with a line for each."""
    items = made(stack, *words)["items"]
    lines = admin(stack, *words).splitlines()
    assert len(lines) == 1 + len(items) and lines[0] == lines[0].upper(), lines
    return items


def statuses(stack, key, count=8):
    return [stack.request("GET", "/api/v1/sessions", headers={"Authorization": "ApiKey " + key})[0] for _ in range(count)]


def tenants(stack):
    assert made(stack, "tenant", "create", "acme", "--name", "Acme & Co")["name"] == "Acme & Co"
    admin(stack, "tenant", "create", "acme", code=1, err="another tenant has that id or name")
    admin(stack, "tenant", "create", "a/b", code=2, err="a tenant's id must be")
    assert {"acme", "default"} <= {t["id"] for t in both(stack, "tenant", "list")}
    assert made(stack, "tenant", "disable", "acme")["disabled"] is True
    assert re.search(r"^state +usable$", admin(stack, "tenant", "enable", "acme"), re.M)
    admin(stack, "tenant", "disable", "nobody", code=1, err="there is no tenant nobody")
    assert made(stack, "tenant", "retention", "acme", "7")["retentionSeconds"] == 7 * 86400
    assert made(stack, "tenant", "rate", "acme", "key", "read=600/1m")["limits"] == "read=600/1m"
    assert [(i["kind"], i["limits"]) for i in made(stack, "tenant", "rate", "acme")["items"]] == [
        ("key", "read=600/1m"), ("user", "default"), ("tenant", "default")]
    admin(stack, "tenant", "rate", "nobody", code=1, err="there is no tenant nobody")
    admin(stack, "tenant", "rate", "acme", "key", code=2)
    admin(stack, "tenant", "rate", "acme", "key", "nonsense", code=1)
    admin(stack, "tenant", "rate", "acme", "address", "read=600/1m", code=2, err="tenant, user or key")
    assert made(stack, "tenant", "weight", "acme", "3")["value"] == 3
    admin(stack, "tenant", "weight", "acme", "0", code=2, err="a weight must be")


def limits(stack):
    assert made(stack, "limit", "set", "user", "5", "--tenant", "acme", "--name", "ada") == {
        "kind": "user", "tenant": "acme", "name": "ada", "value": 5}
    assert {"kind": "user", "tenant": "acme", "name": "ada", "value": 5} in both(stack, "limit", "list")
    admin(stack, "limit", "set", "user", "none", "--tenant", "acme", "--name", "ada")
    assert "ada" not in admin(stack, "limit", "list")
    admin(stack, "limit", "set", "weight", "5", code=2, err="KIND must be")
    nowhere = dict(stack.env, FAIRLEAD_PG_URL="postgresql://127.0.0.1:1/none")
    wrong = subprocess.run([stack.bin, "admin", "limit", "set", "user", "many"], env=nowhere, capture_output=True, text=True)
    expect(wrong, 2, err="a limit must be 0 to")


def users(stack):
    ada = made(stack, "user", "create", "--name", "Ada", "--email", "Ada@Example.org", "--role", "operator", "--namespaces", "eu, US")
    assert (ada["email"], ada["role"], ada["namespaces"]) == ("ada@example.org", "operator", ["eu", "us"]), ada
    admin(stack, "user", "create", "--name", "Ada", "--email", "ada@example.org", code=1, err="has that address already")
    admin(stack, "user", "create", "--email", "x@example.org", code=2, err="--name must be given")
    admin(stack, "user", "create", "--name", "Ada", "--namespaces", " , ", code=2, err="no namespaces provided")
    robot = made(stack, "user", "create", "--name", "robot", "--service")
    assert [u["id"] for u in both(stack, "user", "list", "--service")] == [robot["id"]]
    assert [u["id"] for u in both(stack, "user", "list", "--limit", "1", "--offset", "1")] == [ada["id"]]
    assert made(stack, "user", "show", "ADA@example.org") == made(stack, "user", "show", ada["id"])
    assert re.search(r"^namespaces +eu,us$", admin(stack, "user", "show", ada["id"]), re.M)
    changed = made(stack, "user", "update", ada["id"], "--name", "A. L.", "--role", "admin", "--any-namespace", "--system", "--disable")
    assert (changed["name"], changed["role"], changed["namespaces"], changed["system"], changed["disabled"]) == ("A. L.", "admin", ["*"], True, True)
    changed = made(stack, "user", "update", ada["id"], "--clear-name", "--no-system", "--enable")
    assert (changed["name"], changed["role"], changed["system"], changed["disabled"]) == ("ada@example.org", "admin", False, False), changed
    for words, rule in (((), "no fields provided to update"),
                        (("--name", "A", "--clear-name"), "cannot set --name and --clear-name together"),
                        (("--enable", "--disable"), "cannot set --enable and --disable together"),
                        (("--role", "king"), "--role must be")):
        admin(stack, "user", "update", ada["id"], *words, code=2, err=rule)
    admin(stack, "user", "update", robot["id"], "--system", code=1, err="only a person")
    admin(stack, "user", "update", UNKNOWN, "--name", "A", code=1, err="user not found")
    admin(stack, "user", "show", "nobody@example.org", code=1, err="user not found")
    admin(stack, "user", "update", ada["id"], "--name", "A", "--tenant", "acme", code=1, err="user not found")


def roles(stack):
    roles_now = both(stack, "role", "list")
    assert [r["name"] for r in roles_now] == ["viewer", "operator", "admin"] and "system" not in str(roles_now[2]["scopes"])
    ada = made(stack, "role", "give", "ada@example.org", "viewer")
    assert ada["role"] == "viewer" and made(stack, "user", "show", ada["id"])["role"] == "viewer"
    admin(stack, "role", "give", "ada@example.org", "king", code=2, err="--role must be")


def keys(stack):
    ada = made(stack, "user", "show", "ada@example.org")["id"]
    key = made(stack, "key", "create", "--name", "hers", "--owner-id", ada, "--scope", "session:read,session:write", "--env", "test")
    assert key["key"].startswith("fl_test_")
    wait_for("it is good", lambda: statuses(stack, key["key"]) == [200] * 8, 10)
    admin(stack, "key", "create", "--owner-id", UNKNOWN, code=1, err="no member")
    admin(stack, "key", "create", "--env", "UP", code=2, err="--env must be")
    row = made(stack, "key", "show", key["id"])
    assert (row["ownerId"], row["env"], row["status"]) == (ada, "test", "usable") and row["createdBy"].startswith("host:"), row
    new = made(stack, "key", "rotate", key["id"], "--now")
    assert made(stack, "key", "show", new["id"])["replaces"] == key["id"]
    wait_for("the old one ends", lambda: statuses(stack, key["key"]) == [401] * 8, 10)
    wait_for("the new one is good", lambda: statuses(stack, new["key"]) == [200] * 8, 10)
    admin(stack, "key", "rotate", key["id"], code=1)
    admin(stack, "key", "rotate", new["id"], "--now", "--grace", "5", code=2, err="cannot set --grace and --now together")
    assert made(stack, "key", "update", new["id"], "--name", "renamed", "--namespaces", "eu", "--namespaces", "asia") == {"id": new["id"], "changed": True}
    row = made(stack, "key", "show", new["id"])
    assert (row["name"], sorted(row["namespaces"])) == ("renamed", ["asia", "eu"]), row
    admin(stack, "key", "update", new["id"], "--any-namespace", out=["changed"])
    admin(stack, "key", "update", new["id"], code=2, err="no fields provided to update")
    admin(stack, "key", "update", new["id"], "--name", "x", "--clear-name", code=2, err="cannot set --name and --clear-name together")
    admin(stack, "key", "update", UNKNOWN, "--name", "x", code=1, out="there is no such key")
    assert new["id"] in {k["id"] for k in both(stack, "key", "list", "--active")}
    assert key["id"] not in {k["id"] for k in made(stack, "key", "list", "--active")["items"]}
    made(stack, "user", "update", ada, "--disable")
    assert made(stack, "key", "show", new["id"])["status"] == "suspended"
    assert new["id"] not in {k["id"] for k in made(stack, "key", "list", "--active")["items"]}
    made(stack, "user", "update", ada, "--enable")
    assert made(stack, "key", "show", new["id"])["status"] == "usable"
    admin(stack, "key", "update", new["id"], "--inactive", "--name", "x", code=2, err="--inactive")
    admin(stack, "key", "update", new["id"], "--inactive", out=["revoked"])
    wait_for("it ended", lambda: statuses(stack, new["key"]) == [401] * 8, 10)
    admin(stack, "key", "delete", new["id"], "--yes", out=["deleted"])
    admin(stack, "key", "show", new["id"], code=1, err="no such key")
    admin(stack, "key", "show", "nonsense", code=2, err="is not a key id")


def a_member_who_leaves_takes_the_keys_along(stack):
    ada = made(stack, "user", "show", "ada@example.org")["id"]
    key = made(stack, "key", "create", "--owner-id", ada, "--scope", "session:read")["key"]
    wait_for("it is good", lambda: statuses(stack, key) == [200] * 8, 10)
    assert made(stack, "user", "delete", ada, "--yes") == {"id": ada, "deleted": True}
    wait_for("it ended", lambda: statuses(stack, key) == [401] * 8, 10)
    admin(stack, "user", "delete", ada, "--yes", code=1, err="user not found")


def namespaces(stack):
    agent = json.dumps({"type": "command", "version": "latest", "settings": {"argv": ["cat"]}})
    admin(stack, "namespace", "set", "desk", "--open", code=2, err="--agent must say")
    admin(stack, "namespace", "set", "desk", "--agent", "{}", code=2, err="agent")
    admin(stack, "namespace", "set", "Desk", "--agent", agent, code=2, err="a namespace must be")
    space = made(stack, "namespace", "set", "desk", "--agent", agent)
    assert (space["name"], space["open"], space["agent"]["type"]) == ("desk", False, "command"), space
    assert made(stack, "namespace", "set", "desk", "--open")["open"] is True
    admin(stack, "namespace", "set", "desk", "--agent", agent, "--open", "--tenant", "acme", code=1, err="is open already")
    admin(stack, "namespace", "set", "desk", "--open", "--closed", code=2, err="cannot set --open and --closed together")
    admin(stack, "namespace", "set", "desk", code=2, err="no fields provided to update")
    assert [(n["name"], n["open"]) for n in both(stack, "namespace", "list")] == [("desk", True)]


def chats(stack):
    head = {"X-Session-Id": "a-chat", "Content-Type": "application/json"}
    key = made(stack, "key", "create", "--owner", "bob")["key"]
    head["Authorization"] = "ApiKey " + key
    status, _, raw = stack.request("POST", "/api/sessions", {"namespace": "desk"}, head)
    assert status == 200, (status, raw)
    rows = both(stack, "chat", "list", "--owner", "owner:bob")
    assert [r["name"] for r in rows] == ["a-chat"], rows
    assert made(stack, "chat", "update", "owner:bob", "a-chat", "--title", "Mine")["title"] == "Mine"
    assert made(stack, "chat", "update", "owner:bob", "a-chat", "--clear-title")["title"] != "Mine"
    assert made(stack, "chat", "update", "owner:bob", "a-chat", "--owner", "owner:eve")["owner"] == "owner:eve"
    admin(stack, "chat", "update", "owner:bob", "a-chat", "--title", "x", code=1, err="no such chat")
    admin(stack, "chat", "update", "owner:eve", "a-chat", code=2, err="no fields provided to update")
    admin(stack, "chat", "delete", "owner:eve", "a-chat", "--yes", out=["deleted"])
    admin(stack, "chat", "delete", "owner:eve", "a-chat", "--yes", code=1)
    admin(stack, "namespace", "delete", "desk", "--yes", out=["deleted"])
    admin(stack, "namespace", "delete", "desk", "--yes", code=1, err="no such namespace")


def sessions(stack):
    sid = stack.submit(["true"])[0]
    living = stack.submit(["sleep", "600"])[0]
    wait_for("one has ended", lambda: made(stack, "session", "list", "--status", "completed")["items"], 30)
    assert [s["id"] for s in both(stack, "session", "list", "--limit", "1")] == [living]
    assert [s["id"] for s in both(stack, "session", "list", "--limit", "1", "--offset", "1")] == [sid]
    admin(stack, "session", "delete", living, "--yes", code=1, err="has not ended")
    admin(stack, "session", "delete", sid, "--yes", out=["deleted"])
    assert stack.json("GET", "/api/v1/sessions/" + sid)[0] == 404
    expect(stack.cli("session", "delete", living), 0)
    admin(stack, "session", "list", "--status", "asleep", code=2, err="--status must be")


def contracts(stack):
    at = ("1", "0xABCDEFabcdef0000000000000000000000000001")
    path = os.path.join(stack.dir, "abi.json")
    with open(path, "w") as f:
        f.write('[{"type": "function"}]')
    one = made(stack, "contract", "create", *at, "--name", "Token", "--symbol", "TOK", "--chain", "main", "--protocol", "P", "--abi-file", path)
    assert (one["address"], one["name"], one["isProxy"]) == (at[1].lower(), "Token", False), one
    assert made(stack, "contract", "show", *at)["abi"] == [{"type": "function"}]
    for words in (("--chain-id", "1"), ("--address", at[1]), ("--symbol", "tok"), ("--name", "oke"), ("--protocol", "p")):
        assert [c["name"] for c in both(stack, "contract", "list", *words)] == ["Token"], words
    assert both(stack, "contract", "list", "--chain-id", "2") == [] == both(stack, "contract", "list", "--version", "1")
    one = made(stack, "contract", "update", *at, "--clear-symbol", "--contract-type", "ERC20", "--version", "2", "--is-proxy",
               "--implementation-address", "0x1", "--description", "what it is")
    assert (one["symbol"], one["contractType"], one["version"], one["isProxy"], one["protocol"]) == (None, "ERC20", "2", True, "P"), one
    one = made(stack, "contract", "update", *at, "--not-proxy", "--clear-implementation-address", "--clear-protocol", "--clear-contract-type",
               "--clear-version", "--clear-description", "--clear-name", "--symbol", "T2")
    assert one["name"] == "Unknown" and one["symbol"] == "T2" and not one["isProxy"] and one["version"] is None, one
    assert made(stack, "contract", "show", *at)["abi"] == [{"type": "function"}]
    for a, b in (("symbol", "clear-symbol"), ("protocol", "clear-protocol"), ("contract-type", "clear-contract-type"), ("version", "clear-version"),
                 ("implementation-address", "clear-implementation-address"), ("description", "clear-description")):
        admin(stack, "contract", "update", *at, "--" + a, "x", "--" + b, code=2, err="cannot set --%s and --%s together" % (a, b))
    admin(stack, "contract", "update", *at, "--is-proxy", "--not-proxy", code=2, err="cannot set --is-proxy and --not-proxy together")
    admin(stack, "contract", "update", *at, code=2, err="no fields provided to update")
    admin(stack, "contract", "update", "2", at[1], "--symbol", "x", code=1, err="contract not found")
    admin(stack, "contract", "show", "0", at[1], code=2, err="CHAIN-ID must be")
    with open(path, "w") as f:
        f.write("no JSON")
    admin(stack, "contract", "update", *at, "--abi-file", path, code=2, err="abi")
    assert both(stack, "contract", "list", "--tenant", "acme") == []
    admin(stack, "contract", "delete", *at, "--yes", "--tenant", "acme", code=1, err="contract not found")
    assert made(stack, "contract", "delete", *at, "--yes") == {"address": at[1].lower(), "deleted": True}
    admin(stack, "contract", "delete", *at, "--yes", code=1, err="contract not found")


def contracts_over_rest(stack):
    path = "/api/v1/contracts/5/0xAb"
    status, one = stack.json("PUT", path, {"name": "Pool", "protocol": "swap", "abi": [1, {"a": None}], "isProxy": True})
    assert status == 201 and (one["address"], one["abi"], one["isProxy"]) == ("0xab", [1, {"a": None}], True), one
    assert made(stack, "contract", "show", "5", "0xaB") == one
    assert stack.json("GET", path) == (200, one)
    assert stack.json("PUT", path, {"name": "Pool 2"})[0] == 200
    assert stack.json("PUT", "/api/v1/contracts/5/0xac", {"symbol": "AC"})[0] == 201
    status, page = stack.json("GET", "/api/v1/contracts?chainId=5&perPage=1")
    assert status == 200 and [c["symbol"] for c in page["items"]] == ["AC"] and page["nextPage"] == "1", page
    page = stack.json("GET", "/api/v1/contracts?chainId=5&perPage=1&offset=1")[1]
    assert [c["name"] for c in page["items"]] == ["Pool 2"] and "nextPage" not in page, page
    for query, found in (("symbol=ac", 1), ("name=ool", 1), ("protocol=swap", 0), ("address=0XAB", 1), ("contractType=x", 0), ("version=1", 0)):
        assert len(stack.json("GET", "/api/v1/contracts?" + query)[1]["items"]) == found, query
    for bad in ({"name": "x" * 257}, {"abi": "x", "chainId": 3}, {"isProxy": "yes"}):
        assert stack.json("PUT", path, bad)[0] == 400, bad
    reader = made(stack, "key", "create", "--scope", "session:read")["key"]
    wait_for("it may read", lambda: stack.request("GET", path, headers={"Authorization": "ApiKey " + reader})[0] == 200, 10)
    assert stack.request("PUT", path, {}, {"Authorization": "ApiKey " + reader})[0] == 403
    foreign = made(stack, "key", "create", "--scope", "admin", "--tenant", "acme")["key"]
    for method in ("GET", "DELETE"):
        assert stack.request(method, path, headers={"Authorization": "ApiKey " + foreign})[0] == 404
    for path in (path, "/api/v1/contracts/5/0xAC"):
        assert stack.request("DELETE", path)[0] == 204 and stack.request("DELETE", path)[0] == 404
    for path in ("/api/v1/contracts/x/0xab", "/api/v1/contracts/0/0xab", "/api/v1/contracts/5/" + "a" * 129):
        assert stack.request("GET", path)[0] == 404, path


def how_people_get_in(stack):
    made(stack, "user", "create", "--name", "Grace", "--email", "grace@example.org", "--role", "admin")
    told = made(stack, "password-code", "Grace@example.org")
    assert told["path"] == "/#password=" + told["code"] and told["hours"] > 0, told
    assert len(admin(stack, "password-code", "grace@example.org").split()) == 1
    admin(stack, "password-code", "grace@example.org", "--tenant", "acme", code=1, err="is no member of acme")
    admin(stack, "password-code", code=2, err="usage: fairlead admin password-code EMAIL")
    pin = stack.cli("admin", "setup-pin", "--json")
    assert pin.returncode == 1 and "there is an administrator already" in pin.stderr or json.loads(pin.stdout)["pin"], pin


def nothing_is_deleted_that_nobody_is_sure_of(stack):
    user = made(stack, "user", "create", "--name", "kept")["id"]
    expect(subprocess.run([stack.bin, "admin", "user", "delete", user], env=stack.env, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL), 2, [], "say --yes")

    def answered(text):
        ours, theirs = pty.openpty()
        os.write(ours, text)
        try:
            return subprocess.run([stack.bin, "admin", "user", "delete", user], env=stack.env, capture_output=True, text=True, stdin=theirs)
        finally:
            os.close(ours)
            os.close(theirs)

    expect(answered(b"n\n"), 2, [], "nothing was done")
    assert made(stack, "user", "show", user)["name"] == "kept"
    expect(answered(b"y\n"), 0, ["deleted"], "user delete %s: really? [y/N]" % user)
    admin(stack, "user", "show", user, code=1, err="user not found")


def what_was_done_is_in_the_audit(stack):
    who = json.loads(admin(stack, "audit", "list", "--tenant", ".", "--action", "tenant.create", "--json").splitlines()[0])
    assert who["object"] == "tenant:acme" and who["actor"]["kind"] == "host" and who["actor"]["id"].startswith("host:"), who
    assert "key.create" in admin(stack, "audit", "list", "--action", "key.")
    lines = admin(stack, "audit", "export", "--all").splitlines()
    assert len(admin(stack, "audit", "export", "--all", "--csv").splitlines()) == 1 + len(lines)
    admin(stack, "audit", "list", "--outcome", "perhaps", code=2, err="--outcome must be")
    ends = [json.loads(line) for line in admin(stack, "audit", "verify", "--json").splitlines()]
    assert {e["tenant"] for e in ends} >= {".", "default"} and all(e["whole"] for e in ends), ends
    end = next(e for e in ends if e["tenant"] == "default")
    admin(stack, "audit", "verify", "--tenant", "default", "--anchor", "%d:%s" % (end["rows"], end["hash"]), out="ok")
    admin(stack, "audit", "verify", "--tenant", "default", "--anchor", "%d:%s" % (end["rows"], "0" * 64), code=1, out="FLAW")
    admin(stack, "audit", "verify", "--anchor", "x", code=2, err="--anchor must be")


def commands_are_told_of(stack):
    admin(stack, code=2, err="usage: fairlead admin tenant list")
    admin(stack, "nonsense", code=2, err='there is no "nonsense"')
    admin(stack, "key", "nonsense", code=2, err='there is no "nonsense"')
    admin(stack, "user", "show", code=2, err="usage: fairlead admin user show USER")
    admin(stack, "--help", out="fairlead admin contract list")
    assert "contract" not in admin(stack, "key", "--help", out="session:read")
    admin(stack, "key", "rotate", "--help", out="--grace SECONDS")
    admin(stack, "key", "list", "--grace", "5", code=2, err="--grace")
    admin(stack, "key", "create", "--days", "0", code=2, err="--days must be 1 to 36500")
    expect(stack.cli("completion", "words", "admin", "key", "rotate"), 0, "--grace --now --env --tenant --json --help")
    expect(stack.cli("completion", "words", "login"), 0, "--server --url --key --no-browser --help")
    expect(stack.cli("completion", "words", "admin"), 0, "contract")
    for command in ("webhook", "approve"):  # they have no notes
        assert "(null)" not in stack.cli(command, "--help").stdout
    with open(os.path.join(DOCS, "cli.md")) as f:
        assert f.read() == stack.cli("completion", "markdown").stdout, "docs/cli.md is not what the tables say; run: tools/docs-update BUILD_DIR"


def main():
    with Stack(sys.argv[1]) as stack:
        run_all([tenants, limits, users, roles, keys, a_member_who_leaves_takes_the_keys_along, namespaces, chats, sessions, contracts, contracts_over_rest, how_people_get_in,
                 nothing_is_deleted_that_nobody_is_sure_of, what_was_done_is_in_the_audit, commands_are_told_of], stack)


if __name__ == "__main__":
    main()
