// What the HTML standard, section 9.2, makes an EventSource do, against real streamers: npm's eventsource and Chromium's.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import http from "node:http";
import { fileURLToPath } from "node:url";
import { EventSource } from "eventsource";
import { Chromium } from "./chromium.mjs";
import { append, ask, base, finish, freePort, key, kill, log, runAll, service, session, until } from "./stack.mjs";

const NAMES = ["status", "epoch", "note", "gap", "end"];
const CLOSED = 2;

// Runs in the page too: so it uses nothing from outside.
function record(Source, url, names, options) {
  const source = new Source(url, options);
  const seen = { source, opens: 0, errors: 0, messages: 0, events: [] };
  source.onopen = () => seen.opens++;
  source.onerror = () => seen.errors++;
  source.onmessage = () => seen.messages++;
  for (const name of names) {
    source.addEventListener(name, (e) => seen.events.push({ type: e.type, id: e.lastEventId, data: e.data }));
  }
  return seen;
}

const npm = {
  name: "npm eventsource",
  async open(path, authorized = true, from = base) {
    const authorize = (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: `ApiKey ${key}` } });
    const seen = record(EventSource, from + path, NAMES, authorized ? { fetch: authorize } : undefined);
    return {
      look: async () => ({ ...seen, source: undefined, state: seen.source.readyState }),
      close: async () => seen.source.close(),
    };
  },
};

async function chromiumClient(chromium) {
  const pages = {
    true: await chromium.page(`${base}/`, { Authorization: `ApiKey ${key}` }),
    false: await chromium.page(`${base}/`),
  };
  let count = 0;
  return {
    name: "Chromium",
    async open(path, authorized = true, from = base) {
      const page = from === base ? pages[authorized]
        : await chromium.page(`${from}/`, authorized ? { Authorization: `ApiKey ${key}` } : {});
      const at = `window.seen${++count}`;
      await page.run(`${at} = (${record})(EventSource, ${JSON.stringify(path)}, ${JSON.stringify(NAMES)}), 0`);
      return {
        look: () => page.run(`({ ...${at}, source: undefined, state: ${at}.source.readyState })`),
        close: () => page.run(`${at}.source.close()`),
      };
    },
  };
}

const path = (sid, query = "") => `/api/v1/sessions/${sid}/events${query}`;
const last = (seen) => seen.events.at(-1);

async function has(stream, id) {
  await until(`the client has ${id}`, async () => last(await stream.look())?.id === id);
  return stream.look();
}

// Every event of the log after the first `skip`, once, in order, in its own name, with the log's own words.
async function isLog(seen, sid, skip = 0) {
  const events = (await log(sid)).slice(skip);
  const got = seen.events.filter((event) => event.type !== "end");
  assert.deepEqual(got.map(({ id }) => id), events.map(({ id }) => id));
  got.forEach((event, i) => {
    assert.equal(event.type, events[i].type);
    assert.deepEqual(JSON.parse(event.data), events[i]);
  });
  assert.equal(seen.messages, 0, "no event is without a name");
}

async function events_come_live_by_name_with_their_ids(client) {
  const sid = await session();
  const stream = await client.open(path(sid));
  await until("it is open", async () => (await stream.look()).opens === 1);
  let cursors;
  for (let i = 0; i < 20; i++) cursors = await append(sid, `first ${i}`, `second ${i}`);
  await isLog(await has(stream, cursors.at(-1)), sid);
  assert.equal((await stream.look()).errors, 0);
  await stream.close();
}

async function text_arrives_as_it_was_written(client) {
  const sid = await session();
  const stream = await client.open(path(sid));
  const cursors = await append(sid, "a\nb\rc\r\nd", "\u0001\t\u2028", "\ufeff first", "grüße, 世界, 🚢", " lead", ": comment",
    "data: x", "id: 7\n\n", "x".repeat(150000));
  await isLog(await has(stream, cursors.at(-1)), sid);
  await stream.close();
}

// Four streams of the session, then the death of one of two streamers: those on it come back by themselves.
async function through_a_kill(client, sid, address, skip, authorized) {
  const streams = await Promise.all([1, 2, 3, 4].map(async () => client.open(await address(), authorized)));
  const [before] = await append(sid, "before");
  for (const stream of streams) await has(stream, before);
  await kill("streamer-1");
  const [after] = await append(sid, "after");
  let opens = 0;
  for (const stream of streams) {
    const seen = await has(stream, after);
    await isLog(seen, sid, skip);
    opens += seen.opens;
    await stream.close();
  }
  assert.ok(opens > streams.length, "some have connected again");
}

async function a_killed_streamer_is_left_for_another_without_loss(client) {
  const sid = await session();
  await through_a_kill(client, sid, () => path(sid), 0, true);
}

