"use strict";
// Links in mails: #/register/…, #/invite/…, #/reset/…, #/address/… What follows the # is sent to no server, and goes
// from the address bar as soon as it is read.
const LINK = /^#\/(register|invite|reset|address)\/([\w.-]+)$/;
const LINK_PATHS = { register: "accounts", invite: "accounts", reset: "password", address: "verifications" };

// Cards in Anki link to #/exercises/…: where the exercise's quote stands. It waits here until somebody is signed in.
const EXERCISE = /^#\/exercises\/([0-9a-f-]{36})$/;

async function openExercise() {
  const found = EXERCISE.exec(location.hash);
  if (!found) return;
  history.replaceState(null, "", BASE);
  await attempt(async () => {
    const { data: { metadata } } = await call("GET", path("exercises", found[1]));
    await showSource({ ...metadata.citation, stale: metadata.stale });
  });
}

// Takes the link out of the address bar. Null: the page was opened without one.
function takeLink() {
  const found = LINK.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, "", BASE);
  return { purpose: found[1], token: found[2] };
}

// Returns the address that the link has proved.
async function follow({ purpose, token }, password) {
  const body = purpose === "address" ? { token } : { token, password };
  return (await call("POST", path(LINK_PATHS[purpose]), body)).data.email;
}

addEventListener("hashchange", () => { if (LINK.test(location.hash) || EXERCISE.test(location.hash)) location.reload(); }); // one more, in a page that is open
