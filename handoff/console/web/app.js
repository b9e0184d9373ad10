// @ts-check
/** Puts the page together: signs in, takes the snapshot, follows the feed, draws. */

import { Api, Problem, sentenceOf } from "./api.js";
import { makeActs } from "./acts.js";
import { drawFilters } from "./archive.js";
import { Composer } from "./composer.js";
import { Desk } from "./desk.js";
import { SignIn } from "./dialogs.js";
import { at, toast } from "./dom.js";
import { drawHead } from "./head.js";
import { drawInfo } from "./info.js";
import { listen, shared } from "./kept.js";
import { drawList, drawViews } from "./list.js";
import { Outbox } from "./outbox.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { drawThread, toEnd } from "./thread.js";
import { drawBanner, drawClocks, drawTitle, drawTop } from "./top.js";

const FRAME = 16;
const MINUTE_QUARTER = 15_000;
const GRACE = 4000;

const api = new Api();
const store = new Store(soon);
const desk = new Desk(api, store);
const outbox = new Outbox(desk);
const signIn = new SignIn(api);
const stream = new Stream({
  frame: (frame) => {
    store.take(frame);
    if (frame.type.startsWith("conversation.") || frame.type === "agent.status") desk.count();
  },
  resync: () => void renew(),
  up: () => {
    isDown(false);
    // what was opened while nothing could be read
    if (store.open && !store.threads.get(store.open)?.loaded) acts.follow();
  },
  down: () => isDown(true),
  signedOut: () => void api.signIn(),
});
const composer = new Composer(store, outbox, (conversation) => stream.type(conversation));
const acts = makeActs({ api, desk, store, outbox, composer, run });

/** @type {ReturnType<typeof setTimeout> | undefined} */
let drawing;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let graceful;
/** @type {{id: string, epoch: number, told: import("./types.js").Why[] | null}} */
let why = { id: "", epoch: -1, told: null };
let renewing = false;
let stale = false;
let marking = false;

function soon() {
  drawing ??= setTimeout(() => {
    drawing = undefined;
    draw();
  }, FRAME);
}

function now() {
  return Date.now() + api.skew;
}

function draw() {
  if (!store.me) return;
  drawTop(store, acts.top);
  drawViews(store, acts.view);
  drawFilters(store, acts.search);
  drawList(store, acts.open, now());
  drawHead(store, acts.head);
  drawThread(store, outbox, acts.thread);
  composer.draw();
  drawInfo(store, why.told, acts.info, now());
  drawClocks(store, now());
  drawTitle(store);
  readWhy();
  mark();
}

/** The reasons belong to an epoch: read them when it moves. */
function readWhy() {
  const one = store.current;
  if (!one || (why.id === one.id && why.epoch === one.epoch)) return;
  const told = why.id === one.id ? why.told : null;
  const mine = (why = { id: one.id, epoch: one.epoch, told });
  desk.why(one.id).then((answer) => {
    mine.told = answer;
    soon();
  }, later(() => {
    mine.epoch = -1;
  }));
}

/** Tell that the owner has seen what is shown. */
function mark() {
  if (marking) return;
  marking = true;
  desk.seen().catch(later(() => {})).finally(() => {
    marking = false;
  });
}

/** For what nobody asked for: the next drawing tries again, and no notice is worth it.
 * @param {() => void} undo @returns {(error: unknown) => void} */
function later(undo) {
  return (error) => {
    if (!(error instanceof Problem)) throw error;
    undo();
  };
}

/** Wait for something and show what it was refused for. @param {Promise<unknown>} work */
function run(work) {
  work.catch((error) => {
    if (!(error instanceof Problem)) throw error;
    toast(sentenceOf(error));
  });
}

/** Read everything anew until it works; what the socket brings meanwhile counts too. */
async function renew() {
  stale = true;
  if (renewing) return;
  renewing = true;
  for (let tries = 0; stale; tries += 1) {
    try {
      // a second request while this one is under way is about a gap behind it
      stale = false;
      const cursor = await desk.load();
      if (!stale) stream.start(cursor);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      stale = true;
      drawBanner(`${sentenceOf(error)} What you see may be out of date; trying again.`);
      await new Promise((resolve) => setTimeout(resolve, Math.min(15_000, 1000 * 2 ** tries)));
    }
  }
  renewing = false;
  if (graceful === undefined) drawBanner("");
}

/** @param {boolean} down */
function isDown(down) {
  if (!down) {
    clearTimeout(graceful);
    graceful = undefined;
    if (!renewing) drawBanner("");
    return;
  }
  // most gaps are closed within a moment, and nobody need know of them
  graceful ??= setTimeout(() => {
    drawBanner("No connection to the server. New messages may be missing here; trying again.");
  }, GRACE);
}

async function begin() {
  const session = await api.resume().catch((error) => {
    if (error instanceof Problem && error.status === 401) return null;
    throw error;
  });
  if (!session) await signIn.show("");
}

api.signIn = async () => {
  try {
    // it may be that another tab, or another request of this one, has signed in already
    await api.resume();
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
    await signIn.show(store.me?.email ?? "");
  }
  stream.resume();
};

api.onSession = (/** @type {import("./types.js").Session} */ { agent }) => {
  if (store.me && store.me.id !== agent.id) {
    location.reload();
    return;
  }
  if (!store.me) outbox.restore(agent.id);
  store.me ??= agent;
  shared.keep("session", String(Date.now()));
};

listen("session", () => void signIn.look());

async function start() {
  for (;;) {
    try {
      await begin();
      break;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      at("loading").textContent = `${sentenceOf(error)} Trying again.`;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
  at("loading").hidden = true;
  at("desk").hidden = false;
  store.product = shared.read(`${store.me?.id}.product`);
  store.open = acts.place();
  await renew();
  acts.follow();
}

at("to-active").onclick = () => acts.view("mine");
at("to-archive").onclick = () => acts.view("archive");
at("list-more").onclick = acts.more;
at("newer").onclick = toEnd;
at("thread-scroll").addEventListener("scroll", () => {
  if (at("thread-scroll").scrollTop < 60) acts.thread.older();
});
at("product").onchange = (event) => acts.narrow("product", /** @type {HTMLSelectElement} */ (event.target).value);
at("inbox").onchange = (event) => acts.narrow("inbox", /** @type {HTMLSelectElement} */ (event.target).value);
addEventListener("hashchange", () => acts.follow());
addEventListener("focus", soon);
addEventListener("beforeunload", (event) => {
  if (!outbox.isEmpty) event.preventDefault();
});
setInterval(() => drawClocks(store, now()), 1000);
setInterval(() => {
  if (!store.me || document.visibilityState !== "visible") return;
  desk.count();
  soon();
}, MINUTE_QUARTER);

void start();
