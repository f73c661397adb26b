#!/usr/bin/python3
"""The command line as a person uses it: tasks, sessions, keys, Ctrl-C, and a streamer that dies while one watches.

usage: cli.py BIN_DIR
"""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import terminal  # noqa: E402
from first_light import make_repo, wait_for  # noqa: E402
from stack import Stack, run_all  # noqa: E402

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
DETACHED = 130
NO_CODE = 125
USAGE = 2


def expect(result, code, out=None, err=None):
    """The exit code, and what both outputs must have: a text, or a list of lines for the whole of it."""
    assert result.returncode == code, (result.args, result.returncode, result.stdout, result.stderr)
    if isinstance(out, list):
        assert result.stdout.splitlines() == out, (result.args, result.stdout)
    elif out is not None:
        assert out in result.stdout, (result.args, result.stdout)
    assert err is None or err in result.stderr, (result.args, result.stderr)
    return result


def detach(stack, *command):
    sid = expect(stack.cli("task", "run", "--detach", "--", *command), 0).stdout.strip()
    assert re.fullmatch("[0-9A-Z]{26}", sid), sid
    return sid


def status_of(stack, sid):
    return json.loads(expect(stack.cli("session", "show", "--json", sid), 0).stdout)["status"]


def messages(stack, sid):
    return [line["message"] for line in stack.json("GET", "/api/v1/sessions/%s/logs" % sid)[1]["items"]]


def events(stack, sid, kind):
    page = stack.json("GET", "/api/v1/sessions/%s/events?type=%s&perPage=100" % (sid, kind))[1]
    return page["items"]


def await_status(stack, sid, *wanted):
    wait_for("%s is %s" % (sid, " or ".join(wanted)), lambda: status_of(stack, sid) in wanted, 30)


def a_task_exits_with_the_code_of_its_command(stack):
    expect(stack.cli("task", "run", "--", "sh", "-c", "echo to stdout; echo to stderr >&2"), 0, "to stdout\n", "-- completed")
    expect(stack.cli("task", "run", "--", "sh", "-c", "echo before; exit 7"), 7, ["before"], "-- failed: exit code 7")
    expect(stack.cli("task", "run", "--", "sh", "-c", "kill -KILL $$"), NO_CODE, [], "ended by signal KILL")
    expect(stack.cli("task", "run", "--", "no-such-program"), NO_CODE, [], "-- failed: no-such-program: No such file")
    expect(stack.cli("task", "run", "--", "/etc/passwd"), NO_CODE, [], "-- failed: /etc/passwd: Permission denied")
    expect(stack.cli("task", "run", "--timeout", "1", "--", "sleep", "60"), NO_CODE, [], "timed out after 1 s")


def its_settings_reach_the_command(stack):
    expect(stack.cli("task", "run", "--env", "A=one two", "--env", "B=x=y", "--", "sh", "-c", "echo $A,$B"), 0, ["one two,x=y"])
    expect(stack.cli("task", "run", "--pty", "--", "sh", "-c", "test -t 0 && test -t 1 && echo a terminal"), 0, "a terminal")
    expect(stack.cli("task", "run", "--label", "purpose=e2e", "--", "true"), 0)
    status, page = stack.json("GET", "/api/v1/sessions?label=purpose%3De2e")
    assert status == 200 and page["total"] == 1, page


def a_repository_is_changed_and_the_change_is_shown(stack):
    repo = make_repo(os.path.join(stack.dir, "a repo"))
    edit = "echo more >>file.txt; echo new >'other file.txt'"
    result = expect(stack.cli("task", "run", "--repo", repo, "--deliver", "branch", "--", "sh", "-c", edit), 0)
    assert "\n+more\n" in result.stdout and "\n+new\n" in result.stdout, result.stdout
    assert "-- edited file.txt (+1 -0)" in result.stderr and "-- edited other file.txt (+1 -0)" in result.stderr, result.stderr
    with open(os.path.join(repo, "file.txt")) as f:
        assert f.read() == "hello\n"
    assert "-- delivered as branch" in result.stderr, result.stderr
    expect(stack.cli("task", "run", "--repo", os.path.join(stack.dir, "nowhere"), "--", "true"), NO_CODE, [], "-- failed: workspace")
    expect(stack.cli("task", "run", "--repo", repo, "--branch", "no-such-branch", "--", "true"), NO_CODE, [], "no-such-branch")


