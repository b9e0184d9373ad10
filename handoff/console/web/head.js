// @ts-check
/** What stands above the messages: who it is, and what can be done. */

import { at, h, paint, say } from "./dom.js";
import { iconOf } from "./icons.js";
import { mayClaim, mayReopen, mayResolve, mayTransfer } from "./rights.js";
import { STATES, nameOf } from "./words.js";

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./types.js").Agent} Agent
 * @typedef {import("./types.js").Conversation} Conversation
 * @typedef {{back: () => void, info: () => void, claim: () => void, transfer: () => void,
 *   resolve: () => void, reopen: () => void}} HeadActs
 */

/** @type {Map<string, string>} the topic selected, by conversation */
const selected = new Map();

/** @param {string} conversation */
export function topicOf(conversation) {
  return selected.get(conversation) || null;
}

/** @param {Store} store @param {HeadActs} acts */
export function drawHead(store, acts) {
  const one = store.current;
  const { me } = store;
  at("chat-empty").hidden = Boolean(store.open);
  at("chat-open").hidden = !one || !me;
  if (!one || !me) return;
  const inbox = store.inboxes.get(one.inbox);
  const where = [inbox ? inbox.title : one.inbox, ownerOf(one, store)].filter(Boolean).join(" · ");
  const can = {
    claim: mayClaim(me, one, store.products.get(one.product)),
    transfer: mayTransfer(me, one),
    resolve: mayResolve(me, one),
    reopen: mayReopen(me, one),
  };
  const topics = topicsFor(store, one);
  paint(at("head"), [one.id, nameOf(one), where, can, me.status, one.agent, topics], () => [
    h("button", { type: "button", class: "plain back", "data-key": "back", "aria-label": "Back to the list", click: acts.back }, "‹"),
    iconOf(inbox),
    h("div", { class: "who" }, h("h1", {}, h("bdi", {}, nameOf(one).slice(0, 200))), h("p", { class: "quiet" }, where)),
    h("div", { class: "acts" }, ...actsOf(one, me, can, topics, acts)),
    h("button", { type: "button", class: "plain to-info", "data-key": "info", "aria-label": "Main Information", click: acts.info },
      h("span", { class: "long" }, "Main Information"), h("span", { class: "short" }, "i")),
  ]);
  say(at("strip"), inbox?.health === "auth_dead" ? `This inbox cannot send now. ${inbox.problem ?? ""}` : "");
  at("strip").hidden = at("strip").textContent === "";
}

/** @param {Conversation} one @param {Store} store */
function ownerOf(one, store) {
  if (one.state === "active" && !one.agent) return "Parked";
  return one.agent ? `With ${store.agentName(one.agent)}` : STATES[one.state];
}

/** @param {Store} store @param {Conversation} one @returns {[string, string][]} */
function topicsFor(store, one) {
  return [...store.topics.values()]
    .filter((topic) => topic.active && (topic.products.length === 0 || topic.products.includes(one.product)))
    .map((topic) => /** @type {[string, string]} */ ([topic.id, topic.name]));
}

/**
 * @param {Conversation} one
 * @param {Agent} me
 * @param {Record<"claim" | "transfer" | "resolve" | "reopen", boolean>} can
 * @param {[string, string][]} topics
 * @param {HeadActs} acts
 */
function actsOf(one, me, can, topics, acts) {
  const online = me.status === "online";
  const needs = online ? null : "You need to be online for this.";
  const button = (/** @type {string} */ label, /** @type {() => void} */ act, /** @type {string | null} */ reason = null) =>
    h("button", { type: "button", "data-key": label, disabled: Boolean(reason), title: reason, click: act }, label);
  const select = h("select", {
    "aria-label": "Select Topic", "data-key": "topic",
    change: (/** @type {Event} */ event) => selected.set(one.id, /** @type {HTMLSelectElement} */ (event.target).value),
  }, h("option", { value: "" }, "Select Topic"), ...topics.map(([value, name]) =>
    h("option", { value, selected: selected.get(one.id) === value }, name)));
  return [
    can.claim && button(one.agent ? "Take over" : "Claim", acts.claim, needs),
    can.reopen && button("Reopen", acts.reopen, needs),
    can.transfer && button("Transfer", acts.transfer, me.status === "offline" ? "You are offline." : null),
    can.resolve && h("span", { class: "resolve" }, select, h("button", { type: "button", class: "main", "data-key": "resolve", click: acts.resolve }, "Resolved")),
  ];
}
