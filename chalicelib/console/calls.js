"use strict";
// The one way to the API, and the tokens that go with it: whose this page is.
const BASE = location.pathname.replace(/\/?$/, "/"); // the stage's prefix on API Gateway
// All tabs share the tokens: what a browser keeps for one tab is copied with it, and a refresh token that two tabs have
// and both bring ends the session.
const KEPT = `collections ${BASE}`, SESSION = sessionOf(kept());

function kept() {
  return JSON.parse(localStorage.getItem(KEPT));
}

function keep(fresh) {
  localStorage.setItem(KEPT, JSON.stringify(fresh));
}

function sessionOf(tokens) {
  return tokens ? tokens.session_id : null;
}

// A page is one user's from its beginning to its end: what is shown, under way or typed goes with it. Returns what to
// throw until then.
function startOver() {
  for (const form of document.forms) form.reset(); // or some browsers fill it in again
  location.reload();
  return new Error("Sign in again.");
}

function forget() {
  if (sessionOf(kept()) === SESSION) localStorage.removeItem(KEPT);
  return startOver();
}

// Null: nobody is signed in. Another tab may have signed out meanwhile, or in as somebody else.
function tokens() {
  const now = kept();
  if (sessionOf(now) !== SESSION) throw startOver();
  return now;
}

function path(...parts) {
  return BASE + "api/v1/" + parts.map(encodeURIComponent).join("/");
}

function reach(url, { headers, ...options }, bearer) {
  const authorization = bearer ? { Authorization: `Bearer ${bearer.access_token}` } : {};
  return fetch(url, { ...options, headers: { ...headers, ...authorization } }).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("The server cannot be reached.");
  });
}

async function read(answer) {
  if (answer.status === 204) return { status: 204, data: null };
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const request = answer.status >= 500 && data.request_id ? ` (request ${data.request_id})` : "";
    const retryAfterS = Number(answer.headers.get("Retry-After")) || 0, { field } = data;
    throw Object.assign(new Error((data.detail || `The server answered ${answer.status}.`) + request), { status: answer.status, field, retryAfterS });
  }
  return { status: answer.status, data };
}

function withBody(method, body) {
  return body ? { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : { method };
}

// New tokens for those that were refused. One call of one tab at a time asks for them; the next finds them here.
async function renewed(refused) {
  if (!navigator.locks) throw forget(); // plain http: rather signed out than a token brought twice
  return navigator.locks.request(KEPT, async () => {
    const now = tokens();
    if (now.refresh_token !== refused.refresh_token) return now;
    const answer = await reach(path("sessions", "refresh"), withBody("POST", { refresh_token: now.refresh_token }));
    if (answer.status === 401) throw forget();
    const { data } = await read(answer);
    tokens(); // signed out meanwhile: stay so
    keep(data);
    return data;
  });
}

async function send(url, options = {}) {
  const mine = tokens(), answer = await reach(url, options, mine);
  if (answer.status !== 401 || !mine) return answer;
  const again = await reach(url, options, await renewed(mine));
  if (again.status === 401) throw forget();
  return again;
}

async function call(method, url, body, signal) {
  return read(await send(url, { ...withBody(method, body), signal }));
}

// The other tabs' doing; and a page that comes back as it was left, by the browser's "back".
for (const event of ["storage", "pageshow"]) addEventListener(event, () => { if (sessionOf(kept()) !== SESSION) startOver(); });
