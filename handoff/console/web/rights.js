// @ts-check
/** What the page offers. The server decides; this only hides what it would refuse. Pure. */

/**
 * @typedef {import("./types.js").Agent} Agent
 * @typedef {import("./types.js").Conversation} Conversation
 * @typedef {import("./types.js").Inbox} Inbox
 * @typedef {import("./types.js").Product} Product
 */

const OPEN = new Set(["bot", "waiting", "active"]);

/** @param {Agent} me @param {string} inbox */
export function leads(me, inbox) {
  return me.role === "admin" || (me.role === "supervisor" && me.inboxes.includes(inbox));
}

/** Whether taking it is allowed here at all; being online is asked for apart.
 * @param {Agent} me @param {Conversation} one @param {Product | undefined} product */
export function mayClaim(me, one, product) {
  if (!OPEN.has(one.state) || one.agent === me.id || !me.inboxes.includes(one.inbox)) return false;
  return leads(me, one.inbox) || (!one.agent && product?.claim === "agents");
}

/** @param {Agent} me @param {Conversation} one */
export function mayTransfer(me, one) {
  return OPEN.has(one.state) && (one.agent === me.id || leads(me, one.inbox));
}

/** @param {Agent} me @param {Conversation} one */
export function mayResolve(me, one) {
  return one.state !== "archived" && (one.agent === me.id || leads(me, one.inbox));
}

/** @param {Agent} me @param {Conversation} one */
export function mayReopen(me, one) {
  return (one.state === "archived" || one.state === "ended") && me.inboxes.includes(one.inbox);
}

/** @param {Agent} me @param {Conversation} one */
export function mayBlock(me, one) {
  return one.state !== "archived" && !one.contact.blocked && leads(me, one.inbox);
}

/** Whom it may be given to: online, authorised, not its owner.
 * @param {Iterable<Agent>} agents @param {Conversation} one */
export function targetsOf(agents, one) {
  return [...agents].filter((agent) =>
    agent.status === "online" && !agent.disabled && agent.id !== one.agent && agent.inboxes.includes(one.inbox));
}

/**
 * Why this text cannot go out now, empty when it can.
 * @param {Agent} me
 * @param {Conversation} one
 * @param {Inbox | undefined} inbox
 * @param {boolean} note
 * @param {number} now
 * @param {(id: string) => string} nameOf
 */
export function whyNot(me, one, inbox, note, now, nameOf) {
  if (me.status === "offline") return "You are offline. Change your status first.";
  if (note) return "";
  if (one.state === "archived") return "This conversation is in the Archive.";
  if (one.state === "ended") return "The customer has ended this conversation. Select a topic.";
  if (one.agent !== me.id) {
    return one.agent ? `${nameOf(one.agent)} answers here. You can leave a note.` : "Nobody owns this conversation. You can leave a note.";
  }
  if (!inbox || inbox.state === "detached") return "This inbox is not connected any more.";
  const ends = one.window_expires_at ? Date.parse(one.window_expires_at) : 0;
  if (inbox.can.reply_window && ends <= now) return "The reply window is shut: the customer wrote too long ago.";
  return "";
}
