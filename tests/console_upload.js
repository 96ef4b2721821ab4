// Runs the console's own scripts without a browser: one upload to the server at argv[2] of argv[3] bytes, all
// of them 7. Prints the row's notes.
const fs = require("fs"), vm = require("vm");

// An element that takes everything; what is written to it is kept.
function element() {
  const kept = { dataset: {}, classList: { add() {}, remove() {}, toggle() {} }, style: {}, notes: [] };
  return new Proxy(kept, {
    get: (_, name) => (name in kept ? kept[name] : typeof name === "symbol" ? undefined : () => element()),
    set: (_, name, value) => {
      kept[name] = value;
      if (name === "textContent") kept.notes.push(value);
      return true;
    },
  });
}

class Request {
  constructor() { Object.assign(this, { upload: { addEventListener() {} }, heard: {} }); }
  addEventListener(name, heard) { this.heard[name] = heard; }
  open(method, url) { Object.assign(this, { method, url }); }
  getResponseHeader(name) { return this.headers.get(name); }
  send(body) {
    fetch(this.url, { method: this.method, body }).then(({ status, headers }) => {
      Object.assign(this, { status, headers });
      this.heard.load();
    }, () => this.heard.error());
  }
}

const elements = {};
const page = vm.createContext({
  console, fetch, FormData, XMLHttpRequest: Request, setTimeout, clearTimeout, URLSearchParams, AbortController, Event, encodeURIComponent,
  document: { getElementById: (id) => (elements[id] ??= element()), createElement: element, body: element(), addEventListener() {} },
  location: { pathname: process.argv[2] },
  addEventListener() {},
});
page.window = { crypto: {} };

for (const name of ["gallery.js", "uploads.js"]) vm.runInContext(fs.readFileSync(`chalicelib/console/${name}`, "utf8"), page);
const size = Number(process.argv[3]);
page.file = Object.assign(new Blob([new Uint8Array(size).fill(7)]), { name: "a.jpg" });
Object.defineProperty(page.file, "type", { value: "image/jpeg" });
page.row = vm.runInContext("uploadRow(file)", page);
vm.runInContext("upload(row)", page).then(() => {
  console.log(JSON.stringify(page.row.note.notes));
  process.exit(0); // the page itself would go on asking
});
