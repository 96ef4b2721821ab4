"use strict";
// Pictures and files are their owner's: they are asked for with the tokens, which the browser by itself would not send.
const sight = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    sight.unobserve(target);
    draw(target, target.dataset.url).catch(() => target.remove());
  }
}, { rootMargin: "50%" });

// `path` is the API's own, as in its answers; "" shows nothing.
async function draw(image, url) {
  image.dataset.url = url;
  image.removeAttribute("src");
  if (!url) return;
  const answer = await send(BASE + url.replace(/^\//, ""));
  if (!answer.ok) await read(answer);
  const picture = await answer.blob();
  if (image.dataset.url !== url) return; // it is to show something else by now
  const address = URL.createObjectURL(picture);
  for (const event of ["load", "error"]) image.addEventListener(event, () => URL.revokeObjectURL(address), { once: true });
  image.src = address;
}

function showPicture(holder, item, alt) {
  const url = item.thumbnail_url || "";
  const ending = item.name.includes(".") ? item.name.split(".").pop().slice(0, 5) : "";
  if (holder.dataset.url !== url || !holder.firstChild) {
    holder.dataset.url = url;
    holder.dataset.kind = item.kind;
    holder.replaceChildren(make("span", "", ending || item.kind || "File"));
    if (url) {
      const image = make("img");
      image.addEventListener("error", () => image.remove());
      image.dataset.url = url;
      holder.append(image);
      sight.observe(image);
    }
  }
  const image = holder.querySelector("img");
  if (image) image.alt = alt;
}

// A file that the API redirects to is any size: the browser fetches it, from the address that S3 takes for an hour.
async function save(url, name) {
  const answer = await send(url), link = make("a");
  if (!answer.ok) await read(answer);
  if (answer.redirected) {
    await answer.body.cancel();
    link.href = answer.url;
  } else {
    link.href = URL.createObjectURL(await answer.blob());
    link.download = name;
  }
  link.click();
  if (link.download) setTimeout(() => URL.revokeObjectURL(link.href), 1000); // once it is being saved
}
