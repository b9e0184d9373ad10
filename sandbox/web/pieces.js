// @ts-check
/** Pieces of the page: each fills one of the page's templates, and only ever with text. */

import { formatted } from "./format.js";

/**
 * @typedef {{id: string, side: "customer"|"business", text: string, at: string, state: string,
 *   kind: string, quote: string, reaction: string}} Bubble
 */

const HUES = 6;
const KINDS = new Map([
  ["template", "Template"],
  ["image", "Photo"],
  ["video", "Video"],
  ["audio", "Voice message"],
  ["document", "Document"],
  ["location", "Location"],
  ["contacts", "Contact"],
  ["sticker", "Sticker"],
  ["interactive", "Buttons"],
]);
export const hour = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
export function at(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function made(id) {
  const template = /** @type {HTMLTemplateElement} */ (at(id));
  return /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
}

/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function part(parent, selector) {
  return /** @type {HTMLElement} */ (parent.querySelector(selector));
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 */
export function drawAvatar(element, name) {
  const letters = name.split(/\s+/).map((word) => word[0] ?? "");
  element.textContent = (letters[0] + (letters.length > 1 ? letters[letters.length - 1] : "")).toUpperCase();
  let sum = 0;
  for (const letter of name) sum += letter.codePointAt(0) ?? 0;
  element.dataset.hue = String(sum % HUES);
}

/**
 * @param {HTMLElement} element
 * @param {string} state
 */
export function drawTick(element, state) {
  element.dataset.state = state;
  element.replaceChildren(made(`tick-${state}`));
}

/** @param {Bubble} bubble */
export function preview(bubble) {
  const who = bubble.side === "customer" ? "You: " : "";
  return who + (bubble.text || KINDS.get(bubble.kind) || "Message");
}

/** @param {Bubble} bubble */
export function drawBubble(bubble) {
  const row = made("bubble");
  row.classList.add(bubble.side);
  row.dataset.bubble = bubble.id;
  const kind = bubble.kind === "text" ? "" : (KINDS.get(bubble.kind) ?? bubble.kind);
  part(row, ".kind").textContent = kind;
  part(row, ".kind").hidden = !kind;
  part(row, ".quote").textContent = bubble.quote;
  part(row, ".quote").hidden = !bubble.quote;
  part(row, ".text").append(formatted(bubble.text));
  part(row, ".meta time").textContent = hour.format(new Date(bubble.at));
  if (bubble.side === "customer") drawTick(part(row, ".tick"), bubble.state);
  part(row, ".reaction").textContent = bubble.reaction;
  part(row, ".reaction").hidden = !bubble.reaction;
  part(row, ".again").hidden = bubble.state !== "failed";
  return row;
}
