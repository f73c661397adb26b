// Following sessions over /api/v1/ws with npm's ws and with Chromium's own WebSocket.
import assert from "node:assert/strict";
import WebSocket from "ws";
import { Chromium } from "./chromium.mjs";
import { append, ask, base, finish, key, kill, log, runAll, session, until } from "./stack.mjs";

const OPEN = 1, CLOSED = 3;
const PATH = "/api/v1/ws";
const url = (query = "") => base.replace("http:", "ws:") + PATH + query;

// Runs in the page too: so it uses nothing from outside.
function record(Socket, address, protocols, options) {
  const socket = new Socket(address, protocols, options);
  const seen = { socket, frames: [], close: null, errors: 0 };
  socket.onmessage = (e) => seen.frames.push(JSON.parse(e.data));
  socket.onclose = (e) => { seen.close = { code: e.code, reason: e.reason, clean: e.wasClean }; };
  socket.onerror = () => seen.errors++;
  return seen;
}

const npm = {
  name: "npm ws",
  async open(query = "", protocols = ["fairlead", `fairlead.key.${key}`]) {
    const seen = record(WebSocket, url(query), protocols);
    return {
      look: async () => ({ frames: seen.frames, close: seen.close, errors: seen.errors, state: seen.socket.readyState,
        protocol: seen.socket.protocol, extensions: seen.socket.extensions }),
      send: async (text) => seen.socket.send(text),
      bytes: async (list) => seen.socket.send(Uint8Array.from(list)),
      close: async (code, reason) => seen.socket.close(code, reason),
      raw: seen.socket,
    };
  },
};

async function chromiumClient(chromium) {
  const page = await chromium.page(`${base}/`);
  let count = 0;
  return {
    name: "Chromium",
    async open(query = "", protocols = ["fairlead", `fairlead.key.${key}`]) {
      const at = `window.seen${++count}`;
      await page.run(`${at} = (${record})(WebSocket, ${JSON.stringify(url(query))}, ${JSON.stringify(protocols)}), 0`);
      return {
        look: () => page.run(`({ frames: ${at}.frames, close: ${at}.close, errors: ${at}.errors, ` +
          `state: ${at}.socket.readyState, protocol: ${at}.socket.protocol, extensions: ${at}.socket.extensions })`),
        send: (text) => page.run(`${at}.socket.send(${JSON.stringify(text)})`),
        bytes: (list) => page.run(`${at}.socket.send(Uint8Array.from(${JSON.stringify(list)}))`),
        close: (code, reason) => page.run(`${at}.socket.close(${code}, ${JSON.stringify(reason)})`),
      };
    },
  };
}

async function opened(client, ...args) {
  const socket = await client.open(...args);
  await until("it is open", async () => (await socket.look()).state !== 0);
  assert.equal((await socket.look()).state, OPEN);
  return socket;
}

const say = (socket, frame) => socket.send(JSON.stringify(frame));

// The first frame that fits.
async function frame(socket, fits) {
  let found;
  await until("the frame", async () => (found = (await socket.look()).frames.find(fits)) !== undefined);
  return found;
}

const answer = (socket, ref) => frame(socket, (f) => f.ref === ref);
const has = (socket, sid, id) => frame(socket, (f) => f.type === "event" && f.sessionId === sid && f.id === id);

// Each event of the log after the first `skip`, once, in order, as the log has it.
async function isLog(socket, sid, skip = 0) {
  const events = (await log(sid)).slice(skip);
  const got = (await socket.look()).frames.filter((f) => f.type === "event" && f.sessionId === sid);
  assert.deepEqual(got.map(({ id }) => id), events.map(({ id }) => id));
  got.forEach((f, i) => {
    assert.deepEqual(f.event, events[i]);
    assert.equal(f.seq, events[i].seq);
  });
}

async function gone(socket) {
  await until("it is closed", async () => (await socket.look()).state === CLOSED);
  return (await socket.look()).close;
}

async function two_sessions_are_followed_on_one_connection(client) {
  const first = await session(), second = await session();
  const socket = await opened(client);
  assert.equal((await socket.look()).protocol, "fairlead");
  await say(socket, { type: "subscribe", sessionId: first, ref: "a" });
  await say(socket, { type: "subscribe", session_id: second, ref: "b" });
  assert.equal((await answer(socket, "a")).type, "subscribed");
  assert.equal((await answer(socket, "b")).sessionId, second);
  let one, two;
  for (let i = 0; i < 20; i++) {
    one = await append(first, `first ${i}`, "grüße, 世界, 🚢", "a\nb\rc");
    two = await append(second, `second ${i}`);
  }
  await has(socket, first, one.at(-1));
  await has(socket, second, two.at(-1));
  await isLog(socket, first);
  await isLog(socket, second);
  await say(socket, { type: "unsubscribe", sessionId: first, ref: "c" });
  await answer(socket, "c");
  await append(first, "unheard");
  await has(socket, second, (await append(second, "heard")).at(-1));
  assert.equal((await socket.look()).frames.filter((f) => f.event?.message === "unheard").length, 0);
  await socket.close(1000, "done");
  assert.deepEqual(await gone(socket), { code: 1000, reason: "", clean: true });
}

