// Prints what a card says of each item in argv[3], a list as JSON.
const { main } = require("./console_page.js");

main(async (browser) => {
  const tab = browser.open();
  tab.context.items = JSON.parse(process.argv[3]);
  return tab.run("items.map((item) => { const element = make('span'); showStatus(element, item); return element.textContent; })");
});
