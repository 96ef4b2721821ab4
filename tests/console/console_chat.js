// Asks the server something, within its collection c, and opens each citation. Prints what then stands in the
// conversation, and what the citations show.
const { main } = require("./console_page.js");

function shown(part) {
  if (typeof part === "string") return part;
  const inside = part.children.filter((child) => !child.removed).map(shown);
  return { [part.className || "plain"]: inside.length ? inside : part.textContent };
}

main(async (browser) => {
  const tab = browser.open();
  tab.$("within").value = "c";
  await tab.run('askQuestion("When?")');
  const rows = tab.$("talk").children.filter((row) => !row.removed);
  const places = rows.flatMap((row) => row.children).filter((part) => part.className.startsWith("where"));
  const sources = [];
  for (const place of places) {
    await place.click();
    await browser.idle();
    const page = tab.$("source-page");
    sources.push([tab.$("source-name").textContent, page.src && page.picture, tab.$("source-stale").hidden]);
  }
  return { talk: rows.map(shown), sources, said: tab.$("notice-text").textContent };
});
