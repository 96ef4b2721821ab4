"use strict";
let searching = null, typing = 0;

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
  const score = make("span", "about score", hit.score.toFixed(2));
  button.type = "button";
  row.dataset.id = hit.item_id;
  score.title = "How well it matches, from 0 to 1, within these results";
  showPicture(picture, hit, "");
  line.append(make("span", "name cut", hit.name), make("span", "about", hit.page ? `page ${hit.page}` : ""), score);
  text.append(line, snippetOf(hit));
  button.append(picture, text);
  button.addEventListener("click", () => showItem(hit.item_id));
  row.append(button);
  return row;
}

async function find(request, title) {
  if (searching) searching.abort();
  const mine = searching = new AbortController();
  show("found");
  $("found-title").textContent = title;
  $("found-count").textContent = "Searching…";
  try {
    const { data } = await call("POST", path("search"), request, mine.signal);
    if (mine !== searching) return; // superseded while its answer was read
    const partly = data.missing.length ? ", by words only just now" : "";
    $("hits").replaceChildren(...data.data.map(hitRow));
    $("found-count").textContent = (data.data.length ? counted(data.data.length, "result") : "Nothing found") + partly;
    say("");
  } catch (error) {
    if (mine !== searching) return;
    $("hits").replaceChildren();
    $("found-count").textContent = "";
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
