"""Secrets through the whole system: given by name, used by an agent, and seen nowhere. For agents.py's stack."""
import base64
import hashlib
import os

from stack import Watcher

TOKEN = "t0k3n-of-the-%s" % os.urandom(6).hex()
KEY = "-----BEGIN E2E-----\n%s\n-----END E2E-----" % os.urandom(24).hex()
SCRIPT = """
set -f
[ "$(printf %s "$E2E_TOKEN" | sha256sum | cut -c1-16)" = TOKENSUM ] && echo token is right
[ "$(sha256sum < "$E2E_KEY_FILE" | cut -c1-16)" = KEYSUM ] && echo key is right
[ "$OTHER" = "$E2E_TOKEN" ] && echo other is right
stat -c %a "$E2E_KEY_FILE"
echo "token $E2E_TOKEN"
echo "error $E2E_TOKEN" >&2
printf %s "$OTHER" | base64
for part in $(printf %s "$OTHER" | sed 's/./& /g'); do printf %s "$part"; done; echo
cat "$E2E_KEY_FILE"; echo
"$BIN" agent ask question --json --tool "$E2E_TOKEN" --input '{}' --timeout 1 >/dev/null
echo over
"""


def put(stack, name, value, *more):
    made = stack.cli("secret", "set", name, *more, input=value)
    assert made.returncode == 0 and value not in made.stdout + made.stderr, made


def submit(stack, secrets):
    script = SCRIPT.replace("TOKENSUM", hashlib.sha256(TOKEN.encode()).hexdigest()[:16])
    script = script.replace("KEYSUM", hashlib.sha256(KEY.encode()).hexdigest()[:16])
    settings = {"argv": ["sh", "-c", script], "secrets": secrets, "env": {"BIN": stack.bin}}
    status, answer = stack.json("POST", "/api/v1/tasks", {
        "prompt": "test", "repo": {"mode": "none"}, "runtime": {"type": "local"},
        "agents": [{"type": "command", "version": "latest", "settings": settings}]})
    return status, answer


def follow(stack, secrets):
    status, answer = submit(stack, secrets)
    assert status == 201, answer
    watcher = Watcher(stack, answer["session_ids"][0], 60)
    watcher.start()
    watcher.join(60)
    assert watcher.ended and watcher.problem is None, watcher.problem
    return watcher


def holds(path, values):
    with open(path, "rb") as f:
        data = f.read()
    return any(v.encode() in data for v in values)


def nowhere_on_disk(stack, values):
    """Redis, PostgreSQL, journals and logs; the test's own prompt holds none of these."""
    found = []
    for folder, _, names in os.walk(stack.home):
        for name in names:
            path = os.path.join(folder, name)
            try:
                if os.path.isfile(path) and holds(path, values):
                    found.append(path)
            except FileNotFoundError:
                pass
    assert not found, found


def secrets_are_given_by_name_and_seen_nowhere(stack):
    put(stack, "E2E_TOKEN", TOKEN)
    put(stack, "E2E_KEY", KEY + "\n")
    listed = stack.cli("secret", "list", "--json").stdout
    assert "E2E_TOKEN" in listed and TOKEN not in listed and "lastUsedAt" not in listed, listed
    watcher = follow(stack, ["E2E_TOKEN", {"name": "E2E_KEY", "file": ".config/key"},
                             {"name": "E2E_TOKEN", "as": "OTHER"}])
    lines = [e["message"] for _, kind, e in watcher.events if kind == "log" and e["stream"] == "stdout"]
    mark = "[REDACTED:E2E_TOKEN]"
    assert lines[:4] == ["token is right", "key is right", "other is right", "600"], (lines, watcher.events)
    assert lines[4] == "token " + mark and lines[5].startswith(mark) and lines[6] == mark, lines
    assert lines[7:] == ["[REDACTED:E2E_KEY]", "over"], lines
    text = str(watcher.events)
    for value in (TOKEN, KEY.split("\n")[1], base64.b64encode(TOKEN.encode()).decode()[:20]):
        assert value not in text, value
    assert "error " + mark in text
    assert any(e["tool_name"] == mark for _, kind, e in watcher.events if kind == "permission_request"), text
    status, printed = stack.json("GET", "/api/v1/sessions/%s/process-log" % watcher.sid)
    assert status == 200 and [i["message"] for i in printed["items"] if i["stream"] == "stdout"] == lines, printed
    assert "lastUsedAt" in stack.cli("secret", "list", "--json").stdout
    nowhere_on_disk(stack, [KEY.split("\n")[1]])


def a_secret_that_is_not_there_is_named(stack):
    assert stack.cli("secret", "rm", "E2E_KEY").returncode == 0
    assert stack.cli("secret", "rm", "E2E_KEY").returncode != 0
    watcher = follow(stack, ["E2E_KEY"])
    last = [e for _, kind, e in watcher.events if kind == "status"][-1]
    assert last["status"] == "failed" and "there is no secret E2E_KEY" in last["reason"], last
    status, answer = submit(stack, ["lower", {"name": "E2E_TOKEN", "as": "FAIRLEAD_X"},
                                    {"name": "E2E_TOKEN", "file": "../x"}])
    assert status == 400 and set(answer["errors"]) == {
        "agents[0].settings.secrets[0].name", "agents[0].settings.secrets[1].as",
        "agents[0].settings.secrets[2].file"}, answer


def secrets_are_an_administrators(stack):
    status, made = stack.json("POST", "/api/v1/keys", {"name": "writer", "scopes": ["task:write"]})
    assert status == 201, made
    writer = {"Authorization": "ApiKey " + made["key"]}
    assert stack.json("PUT", "/api/v1/secrets/E2E_TOKEN", {"value": "another one"}, writer)[0] == 403
    assert stack.json("DELETE", "/api/v1/secrets/E2E_TOKEN", None, writer)[0] == 403
    assert stack.json("GET", "/api/v1/secrets", None, writer)[1]["items"][0]["name"] == "E2E_TOKEN"
    assert stack.json("PUT", "/api/v1/secrets/E2E_TOKEN", {"value": "short"})[0] == 400
    assert stack.json("PUT", "/api/v1/secrets/E2E_TOKEN", {"value": "long enough", "project": "nope"})[0] == 400
    acts = stack.json("GET", "/api/v1/audit?perPage=100")[1]["items"]
    put_ones = [a for a in acts if a["action"] == "secret.put"]
    assert any("E2E_TOKEN" in str(a) for a in put_ones) and TOKEN not in str(acts), put_ones


TESTS = [secrets_are_given_by_name_and_seen_nowhere, a_secret_that_is_not_there_is_named, secrets_are_an_administrators]
