#!/usr/bin/python3
"""Logging in at identity providers: a real one (npm's oidc-provider) and one that lies, with a scripted browser, devices
and the CLI.

usage: log_in.py BIN_DIR [SCREENSHOT_DIR]
"""
import html
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
from browser import Browser as Chromium  # noqa: E402
from stack import Stack, free_port, run_all  # noqa: E402

CLIENTS = os.path.join(HERE, "clients")
SKIPPED = 77
SECRET = "a client secret of a test: 100% & more"
KEY_WAIT_S = 25  # a key that is not known is looked for once in 10 s


class Browser:
    """Cookies by host and port, redirects one by one."""

    def __init__(self):
        self.cookies = {}

    def ask(self, method, url, form=None, headers=None, body=None):
        """(status, Location or body)"""
        parts = urllib.parse.urlsplit(url)
        jar = self.cookies.setdefault(parts.netloc, {})
        conn = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        head = {"Cookie": "; ".join("%s=%s" % pair for pair in jar.items())} if jar else {}
        data = body
        if form is not None:
            data = urllib.parse.urlencode(form)
            head["Content-Type"] = "application/x-www-form-urlencoded"
        head.update(headers or {})
        try:
            conn.request(method, parts.path + ("?" + parts.query if parts.query else ""), data, head)
            reply = conn.getresponse()
            for name, value in reply.getheaders():
                if name.lower() == "set-cookie":
                    self.take(jar, value)
            text = reply.read().decode(errors="replace")
            to = reply.getheader("Location")
            return reply.status, urllib.parse.urljoin(url, to) if to else text
        finally:
            conn.close()

    @staticmethod
    def take(jar, line):
        name, value = line.split(";", 1)[0].split("=", 1)
        if not value or "max-age=0" in line.lower() or "1970" in line:
            jar.pop(name, None)
        else:
            jar[name] = value

    def walk(self, url, until=None):
        """Follows redirects; stops in front of an address that begins with `until`."""
        for _ in range(20):
            if until and url.startswith(until):
                return 0, url
            status, what = self.ask("GET", url, headers={"Accept": "text/html"})
            if status not in (302, 303):
                return status, what
            url = what
        raise AssertionError("redirected without end: " + url)