async function the_header_of_a_reconnect_is_younger_than_the_address(client) {
  const sid = await session();
  const [first] = await append(sid, "one");
  await through_a_kill(client, sid, () => path(sid, `?after=${first}`), 3, true);
}

async function comments_keep_a_silent_stream_open_and_are_not_seen(client) {
  const sid = await session();
  const stream = await client.open(path(sid));
  const [id] = await append(sid, "and then silence");
  const before = await has(stream, id);
  // A stream beside it shows when comments have come: they do every second here.
  const answer = await fetch(base + path(sid, `?after=${id}`),
    { headers: { Accept: "text/event-stream", Authorization: `ApiKey ${key}` } });
  let text = "";
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.split("\n").filter((line) => line.startsWith(":")).length >= 3) break;
  }
  const after = await stream.look();
  assert.deepEqual(after, before);
  await stream.close();
}

async function the_end_is_told_and_204_stops_it(client) {
  const sid = await session();
  const stream = await client.open(path(sid));
  await append(sid, "last words");
  await finish(sid);
  await until("it has stopped", async () => (await stream.look()).state === CLOSED);
  const seen = await stream.look();
  assert.equal(last(seen).type, "end");
  assert.equal(seen.events.filter(({ type }) => type === "end").length, 1);
  await isLog(seen, sid);
}

async function history_of_a_finished_session_is_told_once(client) {
  const sid = await session();
  for (let i = 0; i < 30; i++) await append(sid, ...Array.from({ length: 10 }, (_, k) => `event ${i} ${k}`));
  await finish(sid);
  const stream = await client.open(path(sid));
  await until("it has stopped", async () => (await stream.look()).state === CLOSED);
  await isLog(await stream.look(), sid);
}

// The cookie that the ticket leaves behind lets the browser come back; without one, it cannot.
async function a_ticket_opens_a_stream_and_its_cookie_reopens_it(client) {
  const sid = await session();
  await through_a_kill(client, sid, async () => {
    const { json } = await ask("POST", "/api/v1/stream-tickets", { sessionId: sid, path: path(sid) });
    return path(sid, `?ticket=${json.ticket}`);
  }, 0, false);
}

async function a_refusal_is_final(client) {
  const sid = await session();
  for (const [where, authorized] of [[path(sid), false], [path("01ARZ3NDEKTSV4RRFFQ69G5FAV"), true],
    [path(sid, "?after=nonsense"), true]]) {
    const stream = await client.open(where, authorized);
    await until("it has given up", async () => (await stream.look()).state === CLOSED);
    const seen = await stream.look();
    assert.deepEqual([seen.opens, seen.errors, seen.events.length], [0, 1, 0]);
  }
}

const FRONT = fileURLToPath(new URL("../../../deploy/haproxy/fairlead.cfg", import.meta.url));

// The load balancer of production, with nobody behind it; then a streamer comes.
async function it_comes_again_when_there_is_no_streamer_at_all(client) {
  const [port, streamer] = [await freePort(), await freePort()];
  const env = { FAIRLEAD_BIND: `127.0.0.1:${port}` };
  for (const name of ["API_1", "API_2", "STREAMER_1", "STREAMER_2"]) env[`FAIRLEAD_${name}`] = `127.0.0.1:${streamer}`;
  const front = spawn("haproxy", ["-db", "-f", FRONT], { env: { ...process.env, ...env }, stdio: "ignore" });
  const from = `http://127.0.0.1:${port}`, where = path("01ARZ3NDEKTSV4RRFFQ69G5FAV");
  const server = http.createServer((request, answer) => {
    if (request.url === "/readyz") return answer.end();
    answer.setHeader("Content-Type", "text/event-stream");
    return answer.write("event: note\nid: 1-1\ndata: {}\n\n");
  });
  try {
    await until("the load balancer answers", async () => (await fetch(from).catch(() => null))?.status === 503);
    const stream = await client.open(where, false, from);
    await until("it was sent away", async () => (await stream.look()).errors > 0);
    assert.notEqual((await stream.look()).state, CLOSED);
    server.listen(streamer, "127.0.0.1");
    const seen = await has(stream, "1-1");
    assert.equal(seen.messages, 0);
    await stream.close();
  } finally {
    front.kill();
    server.close();
    server.closeAllConnections();
  }
}

async function only_the_types_that_were_asked_for_come_and_the_place_is_kept(client) {
  const sid = await session();
  const stream = await client.open(path(sid, "?type=status"));
  await append(sid, "not for it");
  await finish(sid);
  await until("it has stopped", async () => (await stream.look()).state === CLOSED);
  const seen = await stream.look();
  assert.deepEqual(new Set(seen.events.map(({ type }) => type)), new Set(["status", "end"]));
  assert.equal(last(seen).id, (await log(sid)).at(-1).id);
}

