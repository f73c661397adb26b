#!/usr/bin/python3
"""An agent as people write one on the ACP SDK (tests/standins/acp_agent.mjs), in a whole system: its files and terminals
are the worker's, its questions are people's.

usage: acp_agents.py BIN_DIR [TEST...]
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from first_light import wait_for  # noqa: E402
from sockets import Socket  # noqa: E402
from stack import Stack, Watcher, run_all  # noqa: E402

SDK = os.path.join(HERE, "..", "agents", "node_modules", "@agentclientprotocol", "sdk")
SKIPPED = 77


def sdk_agent(**more):
    argv = ["node", os.path.join(HERE, "..", "standins", "acp_agent.mjs"), SDK]
    return {"type": "acp", "version": "latest", "settings": dict({"argv": argv}, **more)}


class Session:
    """A task's session that is followed and steered."""

    def __init__(self, stack, agent, prompt):
        body = {"prompt": prompt, "repo": {"mode": "none"}, "runtime": {"type": "local"}, "agents": [agent]}
        status, answer = stack.json("POST", "/api/v1/tasks", body)
        assert status == 201, (status, answer)
        self.stack, self.sid = stack, answer["session_ids"][0]
        self.watcher = Watcher(stack, self.sid, 90)
        self.watcher.start()

    def all(self, *kinds):
        return [e for _, kind, e in self.watcher.events if kind in kinds]

    def await_count(self, kind, count):
        def there():
            assert not self.watcher.ended or len(self.all(kind)) >= count, self.watcher.events
            return len(self.all(kind)) >= count
        wait_for("%s: %d of %s" % (self.sid, count, kind), there, 60)
        return self.all(kind)[count - 1]

    def end(self, status="completed"):
        self.watcher.join(95)
        assert self.watcher.ended and self.watcher.problem is None and not self.watcher.gaps, self.watcher.problem
        assert self.watcher.numbers() == list(range(1, len(self.watcher.events) + 1)), self.watcher.numbers()
        session = self.stack.json("GET", "/api/v1/sessions/" + self.sid)[1]
        assert session["status"] == status, (session, self.watcher.events)
        return self

    def answer(self, ask, verb, **body):
        path = "/api/v1/approvals/" + ask["request_id"]
        wait_for("the row of " + path, lambda: self.stack.json("GET", path)[0] == 200, 30)
        status, answer = self.stack.json("POST", "%s/%s" % (path, verb), body)
        assert status in (200, 202), (status, answer)

    def say(self, **frame):
        ws = Socket(self.stack, "/ws/consumer/" + self.sid)
        ws.say(dict(frame, ref="it"))
        while True:
            reply = ws.next()
            if reply.get("ref") == "it":
                break
        ws.close()
        assert reply["type"] == "ack", reply
        return reply["command_id"]

    def said(self):
        return [e["content"] for e in self.all("message") if e["role"] == "assistant"]

    def outcome(self, command):
        wait_for("the end of " + command,
                 lambda: any(e["command_id"] == command for e in self.all("command_finished")), 60)
        return [e for e in self.all("command_finished") if e["command_id"] == command][0]


def results(session):
    return [(e["tool_name"], e["status"]) for e in session.all("tool_result")]


# ---- an agent on the SDK ----

def an_agent_on_the_sdk_streams_its_words(stack):
    s = Session(stack, sdk_agent(), "say one two three").end()
    assert "".join(e["delta"] for e in s.all("message_delta")) == "one two three ", s.watcher.events
    assert s.said() == ["one two three "], s.said()
    assert s.all("cost")[-1]["usd"] == 0.01, s.all("cost")
    assert [e["stop_reason"] for e in s.all("turn_finished")] == ["end_turn"]
    can = s.all("capabilities")[-1]
    assert can["agent"] == "acp" and set(can["features"]) >= {"interrupt", "set_mode", "images", "resume"}, can
    s = Session(stack, sdk_agent(), "think hard about it").end()
    assert "".join(e["thought"] for e in s.all("thought")) == "hard about it", s.all("thought")
    s = Session(stack, sdk_agent(), "plan one,two").end()
    assert [e["content"] for e in s.all("plan")[-1]["entries"]] == ["one", "two"], s.all("plan")