class World:
    """The system and both providers."""

    def __init__(self, bin_dir):
        self.dir = tempfile.mkdtemp(prefix="fairlead-login.")
        base = free_port()
        self.real, self.liar, self.dead = (base + 36, base + 37, base + 38)
        providers = os.path.join(self.dir, "providers.json")
        self.stack = Stack(bin_dir, {
            "FAIRLEAD_OIDC_PROVIDERS_FILE": providers, "FAIRLEAD_AUTH_PLAIN_ISSUERS": "true",
            "FAIRLEAD_OIDC_FAKE": "true", "XDG_CONFIG_HOME": os.path.join(self.dir, "config"),
            "DBUS_SESSION_BUS_ADDRESS": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""})
        self.url = "http://127.0.0.1:%d" % self.stack.port
        with open(providers, "w") as f:
            json.dump({"providers": self.rows()}, f)
        os.chmod(self.dir, 0o755)
        os.chmod(providers, 0o644)
        settings = {"real": self.real, "liar": self.liar, "redirect": self.url + "/auth/callback", "secret": SECRET}
        self.node = subprocess.Popen(["node", "providers.mjs"], cwd=CLIENTS, text=True, stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, env=dict(os.environ, PROVIDERS=json.dumps(settings)))

    def rows(self):
        same = {"clientId": "fairlead-test", "clientSecret": SECRET}
        liar = "http://127.0.0.1:%d" % self.liar
        return [
            dict(same, name="real", title="The real one", issuer="http://127.0.0.1:%d" % self.real,
                 scopes="openid email profile groups", domains=["Example.com"],
                 roles={"ops": "admin", "devs": "operator", "all": "viewer"}),
            dict(same, name="liar", issuer=liar, role="viewer"),
            dict(same, name="dead", issuer="http://127.0.0.1:%d" % self.dead, role="viewer"),
            dict(same, name="hub", kind="github", domains=["hub.test"], role="operator",
                 deviceEndpoint=liar + "/login/device/code", tokenEndpoint=liar + "/login/oauth/access_token",
                 userEndpoint=liar + "/user", emailsEndpoint=liar + "/user/emails"),
        ]

    def tail(self, lines=12):
        return self.stack.tail(lines)

    def __enter__(self):
        self.stack.__enter__()
        assert self.node.stdout.readline().strip() == "ready"
        return self

    def __exit__(self, *_):
        self.node.kill()
        self.node.wait()
        self.stack.__exit__()

    def tell(self, **what):
        Browser().ask("GET", "http://127.0.0.1:%d/control?%s" % (self.real, urllib.parse.urlencode(what)))

    def login(self, browser, provider="real", **query):
        """(status, where it ends or what is said)"""
        query = urllib.parse.urlencode(dict(query, provider=provider))
        status, what = browser.walk(self.url + "/auth/oidc/login?" + query, until=self.url + "/auth/callback")
        return browser.ask("GET", what) if status == 0 else (status, what)

    def session(self, browser):
        return json.loads(browser.ask("GET", self.url + "/auth/session")[1])

    def person(self, account="alice", groups="ops"):
        self.tell(account=account, groups=groups)
        browser = Browser()
        assert self.login(browser) == (303, self.url + "/"), self.login(browser)
        return browser

    def post(self, path, body=None, form=None, headers=None):
        head = {"Content-Type": "application/json"} if form is None else {}
        data = json.dumps(body if body is not None else {}) if form is None else None
        status, text = Browser().ask("POST", self.url + path, form, dict(head, **(headers or {})),
                                     data if body is not None else None)
        return status, json.loads(text) if text else None


# ---- browsers ----

def a_person_logs_in_and_is_who_the_provider_says(world):
    world.tell(account="alice", groups="ops")
    browser = Browser()
    ended = world.login(browser, return_to="/device?user_code=X")
    assert ended == (303, world.url + "/device?user_code=X"), ended
    session = world.session(browser)
    assert session["authenticated"] and session["role"] == "admin" and session["user"]["name"] == "Alice", session
    assert [c for c in browser.cookies["127.0.0.1:%d" % world.stack.port] if "oidc" in c] == []
    # The same person the next time; their role is what their groups say then.
    again = world.person(groups="devs,all")
    assert world.session(again)["user"]["id"] == session["user"]["id"]
    assert world.session(again)["role"] == "operator"
    config = json.loads(browser.ask("GET", world.url + "/auth/config")[1])
    assert {"name": "real", "title": "The real one", "browser": True} in config["providers"], config


def nobody_is_sent_to_another_server_afterwards(world):
    for bad in ("//evil.test", "https://evil.test/", "/\\evil.test", "\\\\evil.test", "/\r\nX: y", "/\t/evil.test", "evil"):
        status, text = world.login(Browser(), return_to=bad)
        assert status == 400, (bad, status, text)
    assert world.login(Browser(), provider="nobody")[0] == 400


def an_answer_counts_only_for_the_browser_and_login_that_it_is_for(world):
    world.tell(account="alice", groups="ops")
    one, other = Browser(), Browser()
    _, answer = one.walk(world.url + "/auth/oidc/login?provider=real", until=world.url + "/auth/callback")
    assert other.ask("GET", answer)[0] == 400, "without a cookie"
    other.walk(world.url + "/auth/oidc/login?provider=real", until=world.url + "/auth/callback")
    assert other.ask("GET", answer)[0] == 400, "with the cookie of another login"
    assert one.ask("GET", re.sub("state=[^&]*", "state=x", answer))[0] == 400
    assert one.ask("GET", answer + "&state=x")[0] == 400
    kept = dict(one.cookies)
    kept = {host: dict(jar) for host, jar in kept.items()}
    assert one.ask("GET", answer)[0] == 303
    one.cookies = kept
    status, text = one.ask("GET", answer)
    assert status == 400 and "does not take this code" in text, (status, text)
    assert not world.session(other)["authenticated"]


