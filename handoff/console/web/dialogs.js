// @ts-check
/** What asks over the page: the password, a confirm, a choice. */

import { Problem, sentenceOf } from "./api.js";
import { at, h } from "./dom.js";

/**
 * @typedef {import("./api.js").Api} Api
 * @typedef {{value: string, label: string, hint?: string}} Choice
 */

/**
 * Show a question with its answers and wait; closing it is the empty answer.
 * @param {string} title
 * @param {string} text
 * @param {Choice[]} answers the first is the one meant
 * @returns {Promise<string>}
 */
export function ask(title, text, answers) {
  const buttons = answers.map(({ value, label }, index) =>
    h("button", { type: "submit", value, class: index === 0 ? "main" : null }, label));
  return show(title, [h("p", {}, text), h("p", { class: "answers" }, ...buttons)]);
}

/**
 * Offer a list to choose from.
 * @param {string} title
 * @param {string} empty what to say when there is nothing
 * @param {Choice[]} choices
 * @returns {Promise<string>}
 */
export function choose(title, empty, choices) {
  const list = choices.map(({ value, label, hint = "" }) =>
    h("button", { type: "submit", value, class: "choice" }, h("bdi", {}, label), h("span", { class: "quiet" }, hint)));
  const cancel = h("p", { class: "answers" }, h("button", { type: "submit", value: "" }, "Cancel"));
  return show(title, [list.length ? h("div", { class: "choices" }, ...list) : h("p", {}, empty), cancel]);
}

/** @param {string} title @param {Node[]} content @returns {Promise<string>} */
function show(title, content) {
  const dialog = /** @type {HTMLDialogElement} */ (at("dialog"));
  if (dialog.open) dialog.close("");
  const form = h("form", { method: "dialog" }, h("h1", { id: "dialog-title" }, title), ...content);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { submitter } = event;
    dialog.close(submitter instanceof HTMLButtonElement ? submitter.value : "");
  });
  dialog.replaceChildren(form);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

export class SignIn {
  /** @type {Promise<void> | null} */
  #waiting = null;
  #dialog = /** @type {HTMLDialogElement} */ (at("sign-in"));

  /** @param {Api} api */
  constructor(api) {
    this.api = api;
    // there is nothing to go back to: the page is of no use without a session
    this.#dialog.addEventListener("cancel", (event) => event.preventDefault());
  }

  /**
   * Ask for the password until somebody is signed in; one question however many ask.
   * @param {string} email of who was signed in before, empty at first
   * @returns {Promise<void>}
   */
  show(email) {
    this.#waiting ??= this.#ask(email).finally(() => {
      this.#waiting = null;
      this.#dialog.close();
    });
    return this.#waiting;
  }

  /** Another tab has signed in: maybe nothing need be asked. */
  async look() {
    if (!this.#waiting) return;
    try {
      await this.api.resume();
      this.#done();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }

  #done = () => {};

  /** @param {string} email @returns {Promise<void>} */
  #ask(email) {
    const form = /** @type {HTMLFormElement} */ (at("sign-in-form"));
    const fields = { email: this.#field("email"), password: this.#field("password") };
    at("sign-in-why").textContent = email
      ? "Your login has expired. What you have written is kept."
      : "Sign in to answer your customers.";
    if (email) fields.email.value = email;
    at("loading").hidden = true;
    if (!this.#dialog.open) this.#dialog.showModal();
    fields[email ? "password" : "email"].focus();
    return new Promise((resolve) => {
      this.#done = () => {
        form.onsubmit = null;
        fields.password.value = "";
        resolve();
      };
      form.onsubmit = (event) => {
        event.preventDefault();
        void this.#try(fields.email.value, fields.password.value);
      };
    });
  }

  /** @param {string} id */
  #field(id) {
    return /** @type {HTMLInputElement} */ (at(id));
  }

  /** @param {string} email @param {string} password */
  async #try(email, password) {
    const wrong = at("sign-in-wrong");
    wrong.hidden = true;
    try {
      await this.api.open(email, password);
      this.#done();
    } catch (error) {
      wrong.textContent = sentenceOf(error);
      wrong.hidden = false;
      this.#field("password").select();
    }
  }
}
