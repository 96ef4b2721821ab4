"use strict";
// One item: what is known of it, what happened to it, what can be done with it.
const STAGES = { process: "Reading", analyze: "Analysis", embed: "Indexing" };
const TROUBLE = new Set(["failed", "retrying", "dead letter", "lease expired"]);
const CLOCK = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit" });
let opened = null, armed = false, acting = false;

async function showItem(id, again) {
  try {
    const { data: item } = await call("GET", path("items", id));
    const { data: timeline } = await call("GET", path("items", id, "timeline")); // later, so never behind the status
    if (again && opened !== id) return;
    if (opened !== id) disarm();
    opened = id;
    fillItem(item, timeline.data);
    if (!$("detail").open) { $("detail").showModal(); $("detail").scrollTop = 0; }
  } catch (error) {
    if (again && error.status !== 404) throw error;
    if (error.status === 404) $("detail").close();
    if (!again) say(error.message);
  }
}

function fillItem(item, timeline) {
  $("detail-name").textContent = item.name;
  showStatus($("detail-status"), item);
  showPicture($("detail-picture"), item, item.analysis ? item.analysis.summary : item.name);
  $("similar").hidden = item.status !== "READY";
  $("facts").replaceChildren(...Object.entries(factsOf(item)).filter(([, value]) => value !== null && value !== undefined)
    .flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
  $("failure").hidden = !item.failure;
  $("failure").textContent = item.failure ? item.failure.message : "";
  $("analysis").hidden = !item.analysis;
  if (item.analysis) {
    $("category").textContent = item.analysis.category;
    $("summary").textContent = item.analysis.summary;
    $("labels").replaceChildren(...item.analysis.labels.map((label) => make("li", "", label)));
    $("read").textContent = item.analysis.text_in_image;
    $("read").hidden = $("read-title").hidden = !item.analysis.text_in_image;
  }
  $("timeline").replaceChildren(...timeline.map(timelineRow));
}

function factsOf(item) {
  const paged = item.kind === "pdf", where = item.location;
  return {
    Title: item.title, Type: item.media_type, Size: bytes(item.size_bytes), Pages: paged ? item.page_count : null,
    Dimensions: item.width_px && !paged ? `${item.width_px} × ${item.height_px} px` : null,
    Taken: item.taken_at && new Date(item.taken_at).toLocaleString(), Camera: item.camera,
    Place: where && `${where.latitude.toFixed(4)}, ${where.longitude.toFixed(4)}`,
    Added: new Date(item.created_at).toLocaleString(), Id: item.id, Reason: item.failure && item.failure.code,
  };
}

function timelineRow(entry) {
  const row = make("li", TROUBLE.has(entry.event) ? "bad" : ""), time = make("time", "", CLOCK.format(new Date(entry.at))), text = make("span");
  time.dateTime = entry.at;
  const attempt = entry.attempt > 1 ? `, attempt ${entry.attempt}` : "";
  const event = entry.stage && entry.event === "published" ? "queued" : entry.event; // the event that wakes the stage
  const what = [STAGES[entry.stage] || entry.stage, event].filter(Boolean).join(" ") + attempt;
  text.append(make("b", "", what[0].toUpperCase() + what.slice(1)), entry.message ? ` · ${entry.message}` : "");
  row.append(time, text);
  return row;
}

function disarm() {
  armed = false;
  $("delete").textContent = "Delete";
}

async function act(work) {
  if (acting) return; // a disabled button would lose the keyboard's focus
  acting = true;
  try { await work(opened); say(""); } catch (error) { $("detail").close(); say(error.message); }
  acting = false;
}

$("download").addEventListener("click", () => act((id) => save(path("items", id, "download"))));
$("reprocess").addEventListener("click", () => act(async (id) => {
  await call("POST", path("items", id, "reprocess"));
  await refresh();
}));
$("delete").addEventListener("blur", disarm);
$("delete").addEventListener("click", () => act(async (id) => {
  if (!armed) { armed = true; $("delete").textContent = "Really delete?"; return; }
  await call("DELETE", path("items", id));
  $("detail").close();
  for (const row of [...$("hits").children]) if (row.dataset.id === id) row.remove();
  await refresh();
  $($("found").hidden ? "gallery-title" : "query").focus(); // what opened the item is gone
}));
$("similar").addEventListener("click", () => {
  const like = opened, name = $("detail-name").textContent;
  $("detail").close();
  find({ item_id: like, limit: 12 }, `Similar to ${name}`);
});
$("close").addEventListener("click", () => $("detail").close());
$("detail").addEventListener("close", () => { opened = null; disarm(); });
$("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });
