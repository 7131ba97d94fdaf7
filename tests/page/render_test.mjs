// What of the page needs no browser: renderers, streams, requests, the history. Run by
// tests/cli/page_test.py with `node --test`.
import assert from "node:assert/strict";
import {test} from "node:test";

import {addChunk, confidenceText, newAnswer, statistics, stored, tokensPerSecond} from "../../src/serve/page/answer.js";
import {History} from "../../src/serve/page/history.js";
import {markdown, plainText} from "../../src/serve/page/markdown.js";
import {mathTree} from "../../src/serve/page/math.js";
import * as settings from "../../src/serve/page/settings.js";
import {SseParser} from "../../src/serve/page/sse.js";
import {build, h, textOf} from "../../src/serve/page/tree.js";

// A tree in short: em(text) sub-trees joined by spaces; sources of formulas are left out.
function short(tree) {
  if (typeof tree === "string") return tree;
  const inner = tree.children.filter((child) => child.tag !== "annotation").map(short);
  if (tree.tag === "semantics") return inner.join("");
  return `${tree.tag}(${inner.join(" ")})`;
}
const read = (text) => markdown(text).map(short).join(" ");
const formula = (source) => short(mathTree(source)).replace(/^math\((.*)\)$/, "$1");

function tags(tree) {
  return typeof tree === "string" ? [] : [tree.tag, ...tree.children.flatMap(tags)];
}

// As much of a document as build() uses.
const fakeDocument = {
  createTextNode: (text) => ({text}),
  createElement: (tag) => ({tag, attributes: {}, children: [], append(child) { this.children.push(child); },
    setAttribute(name, value) { this.attributes[name] = value; }}),
  createElementNS: (space, tag) => ({...fakeDocument.createElement(tag), space}),
};

test("blocks of Markdown", () => {
  const cases = [
    ["# One\n## Two ##", "h2(One) h3(Two)"],
    ["# C#\n#\n# #", "h2(C#) h2() h2()"],
    ["a\nb\n\nc", "p(a\nb) p(c)"],
    ["a  \nb\\\nc", "p(a   br() b br() c)"],
    ["- a\n- b\n  - c\n\n1. x\n2. y", "ul(li(a) li(b ul(li(c)))) ol(li(x) li(y))"],
    ["1. First\n\n   more\n\n2. Second", "ol(li(p(First) p(more)) li(p(Second)))"],
    ["Steps:\n- a\n* b", "p(Steps:) ul(li(a)) ul(li(b))"],
    ["> a\n> > b", "blockquote(p(a) blockquote(p(b)))"],
    ["a\n\n---\n\nb", "p(a) hr() p(b)"],
    ["In 1986. It was", "p(In 1986. It was)"],
    ["the year\n1986. It was", "p(the year\n1986. It was)"],
  ];
  for (const [text, expected] of cases) assert.equal(read(text), expected, text);
  assert.equal(markdown("3. c")[0].attributes.start, "3");
});

// Each of these once took time that grew with the square of its length, or worse.
test("hostile texts are read in linear time", () => {
  const many = (piece, count) => piece.repeat(count);
  const hostile = {
    "emphasis that nothing closes": many("*a ", 40000),
    "each kind of it": many("*a **b ***c _d __e ___f ~~g ", 8000),
    "emphasis before code that nothing closes": many("*a `", 50000),
    "labels that nothing closes": many("[", 50000),
    "labels without addresses": many("[a](", 30000),
    "formulas that nothing closes": many("\\( \\[ $$", 20000),
    "groups that nothing closes": many("\\boxed{", 20000),
    "environments that nothing closes": many("\\begin{a} ", 20000),
    "displays that nothing closes": many("\\[\n", 40000),
    "spaces in a heading": `# a${many(" ", 60000)}b`,
    "spaces before a fence's end": "```" + many(" ", 60000) + "`",
    "spaces before no table": `|\n${many(" ", 60000)}-x`,
  };
  for (const [name, text] of Object.entries(hostile)) {
    const before = process.cpuUsage();
    markdown(text);
    const used = process.cpuUsage(before);
    assert.ok(used.user + used.system < 2e6, `${name}: ${(used.user + used.system) / 1e6} s`);
  }
});