def its_edit_is_asked_for_and_goes_through_the_worker(stack):
    s = Session(stack, sdk_agent(), "edit a/b.txt hello there")
    ask = s.await_count("permission_request", 1)
    assert ask["tool_name"] == "edit" and ask["diff"]["newText"] == "hello there\n", ask
    assert [o["kind"] for o in ask["options"]] == ["allow_once", "allow_always", "reject_once"], ask
    s.answer(ask, "approve")
    s.end()
    assert results(s) == [("edit", "completed")] and s.said() == ["Written."], s.watcher.events
    assert any(e.get("newText") == "hello there\n" and e["path"].endswith("a/b.txt") for e in s.all("diff")), s.all("diff")


def its_edit_is_denied(stack):
    s = Session(stack, sdk_agent(), "edit a.txt hello")
    s.answer(s.await_count("permission_request", 1), "deny", message="not that file")
    s.end()
    assert results(s) == [("edit", "failed")] and s.said() == ["Then not."], s.watcher.events
    assert s.all("tool_result")[0]["tool_output"] == "not that file" and not s.all("diff"), s.watcher.events


def its_command_runs_on_a_terminal_of_the_worker(stack):
    s = Session(stack, sdk_agent(mode="auto"), "run pwd; echo $FAIRLEAD_SESSION_ID; exit 3").end()
    output = s.all("tool_result")[0]["tool_output"].split()
    workspace = [e for e in s.all("status") if "workspace" in e][0]["workspace"]["path"]
    assert output == [workspace, s.sid], (output, workspace)
    assert results(s) == [("execute", "failed")] and s.said() == ["It ended with 3."], s.watcher.events
    assert not s.all("permission_request"), "it was told not to ask"


def it_is_interrupted_told_another_mode_and_goes_on(stack):
    s = Session(stack, sdk_agent(interactive=True), "slow")
    s.await_count("message_delta", 2)
    assert s.outcome(s.say(type="interrupt"))["outcome"] == "done"
    assert s.await_count("turn_finished", 1)["stop_reason"] == "interrupted", s.all("turn_finished")
    assert s.outcome(s.say(type="set_permission_mode", mode="auto"))["outcome"] == "done"
    assert s.outcome(s.say(type="set_permission_mode", mode="none"))["outcome"] == "failed"
    assert s.outcome(s.say(type="user_message", content="run true"))["outcome"] == "done"
    assert results(s) == [("execute", "completed")] and not s.all("permission_request"), s.watcher.events
    assert s.outcome(s.say(type="user_message", content="fail 429 too much"))["outcome"] == "failed"
    assert s.all("error")[-1]["code"] == "rate_limit", s.all("error")
    stack.json("POST", "/api/v1/sessions/%s/stop" % s.sid, {})
    s.watcher.join(60)
    assert s.watcher.ended


def its_question_survives_the_worker(stack):
    s = Session(stack, sdk_agent(), "edit a.txt hello")
    first = s.await_count("permission_request", 1)
    stack.kill9("worker")
    second = s.await_count("permission_request", 2)
    assert first["request_id"] != second["request_id"]
    s.answer(second, "approve")
    s.end()
    assert second["request_id"] in [e["request_id"] for e in s.all("permission_resolved")], s.watcher.events
    assert s.said()[-1] == "Written.", s.said()


# ---- what it may cost, and how long it may take ----

def used(s, usd):
    """The ledger follows the log."""
    path = "/api/v1/sessions/%s/usage" % s.sid
    wait_for("%s has used %s" % (s.sid, usd), lambda: s.stack.json("GET", path)[1]["usd"] == usd, 20)


def stopped(s, status, reason):
    s.end(status)
    session = s.stack.json("GET", "/api/v1/sessions/" + s.sid)[1]
    assert s.all("status")[-1].get("reason") == reason, (session, s.all("status"))


