// A headless Chromium, driven over the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/).
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";

const START_MS = 30000;

function startedAt(child) {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`Chromium does not start: ${text}`)), START_MS);
    child.stderr.on("data", (chunk) => {
      text += chunk;
      const found = /DevTools listening on (ws:\S+)/.exec(text);
      if (found) {
        clearTimeout(timer);
        resolve(found[1]);
      }
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`Chromium ended with ${code}: ${text}`)));
  });
}

export class Chromium {
  static async start() {
    const self = new Chromium();
    self.dir = mkdtempSync(join(tmpdir(), "fairlead-chromium."));
    self.child = spawn("chromium", ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
      "--no-first-run", "--disable-background-networking", "--remote-debugging-port=0", `--user-data-dir=${self.dir}`,
      "about:blank"], { stdio: ["ignore", "ignore", "pipe"], detached: true });
    self.socket = new WebSocket(await startedAt(self.child), { perMessageDeflate: false });
    self.waiting = new Map();
    self.number = 0;
    self.socket.on("message", (data) => self.take(JSON.parse(data)));
    await new Promise((resolve, reject) => self.socket.once("open", resolve).once("error", reject));
    return self;
  }

  take(message) {
    const waiter = this.waiting.get(message.id);
    if (waiter) {
      this.waiting.delete(message.id);
      if (message.error) waiter.reject(new Error(message.error.message));
      else waiter.resolve(message.result);
    }
  }

  call(method, params = {}, sessionId = undefined) {
    const id = ++this.number;
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  // A page at that address, whose requests carry these headers.
  async page(url, headers = {}) {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId);
    await this.call("Network.enable", {}, sessionId);
    await this.call("Network.setExtraHTTPHeaders", { headers }, sessionId);
    await this.call("Page.navigate", { url }, sessionId);
    await page.run("new Promise((go) => { const look = () => " +
      `location.href.startsWith(${JSON.stringify(url)}) && document.readyState === "complete" ? go() ` +
      ": setTimeout(look, 20); look(); })", true);
    return page;
  }

  stop() {
    this.child.removeAllListeners("exit");
    this.socket.terminate();
    return new Promise((resolve) => {
      this.child.once("exit", () => {
        rmSync(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
        resolve();
      });
      process.kill(-this.child.pid, "SIGKILL"); // its whole group
    });
  }
}

class Page {
  constructor(chromium, sessionId) {
    Object.assign(this, { chromium, sessionId });
  }

  // The value of an expression; a promise is waited for. again: the page may be another by then.
  async run(expression, again = false) {
    for (;;) {
      try {
        const answer = await this.chromium.call("Runtime.evaluate",
          { expression, awaitPromise: true, returnByValue: true }, this.sessionId);
        if (answer.exceptionDetails) {
          throw new Error(answer.exceptionDetails.exception?.description ?? answer.exceptionDetails.text);
        }
        return answer.result.value;
      } catch (error) {
        if (!again || !/navigated|destroyed|context/.test(error.message)) throw error;
      }
    }
  }
}