test("code is kept as it is", () => {
  const [block] = markdown("```py\nif a < b:\n    $x$ **y**\n```\nafter");
  const [head, pre] = block.children;
  assert.equal(textOf(head.children[0]), "py");
  assert.equal(textOf(pre), "if a < b:\n    $x$ **y**");
  assert.equal(read("~~~\n```\n~~~"), "div(div(span(code) button(Copy)) pre(code(```)))");
  assert.match(read("```\nunfinished"), /pre\(code\(unfinished\)\)/);
  assert.equal(read("a `` b`c `` d"), "p(a  code(b`c)  d)");
  assert.equal(read("a ` b"), "p(a ` b)");
});

test("spans of Markdown", () => {
  const cases = [
    ["**a *b* c** *d **e** f*", "p(strong(a  em(b)  c)   em(d  strong(e)  f))"],
    ["***a*** ~~b~~", "p(em(strong(a))   del(b))"],
    ["snake_case_name and 2 * 3 * 4", "p(snake_case_name and 2 * 3 * 4)"],
    ["_a_ \\*b\\*", "p(em(a)  *b*)"],
    ["**open", "p(**open)"],
    ["*a `*` b*", "p(em(a  code(*)  b))"],
  ];
  for (const [text, expected] of cases) assert.equal(read(text), expected, text);
});

test("tables", () => {
  const [region] = markdown("|a|b|\n|:-:|--:|\n|1|`x\\|y`|\n|2|");
  const [table] = region.children;
  assert.equal(short(table), "table(thead(tr(th(a) th(b))) tbody(tr(td(1) td(code(x|y))) tr(td(2) td())))");
  assert.equal(table.children[0].children[0].children[0].attributes.class, "middle");
});

test("links go to safe places alone", () => {
  const href = (text) => markdown(text)[0].children.find((child) => child.tag === "a")?.attributes.href;
  assert.equal(href("[a](https://e.example/a_(b) \"title\")"), "https://e.example/a_(b)");
  assert.equal(href("see https://e.example/x."), "https://e.example/x");
  assert.equal(href("<mailto:a@e.example>"), "mailto:a@e.example");
  assert.equal(href("![picture](https://e.example/p.png)"), "https://e.example/p.png");
  for (const bad of ["[a](javascript:alert(1))", "[a](data:text/html,x)", "[a](//e.example)", "[a]( java\tscript:x)", "<javascript:x>"]) {
    assert.equal(href(bad), undefined, bad);
  }
});

test("nothing becomes markup", () => {
  const hostile = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "`<b>`", "$<i>x</i>$", "\\[\\text{<script>}\\]",
    "| <svg onload=x> |\n|-|\n| </td><script> |", "[<b>](https://e.example/\"onclick=x)", "```<script>\n</code><script>\n```"];
  const known = new Set("a blockquote br button code div em h2 li math mi mn mo mrow mtext ol p pre semantics annotation span strong table tbody td th thead tr ul".split(" "));
  for (const text of hostile) {
    for (const tree of markdown(text)) {
      for (const tag of tags(tree)) assert.ok(known.has(tag), `${tag} of ${text}`);
      build(tree, fakeDocument);
    }
  }
  assert.equal(read("<script>alert(1)</script>"), "p(<script>alert(1)</script>)");
  assert.throws(() => build(h("script"), fakeDocument), /no element/);
  assert.throws(() => build(h("mi", {}, "x"), fakeDocument), /no element/);
  assert.throws(() => build(h("p", {onclick: "x"}), fakeDocument), /no attribute/);
  assert.throws(() => build(h("a", {href: "javascript:x"}), fakeDocument), /no such link/);
  assert.equal(build(mathTree("x"), fakeDocument).space, "http://www.w3.org/1998/Math/MathML");
});

