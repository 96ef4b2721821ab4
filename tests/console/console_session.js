// Signs in and out on the served app. argv[3] is what to do, argv[4] what the browser has kept, as JSON.
const { main } = require("./console_page.js");
const [, , url, what, kept] = process.argv, given = JSON.parse(kept), KEPT = `collections ${url}`;
const PASSWORD = "a password that is long";

// What a user sees of a tab: whose it is, or the form with its errors; all texts of the page for what must not be there.
function seen(tab) {
  const { elements, focused } = tab.page, text = (id) => elements[id].textContent;
  const texts = (part) => typeof part === "string" ? [part] : [part.textContent, part.value, part.picture, ...part.children.flatMap(texts)];
  return {
    form: elements.entry.hidden ? null : text("entry-title"), items: elements.grid.children.length, who: text("who"),
    said: text("entry-said"), fields: ["email", "password"].filter((id) => !elements.entry.hidden && !elements[id].hidden),
    offered: ["sign-in", "sign-out", "other", "lost", "pick"].filter((id) => !elements[id].hidden),
    wrong: { email: text("email-wrong"), password: text("password-wrong"), above: text("entry-wrong") },
    focus: Object.keys(elements).find((id) => elements[id] === focused) ?? null, notice: text("notice-text"),
    texts: Object.values(elements).flatMap(texts).filter(Boolean).join(" | "),
  };
}

async function enter(browser, tab, email, password) {
  tab.$("email").value = email;
  tab.$("password").value = password;
  tab.$("enter-form").tell("submit");
  await browser.idle();
  return seen(tab);
}

async function opened(browser) {
  const tab = browser.open();
  tab.begin();
  await browser.idle();
  return tab;
}

function tokens(browser) {
  return JSON.parse(browser.kept.get(KEPT) ?? null);
}

// As when a quarter of an hour has passed.
function expire(browser) {
  browser.kept.set(KEPT, JSON.stringify({ ...tokens(browser), access_token: given.access_token }));
}

async function asks(browser, method, path, { access_token }) {
  return (await fetch(`${url}api/v1/${path}`, { method, headers: { Authorization: `Bearer ${access_token}` } })).status;
}

