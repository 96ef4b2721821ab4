// Searches the server, asks for more and for weaker matches, and opens each citation of argv[3], a list as JSON. Prints what is listed and which pictures are shown.
const { main } = require("./console_page.js");

main(async (browser) => {
  const tab = browser.open();
  await tab.run('find({ query: "rent" }, "")');
  await browser.idle();
  const shown = tab.$("hits").children.map((row) => row.firstChild.children[0].querySelector()?.picture);
  const listed = () => ({
    items: tab.$("hits").children.map((row) => row.dataset.id), count: tab.$("found-count").textContent,
    buttons: ["found-more", "found-weaker"].filter((id) => !tab.$(id).hidden).map((id) => `${id}: ${tab.$(id).textContent}`),
  });
  const lists = [listed()];
  for (const button of ["found-more", "found-weaker"]) {
    await tab.$(button).click();
    await browser.idle();
    lists.push(listed());
  }
  tab.context.citations = JSON.parse(process.argv[3]);
  const opened = [];
  for (let at = 0; at < tab.context.citations.length; at += 1) {
    await tab.run(`showSource(citations[${at}])`);
    await browser.idle();
    opened.push(tab.$("source-page").src && tab.$("source-page").picture);
  }
  return { shown, lists, opened, asked: browser.asked.map(({ url }) => url) };
});