def who_may_not_log_in_does_not(world):
    for account, word in (("mallory", "none of those"), ("bob", "does not say")):
        world.tell(account=account, groups="ops")
        browser = Browser()
        status, text = world.login(browser)
        assert status == 403 and word in text, (account, status, text)
        assert not world.session(browser)["authenticated"]
    world.tell(account="alice", groups="nothing")
    status, text = world.login(Browser())
    assert status == 403 and "groups" in text, (status, text)
    browser = Browser()
    browser.walk(world.url + "/auth/oidc/login?provider=real", until="http://127.0.0.1:%d/interaction" % world.real)
    state = re.search("state=([^&]*)", "state=x").group(1)
    assert browser.ask("GET", "%s/auth/callback?error=access_denied&state=%s" % (world.url, state))[0] == 400


def what_a_liar_says_is_not_believed(world):
    world.tell(lie="")
    browser = Browser()
    assert world.login(browser, provider="liar") == (303, world.url + "/"), world.login(Browser(), provider="liar")
    assert world.session(browser)["role"] == "viewer"
    for lie in ("nonce", "nononce", "key", "none", "hs256", "aud", "azp", "iss", "expired", "access", "payload"):
        world.tell(lie=lie)
        browser = Browser()
        status, text = world.login(browser, provider="liar")
        assert status == 401, (lie, status, text)
        assert not world.session(browser)["authenticated"], lie
    # It says an address that is somebody's: it does not speak for that, so it becomes nobody.
    world.person()
    world.tell(lie="email")
    browser = Browser()
    world.login(browser, provider="liar")
    assert world.session(browser)["user"]["name"] == "Liar"
    world.tell(lie="stranger")
    status, text = world.login(Browser(), provider="liar")
    assert status == 409 and "does not speak for it" in text, (status, text)
    world.tell(lie="")


def answers_of_two_providers_are_not_mixed_up(world):
    world.tell(account="alice", groups="ops", lie="")
    one = Browser()
    # Begun at the liar, answered by the real one with the liar's state: RFC 9207, and the code is worth nothing there.
    _, at_liar = one.walk(world.url + "/auth/oidc/login?provider=liar", until=world.url + "/auth/callback")
    _, at_real = Browser().walk(world.url + "/auth/oidc/login?provider=real", until=world.url + "/auth/callback")
    state = re.search("state=([^&]*)", at_liar).group(1)
    status, text = one.ask("GET", re.sub("state=[^&]*", "state=" + state, at_real))
    assert status == 400 and "another provider" in text, (status, text)
    # Begun at the real one: what does not say that it is the real one's is not taken.
    two = Browser()
    _, answer = two.walk(world.url + "/auth/oidc/login?provider=real", until=world.url + "/auth/callback")
    status, text = two.ask("GET", re.sub("&iss=[^&]*", "", answer))
    assert status == 400 and "which provider" in text, (status, text)


def who_logs_out_is_told_where_the_provider_ends_its_login(world):
    browser = world.person()
    csrf = {"X-CSRF-Token": world.session(browser)["csrfToken"]}
    cookies = {host: dict(jar) for host, jar in browser.cookies.items()}
    status, text = browser.ask("POST", world.url + "/auth/logout", headers=csrf)
    to = urllib.parse.urlsplit(json.loads(text)["endSessionUrl"])
    query = urllib.parse.parse_qs(to.query)
    assert status == 200 and to.port == world.real and to.path == "/session/end", text
    assert query == {"client_id": ["fairlead-test"], "post_logout_redirect_uri": [world.url + "/"]}, query
    assert browser.ask("GET", json.loads(text)["endSessionUrl"])[0] == 200
    browser.cookies = cookies
    assert not world.session(browser)["authenticated"], "the login has ended, whoever has its cookie"
    world.tell(lie="")
    browser = Browser()
    assert world.login(browser, provider="liar")[0] == 303
    assert browser.ask("POST", world.url + "/auth/logout",
                       headers={"X-CSRF-Token": world.session(browser)["csrfToken"]})[0] == 204


