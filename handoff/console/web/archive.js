// @ts-check
/** The filters of the Archive; what they say counts from Apply on. */

import { at, h, paint } from "./dom.js";

/** @typedef {import("./store.js").Store} Store */

/**
 * @param {Store} store
 * @param {(filters: Record<string, string>) => void} apply
 */
export function drawFilters(store, apply) {
  const form = /** @type {HTMLFormElement} */ (at("filters"));
  form.hidden = store.view !== "archive";
  if (form.hidden) return;
  const groups = named([...store.teams.values()]);
  const users = named([...store.agents.values()]);
  const topics = named([...store.topics.values()]);
  paint(form, [groups, users, topics], () => [
    select("team", "Group", groups),
    select("agent", "User", users),
    select("topic", "Topic", topics),
    h("label", {}, h("span", {}, "Tag"), h("input", { name: "tag", maxlength: 100 })),
    h("label", {}, h("span", {}, "Date from"), h("input", { name: "from", type: "date" })),
    h("label", {}, h("span", {}, "to"), h("input", { name: "to", type: "date" })),
    h("label", { class: "wide" }, h("span", {}, "Name, phone or e-mail"), h("input", { name: "q", type: "search", maxlength: 100 })),
    h("button", { type: "submit", class: "main" }, "Apply"),
  ]);
  form.onsubmit = (event) => {
    event.preventDefault();
    apply(read(new FormData(form)));
  };
}

/** @param {FormData} form @returns {Record<string, string>} */
function read(form) {
  /** @type {Record<string, string>} */
  const filters = {};
  for (const [name, value] of form) if (typeof value === "string" && value.trim()) filters[name] = value.trim();
  if (filters.from) filters.from = new Date(`${filters.from}T00:00`).toISOString();
  if (filters.to) {
    const day = new Date(`${filters.to}T00:00`);
    day.setDate(day.getDate() + 1);
    filters.to = day.toISOString();
  }
  return filters;
}

/** @param {{id: string, name: string}[]} items @returns {[string, string][]} */
function named(items) {
  return items.map(({ id, name }) => /** @type {[string, string]} */ ([id, name]))
    .sort(([, one], [, other]) => one.localeCompare(other));
}

/** @param {string} name @param {string} label @param {[string, string][]} items */
function select(name, label, items) {
  const options = items.map(([value, text]) => h("option", { value }, text));
  return h("label", {}, h("span", {}, label), h("select", { name }, h("option", { value: "" }, "All"), ...options));
}
