"use strict";
// Uploads: announced to the API, sent to S3.
const HASH_AT_MOST_BYTES = 64 * 1024 * 1024, AT_ONCE = 3, RETRIES = 4, DONE_STAYS_MS = 8000;
const TYPES = { jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png", webp: "image/webp", gif: "image/gif", heic: "image/heic", heif: "image/heic", pdf: "application/pdf" };
let depth = 0;

async function sha256(file) {
  if (!window.crypto.subtle || file.size > HASH_AT_MOST_BYTES) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// By XMLHttpRequest, which tells how far it is. The answer's ETag.
function transfer(method, url, body, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("load", () => request.status < 300 ? resolve(request.getResponseHeader("ETag")) : reject(new Error(`The file store refused it (${request.status}).`)));
    request.addEventListener("error", () => reject(new Error("The file store cannot be reached.")));
    request.open(method, url);
    request.send(body);
  });
}

function sendWhole({ file, bar }, form) {
  const body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
  body.append("file", file); // S3 ignores what comes after it
  return transfer("POST", form.url, body, (sent) => { bar.value = sent / file.size; });
}

async function sendParts(row, { id, part_size_bytes: size, parts, sent }) {
  const { file, bar } = row;
  for (let failures = 0; parts.length > 0;) {
    const { number, url } = parts[0], start = (number - 1) * size, before = sent.length * size;
    try {
      const etag = await transfer("PUT", url, file.slice(start, start + size), (part) => { bar.value = (before + part) / file.size; });
      sent = [...sent, { number, etag }];
      parts = parts.slice(1);
      failures = 0;
    } catch (error) {
      if (++failures > RETRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** failures));
      ({ parts, sent } = (await ask(row, path("uploads", id, "parts"))).data); // the URLs may have expired
    }
  }
  await ask(row, path("uploads", id, "complete"), { parts: sent });
}

function uploadRow(file) {
  const line = make("li"), bar = make("progress"), note = make("span", "note", "Waiting");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Upload of ${file.name}`);
  line.append(make("span", "name cut", file.name), note, bar);
  $("uploads").append(line);
  return { file, line, bar, note };
}

function endRow({ line, bar, note }, text, button) {
  bar.remove();
  note.textContent = text;
  if (button) {
    button.type = "button";
    button.addEventListener("click", () => line.remove());
    line.append(button);
  }
}

async function ask(row, url, body) {
  for (;;) {
    try {
      return await call("POST", url, body);
    } catch (error) {
      if (error.status !== 429) throw error;
      const waitS = error.retryAfterS || 1;
      row.note.textContent = `Too many at once: goes on in ${waitS} s`;
      await new Promise((resolve) => setTimeout(resolve, waitS * 1000));
      row.note.textContent = "Sending";
    }
  }
}

async function upload(row) {
  const { file } = row;
  try {
    const type = file.type || TYPES[file.name.split(".").pop().toLowerCase()];
    if (!Object.values(TYPES).includes(type)) throw new Error("Only JPEG, PNG, WebP, GIF, HEIC and PDF files are taken.");
    if (file.size === 0) throw new Error("The file is empty.");
    const hash = await sha256(file);
    const announced = { filename: file.name, content_type: type, size_bytes: file.size, ...(hash && { sha256: hash }) };
    const { status, data } = await ask(row, path("uploads"), announced);
    if (status === 200) {
      const open = make("button", "plain", "Open");
      open.addEventListener("click", () => showItem(data.item.id));
      endRow(row, "You have it already.", open);
    } else {
      await (data.method === "PUT" ? sendParts(row, data) : sendWhole(row, data));
      endRow(row, "Sent");
    }
    setTimeout(() => row.line.remove(), DONE_STAYS_MS);
  } catch (error) {
    const dismiss = make("button", "plain", "✕");
    dismiss.setAttribute("aria-label", "Dismiss");
    row.note.classList.add("bad");
    endRow(row, error.message, dismiss);
  }
}

async function uploadAll(files) {
  const waiting = Array.from(files, uploadRow);
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      next.note.textContent = "Sending";
      await upload(next);
      refresh();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  setTimeout(refresh, 1500); // by then the first event has made the item
}

function drag(change) {
  return (event) => {
    if (!event.dataTransfer.types.includes("Files")) return; // dragged text is the browser's business
    event.preventDefault();
    depth = user ? change(depth) : 0;
    document.body.classList.toggle("dragging", depth > 0);
  };
}

addEventListener("dragenter", drag((now) => now + 1));
addEventListener("dragleave", drag((now) => now - 1));
addEventListener("dragover", drag((now) => now));
addEventListener("drop", drag(() => 0));
addEventListener("drop", (event) => { if (user) uploadAll(event.dataTransfer.files); });
for (const id of ["pick", "pick-first"]) $(id).addEventListener("click", () => $("files").click());
$("files").addEventListener("change", () => { uploadAll($("files").files); $("files").value = ""; });
