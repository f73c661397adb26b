#!/usr/bin/python3
"""The real agent CLIs, in sessions, against a stand-in model server, in a network namespace that has nothing but
loopback. Which CLIs there are, and what each is asked to do, are rows of AGENTS.

usage: real_agents.py BIN_DIR [whole] [AGENT [CASE]]
whole: also what takes too long for every run. Needs tools/install-npm tests/agents; a CLI that is not installed is skipped, and said to be.
"""
import base64
import concurrent.futures
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "standins")]
from first_light import wait_for  # noqa: E402
from model import Messages, Model, text, thought, tool  # noqa: E402
from model_gemini import Gemini  # noqa: E402
from model_openai import Completions, Responses  # noqa: E402
from sockets import Socket  # noqa: E402
from stack import Stack, Watcher  # noqa: E402

MODULES = os.path.join(HERE, "..", "agents", "node_modules")
SKIPPED = 77
IN_NAMESPACE = "LOOPBACK_ONLY"
FIXTURES = os.path.join(HERE, "..", "fixtures")
ADAPTERS = os.path.join(HERE, "..", "..", "worker", "adapters")
AT_ONCE = 3  # sessions: two cores are there for all
NODE = {"gemini": 20}  # the oldest that runs it


def node_version():
    """The major number; 0: there is none."""
    try:
        return int(subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout[1:].split(".")[0])
    except (OSError, ValueError, subprocess.CalledProcessError):
        return 0


class Agent:
    """How one CLI is started and what its tools are called: a row."""

    def __init__(self, kind, program, protocol, settings, shell, write, cases, whole=None, setting=None):
        self.kind, self.protocol, self.settings = kind, protocol, settings
        self.package, self.whole = program, {**cases, **(whole or {})}
        self.program = os.path.join(MODULES, program)
        self.setting = setting or "FAIRLEAD_WORKER_AGENT_" + kind.upper().replace("-", "_")
        self.shell, self.write, self.cases = shell, write, cases
        self.model = None

    def lacks(self):
        """What it needs and this machine has not; Debian 12 has Node.js 18."""
        if not os.path.exists(self.program):
            return "it is not installed: tools/install-npm tests/agents"
        if NODE.get(self.kind, 0) > node_version():
            return "it needs Node.js %d" % NODE[self.kind]
        return None


class Session:
    """One session of a CLI, followed."""

    def __init__(self, stack, agent, prompt, repo=None, **settings):
        self.stack, self.agent = stack, agent
        made = agent.settings(agent.model)
        made.update(settings)
        body = {"prompt": prompt, "repo": repo or {"mode": "none"}, "runtime": {"type": "local"},
                "agents": [{"type": agent.kind, "settings": made}]}
        status, answer = stack.json("POST", "/api/v1/tasks", body)
        assert status == 201, (status, answer)
        self.sid = answer["session_ids"][0]
        self.watcher = Watcher(stack, self.sid, 240)
        self.watcher.start()

    def events(self, kind=None):
        return [dict(e, type=k) for _, k, e in list(self.watcher.events) if kind in (None, k)]

    def await_event(self, kind, count=1, seconds=120):
        wait_for("%d of %s in %s" % (count, kind, self.sid), lambda: len(self.events(kind)) >= count, seconds)
        return self.events(kind)[count - 1]

    def ended(self, status="completed"):
        self.watcher.join(240)
        assert self.watcher.ended and self.watcher.problem is None, (self.watcher.problem, self.events())
        assert self.events("status")[-1]["status"] == status, self.events()

    def answer(self, verb, request, **body):
        """Its row follows the event in a moment."""
        path = "/api/v1/approvals/" + request
        wait_for("the question %s is known" % request, lambda: self.stack.json("GET", path)[0] == 200, 20)
        return self.stack.json("POST", "/api/v1/approvals/%s/%s" % (request, verb), body)

    def approve(self, request, **body):
        status, answer = self.answer("approve", request, **body)
        assert status == 200, (status, answer)

    def deny(self, request, **body):
        status, answer = self.answer("deny", request, **body)
        assert status == 200, (status, answer)

    def prompt(self, words):
        status, answer = self.stack.json("POST", "/api/v1/sessions/%s/prompt" % self.sid, {"prompt": words})
        assert status == 202, (status, answer)

    def tell(self, **frame):
        """On the consumer's socket."""
        ws = Socket(self.stack, "/ws/consumer/" + self.sid)
        ws.say(frame)
        ws.next()
        return ws

    def said(self):
        return [m["content"] for m in self.events("message") if m["role"] == "assistant"]

    def file(self, name):
        """What that file of the workspace has; None: it is not there (any more)."""
        running = [s for s in self.events("status") if s["status"] == "running"][-1]
        try:
            with open(os.path.join(running["workspace"]["path"], name), encoding="utf-8") as f:
                return f.read()
        except OSError:
            return None


