// @ts-check
/** The icon of an inbox's channel: SVG text from the server, shown as a picture and so inert. */

import { h } from "./dom.js";

/** @typedef {import("./types.js").Inbox} Inbox */

const DARK = "#0b1a12";
const LIGHT = "#ffffff";

/** @param {Inbox | undefined} inbox */
export function iconOf(inbox) {
  const tile = h("span", { class: "channel", title: inbox?.title ?? "" });
  if (!inbox) return tile;
  tile.style.backgroundColor = inbox.colour;
  // a picture does not inherit the page's colour
  const svg = inbox.icon.replaceAll("currentColor", isLight(inbox.colour) ? DARK : LIGHT);
  tile.append(h("img", { src: `data:image/svg+xml,${encodeURIComponent(svg)}`, alt: inbox.title }));
  return tile;
}

/** @param {string} colour like #25d366 */
function isLight(colour) {
  const [, red, green, blue] = /^#(..)(..)(..)$/.exec(colour) ?? [];
  if (!red || !green || !blue) return false;
  const [r, g, b] = [red, green, blue].map((two) => parseInt(two, 16));
  return 0.299 * Number(r) + 0.587 * Number(g) + 0.114 * Number(b) > 140;
}
