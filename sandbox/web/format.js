// @ts-check
/** WhatsApp's own text marks, shown as the real app shows them. Builds nodes, never HTML. */

const MARKS = [
  { pattern: /```([^]+?)```/, tag: "code", nests: false },
  { pattern: /`([^`\n]+)`/, tag: "code", nests: false },
  { pattern: /(?<![\p{L}\p{N}])\*(\S(?:[^*\n]*\S)?)\*(?![\p{L}\p{N}])/u, tag: "strong", nests: true },
  { pattern: /(?<![\p{L}\p{N}])_(\S(?:[^_\n]*\S)?)_(?![\p{L}\p{N}])/u, tag: "em", nests: true },
  { pattern: /(?<![\p{L}\p{N}])~(\S(?:[^~\n]*\S)?)~(?![\p{L}\p{N}])/u, tag: "s", nests: true },
];

/**
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function formatted(text) {
  const fragment = document.createDocumentFragment();
  let rest = text;
  while (rest) {
    const found = first(rest);
    if (!found) break;
    fragment.append(rest.slice(0, found.at));
    const node = document.createElement(found.tag);
    node.append(found.nests ? formatted(found.inside) : found.inside);
    fragment.append(node);
    rest = rest.slice(found.at + found.length);
  }
  fragment.append(rest);
  return fragment;
}

/**
 * The mark that begins first.
 * @param {string} text
 */
function first(text) {
  let best = null;
  for (const { pattern, tag, nests } of MARKS) {
    const match = pattern.exec(text);
    if (match && (!best || match.index < best.at)) {
      best = { at: match.index, length: match[0].length, inside: match[1] ?? "", tag, nests };
    }
  }
  return best;
}