# ---- what is installed ----

def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def pinned(agent):
    """The version that tests/agents/package.json wants."""
    wanted = json.loads(read(HERE, "..", "agents", "package.json"))
    wanted = dict(wanted["dependencies"], **wanted["optionalDependencies"])
    return [version for name, version in wanted.items() if agent.package.startswith(name)][0]


def alone(agent, *argv):
    """Its program by itself, with a home that goes away."""
    home = tempfile.mkdtemp(prefix="fairlead-agents.")
    env = {"PATH": os.environ["PATH"], "HOME": home, "NO_COLOR": "1"}
    runs = ["node", agent.program] if agent.program.endswith(".js") else [agent.program]
    return home, subprocess.Popen([*runs, *argv], env=env, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True)


def said_alone(agent, *argv):
    home, process = alone(agent, *argv)
    try:
        return home, process.communicate(timeout=60)[0]
    finally:
        process.kill()


def names_of_codex(agent):
    """Of the schema that it writes."""
    home, _ = said_alone(agent, "app-server", "generate-ts", "--out", "names")
    try:
        def names(path, member, kind):
            return {"%s %s" % (kind, n) for n in re.findall(r'"%s": "([^"]+)"' % member, read(home, "names", path))}
        return (names("ClientRequest.ts", "method", "client") | names("ServerRequest.ts", "method", "request")
                | names("ServerNotification.ts", "method", "notification") | names("v2/ThreadItem.ts", "type", "item"))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def document_of_opencode(agent):
    home, process = alone(agent, "serve", "--port", "0", "--hostname", "127.0.0.1")
    try:
        line = next(said for said in process.stdout if "listening on " in said)
        with urllib.request.urlopen(line.split("listening on ")[1].strip() + "/doc", timeout=60) as reply:
            return json.load(reply)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(home, ignore_errors=True)


def names_of_opencode(agent):
    """Of the document of its server; what stands below /api is another generation of it."""
    doc = document_of_opencode(agent)
    schemas = doc["components"]["schemas"]

    def types(union, kind):
        for one in schemas[union]["anyOf"]:
            rule = schemas[one["$ref"].rpartition("/")[2]]["properties"]["type"]
            yield "%s %s" % (kind, rule.get("const") or rule["enum"][0])
    paths = {"path %s %s" % (method.upper(), path) for path, methods in doc["paths"].items() for method in methods
             if not path.startswith("/api/") and method in ("get", "post", "put", "patch", "delete")}
    return paths | set(types("Event", "event")) | set(types("Part", "part"))


def is_as_its_fixture_says(agent, names):
    first, *wanted = read(FIXTURES, agent.kind, "schema.txt").splitlines()
    assert pinned(agent) in first, first
    have = names(agent)
    assert have == set(wanted), (sorted(have - set(wanted)), sorted(set(wanted) - have))


def knows_what_is_asked_of_it(agent):
    """It ships no schema of ACP, but its own code."""
    asked = {name for path in os.listdir(ADAPTERS) if path.startswith("acp") and path.endswith(".c")
             for name in re.findall(r'"((?:session|fs|terminal)/[a-z_]+)"', read(ADAPTERS, path))}
    assert {"session/new", "session/prompt", "session/load"} <= asked, asked
    folder = os.path.dirname(agent.program)
    for path in sorted(os.listdir(folder)):
        if path.startswith("gemini-") and path.endswith(".js"):  # the part that speaks it
            code = read(folder, path)
            asked = {name for name in asked if '"%s"' % name not in code}
    assert not asked, asked


def what_is_installed_is_what_the_adapter_was_written_for(_, agent):
    home, told = said_alone(agent, "--version")
    shutil.rmtree(home, ignore_errors=True)
    assert pinned(agent) in told, (pinned(agent), told)
    check = agent.whole[what_is_installed_is_what_the_adapter_was_written_for]
    if check is not None:
        check(agent)


# ---- cases ----

