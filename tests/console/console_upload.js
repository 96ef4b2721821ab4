// One upload to the server of argv[3] bytes, all of them 7. Prints the row's notes.
const { main } = require("./console_page.js");

main(async (browser) => {
  const tab = browser.open();
  const file = Object.assign(new Blob([new Uint8Array(Number(process.argv[3])).fill(7)]), { name: "a.jpg" });
  Object.defineProperty(file, "type", { value: "image/jpeg" });
  tab.context.file = file;
  const row = tab.context.row = tab.run("uploadRow(file)");
  await tab.run("upload(row)");
  return row.note.texts;
});
