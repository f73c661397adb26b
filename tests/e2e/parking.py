#!/usr/bin/python3
"""One slot, and agents that wait: for a child they submitted, for children of children, many at once. None waits for ever.

usage: parking.py BIN_DIR
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import approvals  # noqa: E402
from first_light import wait_for  # noqa: E402
from sockets import Socket  # noqa: E402
from stack import Stack, Watcher, run_all  # noqa: E402

DEPTH = 3
PARENTS = 6  # more than may reside on the worker

# $1: how many generations are to come.
FAMILY = """
set -e
if [ "$1" -gt 0 ]; then
    child=$("$BIN" task run --detach --env "BIN=$BIN" --env "URL=$URL" --env "KEY=$KEY" --url "$URL" --key "$KEY" \
        -- sh -c "$FAIRLEAD_SCRIPT" family $(($1 - 1)))
    echo "waits for $child"
    echo "it $("$BIN" agent wait-session "$child")"
fi
echo "generation $1"
"""


def submit(stack, generations):
    # The script hands itself on: as its own text in its environment.
    env = {"BIN": stack.bin, "URL": "http://127.0.0.1:%d" % stack.port, "KEY": stack.key, "SCRIPT": FAMILY}
    script = FAMILY.replace('"$FAIRLEAD_SCRIPT"', '"$SCRIPT"').replace(
        '--env "BIN=$BIN"', '--env "BIN=$BIN" --env "SCRIPT=$SCRIPT"')
    env["SCRIPT"] = script
    body = {
        "prompt": "test", "repo": {"mode": "none"}, "runtime": {"type": "local"},
        "agents": [{"type": "command", "version": "latest",
                    "settings": {"argv": ["sh", "-c", script, "family", str(generations)], "env": env}}],
    }
    status, answer = stack.json("POST", "/api/v1/tasks", body)
    assert status == 201, (status, answer)
    return answer["session_ids"][0]


def follow(stack, sid):
    watcher = Watcher(stack, sid, 60)
    watcher.start()
    return watcher


def check(stack, watcher, generations):
    watcher.join(70)
    assert watcher.ended and watcher.problem is None, (watcher.sid, watcher.problem)
    lines = [e["message"] for _, kind, e in watcher.events if kind == "log"]
    kinds = [kind for _, kind, _ in watcher.events]
    assert lines[-1] == "generation %d" % generations, lines
    assert lines[-2] == "it completed", lines
    assert kinds.count("parked") == kinds.count("unparked") == 1, kinds
    assert kinds.index("parked") < kinds.index("unparked"), kinds
    assert stack.json("GET", "/api/v1/sessions/" + watcher.sid)[1]["status"] == "completed"


def generations_wait_for_each_other_with_one_slot(stack):
    check(stack, follow(stack, submit(stack, DEPTH)), DEPTH)


def many_parents_wait_for_their_children_at_once(stack):
    watchers = [follow(stack, submit(stack, 1)) for _ in range(PARENTS)]
    for watcher in watchers:
        check(stack, watcher, 1)


ASKS = """
echo run >>runs
"$BIN" agent ask deploy $KEYED
echo "runs $(wc -l <runs) restored $FAIRLEAD_RESTORED"
"""


def asks(stack, keyed):
    settings = {"argv": ["sh", "-c", ASKS], "env": {"BIN": stack.bin, "KEYED": "--key deploy" if keyed else ""}}
    body = {"prompt": "test", "repo": {"mode": "none"}, "runtime": {"type": "local"},
            "agents": [{"type": "command", "version": "latest", "settings": settings}]}
    status, answer = stack.json("POST", "/api/v1/tasks", body)
    assert status == 201, (status, answer)
    watcher = follow(stack, answer["session_ids"][0])
    wait_for("it is parked", lambda: any(kind == "parked" for _, kind, _ in watcher.events), 20)
    return watcher


def approve(stack, watcher):
    request = [e["request_id"] for _, kind, e in watcher.events if kind == "permission_request"][-1]
    ws = Socket(stack)
    ws.say({"type": "approval_response", "sessionId": watcher.sid, "approvalId": request, "action": "approve",
            "ref": "yes"})
    frame = ws.next()
    assert frame["type"] == "ack", frame
    ws.close()


def who_waits_for_a_person_makes_room_for_those_who_do_not(stack):
    stays, leaves = asks(stack, False), asks(stack, True)
    quick = follow(stack, stack.submit(["sh", "-c", "echo quick"])[0])
    quick.join(30)
    assert quick.ended, "it had no place"
    assert any(e.get("evicted") for _, kind, e in leaves.events if kind == "status"), leaves.events
    for watcher, line in ((stays, "runs 1 restored "), (leaves, "runs 2 restored 1")):
        approve(stack, watcher)
        watcher.join(30)
        assert watcher.ended and watcher.problem is None, (watcher.sid, watcher.problem)
        lines = [e["message"] for _, kind, e in watcher.events if kind == "log"]
        assert lines == ["allow", line], lines


def nothing_is_left_in_the_queue(stack):
    def idle():
        items = stack.json("GET", "/api/v1/sessions?perPage=100")[1]["items"]
        return all(s["status"] == "completed" for s in items)
    wait_for("all have completed", idle, 20)


def main(bin_dir):
    with Stack(bin_dir, {"FAIRLEAD_WORKER_SLOTS": "1", "FAIRLEAD_WORKER_RESIDENT": "2"}) as stack:
        run_all([generations_wait_for_each_other_with_one_slot, many_parents_wait_for_their_children_at_once,
                 who_waits_for_a_person_makes_room_for_those_who_do_not, *approvals.TESTS, nothing_is_left_in_the_queue],
                stack)
        assert stack.stop() == 0


if __name__ == "__main__":
    main(sys.argv[1])
