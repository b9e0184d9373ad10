// @ts-check
/**
 * Messages on their way to the store. Each has one Idempotency-Key for all its tries, so a try whose
 * answer was lost can be made again: the server answers it the same way and stores nothing twice.
 */

import { Problem, sentenceOf } from "./api.js";
import { own } from "./kept.js";

/**
 * @typedef {import("./desk.js").Desk} Desk
 * @typedef {import("./order.js").Unsent} Unsent
 */

const PAUSES = [500, 1000, 2000, 4000, 8000, 15_000];

export class Outbox {
  /** @type {Unsent[]} */
  #rows = [];
  /** @type {Set<string>} conversations with a message under way: one after the other keeps order */
  #busy = new Set();
  #agent = "";

  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
  }

  /** Bring back what was under way when the page went. @param {string} agent */
  restore(agent) {
    this.#agent = agent;
    /** @type {Unsent[]} */
    const rows = JSON.parse(own.read(this.#name) || "[]");
    const under = new Set(this.#rows.map((row) => row.key));
    const lost = rows.filter((row) => !under.has(row.key));
    this.#rows.push(...lost.map((row) => this.#doubtful(row)));
  }

  get #name() {
    return `${this.#agent}.unsent`;
  }

  /** @param {Unsent} row @returns {Unsent} */
  #doubtful(row) {
    if (row.state === "refused") return row;
    return { ...row, state: "unconfirmed", problem: "The page was left before the server answered." };
  }

  /** @param {string} conversation */
  of(conversation) {
    return this.#rows.filter((row) => row.conversation === conversation);
  }

  get isEmpty() {
    return this.#rows.length === 0;
  }

  /** Write a message. @param {string} conversation @param {string} text @param {boolean} note */
  send(conversation, text, note) {
    const ids = [...(this.desk.store.threads.get(conversation)?.messages.keys() ?? [])];
    const after = ids.reduce((greatest, one) => (one > greatest ? one : greatest), "");
    const at = new Date(Date.now() + this.desk.api.skew).toISOString();
    const key = crypto.randomUUID();
    this.#rows.push({ key, conversation, text, note, after, at, state: "waiting", problem: "" });
    this.#save();
    void this.#work(conversation);
  }

  /** Try one again. @param {string} key */
  again(key) {
    const row = this.#rows.find((one) => one.key === key);
    if (!row) return;
    this.#change(row, "waiting");
    void this.#work(row.conversation);
  }

  /** Take one out; returns its text. @param {string} key */
  remove(key) {
    const row = this.#rows.find((one) => one.key === key);
    this.#rows = this.#rows.filter((one) => one.key !== key);
    this.#save();
    return row?.text ?? "";
  }

  /** Give all of it up: the agent signs out. */
  clear() {
    this.#rows = [];
    this.#save();
  }

  /** @param {Unsent} row @param {Unsent["state"]} state */
  #change(row, state, problem = "") {
    row.state = state;
    row.problem = problem;
    this.#save();
  }

  #save() {
    own.keep(this.#name, this.#rows.length ? JSON.stringify(this.#rows) : "");
    this.desk.store.touch();
  }

  /** Send what waits in a conversation, in the order written. @param {string} conversation */
  async #work(conversation) {
    if (this.#busy.has(conversation)) return;
    this.#busy.add(conversation);
    try {
      for (let row; (row = this.of(conversation).find((one) => one.state === "waiting"));) {
        await this.#send(row);
      }
    } finally {
      this.#busy.delete(conversation);
    }
  }

  /** @param {Unsent} row */
  async #send(row) {
    this.#change(row, "sending");
    for (let tries = 0; ; tries += 1) {
      const began = this.desk.store.now;
      try {
        const body = { text: row.text, note: row.note };
        const path = `/conversations/${row.conversation}/messages`;
        const message = await this.desk.api.send("POST", path, body, row.key);
        this.remove(row.key);
        this.desk.store.putMessages(row.conversation, [message], began);
        return;
      } catch (error) {
        const passes = error instanceof Problem && error.passes;
        const pause = passes ? PAUSES[tries] : undefined;
        if (pause === undefined) return this.#change(row, passes ? "unconfirmed" : "refused", sentenceOf(error));
        await wait(Math.max(pause, (error instanceof Problem ? error.after : 0) * 1000));
      }
    }
  }
}

/** Wait, but not longer than until the network is there again. @param {number} milliseconds */
function wait(milliseconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    addEventListener("online", () => {
      clearTimeout(timer);
      resolve(undefined);
    }, { once: true });
  });
}
