// schemas.mjs FILE: check the Kubernetes resources in FILE (a JSON array) with the published schemas. Each problem is a line.
//
// The schemas are compiled functions that pass over members they do not know, as the API server once did. What a validator knows it
// reads: a member that none of them has read, though its neighbours were, is one that does not exist.
import { readFile } from "node:fs/promises";

const PACKAGES = {
	"gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
	"keda.sh": "@kubernetes-models/keda",
};

async function modelOf({ apiVersion, kind }) {
	const group = apiVersion.includes("/") ? apiVersion.split("/")[0] : "";
	const module = await import(`${PACKAGES[group] ?? "kubernetes-models"}/${apiVersion}/${kind}`);
	return module[kind];
}

// The same value, with a note of each member that is read.
function watched(value, path, read) {
	if (value === null || typeof value !== "object") {
		return value;
	}
	const members = new Map();
	return new Proxy(value, {
		get(target, name, receiver) {
			const found = Reflect.get(target, name, receiver);
			if (typeof name === "symbol" || !Object.hasOwn(target, name)) {
				return found;
			}
			if (!members.has(name)) {
				members.set(name, watched(found, `${path}/${name}`, read));
			}
			read.add(`${path}/${name}`);
			return members.get(name);
		},
	});
}

// Free-form values are read nowhere: their members are not looked for.
function unread(value, path, read, found) {
	if (value === null || typeof value !== "object") {
		return;
	}
	const names = Object.keys(value);
	const seen = names.filter((name) => read.has(`${path}/${name}`));
	if (seen.length === 0 && path !== "") {
		return;
	}
	for (const name of names) {
		if (read.has(`${path}/${name}`)) {
			unread(value[name], `${path}/${name}`, read, found);
		} else {
			found.push(`${path}/${name}`);
		}
	}
}

async function problemsOf(resource) {
	const read = new Set(["/apiVersion", "/kind"]);
	let Model;
	try {
		Model = await modelOf(resource);
	} catch {
		return [`there is no ${resource.apiVersion} ${resource.kind}`];
	}
	const model = new Model({});
	const problems = [];
	try {
		Model.prototype.validate.call(watched(resource, "", read));
	} catch (error) {
		problems.push(...error.message.split("\n"));
	}
	const found = [];
	unread(resource, "", read, found);
	problems.push(...found.map((path) => `${path} is no member of its kind`));
	return problems;
}

let failed = false;
for (const resource of JSON.parse(await readFile(process.argv[2], "utf8"))) {
	for (const problem of await problemsOf(resource)) {
		failed = true;
		console.log(`${resource.kind}/${resource.metadata?.name}: ${problem}`);
	}
}
process.exit(failed ? 1 : 0);
