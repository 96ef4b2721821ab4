"use strict";
let searching = null, typing = 0, further = {};

function snippetOf(hit) {
  const text = Array.from(hit.snippet), snippet = make("span", "snippet"); // offsets count code points
  let at = 0;
  for (const [start, end] of hit.highlights) {
    snippet.append(text.slice(at, start).join(""), make("mark", "", text.slice(start, end).join("")));
    at = end;
  }
  snippet.append(text.slice(at).join(""));
  return snippet;
}

function hitRow(hit) {
  const row = make("li"), button = make("button", "hit"), text = make("span"), line = make("span", "line"), picture = make("span", "picture");
  const score = make("span", "about score", (hit.relevance ?? hit.score).toFixed(2));
  button.type = "button";
  row.dataset.id = hit.item_id;
  score.title = "How well it matches, from 0 to 1; from 0.5 on it is a result";
  showPicture(picture, hit, "");
  line.append(make("span", "name cut", hit.name), make("span", "about", hit.page ? `page ${hit.page}` : ""), score);
  text.append(line, snippetOf(hit));
  button.append(picture, text);
  button.addEventListener("click", () => showItem(hit.item_id));
  row.append(button);
  return row;
}

async function find(request, title) {
  show("found");
  $("found-title").textContent = title;
  $("found-count").textContent = "Searching…";
  await list(request, []);
}

// Shows the rows of the pages before, and of this one.
async function list(request, before) {
  if (searching) searching.abort();
  const mine = searching = new AbortController();
  try {
    const { data } = await call("POST", path("search"), request, mine.signal);
    if (mine !== searching) return; // superseded while its answer was read
    const partly = data.missing.includes("semantic") ? ", by words only just now" : "";
    const rows = [...before, ...data.data.map(hitRow)];
    $("hits").replaceChildren(...rows);
    $("found-count").textContent = (rows.length ? counted(rows.length + (data.has_more ? "+" : ""), "result") : "Nothing found") + partly;
    further = { "found-more": data.has_more && (() => list({ ...request, after: data.next }, rows)),
      "found-weaker": !data.has_more && data.weaker && (() => list({ ...request, after: undefined, include_weaker: true }, [])) };
    $("found-weaker").textContent = `Show ${counted(data.weaker, "weaker result")}`;
    for (const id in further) $(id).hidden = !further[id];
    say("");
  } catch (error) {
    if (mine !== searching) return;
    $("hits").replaceChildren();
    $("found-count").textContent = "";
    for (const id in further) $(id).hidden = true;
    say(error.message);
  }
}

function clearSearch() {
  if (searching) searching.abort();
  searching = null;
  show("gallery");
  $("hits").replaceChildren();
}

function search() {
  clearTimeout(typing);
  const query = $("query").value.trim();
  if (query) find({ query, limit: 12 }, `Results for “${query}”`); else clearSearch();
}

$("search").addEventListener("submit", (event) => { event.preventDefault(); search(); });
$("query").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(search, 350); });
$("clear").addEventListener("click", () => { $("query").value = ""; clearSearch(); $("query").focus(); });
for (const id of ["found-more", "found-weaker"]) $(id).addEventListener("click", () => further[id]());
