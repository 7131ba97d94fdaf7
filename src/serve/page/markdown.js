// Markdown, as models write it, to trees: the common part of CommonMark, tables, and maths
// between $, $$, \( \), \[ \], in \begin{..} and \boxed{..}. HTML stays text.
import {mathTree} from "./math.js";
import {displayAt, spans} from "./spans.js";
import {h, textOf} from "./tree.js";

const MOST_DEPTH = 12;
const MOST_DISPLAY_LINES = 200;

// None of these tries more than one way to read a run of spaces: time is linear in the line.
const FENCE = /^( {0,3})(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(\s.*)?$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:\s+|$)/;
const TABLE_LINE = /^\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?$/;  // without spaces around it

export function markdown(text) {
  return blocks(text.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"), 0);
}

function blocks(lines, depth) {
  const out = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (line.trim() === "") {
      ++at;
      continue;
    }
    const read = depth < MOST_DEPTH ? block(lines, at, depth) : null;
    if (read) {
      out.push(read.tree);
      at = read.next;
      continue;
    }
    const begin = at++;
    while (at < lines.length && lines[at].trim() !== "" && !(depth < MOST_DEPTH && interrupts(lines, at))) ++at;
    out.push(h("p", {}, spans(lines.slice(begin, at).join("\n").trim())));
  }
  return out;
}

// Whether the line ends a paragraph before it.
function interrupts(lines, at) {
  const line = lines[at];
  const item = ITEM.exec(line);
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) ||
    (item !== null && item[0].length < line.length && (!/\d/.test(item[2]) || /^1[.)]/.test(item[2]))) ||
    displayAt(line.trimStart()) !== null || isTable(lines, at);
}

// The block that begins at the line, and the line behind it; null for a paragraph.
function block(lines, at, depth) {
  const line = lines[at];
  return fenced(lines, at) ?? display(lines, at) ?? heading(line, at) ??
    (RULE.test(line) ? {tree: h("hr"), next: at + 1} : null) ??
    quote(lines, at, depth) ?? list(lines, at, depth) ?? tableOf(lines, at);
}

// An unfinished block is one, too: the rest may be on its way.
function fenced(lines, at) {
  const open = FENCE.exec(lines[at]);
  if (!open) return null;
  const [, indent, marks, info] = open;
  const code = [];
  let next = at + 1;
  for (; next < lines.length; ++next) {
    const line = lines[next].trim();
    if (line.length >= marks.length && line === marks[0].repeat(line.length)) break;
    code.push(lines[next].startsWith(indent) ? lines[next].slice(indent.length) : lines[next].trimStart());
  }
  const language = info.trim().split(/\s/, 1)[0];
  return {tree: codeBlock(code.join("\n"), language), next: next + 1};
}

function codeBlock(code, language) {
  return h("div", {class: "code"},
    h("div", {class: "code-head"}, h("span", {}, language || "code"),
      h("button", {type: "button", class: "copy-code"}, "Copy")),
    h("pre", {tabindex: "0"}, h("code", {}, code)));
}

// Only where nothing but the display is in its lines; others are parts of paragraphs.
function display(lines, at) {
  const first = lines[at].trimStart();
  const begin = displayAt(first);
  if (!begin) return null;
  let last = at;
  let end = first.indexOf(begin.close, begin.from);
  while (end < 0) {
    if (++last === lines.length || last - at > MOST_DISPLAY_LINES || lines[last].trim() === "") return null;
    end = lines[last].indexOf(begin.close);
  }
  const source = [first, ...lines.slice(at + 1, last + 1)].join("\n");
  end += source.length - (last > at ? lines[last] : first).length;
  const rest = source.slice(end + begin.close.length).trim();
  if (!/^[.,;]?$/.test(rest)) return null;
  const formula = begin.from > 0 ? source.slice(begin.from, end) : source.slice(0, end + begin.close.length);
  return {tree: h("div", {class: "display"}, mathTree(formula, true), rest), next: last + 1};
}

function heading(line, at) {
  const match = HEADING.exec(line);
  if (!match) return null;
  // The page has its own h1.
  const level = Math.min(match[1].length + 1, 6);
  const text = (match[2] ?? "").trim().replace(/(?:^|\s)#+$/, "").trimEnd();
  return {tree: h(`h${level}`, {}, spans(text)), next: at + 1};
}

function quote(lines, at, depth) {
  const inside = [];
  let next = at;
  while (next < lines.length && QUOTE.test(lines[next])) inside.push(lines[next++].replace(QUOTE, ""));
  return next > at ? {tree: h("blockquote", {}, blocks(inside, depth + 1)), next} : null;
}

function list(lines, at, depth) {
  const first = ITEM.exec(lines[at]);
  if (!first) return null;
  const ordered = /\d/.test(first[2]);
  const mark = first[2].at(-1);
  const items = [];
  let loose = false;
  let next = at;
  while (next < lines.length) {
    const item = ITEM.exec(lines[next]);
    if (!item || RULE.test(lines[next]) || item[2].at(-1) !== mark) break;
    const indent = item[1].length + item[2].length + 1;
    const inside = [lines[next++].slice(item[0].length)];
    let blank = false;
    for (; next < lines.length; ++next) {
      const line = lines[next];
      if (line.trim() === "") {
        blank = true;
        inside.push("");
        continue;
      }
      const margin = line.length - line.trimStart().length;
      // Models indent what belongs to an item by 2 or 3, whatever the mark's width.
      if (margin >= Math.min(indent, 2)) {
        loose ||= blank && margin < 2 + indent && !ITEM.test(line.trimStart());
        inside.push(line.slice(Math.min(margin, indent)));
      } else if (blank || ITEM.test(line) || interrupts(lines, next)) {
        break;
      } else {
        inside.push(line);
      }
      blank = false;
    }
    items.push(blocks(inside, depth + 1));
    if (blank && ITEM.exec(lines[next] ?? "")?.[2].at(-1) === mark) loose = true;
  }
  const tight = (children) => children.flatMap((child) => (child.tag === "p" ? child.children : [child]));
  const start = ordered ? parseInt(first[2], 10) : 1;
  return {
    tree: h(ordered ? "ol" : "ul", start !== 1 ? {start: String(start)} : {},
      items.map((children) => h("li", {}, loose ? children : tight(children)))),
    next,
  };
}

function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(^|[^\\])\|$/, "$1");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, "|"));
}

function isTable(lines, at) {
  return lines[at].includes("|") && at + 1 < lines.length && lines[at + 1].includes("-") &&
    TABLE_LINE.test(lines[at + 1].trim()) && cells(lines[at]).length === cells(lines[at + 1]).length;
}

function tableOf(lines, at) {
  if (!isTable(lines, at)) return null;
  const sides = cells(lines[at + 1]).map((cell) => (cell.endsWith(":") ? (cell.startsWith(":") ? "middle" : "right") : "left"));
  const rowOf = (tag, line) => {
    const texts = cells(line);
    return h("tr", {}, sides.map((side, i) => h(tag, {class: side, ...(tag === "th" ? {scope: "col"} : {})}, spans(texts[i] ?? ""))));
  };
  const body = [];
  let next = at + 2;
  while (next < lines.length && lines[next].includes("|")) body.push(rowOf("td", lines[next++]));
  const tree = h("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Table"},
    h("table", {}, h("thead", {}, rowOf("th", lines[at])), h("tbody", {}, body)));
  return {tree, next};
}

// What is left without markup: for screen readers.
export function plainText(text) {
  return markdown(text).map((tree) => textOf(tree)).join("\n");
}