test("where maths is, and where it is not", () => {
  const cases = [
    ["costs $5 and $10, $x$ too", "p(costs $5 and $10,  math(mi(x))  too)"],
    ["a \\(x\\) b \\[y\\] c $$z$$", "p(a  math(mi(x))  b  math(mi(y))  c  math(mi(z)))"],
    ["\\[\nx\n\\]\nso", "div(math(mi(x)) ) p(so)"],
    ["$$\nx\n$$.", "div(math(mi(x)) .)"],
    ["1. a\n   \\[ x \\]\n2. b", "ol(li(a div(math(mi(x)) )) li(b))"],
    ["It is \\boxed{\\frac{1}{2}}.", "p(It is  math(mrow(mfrac(mn(1) mn(2)))) .)"],
    ["`$x$` \\$5", "p(code($x$)  $5)"],
    ["$a\n\nb$", "p($a) p(b$)"],
    ["\\[ open", "p([ open)"],
  ];
  for (const [text, expected] of cases) assert.equal(read(text), expected, text);
  assert.equal(plainText("It is $\\frac{1}{2}$, **so** there"), "It is \\frac{1}{2}, so there");
});

test("formulas", () => {
  const cases = [
    ["\\frac{a}{b}+\\frac12", "mrow(mfrac(mi(a) mi(b)) mo(+) mfrac(mn(1) mn(2)))"],
    ["\\sqrt{2}\\sqrt[3]{x}", "mrow(msqrt(mn(2)) mroot(mi(x) mn(3)))"],
    ["x^2_i", "msubsup(mi(x) mi(i) mn(2))"],
    ["f''(x)", "mrow(msup(mi(f) mo(′′)) mo(() mi(x) mo()))"],
    ["x^{10}", "msup(mi(x) mn(10))"],
    ["-1{,}000", "mrow(mo(−) mn(1) mo(,) mn(000))"],
    ["\\alpha\\le\\pi\\cdot2", "mrow(mi(α) mo(≤) mi(π) mo(⋅) mn(2))"],
    ["\\sum_{i=1}^n i", "mrow(munderover(mo(∑) mrow(mi(i) mo(=) mn(1)) mi(n)) mi(i))"],
    ["\\int_0^1 x", "mrow(msubsup(mo(∫) mn(0) mn(1)) mi(x))"],
    ["\\lim_{x\\to0}\\sin x", "mrow(munder(mo(lim) mrow(mi(x) mo(→) mn(0))) mi(sin) mi(x))"],
    ["\\left(\\frac{1}{2}\\right]", "mrow(mo(() mfrac(mn(1) mn(2)) mo(]))"],
    ["\\left\\{x\\right.", "mrow(mo({) mi(x))"],
    ["\\boxed{391}", "mrow(mn(391))"],
    ["\\binom{n}{k}", "mrow(mo(() mfrac(mi(n) mi(k)) mo()))"],
    ["\\mathbb{R}\\mathbf{v}\\mathcal{B}", "mrow(mi(ℝ) mi(𝐯) mi(ℬ))"],
    ["\\text{if } x", "mrow(mtext(if\u00a0) mi(x))"],
    ["5\\%\\;\\$", "mrow(mn(5) mi(%) mspace() mi($))"],
    ["90^\\circ", "msup(mn(90) mo(∘))"],
    ["\\overline{AB}", "mover(mrow(mi(A) mi(B)) mo(¯))"],
    ["a=b\\\\c=d", "mtable(mtr(mtd(mrow(mi(a) mo(=) mi(b)))) mtr(mtd(mrow(mi(c) mo(=) mi(d)))))"],
    ["\\begin{pmatrix}1&2\\\\3&4\\\\\\end{pmatrix}", "mrow(mo(() mtable(mtr(mtd(mn(1)) mtd(mn(2))) mtr(mtd(mn(3)) mtd(mn(4)))) mo()))"],
    ["\\begin{cases}1&x\\\\2&y\\end{cases}", "mrow(mo({) mtable(mtr(mtd(mn(1)) mtd(mi(x))) mtr(mtd(mn(2)) mtd(mi(y)))))"],
    ["\\unknown x", "mrow(mtext(\\unknown) mi(x))"],
    ["\\constructor\\toString", "mrow(mtext(\\constructor) mtext(\\toString))"],
    ["7 \\equiv 1 \\pmod{3}", "mrow(mn(7) mo(≡) mn(1) mrow(mspace() mo(() mtext(mod\u00a0) mn(3) mo())))"],
  ];
  for (const [source, expected] of cases) assert.equal(formula(source), expected, source);
});

