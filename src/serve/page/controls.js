// The options below the question, and what there is to know of the model.
import {budgetText, choices, load, save, within} from "./settings.js";
import {h, update} from "./tree.js";

const $ = (id) => document.getElementById(id);

export class Controls {
  #about = null;    // the pith object of the model
  #offered = null;  // choices() of it

  constructor(storage) {
    this.storage = storage;
    this.settings = load(storage);
    for (const name of ["think", "vote", "answer", "unit"]) {
      $(name).addEventListener("change", () => this.#change({[name]: $(name).value}));
    }
    $("branches").addEventListener("change", () => this.#change({branches: Number($("branches").value)}));
    $("budget").addEventListener("input", () => {
      const {unit} = this.settings;
      this.#change({[unit]: this.#offered?.[unit][$("budget").value] ?? 0});
    });
    $("options").open = matchMedia("(min-width: 40rem)").matches;
    this.#show();
  }

  // As /v1/models has it.
  setModel(model) {
    this.#about = model.pith;
    this.#offered = choices(model.pith);
    this.settings = within(this.settings, this.#offered);
    const {pack} = model.pith;
    document.title = `${model.id} · pith`;
    $("model-name").textContent = pack ? `${model.id} + ${pack}` : model.id;
    $("vote").querySelector("[value=verifier]").disabled = !this.#offered.verifier;
    $("branches").replaceChildren(...this.#offered.branches.map((count) => new Option(count === 0 ? "none" : count, count)));
    update($("about-list"), facts(model).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    this.#show();
  }

  #change(changes) {
    this.settings = {...this.settings, ...changes};
    save(this.storage, this.settings);
    this.#show();
  }

  #show() {
    const {settings} = this;
    for (const name of ["think", "branches", "vote", "answer", "unit"]) $(name).value = settings[name];
    $("vote").disabled = $("answer").disabled = settings.branches === 0;
    if (!this.#offered) return;
    const values = this.#offered[settings.unit];
    $("budget").max = values.length - 1;
    $("budget").value = values.indexOf(settings[settings.unit]);
    const text = budgetText(settings, this.#about);
    $("budget-text").textContent = text;
    $("budget").setAttribute("aria-valuetext", text);
  }
}

function facts({id, pith: about}) {
  const {limits, defaults} = about;
  return [
    ["model", id],
    ["pack", about.pack ?? "none"],
    ["thinks", about.thinks ? "yes" : "no"],
    ["switcher", about.has_switcher ? "yes: it says when thinking is needed" : "no"],
    ["verifier", about.has_verifier ? "yes: it scores branches" : "no"],
    ["context", `${limits.context} tokens`],
    ["answer", `at most ${limits.max_tokens} tokens`],
    ["branches", `${defaults.branches} by default, at most ${limits.branches}`],
    ["time", limits.deadline === null ? "no limit" : `at most ${limits.deadline} s`],
    ["queue", `${limits.queue} requests`],
    ["temperature", String(Math.round(1000 * defaults.temperature) / 1000)],
  ];
}
