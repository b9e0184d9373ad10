// @ts-check
/** What this browser keeps: drafts, messages not stored yet, and what was chosen last. */

const PREFIX = "frontdesk.";

class Kept {
  /** @type {Map<string, string>} for browsers that keep nothing */
  #memory = new Map();
  #storage;

  /** @param {() => Storage} storage asked each time: a browser may forbid it */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @param {string} name */
  read(name) {
    try {
      return this.#storage().getItem(PREFIX + name) ?? this.#memory.get(name) ?? "";
    } catch {
      return this.#memory.get(name) ?? "";
    }
  }

  /** Keep a text under a name; an empty one is forgotten. @param {string} name @param {string} text */
  keep(name, text) {
    if (text) this.#memory.set(name, text);
    else this.#memory.delete(name);
    try {
      if (text) this.#storage().setItem(PREFIX + name, text);
      else this.#storage().removeItem(PREFIX + name);
    } catch {
      // full or forbidden: the memory has it
    }
  }

  /** Forget everything of an agent who signs out: the next one here is somebody else.
   * @param {string} agent */
  forget(agent) {
    this.#memory.clear();
    try {
      const own = `${PREFIX}${agent}.`;
      const storage = this.#storage();
      for (const name of Object.keys(storage)) if (name.startsWith(own)) storage.removeItem(name);
    } catch {
      // nothing was kept
    }
  }
}

/** Seen by all tabs, and still there tomorrow. */
export const shared = new Kept(() => localStorage);
/** This tab's own; survives loading the page again. */
export const own = new Kept(() => sessionStorage);

/** Hear what another tab keeps. @param {string} name @param {(text: string) => void} hear */
export function listen(name, hear) {
  addEventListener("storage", (event) => {
    if (event.key === PREFIX + name) hear(event.newValue ?? "");
  });
}
