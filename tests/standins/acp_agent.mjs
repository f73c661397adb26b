// An agent on the ACP SDK, as people write one: `node acp_agent.mjs SDK_FOLDER`. No model: the prompt's first word says
// what it does. It keeps its sessions in its home, so another process can load them.
//   say WORDS        streams them            think WORDS    thinks them, then says "Done."
//   edit PATH WORDS  asks, then writes them  run COMMAND    runs it on a terminal of the client's
//   plan A,B         tells a plan            slow           talks until it is cancelled
//   fail CODE WORDS  ends with that error    history        says how many prompts the session had
import { Readable, Writable } from "node:stream";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const sdk = path.join(process.argv[2], "dist/v1/stable/acp.js");
const acp = await import(pathToFileURL(sdk).href);
const { agent: mine, client: theirs } = acp.methods;
const sessions = new Map();
const kept = (id) => path.join(process.env.HOME ?? "/tmp", `acp-agent-${id}.json`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const options = [
	{ optionId: "yes-1", name: "Allow", kind: "allow_once" },
	{ optionId: "yes-2", name: "Always allow", kind: "allow_always" },
	{ optionId: "no-1", name: "Reject", kind: "reject_once" },
];
const modes = (current) => ({
	currentModeId: current,
	availableModes: [{ id: "ask", name: "Ask" }, { id: "auto", name: "Do not ask" }],
});
let made = 0;

function talk(client, session) {
	const update = (u) => client.notify(theirs.session.update, { sessionId: session.id, update: u });
	const text = (kind) => (words) => update({ sessionUpdate: kind, content: { type: "text", text: words } });
	return {
		update, say: text("agent_message_chunk"), think: text("agent_thought_chunk"), user: text("user_message_chunk"),
		call: (method, params) => client.request(method, { sessionId: session.id, ...params }),
	};
}

async function ask({ call, update }, session, toolCall) {
	if (session.mode === "auto") return true;
	const { outcome } = await call(theirs.session.requestPermission, { toolCall, options });
	if (outcome.outcome === "selected" && outcome.optionId === "yes-2") session.mode = "auto";
	const allowed = outcome.outcome === "selected" && outcome.optionId.startsWith("yes");
	if (!allowed) await update({ sessionUpdate: "tool_call_update", toolCallId: toolCall.toolCallId, status: "failed" });
	return allowed;
}

async function edit(io, session, [name, ...words]) {
	const file = path.join(session.cwd, name), newText = words.join(" ") + "\n";
	const toolCallId = `edit-${++made}`;
	let oldText = null;
	await io.update({ sessionUpdate: "tool_call", toolCallId, title: `Write ${name}`, kind: "edit", status: "pending",
		rawInput: { path: file }, locations: [{ path: file }] });
	try { oldText = (await io.call(theirs.fs.readTextFile, { path: file })).content; } catch { /* it is new */ }
	const content = [{ type: "diff", path: file, oldText, newText }];
	if (!await ask(io, session, { toolCallId, title: `Write ${name}`, kind: "edit", content })) return io.say("Then not.");
	await io.call(theirs.fs.writeTextFile, { path: file, content: newText });
	await io.update({ sessionUpdate: "tool_call_update", toolCallId, status: "completed", content });
	return io.say("Written.");
}

async function run(io, session, words) {
	const command = words.join(" "), toolCallId = `run-${++made}`;
	await io.update({ sessionUpdate: "tool_call", toolCallId, title: command, kind: "execute", status: "pending",
		rawInput: { command } });
	if (!await ask(io, session, { toolCallId, title: command, kind: "execute", rawInput: { command } })) return io.say("Then not.");
	const { terminalId } = await io.call(theirs.terminal.create, { command, cwd: session.cwd });
	await io.update({ sessionUpdate: "tool_call_update", toolCallId, status: "in_progress",
		content: [{ type: "terminal", terminalId }] });
	const { exitCode } = await io.call(theirs.terminal.waitForExit, { terminalId });
	await io.call(theirs.terminal.output, { terminalId });
	await io.call(theirs.terminal.release, { terminalId });
	await io.update({ sessionUpdate: "tool_call_update", toolCallId, status: exitCode === 0 ? "completed" : "failed" });
	return io.say(`It ended with ${exitCode}.`);
}

async function perform(io, session, signal, prompt) {
	const words = prompt.filter((b) => b.type === "text").map((b) => b.text).join(" ").trim().split(/\s+/);
	const images = prompt.filter((b) => b.type === "image").length;
	const verb = words.shift();
	if (images > 0) await io.say(`${images} image. `);
	if (verb === "edit") return edit(io, session, words);
	if (verb === "run") return run(io, session, words);
	if (verb === "think") { await io.think(words.join(" ")); return io.say("Done."); }
	if (verb === "history") return io.say(`${session.prompts.length} prompts`);
	if (verb === "plan") {
		const entries = words.join(" ").split(",").map((content) => ({ content, priority: "medium", status: "pending" }));
		return io.update({ sessionUpdate: "plan", entries });
	}
	if (verb === "fail") throw new acp.RequestError(Number(words.shift()), words.join(" "));
	if (verb === "slow") {
		for (let i = 0; !signal.aborted; i++) { await io.say(`tick ${i} `); await pause(50); }
		return null;
	}
	for (const word of words) await io.say(`${word} `);
	await io.update({ sessionUpdate: "usage_update", used: 10 * session.prompts.length, size: 1000,
		cost: { amount: 0.01 * session.prompts.length, currency: "USD" } });
	return null;
}

const opened = (session) => {
	sessions.set(session.id, session);
	return { modes: modes(session.mode) };
};

acp.agent({ name: "fairlead-test" })
	.onRequest(mine.initialize, () => ({
		protocolVersion: acp.PROTOCOL_VERSION, agentInfo: { name: "fairlead-test", version: "1" }, authMethods: [],
		agentCapabilities: { loadSession: true, promptCapabilities: { image: true } },
	}))
	.onRequest(mine.session.new, ({ params }) => {
		const id = `s-${process.pid}-${Date.now()}`;
		return { sessionId: id, ...opened({ id, cwd: params.cwd, mode: "ask", prompts: [] }) };
	})
	.onRequest(mine.session.load, async ({ params, client }) => {
		const session = { ...JSON.parse(fs.readFileSync(kept(params.sessionId))), cwd: params.cwd };
		const io = talk(client, session);
		for (const words of session.prompts) { await io.user(words); await io.say("of before"); }
		return opened(session);
	})
	.onRequest(mine.session.setMode, ({ params }) => { sessions.get(params.sessionId).mode = params.modeId; return {}; })
	.onRequest(mine.session.prompt, async ({ params, client }) => {
		const session = sessions.get(params.sessionId), stop = new AbortController();
		session.stop = stop;
		session.prompts.push(params.prompt.map((b) => b.text ?? "").join(" "));
		fs.writeFileSync(kept(session.id), JSON.stringify({ ...session, stop: undefined }));
		await perform(talk(client, session), session, stop.signal, params.prompt);
		return { stopReason: stop.signal.aborted ? "cancelled" : "end_turn" };
	})
	.onNotification(mine.session.cancel, ({ params }) => sessions.get(params.sessionId)?.stop?.abort())
	.connect(acp.ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));
