// @ts-check
/** The simulated phone's page: draws what the simulator tells, and tells what the person does. */

import { at, drawAvatar, drawBubble, drawTick, hour, made, part, preview } from "./pieces.js";

/**
 * @typedef {import("./pieces.js").Bubble} Bubble
 * @typedef {{id: string, name: string, phone: string, business: string, ideas: string[],
 *   bubbles: Bubble[]}} Chat
 */

const TYPING_LASTS = 25_000; // as WhatsApp shows it
/** @type {Map<string, Chat>} */
const chats = new Map();
/** @type {Map<string, string>} text begun but not sent, by chat */
const drafts = new Map();
/** @type {Map<string, number>} when the business stops typing, by chat */
const typing = new Map();
let open = sessionStorage.getItem("chat") ?? "";
/** @type {WebSocket | null} */
let socket = null;
let wait = 250;

function drawPeople() {
  const rows = [...chats.values()].map((chat) => {
    const row = made("person");
    const button = part(row, "button");
    const last = chat.bubbles.at(-1);
    const unread = chat.bubbles.filter((one) => one.state === "new").length;
    drawAvatar(part(row, ".avatar"), chat.name);
    part(row, ".name").textContent = chat.name;
    const isTyping = (typing.get(chat.id) ?? 0) > Date.now();
    part(row, ".last").textContent = isTyping ? "typing…" : last ? preview(last) : chat.phone;
    part(row, ".last").classList.toggle("live", isTyping);
    part(row, ".unread").textContent = String(unread);
    part(row, ".unread").hidden = unread === 0;
    button.dataset.chat = chat.id;
    button.setAttribute("aria-current", String(chat.id === open));
    return row;
  });
  const list = at("people");
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.chat : "";
  list.replaceChildren(...rows);
  if (focused) part(list, `[data-chat="${CSS.escape(focused)}"]`)?.focus();
}

function drawChat() {
  const chat = chats.get(open);
  if (!chat) return;
  at("business").textContent = chat.business;
  drawAvatar(at("business-avatar"), chat.business);
  at("me").textContent = `as ${chat.name}`;
  const notice = made("notice");
  part(notice, "p").textContent =
    `Simulated chat of ${chat.name} (${chat.phone}) with ${chat.business}. Nothing is sent over the internet.`;
  at("thread").replaceChildren(notice, ...chat.bubbles.map(drawBubble));
  at("ideas").replaceChildren(...chat.ideas.map((idea) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = idea;
    return button;
  }));
  drawPresence();
  drawIdeas();
  toEnd(false);
  tellShown();
}

function drawPresence() {
  const isTyping = (typing.get(open) ?? 0) > Date.now();
  const thread = at("thread");
  at("presence").textContent = isTyping ? "typing…" : "business account";
  thread.querySelector(".dots")?.parentElement?.remove();
  if (isTyping) thread.append(made("typing"));
}

function drawIdeas() {
  const said = chats.get(open)?.bubbles.some((one) => one.side === "customer");
  at("ideas").hidden = Boolean(said) || !at("ideas").childElementCount;
}

/** @param {boolean} smooth */
function toEnd(smooth) {
  const thread = at("thread");
  thread.scrollTo({ top: thread.scrollHeight, behavior: smooth ? "smooth" : "instant" });
}

function tellShown() {
  if (document.visibilityState !== "visible") return;
  for (const bubble of chats.get(open)?.bubbles ?? []) {
    if (bubble.state === "new") tell({ type: "shown", chat: open, bubble: bubble.id });
  }
}

/** @param {object} wish */
function tell(wish) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(wish));
}

/**
 * @param {string} id
 * @param {Bubble} bubble
 */
function takeBubble(id, bubble) {
  const chat = chats.get(id);
  if (!chat) return;
  const place = chat.bubbles.findIndex((one) => one.id === bubble.id);
  const isNew = place < 0;
  if (isNew) chat.bubbles.push(bubble);
  else chat.bubbles[place] = bubble;
  if (isNew && bubble.side === "business") typing.delete(id);
  drawPeople();
  if (id !== open) return;
  const row = drawBubble(bubble);
  const drawn = at("thread").querySelector(`[data-bubble="${CSS.escape(bubble.id)}"]`);
  if (drawn) drawn.replaceWith(row);
  else {
    row.classList.add("fresh");
    at("thread").append(row);
  }
  drawPresence();
  drawIdeas();
  if (isNew) toEnd(true);
  tellShown();
}

/** @param {string} id */
function takeTyping(id) {
  typing.set(id, Date.now() + TYPING_LASTS);
  const redraw = () => {
    drawPeople();
    if (id === open) drawPresence();
  };
  redraw();
  if (id === open) toEnd(true);
  setTimeout(redraw, TYPING_LASTS + 50);
}

/** @param {any} frame */
function take(frame) {
  if (frame.type === "state") {
    chats.clear();
    for (const chat of frame.chats) chats.set(chat.id, chat);
    if (!chats.has(open)) open = frame.chats[0]?.id ?? "";
    drawPeople();
    drawChat();
  } else if (frame.type === "bubble") takeBubble(frame.chat, frame.bubble);
  else if (frame.type === "typing") takeTyping(frame.chat);
}

function connect() {
  const address = new URL("live", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new WebSocket(address);
  socket.addEventListener("open", () => {
    wait = 250;
    drawConnection(true);
  });
  socket.addEventListener("message", (event) => take(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    drawConnection(false);
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 4000);
  });
}

/** @param {boolean} isThere */
function drawConnection(isThere) {
  at("offline").hidden = isThere;
  /** @type {HTMLButtonElement} */ (part(at("composer"), "button")).disabled = !isThere;
}

/** @param {string} words */
function say(words) {
  if (!words.trim() || socket?.readyState !== WebSocket.OPEN) return false;
  tell({ type: "say", chat: open, text: words });
  return true;
}

function send() {
  const field = /** @type {HTMLTextAreaElement} */ (at("words"));
  if (say(field.value)) field.value = "";
  fit();
  field.focus();
}

/** Let the field grow with its text. */
function fit() {
  const field = at("words");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

function drawClock() {
  at("clock").textContent = hour.format(new Date());
}

at("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
at("words").addEventListener("input", fit);
at("words").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
at("people").addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (!button?.dataset.chat) return;
  const field = /** @type {HTMLTextAreaElement} */ (at("words"));
  drafts.set(open, field.value);
  open = button.dataset.chat;
  sessionStorage.setItem("chat", open);
  field.value = drafts.get(open) ?? "";
  fit();
  drawPeople();
  drawChat();
});
at("ideas").addEventListener("click", (event) => {
  if (event.target instanceof HTMLButtonElement) say(event.target.textContent ?? "");
});
at("thread").addEventListener("click", (event) => {
  const row = event.target instanceof Element ? event.target.closest(".row") : null;
  if (row instanceof HTMLElement && event.target instanceof HTMLButtonElement) {
    tell({ type: "again", chat: open, bubble: row.dataset.bubble });
  }
});
document.addEventListener("visibilitychange", tellShown);
for (const tick of document.querySelectorAll(".legend .tick")) {
  if (tick instanceof HTMLElement) drawTick(tick, tick.dataset.state ?? "sent");
}
drawClock();
setInterval(drawClock, 10_000);
drawConnection(false);
connect();
