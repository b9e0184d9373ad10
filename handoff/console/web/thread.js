// @ts-check
/** The messages of the open conversation. */

import { at, h, paint, rows, say } from "./dom.js";
import { rowsOf } from "./order.js";
import { DELIVERIES, dayOf, hourOf, partOf } from "./words.js";

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./outbox.js").Outbox} Outbox
 * @typedef {import("./order.js").Unsent} Unsent
 * @typedef {import("./types.js").Message} Message
 * @typedef {{older: () => void, retry: (message: string) => void, again: (key: string) => void,
 *   edit: (key: string) => void, remove: (key: string) => void}} ThreadActs
 * @typedef {{key: string, older?: boolean, day?: string, message?: Message, unsent?: Unsent}} Row
 */

const NEAR = 80;
let shownFor = "";
let newest = "";

/** @param {Store} store @param {Outbox} outbox @param {ThreadActs} acts */
export function drawThread(store, outbox, acts) {
  const thread = store.threads.get(store.open);
  if (!thread) {
    at("thread").replaceChildren();
    shownFor = "";
    return;
  }
  const all = rowsOf(thread.messages.values(), outbox.of(store.open), store.me?.id ?? "");
  const box = at("thread-scroll");
  const below = box.scrollHeight - box.scrollTop;
  const wasAtEnd = shownFor !== store.open || below - box.clientHeight < NEAR;
  const first = box.querySelector("[data-message]")?.getAttribute("data-message") ?? "";
  rows(at("thread"), withDays(all, thread.more), (row) => row.key, (element, row) => {
    drawOne(element, row, thread.messages, store.me?.name ?? "", acts);
  });
  const last = all.messages.filter(({ author }) => author.id !== store.me?.id).at(-1)?.id ?? "";
  const isNew = shownFor === store.open && last !== newest;
  const grewAbove = first !== "" && first !== (all.messages[0]?.id ?? "") && shownFor === store.open;
  if (wasAtEnd) box.scrollTop = box.scrollHeight;
  else if (grewAbove && !isNew) box.scrollTop = box.scrollHeight - below;
  if (wasAtEnd) at("newer").hidden = true;
  else if (isNew) at("newer").hidden = false;
  shownFor = thread.loaded ? store.open : "";
  newest = last;
  drawTyping(store);
}

/** Show the newest message. */
export function toEnd() {
  const box = at("thread-scroll");
  box.scrollTop = box.scrollHeight;
  at("newer").hidden = true;
}

/** @param {Store} store */
function drawTyping(store) {
  const one = store.typing.get(store.open);
  const live = one && one.until > Date.now();
  const who = one?.agent ? store.agentName(one.agent) : "The customer";
  say(at("typing"), live ? `${who} is typing…` : "");
}

/** @param {{messages: Message[], unsent: Unsent[]}} all @param {boolean} more @returns {Row[]} */
function withDays({ messages, unsent }, more) {
  /** @type {Row[]} */
  const found = more ? [{ key: "older", older: true }] : [];
  let day = "";
  for (const message of messages) {
    const own = dayOf(message.created_at);
    if (own !== day) found.push({ key: `day ${message.id}`, day: own });
    day = own;
    found.push({ key: message.id, message });
  }
  return [...found, ...unsent.map((row) => ({ key: row.key, unsent: row }))];
}

/**
 * @param {HTMLLIElement} element
 * @param {Row} row
 * @param {Map<string, Message>} known
 * @param {string} name my own
 * @param {ThreadActs} acts
 */
function drawOne(element, row, known, name, acts) {
  if (row.message) drawMessage(element, row.message, known, acts);
  else if (row.unsent) drawUnsent(element, row.unsent, name, acts);
  else if (row.day) {
    element.className = "day";
    say(element, row.day);
  } else {
    element.className = "earlier";
    paint(element, "older", () => [h("button", { type: "button", "data-key": "older", click: acts.older }, "Earlier messages")]);
  }
}

/**
 * @param {HTMLLIElement} element
 * @param {Message} message
 * @param {Map<string, Message>} known
 * @param {ThreadActs} acts
 */
