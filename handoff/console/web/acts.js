// @ts-check
/** What the buttons do. */

import { Problem } from "./api.js";
import { ask, choose } from "./dialogs.js";
import { at } from "./dom.js";
import { topicOf } from "./head.js";
import { own, shared } from "./kept.js";
import { targetsOf } from "./rights.js";
import { STATUSES, leavingOf } from "./words.js";

/**
 * @typedef {import("./order.js").View} View
 * @typedef {import("./types.js").Conversation} Conversation
 * @typedef {import("./types.js").Status} Status
 * @typedef {{api: import("./api.js").Api, desk: import("./desk.js").Desk,
 *   store: import("./store.js").Store, outbox: import("./outbox.js").Outbox,
 *   composer: import("./composer.js").Composer,
 *   run: (work: Promise<unknown>) => void}} Tools
 */

/** @param {Tools} tools */
export function makeActs(tools) {
  const { api, desk, store, outbox, composer, run } = tools;

  /** @param {(one: Conversation) => Promise<unknown>} act */
  const onCurrent = (act) => () => {
    if (store.current) run(act(store.current));
  };

  /** @param {string} place */
  const go = (place) => {
    if (location.hash === place || (!place && !location.hash)) return;
    location.hash = place;
  };

  /** The conversation that the address names, or none. */
  const place = () => /^#\/([\w-]+)/.exec(location.hash)?.[1] ?? "";

  /** Show what the address says. */
  const follow = () => {
    const id = place();
    at("desk").dataset.page = !id ? "list" : location.hash.endsWith("/info") ? "info" : "chat";
    run(desk.open(id).catch((error) => {
      if (error instanceof Problem && error.status === 404) go("#/");
      throw error;
    }));
  };

  /** @param {View} view */
  const show = (view) => {
    store.view = view;
    store.touch();
  };

  const thread = {
    older: () => run(desk.older(store.open)),
    retry: (/** @type {string} */ message) => run(desk.retry(store.open, message)),
    again: (/** @type {string} */ key) => outbox.again(key),
    edit: (/** @type {string} */ key) => {
      const note = outbox.of(store.open).find((row) => row.key === key)?.note ?? false;
      composer.edit(outbox.remove(key), note);
    },
    remove: (/** @type {string} */ key) => void outbox.remove(key),
  };

  return {
    place,
    follow,
    view: show,
    open: (/** @type {string} */ id) => go(`#/${id}`),
    more: () => run(desk.more(store.view, store.view === "archive" ? filters : {})),
    /** @param {Record<string, string>} wanted */
    search: (wanted) => {
      filters = wanted;
      store.found = [];
      store.cursors.archive = null;
      run(desk.more("archive", wanted));
    },
    /** @param {"product" | "inbox"} what @param {string} value */
    narrow: (what, value) => {
      store[what] = value;
      if (what === "product") {
        store.inbox = "";
        shared.keep(`${store.me?.id}.product`, value);
      }
      run(desk.narrow());
    },
    thread,
    top: {
      status: (/** @type {Status} */ status) => run(changeStatus(desk, status)),
      signOut: () => run(signOut(tools)),
    },
    head: {
      back: () => go("#/"),
      info: () => go(`#/${store.open}/info`),
      claim: onCurrent((one) => claim(tools, one)),
      transfer: onCurrent((one) => transfer(tools, one)),
      resolve: onCurrent((one) => desk.act(one.id, "resolve", { topic: topicOf(one.id) })),
      reopen: onCurrent((one) => desk.act(one.id, "reopen")),
    },
    info: {
      block: onCurrent((one) => block(desk, one)),
      back: () => go(`#/${store.open}`),
      tags: (/** @type {string[]} */ tags) => run(desk.setTags(store.open, tags)),
    },
    api,
  };
}

/** @type {Record<string, string>} the filters that were applied last */
let filters = {};

/** @param {Tools} tools @param {Conversation} one */
async function claim({ api, desk, store }, one) {
  const body = { epoch: one.epoch };
  try {
    await desk.act(one.id, "claim", body);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === "full") {
      const answer = await ask("You have no room", "Your chats fill your capacity. Take this one all the same?", [
        { value: "take", label: "Take it" }, { value: "", label: "Cancel" },
      ]);
      if (answer) await desk.act(one.id, "claim", { ...body, over_capacity: true });
      return;
    }
    const began = store.now;
    if (error.status === 409) store.putConversations([await api.get(`/conversations/${one.id}`)], began);
    throw error;
  }
}

/** @param {Tools} tools @param {Conversation} one */
async function transfer({ desk, store }, one) {
  await desk.colleagues();
  const users = targetsOf(store.agents.values(), one)
    .map(({ id, name }) => ({ value: `agent ${id}`, label: name, hint: id === store.me?.id ? "You" : "User, online" }));
  const groups = [...store.teams.values()].filter(({ id }) => id !== one.team || one.agent)
    .map(({ id, name }) => ({ value: `team ${id}`, label: name, hint: "Group" }));
  const answer = await choose("Transfer to", "Nobody else is online for this inbox, and there is no group.", [...users, ...groups]);
  const [kind, id] = answer.split(" ");
  if (kind && id) await desk.act(one.id, "transfer", { [kind]: id });
}

/** @param {import("./desk.js").Desk} desk @param {Conversation} one */
async function block(desk, one) {
  const answer = await ask("Block this customer?", "The conversation is closed as spam. What this customer writes from now on reaches nobody.", [
    { value: "", label: "Cancel" }, { value: "block", label: "Block" },
  ]);
  if (answer) await desk.act(one.id, "block");
}

/** Going offline says first what it does. @param {import("./desk.js").Desk} desk @param {Status} status */
async function changeStatus(desk, status) {
  if (status === "offline") {
    const preview = await desk.preview();
    if (preview.requeued + preview.parked > 0) {
      const answer = await ask("Go offline?", leavingOf(preview), [
        { value: "go", label: "Go offline" }, { value: "", label: "Stay" },
      ]);
      if (!answer) return;
    }
  }
  await desk.setStatus(status);
}

/** @param {Tools} tools */
async function signOut({ api, store, outbox }) {
  const { me } = store;
  const warnings = [
    me && me.status !== "offline" ? `Your status stays ${STATUSES[me.status][0]}: go offline first if your work is over.` : "",
    outbox.isEmpty ? "" : "Some of your messages are not stored yet and will be lost.",
    "Your drafts on this computer are deleted.",
  ];
  const answer = await ask("Sign out?", warnings.filter(Boolean).join(" "), [
    { value: "out", label: "Sign out" }, { value: "", label: "Stay" },
  ]);
  if (!answer || !me) return;
  await api.send("DELETE", "/session");
  outbox.clear();
  own.forget(me.id);
  shared.forget(me.id);
  location.replace("/console");
}
