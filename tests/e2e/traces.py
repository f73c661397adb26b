#!/usr/bin/python3
"""What a collector gets of a task: one tree of spans, from the request to the tools of the agent, whatever happens on the
way; and nothing of a task that nobody traces.

usage: traces.py BIN_DIR
"""
import http.server
import json
import os
import sys
import threading
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from cli import figure, page_of  # noqa: E402
from first_light import make_repo, wait_for  # noqa: E402
from stack import Stack, Watcher, run_all  # noqa: E402

HEADER = "Bearer of-the-collector"
CALLER = "b7ad6b7169203331"
RATIO = 500000  # of a million
AGENT = os.path.join(HERE, "..", "standins", "tool_agent.py")


class Collector(http.server.ThreadingHTTPServer):
    """Keeps every span that it is sent, and may be out of order for a while."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Collecting)
        self.spans, self.problems, self.status = [], [], 200
        self.url = "http://127.0.0.1:%d/v1/traces" % self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def of(self, trace):
        return [s for s in list(self.spans) if s["traceId"] == trace]

    def named(self, trace, name):
        return [s for s in self.of(trace) if s["name"] == name]


class Collecting(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            try:
                self.keep(json.loads(body))
            except Exception as e:
                self.server.problems.append("%r: %r" % (e, body[:300]))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def keep(self, body):
        assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/json"
        assert self.headers["Authorization"] == HEADER, self.headers["Authorization"]
        for resource in body["resourceSpans"]:
            who = attributes(resource["resource"])
            for scope in resource["scopeSpans"]:
                assert scope["scope"]["name"] == "fairlead"
                for span in scope["spans"]:
                    self.server.spans.append(dict(span, service=who["service.name"]))

    def log_message(self, *_):
        pass


def attributes(of):
    return {a["key"]: next(iter(a["value"].values())) for a in of.get("attributes", [])}


def submit(stack, trace, sampled=True, **more):
    body = {"prompt": "look", "repo": {"mode": "none"}, "runtime": {"type": "local"},
            "agents": [{"type": "acp", "version": "latest", "settings": {"argv": ["/usr/bin/python3", AGENT]}}]}
    body.update(more)
    parent = "00-%s-%s-%s" % (trace, CALLER, "01" if sampled else "00")
    status, answer = stack.json("POST", "/api/v1/tasks", body, {"traceparent": parent})
    assert status == 201, (status, answer)
    return answer["session_ids"][0]


def ended(stack, sid, status="completed"):
    watcher = Watcher(stack, sid, 60)
    watcher.start()
    watcher.join(70)
    assert watcher.ended and watcher.problem is None and not watcher.gaps, watcher.problem
    assert stack.json("GET", "/api/v1/sessions/" + sid)[1]["status"] == status, watcher.events
    return watcher.events


def one(stack, trace, name, count=1):
    wait_for("%d of %s" % (count, name), lambda: len(stack.collector.named(trace, name)) >= count, 30)
    found = stack.collector.named(trace, name)
    assert len(found) == count, found
    return found[-1]


def check_span(span):
    assert len(span["traceId"]) == 32 and len(span["spanId"]) == 16, span
    began, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    assert isinstance(span["startTimeUnixNano"], str) and began <= end and began > 10**18, span
    assert isinstance(span["kind"], int) and 1 <= span["kind"] <= 5, span


def a_task_is_one_tree_across_all_processes(stack):
    trace = os.urandom(16).hex()
    sid = submit(stack, trace)
    events = ended(stack, sid)
    parents = {  # name: (its parent's name, who tells it)
        "POST /api/v1/tasks": (None, "fairlead-api"),
        "task.accept": ("POST /api/v1/tasks", "fairlead-api"),
        "session.wait": ("task.accept", "fairlead-scheduler"),
        "session.claim": ("task.accept", "fairlead-scheduler"),
        "session.attempt": ("session.claim", "fairlead-worker"),
        "agent.start": ("session.attempt", "fairlead-worker"),
        "agent.turn": ("session.attempt", "fairlead-worker"),
        "agent.tool": ("agent.turn", "fairlead-worker"),
    }
    spans = {name: one(stack, trace, name) for name in parents}
    assert {s["name"] for s in stack.collector.of(trace)} == set(parents), stack.collector.of(trace)
    for name, (parent, service) in parents.items():
        check_span(spans[name])
        assert spans[name]["parentSpanId"] == (spans[parent]["spanId"] if parent else CALLER), (name, spans)
        assert spans[name]["service"] == service, spans[name]
    assert attributes(spans["session.attempt"])["fairlead.session"] == sid
    assert attributes(spans["session.attempt"])["fairlead.state"] == "completed"
    assert attributes(spans["agent.tool"])["fairlead.tool"] in ("read", "Look"), spans["agent.tool"]
    assert attributes(spans["POST /api/v1/tasks"])["http.response.status_code"] == "201"
    turn = "00-%s-%s-01" % (trace, spans["agent.turn"]["spanId"])
    told = {kind: event["traceparent"] for _, kind, event in events if "traceparent" in event}
    assert told["tool_use"] == told["tool_result"] == told["turn_started"] == turn, (told, turn)
    assert told["status"].split("-")[1] == trace, told
    assert "trace=" + trace in logs(stack, "worker"), "the worker's lines do not name the trace"


def logs(stack, service):
    with open(os.path.join(stack.home, "log", service + ".log"), errors="replace") as f:
        return f.read()


def each_attempt_is_a_branch_of_it(stack):
    trace = os.urandom(16).hex()
    sid = submit(stack, trace, maxAttempts=2, agents=[
        {"type": "command", "version": "latest", "settings": {"argv": ["sh", "-c", "exit 3"]}}])
    ended(stack, sid, "failed")
    one(stack, trace, "session.attempt", 2)
    one(stack, trace, "session.claim", 2)
    claims = {s["spanId"] for s in stack.collector.named(trace, "session.claim")}
    attempts = stack.collector.named(trace, "session.attempt")
    accept = one(stack, trace, "task.accept")["spanId"]
    assert {s["parentSpanId"] for s in attempts} == claims and len(claims) == 2, (attempts, claims)
    assert {s["parentSpanId"] for s in stack.collector.named(trace, "session.claim")} == {accept}
    assert [attributes(s)["fairlead.attempt"] for s in attempts] == ["1", "2"], attempts
    assert attempts[-1]["status"]["code"] == 2, attempts[-1]


def a_branch_of(stack, trace, parents):
    """parents: name: (its parent's span id, who tells it); returns the spans by name."""
    spans = {}
    for name, (parent, service) in parents.items():
        spans[name] = one(stack, trace, name)
        check_span(spans[name])
        above = spans[parent]["spanId"] if parent in spans else parent
        assert spans[name].get("parentSpanId", "") == above and spans[name]["service"] == service, (name, above, spans)
    return spans


REST = {"session.wait": ("task.accept", "fairlead-scheduler"), "session.claim": ("task.accept", "fairlead-scheduler"),
        "session.attempt": ("session.claim", "fairlead-worker")}


def what_is_delivered_is_a_span_of_its_attempt(stack):
    trace = os.urandom(16).hex()
    ended(stack, submit(stack, trace, repo={"mode": "git", "url": make_repo(os.path.join(stack.dir, "a repo"))},
                        delivery={"mode": "patch"}, agents=[
        {"type": "command", "version": "latest", "settings": {"argv": ["sh", "-c", "echo more >file.txt"]}}]))
    attempt = one(stack, trace, "session.attempt")
    a_branch_of(stack, trace, {"session.deliver": (attempt["spanId"], "fairlead-worker")})


def a_chat_begins_with_a_task_in_the_trace_of_its_first_message(stack):
    trace = os.urandom(16).hex()
    body = {"agent": {"type": "command", "settings": {"argv": ["echo", "hello"]}}, "open": False}
    assert stack.json("PUT", "/api/v1/namespaces/traced", body)[0] in (200, 201)
    head = {"traceparent": "00-%s-%s-01" % (trace, CALLER), "X-Session-Id": str(uuid.uuid4()), "X-API-Key": stack.key}
    status, _, raw = stack.request("POST", "/api/chat?namespace=traced&message=hi", None, head)
    assert status == 200, (status, raw)
    a_branch_of(stack, trace, {"POST /api/chat": (CALLER, "fairlead-api"), "task.accept": ("POST /api/chat", "fairlead-api"), **REST})


def a_schedule_begins_traces_of_its_own_or_goes_on_with_who_runs_it(stack):
    body = {"name": "beat", "everySeconds": 1, "task": {
        "prompt": "beat", "repo": {"mode": "none"}, "runtime": {"type": "local"},
        "agents": [{"type": "command", "version": "latest", "settings": {"argv": ["true"]}}]}}
    status, made = stack.json("POST", "/api/v1/schedules", body)
    assert status == 201, (status, made)

    def fired():
        return [s for s in list(stack.collector.spans) if s["name"] == "schedule.run"]
    wait_for("one that is chosen", fired, 60)
    assert attributes(fired()[0])["fairlead.schedule"] == made["id"], fired()
    trace, hand = fired()[0]["traceId"], os.urandom(16).hex()
    assert int(trace[16:], 16) % 10**6 < RATIO, trace
    a_branch_of(stack, trace, {"schedule.run": ("", "fairlead-scheduler"), "task.accept": ("schedule.run", "fairlead-scheduler"),
                               **REST})
    head = {"traceparent": "00-%s-%s-01" % (hand, CALLER)}
    assert stack.json("POST", "/api/v1/schedules/%s/run" % made["id"], None, head)[0] == 201
    run = "POST /api/v1/schedules/{id}/run"
    a_branch_of(stack, hand, {run: (CALLER, "fairlead-api"), "task.accept": (run, "fairlead-api"), **REST})
    stack.json("DELETE", "/api/v1/schedules/" + made["id"])


def what_nobody_traces_leaves_nothing(stack):
    trace, marker = os.urandom(8).hex() + "%016x" % (10**12 + RATIO), os.urandom(16).hex()
    events = ended(stack, submit(stack, trace, sampled=False))
    assert not any("traceparent" in event for _, _, event in events), events
    ended(stack, submit(stack, marker))
    one(stack, marker, "session.attempt")
    assert stack.collector.of(trace) == [], stack.collector.of(trace)


def count(stack, service, outcome):
    return figure(page_of(stack, service), 'fairlead_trace_spans_total{outcome="%s"}' % outcome)


def a_collector_that_is_away_costs_spans_and_nothing_else(stack):
    lost, trace = count(stack, "worker", "unsent"), os.urandom(16).hex()
    stack.collector.status = 400  # not to be tried again
    ended(stack, submit(stack, trace))
    wait_for("they are given up", lambda: count(stack, "worker", "unsent") >= lost + 4, 30)
    assert stack.collector.of(trace) == []
    stack.collector.status = 503  # to be tried again
    trace = os.urandom(16).hex()
    ended(stack, submit(stack, trace))
    stack.collector.status = 200
    one(stack, trace, "session.attempt")


def main(bin_dir):
    collector = Collector()
    env = {"FAIRLEAD_TRACE_OTLP_URL": collector.url, "FAIRLEAD_TRACE_HEADERS": "Authorization=" + HEADER,
           "FAIRLEAD_RETRY_BASE": "10ms", "FAIRLEAD_TRACE_RATIO": str(RATIO)}
    with Stack(bin_dir, env) as stack:
        stack.collector = collector
        run_all([a_task_is_one_tree_across_all_processes, each_attempt_is_a_branch_of_it,
                 what_is_delivered_is_a_span_of_its_attempt, a_chat_begins_with_a_task_in_the_trace_of_its_first_message,
                 a_schedule_begins_traces_of_its_own_or_goes_on_with_who_runs_it,
                 what_nobody_traces_leaves_nothing, a_collector_that_is_away_costs_spans_and_nothing_else], stack)
        assert stack.stop() == 0
    assert not collector.problems, collector.problems


if __name__ == "__main__":
    main(sys.argv[1])
