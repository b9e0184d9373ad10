// @ts-check
/**
 * What the page knows. Snapshots and frames are both whole objects, so taking one is putting it in
 * the place of the former.
 *
 * A frame is never older than its event, an answer may be: what was asked before a frame came must
 * not replace what the frame brought. If the answer was the newer one, the frame of that change is
 * still to come.
 */

/**
 * @typedef {import("./types.js").Agent} Agent
 * @typedef {import("./types.js").Contact} Contact
 * @typedef {import("./types.js").Conversation} Conversation
 * @typedef {import("./types.js").Counters} Counters
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./types.js").Inbox} Inbox
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").MessagePage} MessagePage
 * @typedef {import("./types.js").Product} Product
 * @typedef {import("./types.js").Team} Team
 * @typedef {import("./types.js").Topic} Topic
 * @typedef {import("./order.js").View} View
 * @typedef {{messages: Map<string, Message>, more: boolean, loaded: boolean}} Thread
 * @typedef {{inboxes: Inbox[], agents: Agent[], teams: Team[], topics: Topic[],
 *   products: Product[]}} Setup
 */

const STAMPS_KEPT = 5000;
const THREADS_KEPT = 20;
const TYPING_LASTS = 6000;

export class Store {
  /** @type {Agent | null} */
  me = null;
  /** @type {Map<string, Inbox>} */
  inboxes = new Map();
  /** @type {Map<string, Agent>} */
  agents = new Map();
  /** @type {Map<string, Team>} */
  teams = new Map();
  /** @type {Map<string, Topic>} */
  topics = new Map();
  /** @type {Map<string, Product>} */
  products = new Map();
  /** @type {Map<string, Conversation>} */
  conversations = new Map();
  /** @type {Map<string, Thread>} */
  threads = new Map();
  /** @type {Counters | null} */
  counters = null;
  /** @type {Map<string, {agent: string | null, until: number}>} who types, by conversation */
  typing = new Map();
  /** @type {View} */
  view = "mine";
  /** the id of the conversation that is open, or empty */
  open = "";
  product = "";
  inbox = "";
  /** @type {Record<View, string | null>} where the next page of a list begins */
  cursors = { mine: null, waiting: null, all: null, archive: null };
  /** @type {string[] | null} the ids that the Archive lists, null before Apply */
  found = null;
  /** counts the frames: an answer compares it with its own beginning */
  now = 0;
  /** @type {Map<string, number>} when a frame last brought an object */
  #stamps = new Map();
  /** @type {() => void} */
  #changed;

  /** @param {() => void} changed called after every change, as often as there are any */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Have everything drawn again. */
  touch() {
    this.#changed();
  }

  get current() {
    return this.conversations.get(this.open) ?? null;
  }

  /** @param {string | null} id */
  agentName(id) {
    if (!id) return "";
    return id === this.me?.id ? "you" : (this.agents.get(id)?.name ?? "a colleague");
  }

  /** Take one event. @param {Frame} frame */
  take(frame) {
    this.now += 1;
    const [kind, what] = frame.type.split(".");
    if (frame.type === "typing") this.#takeTyping(frame);
    else if (kind === "conversation") this.#takeConversation(frame);
    else if (kind === "message" || what === "changed") this.#takeMessage(frame.data);
    else if (frame.type === "agent.status") this.putAgent(frame.data);
    else if (kind === "contact") this.#takeContact(frame.data);
    else if (frame.type === "inbox.health") this.#takeHealth(frame.data);
    this.touch();
  }

