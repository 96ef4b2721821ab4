// Runs the console's own scripts without a browser: asks the server at argv[2] something, within its collection c,
// and opens each citation. Prints what then stands in the conversation, and what the citations show.
const fs = require("fs"), vm = require("vm");

// An element that takes everything; what is put into it is kept.
function element() {
  const kept = { dataset: {}, value: "", className: "", textContent: "", removed: false, heard: {}, children: [], classList: { add() {}, remove() {}, toggle() {} } };
  const methods = {
    append: (...parts) => { kept.children.push(...parts); },
    replaceChildren: (...parts) => { kept.children = parts; },
    addEventListener: (name, heard) => { kept.heard[name] = heard; },
    remove: () => { kept.removed = true; },
  };
  return new Proxy(kept, {
    get: (_, name) => (name in kept ? kept[name] : methods[name] || (typeof name === "symbol" ? undefined : () => element())),
    set: (_, name, value) => { kept[name] = value; return true; },
  });
}

function shown(part) {
  if (typeof part === "string") return part;
  const inside = part.children.filter((child) => !child.removed).map(shown);
  return { [part.className || "plain"]: inside.length ? inside : part.textContent };
}

const elements = {};
const page = vm.createContext({
  console, fetch, setTimeout, clearTimeout, URLSearchParams, AbortController, encodeURIComponent,
  document: { getElementById: (id) => (elements[id] ??= element()), createElement: element, body: element(), addEventListener() {} },
  location: { pathname: process.argv[2] },
  addEventListener() {},
});
page.window = page;

for (const name of ["gallery.js", "item.js", "search.js", "chat.js"]) vm.runInContext(fs.readFileSync(`chalicelib/console/${name}`, "utf8"), page);
const $ = page.document.getElementById;
$("within").value = "c";
vm.runInContext('askQuestion("When?")', page).then(() => {
  const rows = $("talk").children.filter((row) => !row.removed);
  const places = rows.flatMap((row) => row.children).filter((part) => part.className.startsWith("where"));
  const sources = places.map((place) => {
    place.heard.click();
    return [$("source-name").textContent, $("source-page").src, $("source-stale").hidden];
  });
  console.log(JSON.stringify({ talk: rows.map(shown), sources, said: $("notice-text").textContent }));
  process.exit(0);
}, (error) => { console.error(error); process.exit(1); });
