// Trees of elements as plain values. The renderers make them, `build` puts them into the
// page: text only ever becomes text nodes, and no element or attribute outside these lists
// exists, so nothing that a model writes can become markup.

const HTML = new Set(("a blockquote br button code dd del details div dl dt em h2 h3 h4 h5 h6 hr li " +
  "meter ol p pre section span strong summary table tbody td th thead tr ul").split(" "));
const MATH = new Set(("math semantics annotation mrow mi mn mo mtext mspace mfrac msqrt mroot msup msub " +
  "msubsup mover munder munderover mtable mtr mtd mpadded").split(" "));
const ATTRIBUTES = new Set(("accent aria-label class columnalign display encoding fence form high href " +
  "linethickness low max min movablelimits open optimum rel role scope start stretchy symmetric " +
  "tabindex target title type value width").split(" "));

const MATHML = "http://www.w3.org/1998/Math/MathML";

// {tag, attributes, children}; children are trees and strings.
export function h(tag, attributes = {}, ...children) {
  return {tag, attributes, children: children.flat(Infinity)};
}

// Formulas as their source.
export function textOf(tree) {
  if (typeof tree === "string") return tree;
  const children = tree.tag === "semantics" ? tree.children.slice(-1) : tree.children;
  return children.map(textOf).join("");
}

export function isSafeLink(url) {
  return /^(https?:\/\/|mailto:)[^\s]/i.test(url);
}

// A node of `document`.
export function build(tree, document, inMath = false) {
  if (typeof tree === "string") return document.createTextNode(tree);
  const math = inMath || tree.tag === "math";
  if (!(math ? MATH : HTML).has(tree.tag)) throw new Error(`no element ${tree.tag}`);
  const element = math ? document.createElementNS(MATHML, tree.tag) : document.createElement(tree.tag);
  for (const [name, value] of Object.entries(tree.attributes)) {
    if (!ATTRIBUTES.has(name)) throw new Error(`no attribute ${name}`);
    if (name === "href" && !isSafeLink(value)) throw new Error("no such link");
    element.setAttribute(name, value);
  }
  for (const child of tree.children) element.append(build(child, document, math));
  return element;
}

// Makes `element`'s children those of `trees`. Those that are as they were stay, with what
// the reader has selected or opened in them.
export function update(element, trees) {
  const keys = trees.map((tree) => JSON.stringify(tree));
  const old = element.builtFrom ?? [];
  let same = 0;
  while (same < keys.length && same < old.length && keys[same] === old[same]) ++same;
  while (element.childNodes.length > same) element.lastChild.remove();
  for (const tree of trees.slice(same)) element.append(build(tree, element.ownerDocument));
  element.builtFrom = keys;
}