test("what is no formula stays readable", () => {
  for (const source of ["\\frac{1", "x}", "a^b^c", "\\left( x", "\\begin{foo}x\\end{foo}", "\\begin{align}x\\end{cases}",
    "{".repeat(5000), "x^".repeat(3000), "\\frac".repeat(500), "\\sqrt".repeat(500), "\\left(".repeat(500), "\\begin{array}".repeat(300)]) {
    const tree = mathTree(source);
    assert.equal(short(tree), `code(${source})`);
  }
});

test("hostile lengths end", () => {
  for (const unit of ["*a ", "[", "`a``", "$a", "> ", "- ", "\\[", "**_", "|a", "\\begin{align}", "![](", "<h", "#\t", "a\n\\[\n"]) {
    markdown(unit.repeat(500));
  }
});

test("server-sent events, however they are cut", () => {
  const stream = ": hello\n\ndata: {\"a\":1}\n\ndata:two\r\ndata: lines\r\n\r\nevent: x\ndata: [DONE]\n\nrest";
  const expected = ["{\"a\":1}", "two\nlines", "[DONE]"];
  for (let size = 1; size <= stream.length; ++size) {
    const parser = new SseParser();
    const events = [];
    for (let at = 0; at < stream.length; at += size) events.push(...parser.push(stream.slice(at, at + size)));
    assert.deepEqual(events, expected, `pieces of ${size}`);
  }
});

const timing = {queued_s: 0, prefill_s: 0.1, first_token_s: 0.5, total_s: 2.5};

test("a stream of text adds up", () => {
  const answer = newAnswer({});
  const chunk = (delta, more = {}) => ({choices: [{index: 0, delta, finish_reason: null, ...more.choice}], ...more.chunk});
  addChunk(answer, chunk({role: "assistant", content: ""}), 0.1);
  assert.equal(answer.firstToken, null);
  addChunk(answer, chunk({reasoning_content: "hm"}), 0.5);
  addChunk(answer, chunk({content: "4"}), 0.7);
  addChunk(answer, chunk({content: "2"}), 0.8);
  assert.equal(answer.state, "writing");
  const pith = {thinking: true, think_probability: 0.831, finish_reasons: ["stop"], timing};
  addChunk(answer, chunk({}, {choice: {finish_reason: "stop"}, chunk: {pith}}), 1);
  addChunk(answer, {choices: [], usage: {completion_tokens: 21}}, 1);
  assert.deepEqual([answer.content, answer.reasoning, answer.firstToken, answer.state], ["42", "hm", 0.5, "done"]);
  assert.equal(tokensPerSecond(answer), 10);
  assert.match(statistics(answer), /10\.0 tokens a second · first token after 0\.50 s · 2\.5 s in all · 21 tokens · .*83 %/);
});

test("a stream of branches adds up", () => {
  const answer = newAnswer({branches: 2});
  const branch = (pith) => addChunk(answer, {choices: [], pith}, 1);
  branch({branch: 1, content: "so "});
  branch({branch: 0, reasoning_content: "hm"});
  branch({branch: 1, content: "391"});
  branch({branch: 1, answer: "391", score: 0.9, verifier_score: null, tokens: 5, finish_reason: "stop"});
  assert.equal(answer.branches[1].content, "so 391");
  assert.equal(answer.branches[1].answer, "391");
  assert.equal(answer.branches[0].reasoning, "hm");
  const pith = {thinking: false, think_probability: null, answer: "391", confidence: 0.75, confidence_kind: "agreement", timing,
    votes: [{answer: "391", branches: [1, 2, 3]}, {answer: "3", branches: [0]}],
    branches: [{branch: 0, answer: null, tokens: 0, finish_reason: "decided", text: "", reasoning: "hm"}]};
  addChunk(answer, {choices: [{index: 0, delta: {}, finish_reason: "stop"}], pith}, 2);
  assert.equal(answer.branches[0].finish_reason, "decided");
  assert.equal(answer.pith.branches, undefined);
  assert.match(confidenceText(pith), /75 %.*not the chance of being right/);
  assert.match(confidenceText({...pith, confidence: 1, votes: [{answer: "391", branches: [1]}]}), /Only one branch/);
  assert.match(confidenceText({...pith, confidence_kind: "calibrated"}), /likely to be right/);
  answer.branches[1].content = "x".repeat(100_000);
  assert.ok(JSON.stringify(stored(answer)).length < 10_000);
});

