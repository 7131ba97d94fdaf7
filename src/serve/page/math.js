// LaTeX, as far as schools and models use it, to MathML Core as a tree. A subset by
// choice: what is not known stays readable as it was written.
import {
  LETTERS, OPERATORS, LARGE, INTEGRALS, FUNCTIONS, LIMIT_FUNCTIONS, FENCES, ACCENTS,
  STRETCHED, UNDER, SPACES, TEXTS, UPRIGHT, IGNORED, MATRICES, ALIGNED, CENTRED, ALPHABETS, inAlphabet,
} from "./math_symbols.js";
import {h} from "./tree.js";

const MOST_CHARACTERS = 8192;
const MOST_DEPTH = 48;

class MathError extends Error {}

// \command, {, }, ^, _, &, \\, numbers, single characters; spaces between are kept for \text.
function tokenize(source) {
  const tokens = [];
  const pattern = /\\([a-zA-Z]+\*?|[^])|(\d+(?:[.,]\d+)*)|(%[^\n]*)|(\s+)|([^])/gu;
  for (const match of source.matchAll(pattern)) {
    if (match[1] !== undefined) {
      tokens.push({kind: "command", value: match[1] === "\n" ? " " : match[1], raw: match[0]});
    } else if (match[2] !== undefined) {
      tokens.push({kind: "number", value: match[2], raw: match[0]});
    } else if (match[3] === undefined) {
      tokens.push({kind: match[4] === undefined ? "character" : "space", value: match[0], raw: match[0]});
    }
  }
  return tokens;
}

const row = (items) => (items.length === 1 ? items[0] : h("mrow", {}, items));
const grid = (rows, style) => h("mtable", {class: style},
  rows.map((cells) => h("mtr", {}, cells.map((cell) => h("mtd", {}, cell)))));
const fence = (text, form, stretchy = "true") => h("mo", {fence: "true", form, stretchy}, text);

class Parser {
  #at = 0;
  #depth = 0;

  constructor(tokens) {
    this.tokens = tokens;
  }