def a_provider_that_is_away_is_said_to_be(world):
    begun = time.monotonic()
    for _ in range(3):
        status, text = world.login(Browser(), provider="dead")
        assert status == 503 and "cannot be asked" in text, (status, text)
    assert time.monotonic() - begun < 5


def a_provider_may_change_its_keys(world):
    world.person()
    world.tell(rotate="second")
    until = time.monotonic() + KEY_WAIT_S
    status = 0
    while status != 303 and time.monotonic() < until:
        status, text = world.login(Browser())
        assert status in (303, 401), (status, text)
        time.sleep(0.5 if status != 303 else 0)
    assert status == 303


# ---- devices ----

def poll(world, code):
    status, answer = world.post("/auth/poll", {"device_code": code})
    assert status == 200 and set(answer) == {"status", "jwt", "refresh_token", "login", "provider_access_token",
                                             "error"}, (status, answer)
    return answer


def confirm(world, device):
    """As the person at the real provider."""
    browser = Browser()
    base = "http://127.0.0.1:%d" % world.real
    _, page = browser.walk(base + "/device")
    for _ in range(3):
        form = re.search(r"<form.*?action=\"([^\"]+)\".*?</form>", page, re.S)
        fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
        if not form or "xsrf" not in fields:
            break
        fields = {name: html.unescape(value) for name, value in fields.items() if name in ("xsrf", "confirm")}
        fields["user_code"] = device["user_code"]
        status, page = browser.ask("POST", urllib.parse.urljoin(base, form.group(1)), fields)
        if status in (302, 303):
            _, page = browser.walk(page)
    return page


def a_device_logs_in_at_a_provider(world):
    world.tell(account="alice", groups="devs")
    status, device = world.post("/auth/device?provider=real")
    assert status == 200 and device["interval"] == 5 and device["user_code"], (status, device)
    assert poll(world, device["device_code"])["status"] == "pending"
    early = poll(world, device["device_code"])
    assert (early["status"], early["error"]) == ("pending", "slow_down"), early
    page = confirm(world, device)
    until = time.monotonic() + 15
    answer = early
    while answer["status"] == "pending" and time.monotonic() < until:
        time.sleep(0.5)
        answer = poll(world, device["device_code"])
    assert answer["status"] == "complete" and answer["login"] == "Alice", (answer, page)
    assert answer["provider_access_token"] is None
    assert poll(world, device["device_code"])["error"] == "invalid_device_code"
    bearer = {"Authorization": "Bearer " + answer["jwt"]}
    me = json.loads(Browser().ask("GET", world.url + "/auth/me", headers=bearer)[1])
    assert (me["sub"], me["provider"], me["role"]) == ("Alice", "real", "operator"), me
    status, more = world.post("/auth/refresh", {"refresh_token": answer["refresh_token"]})
    assert status == 200 and more["refresh_token"] != answer["refresh_token"], (status, more)
    assert more["refresh_expires_at"] > time.time()
    assert world.post("/auth/refresh", {"refresh_token": answer["refresh_token"]}) == \
        (401, {"error": "invalid refresh token"})
    # It came back: the login is over.
    assert world.post("/auth/refresh", {"refresh_token": more["refresh_token"]})[0] == 401
    assert world.post("/auth/revoke", {"refresh_token": more["refresh_token"]}) == (200, {"revoked": True})


