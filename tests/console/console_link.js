// Opens the page by a link with this part behind the #. Prints the source that is then shown.
const { main } = require("./console_page.js");

main(async (browser) => {
  const tab = browser.open(process.argv[3]);
  tab.begin();
  await browser.idle();
  const page = tab.$("source-page");
  return { name: tab.$("source-name").textContent, shows: page.src ? page.picture : null, hash: tab.context.location.hash };
});
