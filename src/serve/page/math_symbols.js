// What the commands of LaTeX stand for, as far as math.js knows them.

function table(text) {
  return new Map(text.trim().split(/\s+/).map((pair) => {
    const at = pair.lastIndexOf("=", pair.length - 2);
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
}

export const LETTERS = table(`
  alpha=α beta=β gamma=γ delta=δ epsilon=ϵ varepsilon=ε zeta=ζ eta=η theta=θ vartheta=ϑ iota=ι
  kappa=κ lambda=λ mu=μ nu=ν xi=ξ pi=π varpi=ϖ rho=ρ varrho=ϱ sigma=σ varsigma=ς tau=τ upsilon=υ
  phi=ϕ varphi=φ chi=χ psi=ψ omega=ω Gamma=Γ Delta=Δ Theta=Θ Lambda=Λ Xi=Ξ Pi=Π Sigma=Σ
  Upsilon=Υ Phi=Φ Psi=Ψ Omega=Ω ell=ℓ hbar=ℏ imath=ı jmath=ȷ Re=ℜ Im=ℑ aleph=ℵ infty=∞
  partial=∂ nabla=∇ emptyset=∅ varnothing=∅ angle=∠ triangle=△ square=□ blacksquare=■ degree=°
  top=⊤ bot=⊥ prime=′ checkmark=✓`);

export const OPERATORS = table(`
  times=× cdot=⋅ div=÷ pm=± mp=∓ ast=∗ star=⋆ circ=∘ bullet=∙ oplus=⊕ otimes=⊗ cap=∩ cup=∪
  wedge=∧ land=∧ vee=∨ lor=∨ neg=¬ lnot=¬ setminus=∖ leq=≤ le=≤ leqslant=≤ geq=≥ ge=≥
  geqslant=≥ neq=≠ ne=≠ ll=≪ gg=≫ approx=≈ equiv=≡ sim=∼ simeq=≃ cong=≅ propto=∝ in=∈ notin=∉
  ni=∋ subset=⊂ subseteq=⊆ supset=⊃ supseteq=⊇ mid=∣ nmid=∤ parallel=∥ perp=⊥ forall=∀
  exists=∃ nexists=∄ to=→ rightarrow=→ longrightarrow=⟶ leftarrow=← gets=← leftrightarrow=↔
  Rightarrow=⇒ Longrightarrow=⟹ implies=⟹ Leftarrow=⇐ Leftrightarrow=⇔ iff=⟺ mapsto=↦
  uparrow=↑ downarrow=↓ therefore=∴ because=∵ ldots=… dots=… dotsc=… dotsb=⋯ cdots=⋯ vdots=⋮
  ddots=⋱ colon=: lt=< gt=> dagger=† models=⊨ vdash=⊢`);

// Those whose limits stand below and above in displays.
export const LARGE = table("sum=∑ prod=∏ coprod=∐ bigcup=⋃ bigcap=⋂ bigoplus=⨁ bigotimes=⨂ bigvee=⋁ bigwedge=⋀");
export const INTEGRALS = table("int=∫ iint=∬ iiint=∭ oint=∮");
export const FUNCTIONS = new Set(("sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp " +
  "deg dim ker arg hom").split(" "));
export const LIMIT_FUNCTIONS = new Set("lim limsup liminf max min sup inf gcd lcm det Pr argmax argmin".split(" "));

export const FENCES = table(`
  {={ }=} |=‖ lbrace={ rbrace=} langle=⟨ rangle=⟩ lfloor=⌊ rfloor=⌋ lceil=⌈ rceil=⌉ vert=| lvert=|
  rvert=| Vert=‖ lVert=‖ rVert=‖ lbrack=[ rbrack=]`);

export const ACCENTS = table("hat=^ widehat=^ bar=¯ overline=¯ vec=→ overrightarrow=→ dot=˙ ddot=¨ tilde=~ widetilde=~ overbrace=⏞");
export const STRETCHED = new Set("widehat overline overrightarrow widetilde overbrace".split(" "));
export const UNDER = table("underline=_ underbrace=⏟");
export const SPACES = new Map([[",", "0.17em"], [":", "0.22em"], [";", "0.28em"], ["!", "-0.17em"], [" ", "0.25em"],
  ["quad", "1em"], ["qquad", "2em"], ["thinspace", "0.17em"], ["enspace", "0.5em"]]);
export const TEXTS = new Set("text textrm textbf textit textsf texttt mbox hbox textnormal".split(" "));
export const UPRIGHT = new Set("mathrm operatorname mathsf mathtt mathit rm".split(" "));
// Said about the setting, not the meaning.
export const IGNORED = new Set(("displaystyle textstyle scriptstyle big Big bigg Bigg bigl bigr Bigl Bigr " +
  "biggl biggr Biggl Biggr nonumber notag hline").split(" "));

export const MATRICES = new Map([["matrix", ["", ""]], ["pmatrix", ["(", ")"]], ["bmatrix", ["[", "]"]],
  ["Bmatrix", ["{", "}"]], ["vmatrix", ["|", "|"]], ["Vmatrix", ["‖", "‖"]], ["smallmatrix", ["", ""]],
  ["array", ["", ""]], ["cases", ["{", ""]]]);
export const ALIGNED = new Set("align aligned alignat split eqnarray".split(" "));
export const CENTRED = new Set("gather gathered equation multline".split(" "));

// The mathematical alphabets of Unicode: where A begins, and the letters that were there before.
export const ALPHABETS = new Map(Object.entries({
  mathbb: [0x1d538, {C: "ℂ", H: "ℍ", N: "ℕ", P: "ℙ", Q: "ℚ", R: "ℝ", Z: "ℤ"}, 0x1d7d8],
  mathbf: [0x1d400, {}, 0x1d7ce],
  mathcal: [0x1d49c, {B: "ℬ", E: "ℰ", F: "ℱ", H: "ℋ", I: "ℐ", L: "ℒ", M: "ℳ", R: "ℛ", e: "ℯ", g: "ℊ", o: "ℴ"}],
  mathfrak: [0x1d504, {C: "ℭ", H: "ℌ", I: "ℑ", R: "ℜ", Z: "ℨ"}],
}));
for (const other of ["boldsymbol", "bm", "pmb"]) ALPHABETS.set(other, ALPHABETS.get("mathbf"));
ALPHABETS.set("mathscr", ALPHABETS.get("mathcal"));

export function inAlphabet([upper, exceptions, digits], text) {
  return Array.from(text, (c) => {
    if (exceptions[c]) return exceptions[c];
    if (/[A-Z]/.test(c)) return String.fromCodePoint(upper + c.charCodeAt(0) - 65);
    if (/[a-z]/.test(c)) return String.fromCodePoint(upper + 26 + c.charCodeAt(0) - 97);
    if (/[0-9]/.test(c) && digits) return String.fromCodePoint(digits + c.charCodeAt(0) - 48);
    return c;
  }).join("");
}
