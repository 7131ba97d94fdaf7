// Markdown within a block: emphasis, code, links, maths.
import {mathTree} from "./math.js";
import {h, isSafeLink} from "./tree.js";

// Bounds on what a hostile text may cost: how deep spans nest, and how far the end of a link's
// label or of a group of LaTeX is looked for. Other marks are looked for to the text's end, but
// not again once there was none.
const MOST_DEPTH = 12;
const MOST_INSIDE = 2000;
const DISPLAYS = [["$$", "$$"], ["\\[", "\\]"]];

// How the display that the text begins with ends; null where it is none.
export function displayAt(text) {
  for (const [open, close] of DISPLAYS) if (text.startsWith(open)) return {close, from: open.length};
  const environment = /^\\begin\{([a-zA-Z]+\*?)\}/.exec(text);
  return environment ? {close: `\\end{${environment[1]}}`, from: 0} : null;
}

// Text, from the first character that may mean something to the next.
const PLAIN = /[^\\`*_~[\]!$<h\n]+/y;

// The trees and strings of a text within a block.
export function spans(text, depth = 0) {
  const out = [];
  const missing = new Set();  // marks that nothing behind here closes
  let plain = "";
  const flush = () => {
    if (plain) out.push(plain);
    plain = "";
  };
  let at = 0;
  while (at < text.length) {
    PLAIN.lastIndex = at;
    const run = PLAIN.exec(text);
    if (run) {
      plain += run[0];
      at = PLAIN.lastIndex;
      continue;
    }
    const read = depth < MOST_DEPTH ? span(text, at, depth, missing) : null;
    if (read?.tree) {
      flush();
      out.push(read.tree);
    } else {
      plain += read ? read.text : text[at];
    }
    at = read ? read.next : at + 1;
  }
  flush();
  return out;
}

// What the character at `at` begins: {tree or text, next}; null: it is itself.
function span(text, at, depth, missing) {
  switch (text[at]) {
    case "\\":
      return backslash(text, at, missing);
    case "`":
      return codeSpan(text, at, missing);
    case "$":
      return dollars(text, at, missing);
    case "*": case "_": case "~":
      return emphasis(text, at, depth, missing);
    case "!":
      return text[at + 1] === "[" ? link(text, at + 1, depth) : null;
    case "[":
      return link(text, at, depth);
    case "<": case "h":
      return bareLink(text, at);
    case "\n": {
      const hard = /  $/.test(text.slice(Math.max(0, at - 2), at));
      return hard ? {tree: h("br"), next: at + 1} : null;
    }
    default:
      return null;
  }
}

// Where the mark stands next; -1 where it does not.
function find(mark, text, from, missing) {
  const end = missing.has(mark) ? -1 : text.indexOf(mark, from);
  if (end < 0) missing.add(mark);
  return end;
}