function drawMessage(element, message, known, acts) {
  const quoted = message.quote ? known.get(message.quote) : undefined;
  const quote = message.quote ? (quoted ? wordsOf(quoted) : "an earlier message").slice(0, 160) : "";
  element.className = classOf(message);
  element.dataset.message = message.id;
  if (message.delivery) element.dataset.delivery = message.delivery.state;
  paint(element, [message, quote], () => {
    if (message.kind === "activity") return [h("p", { class: "activity" }, message.text)];
    return [
      h("p", { class: "by" }, h("bdi", {}, authorOf(message)), h("time", { datetime: message.created_at }, hourOf(message.created_at))),
      h("div", { class: "bubble" },
        quote ? h("blockquote", { dir: "auto" }, quote) : null,
        h("p", { class: "text", dir: "auto" }, message.deleted_at ? "This message was deleted." : wordsOf(message))),
      markOf(message, acts),
    ];
  });
}

/** @param {Message} message */
function classOf(message) {
  if (message.kind === "activity") return "message middle";
  const side = message.kind === "incoming" ? "theirs" : "ours";
  return `message ${message.note ? "ours note" : side}${message.deleted_at ? " gone" : ""}`;
}

/** @param {Message} message */
function authorOf({ author, note }) {
  const name = author.name || (author.kind === "contact" ? "Customer" : author.kind === "bot" ? "Bot" : "System");
  return (note ? `Note by ${name}` : name).slice(0, 200);
}

/** @param {Message} message */
function wordsOf(message) {
  return [message.text, ...message.parts.map(partOf)].filter(Boolean).join("\n");
}

/** @param {string} said @param {string} reason */
function joined(said, reason) {
  return reason ? `${said}: ${reason}` : `${said}.`;
}

/** @param {Message} message @param {ThreadActs} acts */
function markOf(message, acts) {
  const { delivery } = message;
  const edited = message.edited_at ? "Edited" : "";
  if (!delivery) return edited ? h("p", { class: "mark" }, edited) : null;
  const word = DELIVERIES[delivery.state] ?? delivery.state;
  const bad = delivery.state === "failed" || delivery.state === "unknown";
  const reason = bad ? [delivery.reason, delivery.hint].filter(Boolean).join(" ") : "";
  const said = delivery.state === "unknown" ? "Unknown, it may have arrived or not" : word;
  return h("p", { class: bad ? "mark bad" : "mark" },
    edited ? `${edited} · ` : null,
    h("span", { class: "tick", "data-state": delivery.state }, bad ? joined(said, reason) : word),
    bad ? h("button", { type: "button", "data-key": `retry ${message.id}`, click: () => acts.retry(message.id) }, "Retry") : null);
}

/**
 * @param {HTMLLIElement} element
 * @param {Unsent} row
 * @param {string} name my own
 * @param {ThreadActs} acts
 */
function drawUnsent(element, row, name, acts) {
  element.className = row.note ? "message ours note" : "message ours";
  element.dataset.unsent = row.state;
  const stopped = row.state === "unconfirmed" || row.state === "refused";
  const word = row.state === "unconfirmed" ? `Not confirmed. ${row.problem}` : row.problem || "Not sent";
  const button = (/** @type {string} */ label, /** @type {(key: string) => void} */ act) =>
    h("button", { type: "button", "data-key": `${label} ${row.key}`, click: () => act(row.key) }, label);
  paint(element, row, () => [
    h("p", { class: "by" }, h("span", {}, row.note ? `Note by ${name}` : name), h("time", { datetime: row.at }, hourOf(row.at))),
    h("div", { class: "bubble" }, h("p", { class: "text", dir: "auto" }, row.text)),
    h("p", { class: stopped ? "mark bad" : "mark" },
      h("span", { class: "tick", "data-state": "storing" }, stopped ? word : "Sending"),
      stopped ? button("Try again", acts.again) : null,
      row.state === "refused" ? button("Edit", acts.edit) : null,
      stopped ? button("Remove", acts.remove) : null),
  ]);
}
