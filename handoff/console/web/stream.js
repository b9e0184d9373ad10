// @ts-check
/** The agents' socket: resumes behind the last frame it saw, and comes back by itself. */

/** @typedef {import("./types.js").Frame} Frame */

const PING_EVERY = 20_000;
const ANSWER_WITHIN = 8_000;
const LONGEST_PAUSE = 15_000;
const MINUTE = 60_000;
const SIGNED_OUT = new Set([4001, 4003]);
const TOO_MANY = 4029;
const NO_EVENT = new Set(["resync", "pong", "error"]);

export class Stream {
  /** @type {WebSocket | null} */
  #socket = null;
  /** where to go on */
  #after = 0;
  /** the last seq that this socket has brought, 0 for none since a resync */
  #seen = 0;
  /** whether what happened up to `#after` is shown; not while a new snapshot is under way */
  #whole = false;
  /** whether this socket began without a cursor: what came before it is only in a snapshot */
  #blind = false;
  /** whether the server has answered on this socket: only then it has taken us in */
  #proven = false;
  #wanted = false;
  #tries = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry = undefined;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patience = undefined;

  /**
   * @param {{
   *   frame: (frame: Frame) => void,
   *   resync: () => void,
   *   up: () => void,
   *   down: () => void,
   *   signedOut: () => void,
   * }} hears `resync`: take a snapshot and `start` behind its cursor
   */
  constructor(hears) {
    this.hears = hears;
    setInterval(() => this.#ping(), PING_EVERY);
    addEventListener("online", () => this.nudge());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.nudge();
    });
  }

  get isUp() {
    return this.#proven;
  }

  /** Go on behind the cursor of a snapshot that is shown now. @param {number} cursor */
  start(cursor) {
    // what a living socket has brought since is newer than the snapshot
    this.#after = Math.max(cursor, this.#seen);
    this.#whole = true;
    this.#wanted = true;
    if (!this.#socket) this.#connect();
  }

  /** Somebody is signed in again: go on where it ended. */
  resume() {
    this.#wanted = true;
    this.nudge();
  }

  /** Connect at once, or find out whether the socket still lives. */
  nudge() {
    if (this.#proven) this.#ping();
    else if (this.#wanted && !this.#socket) this.#connect();
  }

  /** Say that I am typing. @param {string} conversation */
  type(conversation) {
    if (this.#proven) this.#say({ type: "typing", conversation });
  }

  /** @param {object} frame */
  #say(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #ping() {
    if (!this.#proven || this.#patience !== undefined) return;
    this.#say({ type: "ping" });
    this.#wait();
  }

  /** A socket that a sleeping machine or a dead router left behind never closes by itself. */
  #wait() {
    this.#patience = setTimeout(() => this.#lost(0), ANSWER_WITHIN);
  }

  #connect() {
    clearTimeout(this.#retry);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/events`);
    this.#socket = socket;
    this.#wait();
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.#blind = !this.#whole;
      this.#say({ after: this.#blind ? null : this.#after });
      this.#say({ type: "ping" });
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#read(JSON.parse(data));
    };
    socket.onclose = ({ code }) => {
      if (socket === this.#socket) this.#lost(code);
    };
  }

  /** @param {Frame} frame */
  #read(frame) {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    if (frame.seq !== undefined) this.#seen = this.#after = frame.seq;
    if (!NO_EVENT.has(frame.type)) this.hears.frame(frame);
    if (frame.type === "resync") this.#renew();
    if (!this.#proven && frame.type !== "error") {
      this.#proven = true;
      this.#tries = 0;
      this.hears.up();
      if (this.#blind && frame.type !== "resync") this.#renew();
    }
  }

  #renew() {
    this.#whole = false;
    this.#seen = 0;
    this.hears.resync();
  }

  /** @param {number} code of the close, 0 when there was none */
  #lost(code) {
    this.#drop();
    this.hears.down();
    if (SIGNED_OUT.has(code)) {
      this.#wanted = false;
      this.hears.signedOut();
    }
    if (!this.#wanted) return;
    const longest = Math.min(LONGEST_PAUSE, 500 * 2 ** this.#tries);
    this.#tries += 1;
    const pause = code === TOO_MANY ? MINUTE : Math.random() * longest;
    this.#retry = setTimeout(() => this.#connect(), pause);
  }

  #drop() {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#proven = false;
    this.#seen = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }
}