def text_is_streamed_and_its_cost_is_told(stack, agent):
    agent.model.script("hello", [[thought("let me think"), text("Hello there, you.")]])
    s = Session(stack, agent, "#hello say hello")
    s.ended()
    assert "".join(d["delta"] for d in s.events("message_delta")) == "Hello there, you.", s.events()
    assert len(s.events("message_delta")) > 1, s.events()
    assert s.said() == ["Hello there, you."], s.events()
    if "thought" in agent.whole[text_is_streamed_and_its_cost_is_told]:
        assert "".join(t["thought"] for t in s.events("thought")) == "let me think", s.events()
    usage = s.events("usage")[-1]
    assert usage["input_tokens"] > 0 and usage["output_tokens"] > 0 and usage["model"], usage
    if "usd" in agent.whole[text_is_streamed_and_its_cost_is_told]:
        assert s.events("cost")[-1]["usd"] > 0, s.events()
    kinds = [e["type"] for e in s.events()]
    assert kinds.index("capabilities") < kinds.index("turn_started") < kinds.index("message_delta"), kinds
    assert s.events("turn_finished")[-1]["stop_reason"] == "end_turn", s.events()
    assert len(s.events("agent_session")) == 1 and not s.events("error"), s.events()


def asks(stack, agent, name, command, **settings):
    agent.model.script(name, [[text("I run it."), agent.shell(command)], [text("So be it.")]])
    s = Session(stack, agent, "#%s run it" % name, **settings)
    return s, s.await_event("permission_request")


def a_tool_is_approved_and_approved_only_once(stack, agent):
    s, ask = asks(stack, agent, "approved", "echo approved >>made")
    assert "echo approved" in str(ask["input"]) and {o["kind"] for o in ask["options"]} >= {"allow_once", "reject_once"}
    s.await_event("parked")
    s.approve(ask["request_id"])
    status, answer = s.answer("deny", ask["request_id"])
    assert status == 409, (status, answer)
    s.await_event("tool_result")
    s.ended()
    assert s.events("tool_result")[0]["status"] == "completed", s.events()
    assert len(s.events("permission_resolved")) == 1 and len(s.events("permission_request")) == 1, s.events()
    assert s.events("file_edit")[0]["file_path"] == "made", s.events()
    assert s.events("diff")[-1]["newText"] == "approved\n", s.events()


def a_tool_is_denied_with_a_word_for_the_agent(stack, agent):
    s, ask = asks(stack, agent, "denied", "touch never")
    s.deny(ask["request_id"], message="rather not, said the person")
    s.ended()
    assert s.said()[-1] == "So be it." and not s.events("file_edit"), s.events()
    assert "rather not, said the person" in str(agent.model.requests("denied")[-1]), agent.model.requests("denied")[-1]


def a_tool_is_denied(stack, agent):
    """By a CLI that is not told why."""
    s, ask = asks(stack, agent, "refused", "touch never")
    s.deny(ask["request_id"])
    s.ended()
    assert s.said()[-1] == "So be it." and not s.events("file_edit"), s.events()
    assert s.events("tool_result")[0]["status"] == "failed", s.events()


def a_tool_runs_with_an_edited_input(stack, agent):
    s, ask = asks(stack, agent, "edited", "echo asked >made")
    s.approve(ask["request_id"], input=dict(ask["input"], command="echo edited >made"))
    s.ended()
    assert s.events("diff")[-1]["newText"] == "edited\n", s.events()


def an_edited_input_never_runs_as_it_was(stack, agent):
    """By a CLI that takes no other input with a yes: some can be told in words."""
    s, ask = asks(stack, agent, "reworded", "echo asked >made")
    s.approve(ask["request_id"], input=dict(ask["input"], command="echo edited >made"))
    s.ended()
    assert s.said()[-1] == "So be it." and not s.events("file_edit"), s.events()
    if agent.whole[an_edited_input_never_runs_as_it_was] == "told":
        assert "echo edited" in str(agent.model.requests("reworded")[-1]), agent.model.requests("reworded")[-1]


