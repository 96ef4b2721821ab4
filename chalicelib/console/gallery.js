"use strict";
// Everything that comes from a file or a user goes in by textContent, never as markup.
const $ = (id) => document.getElementById(id);
const PAGE = 60, POLL_BUSY_MS = 2000, POLL_IDLE_MS = 15000;
const STATES = { PENDING: "Waiting", PROCESSING: "Reading", ANALYZING: "Analyzing", EMBEDDING: "Indexing", READY: "Ready", FAILED: "Failed" };
const STEPS = Object.keys(STATES); // READY's place is how many steps there are
const cards = new Map();
let shown = PAGE, timer = 0, round = 0, away = false;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function show(section) {
  for (const id of ["entry", "found", "chat", "gallery"]) $(id).hidden = id !== section;
}

function say(text) {
  $("notice-text").textContent = text;
  $("notice").hidden = !text;
}

function bytes(count) {
  if (count === null || count === undefined) return null;
  const units = ["bytes", "KB", "MB", "GB"];
  const step = Math.min(3, Math.floor(Math.log10(Math.max(count, 1)) / 3));
  return `${step ? (count / 1000 ** step).toFixed(1) : count} ${units[step]}`;
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 || count === "1" ? "" : "s"}`;
}

function settled(item) {
  return item.status === "READY" || item.status === "FAILED";
}

function showStatus(element, item) {
  element.dataset.status = item.status;
  const unread = item.unread_pages && item.status !== "FAILED" ? `, ${item.unread_pages} ${item.unread_pages === 1 ? "scan" : "scans"} unread` : "";
  element.textContent = STATES[item.status] + unread + (settled(item) ? "" : "…");
}

function newCard(id) {
  const row = make("li"), card = make("button", "card"), text = make("span", "text"), line = make("span", "line");
  const parts = { row, picture: make("span", "picture"), progress: make("progress"), name: make("span", "name cut"),
    about: make("span", "about cut"), why: make("span", "why"), status: make("span", "status") };
  card.type = "button";
  parts.progress.max = STEPS.indexOf("READY");
  parts.progress.setAttribute("aria-hidden", "true"); // the status beside it says the same
  line.append(parts.status, parts.about);
  text.append(parts.name, line);
  card.append(parts.picture, parts.why, parts.progress, text);
  card.addEventListener("click", () => showItem(id));
  row.append(card);
  return parts;
}

function showCards(items) {
  const rows = items.map((item) => {
    if (!cards.has(item.id)) cards.set(item.id, newCard(item.id));
    const card = cards.get(item.id);
    card.name.textContent = card.name.title = item.name;
    card.about.textContent = [item.analysis && item.analysis.category,
      item.page_count > 1 ? counted(item.page_count, "page") : null, bytes(item.size_bytes)].filter(Boolean).join(" · ");
    card.why.textContent = item.failure ? item.failure.message : "";
    card.why.hidden = !item.failure;
    card.progress.hidden = settled(item);
    card.progress.value = STEPS.indexOf(item.status);
    showStatus(card.status, item);
    showPicture(card.picture, item, "");
    return card.row;
  });
  const kept = new Set(items.map((item) => item.id));
  for (const [id, card] of cards) if (!kept.has(id)) { card.row.remove(); cards.delete(id); }
  // Moving only what is out of place keeps focus and scroll where they are.
  rows.forEach((row, at) => { if ($("grid").children[at] !== row) $("grid").insertBefore(row, $("grid").children[at] || null); });
}

function showTotals(items, more) {
  const busy = items.filter((item) => !settled(item)).length;
  const filtered = $("kind").value !== "" || $("status").value !== "";
  $("count").textContent = counted(items.length + (more ? "+" : ""), "item") + (busy ? `, ${busy} in progress` : "");
  $("overall").hidden = !busy;
  $("overall").max = items.length;
  $("overall").value = items.length - busy;
  $("empty").hidden = items.length > 0 || filtered;
  $("unmatched").hidden = items.length > 0 || !filtered;
  $("more").hidden = !more;
  return busy;
}

async function load() {
  const items = [];
  let after = null;
  do {
    const query = new URLSearchParams({ limit: Math.min(100, shown - items.length) });
    if (after) query.set("after", after);
    if ($("kind").value) query.set("kind", $("kind").value);
    if ($("status").value) query.set("status", $("status").value);
    const { data } = await call("GET", `${path("items")}?${query}`);
    items.push(...data.data);
    after = data.has_more ? data.next : null;
  } while (after && items.length < shown);
  return { items, more: after !== null };
}

async function refresh() {
  clearTimeout(timer);
  const mine = ++round;
  let wait = POLL_IDLE_MS;
  try {
    const { items, more } = await load();
    if (mine !== round) return; // a later refresh has taken over, and its timer
    showCards(items);
    if (showTotals(items, more)) wait = POLL_BUSY_MS;
    if (opened) await showItem(opened, true);
    if (away) say(""); // only what this function has said: others' words stay
    away = false;
  } catch (error) {
    wait = Math.max(POLL_BUSY_MS, (error.retryAfterS || 0) * 1000);
    away = true;
    say(`${error.message} Trying again…`);
  }
  if (mine === round) timer = setTimeout(() => { if (!document.hidden) refresh(); }, wait);
}

$("dismiss").addEventListener("click", () => say(""));
$("kind").addEventListener("change", refresh);
$("status").addEventListener("change", refresh);
$("more").addEventListener("click", async () => {
  const before = $("grid").children.length;
  shown += PAGE;
  await refresh();
  const first = $("grid").children[before]; // the button may be gone, and the focus with it
  if (first) first.firstChild.focus({ preventScroll: true });
});
document.addEventListener("visibilitychange", () => { if (user && !document.hidden) refresh(); });
