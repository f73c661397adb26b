#!/usr/bin/python3
"""What an attacker tries through the load balancer: that it and the nodes behind it read a request differently, and
that what a client writes passes for what the load balancer knows.

usage: front.py BIN_DIR
"""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stack import Stack, run_all  # noqa: E402



def raw(stack, request):
    """The bytes as they are; the status and the whole answer, (0, b"") when there is none."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=15) as sock:
        sock.sendall(request)
        answer = b""
        while True:
            try:
                piece = sock.recv(65536)
            except ConnectionError:
                piece = b""
            if not piece:
                break
            answer += piece
    return (int(answer.split(b" ", 2)[1]), answer) if answer.startswith(b"HTTP/") else (0, answer)


def get(stack, target, *headers):
    lines = ["GET %s HTTP/1.1" % target, "Host: fairlead.example", "Connection: close"] + list(headers)
    return raw(stack, ("\r\n".join(lines) + "\r\n\r\n").encode())


def metrics_are_not_for_the_public(stack):
    for target in ("/metrics", "/metrics?x", "/%6detrics", "/metric%73", "//metrics", "/./metrics", "/x/../metrics",
                   "/x/%2e%2e/metrics", "/metrics/", "/metrics%20", "/metrics;x", "/METRICS", "/metrics%3f", "/metrics%00",
                   "/stream/metrics", "/stream/../metrics", "/stream/%2e%2e/metrics", "\\metrics", "/\\metrics",
                   "http://fairlead.example/metrics", "http://fairlead.example//metrics", "/metrics#x", "/metrics%23"):
        status, answer = get(stack, target)
        assert b"fairlead_" not in answer and b"# HELP" not in answer, (target, answer[:300])
        assert status in (0, 400, 404), (target, status)


def a_path_leads_to_what_is_checked(stack):
    """Which node it goes to is haproxy's reading, what is answered is the node's: neither lets anybody in."""
    sid = stack.submit(["true"])[0]
    forms = ["/api/v1/sessions/%s/events", "/stream/api/v1/sessions/%s/events", "/api/v1/sessions/%s/%%65vents",
             "/api/v1/sessions/%s%%2Fevents", "/api/v1/sessions/%s/./events", "/api/v1/sessions/x/../%s/events",
             "/stream/../api/v1/sessions/%s", "/stream//api/v1/sessions/%s/events", "/%%73tream/api/v1/sessions/%s/events",
             "/api/v1/sessions/%s/events/", "/api/v1/sessions/%s", "/api/v1/sessions/%%30%s", "//api/v1/sessions/%s"]
    for form in forms:
        status, answer = get(stack, form % sid, "Accept: application/json")
        assert status in (400, 401, 404), (form, status, answer[:300])
        assert b"\"items\"" not in answer, (form, answer[:300])


def two_credentials_do_not_become_one(stack):
    key = stack.key
    for headers in (["X-API-Key: %s" % key, "X-API-Key: none"], ["X-API-Key: none", "x-api-key: %s" % key],
                    ["Authorization: ApiKey %s" % key, "Authorization: ApiKey none"],
                    ["Authorization: ApiKey %s" % key, "X-API-Key: none"], ["X-API-Key: %s, none" % key],
                    ["X_API_Key: %s" % key], ["X-API-Key : %s" % key], ["X-API-Key:\r\n %s" % key]):
        status, answer = get(stack, "/api/v1/sessions", *headers)
        # A line that is folded is one header for both, or a bad request for both.
        assert status in (400, 401) or "\r\n" in headers[0] and b"\"items\"" in answer, (headers, status, answer[:300])


def address_of_a_login(stack, *headers):
    """Where the login came from, as it is written down: what limits count, too."""
    body = b"{}"
    lines = ["POST /api/v1/tokens HTTP/1.1", "Host: fairlead.example", "Connection: close", "X-API-Key: %s" % stack.user_key,
             "Content-Type: application/json", "Content-Length: %d" % len(body)] + list(headers)
    status, answer = raw(stack, ("\r\n".join(lines) + "\r\n\r\n").encode() + body)
    assert status == 201, answer
    status, listed = stack.json("GET", "/api/v1/tokens", headers={"Authorization": "ApiKey " + stack.user_key})
    assert status == 200, listed
    return listed["items"][0]["address"]


def an_address_is_what_the_load_balancer_saw(stack):
    status, user = stack.json("POST", "/api/v1/service-accounts", {"name": "front", "role": "operator"})
    assert status == 201, user
    status, key = stack.json("POST", "/api/v1/keys", {"name": "front", "scopes": ["session:read"], "ownerId": user["id"]})
    assert status == 201, key
    stack.user_key = key["key"]
    for headers in ([], ["X-Forwarded-For: 203.0.113.9"], ["x-forwarded-for: 203.0.113.9", "X-Forwarded-For: 203.0.113.9"],
                    ["X-Forwarded-For: 203.0.113.9, 127.0.0.1"], ["X-Forwarded-For: 127.0.0.1"],
                    ["Forwarded: for=203.0.113.9"], ["X_Forwarded_For: 203.0.113.9"], ["X-Real-IP: 203.0.113.9"],
                    ["X-Forwarded-For:"], ["X-Forwarded-For: unknown"]):
        assert address_of_a_login(stack, *headers) == "127.0.0.1", headers


def main():
    with Stack(sys.argv[1]) as stack:
        run_all([metrics_are_not_for_the_public, a_path_leads_to_what_is_checked, two_credentials_do_not_become_one,
                 an_address_is_what_the_load_balancer_saw], stack)


if __name__ == "__main__":
    main()
