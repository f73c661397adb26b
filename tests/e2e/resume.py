#!/usr/bin/python3
"""Sessions go on with another worker: after kill -9 in mid-session, and after a drain. Two workers, each with a state
directory of its own, share nothing but their folder of snapshots, and last not even that. The agents are a command and the real CLIs that are
installed (tools/install-npm tests/agents), in a network namespace that has nothing but loopback.

usage: resume.py BIN_DIR [alone]
alone: only the CLIs, one after the other; else all of them lose one worker at the same time.
"""
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "standins")]
from cluster import Cluster  # noqa: E402
from first_light import wait_for  # noqa: E402
from model import Model, text  # noqa: E402
from real_agents import AGENTS, IN_NAMESPACE, Session, the_model_is_changed  # noqa: E402
from stack import run_all  # noqa: E402

SERVER = os.path.join(HERE, "..", "support", "with-postgres")

# Does what each line says, and keeps all of them in its HOME: that is its conversation.
TALKER = """
mkdir -p "$HOME/talk/of/mine"
echo "begun $FAIRLEAD_RESTORED"
[ -z "$FAIRLEAD_LOST" ] || echo "lost: $FAIRLEAD_LOST"
while read -r line; do
    echo "$line" >>"$HOME/talk/of/mine/lines"
    eval "$line"
    echo "did $(wc -l <"$HOME/talk/of/mine/lines")"
done
"""


class Talk(Session):
    """A command agent."""

    def __init__(self, stack, repo=None):
        super().__init__(stack, TALK, "talk", repo=repo)


class TalkAgent:
    kind = "command"
    model = None

    @staticmethod
    def settings(_):
        return {"argv": ["sh", "-c", TALKER]}


TALK = TalkAgent()


def place(session, runs):
    """Where it runs for that time: the state directory of its worker, and its workspace."""
    def running():
        return [s for s in session.events("status") if s["status"] == "running"]
    wait_for("%s runs for time %d" % (session.sid, runs), lambda: len(running()) >= runs, 40)
    path = running()[runs - 1]["workspace"]["path"]
    return path.split("/")[-3], path


def lines(session):
    return [e["message"] for e in session.events("log")]


def says(session, line, seconds=40):
    wait_for("%s says %s" % (session.sid, line), lambda: line in lines(session), seconds)


def sh(path, script):
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent", "GIT_CONFIG_COUNT": "1",
           "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
           "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org", "GIT_COMMITTER_NAME": "t",
           "GIT_COMMITTER_EMAIL": "t@example.org"}
    return subprocess.run(["sh", "-ec", script], cwd=path, env=env, check=True, capture_output=True, text=True).stdout


def back(stack, name):
    stack.spawn(name)
    wait_for("%s is there again" % name, stack.is_ready, 40)


def end(session):
    assert session.stack.json("POST", "/api/v1/sessions/%s/stop" % session.sid, {})[0] == 202
    session.ended("stopped")


def repository(stack):
    path = os.path.join(stack.dir, "repo")
    os.mkdir(path)
    sh(path, """git init -q -b main; printf 'ignored/\n' >.gitignore; mkdir deep; echo one >deep/gone; echo kept >kept
                echo '#!/bin/sh' >tool; echo was a file >turned; git add .; git commit -qm base""")
    return path


CHANGE = ("rm -r deep; chmod +x tool; rm turned; ln -s kept turned; git config user.name a; git config user.email a@b; "
          "git checkout -qb side; git commit -qam mine; echo more >>kept; mkdir -p new/er ignored; "
          "printf 'a\\0b' >new/er/file; ln -s nowhere/at/all link; echo x >ignored/x; echo changed")