  /** @param {Frame} frame */
  #takeTyping({ conversation = "", data }) {
    this.typing.set(conversation, { agent: data.agent, until: Date.now() + TYPING_LASTS });
    setTimeout(() => this.touch(), TYPING_LASTS + 50);
  }

  /** @param {Frame} frame */
  #takeConversation({ conversation = "", data }) {
    this.#stamp(conversation);
    if (data) this.conversations.set(data.id, data);
    else this.conversations.delete(conversation);
    this.#forget(conversation);
  }

  /** Every conversation shows its contact. @param {Contact | null} contact */
  #takeContact(contact) {
    for (const [id, one] of this.conversations) {
      if (contact && one.contact.id === contact.id) this.conversations.set(id, { ...one, contact });
    }
  }

  /** Only what some list or the chat shows is kept. @param {string} id */
  #forget(id) {
    const one = this.conversations.get(id);
    if (one?.state === "archived" && id !== this.open && !this.found?.includes(id)) {
      this.conversations.delete(id);
    }
  }

  /** @param {Message | null} message */
  #takeMessage(message) {
    if (!message) return;
    this.#stamp(message.id);
    this.threads.get(message.conversation)?.messages.set(message.id, message);
    const writer = message.author.kind === "contact" ? null : message.author.id;
    if (this.typing.get(message.conversation)?.agent === writer) {
      this.typing.delete(message.conversation);
    }
  }

  /** @param {Agent} agent */
  putAgent(agent) {
    if (!agent) return;
    const known = this.agents.get(agent.id);
    this.agents.set(agent.id, { ...known, ...agent });
    if (this.me?.id === agent.id) this.me = { ...this.me, ...agent };
  }

  /** @param {{inbox: string, health: Inbox["health"], problem: string | null}} change */
  #takeHealth(change) {
    const inbox = change && this.inboxes.get(change.inbox);
    if (inbox) this.inboxes.set(inbox.name, { ...inbox, health: change.health, problem: change.problem });
  }

  /** @param {string} id */
  #stamp(id) {
    this.#stamps.delete(id);
    this.#stamps.set(id, this.now);
    if (this.#stamps.size <= STAMPS_KEPT) return;
    for (const oldest of this.#stamps.keys()) {
      this.#stamps.delete(oldest);
      break;
    }
  }

  /** Whether a frame has brought this object since. @param {string} id @param {number} began */
  #isNewer(id, began) {
    return (this.#stamps.get(id) ?? 0) > began;
  }

  /** Take answered conversations, asked for when `now` was `began`.
   * @param {Conversation[]} answered @param {number} began */
  putConversations(answered, began) {
    for (const one of answered) {
      if (!this.#isNewer(one.id, began)) this.conversations.set(one.id, one);
    }
    this.touch();
  }

  /** Take answered messages of one conversation.
   * @param {string} conversation @param {Message[]} answered @param {number} began */
  putMessages(conversation, answered, began) {
    const thread = this.threads.get(conversation);
    for (const one of thread ? answered : []) {
      if (!this.#isNewer(one.id, began)) thread?.messages.set(one.id, one);
    }
    this.touch();
  }

  /** Make room for a thread before its messages are asked for: frames come meanwhile.
   * @param {string} conversation */
  makeThread(conversation) {
    const thread = this.threads.get(conversation) ?? { messages: new Map(), more: false, loaded: false };
    this.threads.delete(conversation);
    this.threads.set(conversation, thread);
    for (const oldest of this.threads.keys()) {
      if (this.threads.size <= THREADS_KEPT) break;
      this.threads.delete(oldest);
    }
    return thread;
  }

  /** Put a snapshot, begun when `now` was `began`, in the place of everything.
   * @param {Setup & {me: Agent, conversations: Conversation[], page: MessagePage | null}} found
   * @param {number} began */
  replace(found, began) {
    const live = [...this.conversations.values()].filter((one) => this.#isNewer(one.id, began));
    const thread = this.threads.get(this.open);
    this.me = found.me;
    this.conversations = new Map([...found.conversations, ...live].map((one) => [one.id, one]));
    this.inboxes = new Map(found.inboxes.map((one) => [one.name, one]));
    this.agents = new Map(found.agents.map((one) => [one.id, one]));
    this.teams = new Map(found.teams.map((one) => [one.id, one]));
    this.topics = new Map(found.topics.map((one) => [one.id, one]));
    this.products = new Map(found.products.map((one) => [one.name, one]));
    this.threads.clear();
    this.found = null;
    if (found.page) {
      const messages = [...(thread?.messages.values() ?? [])].filter((one) => this.#isNewer(one.id, began));
      const fresh = this.makeThread(this.open);
      fresh.messages = new Map([...found.page.items, ...messages].map((one) => [one.id, one]));
      fresh.more = found.page.more;
      fresh.loaded = true;
    }
    this.touch();
  }
}