def with_json_each_event_is_one_line(stack):
    result = expect(stack.cli("task", "run", "--json", "--", "sh", "-c", "echo one; printf 'a\\tb\\n'; exit 3"), 3)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1)), result.stdout
    assert [e["message"] for e in events if e["type"] == "log"] == ["one", "a\tb"], events
    assert (events[-1]["status"], events[-1]["exitCode"]) == ("failed", 3), events[-1]
    again = expect(stack.cli("session", "watch", "--json", events[0]["sessionId"]), 3)
    assert again.stdout == result.stdout
    rest = expect(stack.cli("session", "watch", "--json", "--after", events[3]["id"], events[0]["sessionId"]), 3)
    assert rest.stdout.splitlines() == result.stdout.splitlines()[4:]
    task = json.loads(expect(stack.cli("task", "run", "--detach", "--json", "--count", "2", "--", "true"), 0).stdout)
    assert len(task["session_ids"]) == 2, task


def sessions_are_listed_and_shown(stack):
    sid = detach(stack, "sh", "-c", "exit 4")
    await_status(stack, sid, "failed")
    lines = expect(stack.cli("session", "list", "--limit", "3"), 0).stdout.splitlines()
    assert len(lines) == 4 and lines[1].split()[:2] == [sid, "failed"], lines
    shown = expect(stack.cli("session", "show", sid), 0).stdout
    assert re.search(r"^status +failed$", shown, re.M) and re.search(r"^exitCode +4$", shown, re.M), shown
    why = expect(stack.cli("session", "why", sid), 0).stdout
    assert re.search(r"^why +It has ended: failed\.$", why, re.M), why
    page = json.loads(expect(stack.cli("session", "list", "--json", "--status", "failed", "--limit", "200"), 0).stdout)
    assert page["items"] and all(s["status"] == "failed" for s in page["items"]), page
    expect(stack.cli("session", "list", "--status", "nonsense"), 1, [], "status")


def a_file_goes_with_a_prompt(stack, sid):
    """The agent takes text alone: it is told where the file is. A picture is a file for it, too."""
    with tempfile.TemporaryDirectory() as folder:
        notes, shot = os.path.join(folder, "some notes.txt"), os.path.join(folder, "shot.png")
        with open(notes, "w", encoding="utf-8") as f:
            f.write("line\n" * 100000)
        with open(shot, "wb") as f:
            f.write(b"\x89PNG\r\n\x1a\n and more")
        expect(stack.cli("upload", folder), 1, [], "is no file")
        assert re.match(r"[0-9A-Z]{26}  \S+notes.txt\n[0-9A-Z]{26}  ",
                        expect(stack.cli("upload", notes, shot), 0).stdout.replace("some notes", "notes"))
        expect(stack.cli("session", "prompt", sid, "--image", notes, "look"), 1, [], "must be a picture")
        expect(stack.cli("session", "prompt", sid, "--image", shot, "--file", notes, "look"), 0)
    wait_for("both are told of", lambda: len(attached(stack, sid)) == 2, 30)
    running = [e for e in events(stack, sid, "status") if e["status"] == "running" and "workspace" in e][-1]
    texts = {}
    for name in attached(stack, sid):
        with open(os.path.join(running["workspace"]["path"], name), "rb") as f:
            texts[os.path.basename(name)] = f.read()
    assert texts == {"some notes.txt": b"line\n" * 100000, "shot.png": b"\x89PNG\r\n\x1a\n and more"}, texts.keys()
    assert [e["code"] for e in events(stack, sid, "error")] == ["images_unsupported"], events(stack, sid, "error")
    return messages(stack, sid)[1:]


def attached(stack, sid):
    return re.findall(r"got \[Attached file: (.*?) \(", "\n".join(messages(stack, sid)))


