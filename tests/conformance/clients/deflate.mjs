// Events that were compressed once for all, under permessage-deflate, as npm's ws and Chromium's WebSocket read them.
import assert from "node:assert/strict";
import WebSocket from "ws";
import { Chromium } from "./chromium.mjs";
import { append, base, finish, key, log, runAll, session, until } from "./stack.mjs";

const url = `${base.replace(/^http/, "ws")}/api/v1/ws`;
const protocols = ["fairlead", `fairlead.key.${key}`];

// Runs in the page too: so it uses nothing from outside.
function follow(Source, url, protocols, sid) {
  const socket = new Source(url, protocols);
  const seen = { socket, ids: [], bytes: 0, ended: false, closed: 0, extensions: "" };
  socket.onopen = () => {
    seen.extensions = socket.extensions;
    socket.send(JSON.stringify({ type: "subscribe", sessionId: sid }));
  };
  socket.onclose = (event) => (seen.closed = event.code);
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    seen.bytes += data.length;
    if (frame.type === "event") seen.ids.push(frame.id);
    seen.ended ||= frame.type === "end";
  };
  return seen;
}

const npm = {
  name: "npm ws",
  async open(sid) {
    const seen = follow(WebSocket, url, protocols, sid);
    return {
      look: async () => ({ ...seen, socket: undefined }),
      wire: () => seen.socket._socket.bytesRead,
      close: async () => seen.socket.close(),
    };
  },
};

async function chromiumClient(chromium) {
  const page = await chromium.page(`${base}/`);
  let count = 0;
  return {
    name: "Chromium WebSocket",
    async open(sid) {
      const at = `window.deflate${++count}`;
      await page.run(`${at} = (${follow})(WebSocket, ${JSON.stringify(url)}, ${JSON.stringify(protocols)}, ` +
        `${JSON.stringify(sid)}), 0`);
      return {
        look: () => page.run(`({ ...${at}, socket: undefined })`),
        close: () => page.run(`${at}.socket.close()`),
      };
    },
  };
}

async function has(stream, id) {
  await until(`the client has ${id}`, async () => (await stream.look()).ids.at(-1) === id);
}

async function whoever_joins_at_any_time_gets_all_as_it_happens(client) {
  const sid = await session();
  const streams = [];
  for (let round = 0; round < 4; round++) {
    streams.push(await client.open(sid));
    for (let i = 0; i < 12; i++) {
      const cursors = await append(sid, `round ${round}`, `part ${i}`, "of many events that are much alike");
      await has(streams[i % streams.length], cursors.at(-1));
    }
  }
  await append(sid, "x".repeat(100000), "and on");
  await finish(sid);
  const expected = (await log(sid)).map(({ id }) => id);
  for (const stream of streams) {
    await until("it has ended", async () => (await stream.look()).ended);
    const seen = await stream.look();
    assert.match(seen.extensions, /^permessage-deflate/);
    assert.deepEqual(seen.ids, expected);
    assert.equal(seen.closed, 0);
    await stream.close();
    await until("it has closed", async () => (await stream.look()).closed > 0);
  }
}

async function events_that_are_alike_cost_little(client) {
  const sid = await session();
  const stream = await client.open(sid);
  let cursors = await append(sid, "first");
  await has(stream, cursors.at(-1));
  const before = { wire: stream.wire(), bytes: (await stream.look()).bytes };
  for (let i = 0; i < 60; i++) cursors = await append(sid, `event number ${i} of a session that says much the same`);
  await has(stream, cursors.at(-1));
  const saved = ((await stream.look()).bytes - before.bytes) / (stream.wire() - before.wire);
  console.log(`         1 byte for ${saved.toFixed(1)}`);
  assert.ok(saved > 2);
  await stream.close();
  await finish(sid);
}

const chromium = await Chromium.start();
let failed = 1;
try {
  failed = await runAll([npm, await chromiumClient(chromium)], [whoever_joins_at_any_time_gets_all_as_it_happens]) ||
    await runAll([npm], [events_that_are_alike_cost_little]);
} finally {
  await chromium.stop();
}
process.exit(failed);
