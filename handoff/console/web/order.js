// @ts-check
/** What stands in a list and in a thread, and in which order. Pure functions. */

/**
 * @typedef {import("./types.js").Conversation} Conversation
 * @typedef {import("./types.js").Message} Message
 * @typedef {"mine" | "waiting" | "all" | "archive"} View
 * @typedef {{key: string, conversation: string, text: string, note: boolean, after: string,
 *   at: string, state: "waiting" | "sending" | "unconfirmed" | "refused",
 *   problem: string}} Unsent a message on its way; `after`: the newest id when it was written
 */

const OPEN = new Set(["bot", "waiting", "active", "ended"]);

/**
 * Whether a conversation belongs into a list of what is open.
 * @param {Conversation} one
 * @param {View} view
 * @param {string} me
 */
export function belongs(one, view, me) {
  if (view === "waiting") return one.state === "waiting";
  if (view === "mine") return one.agent === me && (one.state === "active" || one.state === "ended");
  return OPEN.has(one.state);
}

/**
 * Compare two open conversations: unanswered before answered; the oldest question first, then the
 * newest talk.
 * @param {Conversation} one
 * @param {Conversation} other
 */
export function compare(one, other) {
  if (one.waiting_since && other.waiting_since) {
    return order(one.waiting_since, other.waiting_since) || order(one.id, other.id);
  }
  if (one.waiting_since || other.waiting_since) return one.waiting_since ? -1 : 1;
  return order(other.last_message_at, one.last_message_at) || order(other.id, one.id);
}

/** @param {string} one @param {string} other */
function order(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}

/**
 * Messages by rising id, and what is not stored yet as far as no stored message stands for it: an
 * answer that is slower than the feed must not show a message twice.
 * @param {Iterable<Message>} messages
 * @param {Unsent[]} unsent of this conversation, in the order written
 * @param {string} me
 * @returns {{messages: Message[], unsent: Unsent[]}}
 */
export function rowsOf(messages, unsent, me) {
  const sorted = [...messages].sort((one, other) => order(one.id, other.id));
  const taken = new Set();
  const left = unsent.filter((row) => {
    const twin = sorted.find((message) =>
      message.id > row.after && !taken.has(message.id) && message.author.id === me
      && message.note === row.note && message.text === row.text);
    if (twin) taken.add(twin.id);
    return !twin;
  });
  return { messages: sorted, unsent: left };
}
