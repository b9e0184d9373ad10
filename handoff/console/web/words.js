// @ts-check
/** The words on the screen, and times in words. Pure functions. */

/**
 * @typedef {import("./types.js").Status} Status
 * @typedef {import("./types.js").State} State
 * @typedef {import("./types.js").Part} Part
 * @typedef {import("./types.js").Conversation} Conversation
 */

/** @type {Record<Status, [string, string]>} the word and what it means */
export const STATUSES = {
  online: ["Online", "You get new chats."],
  invisible: ["Invisible", "You answer your own; no new ones."],
  break: ["Break", "You answer your own; customers see that you are on a break."],
  offline: ["Offline", "Your work is over; you only read."],
};

/** @type {Record<State, string>} */
export const STATES = {
  bot: "With the bot",
  waiting: "Waiting",
  active: "Active",
  ended: "Ended by the customer",
  archived: "Archived",
  ticket: "Ticket",
};

/** @type {Record<string, string>} */
export const DELIVERIES = {
  pending: "Sending",
  sent: "Sent",
  delivered: "Delivered",
  read: "Read",
  failed: "Failed",
  unknown: "Unknown",
};

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param {string} at */
export function hourOf(at) {
  return hour.format(new Date(at));
}

/** @param {string} at */
export function dayOf(at) {
  return day.format(new Date(at));
}

/** @param {string} at */
export function momentOf(at) {
  return moment.format(new Date(at));
}

/** A running clock: 0:07:31. @param {number} milliseconds */
export function clockOf(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** A length of time in its largest unit: 12 min. @param {number} milliseconds */
export function lengthOf(milliseconds) {
  if (milliseconds < MINUTE) return "less than a minute";
  if (milliseconds < HOUR) return `${Math.floor(milliseconds / MINUTE)} min`;
  if (milliseconds < DAY) {
    const minutes = Math.floor((milliseconds % HOUR) / MINUTE);
    return minutes ? `${Math.floor(milliseconds / HOUR)} h ${minutes} min` : `${Math.floor(milliseconds / HOUR)} h`;
  }
  const days = Math.floor(milliseconds / DAY);
  return days === 1 ? "1 day" : `${days} days`;
}

/** How long something lasts already: for 12 min. @param {number} milliseconds */
export function sinceOf(milliseconds) {
  return milliseconds < MINUTE ? "just now" : `for ${lengthOf(milliseconds)}`;
}

/** The name to show; never a bare id. @param {Conversation} conversation */
export function nameOf({ contact }) {
  return contact.name || contact.username || contact.phone || contact.email || "Unnamed customer";
}

/**
 * What going offline would do.
 * @param {{requeued: number, parked: number}} preview
 */
export function leavingOf({ requeued, parked }) {
  const back = requeued === 1 ? "1 goes back to the queue" : `${requeued} go back to the queue`;
  const kept = parked === 1 ? "1 is parked" : `${parked} are parked`;
  return `${back}, ${kept}.`;
}

/** How a conversation was closed. @param {Conversation} conversation */
export function closedOf({ closed, topic }) {
  if (!closed) return "";
  if (closed.as === "resolved") return topic ? "Resolved" : "Closed";
  if (closed.as === "ticket") return "Converted to a ticket";
  return `Closed by rule${closed.reason ? `: ${closed.reason}` : ""}`;
}

/** A message's part in words, until it is drawn as what it is. @param {Part} part */
export function partOf(part) {
  const said = SAY[part.kind];
  return said ? said(part) : `[${part.kind}]`;
}

/** @param {...unknown} words */
function joined(...words) {
  return words.filter(Boolean).join(", ");
}

/** @type {Record<string, (part: Part) => string>} */
const SAY = {
  file: (part) => `[${joined(part.voice ? "voice message" : part.media, part.name)}] ${part.caption}`.trim(),
  location: (part) => `[place] ${joined(part.name, part.address, `${part.latitude}, ${part.longitude}`)}`,
  contacts: (part) => part.cards
    .map((/** @type {Part} */ card) => `[contact] ${joined(card.name, ...card.phones, ...card.emails)}`)
    .join("\n"),
  order: (part) => ["[order]", ...part.lines.map((/** @type {Part} */ line) =>
    `${line.quantity} × ${joined(line.product, line.price)}`), part.note].filter(Boolean).join("\n"),
  story: (part) => `[story ${part.relation}] ${part.url}`,
  referral: (part) => `[came from] ${joined(part.source, part.headline, part.url)}`,
  buttons: (part) => part.chosen
    ? `[chose] ${part.chosen}`
    : `[buttons] ${part.buttons.map((/** @type {Part} */ button) => button.title).join(" · ")}`,
  sticker: (part) => (part.animated ? "[moving sticker]" : "[sticker]"),
  unsupported: (part) => `[cannot be shown: ${joined(part.what, part.reason) || "unknown"}]`,
};
