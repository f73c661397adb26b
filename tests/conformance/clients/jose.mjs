// Signed tokens: what jose signs we verify, what we sign jose verifies, and neither takes a changed one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { exportJWK, exportPKCS8, generateKeyPair, compactVerify, CompactSign } from "jose";

const peer = spawn(process.argv[2], { stdio: ["pipe", "pipe", "inherit"] });
const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
const ask = async (...words) => {
  peer.stdin.write(words.join(" ") + "\n");
  return (await lines.next()).value;
};
const base64url = (bytes) => Buffer.from(bytes).toString("base64url");
const changed = (token) => {
  const [header, payload, signature] = token.split(".");
  return [header, base64url(Buffer.concat([Buffer.from(payload, "base64url"), Buffer.from(" ")])), signature].join(".");
};

const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
let checks = 0;
for (const alg of algorithms) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { crv: "Ed25519", extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), alg, use: "sig" };
  const pem = await exportPKCS8(privateKey);
  const der = pem.replace(/-----[^-]*-----|\s/g, "");
  for (const text of ["{}", '{"sub":"ada"}', "x".repeat(1000), "\u00e9\u20ac"]) {
    const payload = new TextEncoder().encode(text);
    const theirs = await new CompactSign(payload).setProtectedHeader({ alg, typ: "JWT", kid: "k1" }).sign(privateKey);
    assert.equal(await ask("verify", JSON.stringify(jwk), theirs), "good", `${alg}: theirs`);
    assert.equal(await ask("verify", JSON.stringify(jwk), changed(theirs)), "bad", `${alg}: theirs, changed`);
    const ours = await ask("sign", alg, base64url(Buffer.from(der, "base64")), base64url(payload));
    const read = await compactVerify(ours, publicKey, { algorithms: [alg] });
    assert.deepEqual(new Uint8Array(read.payload), payload, `${alg}: ours`);
    await assert.rejects(compactVerify(changed(ours), publicKey));
    checks += 4;
  }
}
peer.stdin.end();
console.log(`${checks} passed, 0 failed`);
