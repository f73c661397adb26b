#!/usr/bin/python3
"""An agent on standard input and output (Agent Client Protocol) that uses one tool in each turn."""
import json
import sys

SESSION = "one"


def say(message):
    sys.stdout.write(json.dumps(dict(message, jsonrpc="2.0")) + "\n")
    sys.stdout.flush()


def update(**what):
    say({"method": "session/update", "params": {"sessionId": SESSION, "update": what}})


def use_tool():
    update(sessionUpdate="tool_call", toolCallId="call-1", title="Look", kind="read", status="in_progress")
    update(sessionUpdate="tool_call_update", toolCallId="call-1", status="completed",
           content=[{"type": "content", "content": {"type": "text", "text": "seen"}}])


def main():
    for line in sys.stdin:
        request = json.loads(line)
        method = request.get("method")
        if method == "initialize":
            result = {"protocolVersion": 1, "agentCapabilities": {}, "authMethods": []}
        elif method == "session/new":
            result = {"sessionId": SESSION}
        elif method == "session/prompt":
            use_tool()
            result = {"stopReason": "end_turn"}
        else:
            continue
        say({"id": request["id"], "result": result})


main()