  all() {
    const rows = this.#rows();
    if (this.#peek()) throw new MathError("unbalanced");
    return rows.length === 1 && rows[0].length === 1 ? rows[0][0] : grid(rows, "aligned");
  }

  #peek() {
    while (this.tokens[this.#at]?.kind === "space") ++this.#at;
    return this.tokens[this.#at];
  }
  #next() {
    const token = this.#peek();
    if (!token) throw new MathError("ends too soon");
    ++this.#at;
    return token;
  }
  #is(token, value, kind = "character") {
    return token !== undefined && token.kind === kind && token.value === value;
  }
  #take(value, kind = "character") {
    if (!this.#is(this.#peek(), value, kind)) return false;
    ++this.#at;
    return true;
  }

  // Until `stop` holds of the token, or a group, row, cell or the text ends.
  #items(stop) {
    if (++this.#depth > MOST_DEPTH) throw new MathError("too deep");
    const items = [];
    for (let token = this.#peek(); token && !stop(token); token = this.#peek()) {
      if (this.#is(token, "}") || this.#is(token, "&")) break;
      if (token.kind === "command" && ["\\", "end", "right"].includes(token.value)) break;
      const item = this.#scripted();
      if (item) items.push(item);
    }
    --this.#depth;
    return items;
  }

  // What stands in {}, or the next thing alone.
  #argument() {
    if (this.#take("{")) {
      const items = this.#items(() => false);
      if (!this.#take("}")) throw new MathError("no }");
      return row(items);
    }
    const token = this.#peek();
    // \frac12 has two arguments.
    if (token?.kind === "number" && /^\d\d/.test(token.value)) {
      this.tokens[this.#at] = {kind: "number", value: token.value.slice(1), raw: token.raw.slice(1)};
      return h("mn", {}, token.value[0]);
    }
    if (++this.#depth > MOST_DEPTH) throw new MathError("too deep");
    const atom = this.#atom();
    --this.#depth;
    return atom?.tree ?? h("mrow");
  }

  // The characters of {..}, as they are.
  #rawArgument() {
    if (!this.#take("{")) return this.#next().value;
    let text = "";
    for (let depth = 1; ; ++this.#at) {
      const token = this.tokens[this.#at];
      if (!token) throw new MathError("no }");
      if (this.#is(token, "{")) ++depth;
      if (this.#is(token, "}") && --depth === 0) break;
      if (token.kind === "command") text += /^[ ,;:%$#&_{}]$/.test(token.value) ? token.value : token.raw;
      else text += token.value;
    }
    ++this.#at;
    return text;
  }

  #option() {
    if (!this.#take("[")) return null;
    const items = this.#items((token) => this.#is(token, "]"));
    if (!this.#take("]")) throw new MathError("no ]");
    return row(items);
  }

  // An atom with what stands above and below it.
  #scripted() {
    let token = this.#peek();
    const atom = this.#is(token, "^") || this.#is(token, "_") ? {tree: h("mrow")} : this.#atom();
    if (!atom) return null;
    let below = null, above = null, primes = "";
    for (token = this.#peek(); token; token = this.#peek()) {
      if (this.#is(token, "'")) {
        ++this.#at;
        primes += "′";
      } else if (this.#is(token, "_") && !below) {
        ++this.#at;
        below = this.#argument();
      } else if (this.#is(token, "^") && !above) {
        ++this.#at;
        above = this.#argument();
      } else if (token.kind === "command" && /^(no)?limits$/.test(token.value)) {
        ++this.#at;
        atom.limits = token.value === "limits";
      } else if (this.#is(token, "^") || this.#is(token, "_")) {
        throw new MathError("two scripts");
      } else {
        break;
      }
    }
    if (primes) above = above ? h("mrow", {}, h("mo", {}, primes), above) : h("mo", {}, primes);
    const [both, under, over] =
      atom.limits ? ["munderover", "munder", "mover"] : ["msubsup", "msub", "msup"];
    if (below && above) return h(both, {}, atom.tree, below, above);
    if (below) return h(under, {}, atom.tree, below);
    return above ? h(over, {}, atom.tree, above) : atom.tree;
  }

  // {tree, limits}; null for what is not seen.
  #atom() {
    const token = this.#next();
    if (token.kind === "number") return {tree: h("mn", {}, token.value)};
    if (token.kind === "command") return this.#command(token);
    const c = token.value;
    if (c === "{") {
      --this.#at;
      return {tree: this.#argument()};
    }
    if (c === "}") throw new MathError("} without {");
    if (c === "~") return {tree: h("mspace", {width: "0.25em"})};
    if (/\p{L}/u.test(c)) return {tree: h("mi", {}, c)};
    if (c === "-") return {tree: h("mo", {}, "−")};
    if ("()[]|".includes(c)) return {tree: h("mo", {stretchy: "false"}, c)};
    return {tree: h("mo", {}, c)};
  }

  #command(token) {
    const name = token.value.replace(/\*$/, "");
    if (LETTERS.has(name)) return {tree: h("mi", {}, LETTERS.get(name))};
    if (OPERATORS.has(name)) return {tree: h("mo", {}, OPERATORS.get(name))};
    if (LARGE.has(name)) return {tree: h("mo", {movablelimits: "true"}, LARGE.get(name)), limits: true};
    if (INTEGRALS.has(name)) return {tree: h("mo", {}, INTEGRALS.get(name))};
    if (FUNCTIONS.has(name)) return {tree: h("mi", {}, name)};
    if (LIMIT_FUNCTIONS.has(name)) {
      return {tree: h("mo", {movablelimits: "true", form: "prefix"}, name.replace(/^(lim|arg)(?=.)/, "$1 ")), limits: true};
    }
    if (FENCES.has(name)) return {tree: h("mo", {stretchy: "false"}, FENCES.get(name))};
    if (SPACES.has(name)) return {tree: h("mspace", {width: SPACES.get(name)})};
    if (TEXTS.has(name)) return {tree: h("mtext", {}, this.#rawArgument().replace(/^ | $/g, "\u00a0"))};
    if (UPRIGHT.has(name)) return {tree: h("mtext", {}, this.#rawArgument())};
    if (ALPHABETS.has(name)) return this.#alphabet(ALPHABETS.get(name));
    if (ACCENTS.has(name)) {
      const stretchy = STRETCHED.has(name) ? "true" : "false";
      const limits = name === "overbrace";
      return {tree: h("mover", {accent: "true"}, this.#argument(), h("mo", {stretchy}, ACCENTS.get(name))), limits};
    }
    if (UNDER.has(name)) {
      const tree = h("munder", {}, this.#argument(), h("mo", {stretchy: "true"}, UNDER.get(name)));
      return {tree, limits: name === "underbrace"};
    }
    if (IGNORED.has(name)) return null;
    switch (name) {
      case "frac": case "dfrac": case "tfrac": case "cfrac":
        return {tree: h("mfrac", {}, this.#argument(), this.#argument())};
      case "binom": case "dbinom": case "tbinom": {
        const inner = h("mfrac", {linethickness: "0"}, this.#argument(), this.#argument());
        return {tree: h("mrow", {}, fence("(", "prefix"), inner, fence(")", "postfix"))};
      }
      case "sqrt": {
        const degree = this.#option();
        const inside = this.#argument();
        return {tree: degree ? h("mroot", {}, inside, degree) : h("msqrt", {}, inside)};
      }
      case "boxed": case "fbox":
        return {tree: h("mrow", {class: "boxed"}, this.#argument())};
      case "left":
        return {tree: this.#between()};
      case "begin":
        return {tree: this.#environment()};
      case "overset": case "stackrel": {
        const over = this.#argument();
        return {tree: h("mover", {}, this.#argument(), over)};
      }
      case "underset": {
        const under = this.#argument();
        return {tree: h("munder", {}, this.#argument(), under)};
      }
      case "pmod":
        return {tree: h("mrow", {}, h("mspace", {width: "0.5em"}), h("mo", {}, "("), h("mtext", {}, "mod\u00a0"), this.#argument(), h("mo", {}, ")"))};
      case "bmod": case "mod":
        return {tree: h("mo", {}, "mod")};
      case "not":
        return {tree: h("mo", {}, `${this.#next().value.replace(/^in$/, "∈")}\u0338`)};
      case "cancel": case "xcancel": case "bcancel":
        return {tree: h("mrow", {class: "cancelled"}, this.#argument())};
      case "phantom": case "hspace": case "vspace": case "label": case "color":
        this.#rawArgument();
        return null;
      case "textcolor":
        this.#rawArgument();
        return {tree: this.#argument()};
      case "tag":
        return {tree: h("mtext", {}, `\u2003(${this.#rawArgument()})`)};
      case "%": case "$": case "#": case "&": case "_":
        return {tree: h("mi", {}, name)};
      default:
        return {tree: h("mtext", {class: "unknown"}, token.raw)};
    }
  }

  #alphabet(alphabet) {
    const inside = (tree) => (typeof tree === "string" ? inAlphabet(alphabet, tree)
      : h(tree.tag, tree.attributes, tree.children.map(inside)));
    return {tree: inside(this.#argument())};
  }

  #delimiter() {
    const token = this.#next();
    if (token.kind === "character") return token.value === "." ? "" : token.value;
    if (token.kind === "command" && FENCES.has(token.value)) return FENCES.get(token.value);
    throw new MathError("no such delimiter");
  }

  // Behind \left.
  #between() {
    const open = this.#delimiter();
    const items = this.#items(() => false);
    if (!this.#take("right", "command")) throw new MathError("no \\right");
    const close = this.#delimiter();
    return h("mrow", {}, open ? fence(open, "prefix") : [], items, close ? fence(close, "postfix") : []);
  }

  // Of cells: what & and \\ part.
  #rows() {
    const rows = [[]];
    while (true) {
      rows.at(-1).push(row(this.#items(() => false)));
      if (this.#take("&")) continue;
      if (!this.#take("\\", "command")) break;
      if (this.#is(this.#peek(), "[")) this.#option();
      rows.push([]);
    }
    // The last \\ begins no row.
    const last = rows.at(-1);
    if (rows.length > 1 && last.length === 1 && last[0].children.length === 0) rows.pop();
    return rows;
  }

  // Behind \begin.
  #environment() {
    if (++this.#depth > MOST_DEPTH) throw new MathError("too deep");
    const name = this.#rawArgument();
    const kind = name.replace(/\*$/, "");
    const known = MATRICES.has(kind) || ALIGNED.has(kind) || CENTRED.has(kind);
    if (!known) throw new MathError(`no environment ${name}`);
    if (kind === "array" || kind === "alignat") this.#rawArgument();
    const rows = this.#rows();
    if (!this.#take("end", "command") || this.#rawArgument() !== name) throw new MathError("no \\end");
    --this.#depth;
    const body = grid(rows, ALIGNED.has(kind) ? "aligned" : kind === "cases" ? "cases" : "matrix");
    const [open, close] = MATRICES.get(kind) ?? ["", ""];
    if (!open && !close) return body;
    return h("mrow", {}, fence(open, "prefix"), body, close ? fence(close, "postfix") : []);
  }
}

// The <math> of a formula; where it cannot be read, its source.
export function mathTree(source, display = false) {
  try {
    if (source.length > MOST_CHARACTERS) throw new MathError("too long");
    const body = new Parser(tokenize(source)).all();
    const annotation = h("annotation", {encoding: "application/x-tex"}, source.trim());
    return h("math", {display: display ? "block" : "inline"}, h("semantics", {}, body, annotation));
  } catch (error) {
    if (!(error instanceof MathError)) throw error;
    return h("code", {class: "unread"}, source.trim());
  }
}