def a_device_logs_in_as_github_does_it(world):
    world.tell(github="pending")
    status, device = world.post("/auth/device?provider=hub")
    assert status == 200 and device["interval"] == 5, (status, device)
    assert poll(world, device["device_code"])["status"] == "pending"
    assert poll(world, device["device_code"])["error"] == "slow_down"
    world.tell(github="done")
    status, device = world.post("/auth/device?provider=hub")
    answer = poll(world, device["device_code"])
    assert answer["status"] == "complete" and answer["login"] == "octo", answer
    world.tell(github="access_denied")
    status, device = world.post("/auth/device?provider=hub")
    answer = poll(world, device["device_code"])
    assert (answer["status"], answer["error"]) == (None, "access_denied"), answer
    assert poll(world, device["device_code"])["error"] == "invalid_device_code"


def the_fake_provider_says_yes(world):
    status, device = world.post("/auth/device?provider=fake")
    assert status == 200 and device["user_code"] == "FAKE-CODE" and device["device_code"] != "fake-device-code-123"
    answer = poll(world, device["device_code"])
    assert answer["status"] == "complete" and answer["login"] == "ci-test-user", answer
    assert world.post("/auth/revoke", {"refresh_token": answer["refresh_token"]}) == (200, {"revoked": True})
    assert world.post("/auth/refresh", {"refresh_token": answer["refresh_token"]})[0] == 401
    assert world.post("/auth/device")[0] == 400, "no github here"
    assert poll(world, "x")["error"] == "invalid_device_code"


# ---- programs that are let in here ----

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def decide(world, browser, code, verb):
    csrf = world.session(browser)["csrfToken"]
    return browser.ask("POST", "%s/api/v1/device-codes/%s/%s" % (world.url, code, verb), headers={"X-CSRF-Token": csrf})


def token(world, code):
    return world.post("/oauth/token", form={"grant_type": GRANT, "client_id": "fairlead-cli", "device_code": code})


