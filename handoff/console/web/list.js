// @ts-check
/** The left side: which list, and its rows. */

import { at, h, paint, rows, say } from "./dom.js";
import { iconOf } from "./icons.js";
import { belongs, compare } from "./order.js";
import { STATES, closedOf, momentOf, nameOf, sinceOf } from "./words.js";

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./order.js").View} View
 * @typedef {import("./types.js").Conversation} Conversation
 */

/** @type {[View, string][]} */
const TABS = [["mine", "Mine"], ["waiting", "Waiting"], ["all", "All"]];
/** @type {Record<View, string>} */
const EMPTY = {
  mine: "You have no conversation.",
  waiting: "Nobody is waiting.",
  all: "Nothing is open.",
  archive: "Nothing was found.",
};

/** The conversations of the list that is chosen, in its order. @param {Store} store */
export function listed(store) {
  if (store.view === "archive") {
    const found = (store.found ?? []).map((id) => store.conversations.get(id));
    return found.filter((one) => one !== undefined);
  }
  return [...store.conversations.values()]
    .filter((one) => belongs(one, store.view, store.me?.id ?? "") && isChosen(one, store))
    .sort(compare);
}

/** @param {Conversation} one @param {Store} store */
function isChosen(one, { product, inbox }) {
  return (!product || one.product === product) && (!inbox || one.inbox === inbox);
}

/** @param {Store} store @param {(view: View) => void} choose */
export function drawViews(store, choose) {
  const mine = [...store.conversations.values()].filter((one) => belongs(one, "mine", store.me?.id ?? ""));
  const counts = { mine: mine.length, waiting: store.counters?.waiting ?? 0, all: 0, archive: 0 };
  at("views").hidden = store.view === "archive";
  paint(at("views"), [store.view, counts], () => TABS.map(([view, label]) =>
    h("button", {
      type: "button", "data-key": view, "aria-pressed": String(store.view === view), click: () => choose(view),
    }, label, counts[view] ? h("b", { class: "count" }, String(counts[view])) : null)));
}

/** @param {Store} store @param {(id: string) => void} open @param {number} now */
export function drawList(store, open, now) {
  const items = listed(store);
  rows(at("list"), items, (one) => one.id, (row, one) => drawRow(row, one, store, open, now));
  const asked = store.view !== "archive" || store.found !== null;
  at("list-empty").hidden = items.length > 0;
  say(at("list-empty"), asked ? emptyOf(store) : "Set the filters and press Apply.");
  at("list-more").hidden = !store.cursors[store.view];
}

/** @param {Store} store */
function emptyOf(store) {
  const idle = store.me?.role !== "admin" && store.me?.inboxes.length === 0;
  return idle ? "You are authorised for no inbox yet. Ask an admin." : EMPTY[store.view];
}

/**
 * @param {HTMLLIElement} row
 * @param {Conversation} one
 * @param {Store} store
 * @param {(id: string) => void} open
 * @param {number} now
 */
function drawRow(row, one, store, open, now) {
  const inbox = store.inboxes.get(one.inbox);
  const line = lineOf(one, store, now);
  const unread = one.agent === store.me?.id ? one.unread : 0;
  const isOpen = store.open === one.id;
  const name = nameOf(one);
  paint(row, [name, line, unread, isOpen, inbox?.name], () => [
    h("button", {
      type: "button", class: "row", "data-key": one.id, "data-conversation": one.id,
      "aria-current": isOpen ? "true" : null, click: () => open(one.id),
    },
    iconOf(inbox),
    h("span", { class: "what" }, h("bdi", { class: "name" }, name.slice(0, 200)), h("span", { class: line.urgent ? "urgent" : "quiet" }, line.text)),
    unread ? h("b", { class: "count", "aria-label": `${unread} unread` }, String(unread)) : null),
  ]);
}

/**
 * The second line of a row: where it stands.
 * @param {Conversation} one
 * @param {Store} store
 * @param {number} now
 * @returns {{text: string, urgent: boolean}}
 */
function lineOf(one, store, now) {
  if (one.state === "archived") {
    const topic = one.topic ? store.topics.get(one.topic)?.name : "";
    return { text: [closedOf(one), topic, momentOf(one.closed?.at ?? one.last_message_at)].filter(Boolean).join(" · "), urgent: false };
  }
  const owner = one.agent && one.agent !== store.me?.id ? store.agentName(one.agent) : "";
  if (one.waiting_since && one.state !== "ended") {
    const length = sinceOf(now - Date.parse(one.waiting_since));
    const text = one.state === "waiting" ? `Waiting ${length}` : `Unanswered ${length}`;
    return { text: owner ? `${owner} · ${text}` : text, urgent: true };
  }
  const state = one.state === "active" ? (one.agent ? "Answered" : "Parked") : STATES[one.state];
  return { text: owner ? `${owner} · ${state}` : state, urgent: false };
}
