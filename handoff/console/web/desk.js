// @ts-check
/** What the page asks of the server and does there; everything it learns goes into the store. */

import { Problem } from "./api.js";

/**
 * @typedef {import("./api.js").Api} Api
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./order.js").View} View
 * @typedef {import("./types.js").Conversation} Conversation
 * @typedef {import("./types.js").MessagePage} MessagePage
 * @typedef {import("./types.js").Page} Page
 * @typedef {import("./types.js").Status} Status
 * @typedef {import("./types.js").StatusPreview} StatusPreview
 * @typedef {import("./types.js").Why} Why
 */

const LIST = 100;
const LONGEST_LIST = 200;
const MESSAGES = 50;
const COUNT_EVERY = 2000;
/** @type {Record<View, string>} the names that the API gives the lists */
const VIEWS = { mine: "mine", waiting: "waiting", all: "active", archive: "archive" };

export class Desk {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #counting = undefined;
  #counted = 0;

  /** @param {Api} api @param {Store} store */
  constructor(api, store) {
    this.api = api;
    this.store = store;
  }

  // -- reading ----------------------------------------------------------------------------------

  /** Read everything anew; returns the cursor that stands before all of it. */
  async load() {
    const { api, store } = this;
    const began = store.now;
    const { cursor } = await api.get("/events");
    const narrowed = { product: store.product, inbox: store.inbox };
    const [me, inboxes, agents, teams, topics, products, mine, waiting, all, page] = await Promise.all([
      api.get("/me"),
      api.get("/inboxes"),
      api.get("/agents"),
      api.get("/teams"),
      api.get("/topics"),
      api.get("/products"),
      this.#allMine(),
      /** @type {Promise<Page>} */ (api.get("/conversations", { view: "waiting", limit: LIST, ...narrowed })),
      /** @type {Promise<Page>} */ (api.get("/conversations", { view: "active", limit: LIST, ...narrowed })),
      this.#openPage(),
    ]);
    store.cursors = { mine: null, waiting: waiting.cursor, all: all.cursor, archive: null };
    const open = page ? [page.conversation] : [];
    const conversations = [...mine, ...waiting.items, ...all.items, ...open];
    const setup = { inboxes, agents, teams, topics, products };
    const lists = Object.fromEntries(Object.entries(setup).map(([name, list]) => [name, list.items]));
    store.replace({ .../** @type {any} */ (lists), me, conversations, page: page?.messages ?? null }, began);
    if (store.product && !store.products.has(store.product)) {
      store.product = store.inbox = "";
      await this.narrow();
    }
    this.count();
    return /** @type {number} */ (cursor);
  }

