// @ts-check
/** The REST side: one call, its errors, and what to do when the session is over. */

/** @typedef {import("./types.js").Session} Session */

const PATIENCE = 20_000;

/** What the server, or the way to it, has refused. `status` 0: no answer came. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {number} after seconds to wait, 0 when the server gave none
   */
  constructor(status, code, message, after = 0) {
    super(message);
    this.status = status;
    this.code = code;
    this.after = after;
  }

  /** Whether the same request may do better later: nobody has said no. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export class Api {
  #csrf = "";
  /** how far the server's clock runs ahead of this one, in milliseconds */
  skew = 0;
  /** Asks for the password; resolves once somebody is signed in again. @returns {Promise<void>} */
  signIn = () => Promise.reject(new Problem(401, "signed_out", "You are not signed in."));
  /** Hears who holds the session after it was read anew. @param {Session} _session */
  onSession = (_session) => {};

  /**
   * @param {string} path
   * @param {Record<string, string | number | null | undefined>} [query]
   */
  get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value != null && value !== "");
    const tail = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return this.#ask("GET", tail ? `${path}?${tail}` : path);
  }

  /**
   * @param {"POST" | "PUT" | "DELETE"} method
   * @param {string} path
   * @param {object} [body]
   * @param {string} [key] the Idempotency-Key
   */
  send(method, path, body, key) {
    return this.#ask(method, path, body, key);
  }

  /** Sign in. @param {string} email @param {string} password @returns {Promise<Session>} */
  async open(email, password) {
    return this.#begin(await this.#call("POST", "/session", { email, password }));
  }

  /** Read the session of the cookie; 401 when there is none. @returns {Promise<Session>} */
  async resume() {
    return this.#begin(await this.#call("GET", "/session"));
  }

  /** @param {Session} session */
  #begin(session) {
    this.#csrf = session.csrf;
    this.onSession(session);
    return session;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {string} [key]
   * @returns {Promise<any>}
   */
  async #ask(method, path, body, key) {
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.#call(method, path, body, key);
      } catch (error) {
        if (!(error instanceof Problem) || tries === 2) throw error;
        if (error.status === 401) await this.signIn();
        // another tab has signed in anew: the cookie is its, so is the token
        else if (error.code === "csrf") await this.resume();
        else throw error;
      }
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {string} [key]
   * @returns {Promise<any>}
   */
  async #call(method, path, body, key) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (method !== "GET") {
      headers["X-CSRF-Token"] = this.#csrf;
      headers["Content-Type"] = "application/json";
    }
    if (key) headers["Idempotency-Key"] = key;
    const sent = method === "GET" ? undefined : JSON.stringify(body ?? {});
    const signal = AbortSignal.timeout(PATIENCE);
    let response;
    let text;
    try {
      response = await fetch(`/api/v1${path}`, { method, headers, body: sent, signal });
      text = await response.text();
    } catch {
      throw new Problem(0, "network", "The server cannot be reached.");
    }
    this.#note(response);
    if (response.ok) return text ? JSON.parse(text) : null;
    throw problemOf(response, text);
  }

  /** @param {Response} response */
  #note(response) {
    const told = Date.parse(response.headers.get("date") ?? "");
    // whole seconds only: a smaller difference is rounding
    if (!Number.isNaN(told)) this.skew = Math.abs(told - Date.now()) > 2000 ? told - Date.now() : 0;
  }
}

/** @param {Response} response @param {string} text */
function problemOf(response, text) {
  const after = Number(response.headers.get("retry-after")) || 0;
  try {
    const { code, message } = JSON.parse(text).error;
    return new Problem(response.status, code, message, after);
  } catch {
    return new Problem(response.status, "unreadable", `The server answered ${response.status}.`, after);
  }
}

/** The sentence to show for anything that went wrong. @param {unknown} error */
export function sentenceOf(error) {
  return error instanceof Error ? error.message : String(error);
}
