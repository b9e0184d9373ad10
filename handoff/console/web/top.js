// @ts-check
/** The frame around the conversations: places, product, own status, the three labels, the banner. */

import { at, h, paint, say } from "./dom.js";
import { STATUSES, clockOf } from "./words.js";

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./types.js").Status} Status
 * @typedef {{status: (status: Status) => void, signOut: () => void}} TopActs
 */

/** @param {Store} store @param {TopActs} acts */
export function drawTop(store, acts) {
  const { me } = store;
  if (!me) return;
  current("to-active", store.view !== "archive");
  current("to-archive", store.view === "archive");
  say(at("status-word"), STATUSES[me.status][0]);
  at("status").dataset.status = me.status;
  const all = /** @type {[Status, [string, string]][]} */ (Object.entries(STATUSES));
  paint(at("statuses"), [me.status, me.name, me.email], () => [
    h("p", { class: "me" }, h("bdi", {}, me.name), h("span", { class: "quiet" }, me.email)),
    ...all.map(([status, [word, meaning]]) => h("button", {
      type: "button", "data-key": status, "data-status": status, "aria-pressed": String(me.status === status),
      click: () => {
        at("statuses").hidePopover();
        acts.status(status);
      },
    }, h("span", { class: "dot" }), h("span", {}, h("b", {}, word), h("span", { class: "quiet" }, meaning)))),
    h("button", { type: "button", class: "sign-out", "data-key": "sign out", click: acts.signOut }, "Sign out"),
  ]);
  fill("product", "product-box", [...store.products.values()].map((one) => [one.name, one.title]), "All products", store.product);
  const inboxes = [...store.inboxes.values()].filter((one) => !store.product || one.product === store.product);
  fill("inbox", "inbox-box", inboxes.map((one) => [one.name, `${one.title} · ${one.name}`]), "All inboxes", store.inbox);
  at("inbox-box").hidden ||= store.view === "archive";
  say(at("count-waiting"), String(store.counters?.waiting ?? "-"));
  say(at("count-online"), String(store.counters?.online ?? "-"));
}

/** @param {string} id @param {boolean} isHere */
function current(id, isHere) {
  if (isHere) at(id).setAttribute("aria-current", "page");
  else at(id).removeAttribute("aria-current");
}

/**
 * Fill a filter; with one thing to choose from there is none.
 * @param {string} id
 * @param {string} box
 * @param {[string, string][]} items
 * @param {string} all
 * @param {string} chosen
 */
function fill(id, box, items, all, chosen) {
  const select = /** @type {HTMLSelectElement} */ (at(id));
  at(box).hidden = items.length < 2;
  paint(select, items, () => [h("option", { value: "" }, all), ...items.map(([value, label]) => h("option", { value }, label))]);
  select.value = chosen;
}

/** Time Spent runs on. @param {Store} store @param {number} now */
export function drawClocks(store, now) {
  if (!store.me) return;
  const spent = clockOf(now - Date.parse(store.me.status_since));
  say(at("time-spent"), spent);
  say(at("status-clock"), spent);
}

/** The number of unread messages, where it is seen from another tab. @param {Store} store */
export function drawTitle(store) {
  const own = [...store.conversations.values()].filter((one) => one.agent === store.me?.id && one.state === "active");
  const unread = own.reduce((sum, one) => sum + one.unread, 0);
  const title = unread ? `(${unread}) Live Support` : "Live Support";
  if (document.title !== title) document.title = title;
}

/** @param {string} text empty takes it away */
export function drawBanner(text) {
  say(at("banner"), text);
  at("banner").hidden = !text;
}