async function serving(answer, test) {
  const port = await freePort(), server = http.createServer(answer);
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  try {
    await test(`http://127.0.0.1:${port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

// What tests/unit/test_sse.c has our own parser read.
async function odd_bytes_are_read_as_our_own_parser_reads_them(client) {
  const bytes = "\ufeffevent: note\nid: 1\ndata: bom\n\n" + "event: note\rid: 2\rdata: bare\rdata: cr\r\r" +
    "event: note\r\nid: 3\r\ndata: both\r\n\r\n" + "event: note\nid: 4\0\ndata: nul\n\n" +
    ": comment\nfoo: bar\nretry: soon\nevent: note\nid: 5\ndata:  two\n\n" + "event: note\nid: 6\ndata\n\n";
  await serving((request, answer) => {
    answer.setHeader("Content-Type", request.url === "/" ? "text/plain" : "text/event-stream");
    if (request.url === "/") answer.end();
    else answer.write(bytes);
  }, async (from) => {
    const stream = await client.open("/odd", false, from);
    const { events } = await has(stream, "6");
    assert.deepEqual(events.map(({ data }) => data), ["bom", "bare\ncr", "both", "nul", " two", ""]);
    assert.deepEqual(events.filter(({ data }) => data !== "nul").map(({ id }) => id), ["1", "2", "3", "5", "6"]);
    assert.ok(!events[3].id.includes("4"), "an id with NUL is none");
    await stream.close();
  });
}

// Two streams are cut at once: the one that was told a shorter time comes back first, from where it was.
async function the_time_to_come_back_is_kept(client) {
  const came = [], cut = [];
  await serving((request, answer) => {
    if (!["/soon", "/later"].includes(request.url)) return answer.end();
    came.push(`${request.url} ${request.headers["last-event-id"] ?? ""}`);
    answer.setHeader("Content-Type", "text/event-stream");
    answer.write(`${request.url === "/soon" ? "retry: 200\n\n" : ""}event: note\nid: 7\ndata: {}\n\n`);
    if (came.length <= 2) cut.push(answer);
    return undefined;
  }, async (from) => {
    const later = await client.open("/later", false, from), soon = await client.open("/soon", false, from);
    await has(later, "7");
    await has(soon, "7");
    for (const answer of cut) answer.end();
    await until("both are back", async () => came.length === 4);
    assert.deepEqual(came.slice(2), ["/soon 7", "/later 7"]);
    await soon.close();
    await later.close();
  });
}

// A load balancer that knows nothing of streams: an API node sends them where streamers answer.
async function an_api_node_sends_it_to_a_streamer(client) {
  const sid = await session(), seen = [];
  await serving((request, answer) => {
    const to = request.url.startsWith("/stream/") ? base : `http://127.0.0.1:${service("api-1").port}`;
    const forward = http.request(to + request.url, { method: request.method, headers: request.headers }, (from) => {
      if (request.url.includes(sid)) seen.push(from.statusCode); // a browser asks for more than the stream
      answer.writeHead(from.statusCode, from.rawHeaders);
      from.pipe(answer);
    });
    answer.on("close", () => forward.destroy());
    forward.on("error", () => answer.destroy());
    request.pipe(forward);
  }, async (from) => {
    const stream = await client.open(path(sid), true, from);
    const [id] = await append(sid, "through a redirect");
    await isLog(await has(stream, id), sid);
    assert.deepEqual(seen.filter((status) => [200, 307].includes(status)).slice(-2), [307, 200]);
    await stream.close();
  });
}

const TESTS = [
  events_come_live_by_name_with_their_ids,
  text_arrives_as_it_was_written,
  a_killed_streamer_is_left_for_another_without_loss,
  the_header_of_a_reconnect_is_younger_than_the_address,
  a_refusal_is_final,
  odd_bytes_are_read_as_our_own_parser_reads_them,
  an_api_node_sends_it_to_a_streamer,
  [
    comments_keep_a_silent_stream_open_and_are_not_seen,
    the_end_is_told_and_204_stops_it,
    history_of_a_finished_session_is_told_once,
    it_comes_again_when_there_is_no_streamer_at_all,
    only_the_types_that_were_asked_for_come_and_the_place_is_kept,
    the_time_to_come_back_is_kept,
  ],
];

const chromium = await Chromium.start();
let status = 1;
try {
  status = await runAll([npm], TESTS) ||
    await runAll([await chromiumClient(chromium)], [...TESTS, a_ticket_opens_a_stream_and_its_cookie_reopens_it]);
} finally {
  await chromium.stop();
}
process.exit(status);