def its_cost_is_looked_up_once_there_is_a_price(stack, agent):
    """A name of its own: no other session has a price."""
    model = agent.whole[its_cost_is_looked_up_once_there_is_a_price]
    agent.model.script("cost", [[text("It costs.")]])
    s = Session(stack, agent, "#cost go", interactive=True, model=model, budget={"hardUsd": 1000})
    s.await_event("turn_finished")
    assert s.events("usage")[-1]["priced"] == "unknown" and not s.events("cost"), s.events()
    assert len([n for n in s.events("note") if model in n["message"] and "no price" in n["message"]]) == 1, s.events()
    status, answer = stack.json("PUT", "/api/v1/prices/" + model, {"input": 1000, "output": 2000})
    assert status == 200, (status, answer)
    turns = [1]

    def costs():
        if len(s.events("turn_finished")) >= turns[0]:
            turns[0] += 1
            s.prompt("#cost again")
        return s.events("cost")
    wait_for("it costs something", costs, 60)
    assert s.events("cost")[0]["source"] == "table" and s.events("cost")[0]["usd"] > 0, s.events("cost")
    assert s.stack.json("POST", "/api/v1/sessions/%s/stop" % s.sid, {})[0] == 202
    s.ended("stopped")


def a_question_is_answered_after_its_worker_was_killed(stack, agent):
    s, ask = asks(stack, agent, "killed", "echo survived >made")
    stack.lose_worker.wait(120)
    again = s.await_event("permission_request", 2, 90)
    assert again["request_id"] != ask["request_id"], again
    status, answer = s.answer("approve", ask["request_id"])
    assert status in (404, 409, 410), (status, answer)
    s.approve(again["request_id"])
    s.ended()
    old = [e for e in s.events("permission_resolved") if e["request_id"] == ask["request_id"]]
    assert len(old) == 1 and old[0]["by"] == "agent", s.events("permission_resolved")
    assert s.events("diff")[-1]["newText"] == "survived\n", s.events()


def a_file_is_written_with_its_diff(stack, agent):
    agent.model.script("write", [[agent.write("made.txt", "one\ntwo\n")], [text("Written.")]])
    s = Session(stack, agent, "#write a file")
    s.approve(s.await_event("permission_request")["request_id"])
    s.ended()
    tools = [e for e in s.events("diff") if e.get("tool_execution_id")]
    assert tools and tools[0]["path"] == "made.txt" and tools[0]["newText"] == "one\ntwo\n", s.events("diff")
    assert s.events("file_edit")[0]["lines_added"] == 2, s.events()


def a_turn_is_interrupted_and_another_follows(stack, agent):
    agent.model.script("slow", [[text("word " * 300, pause_s=0.1)]])
    agent.model.script("after", [[text("Here I am.")]])
    s = Session(stack, agent, "#slow talk")
    s.await_event("message_delta", 3)
    began = time.monotonic()
    ws = s.tell(type="interrupt")
    assert s.await_event("turn_finished")["stop_reason"] == "interrupted", s.events()
    assert time.monotonic() - began < 10, "it took too long"
    ws.close()
    s.prompt("#after and then?")
    s.ended()
    assert s.said()[-1] == "Here I am.", s.events()


def the_model_is_changed(stack, agent):
    agent.model.script("first", [[text("With the first.")]])
    agent.model.script("second", [[text("With the second.")]])
    s = Session(stack, agent, "#first go", interactive=True)
    s.await_event("turn_finished")
    s.await_event("parked")
    ws = s.tell(type="set_model", model=agent.whole[the_model_is_changed])
    wait_for("the model is changed", lambda: any(e["outcome"] == "done" for e in s.events("command_finished")), 30)
    ws.close()
    s.prompt("#second go")
    s.await_event("turn_finished", 2)
    assert agent.model.requests("second")[-1]["model"] == agent.whole[the_model_is_changed].split("/")[-1]
    assert agent.model.requests("first")[0]["model"] != agent.whole[the_model_is_changed].split("/")[-1]
    assert s.stack.json("POST", "/api/v1/sessions/%s/stop" % s.sid, {})[0] == 202
    s.ended("stopped")


def png(side):
    """A picture of no pattern, so that it is as large as it looks."""
    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + random.Random(row).randbytes(3 * side) for row in range(side))
    return (b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
            + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b""))


def upload(stack, name, data):
    status, _, raw = stack.request("POST", "/api/v1/uploads?name=" + name, data, {"Content-Type": "application/octet-stream"})
    assert status == 201, (status, raw)
    return json.loads(raw)["id"]


