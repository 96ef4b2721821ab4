"use strict";
// Who is signed in: the form, an account made, the way out.
const BEGIN_AGAIN_S = 2;
let user = null, terms = null, creating = false, entering = false;

// Shows the user's items, or the form where nobody may ask without signing in.
async function begin() {
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
}

async function openForm() {
  show("entry");
  setCreating(false);
  $("email").focus();
  await attempt(async () => {
    terms = (await call("GET", path("registration"))).data;
    $("other").hidden = !terms.open;
  });
}

function setCreating(now) {
  creating = now;
  $("entry-title").textContent = $("enter").textContent = now ? "Create account" : "Sign in";
  $("other").textContent = now ? "I have an account" : "Create account";
  $("password").autocomplete = now ? "new-password" : "current-password";
  $("password").minLength = now ? terms.limits.password_min_chars : 0;
  tell({ message: "" });
}

// At the field that the error names; else above the button.
function tell({ message, field }) {
  for (const [id, input] of [["email-wrong", $("email")], ["password-wrong", $("password")]]) {
    const here = id === `${field}-wrong`;
    $(id).textContent = here ? message : "";
    input.setAttribute("aria-invalid", String(here));
    if (here) input.focus();
  }
  $("entry-wrong").textContent = field === "email" || field === "password" ? "" : message;
}

async function enter() {
  const who = { email: $("email").value.trim(), password: $("password").value };
  let made = false;
  tell({ message: "" }); // or the same error is not read out twice
  try {
    if (creating) await call("POST", path("registration"), who);
    made = creating;
    keep((await call("POST", path("sessions"), who)).data);
    startOver();
  } catch (error) {
    if (made && error.status === 401) {
      setCreating(false);
      error.message = "This address has an account already, and another password."; // registration does not say so
    }
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
$("other").addEventListener("click", () => {
  setCreating(!creating);
  $("email").focus();
});
$("sign-in").addEventListener("click", openForm);
$("stay-out").addEventListener("click", clearSearch);
$("sign-out").addEventListener("click", async () => {
  await call("DELETE", path("sessions", "current")).catch(() => {}); // whoever leaves is not kept by an error
  forget();
});
addEventListener("DOMContentLoaded", begin); // when the other scripts are there too
