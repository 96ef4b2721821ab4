"use strict";
// Conversations: questions to the items, and answers with the places that they quote.
const RUN_POLL_MS = 1000, ENDED = new Set(["succeeded", "failed", "cancelled"]);
let conversation = null, asking = false, quoted = null, surely = false;

function option(value, text) {
  const made = make("option", "", text);
  made.value = value;
  return made;
}

async function listChoices() {
  const [talks, collections] = await Promise.all([call("GET", `${path("conversations")}?limit=100`), call("GET", `${path("collections")}?limit=100`)]);
  const within = $("within").value;
  $("conversations").replaceChildren(option("", "New conversation"), ...talks.data.data.map((talk) => option(talk.id, talk.title || "Untitled")));
  $("conversations").value = conversation || "";
  $("within").replaceChildren(option("", "All items"), ...collections.data.data.map((found) => option(found.id, found.name)));
  $("within").value = within;
}

function showSource(citation) {
  const url = citation.page_image_url || citation.thumbnail_url;
  quoted = citation.item_id;
  $("source-name").textContent = citation.item_name + (citation.page_image_url ? `, page ${citation.page}` : "");
  $("source-quote").textContent = citation.quote;
  $("source-stale").hidden = !citation.stale;
  $("source-page").hidden = citation.stale; // it would show something else, or nothing
  $("source-page").alt = `Where it says: ${citation.quote}`;
  $("source").showModal();
  return attempt(() => draw($("source-page"), citation.stale ? "" : url));
}

function citationButton(citation, className, text) {
  const button = make("button", className + (citation.stale ? " stale" : ""), text);
  button.type = "button";
  button.title = citation.quote;
  button.addEventListener("click", () => showSource(citation));
  return button;
}

function messageRow(message) {
  const row = make("li", message.role), text = Array.from(message.content), said = make("p"); // offsets count code points
  let at = 0;
  for (const citation of message.citations || []) {
    said.append(text.slice(at, citation.answer_end).join(""), citationButton(citation, "cite", String(citation.ordinal)));
    at = Math.max(at, citation.answer_end);
  }
  said.append(text.slice(at).join(""));
  row.append(said);
  for (const citation of message.citations || []) {
    const where = citation.page_image_url ? `${citation.item_name}, page ${citation.page}` : citation.item_name;
    row.append(citationButton(citation, "where cut", `${citation.ordinal}. ${where}: “${citation.quote}”`));
  }
  if (message.dropped) row.append(make("p", "about", `${counted(message.dropped, "sentence")} left out: not found in your items word for word.`));
  return row;
}

async function openConversation(id) {
  const rows = [];
  let after = null;
  do {
    if (!id) break;
    const { data } = await call("GET", `${path("conversations", id, "messages")}?limit=100${after ? `&after=${encodeURIComponent(after)}` : ""}`);
    rows.push(...data.data.map(messageRow));
    after = data.has_more ? data.next : null;
  } while (after);
  conversation = id || null;
  sure(false);
  $("talk").replaceChildren(...rows);
  $("export").hidden = $("forget").hidden = !conversation;
  if (rows.length) rows[rows.length - 1].scrollIntoView({ block: "nearest" });
}

async function finished(run) {
  while (!ENDED.has(run.state)) {
    await new Promise((resolve) => setTimeout(resolve, RUN_POLL_MS));
    run = (await call("GET", path("runs", run.id))).data;
  }
  if (run.state !== "succeeded") throw new Error(run.error ? run.error.message : "The answer was cancelled.");
}

async function askQuestion(content) {
  const question = messageRow({ role: "user", content }), waiting = make("li", "assistant waiting", "Reading…");
  $("talk").append(question, waiting);
  waiting.scrollIntoView({ block: "nearest" });
  try {
    const id = conversation || (await call("POST", path("conversations"), {})).data.id;
    conversation = id;
    const bound = $("within").value ? { collection_id: $("within").value } : {};
    const { status, data } = await call("POST", path("conversations", id, "messages"), { content, ...bound });
    if (status === 202) await finished(data);
    $("question").value = "";
    say("");
    if (conversation === id) await openConversation(id);
    await listChoices();
  } catch (error) {
    question.remove(); // it is still in the box
    waiting.remove();
    say(error.message);
  }
}

function sure(now) {
  surely = now;
  $("forget").textContent = now ? "Really delete?" : "Delete";
}

async function attempt(work) {
  try { await work(); } catch (error) { say(error.message); }
}

$("ask-open").addEventListener("click", () => attempt(async () => {
  show("chat");
  await listChoices();
  $("question").focus();
}));
$("leave").addEventListener("click", clearSearch);
$("conversations").addEventListener("change", () => attempt(() => openConversation($("conversations").value)));
$("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const content = $("question").value.trim();
  if (!content || asking) return;
  asking = true;
  await askQuestion(content);
  asking = false;
});
$("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("ask").requestSubmit();
});
$("export").addEventListener("click", () => attempt(() => save(path("conversations", conversation, "export"), "conversation.md")));
$("forget").addEventListener("blur", () => sure(false));
$("forget").addEventListener("click", () => attempt(async () => {
  if (!surely) { sure(true); return; }
  await call("DELETE", path("conversations", conversation));
  await openConversation(null);
  await listChoices();
  $("question").focus();
}));
$("source-close").addEventListener("click", () => $("source").close());
$("source").addEventListener("click", (event) => { if (event.target === $("source")) $("source").close(); });
$("source-item").addEventListener("click", () => { $("source").close(); showItem(quoted); });