def one_that_is_killed_in_a_turn_has_its_files_and_its_conversation_elsewhere(stack):
    s = Talk(stack, {"mode": "git", "url": repository(stack), "branch": "main"})
    name, before = place(s, 1)
    base = sh(before, "git rev-parse HEAD").strip()
    s.prompt(CHANGE)
    moment = s.await_event("moment")
    assert moment["snapshotId"].startswith(s.sid) and moment["agentFiles"] and moment["turn"] == 1, moment
    assert sh(before, "git for-each-ref --format='%(refname)'").split() == [
        "refs/heads/main", "refs/heads/side", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"], "a ref of ours"
    index = sh(before, "git diff --cached --name-only")
    assert index == "", index
    s.prompt("echo too late >late; echo in the middle; sleep 60")
    says(s, "in the middle")
    stack.kill(name)
    other, path = place(s, 2)
    assert other != name, other
    says(s, "begun 1")
    wait_for("it is told", lambda: any(line.startswith("lost: ") for line in lines(s)), 20)
    lost = [line for line in lines(s) if line.startswith("lost: ")]
    assert len(lost) == 1 and "end of turn 1" in lost[0] and "ignores is not there any more: ignored/." in lost[0], lines(s)
    assert [n["message"] for n in s.events("note")] == [lost[0][len("lost: "):]], s.events("note")
    check_files(path, base)
    s.prompt("cat \"$HOME/talk/of/mine/lines\" | head -c 20; echo; echo in $PWD")
    says(s, CHANGE[:20])
    says(s, "did 2")
    turns = [t["turn"] for t in s.events("turn_started")]
    assert turns == [1, 2, 2], turns
    end(s)
    back(stack, name)


def check_files(path, base):
    listed = sh(path, "find . -path ./.git -prune -o ! -type d -print | sort").split()
    assert listed == ["./.gitignore", "./kept", "./link", "./new/er/file", "./tool", "./turned"], listed
    with open(os.path.join(path, "new/er/file"), "rb") as f:
        assert f.read() == b"a\0b"
    assert os.readlink(os.path.join(path, "link")) == "nowhere/at/all"
    assert os.readlink(os.path.join(path, "turned")) == "kept"
    assert os.access(os.path.join(path, "tool"), os.X_OK) and os.stat(os.path.join(path, "tool")).st_mode & 0o100
    assert not os.stat(os.path.join(path, "kept")).st_mode & 0o111
    assert sh(path, "cat kept") == "kept\nmore\n"
    assert sh(path, "git branch --show-current").strip() == "side"
    assert sh(path, "git log --format=%s").split() == ["mine", "base"]
    assert sh(path, "git rev-parse HEAD~1").strip() == base
    assert sh(path, "git status --porcelain").splitlines() == [" M kept", "?? link", "?? new/"], sh(path, "git status --porcelain")


def one_that_is_drained_between_turns_misses_nothing(stack):
    s = Talk(stack)
    name, path = place(s, 1)
    s.prompt("echo hello >file; mkdir sub; echo there >sub/file; echo done it")
    s.await_event("turn_finished")
    stack.kill(name, signal.SIGTERM)
    other, path = place(s, 2)
    assert other != name, other
    says(s, "begun 1")
    assert sh(path, "cat file sub/file") == "hello\nthere\n" and not s.events("note"), s.events("note")
    s.prompt("echo again")
    says(s, "did 2")
    assert not any(line.startswith("lost: ") for line in lines(s)), lines(s)
    end(s)
    back(stack, name)


def one_without_a_turn_begins_from_its_beginning(stack):
    s = Talk(stack)
    name, path = place(s, 1)
    says(s, "begun ")
    sh(path, "echo left >over")
    stack.kill(name)
    _, path = place(s, 2)
    wait_for("it begins", lambda: lines(s).count("begun ") == 2, 20)
    assert os.listdir(path) == [] and not s.events("note"), os.listdir(path)
    end(s)
    back(stack, name)


def one_goes_on_from_its_repository_where_workers_share_nothing_else(stack):
    """The files come along, what the agent kept of its conversation stays: that is said."""
    for name in ("worker-1", "worker-2"):
        stack.kill(name)
    del stack.env["FAIRLEAD_WORKER_SNAPSHOT_DIR"]
    stack.env["FAIRLEAD_WORKER_SNAPSHOT"] = "origin"
    for name in ("worker-1", "worker-2"):
        stack.spawn(name)
    wait_for("they are there again", stack.is_ready, 40)
    origin = os.path.join(stack.dir, "origin.git")
    sh(stack.dir, "git clone -q --bare repo origin.git")
    s = Talk(stack, {"mode": "git", "url": "file://" + origin, "branch": "main"})
    name, before = place(s, 1)
    base = sh(before, "git rev-parse HEAD").strip()
    s.prompt(CHANGE)
    moment = s.await_event("moment")
    refs = sh(origin, "git for-each-ref --format='%(refname)' refs/fairlead").split()
    assert refs == [moment["ref"]] and moment["ref"].startswith("refs/fairlead/%s/snapshots/" % s.sid), (refs, moment)
    assert sh(origin, "git ls-tree --name-only %s" % refs[0]).split() == ["facts.json", "workspace"]
    s.prompt("echo too late >late; echo in the middle; sleep 60")
    says(s, "in the middle")
    stack.kill(name)
    other, path = place(s, 2)
    assert other != name, other
    wait_for("it is told", lambda: any(line.startswith("lost: ") for line in lines(s)), 20)
    notes = [n["message"] for n in s.events("note")]
    assert len(notes) == 1 and "end of turn 1" in notes[0] and "conversation could not be restored" in notes[0], notes
    check_files(path, base)
    moved = sh(origin, "git for-each-ref --format='%(refname)' refs/fairlead").split()
    assert len(moved) == 1 and int(moved[0].split("/")[-1]) > int(refs[0].split("/")[-1]), (refs, moved)
    end(s)
    wait_for("its refs are gone", lambda: not sh(origin, "git for-each-ref refs/fairlead"), 60)
    back(stack, name)
    sh(origin, "git config receive.hideRefs refs/fairlead")
    s = Talk(stack, {"mode": "git", "url": "file://" + origin, "branch": "main"})
    place(s, 1)
    for turn in (1, 2):
        s.prompt("echo %d >file; echo done" % turn)
        s.await_event("moment", turn)
    notes = [n["message"] for n in s.events("note")]
    assert len(notes) == 1 and notes[0].startswith("its snapshots stay with this worker: ") and "refuses" in notes[0], notes
    assert not any("ref" in m for m in s.events("moment")), s.events("moment")
    end(s)


# ---- the real CLIs ----

def begun(stack, agent):
    """Its first turn has written a file, and is over."""
    model = agent.model = Model((agent.protocol,))
    model.script("one", [[text("First this."), agent.write("made.txt", "by %s\n" % agent.kind)],
                         [text("That was first.")], [text("So I go on.")]])
    # Words that differ: a model that repeats itself is interrupted by some.
    model.script("slow", [[text("".join("word%d " % i for i in range(5000)), pause_s=0.1)]])
    model.script("two", [[text("I know all of it.")]])
    return Session(stack, agent, "#one begin", interactive=True)


def told_what_it_wrote(session):
    tools = [e for e in session.events("diff") if e.get("tool_execution_id")]
    assert tools and tools[0]["path"] == "made.txt", session.events("diff")
    assert tools[0]["newText"] == "by %s\n" % session.agent.kind, session.events("diff")
    assert session.events("file_edit")[0]["lines_added"] == 1, session.events()


def change_model(session):
    def done():
        return sum(e["outcome"] == "done" for e in session.events("command_finished"))
    before = done()
    ws = session.tell(type="set_model", model=session.agent.whole[the_model_is_changed])
    wait_for("the model is changed", lambda: done() > before, 30)
    ws.close()


def goes_on(session, was):
    """With its own session and what it knew at the end of its first turn."""
    model = session.agent.model
    other, path = place(session, 2)
    assert other != was, other
    assert sh(path, "cat made.txt") == "by %s\n" % session.agent.kind
    wait_for("it goes on", lambda: "So I go on." in session.said(), 90)
    assert len({e["session_id"] for e in session.events("agent_session")}) == 1, session.events("agent_session")
    assert len(session.events("agent_session")) == 2 and not session.events("error"), session.events()
    told = [m["content"] for m in session.events("message") if m["role"] == "system"]
    assert len(told) == 1 and "end of turn 1" in told[0] and "could not be restored" not in told[0], told
    assert told[0] in str(model.requests("one")[-1]), "the agent was not told"
    session.await_event("moment", 2)
    change_model(session)
    session.prompt("#two what do you know?")
    wait_for("it answers", lambda: "I know all of it." in session.said(), 60)
    asked = str(model.requests("two")[-1])
    assert model.requests("two")[-1]["model"] == session.agent.whole[the_model_is_changed].split("/")[-1], asked
    assert "#one begin" in asked and "That was first." in asked and "So I go on." in asked, asked


def go_on_with_another_worker(stack, agents):
    """All with one worker, whose end is theirs."""
    stack.kill("worker-2")
    sessions = [begun(stack, agent) for agent in agents]
    for session in sessions:
        session.approve(session.await_event("permission_request")["request_id"])
    for session in sessions:
        session.await_event("moment")
        assert place(session, 1)[0] == "worker-1", place(session, 1)
        told_what_it_wrote(session)
        session.prompt("#slow talk")
    back(stack, "worker-2")
    for session in sessions:
        wait_for("it talks", lambda s=session: "word9" in "".join(d["delta"] for d in s.events("message_delta")), 60)
    stack.kill("worker-1")
    for session in sessions:
        try:
            goes_on(session, "worker-1")
        except BaseException:
            print("%s: %s" % (session.agent.kind, session.events()[-20:]), flush=True)
            raise
        end(session)
    back(stack, "worker-1")


def of_clis(alone):
    """The tests of those that are here."""
    if not os.environ[IN_NAMESPACE]:
        print("skipped: the CLIs, there is no network of its own for them", flush=True)
        return [], []
    for agent in AGENTS:
        if agent.lacks():
            print("skipped: %s: %s" % (agent.kind, agent.lacks()), flush=True)
    agents = [a for a in AGENTS if not a.lacks()]
    tests = []
    for some in [[a] for a in agents] if alone else [agents][:len(agents)]:
        def test(stack, some=some):
            go_on_with_another_worker(stack, some)
        test.__name__ = "%s go on with their own conversation" % ", ".join(a.kind for a in some)
        tests.append(test)
    return agents, tests


def main(bin_dir, alone=False):
    if IN_NAMESPACE not in os.environ:
        # Inside one of an ordinary user's own PostgreSQL could not be another user: the CLI stays out then.
        may = os.geteuid() == 0 and subprocess.run(["unshare", "-n", "true"], stderr=subprocess.DEVNULL).returncode == 0
        os.environ[IN_NAMESPACE] = "1" if may else ""
        inside = ["unshare", "-n", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"] if may else []
        argv = [*inside, SERVER, sys.executable, *sys.argv]
        os.execvp(argv[0], argv)
    agents, tests = of_clis(alone)
    env = {"FAIRLEAD_WORKER_STOP_GRACE": "1s", "FAIRLEAD_WORKER_SLOTS": "8", **{a.setting: a.program for a in agents}}
    if not alone:
        tests = [one_that_is_killed_in_a_turn_has_its_files_and_its_conversation_elsewhere,
                 one_that_is_drained_between_turns_misses_nothing, one_without_a_turn_begins_from_its_beginning, *tests,
                 one_goes_on_from_its_repository_where_workers_share_nothing_else]
    cluster = Cluster(bin_dir, env, {"api": 2, "streamer": 2, "scheduler": 1, "worker": 2})
    cluster.env["FAIRLEAD_WORKER_SNAPSHOT_DIR"] = os.path.join(cluster.dir, "snapshots")
    with cluster as stack:
        run_all(tests, stack)
        assert not stack.crashes(), stack.crashes()


if __name__ == "__main__":
    main(sys.argv[1], "alone" in sys.argv[2:])