def a_picture_reaches_the_model_and_a_file_the_workspace(stack, agent):
    picture, notes = png(320), b"some notes\n" * 40000
    agent.model.script("picture", [[text("I see.")]])
    shot, paper = upload(stack, "shot.png", picture), upload(stack, "notes.txt", notes)
    s = Session(stack, agent, [{"type": "text", "text": "#picture look at it"}, {"type": "image", "upload": shot},
                               {"type": "file", "upload": paper}], interactive=True)
    s.await_event("turn_finished")
    assert base64.b64encode(picture).decode() in json.dumps(agent.model.requests("picture")[-1]), "it was not seen"
    path = ".fairlead/uploads/%s/notes.txt" % paper
    assert path in json.dumps(agent.model.requests("picture")[-1]), agent.model.requests("picture")[-1]
    assert s.file(path) == notes.decode(), "it is not there"
    said = [m for m in s.events("message") if m["role"] == "user"][0]
    assert [a["name"] for a in said["attachments"]] == ["shot.png", "notes.txt"], said
    assert not s.events("file_edit") and not s.events("error"), s.events()
    assert s.stack.json("POST", "/api/v1/sessions/%s/stop" % s.sid, {})[0] == 202
    s.ended("stopped")


# ---- the CLIs ----

CLAUDE = Agent(
    "claude-code", "@anthropic-ai/claude-code-linux-x64/claude", Messages,
    lambda model: {"env": {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "sk-none",
                           "CLAUDE_CODE_MAX_RETRIES": "1"}},
    lambda command: tool("Bash", command=command, description="run it"),
    lambda path, content: tool("Write", file_path=path, content=content),
    {what_is_installed_is_what_the_adapter_was_written_for: None,  # it ships no schema
     text_is_streamed_and_its_cost_is_told: ("thought", "usd"),
     a_tool_is_approved_and_approved_only_once: True,
     a_tool_is_denied_with_a_word_for_the_agent: True,
     a_tool_runs_with_an_edited_input: True,
     a_turn_is_interrupted_and_another_follows: True,
     a_picture_reaches_the_model_and_a_file_the_workspace: True,
     a_question_is_answered_after_its_worker_was_killed: True},
    {a_file_is_written_with_its_diff: True,
     the_model_is_changed: "another-model"})

GEMINI = Agent(
    "gemini", "@google/gemini-cli/bundle/gemini.js", Gemini,
    lambda model: {"model": "gemini-2.5-flash",
                   "env": {"GOOGLE_GEMINI_BASE_URL": model.url, "GEMINI_API_KEY": "none"}},
    lambda command: tool("run_shell_command", command=command),
    lambda path, content: tool("write_file", file_path=path, content=content),
    {what_is_installed_is_what_the_adapter_was_written_for: knows_what_is_asked_of_it,
     text_is_streamed_and_its_cost_is_told: (),
     a_tool_is_approved_and_approved_only_once: True,
     a_tool_is_denied: True,
     a_turn_is_interrupted_and_another_follows: True,
     a_picture_reaches_the_model_and_a_file_the_workspace: True,
     a_question_is_answered_after_its_worker_was_killed: True},
    {a_file_is_written_with_its_diff: True,
     the_model_is_changed: "gemini-2.5-pro",
     an_edited_input_never_runs_as_it_was: "not told",
     its_cost_is_looked_up_once_there_is_a_price: "gemini-2.5-flash-lite"})

CODEX = Agent(
    "codex", "@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex", Responses,
    lambda model: {"env": {"STAND_IN_KEY": "none"}, "model": "stand-in",
                   "config": {"approval_policy": "untrusted", "sandbox_mode": "danger-full-access",
                              "model_provider": "stand_in", "model_providers": {"stand_in": {
                                  "name": "stand_in", "base_url": model.url + "/v1", "wire_api": "responses",
                                  "env_key": "STAND_IN_KEY", "request_max_retries": 1, "stream_max_retries": 1}}}},
    lambda command: tool("exec_command", cmd=command),
    lambda path, content: tool("exec_command", cmd="apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: %s\n%s"
                               "*** End Patch\nEOF" % (path, "".join("+%s\n" % x for x in content.splitlines()))),
    {what_is_installed_is_what_the_adapter_was_written_for: lambda agent: is_as_its_fixture_says(agent, names_of_codex),
     text_is_streamed_and_its_cost_is_told: ("thought",),
     a_tool_is_approved_and_approved_only_once: True,
     a_tool_is_denied_with_a_word_for_the_agent: True,
     an_edited_input_never_runs_as_it_was: "told",
     its_cost_is_looked_up_once_there_is_a_price: "priced-model",
     a_turn_is_interrupted_and_another_follows: True,
     a_picture_reaches_the_model_and_a_file_the_workspace: True,
     a_question_is_answered_after_its_worker_was_killed: True},
    {a_file_is_written_with_its_diff: True,
     the_model_is_changed: "another-model"})

