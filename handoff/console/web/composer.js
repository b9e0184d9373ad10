// @ts-check
/** Where the agent writes: a reply or a note, each with its own draft, so that none becomes the other. */

import { at, say } from "./dom.js";
import { shared } from "./kept.js";
import { whyNot } from "./rights.js";
import { toEnd } from "./thread.js";
import { lengthOf } from "./words.js";

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./outbox.js").Outbox} Outbox
 * @typedef {"reply" | "note"} Mode
 */

const TYPING_EVERY = 3000;

export class Composer {
  /** @type {Mode} */
  #mode = "reply";
  #shown = "";
  #owner = "";
  #typed = 0;
  #text = /** @type {HTMLTextAreaElement} */ (at("text"));
  #send = /** @type {HTMLButtonElement} */ (at("send"));

  /** @param {Store} store @param {Outbox} outbox @param {(conversation: string) => void} type */
  constructor(store, outbox, type) {
    this.store = store;
    this.outbox = outbox;
    this.type = type;
    at("mode-reply").onclick = () => this.#choose("reply");
    at("mode-note").onclick = () => this.#choose("note");
    at("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.#input());
    this.#text.addEventListener("keydown", (event) => {
      // an Enter that ends a word of an input method is not the end of a message
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
  }

  /** @param {Mode} mode */
  #name(mode) {
    return `${this.store.me?.id}.draft.${this.store.open}.${mode}`;
  }

  /** @param {Mode} mode */
  #choose(mode) {
    this.#mode = mode;
    this.#text.value = shared.read(this.#name(mode));
    this.#text.focus();
    this.store.touch();
  }

  /** Put a text back, in front of what is there. @param {string} text @param {boolean} note */
  edit(text, note) {
    this.#choose(note ? "note" : "reply");
    this.#text.value = [text, this.#text.value].filter(Boolean).join("\n");
    this.#input();
  }

  #input() {
    shared.keep(this.#name(this.#mode), this.#text.value);
    const now = Date.now();
    if (this.#mode === "reply" && this.#text.value && now - this.#typed > TYPING_EVERY) {
      this.#typed = now;
      this.type(this.store.open);
    }
    this.store.touch();
  }

  #submit() {
    const text = this.#text.value.trim();
    if (!text || this.#whyNot()) return;
    this.outbox.send(this.store.open, text, this.#mode === "note");
    this.#text.value = "";
    shared.keep(this.#name(this.#mode), "");
    this.#typed = 0;
    setTimeout(toEnd, 50);
    this.store.touch();
  }

  #whyNot() {
    const { store } = this;
    const one = store.current;
    if (!one || !store.me) return "Nothing is open.";
    const inbox = store.inboxes.get(one.inbox);
    return whyNot(store.me, one, inbox, this.#mode === "note", this.#now(), (id) => store.agentName(id));
  }

  #now() {
    return Date.now() + this.outbox.desk.api.skew;
  }

  draw() {
    const { store } = this;
    const one = store.current;
    if (!one || !store.me) return;
    if (this.#shown !== store.open) this.#begin();
    const isNote = this.#mode === "note";
    at("mode-reply").setAttribute("aria-pressed", String(!isNote));
    at("mode-note").setAttribute("aria-pressed", String(isNote));
    at("composer").classList.toggle("note", isNote);
    this.#text.placeholder = isNote ? "A note: the customer never sees it" : "Your reply";
    const reason = this.#reason(one);
    say(at("why-not"), reason);
    at("why-not").hidden = !reason;
    this.#send.disabled = Boolean(this.#whyNot()) || !this.#text.value.trim();
    say(at("window"), this.#window(one));
  }

  /** @param {import("./types.js").Conversation} one */
  #reason(one) {
    const reason = this.#whyNot();
    const lost = this.#owner === this.store.me?.id && one.agent !== this.#owner;
    if (!lost || this.#mode === "note" || !this.#text.value) return reason;
    return one.agent ? `${this.store.agentName(one.agent)} took over. Your text is kept.` : `${reason} Your text is kept.`;
  }

  /** Another conversation is shown. */
  #begin() {
    const { store } = this;
    this.#shown = store.open;
    this.#owner = store.current?.agent ?? "";
    const hasReply = shared.read(this.#name("reply")) !== "";
    this.#mode = "reply";
    if (this.#whyNot() && !hasReply && store.me?.status !== "offline") this.#mode = "note";
    this.#text.value = shared.read(this.#name(this.#mode));
    if (matchMedia("(min-width: 760px)").matches) this.#text.focus();
  }

  /** @param {import("./types.js").Conversation} one */
  #window(one) {
    const inbox = this.store.inboxes.get(one.inbox);
    if (!inbox?.can.reply_window || !one.window_expires_at || one.state === "archived") return "";
    const left = Date.parse(one.window_expires_at) - this.#now();
    return left > 0 ? `Reply window: ${lengthOf(left)} left` : "Reply window shut";
  }
}
