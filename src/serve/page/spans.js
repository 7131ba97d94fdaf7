// Markdown within a block: emphasis, code, links, maths.
import {mathTree} from "./math.js";
import {h, isSafeLink} from "./tree.js";

const MOST_DEPTH = 12;
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
    const read = depth < MOST_DEPTH ? span(text, at, depth) : null;
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
function span(text, at, depth) {
  switch (text[at]) {
    case "\\":
      return backslash(text, at);
    case "`":
      return codeSpan(text, at);
    case "$":
      return dollars(text, at);
    case "*": case "_": case "~":
      return emphasis(text, at, depth);
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

function backslash(text, at) {
  const next = text[at + 1];
  if (next === "\n") return {tree: h("br"), next: at + 2};
  for (const [open, close, block] of [["(", "\\)", false], ["[", "\\]", true]]) {
    const end = next === open ? text.indexOf(close, at + 2) : -1;
    if (end >= 0) return {tree: mathTree(text.slice(at + 2, end), block), next: end + 2};
  }
  if (text.startsWith("\\boxed{", at)) {
    const end = groupEnd(text, at + 6);
    if (end > 0) return {tree: mathTree(text.slice(at, end)), next: end};
  }
  if (text.startsWith("\\begin{", at)) {
    const begin = displayAt(text.slice(at, at + 40));
    const end = begin ? text.indexOf(begin.close, at) : -1;
    if (end >= 0) {
      const behind = end + begin.close.length;
      return {tree: mathTree(text.slice(at, behind), true), next: behind};
    }
  }
  return next && /[!-/:-@[-`{-~]/.test(next) ? {text: next, next: at + 2} : null;
}

// Behind the } that fits the { at `at`; 0 where there is none.
function groupEnd(text, at) {
  let depth = 0;
  for (let i = at; i < text.length; ++i) {
    if (text[i] === "\\") ++i;
    else if (text[i] === "{") ++depth;
    else if (text[i] === "}" && --depth === 0) return i + 1;
  }
  return 0;
}

function codeSpan(text, at) {
  const marks = /^`+/.exec(text.slice(at))[0];
  for (let end = text.indexOf(marks, at + marks.length); end >= 0;) {
    const behind = end + /^`+/.exec(text.slice(end))[0].length;
    if (behind - end === marks.length) {
      const code = text.slice(at + marks.length, end).replace(/\n/g, " ").replace(/^ (.*[^ ].*) $/, "$1");
      return {tree: h("code", {}, code), next: behind};
    }
    end = text.indexOf(marks, behind);
  }
  return {text: marks, next: at + marks.length};
}

// "$5 and $10" is money: within maths no space stands beside the dollars and no digit behind.
function dollars(text, at) {
  if (text.startsWith("$$", at)) {
    const end = text.indexOf("$$", at + 2);
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
function emphasis(text, at, depth) {
  const c = text[at];
  let length = 1;
  while (text[at + length] === c) ++length;
  const itself = {text: text.slice(at, at + length), next: at + length};
  if (c === "~" ? length !== 2 : length > 3) return itself;
  if (!/\S/.test(text[at + length] ?? " ")) return itself;
  if (c === "_" && WORD.test(text[at - 1] ?? "")) return itself;
  const marks = c.repeat(length);
  for (let end = at + length; end < text.length; ++end) {
    if (text[end] === "\\") {
      ++end;
    } else if (text[end] === "`") {
      end = (codeSpan(text, end)?.next ?? end + 1) - 1;
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
  return itself;
}

function linkTree(url, children) {
  return h("a", {href: url, rel: "noopener noreferrer nofollow", target: "_blank"}, children);
}

// [text](url); an image is a link to it, as the page fetches nothing.
function link(text, at, depth) {
  let level = 0;
  let end = at;
  for (; end < text.length; ++end) {
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
