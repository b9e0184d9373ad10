// @ts-check
/** Main Information: the person, the conversation, and why it went to whom. */

import { at, h, paint } from "./dom.js";
import { mayBlock } from "./rights.js";
import { STATES, closedOf, lengthOf, momentOf, nameOf } from "./words.js";

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./types.js").Conversation} Conversation
 * @typedef {import("./types.js").Why} Why
 * @typedef {{back: () => void, block: () => void,
 *   tags: (tags: string[]) => void}} InfoActs
 */

/**
 * @param {Store} store
 * @param {Why[] | null} why newest last, null while it is read
 * @param {InfoActs} acts
 * @param {number} now
 */
export function drawInfo(store, why, acts, now) {
  const one = store.current;
  const facts = one ? factsOf(one, store, now) : [];
  const canBlock = Boolean(one && store.me && mayBlock(store.me, one));
  const attributes = one ? Object.entries(one.contact.attributes) : [];
  paint(at("info"), [one?.id, facts, attributes, one?.tags, why, canBlock], () => one ? [
    h("header", {}, h("button", { type: "button", class: "plain back", "data-key": "back", "aria-label": "Back to the messages", click: acts.back }, "‹"), h("h2", {}, "Main Information")),
    listOf(facts),
    attributes.length ? h("h3", {}, "Details") : null,
    attributes.length ? listOf(attributes) : null,
    h("h3", {}, "Tags"),
    tagsOf(one, acts),
    why?.length ? h("h3", {}, "Why") : null,
    ...whyOf(why ?? []),
    canBlock && h("button", { type: "button", class: "block", "data-key": "block", click: acts.block }, "Block this customer"),
  ] : []);
}

/** @param {Conversation} one @param {Store} store @param {number} now @returns {[string, string][]} */
function factsOf(one, store, now) {
  const inbox = store.inboxes.get(one.inbox);
  const product = store.products.get(one.product);
  const at = (/** @type {string | null} */ value) => (value ? momentOf(value) : "");
  /** @type {[string, string][]} */
  const facts = [
    ["Name", nameOf(one)],
    ["Phone", one.contact.phone],
    ["E-mail", one.contact.email],
    ["Username", one.contact.username],
    ["Blocked", one.contact.blocked ? "Yes" : ""],
    ["State", one.state === "active" && !one.agent ? "Parked" : STATES[one.state]],
    ["User", one.agent ? (store.agents.get(one.agent)?.name ?? "a colleague") : ""],
    ["Group", one.team ? (store.teams.get(one.team)?.name ?? "") : ""],
    ["Start", momentOf(one.created_at)],
    ["Assigned", at(one.assigned_at)],
    ["First reply", at(one.first_reply_at)],
    ["Channel", inbox?.title ?? one.channel],
    ["Inbox", one.inbox],
    ["Product", product?.title ?? one.product],
    ["Reply window", inbox?.can.reply_window ? windowOf(one, now) : "Always open"],
    ["Closed", one.closed ? `${closedOf(one)}, ${momentOf(one.closed.at)}` : ""],
    ["Topic", one.topic ? (store.topics.get(one.topic)?.name ?? "") : ""],
    ["Resolved by", one.resolved_by && one.closed?.as === "resolved" ? (store.agents.get(one.resolved_by)?.name ?? "a colleague") : ""],
  ];
  return facts.filter(([, value]) => value);
}

/** @param {Conversation} one @param {number} now */
function windowOf(one, now) {
  if (!one.window_expires_at) return "Shut";
  const left = Date.parse(one.window_expires_at) - now;
  return left > 0 ? `Open for ${lengthOf(left)}` : `Shut since ${momentOf(one.window_expires_at)}`;
}

/** @param {[string, string][]} facts */
function listOf(facts) {
  return h("dl", {}, ...facts.map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, h("bdi", {}, value.slice(0, 2000))))));
}

/** @param {Conversation} one @param {InfoActs} acts */
function tagsOf(one, acts) {
  const tags = one.tags.map((tag) => h("li", {}, h("bdi", {}, tag), h("button", {
    type: "button", class: "plain", "data-key": `tag ${tag}`, "aria-label": `Remove the tag ${tag}`,
    click: () => acts.tags(one.tags.filter((other) => other !== tag)),
  }, "×")));
  const field = h("input", { maxlength: 100, "aria-label": "Add a tag", placeholder: "Add a tag", "data-key": "new tag" });
  const form = h("form", {
    submit: (/** @type {Event} */ event) => {
      event.preventDefault();
      if (field.value.trim()) acts.tags([...one.tags, field.value.trim()]);
      field.value = "";
    },
  }, field);
  return h("div", { class: "tags" }, h("ul", {}, ...tags), form);
}

/** @param {Why[]} why */
function whyOf(why) {
  const told = why.map(({ at: moment, sentence }) =>
    h("li", {}, h("p", {}, h("bdi", {}, sentence)), h("time", { class: "quiet", datetime: moment }, momentOf(moment)))).reverse();
  const [newest, ...earlier] = told;
  return [
    h("ol", { class: "why" }, newest ?? null),
    earlier.length ? h("details", {}, h("summary", {}, `Earlier (${earlier.length})`), h("ol", { class: "why" }, ...earlier)) : null,
  ];
}
