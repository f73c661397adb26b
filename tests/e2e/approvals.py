"""Questions to people through the whole system: rows, answers, rules, sessions that remember, expiry. For parking.py's stack."""
from first_light import wait_for
from stack import Watcher

SCRIPT = """
a() { "$BIN" agent ask question --json "$@" | tr -d '\\n'; echo; }
a --tool Bash --input '{"command":"git status"}'
a --tool Bash --input '{"command":"git status -s"}'
a --tool Bash --input '{"command":"git statusx; rm"}'
a --tool Edit --input '{"file_path":"src/a.c","text":"1"}'
a --tool Edit --input '{"file_path":"src/a.c","text":"2"}'
a --tool Fetch --input '{"url":"https://example.org/"}' --timeout 1
a --tool Rule --input '{}'
"""


def submit(stack, script, **more):
    settings = {"argv": ["sh", "-c", script], "env": {"BIN": stack.bin}}
    body = {"prompt": "test", "repo": {"mode": "none"}, "runtime": {"type": "local"},
            "agents": [{"type": "command", "version": "latest", "settings": settings}]}
    body.update(more)
    status, answer = stack.json("POST", "/api/v1/tasks", body)
    assert status == 201, (status, answer)
    watcher = Watcher(stack, answer["session_ids"][0], 90)
    watcher.start()
    return watcher


def open_ones(stack, watcher):
    status, answer = stack.json("GET", "/api/v1/approvals?state=open&session=" + watcher.sid)
    assert status == 200, answer
    return answer["items"]


def asked(stack, watcher, text):
    """What a person is asked about that; what a rule answers is open for a moment, too."""
    def found():
        return [a for a in open_ones(stack, watcher) if text in str(a["input"])]
    wait_for("it asks about " + text, found, 20)
    return found()[0]


def answer(stack, approval, verb, **body):
    return stack.json("POST", "/api/v1/approvals/%s/%s" % (approval["id"], verb), body)


def key_of(stack, name, scopes):
    status, made = stack.json("POST", "/api/v1/keys", {"name": name, "scopes": scopes})
    assert status == 201, made
    return {"Authorization": "ApiKey " + made["key"]}


def one_answer_wins(stack, approval):
    other, viewer = key_of(stack, "other", ["session:write"]), key_of(stack, "viewer", ["session:read"])
    path = "/api/v1/approvals/%s/" % approval["id"]
    assert stack.json("POST", path + "approve", {}, viewer)[0] == 403
    assert stack.json("GET", "/api/v1/approvals", None, viewer)[0] == 403
    status, first = answer(stack, approval, "approve", scope="always")
    assert status == 200 and first["state"] == "allowed" and first["ruleId"], (status, first)
    status, again = answer(stack, approval, "approve", scope="always")
    assert status == 200 and again["commandId"] == first["commandId"], (status, again)
    status, late = stack.json("POST", path + "deny", {}, other)
    assert status == 409 and late["answeredBy"] and late["answeredAt"] and late["state"] == "allowed", (status, late)
    return first["ruleId"]


def resolutions(watcher):
    return [e for _, kind, e in watcher.events if kind == "permission_resolved"]


def questions_become_rows_and_rules_answer_for_people(stack):
    status, made = stack.json("POST", "/api/v1/approval-rules",
                              {"behavior": "deny", "tool": "Ru*", "everybody": True})
    assert status == 201, made
    watcher = submit(stack, SCRIPT)
    rule = one_answer_wins(stack, asked(stack, watcher, "status"))
    status = answer(stack, asked(stack, watcher, "rm"), "deny", message="not that", scope="always")[0]
    assert status == 400, status
    stack.kill9("scheduler")
    shells = asked(stack, watcher, "rm")
    assert shells["input"] == {"command": "git statusx; rm"}, shells
    assert answer(stack, shells, "deny", message="not that")[0] == 200
    edit = asked(stack, watcher, "'1'")
    assert answer(stack, edit, "approve", scope="session", input={"file_path": "b"})[0] == 200
    edit = asked(stack, watcher, "'2'")  # what was changed says nothing of the next
    assert answer(stack, edit, "approve", scope="session")[0] == 200
    watcher.join(60)
    assert watcher.ended and watcher.problem is None, watcher.problem
    lines = [e["message"] for _, kind, e in watcher.events if kind == "log"]
    words = ["allow", "allow", "deny", "allow", "allow", "deny", "deny"]
    assert len(lines) == len(words) and all(w in li for w, li in zip(words, lines)), lines
    assert '"message":"not that"' in lines[2] and '"updated_input":{"file_path":"b"}' in lines[3], lines
    assert "nobody answered in time" in lines[5] and "a rule denies it" in lines[6], lines
    told = resolutions(watcher)
    assert told[1]["by"] == "rule" and told[1]["rule_id"] == rule, told
    assert told[5]["outcome"] == "expired" and told[6]["rule_id"] == made["id"], told
    wait_for("all rows say how they ended", lambda: not open_ones(stack, watcher), 20)
    rows = stack.json("GET", "/api/v1/approvals?session=" + watcher.sid)[1]["items"]
    states = [r["state"] for r in reversed(rows)]
    assert states == ["allowed", "allowed", "denied", "allowed", "allowed", "expired", "denied"], rows
    for one in (rule, made["id"]):
        assert stack.json("DELETE", "/api/v1/approval-rules/" + one)[0] == 204


AGAIN = """
a() { "$BIN" agent ask question --tool Edit --json --input "{\\"file_path\\":\\"$1\\"}" | tr -d '\\n'; echo; }
a src/x
"$BIN" agent ask enough || exit 1
"""


def what_was_allowed_for_a_session_outlives_its_attempt(stack):
    watcher = submit(stack, AGAIN, max_attempts=2)
    assert answer(stack, asked(stack, watcher, "src/x"), "approve", scope="session")[0] == 200
    for verb in ("deny", "approve"):
        def enough():
            return [a["id"] for a in open_ones(stack, watcher) if a["title"] == "enough"]
        wait_for("it asks for the end", enough, 20)
        done = stack.cli(verb, enough()[0], "--url", "http://127.0.0.1:%d" % stack.port, "--key", stack.key)
        assert done.returncode == 0, done.stderr
    watcher.join(60)
    assert watcher.ended and watcher.problem is None, watcher.problem
    lines = [e["message"] for _, kind, e in watcher.events if kind == "log" and "behavior" in e["message"]]
    assert len(lines) == 2 and all('"allow"' in li for li in lines), lines
    told = [(e["by"] == "rule", e["behavior"]) for e in resolutions(watcher)]
    assert told == [(False, "allow"), (False, "deny"), (True, "allow"), (False, "allow")], told


TESTS = [questions_become_rows_and_rules_answer_for_people, what_was_allowed_for_a_session_outlives_its_attempt]