async function a_killed_streamer_is_resumed_at_another(client) {
  const sid = await session();
  const before = await opened(client);
  await say(before, { type: "subscribe", sessionId: sid });
  const [last] = await append(sid, "before");
  await has(before, sid, last);
  await Promise.all([kill("streamer-1"), kill("streamer-2")]);
  assert.equal((await gone(before)).clean, false);
  const had = (await log(sid)).length;
  const cursors = await append(sid, "while it was away");
  let after;
  await until("a streamer takes it", async () => {
    after = await client.open();
    await until("it is decided", async () => (await after.look()).state !== 0);
    return (await after.look()).state === OPEN;
  });
  await say(after, { type: "subscribe", sessionId: sid, after: last });
  await has(after, sid, cursors.at(-1));
  await isLog(after, sid, had);
  await after.close(1000, "");
}

async function what_is_wrong_is_told_and_the_connection_stays(client) {
  const socket = await opened(client);
  await socket.send("{nonsense");
  assert.equal((await frame(socket, (f) => f.type === "error")).code, "INVALID");
  await say(socket, { type: "subscribe", sessionId: "01ARZ3NDEKTSV4RRFFQ69G5FAV", ref: "none" });
  assert.equal((await answer(socket, "none")).code, "NOT_FOUND");
  await say(socket, { type: "subscribe", ref: "field" });
  assert.ok("sessionId" in (await answer(socket, "field")).errors);
  await say(socket, { type: "ping", ref: "still here" });
  assert.equal((await answer(socket, "still here")).type, "pong");
  await socket.close(4321, "for a reason of its own");
  assert.equal((await gone(socket)).code, 4321);
}

async function the_end_of_a_session_ends_its_subscription_only(client) {
  const sid = await session();
  const socket = await opened(client);
  await say(socket, { type: "subscribe", sessionId: sid });
  await finish(sid);
  assert.equal((await frame(socket, (f) => f.type === "end")).status, "cancelled");
  await isLog(socket, sid);
  await say(socket, { type: "ping", ref: "still here" });
  await answer(socket, "still here");
  await socket.close(1000, "");
}

async function messages_that_are_binary_or_too_large_end_it(client) {
  const binary = await opened(client);
  await binary.bytes([1, 2, 3]);
  assert.equal((await gone(binary)).code, 1003);
  const large = await opened(client);
  await say(large, { type: "ping", ref: "x".repeat(70000) });
  assert.equal((await gone(large)).code, 1009);
}

async function what_is_compressed_once_for_all_is_joined_anywhere(client) {
  const sid = await session();
  for (let i = 0; i < 10; i++) await append(sid, `long before ${i}`, "x".repeat(500));
  const early = await opened(client);
  await say(early, { type: "subscribe", sessionId: sid });
  assert.match((await early.look()).extensions, /^permessage-deflate/);
  let cursors = [];
  for (let i = 0; i < 40; i++) {
    cursors = await append(sid, `event ${i} ${"y".repeat(i * 10)}`);
    if (i === 20) await has(early, sid, cursors.at(-1));
  }
  const late = await opened(client);
  await say(late, { type: "subscribe", sessionId: sid });
  for (let i = 0; i < 40; i++) cursors = await append(sid, `more ${i}`);
  await has(early, sid, cursors.at(-1));
  await has(late, sid, cursors.at(-1));
  await isLog(early, sid);
  await isLog(late, sid);
  await early.close(1000, "");
  await late.close(1000, "");
}

async function a_ticket_opens_one_session(client) {
  const sid = await session();
  const { status, json } = await ask("POST", "/api/v1/stream-tickets", { sessionId: sid, path: PATH });
  assert.equal(status, 201);
  const socket = await opened(client, `?ticket=${json.ticket}`, []);
  await say(socket, { type: "subscribe", sessionId: sid, ref: "mine" });
  assert.equal((await answer(socket, "mine")).type, "subscribed");
  await say(socket, { type: "subscribe", sessionId: await session(), ref: "another" });
  assert.equal((await answer(socket, "another")).type, "error");
  await socket.close(1000, "");
}

// A browser has a cookie from the first time, so this is for those without.
async function a_ticket_opens_once(client) {
  const { json } = await ask("POST", "/api/v1/stream-tickets", { path: PATH });
  const socket = await opened(client, `?ticket=${json.ticket}`, []);
  assert.equal((await gone(await client.open(`?ticket=${json.ticket}`, []))).code, 1006);
  await socket.close(1000, "");
}

async function nobody_comes_in_without_a_key(client) {
  const socket = await client.open("", ["fairlead"]);
  assert.equal((await gone(socket)).code, 1006);
}

async function pings_of_the_protocol_are_answered(client) {
  const socket = await opened(client);
  const pong = new Promise((resolve) => socket.raw.once("pong", resolve));
  socket.raw.ping("are you there");
  assert.equal(String(await pong), "are you there");
  await socket.close(1000, "");
}

const TESTS = [
  two_sessions_are_followed_on_one_connection,
  a_killed_streamer_is_resumed_at_another,
  what_is_wrong_is_told_and_the_connection_stays,
  the_end_of_a_session_ends_its_subscription_only,
  messages_that_are_binary_or_too_large_end_it,
  what_is_compressed_once_for_all_is_joined_anywhere,
  nobody_comes_in_without_a_key, // before a ticket leaves its cookie
  a_ticket_opens_one_session,
];

const chromium = await Chromium.start();
let status = 1;
try {
  status = await runAll([npm], [...TESTS, a_ticket_opens_once, pings_of_the_protocol_are_answered]) ||
    await runAll([await chromiumClient(chromium)], TESTS);
} finally {
  await chromium.stop();
}
process.exit(status);