def a_session_is_paused_resumed_prompted_and_stopped(stack):
    sid = detach(stack, "sh", "-c", "while read line; do echo got $line; done; sleep 60")
    await_status(stack, sid, "running")
    expect(stack.cli("session", "pause", sid, "--reason", "lunch"), 0, ["pausing"])
    await_status(stack, sid, "paused")
    expect(stack.cli("session", "pause", sid), 1, [], "paused")
    expect(stack.cli("session", "prompt", sid, "too", "early"), 1, [], "paused")
    expect(stack.cli("session", "resume", sid), 0, ["resuming"])
    await_status(stack, sid, "running")
    expect(stack.cli("session", "prompt", sid, "hello", "$HOME \"you\""), 0)
    said = 'got hello $HOME "you"'
    wait_for("the prompt arrives", lambda: said in messages(stack, sid), 20)
    files = a_file_goes_with_a_prompt(stack, sid)
    expect(stack.cli("session", "stop", sid, "--reason", "enough"), 0, ["stopping"])
    await_status(stack, sid, "stopped")
    expect(stack.cli("session", "watch", sid), NO_CODE, [said] + files, "-- stopped")
    expect(stack.cli("session", "prompt", sid, "too late"), 1, [], "stopped")
    expect(stack.cli("session", "resume", sid), 1, [], "stopped")


def prompts_that_wait_are_listed_edited_and_taken_back(stack):
    sid = expect(stack.cli("task", "run", "--detach", "--needs", "nobody", "--", "true"), 0).stdout.strip()
    for words in (["one", "two"], ["--steer", "three"]):
        expect(stack.cli("session", "prompt", sid, *words), 0)
    _, first, second = expect(stack.cli("session", "prompts", sid), 0).stdout.splitlines()
    assert first.split()[1:] == ["queue", "one", "two"] and second.split()[1:] == ["steer", "three"], (first, second)
    expect(stack.cli("session", "prompt-edit", sid, first.split()[0], "another", "one"), 0, ["accepted"])
    for _ in range(2):
        expect(stack.cli("session", "prompt-cancel", sid, second.split()[0]), 0, [])
    expect(stack.cli("session", "prompt-edit", sid, second.split()[0], "x"), 1, [], "was taken back")
    left = expect(stack.cli("session", "prompts", sid), 0).stdout.splitlines()[1:]
    assert [line.split() for line in left] == [[first.split()[0], "queue", "another", "one"]], left
    expect(stack.cli("session", "prompt-cancel", sid, "../x"), USAGE, [], "is not a prompt's id")
    expect(stack.cli("session", "prompt-cancel", sid, UNKNOWN), 1, [], "no such prompt")
    expect(stack.cli("session", "model", sid, "large"), 0, ["accepted"])
    expect(stack.cli("session", "mode", sid, "plan"), 0, ["accepted"])
    expect(stack.cli("session", "delete", sid), 0)


def a_deleted_session_is_cancelled_at_once(stack):
    sid = detach(stack, "sleep", "86461")
    await_status(stack, sid, "running")
    expect(stack.cli("session", "delete", sid), 0, [])
    assert status_of(stack, sid) == "cancelled"
    expect(stack.cli("session", "watch", sid), NO_CODE, [], "-- cancelled")
    wait_for("its agent is gone", lambda: not [p for p in stack.processes() if "86461" in p[1]], 10)


