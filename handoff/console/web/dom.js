// @ts-check
/** Making and renewing elements: text only ever goes in as text. */

/**
 * @typedef {string | Node | null | undefined | false} Child
 * @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Given
 */

/**
 * Make an element. A function is a listener, true an empty attribute, null and false are left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Given} [given]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child || child === "").map((child) => /** @type {Node | string} */ (child)));
  return element;
}

/**
 * The element with this id, which page.html has.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function at(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`page.html has no #${id}`);
  return /** @type {T} */ (found);
}

/** @type {WeakMap<Element, string>} */
const drawn = new WeakMap();

/**
 * Fill an element anew if what it shows has changed; the focus, and what is typed there, stays with
 * what has the same data-key.
 * @param {Element} element
 * @param {unknown} shown everything that `make` looks at
 * @param {() => Child[]} make
 */
export function paint(element, shown, make) {
  const signature = JSON.stringify(shown);
  if (drawn.get(element) === signature) return;
  drawn.set(element, signature);
  const active = document.activeElement;
  const key = active instanceof HTMLElement && element.contains(active) ? active.dataset.key : undefined;
  const text = active instanceof HTMLInputElement ? active.value : "";
  element.replaceChildren(...make().filter((child) => child).map((child) => /** @type {Node | string} */ (child)));
  const again = key && element.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (again instanceof HTMLElement) again.focus();
  if (again instanceof HTMLInputElement) again.value = text;
}

/**
 * Give a list exactly these rows, in this order; a row that was there stays the same element.
 * @template T
 * @param {Element} list
 * @param {T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(row: HTMLLIElement, item: T) => void} draw
 */
export function rows(list, items, keyOf, draw) {
  const known = new Map([...list.children].map((row) => [/** @type {HTMLLIElement} */ (row).dataset.row, row]));
  /** @type {Element | null} */
  let place = list.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const row = /** @type {HTMLLIElement} */ (known.get(key) ?? h("li", { "data-row": key }));
    known.delete(key);
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
    draw(row, item);
  }
  for (const row of known.values()) row.remove();
}

/** Put a text in place if it differs. @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A short notice that goes by itself. @param {string} text */
export function toast(text) {
  const shown = h("p", {}, text);
  at("toasts").append(shown);
  setTimeout(() => shown.remove(), 6000);
}