def its_budget_is_asked_about_and_raised_once(stack):
    s = Session(stack, sdk_agent(interactive=True, budget={"softUsd": 0.01, "hardUsd": 0.018}), "say one")
    s.await_count("turn_finished", 1)
    s.say(type="user_message", content="say two")
    s.say(type="user_message", content="say three")
    ask = s.await_count("permission_request", 1)
    assert ask["tool_name"] == "budget" and ask["input"]["usd"] == 0.02, ask
    assert [e["level"] for e in s.all("budget")] == ["soft", "hard"], s.all("budget")
    s.answer(ask, "approve")
    s.await_count("turn_finished", 3)
    s.say(type="user_message", content="say four")
    ask = s.await_count("permission_request", 2)
    assert ask["input"]["hard_usd"] == 0.036, ask
    s.answer(ask, "deny")
    stopped(s, "stopped", "the budget is spent")
    used(s, len(s.all("cost")) * 0.01)
    # Its retry draws on the same budget: what is spent is spent.
    status, answer = stack.json("POST", "/api/v1/sessions/%s/retry" % s.sid)
    assert status == 201, answer
    again = answer.get("sessionId") or answer["id"]
    path = "/api/v1/approvals?state=open&session=" + again
    wait_for("the retry is asked about", lambda: stack.json("GET", path)[1]["items"], 30)
    stack.json("POST", "/api/v1/sessions/%s/stop" % again, {})


def its_tenants_budget_is_asked_about_until_it_has_room(stack):
    path = "/api/v1/budgets/tenant/default/month"
    s = Session(stack, sdk_agent(interactive=True), "say one")
    s.await_count("turn_finished", 1)
    used(s, 0.01)
    status, answer = stack.json("PUT", path, {"hardUsd": 0.001})
    assert status == 201, (status, answer)
    said = [1]

    def asked():
        if len(s.all("turn_finished")) >= said[0]:
            said[0] += 1
            s.say(type="user_message", content="say more")
        return s.all("permission_request")
    wait_for("it is asked about", asked, 60)
    late = Session(stack, sdk_agent(interactive=True), "say one")
    why = "/api/v1/sessions/%s/why" % late.sid
    wait_for("another waits", lambda: stack.json("GET", why)[1]["reason"]["code"] == "budget", 30)
    ask = s.all("permission_request")[0]
    assert ask["tool_name"] == "budget" and ask["input"]["of"] == "tenant", ask
    assert stack.json("DELETE", path)[0] == 204
    gone = s.await_count("permission_resolved", 1)
    assert gone["outcome"] == "withdrawn", gone
    late.await_count("turn_finished", 1)
    for session in (s, late):
        stack.json("POST", "/api/v1/sessions/%s/stop" % session.sid, {})


def it_is_ended_when_nobody_asks_or_nothing_comes(stack):
    body = {"prompt": "say one", "repo": {"mode": "none"}, "runtime": {"type": "local"},
            "agents": [sdk_agent(interactive=True, idle_timeout_s=1)]}
    idle = stack.json("POST", "/api/v1/tasks", body)[1]["session_ids"][0]
    seen = Session(stack, sdk_agent(interactive=True, idle_timeout_s=1), "say one")
    still = Session(stack, sdk_agent(mode="auto", progress_timeout_s=2), "run sleep 60")
    old = Session(stack, sdk_agent(interactive=True, life_s=3), "say one")
    stopped(still, "failed", "no progress for 2 s")
    stopped(old, "failed", "it may take no more than 3 s")
    wait_for("nobody looks at it", lambda: stack.json("GET", "/api/v1/sessions/" + idle)[1]["status"] == "stopped", 20)
    moves = [e for e in seen.all("status") if e["status"] == "stopped"]
    assert not moves, moves  # somebody follows it
    stack.json("POST", "/api/v1/sessions/%s/stop" % seen.sid, {})


def main():
    if not os.path.isdir(os.path.join(SDK, "dist")):
        print("skipped: the ACP SDK is not installed: tools/install-npm tests/agents", flush=True)
        return SKIPPED
    only = sys.argv[2:]
    tests = [an_agent_on_the_sdk_streams_its_words, its_edit_is_asked_for_and_goes_through_the_worker,
             its_edit_is_denied, its_command_runs_on_a_terminal_of_the_worker,
             it_is_interrupted_told_another_mode_and_goes_on, its_question_survives_the_worker,
             its_budget_is_asked_about_and_raised_once,
             its_tenants_budget_is_asked_about_until_it_has_room, it_is_ended_when_nobody_asks_or_nothing_comes]
    with Stack(sys.argv[1]) as stack:
        run_all([t for t in tests if not only or t.__name__ in only], stack)
    return 0


if __name__ == "__main__":
    sys.exit(main())