def start(stack, *args):
    return subprocess.Popen([stack.bin, *args], env=stack.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_of(process, count):
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


def finished(process):
    """communicate() would lose what readline() has read ahead."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        err = pool.submit(process.stderr.read)
        out = process.stdout.read()
    return subprocess.CompletedProcess(process.args, process.wait(60), out, err.result())


def newest(stack):
    return json.loads(stack.cli("session", "list", "--json", "--limit", "1").stdout)["items"][0]["id"]


def ctrl_c_detaches_and_the_session_goes_on(stack):
    watching = start(stack, "task", "run", "--", "sh", "-c", "echo started; read line; echo got $line")
    assert lines_of(watching, 1) == ["started"]
    watching.send_signal(signal.SIGINT)
    expect(finished(watching), DETACHED, err="-- detached; it goes on. Watch again: fairlead session watch")
    sid = newest(stack)
    assert status_of(stack, sid) == "running"
    expect(stack.cli("session", "prompt", sid, "more"), 0)
    expect(stack.cli("session", "watch", sid), 0, ["started", "got more"], "-- completed")


def ctrl_c_twice_cancels(stack):
    watching = start(stack, "task", "run", "--", "sh", "-c", "echo started; sleep 86462")
    assert lines_of(watching, 1) == ["started"]
    watching.send_signal(signal.SIGINT)
    wait_for("the hint", lambda: "Ctrl-C again" in watching.stderr.readline(), 10)
    watching.send_signal(signal.SIGINT)
    expect(finished(watching), DETACHED, err="-- cancelled")
    assert status_of(stack, newest(stack)) == "cancelled"
    wait_for("its agent is gone", lambda: not [p for p in stack.processes() if "86462" in p[1]], 10)


def nothing_is_lost_when_streamers_die(stack):
    script = "for i in $(seq 1 60); do echo line $i; sleep 0.1; done"
    watching = start(stack, "task", "run", "--", "sh", "-c", script)
    lines = lines_of(watching, 10)
    for victim in ("streamer-1", "streamer-2"):
        pid = stack.kill9(victim)
        lines += lines_of(watching, 10)
        wait_for(victim + " is back", lambda: stack.pid(victim) not in (0, pid))
    result = expect(finished(watching), 0, err="-- connection lost")
    assert lines + result.stdout.splitlines() == ["line %d" % i for i in range(1, 61)], (lines, result.stdout)


def an_agent_is_submitted(stack):
    """One whose program is named, and one by its name, which no worker here has."""
    program = ["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "standins", "tool_agent.py")]
    expect(stack.cli("task", "run", "--agent", "acp", "--prompt", "look at it", "--", *program), 0, [], "-- completed")
    more = ["--model", "big", "--mode", "plan", "--config", '{"a": 1}', "--interactive", "--sandbox", "read-only", "--secret", "API_KEY"]
    expect(stack.cli("task", "run", "--", "fairlead", "agent", "note", "it is here"), 0, [], "it is here")
    once = ["--at", "2100-01-01T00:00:00Z"]
    made = json.loads(expect(stack.cli("schedule", "create", *once, "--agent", "codex", *more, "--json", "--", "mend", "it"), 0).stdout)
    task = json.loads(expect(stack.cli("schedule", "show", made["id"], "--json"), 0).stdout)["task"]
    assert task["prompt"] == "mend it" and task["runtime"]["sandbox"] == "read-only", task
    agent = task["agents"][0]
    assert agent["type"] == "codex" and agent["settings"]["model"] == "big" and agent["settings"]["mode"] == "plan", task
    assert agent["settings"]["interactive"] and agent["settings"]["config"] == {"a": 1} and "API_KEY" in str(agent["settings"]["secrets"]), task
    expect(stack.cli("schedule", "delete", made["id"]), 0)


def what_is_not_there_is_named_so(stack):
    for verb in ("show", "watch", "stop", "pause", "resume", "delete"):
        expect(stack.cli("session", verb, UNKNOWN), 1, [], "no such session")
    expect(stack.cli("session", "prompt", UNKNOWN, "hello"), 1, [], "no such session")
    expect(stack.cli("session", "show", "../tasks"), USAGE, [], "is not a session id")
    expect(stack.cli("session", "watch", "--after", "nonsense", newest(stack)), 1, [], "; after must be a cursor")
    expect(stack.cli("session", "fly", UNKNOWN), USAGE, [], "usage:")
    expect(stack.cli("task", "run"), USAGE, [], "say what to run")
    expect(stack.cli("task", "run", "--agent", "codex"), USAGE, [], "say what the agent shall do: -- TEXT")
    expect(stack.cli("task", "run", "--agent", "codex", "--prompt", "a", "--", "b"), USAGE, [], "are the same")
    expect(stack.cli("task", "run", "--agent", "acp", "--", "program"), USAGE, [], "--prompt TEXT")
    expect(stack.cli("task", "run", "--agent", "codex", "--config", "[1]", "--", "b"), USAGE, [], "--config must be a JSON object")
    expect(stack.cli("task", "run", "--agent", "nobody", "--", "b"), 1, [], "agents[0].type")
    expect(stack.cli("flight"), USAGE)


def a_login_is_checked_and_remembered(stack):
    url = "http://127.0.0.1:%d" % stack.port
    config = os.path.join(stack.dir, "config")
    env = {k: v for k, v in stack.env.items() if k != "FAIRLEAD_HOME"}
    env.update(XDG_CONFIG_HOME=config, XDG_STATE_HOME=os.path.join(stack.dir, "no-state"), HOME=stack.dir)

    def run(*args, **kw):
        return subprocess.run([stack.bin, *args], env=env, capture_output=True, text=True, timeout=60, **kw)

    expect(run("login", "--url", url, "--key", "wrong"), 1, [], "key")
    foreign = stack.key[:-1] + ("a" if stack.key[-1] != "a" else "b")
    expect(run("login", "--url", url, "--key", foreign), 1, [], "key")
    assert not os.path.exists(config), "a wrong key was remembered"
    expect(run("login", "--url", url, "--key", "-", input=stack.key + "\n"), 0, ["logged in to " + url])
    assert os.stat(os.path.join(config, "fairlead", "login.json")).st_mode & 0o777 == 0o600
    expect(run("session", "list", "--limit", "1"), 0, newest(stack))
    expect(run("session", "list", "--url", "http://127.0.0.1:9"), 1, [], "no key is known for http://127.0.0.1:9")
    expect(run("session", "list", "--url", "http://127.0.0.1:9", "--key", stack.key), 1, [], "does not answer")


def a_revoked_key_stops_working(stack):
    made = json.loads(expect(stack.cli("admin", "key", "create", "--name", "short lived", "--scope", "session:read", "--json"), 0).stdout)

    def try_key():
        return stack.request("GET", "/api/v1/sessions", headers={"Authorization": "ApiKey " + made["key"]})[0]

    assert [try_key() for _ in range(8)] == [200] * 8
    assert stack.request("POST", "/api/v1/tasks", {}, {"Authorization": "ApiKey " + made["key"]})[0] == 403
    rows = json.loads(expect(stack.cli("admin", "key", "list", "--json"), 0).stdout)["items"]
    assert [r["name"] for r in rows if r["id"] == made["id"]] == ["short lived"], rows
    assert made["key"] not in json.dumps(rows)
    expect(stack.cli("admin", "key", "limit", made["id"]), 2, [], "--scope must be given")
    expect(stack.cli("admin", "key", "limit", made["id"], "--scope", "task:write"), 0, ["changed"])
    wait_for("it may read no more", lambda: [try_key() for _ in range(8)] == [403] * 8, 10)
    expect(stack.cli("admin", "key", "revoke", made["id"]), 0, ["revoked"])
    began = time.monotonic()
    wait_for("the key stops working on each node", lambda: [try_key() for _ in range(8)] == [401] * 8, 10)
    took = time.monotonic() - began
    print("a revoked key stopped working after %.2f s" % took)
    assert took < 2, took
    expect(stack.cli("admin", "key", "revoke", made["id"]), 1, "revoked before")
    expect(stack.cli("admin", "key", "list"), 0, made["id"] + " revoked")
    expect(stack.cli("admin", "key", "limit", made["id"], "--scope", "admin"), 1, "it is revoked")
    expect(stack.cli("admin", "key", "create", "--scope", "nonsense"), 2, [], "--scope")
    mine = json.loads(expect(stack.cli("admin", "key", "create", "--owner", "ada", "--minutes", "5", "--json"), 0).stdout)
    rows = json.loads(expect(stack.cli("admin", "key", "list", "--json"), 0).stdout)["items"]
    assert [(r["owner"], "expiresAt" in r) for r in rows if r["id"] == mine["id"]] == [("ada", True)], rows


def a_tenant_says_how_long_its_logs_are_kept(stack):
    def kept():
        rows = json.loads(expect(stack.cli("admin", "tenant", "list", "--json"), 0).stdout)["items"]
        return [row.get("retentionSeconds") for row in rows if row["id"] == "default"]

    assert kept() == [None]
    expect(stack.cli("admin", "tenant", "retention", "default", "90"), 0, "90 days")
    assert kept() == [90 * 86400]
    expect(stack.cli("admin", "tenant", "list"), 0, "90 days")
    expect(stack.cli("admin", "tenant", "retention", "default", "0"), 2, [], "retention must be")
    expect(stack.cli("admin", "tenant", "retention", "nobody", "3"), 1, [], "there is no tenant nobody")
    expect(stack.cli("admin", "tenant", "retention", "default", "forever"), 0, "forever")
    assert kept() == [0]
    expect(stack.cli("admin", "tenant", "retention", "default", "default"), 0, "default")


def a_schedule_runs_its_command_again_and_again(stack):
    made = expect(stack.cli("schedule", "create", "--every", "1s", "--name", "beat", "--label", "by=schedule", "--", "echo", "tick"),
                  0, err="-- next at 20")
    sid = made.stdout.strip()
    assert re.fullmatch("[0-9A-Z]{26}", sid), sid

    def done():
        page = stack.json("GET", "/api/v1/sessions?label=by%3Dschedule")[1]
        return len([one for one in page["items"] if one["status"] == "completed"]) >= 2
    wait_for("two runs are over", done, 30)
    expect(stack.cli("schedule", "pause", sid), 0, ["paused"])
    expect(stack.cli("schedule", "list"), 0, "every 1 s")
    shown = expect(stack.cli("schedule", "show", sid), 0, "beat").stdout
    assert shown.count(" ran ") >= 2, shown
    by_hand = expect(stack.cli("schedule", "run", sid), 0).stdout.strip()
    await_status(stack, by_hand, "completed")
    expect(stack.cli("schedule", "show", sid), 0, "(by hand)")
    expect(stack.cli("schedule", "resume", sid), 0, ["active"])
    expect(stack.cli("schedule", "delete", sid), 0, [])
    expect(stack.cli("schedule", "show", sid), 1, [], "no such schedule")


def times_of_a_schedule_are_foreseen(stack):
    day = ["schedule", "preview", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--count", "2"]
    expect(stack.cli(*day, "--after", "2026-03-28T12:00:00+01:00"), 0, ["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"])
    expect(stack.cli("schedule", "preview", "--cron", "61 * * * *"), 1, [], "minute must have values from 0 to 59")
    expect(stack.cli("schedule", "create", "--every", "1w", "--", "true"), USAGE, [], "--every must be")
    expect(stack.cli("schedule", "create", "--every", "1h"), USAGE, [], "fairlead schedule create: say what to run")
    expect(stack.cli("schedule", "create", "--", "true"), 1, [], "cron is required, or everySeconds or at, and only one of them")
    made = expect(stack.cli("schedule", "create", "--at", "2094-12-31T23:00:00Z", "--json", "--", "true"), 0).stdout
    assert json.loads(made)["nextAt"] == "2094-12-31T23:00:00.000Z", made
    expect(stack.cli("schedule", "preview", json.loads(made)["id"]), 0, ["2094-12-31T23:00:00.000Z"])


def completion_is_something_bash_can_source(stack):
    script = expect(stack.cli("completion", "bash"), 0).stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    env = dict(stack.env, PATH=os.path.dirname(stack.bin) + ":" + os.environ["PATH"])
    for words, offered in (("session st", "stop"), ("admin ten", "tenant"), ("admin key rot", "rotate"), ("admin key rotate X --gr", "--grace"),
                           ("agent wait --unt", "--until"), ("session stop X --rea", "--reason"), ("schedule prev", "preview")):
        count = len(words.split())
        probe = script + "\nCOMP_WORDS=(fairlead %s) COMP_CWORD=%d; _fairlead; echo \"${COMPREPLY[@]}\"\n" % (words, count)
        done = subprocess.run(["bash"], input=probe, capture_output=True, text=True, check=True, env=env)
        assert done.stdout.split() == [offered], (words, done)


def status_shows_each_service(stack):
    shown = expect(stack.cli("status"), 0, "ready").stdout
    for name in ("redis", "postgres", "api-1", "api-2", "streamer-1", "streamer-2", "scheduler", "worker", "haproxy"):
        assert name in shown, shown


def work_is_delivered_to_a_branch(stack):
    repo = make_repo(os.path.join(stack.dir, "deliver"))
    more = {"delivery": {"mode": "branch", "targetBranch": "work/it"}}
    sid = stack.submit(["sh", "-c", "echo more >> README"], repo=repo, **more)[0]
    delivered = {}

    def is_done():
        delivered.update(stack.json("GET", "/api/v1/sessions/" + sid)[1].get("delivered", {}))
        return delivered.get("state") not in (None, "waiting")

    wait_for("the delivery", is_done, 30)
    assert delivered["state"] == "done", delivered
    at = subprocess.run(["git", "-C", repo, "rev-parse", "work/it"], check=True, capture_output=True, text=True).stdout
    assert at.strip() == delivered["commit"], (at, delivered)


def a_drained_worker_gets_nothing_until_it_is_uncordoned(stack):
    name = json.loads(expect(stack.cli("worker", "list", "--json"), 0).stdout)["items"][0]["name"]
    expect(stack.cli("worker", "drain", name), 0, "draining")
    sid = stack.submit(["true"])[0]
    wait_for("it is shown", lambda: "draining" in stack.cli("worker", "list").stdout, 10)
    def since():
        return {w.get("since") for w in json.loads(stack.cli("worker", "list", "--json").stdout)["items"]} - {None}

    before = since()
    os.kill(stack.pid("worker"), signal.SIGTERM)  # its next life is drained too
    wait_for("it lives again", lambda: since() and not since() & before, 30)
    assert status_of(stack, sid) == "queued"
    expect(stack.cli("worker", "uncordon", name), 0, "online")
    await_status(stack, sid, "completed")
    expect(stack.cli("worker", "cordon", "no/such"), 2, err="is not the name of a worker")


def page_of(stack, service):
    address = "http://127.0.0.1:%d/metrics" % stack.service(service)["port"]
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read().decode()


def figure(page, series):
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.rpartition(" ")[0] == series)


def with_settings(stack, settings, *args):
    return subprocess.run([stack.bin, *args], env={**stack.env, **settings}, capture_output=True, text=True, timeout=60, check=False)


def health_is_that_of_all_who_listen(stack):
    api, streamer = ("127.0.0.1:%d" % stack.service(name)["port"] for name in ("api-1", "streamer-1"))
    expect(stack.cli("health", api), 0, out="http://%s/healthz 200" % api)
    expect(stack.cli("health", "--ready", "127.0.0.1:1, " + streamer), 0, out="http://%s/readyz 200" % streamer)
    expect(stack.cli("health", "127.0.0.1:1, proxy://" + api), 1, err="nobody listens")
    expect(stack.cli("health", api + ", tls://" + streamer), 1, err="https://" + streamer)
    expect(stack.cli("health", "one", "two"), 2, err="usage: fairlead health")
    places = {"FAIRLEAD_API_LISTEN": api.replace("127.0.0.1", "0.0.0.0"), "FAIRLEAD_STREAMER_LISTEN": "unix:/nowhere"}
    expect(with_settings(stack, places, "health"), 0, out="http://%s/healthz 200" % api)
    expect(with_settings(stack, {**places, "FAIRLEAD_DRAIN_DELAY": "long"}, "health"), 1, err="FAIRLEAD_DRAIN_DELAY")


def the_database_may_be_named_by_a_file(stack):
    path = os.path.join(stack.home, "conf", "postgres.url")
    elsewhere = {"FAIRLEAD_HOME": os.path.join(stack.dir, "elsewhere")}
    expect(with_settings(stack, elsewhere, "migrate"), 1, err="no database is known")
    expect(with_settings(stack, {**elsewhere, "FAIRLEAD_PG_URL_FILE": path}, "migrate"), 0, out="0 applied")


def what_ran_is_in_the_figures(stack):
    """And nothing of anybody: labels are routes, states, codes and types."""
    told = {"worker": ['fairlead_agent_starts_total{agent="command",result="ok"}',
                       'fairlead_agent_ends_total{agent="command",state="completed"}',
                       'fairlead_agent_start_seconds_count{agent="command"}'],
            "scheduler": ["fairlead_leases_granted_total", "fairlead_queue_wait_seconds_count",
                          'fairlead_sessions_finished_total{state="completed"}']}
    before = {service: page_of(stack, service) for service in told}
    expect(stack.cli("task", "run", "--", "true"), 0)
    for service, names in told.items():
        for name in names:
            was = figure(before[service], name)
            wait_for(name, lambda: figure(page_of(stack, service), name) > was)
    for name in ('fairlead_agent_turn_seconds_count{agent="command"}', 'fairlead_agent_ends_total{agent="command",state="stopped"}'):
        assert figure(before["worker"], name) > 0, name  # one was prompted and stopped
    wait_for("no agent runs", lambda: figure(page_of(stack, "worker"), 'fairlead_agents{agent="command"}') == 0)
    for name in ("api-1", "api-2", "streamer-1", "streamer-2", "scheduler", "worker"):
        page = page_of(stack, name)
        for gauge in ("fairlead_ready", "fairlead_redis_connected", "fairlead_pg_available"):
            assert figure(page, gauge) == 1, (name, gauge)
        found = re.search(r'(?<!needs=)(?<!reason=)(?<!to=)"(other|[^"]*[0-9A-HJKMNP-TV-Z]{26}[^"]*)"', page)
        assert not found, (name, found)
        checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=60)
        assert checked.returncode == 0, (name, checked.stdout, checked.stderr)
    page = page_of(stack, "scheduler")
    assert figure(page, 'fairlead_workers{state="ready"}') == 1, page
    assert figure(page, 'fairlead_fleet_slots{state="free"}') > 0, page


def lines_of_request(stack, name):
    """What all nodes said of a request with that id."""
    lines = []
    for service in ("api-1", "api-2", "streamer-1", "streamer-2"):
        with open(os.path.join(stack.home, "log", service + ".log")) as f:
            lines += [line for line in f if " request=%s " % name in line and " event=http.request " in line]
    return lines


def each_request_has_one_line_of_who_asked_what(stack):
    for path, route in (("/api/v1/sessions/" + newest(stack), "/api/v1/sessions/{id}"),
                        ("/api/v1/sessions/%s/events" % newest(stack), "/api/v1/sessions/{id}/events")):
        name = "asked-" + str(time.monotonic_ns())
        status, _, _ = stack.request("GET", path, headers={"X-Request-Id": name})
        assert status == 200, (path, status)
        wait_for("a line of " + path, lambda: lines_of_request(stack, name))
        lines = lines_of_request(stack, name)
        assert len(lines) == 1 and lines[0].count(" trace=") == 1, lines
        assert " method=GET route=%s path=%s status=200 took_us=" % (route, path) in lines[0], lines
        assert re.search(r" tenant=default key=[0-9A-Z]{26} ", lines[0]), lines


TESTS = [
    a_task_exits_with_the_code_of_its_command,
    its_settings_reach_the_command,
    a_repository_is_changed_and_the_change_is_shown,
    with_json_each_event_is_one_line,
    sessions_are_listed_and_shown,
    a_session_is_paused_resumed_prompted_and_stopped,
    prompts_that_wait_are_listed_edited_and_taken_back,
    a_deleted_session_is_cancelled_at_once,
    ctrl_c_detaches_and_the_session_goes_on,
    ctrl_c_twice_cancels,
    nothing_is_lost_when_streamers_die,
    an_agent_is_submitted,
    what_is_not_there_is_named_so,
    a_login_is_checked_and_remembered,
    a_revoked_key_stops_working,
    a_tenant_says_how_long_its_logs_are_kept,
    a_schedule_runs_its_command_again_and_again,
    times_of_a_schedule_are_foreseen,
    health_is_that_of_all_who_listen,
    the_database_may_be_named_by_a_file,
    what_ran_is_in_the_figures,
    each_request_has_one_line_of_who_asked_what,
    work_is_delivered_to_a_branch,
    a_drained_worker_gets_nothing_until_it_is_uncordoned,
    completion_is_something_bash_can_source,
    status_shows_each_service,
    *terminal.TESTS,
]


def main(bin_dir):
    with Stack(bin_dir, {"FAIRLEAD_LOG_REQUESTS": "all"}) as stack:
        run_all(TESTS, stack)
        assert stack.stop() == 0
        wait_for("nothing is left", lambda: not stack.processes(), 10)


if __name__ == "__main__":
    main(sys.argv[1])
