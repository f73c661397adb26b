"""A headless Chromium for end-to-end tests, driven over the DevTools protocol
(https://chromedevtools.github.io/devtools-protocol/)."""
import asyncio
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import websockets

ARGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--remote-debugging-port=0", "--window-size=1100,760", "about:blank"]
WAIT_S = 20
LINE_MAX = 64 * 1024 * 1024


class Browser:
    """One browser with one page; every call waits for its answer."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="fairlead-chromium.")
        self.loop = asyncio.new_event_loop()
        self.number = 0
        with open(os.path.join(self.dir, "log"), "wb") as log:
            self.child = subprocess.Popen(["chromium", "--user-data-dir=" + self.dir, *ARGS], stdout=log, stderr=log,
                                          start_new_session=True)
        try:
            self.socket = self.loop.run_until_complete(self.connect(self.address()))
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.page = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.socket:
            self.loop.run_until_complete(self.socket.close())
        os.killpg(self.child.pid, signal.SIGKILL)  # its own group
        self.child.wait()
        self.loop.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    page = socket = None

    def address(self):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            with open(os.path.join(self.dir, "log"), errors="replace") as f:
                text = f.read()
            found = re.search(r"DevTools listening on (ws:\S+)", text)
            if found:
                return found.group(1)
            time.sleep(0.05)
        raise RuntimeError("Chromium does not start:\n" + text)

    async def connect(self, address):
        # Pings would go unanswered: nobody listens between two calls.
        return await websockets.connect(address, max_size=LINE_MAX, ping_interval=None)

    async def exchange(self, message):
        await self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(await asyncio.wait_for(self.socket.recv(), WAIT_S))
            if answer.get("id") == message["id"]:
                return answer

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.page:
            message["sessionId"] = self.page
        answer = self.loop.run_until_complete(self.exchange(message))
        if "error" in answer:
            raise RuntimeError("%s: %s" % (method, answer["error"]["message"]))
        return answer["result"]

    def go(self, url):
        """To another document, also where only the fragment differs."""
        self.call("Page.navigate", url="about:blank")
        self.await_true("location.href === 'about:blank'")
        self.call("Page.navigate", url=url)
        self.await_true("location.href.startsWith(%s) && document.readyState === 'complete'" % json.dumps(url))

    def run(self, expression):
        """The value of an expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError("%s: %s" % (expression, answer["exceptionDetails"]))
        return answer["result"].get("value")

    def await_true(self, expression, timeout_s=WAIT_S):
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if self.run(expression) is True:
                    return
                why = "false"
            except RuntimeError as error:  # between two documents
                why = str(error)
            if time.monotonic() > deadline:
                raise AssertionError("%s is not true: %s\n%s" % (expression, why, self.run("document.body.innerText")))
            time.sleep(0.05)

    def await_shown(self, selector):
        self.await_true("(() => { const e = document.querySelector(%s); return e !== null && e.checkVisibility(); })()"
                        % json.dumps(selector))

    def fill(self, values):
        """Type into fields as a person does: focus, then text."""
        for name, value in values.items():
            self.run("document.getElementById(%s).focus()" % json.dumps(name))
            self.call("Input.insertText", text=value)

    def click(self, selector):
        self.run("document.querySelector(%s).click()" % json.dumps(selector))

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