OPENCODE = Agent(
    "opencode", "opencode-linux-x64/bin/opencode", Completions,
    lambda model: {"model": "stand_in/m1",
                   "config": {"small_model": "stand_in/m1", "enabled_providers": ["stand_in"], "provider": {"stand_in": {
                       "npm": "@ai-sdk/openai-compatible", "name": "Stand-in",
                       "options": {"baseURL": model.url + "/v1", "apiKey": "none"},
                       "models": {m: {"name": m, "limit": {"context": 100000, "output": 8000}, "tool_call": True,
                                      "attachment": True, "modalities": {"input": ["text", "image"], "output": ["text"]},
                                      "cost": {"input": 1, "output": 2}} for m in ("m1", "m2")}}}}},
    lambda command: tool("bash", command=command, description="run it"),
    lambda path, content: tool("write", filePath=path, content=content),
    # Its first start in a home takes long, longest when there are several: one case is in every run.
    {text_is_streamed_and_its_cost_is_told: ("thought", "usd")},
    {what_is_installed_is_what_the_adapter_was_written_for: lambda agent: is_as_its_fixture_says(agent, names_of_opencode),
     a_tool_is_approved_and_approved_only_once: True,
     a_tool_is_denied_with_a_word_for_the_agent: True,
     an_edited_input_never_runs_as_it_was: "told",
     a_file_is_written_with_its_diff: True,
     a_turn_is_interrupted_and_another_follows: True,
     the_model_is_changed: "stand_in/m2",
     a_picture_reaches_the_model_and_a_file_the_workspace: True,
     a_question_is_answered_after_its_worker_was_killed: True})

# Files that are written and models that are changed are in every run of resume.py.
AGENTS = [CLAUDE, GEMINI, CODEX, OPENCODE]
# What ends a worker ends the sessions of others on it: these come at the end, and lose it together; when all is run, one
# by one.
ALONE = (a_question_is_answered_after_its_worker_was_killed,)


def run(stack, agent, case):
    began = time.monotonic()
    try:
        case(stack, agent)
    except BaseException:
        print("FAILED: %s: %s" % (agent.kind, case.__name__.replace("_", " ")), flush=True)
        raise
    print("%6.2f s  %s: %s" % (time.monotonic() - began, agent.kind, case.__name__.replace("_", " ")), flush=True)


def run_together(stack, rows, at_once):
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(run, stack, a, c) for a, c in rows]:
            done.result()


def run_cases(stack, agents, only, whole):
    rows = [(a, c) for a in agents for c in (a.whole if whole else a.cases) if only is None or c.__name__ == only]
    run_together(stack, [(a, c) for a, c in rows if c not in ALONE], AT_ONCE)
    last = [(a, c) for a, c in rows if c in ALONE]
    for some in [[row] for row in last] if whole else [last][:len(last)]:
        stack.lose_worker = threading.Barrier(len(some), action=lambda: stack.kill9("worker"))
        run_together(stack, some, len(some))


def main(bin_dir, *words):
    whole = "whole" in words
    kind, case, *_ = [*[w for w in words if w != "whole"], None, None]
    agents = [a for a in AGENTS if kind in (None, a.kind)]
    for agent in agents:
        if agent.lacks():
            print("skipped: %s: %s" % (agent.kind, agent.lacks()), flush=True)
    agents = [a for a in agents if not a.lacks()]
    if not agents:
        return SKIPPED
    if IN_NAMESPACE not in os.environ:
        inside = ["sh", "-c", "ip link set lo up && exec \"$@\"", "sh", sys.executable, *sys.argv]
        os.environ[IN_NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", "-n" if os.geteuid() == 0 else "-rn", *inside])
    env = {a.setting: a.program for a in agents}
    for agent in agents:
        agent.model = Model((agent.protocol,))
    with Stack(bin_dir, dict(env, FAIRLEAD_WORKER_SLOTS=str(AT_ONCE + 1))) as stack:
        try:
            run_cases(stack, agents, case, whole)
        except BaseException:
            print(stack.tail(12), flush=True)
            raise
        assert stack.stop() == 0
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