const doing = {
  async signIn(browser) {
    const tab = await opened(browser), wall = seen(tab);
    const wrong = await enter(browser, tab, "ann@example.org", "not this password");
    const malformed = await enter(browser, tab, "ann", PASSWORD);
    const inside = await enter(browser, tab, "ann@example.org", PASSWORD);
    const again = seen(await opened(browser)), { access_token, refresh_token } = tokens(browser);
    const told = browser.asked.some((each) => each.url.includes(access_token) || each.url.includes(refresh_token));
    return { wall, wrong, malformed, inside, again, told };
  },

  async create(browser) {
    const tab = await opened(browser);
    await tab.$("other").click();
    const offered = { ...seen(tab), autocomplete: tab.$("password").autocomplete, minLength: tab.$("password").minLength };
    const short = await enter(browser, tab, "new@example.org", "short");
    const taken = await enter(browser, tab, "ann@example.org", `${PASSWORD} of another`);
    await tab.$("other").click();
    return { offered, short, taken, inside: await enter(browser, tab, "new@example.org", PASSWORD) };
  },

  // A mail is asked for, by the button that leads there.
  async mail(browser) {
    const tab = await opened(browser);
    await tab.$(given.button).click();
    const form = { ...seen(tab), button: tab.$("enter").textContent };
    return { form, after: await enter(browser, tab, given.email, "") };
  },

  // A link is followed that came by mail.
  async link(browser) {
    const tab = browser.open(given.hash), token = given.hash.split("/").at(-1);
    tab.begin();
    await browser.idle();
    const page = { ...seen(tab), hash: tab.context.location.hash }, asked = browser.asked.length;
    tab.$("password").value = given.password;
    tab.$("enter-form").tell("submit");
    await browser.idle();
    const told = browser.asked.slice(0, asked).length && browser.asked.some(({ url }) => url.includes(token));
    const after = seen(tab);
    if (after.form) await tab.$("other").click();
    await browser.idle();
    return { page, after, back: seen(tab), told: Boolean(told), unasked: browser.asked.slice(0, asked).map(({ method }) => method) };
  },

  // Three calls at once in each of two tabs, all with a token that has expired.
  async refresh(browser) {
    const tabs = [await opened(browser), await opened(browser)], before = tokens(browser), pages = tabs.map((tab) => tab.pages);
    expire(browser);
    const calls = tabs.flatMap((tab) => ["me", "items", "sessions"].map((name) => tab.run(`call("GET", path("${name}"))`)));
    const statuses = (await Promise.all(calls)).map((answer) => answer.status);
    await browser.idle();
    const after = tokens(browser);
    return {
      refreshes: browser.asked.filter((asked) => asked.url.endsWith("sessions/refresh")).length - 1, // `opened` had one
      statuses, isNew: after.refresh_token !== before.refresh_token, isSame: after.session_id === before.session_id,
      stayed: tabs.every((tab, at) => tab.pages === pages[at]), lives: await asks(browser, "GET", "me", after),
    };
  },

  // Somebody signs out in another tab, and in as Ben, before the answer to a refresh is there.
  async meanwhile(browser) {
    const tab = await opened(browser), { ben } = given;
    expire(browser);
    browser.onAnswer = (asked) => { if (asked.endsWith("sessions/refresh")) browser.kept.set(KEPT, JSON.stringify(ben)); };
    tab.run("refresh()");
    await browser.idle();
    return seen(tab);
  },

  // The session is ended elsewhere.
  async refused(browser) {
    const tab = await opened(browser), other = await opened(browser), before = seen(tab);
    tab.$("question").value = "Ann's secret question";
    const ended = await asks(browser, "DELETE", "sessions/current", tokens(browser));
    tab.run("refresh()");
    await browser.idle();
    return { ended, before, after: seen(tab), other: seen(other), kept: tokens(browser) };
  },

  // The server has no answer to a refresh.
  async unanswered(browser) {
    const tab = await opened(browser), { session_id } = tokens(browser);
    expire(browser);
    browser.failing = "sessions/refresh";
    await tab.run("refresh()");
    const away = { ...seen(tab), isKept: tokens(browser).session_id === session_id };
    browser.failing = null;
    await tab.run("refresh()");
    return { away, back: seen(tab) };
  },

  async signOut(browser) {
    const tab = await opened(browser), other = await opened(browser), before = tokens(browser), inside = seen(tab);
    await tab.$("sign-out").click();
    await browser.idle();
    return { inside, after: seen(tab), other: seen(other), kept: tokens(browser), lives: await asks(browser, "GET", "me", before) };
  },

  // More tries than are taken; then one as soon as the page lets it through.
  async tooMany(browser) {
    const tab = await opened(browser), tries = () => browser.asked.filter((each) => each.method === "POST").length;
    let held;
    do held = await enter(browser, tab, "ann@example.org", "not this password"); while (!held.wrong.above.includes("Try again in"));
    const sent = tries(), heldAt = Date.now();
    const meanwhile = { ...(await enter(browser, tab, "ann@example.org", PASSWORD)), sent: tries() - sent };
    while (tab.$("entry-wrong").textContent === held.wrong.above) await new Promise((resolve) => setTimeout(resolve, 10));
    return { held, meanwhile, waitedMs: Date.now() - heldAt, inside: await enter(browser, tab, "ann@example.org", PASSWORD) };
  },

  async pictures(browser) {
    const tab = await opened(browser), [card] = tab.$("grid").children, image = card.children[0].children[0].querySelector();
    await tab.run(`save(path("items", "${given.item}", "download"))`);
    const [link] = tab.page.clicked, { resolveObjectURL } = require("buffer");
    return { kind: image.picture.includes("JFIF"), isLetGo: resolveObjectURL(image.src) === undefined, saved: link.href };
  },

  async anonymous(browser) {
    const tab = await opened(browser), before = seen(tab);
    await tab.$("sign-in").click();
    await browser.idle();
    const form = seen(tab), inside = await enter(browser, tab, "ann@example.org", PASSWORD);
    await tab.$("sign-out").click();
    await browser.idle();
    return { before, form, inside, after: seen(tab) };
  },
};

main(async (browser) => {
  if (given?.session_id) browser.kept.set(KEPT, kept);
  return doing[what](browser);
});
