// The console's own scripts in tabs of one browser, without a browser: elements keep what is put into them, tabs share
// localStorage and locks, a reload makes a new page.
const fs = require("fs"), vm = require("vm"), { resolveObjectURL } = require("buffer");
const FOLDER = "chalicelib/console/", INDEX = fs.readFileSync(`${FOLDER}index.html`, "utf8");

class Element {
  constructor(page) {
    Object.assign(this, { page, hidden: false, open: false, removed: false, className: "", value: "", dataset: {}, attributes: {}, heard: {}, children: [], texts: [] });
    this.classList = { add() {}, toggle() {} };
  }
  get textContent() { return this.texts.at(-1) ?? ""; }
  set textContent(text) { this.texts.push(text); this.children = []; }
  get firstChild() { return this.children[0] ?? null; }
  get src() { return this.attributes.src ?? ""; }
  set src(url) { // a picture of a blob: its bytes, before the page may let go of them
    this.attributes.src = url;
    Promise.resolve(resolveObjectURL(url)?.text()).then((picture) => {
      this.picture = picture;
      this.tell("load");
    });
  }
  append(...parts) { this.children.push(...parts); }
  replaceChildren(...parts) { this.children = parts; }
  insertBefore(part, before) { this.children.splice(before ? this.children.indexOf(before) : this.children.length, 0, part); }
  querySelector() { return this.children.find((part) => part.dataset?.url) ?? null; }
  addEventListener(name, heard) { (this.heard[name] ??= []).push(heard); }
  tell(name) { return Promise.all((this.heard[name] ?? []).map((heard) => heard({ preventDefault() {}, target: this }))); }
  click() { this.page.clicked.push(this); return this.tell("click"); }
  setAttribute(name, value) { this.attributes[name] = value; }
  removeAttribute(name) { delete this.attributes[name]; }
  focus() { this.page.focused = this; }
  remove() { this.removed = true; }
  showModal() { this.open = true; }
  close() { this.open = false; }
  reset() {}
  scrollIntoView() {}
}

class Browser {
  constructor(url) { Object.assign(this, { url, kept: new Map(), locked: {}, tabs: [], asked: [], pending: 0, failing: null, shown: [], onAnswer() {} }); }

  open(hash = "") {
    const tab = new Tab(this, hash);
    this.tabs.push(tab);
    return tab;
  }

  // What a tab writes, the others hear of.
  storageOf(tab) {
    const tell = () => { for (const other of this.tabs) if (other !== tab) other.tell("storage"); };
    return {
      getItem: (name) => this.kept.get(name) ?? null,
      setItem: (name, value) => { this.kept.set(name, value); tell(); },
      removeItem: (name) => { this.kept.delete(name); tell(); },
    };
  }

  lock(name, work, left) {
    const before = this.locked[name] ?? Promise.resolve();
    const mine = before.then(work);
    this.locked[name] = Promise.race([mine.catch(() => {}), left]);
    return mine;
  }

  // Until nothing is asked any more.
  async idle() {
    for (let quiet = 0; quiet < 5; quiet = this.pending ? 0 : quiet + 1) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

class Tab {
  constructor(browser, hash) { Object.assign(this, { browser, hash, pages: 0 }); this.load(); }

  load() {
    this.leave?.();
    this.pages += 1;
    if (this.pages > 1) this.hash = this.context.location.hash;
    const page = this.page = { clicked: [], heard: {}, elements: {}, focused: null };
    const left = new Promise((resolve) => { this.leave = resolve; });
    const element = () => new Element(page);
    for (const [tag, id] of INDEX.matchAll(/<[^>]*\bid="([\w-]+)"[^>]*>/g)) page.elements[id] = Object.assign(element(), { hidden: /\bhidden\b/.test(tag) });
    const { browser } = this;
    this.context = vm.createContext({
      console, FormData, Event, AbortController, URL, URLSearchParams, encodeURIComponent, setTimeout, clearTimeout,
      // A page that was left hears no more answers.
      fetch: async (url, options = {}) => {
        browser.asked.push({ method: "GET", ...options, url });
        if (url.endsWith(browser.failing)) return new Response("{}", { status: 503 });
        browser.pending += 1;
        const answer = await fetch(url, options).finally(() => { browser.pending -= 1; });
        browser.onAnswer(url);
        return this.page === page ? answer : new Promise(() => {});
      },
      localStorage: browser.storageOf(this),
      navigator: { locks: { request: (name, work) => browser.lock(name, work, left) } },
      history: { replaceState: (_state, _title, url) => { this.context.location.hash = ""; browser.shown.push(url); } },
      location: { hash: this.hash, pathname: browser.url, reload: () => setTimeout(() => { if (this.page === page) { this.load(); this.begin(); } }) },
      document: { getElementById: (id) => page.elements[id], createElement: element, body: element(), forms: [page.elements["enter-form"]], addEventListener() {} },
      addEventListener: (name, heard) => { (page.heard[name] ??= []).push(heard); },
      IntersectionObserver: class { // everything is in sight
        constructor(heard) { this.heard = heard; }
        observe(target) { setTimeout(() => this.heard([{ isIntersecting: true, target }])); }
        unobserve() {}
      },
      XMLHttpRequest: Transfer,
    });
    this.context.window = { crypto: {} };
    for (const [, name] of INDEX.matchAll(/<script src="(\w+\.js)">/g)) this.run(fs.readFileSync(FOLDER + name, "utf8"));
  }

  run(script) { return vm.runInContext(script, this.context); }
  tell(name) { for (const heard of this.page.heard[name] ?? []) heard({}); }
  begin() { this.tell("DOMContentLoaded"); }
  $(id) { return this.page.elements[id]; }
}

class Transfer {
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

// Prints what `script` makes of a browser on the server at argv[2], as JSON.
function main(script) {
  const browser = new Browser(process.argv[2]);
  script(browser).then((answer) => {
    console.log(JSON.stringify(answer));
    process.exit(0); // the page itself would go on asking
  }, (error) => { console.error(error); process.exit(1); });
}

module.exports = { main };