def a_program_gets_what_a_person_allows(world):
    browser = world.person(groups="devs")
    codes = world.post("/oauth/device_authorization", form={"client_id": "fairlead-cli", "scope": "session:read admin"})[1]
    assert re.fullmatch("[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}", codes["user_code"]), codes
    assert codes["verification_uri"] == world.url + "/device" and codes["interval"] == 5
    assert token(world, codes["device_code"]) == (400, {"error": "authorization_pending"})
    assert token(world, codes["device_code"]) == (400, {"error": "slow_down"})
    typed = codes["user_code"].lower().replace("-", "")
    path = "%s/api/v1/device-codes/%s" % (world.url, typed)
    shown = json.loads(browser.ask("GET", path)[1])
    assert shown["client"] == "fairlead-cli" and shown["address"] and "admin" not in shown["scopes"], shown
    assert browser.ask("POST", path + "/allow")[0] == 403, "without the CSRF token"
    assert browser.ask("POST", path + "/allow", headers={"X-CSRF-Token": world.session(browser)["csrfToken"],
                                                         "Origin": "https://evil.test"})[0] == 403
    key = {"Authorization": "ApiKey " + world.stack.key}
    assert Browser().ask("POST", path + "/allow", headers=key)[0] == 403, "a key decides nothing"
    status, text = decide(world, browser, typed, "allow")
    assert status == 200, text
    assert decide(world, browser, typed, "allow")[0] == 404
    status, answer = token(world, codes["device_code"])
    assert status == 200 and answer["token_type"] == "Bearer" and "admin" not in answer["scope"].split(), answer
    assert token(world, codes["device_code"])[1]["error"] == "invalid_grant"
    status, more = world.post("/oauth/token", form={"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]})
    assert status == 200 and more["refresh_token"] != answer["refresh_token"]
    status, again = world.post("/oauth/token", form={"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]})
    assert status == 400 and again["error"] == "invalid_grant", again


def a_program_is_sent_away(world):
    browser = world.person(groups="devs")
    codes = world.post("/oauth/device_authorization", form={"client_id": "fairlead-cli"})[1]
    assert decide(world, browser, codes["user_code"], "deny")[0] == 200
    assert token(world, codes["device_code"]) == (400, {"error": "access_denied"})
    for form, error in (({"grant_type": "password"}, "unsupported_grant_type"), ({}, "invalid_request"),
                        ({"grant_type": GRANT, "client_id": "x", "device_code": "y"}, "invalid_client"),
                        ({"grant_type": GRANT, "client_id": "fairlead-cli"}, "invalid_request")):
        status, answer = world.post("/oauth/token", form=form)
        assert status in (400, 401) and answer["error"] == error, (form, answer)
    status, text = Browser().ask("POST", world.url + "/oauth/token", body="grant_type=a&grant_type=b",
                                 headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 400 and json.loads(text)["error"] == "invalid_request", text
    assert world.post("/oauth/device_authorization", form={"client_id": "fairlead-cli", "scope": "root"})[1]["error"] \
        == "invalid_scope"
    document = json.loads(Browser().ask("GET", world.url + "/.well-known/oauth-authorization-server")[1])
    assert document["issuer"] == world.url and GRANT in document["grant_types_supported"], document


def who_guesses_codes_is_stopped(world):
    world.tell(lie="", account="alice")
    browser = Browser()
    assert world.login(browser, provider="liar")[0] == 303
    statuses = [browser.ask("GET", "%s/api/v1/device-codes/BBBB-BBB%s" % (world.url, c))[0] for c in "BCDFGHJKLMN"]
    assert statuses == [404] * 10 + [429], statuses
    codes = world.post("/oauth/device_authorization", form={"client_id": "fairlead-cli"})[1]
    assert decide(world, browser, codes["user_code"], "allow")[0] == 429, "a right one does not help then"


def the_pages_do_it_with_a_real_browser(world):
    world.tell(account="alice", groups="devs", lie="")
    codes = world.post("/oauth/device_authorization", form={"client_id": "fairlead-cli"})[1]
    with Chromium() as browser:
        browser.go(codes["verification_uri_complete"])
        browser.await_shown("#login")
        shoot(browser, "device_nobody")
        browser.run("[...document.querySelectorAll('#ways a')].find(a => a.textContent === 'at The real one').click()")
        browser.await_true("location.pathname === '/device' && document.querySelector('#who').textContent.includes('Alice')")
        assert browser.run("document.cookie") == "", "a script sees the cookie"
        browser.click("#code-form button")
        browser.await_shown("#ask")
        shoot(browser, "device_ask")
        assert codes["user_code"] in browser.run("document.querySelector('#ask').textContent")
        browser.click("#allow")
        browser.await_true("document.querySelector('#done').textContent.startsWith('Done')")
        assert token(world, codes["device_code"])[0] == 200
        browser.go(world.url + "/")
        browser.await_shown("#main")
        browser.click("#leave")
        browser.await_true("location.pathname === '/session/end'")
        browser.run("location.assign('%s/auth/oidc/login?provider=real')" % world.url)
        browser.await_shown("#main")


def shoot(browser, name):
    if len(sys.argv) > 2:
        browser.screenshot(os.path.join(sys.argv[2], name + ".png"))


# ---- the CLI ----

def cli_login(world, browser, env=None):
    process = subprocess.Popen([world.stack.bin, "login", "--server", world.url, "--no-browser"], text=True,
                               env=dict(world.stack.env, **(env or {})), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = ""
    while "The code is" not in out:
        line = process.stdout.readline()
        assert line, out
        out += line
    code = re.search("The code is ([A-Z-]{9})", out).group(1)
    assert decide(world, browser, code, "allow")[0] == 200
    out += process.communicate(timeout=30)[0]
    assert process.returncode == 0 and "logged in to " + world.url in out, out


def saved(world):
    return os.path.join(world.dir, "config", "fairlead", "login.json")


def expire(world):
    with open(saved(world)) as f:
        login = json.load(f)
    login["accessEnds"] = 1
    with open(saved(world), "w") as f:
        json.dump(login, f)
    return login


def the_cli_logs_in_and_out_as_a_person(world):
    cli_login(world, world.person(groups="devs"))
    assert os.stat(saved(world)).st_mode & 0o777 == 0o600
    who = world.stack.cli("whoami")
    assert who.returncode == 0 and who.stdout.startswith("Alice, operator in default at "), (who.stdout, who.stderr)
    assert world.stack.cli("session", "list").returncode == 0
    before = expire(world)["refresh"]
    # Several at once, whose access token has ended: one renews, the others take what it got.
    results = []
    threads = [threading.Thread(target=lambda: results.append(world.stack.cli("whoami", "--json"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.returncode for r in results] == [0] * 4, [(r.stdout, r.stderr) for r in results]
    with open(saved(world)) as f:
        after = json.load(f)["refresh"]
    assert after != before and int(after.split("_")[3]) == int(before.split("_")[3]) + 1, (before, after)
    out = world.stack.cli("logout")
    assert out.returncode == 0 and not os.path.exists(saved(world)), (out.stdout, out.stderr)
    assert world.post("/auth/refresh", {"refresh_token": after})[0] == 401, "it has ended at the server too"
    assert "nobody is logged in" in world.stack.cli("logout").stdout


def tokens_are_in_the_keyring_where_there_is_one(world):
    tools = os.path.join(world.dir, "tools")
    os.makedirs(tools, exist_ok=True)
    kept = os.path.join(world.dir, "kept")
    with open(os.path.join(tools, "secret-tool"), "w") as f:
        f.write('#!/bin/sh\ncase $1 in store) cat >"%s" ;; lookup) cat "%s" ;; clear) rm -f "%s" ;; esac\n'
                % (kept, kept, kept))
    os.chmod(f.name, 0o755)
    env = {"PATH": tools + ":" + os.environ["PATH"], "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
    cli_login(world, world.person(groups="devs"), env)
    with open(saved(world)) as f:
        login = json.load(f)
    assert login == {"url": world.url, "keyring": True}, login
    with open(kept) as f:
        secret = json.load(f)
    secret["accessEnds"] = 1
    with open(kept, "w") as f:
        json.dump(secret, f)
    run = lambda *args: subprocess.run([world.stack.bin, *args], env=dict(world.stack.env, **env), capture_output=True,
                                       text=True, timeout=60)
    who = run("whoami")
    assert who.returncode == 0 and who.stdout.startswith("Alice"), (who.stdout, who.stderr)
    with open(kept) as f:
        assert json.load(f)["refresh"] != secret["refresh"], "it was renewed"
    assert run("logout").returncode == 0 and not os.path.exists(kept)


TESTS = [
    a_person_logs_in_and_is_who_the_provider_says,
    nobody_is_sent_to_another_server_afterwards,
    an_answer_counts_only_for_the_browser_and_login_that_it_is_for,
    who_may_not_log_in_does_not,
    what_a_liar_says_is_not_believed,
    answers_of_two_providers_are_not_mixed_up,
    who_logs_out_is_told_where_the_provider_ends_its_login,
    a_provider_that_is_away_is_said_to_be,
    a_device_logs_in_at_a_provider,
    a_device_logs_in_as_github_does_it,
    the_fake_provider_says_yes,
    a_program_gets_what_a_person_allows,
    a_program_is_sent_away,
    who_guesses_codes_is_stopped,
    the_pages_do_it_with_a_real_browser,
    the_cli_logs_in_and_out_as_a_person,
    tokens_are_in_the_keyring_where_there_is_one,
    a_provider_may_change_its_keys,
]


def main(bin_dir):
    if not os.path.exists(os.path.join(CLIENTS, "node_modules", "oidc-provider")):
        print("the npm packages of clients/package-lock.json are not installed: tools/install-npm says why")
        sys.exit(SKIPPED)
    with World(bin_dir) as world:
        run_all(TESTS, world)


if __name__ == "__main__":
    main(sys.argv[1])
