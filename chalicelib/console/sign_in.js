"use strict";
// Who is signed in: the form, an account made, a password chosen anew, the way out.
const BEGIN_AGAIN_S = 2;
// `password` is what a browser's list of passwords may fill in; a field that is not named here is not shown.
const MODES = {
  in: { title: "Sign in", email: true, password: "current-password", act: signIn },
  create: { title: "Create account", email: true, password: "new-password", act: create },
  lost: { title: "Forgotten password", button: "Send a link", email: true, act: (who) => mailed("password-resets", who) },
  register: { title: "Choose a password", button: "Create account", password: "new-password", act: choose },
  invite: { title: "You are invited: choose a password", button: "Create account", password: "new-password", act: choose },
  reset: { title: "Choose a new password", button: "Save and sign in", password: "new-password", act: choose },
  address: { title: "Confirm your address", button: "Confirm", act: confirmAddress },
};
let user = null, terms = null, mode = "in", link = null, entering = false;

// Shows the user's items, or the form where nobody may ask without signing in.
async function begin() {
  const found = takeLink();
  if (found) { await openLink(found); return; }
  try {
    user = (await call("GET", path("me"))).data;
  } catch (error) {
    if (error.status === 401) { await openForm(); return; }
    say(`${error.message} Trying again…`);
    setTimeout(begin, (error.retryAfterS || BEGIN_AGAIN_S) * 1000);
    return;
  }
  say("");
  $("who").textContent = $("who").title = SESSION ? user.name || user.email || user.id : "";
  $("sign-out").hidden = !SESSION;
  $("sign-in").hidden = Boolean(SESSION);
  for (const id of ["search", "ask-open", "pick", "stay-out"]) $(id).hidden = false;
  show("gallery");
  await refresh();
  await openExercise();
}

async function openForm() {
  show("entry");
  setMode("in");
  await attempt(async () => {
    terms = (await call("GET", path("registration"))).data;
    offer();
  });
}

// Opens the page of a link in a mail, whoever is signed in here.
async function openLink(found) {
  link = found;
  show("entry");
  setMode(found.purpose);
  await attempt(async () => { terms = (await call("GET", path("registration"))).data; });
}

function setMode(now) {
  mode = now;
  const { title, button, email, password } = MODES[now];
  const asked = { email, password: now === "create" && terms.verify_email ? undefined : password };
  $("entry-title").textContent = title;
  $("enter").textContent = now === "create" && terms.verify_email ? "Send a link" : button || title;
  for (const id of ["email", "password"]) {
    for (const part of [id, `${id}-label`, `${id}-wrong`]) $(part).hidden = !asked[id];
    $(id).required = Boolean(asked[id]);
  }
  $("password").autocomplete = password || "off";
  $("password").minLength = password === "new-password" && terms ? terms.limits.password_min_chars : 0;
  $("entry-said").textContent = "";
  tell({ message: "" });
  offer();
  (asked.email ? $("email") : asked.password ? $("password") : $("enter")).focus();
}

// The ways from this form to the others.
function offer() {
  $("other").textContent = mode === "in" ? "Create account" : mode === "create" ? "I have an account" : "Sign in";
  $("other").hidden = mode === "in" && !(terms && terms.open);
  $("lost").hidden = mode !== "in" || !(terms && terms.sends_mail);
}

// At the field that the error names; else above the button.
function tell({ message, field }) {
  for (const [id, input] of [["email-wrong", $("email")], ["password-wrong", $("password")]]) {
    const here = id === `${field}-wrong` && !input.hidden;
    $(id).textContent = here ? message : "";
    input.setAttribute("aria-invalid", String(here));
    if (here) input.focus();
  }
  $("entry-wrong").textContent = ["email", "password"].some((id) => id === field && !$(id).hidden) ? "" : message;
}

async function signIn(who) {
  keep((await call("POST", path("sessions"), who)).data);
  startOver();
}

async function create(who) {
  if (terms.verify_email) return mailed("registration", who);
  await call("POST", path("registration"), who);
  await signIn(who).catch((error) => {
    if (error.status !== 401) throw error;
    setMode("in");
    error.message = "This address has an account already, and another password."; // registration does not say so
    throw error;
  });
}

// The answer is the same whether the address has an account; what the mail says is not.
async function mailed(asked, { email }) {
  await call("POST", path(asked), { email });
  setMode("in");
  $("entry-said").textContent = `Check your mail: a link is on its way to ${email}.`;
}

async function choose({ password }) {
  await signIn({ email: await follow(link, password), password });
}

async function confirmAddress() {
  const email = await follow(link);
  await begin();
  say(`Sign in with ${email} from now on.`);
}

async function enter() {
  const who = { email: $("email").value.trim(), password: $("password").value };
  tell({ message: "" }); // or the same error is not read out twice
  try {
    await MODES[mode].act(who);
  } catch (error) {
    await hold(error);
  }
}

// The form waits as long as the server says; until then the button sends nothing.
async function hold(error) {
  const { message, field, retryAfterS } = error;
  tell({ field, message: retryAfterS ? `${message} Try again in ${retryAfterS} s.` : message });
  if (!retryAfterS) return;
  await new Promise((resolve) => setTimeout(resolve, retryAfterS * 1000));
  tell({ message: "You can try again now." });
}

$("enter-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (entering) return;
  entering = true;
  $("enter").setAttribute("aria-disabled", "true"); // not `disabled`, which would lose the keyboard's focus
  await enter();
  $("enter").setAttribute("aria-disabled", "false");
  entering = false;
});
$("other").addEventListener("click", async () => {
  if (mode === "in") setMode("create");
  else if (terms && mode in { create: 0, lost: 0 }) setMode("in");
  else await openForm();
});
$("lost").addEventListener("click", () => setMode("lost"));
$("sign-in").addEventListener("click", openForm);
$("stay-out").addEventListener("click", clearSearch);
$("sign-out").addEventListener("click", async () => {
  await call("DELETE", path("sessions", "current")).catch(() => {}); // whoever leaves is not kept by an error
  forget();
});
addEventListener("DOMContentLoaded", begin); // when the other scripts are there too
