#!/usr/bin/python3
"""The page at / with a real browser: the first administrator, logging in and out, and what ends a login.

usage: door.py BIN_DIR [SCREENSHOT_DIR]
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Browser  # noqa: E402
from stack import Stack  # noqa: E402

EMAIL, PASSWORD, OTHER = "grace@example.org", "a horse that nobody staples", "quite another horse"
PROVIDER = {"name": "corp", "title": "The Corporation", "issuer": "https://id.example.com", "clientId": "fairlead",
            "role": "viewer", "domains": ["example.com"]}
ENV = {"FAIRLEAD_LOGIN_HASH_MEMORY": "8MiB", "FAIRLEAD_LOGIN_HASH_PASSES": "1"}


def pins(stack):
    """Of the logs of all API nodes."""
    found, logs = [], os.path.join(stack.home, "log")
    for name in sorted(os.listdir(logs)):
        with open(os.path.join(logs, name), errors="replace") as f:
            found += re.findall(r"event=setup\.pin pin=([0-9]+) ", f.read())
    return found


def shoot(browser, name):
    if len(sys.argv) > 2:
        browser.screenshot(os.path.join(sys.argv[2], name + ".png"))


def log_in(browser, password):
    browser.await_shown("#login-form")
    browser.fill({"login-email": EMAIL, "login-password": password})
    browser.click("#login-form button")


def await_text(browser, selector, text):
    browser.await_true("document.querySelector('%s').textContent.includes('%s')" % (selector, text))


def set_up(stack, browser):
    found = pins(stack)
    assert len(found) == 1, "one PIN for all nodes: %r" % found
    browser.go("http://127.0.0.1:%d/" % stack.port)
    browser.await_shown("#setup-form")
    shoot(browser, "setup")
    form = {"setup-name": "Grace", "setup-email": EMAIL, "setup-password": PASSWORD}
    browser.fill({**form, "setup-pin": "0000000000"})
    browser.click("#setup-form button")
    await_text(browser, "#setup-form .problem", "not the setup PIN")
    browser.run("document.getElementById('setup-form').reset()")
    browser.fill({**form, "setup-pin": found[0]})
    browser.click("#setup-form button")
    browser.await_shown("#main")
    await_text(browser, "#who", "Grace")
    assert browser.run("document.cookie") == "", "a script sees the cookie"


def follow(stack, browser):
    stack.submit(["sh", "-c", "echo hello from the agent; sleep 60"])
    browser.await_shown("#sessions button")
    browser.click("#sessions button")
    await_text(browser, "#events", "hello from the agent")
    assert browser.run("document.getElementById('link').textContent") == "following"
    shoot(browser, "inside")


def out_and_in(browser):
    browser.click("#leave")
    browser.await_shown("#login-form")
    await_text(browser, "#ways", "The Corporation")
    answer = browser.run("fetch('/api/v1/sessions').then((a) => a.status)")
    assert answer == 401, answer
    log_in(browser, OTHER)
    await_text(browser, "#login-form .problem", "is wrong")
    shoot(browser, "login")
    browser.run("document.getElementById('login-form').reset()")
    log_in(browser, PASSWORD)
    browser.await_shown("#main")
    browser.go(browser.run("location.origin") + "/")  # and it stays so
    browser.await_shown("#main")


def end_by_others(stack, browser):
    user = browser.run("fetch('/auth/session').then((a) => a.json()).then((s) => s.user.id)")
    status, answer = stack.json("DELETE", "/api/v1/logins?user=" + user)
    assert status == 200 and answer["ended"] >= 1, (status, answer)
    browser.await_shown("#login-form")
    await_text(browser, "#door-said", "logged out")
    return user


def new_password(stack, browser, user):
    status, answer = stack.json("POST", "/api/v1/users/%s/password-code" % user)
    assert status == 201, (status, answer)
    browser.go("http://127.0.0.1:%d%s" % (stack.port, answer["path"]))
    browser.await_shown("#password-form")
    browser.fill({"new-password": OTHER})
    browser.click("#password-form button")
    log_in(browser, OTHER)
    browser.await_shown("#main")


def main(bin_dir):
    new = Stack(bin_dir, ENV)
    new.env["FAIRLEAD_OIDC_PROVIDERS_FILE"] = os.path.join(new.dir, "providers.json")
    with open(new.env["FAIRLEAD_OIDC_PROVIDERS_FILE"], "w") as f:
        json.dump({"providers": [PROVIDER]}, f)
    with new as stack, Browser() as browser:
        begun = time.monotonic()
        set_up(stack, browser)
        follow(stack, browser)
        out_and_in(browser)
        new_password(stack, browser, end_by_others(stack, browser))
        assert stack.cli("admin", "setup-pin").returncode == 1, "a second first administrator"
        print("%.1f s" % (time.monotonic() - begun))


if __name__ == "__main__":
    main(sys.argv[1])
