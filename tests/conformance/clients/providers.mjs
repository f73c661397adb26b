// Two identity providers for log_in.py: a real one (npm's oidc-provider) and one that lies in the way it is told.
// PROVIDERS: {"real": port, "liar": port, "redirect": uri, "secret": text}. Ready when it prints "ready".
import { createServer } from "node:http";
import { createSign, generateKeyPairSync } from "node:crypto";
import { SignJWT, exportJWK } from "jose";
import { Provider } from "oidc-provider";

const { real, liar, redirect, secret } = JSON.parse(process.env.PROVIDERS);
const REAL = `http://127.0.0.1:${real}`, LIAR = `http://127.0.0.1:${liar}`;
const CLIENT = "fairlead-test";
const told = { account: "alice", groups: ["ops"], lie: "", github: "pending" };
const PEOPLE = {
  alice: { email: "alice@example.com", email_verified: true, name: "Alice" },
  bob: { email: "bob@example.com", email_verified: false, name: "Bob" },
  mallory: { email: "mallory@evil.test", email_verified: true, name: "Mallory" },
};

async function keyOf(kid) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...(await exportJWK(privateKey)), kid, alg: "RS256", use: "sig" };
}

async function makeReal(kid) {
  const provider = new Provider(REAL, {
    clients: [{
      client_id: CLIENT, client_secret: secret, redirect_uris: [redirect], response_types: ["code"],
      grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
      post_logout_redirect_uris: [new URL("/", redirect).href],
    }],
    jwks: { keys: [await keyOf(kid)] },
    cookies: { keys: ["cookies of a test"] },
    features: { devInteractions: { enabled: false }, deviceFlow: { enabled: true } },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    scopes: ["openid", "email", "profile", "groups"],
    pkce: { required: (ctx) => ctx.oidc.route === "authorization" },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, groups: told.groups, ...PEOPLE[id] }) }),
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope("openid email profile groups");
      await grant.save();
      return grant;
    },
  });
  return provider;
}

let provider = await makeReal("first");
let serve = provider.callback();

// Whoever is asked to log in does so, as the account that the test named.
async function interact(req, res) {
  await provider.interactionFinished(req, res, { login: { accountId: told.account, remember: false } },
    { mergeWithLastSubmission: false });
}

function answer(res, status, body, headers = {}) {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(body === undefined ? "" : JSON.stringify(body));
}

async function control(url, res) {
  for (const [name, value] of url.searchParams) told[name] = name === "groups" ? value.split(",").filter(Boolean) : value;
  if (url.searchParams.has("rotate")) {
    provider = await makeReal(url.searchParams.get("rotate"));
    serve = provider.callback();
  }
  answer(res, 200, told);
}

createServer((req, res) => {
  const url = new URL(req.url, REAL);
  const done = url.pathname === "/control" ? control(url, res)
    : url.pathname.startsWith("/interaction/") ? interact(req, res) : serve(req, res);
  Promise.resolve(done).catch((e) => { console.error(e); answer(res, 500, { error: String(e) }); });
}).listen(real, "127.0.0.1");

// ---- the liar ----

const good = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
const nonces = new Map();
let codes = 0;

const b64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

async function idToken(nonce) {
  const now = Math.floor(Date.now() / 1000), lie = told.lie;
  const claims = {
    iss: lie === "iss" ? REAL : LIAR, sub: "liar-1", aud: lie === "aud" ? "somebody" : CLIENT, iat: now,
    exp: lie === "expired" ? now - 120 : now + 300, nonce: lie === "nonce" ? "another" : nonce, name: "Liar",
    email: lie === "email" ? "alice@example.com" : "liar@liar.test", email_verified: true,
  };
  if (lie === "nononce") delete claims.nonce;
  if (lie === "stranger") Object.assign(claims, { sub: "liar-2", email: "alice@example.com" });
  if (lie === "azp") Object.assign(claims, { aud: [CLIENT, "somebody"], azp: "somebody" });
  if (lie === "none") return `${b64({ alg: "none" })}.${b64(claims)}.`;
  if (lie === "hs256") {
    return new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "good" }).sign(Buffer.from(secret));
  }
  if (lie === "access") {
    return new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "good", typ: "at+jwt" }).sign(good.privateKey);
  }
  if (lie === "payload") {
    const head = b64({ alg: "RS256", kid: "good" });
    const sign = createSign("RSA-SHA256").update(`${head}.${b64({ ...claims, sub: "x" })}`).sign(good.privateKey);
    return `${head}.${b64(claims)}.${sign.toString("base64url")}`;
  }
  const key = lie === "key" ? other : good;
  return new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "good" }).sign(key.privateKey);
}

async function lie(req, res) {
  const url = new URL(req.url, LIAR);
  let body = "";
  for await (const piece of req) body += piece;
  const form = new URLSearchParams(body);
  switch (url.pathname) {
    case "/.well-known/openid-configuration":
      return answer(res, 200, {
        issuer: told.lie === "issuer" ? REAL : LIAR, authorization_endpoint: `${LIAR}/authorize`,
        token_endpoint: `${LIAR}/token`, jwks_uri: `${LIAR}/jwks`, userinfo_endpoint: `${LIAR}/userinfo`,
      });
    case "/jwks":
      return answer(res, 200, { keys: [{ ...(await exportJWK(good.publicKey)), kid: "good", alg: "RS256", use: "sig" }] });
    case "/authorize": {
      const code = `code-${++codes}`;
      nonces.set(code, url.searchParams.get("nonce"));
      const back = new URL(url.searchParams.get("redirect_uri"));
      back.search = new URLSearchParams({ code, state: url.searchParams.get("state") });
      return answer(res, 303, undefined, { location: back.href });
    }
    case "/token":
      return answer(res, 200, { access_token: "a", token_type: "Bearer", id_token: await idToken(nonces.get(form.get("code"))) });
    case "/userinfo":
      return answer(res, 200, { sub: told.lie === "userinfo" ? "liar-3" : "liar-1" });
    // As GitHub has it: errors with 200, and who it is says an API of its own.
    case "/login/device/code":
      return answer(res, 200, { device_code: "hub-code", user_code: "HUB1-CODE", verification_uri: `${LIAR}/device`, expires_in: 300 });
    case "/login/oauth/access_token":
      if (told.github !== "done") return answer(res, 200, { error: told.github === "pending" ? "authorization_pending" : told.github });
      return answer(res, 200, { access_token: "hub-token", token_type: "bearer" });
    case "/user":
      return answer(res, req.headers.authorization === "Bearer hub-token" ? 200 : 401, { id: 42, login: "octo", name: null });
    case "/user/emails":
      return answer(res, 200, [{ email: "other@liar.test", primary: false, verified: true },
        { email: "octo@hub.test", primary: true, verified: true }]);
    default:
      return answer(res, 404, {});
  }
}

createServer((req, res) => lie(req, res).catch((e) => answer(res, 500, { error: String(e) })))
  .listen(liar, "127.0.0.1", () => console.log("ready"));