const about = {has_verifier: false, defaults: {branches: 8, budget: 1000}, limits: {branches: 12, max_tokens: 1000, deadline: 30}};

test("requests ask for what is chosen, and no more than the server gives", () => {
  const offered = settings.choices(about);
  assert.deepEqual(offered.branches, [0, 1, 2, 4, 8, 12]);
  assert.equal(offered.tokens.at(-1), 1000);
  assert.equal(offered.seconds.at(-1), 30);
  assert.deepEqual(settings.choices({...about, limits: {...about.limits, branches: 1}}).branches, [0, 1]);
  const messages = [{role: "user", content: "Lost"}, newAnswer({}), {role: "user", content: "Hi"},
    {...newAnswer({}), content: "Hello"}, {role: "user", content: "And?"}];
  const of = (changes) => settings.requestOf({...settings.DEFAULTS, ...changes}, messages);
  assert.deepEqual(of({}), {messages: [{role: "user", content: "Hi"}, {role: "assistant", content: "Hello"}, {role: "user", content: "And?"}], think: "auto"});
  assert.equal(of({tokens: 64}).max_tokens, 64);
  assert.equal(of({tokens: 64, unit: "seconds", seconds: 5}).max_tokens, undefined);
  assert.equal(of({unit: "seconds", seconds: 5}).deadline, 5);
  const vote = of({branches: 8, tokens: 64, vote: "majority", think: "off"});
  assert.deepEqual([vote.branches, vote.budget, vote.max_tokens, vote.vote, vote.answer, vote.include_branches, vote.think],
    [8, 64, undefined, "majority", "number", true, "off"]);
  const kept = settings.within({...settings.DEFAULTS, branches: 64, vote: "verifier", tokens: 64}, offered);
  assert.deepEqual([kept.branches, kept.vote, kept.tokens], [0, "", 64]);
  assert.equal(settings.budgetText({...settings.DEFAULTS, branches: 2}, about), "1000 tokens");
});

// Storage with room for so many characters.
function storageOf(room) {
  const map = new Map();
  return {
    get length() { return map.size; },
    key: (i) => [...map.keys()][i],
    getItem: (name) => map.get(name) ?? null,
    removeItem: (name) => map.delete(name),
    setItem(name, value) {
      const others = [...map].reduce((sum, [key, text]) => sum + (key === name ? 0 : text.length), 0);
      if (others + value.length > room) throw new Error("full");
      map.set(name, value);
    },
  };
}

test("the history is bounded, and old chats give way", () => {
  const chat = (i, size = 10) => ({id: `c${i}`, title: `chat ${i}`, updated: i, messages: [{role: "user", content: "x".repeat(size)}]});
  const history = new History(storageOf(1e9));
  for (let i = 0; i < 205; ++i) assert.ok(history.put(chat(i)));
  assert.equal(history.all().length, 200);
  assert.equal(history.all()[0].id, "c204");
  assert.ok(!history.has("c4") && history.has("c5"));
  assert.ok(!history.put(chat(300, 5_000_000)));
  const small = new History(storageOf(1000));
  for (let i = 0; i < 5; ++i) assert.ok(small.put(chat(i, 300)));
  assert.deepEqual(small.all().map(({id}) => id), ["c4", "c3"]);
  small.clear();
  assert.deepEqual(small.all(), []);
});

test("exports are imported, other files are refused", () => {
  const one = new History(storageOf(1e6));
  one.put({id: "a", title: "A", updated: 1, messages: [{role: "user", content: "Hi"}, newAnswer({})]});
  const two = new History(storageOf(1e6));
  assert.equal(two.fromJson(one.toJson()), 1);
  assert.deepEqual(two.all(), one.all());
  const file = JSON.parse(one.toJson());
  const bad = [null, "", "{}", "[", JSON.stringify({...file, version: 2}), JSON.stringify({...file, chats: [{id: "b"}]}),
    JSON.stringify({...file, chats: [{...file.chats[0], id: "../x y"}]}),
    JSON.stringify({...file, chats: [{...file.chats[0], messages: [{role: "system", content: "x"}]}]})];
  for (const json of bad) assert.throws(() => two.fromJson(json), /no file of chats/);
  assert.deepEqual(two.all(), one.all());
});