  async #allMine() {
    /** @type {Conversation[]} */
    const found = [];
    let cursor = null;
    do {
      /** @type {Page} */
      const page = await this.api.get("/conversations", { view: "mine", limit: LONGEST_LIST, cursor });
      found.push(...page.items);
      cursor = page.cursor;
    } while (cursor);
    return found;
  }

  /** Read the conversation that is open; what may not be read any more is closed. */
  async #openPage() {
    const { store } = this;
    const id = store.open;
    if (!id) return null;
    try {
      const [conversation, messages] = await Promise.all([
        this.api.get(`/conversations/${id}`),
        this.api.get(`/conversations/${id}/messages`, { limit: MESSAGES }),
      ]);
      if (store.open !== id) return null;
      return { conversation, messages: /** @type {MessagePage} */ (messages) };
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) throw error;
      if (store.open === id) store.open = "";
      return null;
    }
  }

  /** Open a conversation; 404 when it may not be read. @param {string} id */
  async open(id) {
    const { store } = this;
    store.open = id;
    if (!id) return store.touch();
    const began = store.now;
    const thread = store.makeThread(id);
    store.touch();
    if (!store.conversations.has(id)) {
      store.putConversations([await this.api.get(`/conversations/${id}`)], began);
    }
    if (!thread.loaded) await this.#firstPage(id, thread);
    await this.seen();
  }

  /** @param {string} id @param {import("./store.js").Thread} thread */
  async #firstPage(id, thread) {
    const began = this.store.now;
    /** @type {MessagePage} */
    const page = await this.api.get(`/conversations/${id}/messages`, { limit: MESSAGES });
    thread.more = page.more;
    thread.loaded = true;
    this.store.putMessages(id, page.items, began);
  }

  /** Read what stands above the oldest message shown. @param {string} id */
  async older(id) {
    const thread = this.store.threads.get(id);
    if (!thread?.loaded || !thread.more) return;
    const began = this.store.now;
    const before = [...thread.messages.keys()].reduce((least, one) => (one < least ? one : least));
    thread.more = false;
    try {
      /** @type {MessagePage} */
      const page = await this.api.get(`/conversations/${id}/messages`, { before, limit: MESSAGES });
      thread.more = page.more;
      this.store.putMessages(id, page.items, began);
    } catch (error) {
      thread.more = true;
      throw error;
    }
  }

  /** Read on in a list. @param {View} view @param {Record<string, string>} [filters] */
  async more(view, filters = {}) {
    const { store } = this;
    const began = store.now;
    const { product, inbox } = store;
    const query = { view: VIEWS[view], limit: LIST, product, inbox, ...filters, cursor: store.cursors[view] };
    /** @type {Page} */
    const page = await this.api.get("/conversations", query);
    store.cursors[view] = page.cursor;
    if (view === "archive") store.found = [...(store.found ?? []), ...page.items.map((one) => one.id)];
    store.putConversations(page.items, began);
  }

  /** Read the lists again for another product or inbox. */
  async narrow() {
    this.store.cursors = { mine: null, waiting: null, all: null, archive: null };
    await Promise.all([this.more("waiting"), this.more("all")]);
    this.count();
  }

  /** Count soon, and at most every two seconds. */
  count() {
    if (this.#counting !== undefined) return;
    const pause = Math.max(100, this.#counted + COUNT_EVERY - Date.now());
    this.#counting = setTimeout(() => void this.#count(), pause);
  }

  async #count() {
    const { store } = this;
    this.#counted = Date.now();
    this.#counting = undefined;
    try {
      store.counters = await this.api.get("/counters", { product: store.product, inbox: store.inbox });
      store.touch();
    } catch (error) {
      // the next event or the next quarter of a minute asks again
      if (!(error instanceof Problem)) throw error;
    }
  }

  /** @param {string} id @returns {Promise<Why[]>} */
  async why(id) {
    return (await this.api.get(`/conversations/${id}/why`)).items;
  }

  // -- acting -----------------------------------------------------------------------------------

  /** Do something to a conversation and take what it became.
   * @param {string} id @param {string} what @param {object} [body] */
  async act(id, what, body) {
    const began = this.store.now;
    const after = await this.api.send("POST", `/conversations/${id}/${what}`, body);
    this.store.putConversations([after], began);
  }

  /** @param {string} id @param {string[]} tags */
  async setTags(id, tags) {
    const began = this.store.now;
    const after = await this.api.send("PUT", `/conversations/${id}/tags`, { tags });
    this.store.putConversations([after], began);
  }

  /** The owner has it before his eyes. */
  async seen() {
    const one = this.store.current;
    const looks = document.visibilityState === "visible" && document.hasFocus();
    if (looks && one && one.unread > 0 && one.agent === this.store.me?.id) await this.act(one.id, "read");
  }

  /** @param {string} conversation @param {string} message */
  async retry(conversation, message) {
    const began = this.store.now;
    const after = await this.api.send("POST", `/messages/${message}/retry`);
    this.store.putMessages(conversation, [after], began);
  }

  /** @returns {Promise<StatusPreview>} */
  preview() {
    return this.api.get("/me/status/preview");
  }

  /** @param {Status} status */
  async setStatus(status) {
    this.store.putAgent(await this.api.send("PUT", "/me/status", { status }));
    this.store.touch();
    this.count();
  }

  /** Read the colleagues anew: ordinary agents do not hear of each other's status. */
  async colleagues() {
    for (const agent of (await this.api.get("/agents")).items) this.store.putAgent(agent);
    this.store.touch();
  }
}
