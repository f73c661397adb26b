// The running system that clients.py started, as the tests see it.
import { readFileSync } from "node:fs";
import net from "node:net";

export const base = process.env.CONFORMANCE_URL;
export const key = process.env.CONFORMANCE_KEY;
const WAIT_MS = 30000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(what, ready) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const value = await ready();
    if (value) return value;
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await sleep(20);
  }
}

const PORT_FIRST = 20000;
const PORTS = 12000; // below those that the kernel gives out

export async function freePort() {
  for (;;) {
    const port = PORT_FIRST + Math.floor(Math.random() * PORTS);
    const server = net.createServer();
    const free = await new Promise((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

export async function ask(method, path, body) {
  for (let tries = 0; ; tries++) {
    try {
      const answer = await fetch(base + path, {
        method,
        headers: { Authorization: `ApiKey ${key}`, "Content-Type": "application/json", Accept: "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await answer.text();
      if (answer.status < 500) return { status: answer.status, json: text ? JSON.parse(text) : null };
      if (tries === 100) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    } catch (error) {
      if (tries === 100) throw error;
    }
    await sleep(100);
  }
}

const sequences = new Map();

// A session that stays queued: the only slot is taken.
export async function session() {
  const { status, json } = await ask("POST", "/api/v1/tasks", {
    prompt: "test", repo: { mode: "none" }, runtime: { type: "local" },
    agents: [{ type: "command", settings: { argv: ["true"] } }],
  });
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(json)}`);
  return json.session_ids[0];
}

export async function append(sid, ...messages) {
  const sequence = (sequences.get(sid) ?? 0) + 1;
  sequences.set(sid, sequence);
  const { status, json } = await ask("POST", `/api/v1/sessions/${sid}/events`, {
    producer: "conformance", sequence,
    events: messages.map((message) => ({ type: "note", message })),
  });
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(json)}`);
  return json.cursors;
}

export const finish = (sid) => ask("DELETE", `/api/v1/sessions/${sid}`);

// The log as its pages tell it.
export async function log(sid) {
  const events = [];
  for (let after = "0-0"; ;) {
    const { json } = await ask("GET", `/api/v1/sessions/${sid}/events?sort=asc&limit=100&after=${after}`);
    if (json.items.length === 0) return events;
    events.push(...json.items);
    after = json.items.at(-1).id;
  }
}

export function service(name) {
  const state = JSON.parse(readFileSync(process.env.CONFORMANCE_STATE));
  return state.services.find((row) => row.name === name);
}

// Kill it with -9, and wait until another is there in its place.
export async function kill(name) {
  const before = service(name).pid;
  process.kill(before, "SIGKILL");
  await until(`${name} is back`, () => service(name).pid !== before && service(name).pid > 0);
}

async function passes(client, test) {
  const began = Date.now(), name = `${client.name}: ${test.name.replaceAll("_", " ")}`;
  try {
    await test(client);
  } catch (error) {
    console.log(`FAILED: ${name}\n${error.stack}`);
    return false;
  }
  console.log(`${((Date.now() - began) / 1000).toFixed(2).padStart(6)} s  ${name}`);
  return true;
}

// Each test against each client; those that are in a list together run at once. The first failure ends the run.
export async function runAll(clients, tests) {
  for (const client of clients) {
    for (const entry of tests) {
      const passed = await Promise.all([entry].flat().map((test) => passes(client, test)));
      if (passed.includes(false)) return 1;
    }
  }
  return 0;
}
