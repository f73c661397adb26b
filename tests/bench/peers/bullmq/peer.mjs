// BullMQ as a scheduler of jobs that do nothing, for compare-scheduling.
//
//   node peer.mjs dispatch PORT RATE SECONDS     jobs at a rate, from add to the first line of their processor, beside
//                                                a worker in a process of its own; prints {count, took_us: [...]}
//   node peer.mjs lifecycles PORT JOBS LIVE      JOBS that wait are processed while LIVE others are active;
//                                                prints {jobs, us}
//   node peer.mjs hold PORT                      takes a job and keeps it; prints "held"
//   node peer.mjs take PORT                      prints "taken" when it is given one
import { fork } from "node:child_process";
import { createInterface } from "node:readline";
import { Queue, Worker } from "bullmq";

const [verb, port, ...numbers] = process.argv.slice(2);
const [first, second] = numbers.map(Number);
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };
const NAME = "peer";
const CONCURRENCY = 100;
const BULK = 1000;
const HOUR_MS = 3600000;
const kept = { removeOnComplete: true, removeOnFail: true };

const now = () => Number(process.hrtime.bigint() / 1000n);

async function dispatchWorker() {
  const took = [];
  const worker = new Worker(NAME, async (job) => { took.push(now() - job.data.sent); }, { connection, concurrency: CONCURRENCY });
  await worker.waitUntilReady();
  process.on("message", async (count) => {
    const until = now() + 30e6;
    while (took.length < count && now() < until) {
      await new Promise((done) => { setTimeout(done, 20); });
    }
    process.send(took, () => process.exit(0));
  });
  process.send("ready");
}

async function dispatch(rate, seconds) {
  const queue = new Queue(NAME, { connection });
  const worker = fork(process.argv[1], ["dispatch-worker", port]);
  await new Promise((done) => { worker.once("message", done); });
  const began = now();
  const sent = [];
  while (sent.length < rate * seconds) {
    const due = Math.min(rate * seconds, ((now() - began) * rate) / 1e6);
    while (sent.length < due) {
      sent.push(queue.add("job", { sent: now() }, kept));
    }
    await new Promise((done) => { setTimeout(done, 1); });
  }
  await Promise.all(sent);
  const took = await new Promise((done) => {
    worker.once("message", done);
    worker.send(sent.length);
  });
  console.log(JSON.stringify({ count: sent.length, took_us: took.sort((a, b) => a - b) }));
  await queue.close();
}

async function addMany(queue, count) {
  for (let i = 0; i < count; i += BULK) {
    const size = Math.min(BULK, count - i);
    await queue.addBulk(Array.from({ length: size }, () => ({ name: "job", data: {}, opts: kept })));
  }
}

async function lifecycles(jobs, live) {
  const queue = new Queue(NAME, { connection });
  await addMany(queue, live);
  const holder = new Worker(NAME, null, { connection, lockDuration: HOUR_MS });
  for (let taken = 0; taken < live; taken += CONCURRENCY) {
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, live - taken) }, () => holder.getNextJob("held")));
  }
  await addMany(queue, jobs);
  console.log("ready");
  await new Promise((done) => { createInterface({ input: process.stdin }).once("line", done); });
  const began = now();
  let done = 0;
  await new Promise((all) => {
    const worker = new Worker(NAME, async () => {}, { connection, concurrency: CONCURRENCY });
    worker.on("completed", () => {
      done += 1;
      if (done === jobs) {
        all();
      }
    });
  });
  console.log(JSON.stringify({ jobs, us: now() - began }));
  process.exit(0);
}

async function hold() {
  const queue = new Queue(NAME, { connection });
  await queue.add("job", {}, kept);
  const worker = new Worker(NAME, () => {
    console.log("held");
    return new Promise(() => {});
  }, { connection });
  await worker.waitUntilReady();
}

async function take() {
  const worker = new Worker(NAME, async () => {
    console.log("taken");
    process.exit(0);
  }, { connection });
  await worker.waitUntilReady();
  console.log("ready");
}

const verbs = { dispatch, "dispatch-worker": dispatchWorker, lifecycles, hold, take };
await verbs[verb](first, second);
