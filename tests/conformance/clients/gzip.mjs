// Streams under Content-Encoding: gzip, as other people's programs read them: whenever they join, to the end.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import http from "node:http";
import zlib from "node:zlib";
import { Chromium } from "./chromium.mjs";
import { append, base, finish, key, log, runAll, session, until } from "./stack.mjs";

const path = (sid) => `/api/v1/sessions/${sid}/events`;
const headers = { Accept: "text/event-stream", Authorization: `ApiKey ${key}` };

// Python's zlib says whether the stream had its end, with the right sum.
const python = `
import sys, urllib.request, zlib
request = urllib.request.Request(sys.argv[1], headers={"Accept": "text/event-stream", "Accept-Encoding": "gzip",
                                                       "Authorization": "ApiKey " + sys.argv[2]})
with urllib.request.urlopen(request) as answer:
    assert answer.headers["Content-Encoding"] == "gzip"
    unpack = zlib.decompressobj(31)
    while True:
        some = answer.read1(65536)
        sys.stdout.write(unpack.decompress(some).decode())
        sys.stdout.flush()
        if not some:
            break
assert unpack.eof and not unpack.unused_data, "cut off"
`;

// What a program writes; it ends well when the stream does.
function program(command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const seen = { text: "", over: false, code: null };
  child.stdout.on("data", (chunk) => (seen.text += chunk));
  child.on("close", (code) => Object.assign(seen, { over: true, code }));
  return { look: async () => seen };
}

const curl = {
  name: "curl --compressed",
  open: async (url) => program("curl", ["-sSN", "--compressed", "-H", `Accept: ${headers.Accept}`,
    "-H", `Authorization: ${headers.Authorization}`, url]),
};

const pythonZlib = {
  name: "python zlib",
  open: async (url) => program("/usr/bin/python3", ["-c", python, url, key]),
};

const nodeZlib = {
  name: "node zlib",
  wire: 0,
  async open(url) {
    const seen = { text: "", over: false, code: 0 };
    http.get(url, { headers: { ...headers, "Accept-Encoding": "gzip" } }, (answer) => {
      assert.equal(answer.headers["content-encoding"], "gzip");
      assert.match(answer.headers.vary, /Accept-Encoding/i);
      answer.on("data", (chunk) => (nodeZlib.wire += chunk.length));
      answer.pipe(zlib.createGunzip())
        .on("data", (chunk) => (seen.text += chunk))
        .on("end", () => (seen.over = true))
        .on("error", (error) => Object.assign(seen, { over: true, code: error.message }));
    });
    return { look: async () => seen };
  },
};

// Runs in the page too: so it uses nothing from outside.
function follow(url, init) {
  const seen = { text: "", over: false, code: 0, coding: "" };
  (async () => {
    const answer = await fetch(url, init);
    seen.coding = answer.headers.get("content-encoding");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) seen.text += part.value;
  })().catch((error) => (seen.code = error.message)).finally(() => (seen.over = true));
  return seen;
}

const nodeFetch = {
  name: "node fetch",
  async open(url) {
    const seen = follow(url, { headers });
    return { look: async () => seen };
  },
};

async function chromiumFetch(chromium) {
  const page = await chromium.page(`${base}/`, { Authorization: headers.Authorization });
  let count = 0;
  return {
    name: "Chromium fetch",
    async open(url) {
      const at = `window.gzip${++count}`;
      await page.run(`${at} = (${follow})(${JSON.stringify(new URL(url).pathname)}, ` +
        `{ headers: { Accept: "text/event-stream" } }), 0`);
      return { look: () => page.run(at) };
    },
  };
}

const ids = (text) => [...text.matchAll(/^id: (\S+)\nevent: (?!end)/gm)].map(([, id]) => id);

async function has(stream, id) {
  await until(`the client has ${id}`, async () => ids((await stream.look()).text).at(-1) === id);
}

async function whoever_joins_at_any_time_gets_all_as_it_happens(client) {
  const sid = await session();
  const streams = [];
  for (let round = 0; round < 4; round++) {
    streams.push(await client.open(base + path(sid)));
    for (let i = 0; i < 12; i++) {
      const cursors = await append(sid, `round ${round}`, `part ${i}`, `of many events that are much alike`);
      await has(streams[i % streams.length], cursors.at(-1));
    }
  }
  const noise = Array.from({ length: 20000 }, () => String.fromCharCode(33 + Math.random() * 90)).join("");
  await append(sid, noise); // too large for a piece: everybody gets it plain
  await append(sid, "and on");
  await finish(sid);
  const expected = (await log(sid)).map(({ id }) => id);
  for (const stream of streams) {
    await until("it has ended", async () => (await stream.look()).over);
    const seen = await stream.look();
    assert.equal(seen.code, 0);
    assert.deepEqual(ids(seen.text), expected);
    assert.ok(seen.text.includes(JSON.stringify(noise).slice(1, -1)));
    assert.ok(seen.coding === undefined || seen.coding === "gzip");
  }
}

async function events_that_are_alike_cost_little(client) {
  const sid = await session();
  const stream = await client.open(base + path(sid));
  let cursors = await append(sid, "first");
  await has(stream, cursors.at(-1));
  const before = { wire: nodeZlib.wire, text: (await stream.look()).text.length };
  for (let i = 0; i < 60; i++) cursors = await append(sid, `event number ${i} of a session that says much the same`);
  await has(stream, cursors.at(-1));
  const saved = ((await stream.look()).text.length - before.text) / (nodeZlib.wire - before.wire);
  console.log(`         1 byte for ${saved.toFixed(1)}`);
  assert.ok(saved > 2);
  await finish(sid);
}

const chromium = await Chromium.start();
let failed = 1;
try {
  failed = await runAll([curl, pythonZlib, nodeZlib, nodeFetch, await chromiumFetch(chromium)],
    [whoever_joins_at_any_time_gets_all_as_it_happens]) || await runAll([nodeZlib], [events_that_are_alike_cost_little]);
} finally {
  await chromium.stop();
}
process.exit(failed);
