// Searches the server and opens each citation of argv[3], a list as JSON. Prints which pictures are shown.
const { main } = require("./console_page.js");

main(async (browser) => {
  const tab = browser.open();
  await tab.run('find({ query: "rent" }, "")');
  await browser.idle();
  const shown = tab.$("hits").children.map((row) => row.firstChild.children[0].querySelector()?.picture);
  tab.context.citations = JSON.parse(process.argv[3]);
  const opened = [];
  for (let at = 0; at < tab.context.citations.length; at += 1) {
    await tab.run(`showSource(citations[${at}])`);
    await browser.idle();
    opened.push(tab.$("source-page").src && tab.$("source-page").picture);
  }
  return { shown, opened, asked: browser.asked.map(({ url }) => url) };
});