function backslash(text, at, missing) {
  const next = text[at + 1];
  if (next === "\n") return {tree: h("br"), next: at + 2};
  for (const [open, close, block] of [["(", "\\)", false], ["[", "\\]", true]]) {
    const end = next === open ? find(close, text, at + 2, missing) : -1;
    if (end >= 0) return {tree: mathTree(text.slice(at + 2, end), block), next: end + 2};
  }
  if (text.startsWith("\\boxed{", at)) {
    const end = groupEnd(text, at + 6);
    if (end > 0) return {tree: mathTree(text.slice(at, end)), next: end};
  }
  if (text.startsWith("\\begin{", at)) {
    const begin = displayAt(text.slice(at, at + 40));
    const end = begin ? find(begin.close, text, at, missing) : -1;
    if (end >= 0) {
      const behind = end + begin.close.length;
      return {tree: mathTree(text.slice(at, behind), true), next: behind};
    }
  }
  return next && /[!-/:-@[-`{-~]/.test(next) ? {text: next, next: at + 2} : null;
}

// Behind the } that fits the { at `at`; 0 where there is none in reach.
function groupEnd(text, at) {
  let depth = 0;
  const last = Math.min(text.length, at + MOST_INSIDE);
  for (let i = at; i < last; ++i) {
    if (text[i] === "\\") ++i;
    else if (text[i] === "{") ++depth;
    else if (text[i] === "}" && --depth === 0) return i + 1;
  }
  return 0;
}

function codeSpan(text, at, missing) {
  const marks = /^`+/.exec(text.slice(at))[0];
  for (let end = find(marks, text, at + marks.length, missing); end >= 0;) {
    const behind = end + /^`+/.exec(text.slice(end))[0].length;
    if (behind - end === marks.length) {
      const code = text.slice(at + marks.length, end).replace(/\n/g, " ").replace(/^ (.*[^ ].*) $/, "$1");
      return {tree: h("code", {}, code), next: behind};
    }
    end = find(marks, text, behind, missing);
  }
  return {text: marks, next: at + marks.length};
}

// "$5 and $10" is money: within maths no space stands beside the dollars and no digit behind.
function dollars(text, at, missing) {
  if (text.startsWith("$$", at)) {
    const end = find("$$", text, at + 2, missing);
    return end > at + 2 ? {tree: mathTree(text.slice(at + 2, end), true), next: end + 2} : {text: "$$", next: at + 2};
  }
  if (!/\S/.test(text[at + 1] ?? " ")) return null;
  for (let end = at + 1; end < text.length && !text.startsWith("\n\n", end); ++end) {
    if (text[end] === "\\") ++end;
    else if (text[end] === "$") {
      const fits = /\S/.test(text[end - 1]) && !/\d/.test(text[end + 1] ?? "");
      return fits ? {tree: mathTree(text.slice(at + 1, end)), next: end + 1} : null;
    }
  }
  return null;
}

const WORD = /[\p{L}\p{N}]/u;

// *, ** and ***, likewise with _ between words; ~~.
function emphasis(text, at, depth, missing) {
  const c = text[at];
  let length = 1;
  while (text[at + length] === c) ++length;
  const itself = {text: text.slice(at, at + length), next: at + length};
  if (c === "~" ? length !== 2 : length > 3) return itself;
  if (!/\S/.test(text[at + length] ?? " ")) return itself;
  if (c === "_" && WORD.test(text[at - 1] ?? "")) return itself;
  const marks = c.repeat(length);
  if (missing.has(marks)) return itself;
  for (let end = at + length; end < text.length; ++end) {
    if (text[end] === "\\") {
      ++end;
    } else if (text[end] === "`") {
      end = codeSpan(text, end, missing).next - 1;
    } else if (text.startsWith(marks, end)) {
      let behind = end + length;
      while (text[behind] === c) ++behind;
      const closes = /\S/.test(text[end - 1]) && !(c === "_" && WORD.test(text[behind] ?? ""));
      // A longer run closes what is inside first.
      if (closes && behind - end >= length && (behind - end === length || behind - end === 3)) {
        const inner = spans(text.slice(at + length, behind - length), depth + 1);
        const tree = c === "~" ? h("del", {}, inner)
          : length === 1 ? h("em", {}, inner)
          : length === 2 ? h("strong", {}, inner) : h("em", {}, h("strong", {}, inner));
        return {tree, next: behind};
      }
      end = behind - 1;
    }
  }
  missing.add(marks);
  return itself;
}

function linkTree(url, children) {
  return h("a", {href: url, rel: "noopener noreferrer nofollow", target: "_blank"}, children);
}

// [text](url); an image is a link to it, as the page fetches nothing.
function link(text, at, depth) {
  let level = 0;
  let end = at;
  const last = Math.min(text.length, at + MOST_INSIDE);
  for (; end < last; ++end) {
    if (text[end] === "\\") ++end;
    else if (text[end] === "[") ++level;
    else if (text[end] === "]" && --level === 0) break;
  }
  if (text[end + 1] !== "(") return null;
  const target = /^\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/.exec(text.slice(end + 1, end + 4096));
  if (!target || !isSafeLink(target[1])) return null;
  const label = spans(text.slice(at + 1, end), depth + 1);
  return {tree: linkTree(target[1], label.length > 0 ? label : [target[1]]), next: end + 1 + target[0].length};
}

function bareLink(text, at) {
  const angle = /^<((?:https?:\/\/|mailto:)[^\s<>]+)>/i.exec(text.slice(at, at + 2048));
  if (angle) return {tree: linkTree(angle[1], [angle[1]]), next: at + angle[0].length};
  if (text[at] !== "h" || WORD.test(text[at - 1] ?? "")) return null;
  const bare = /^https?:\/\/[^\s<>"'`*()[\]{}|\\^]*[^\s<>"'`*()[\]{}|\\^.,;:!?]/i.exec(text.slice(at, at + 2048));
  return bare ? {tree: linkTree(bare[0], [bare[0]]), next: at + bare[0].length} : null;
}
