// Questions and answers as elements.
import {branchState, confidenceText, endText, statistics} from "./answer.js";
import {markdown} from "./markdown.js";
import {mathTree} from "./math.js";
import {build, h, update} from "./tree.js";

const TAIL = 600;  // characters of a branch that are seen while it writes

const percent = (share) => `${Math.round(100 * share)} %`;

// A vote's answer is one expression.
function answerTree(answer) {
  return answer.includes("\\") ? mathTree(answer) : answer;
}

function thoughtTree(reasoning, label) {
  return h("details", {class: "thought"}, h("summary", {}, label), h("div", {class: "thought-text"}, markdown(reasoning)));
}

function button(label, name, action) {
  return h("button", {type: "button", class: action, "aria-label": name}, label);
}

export function questionElement(message) {
  return build(h("li", {class: "question"}, h("span", {class: "hidden"}, "You:"),
    h("div", {class: "bubble"}, message.content),
    h("div", {class: "actions"}, button("Edit", "Edit the question", "edit"))), document);
}

function progressText(answer) {
  const count = answer.branches.filter((branch) => branch.finish_reason && branch.tokens > 0).length;
  return `${count} of at most ${answer.wanted} branches are done.`;
}

function voteTrees(answer) {
  const pith = answer.pith;
  if (!pith?.votes) return [];
  if (pith.answer === null) return [h("p", {class: "verdict"}, "No branch came to an answer.")];
  const answered = pith.votes.reduce((sum, vote) => sum + vote.branches.length, 0);
  const weighed = pith.vote !== "majority";
  return [
    h("p", {class: "verdict"}, "Answer: ", h("strong", {}, answerTree(pith.answer))),
    h("ul", {class: "votes"}, pith.votes.map((vote) => {
      const label = `${vote.branches.length} of ${answered} branches${weighed ? `, ${percent(vote.weight_share)} of the weight` : ""}`;
      return h("li", {}, h("span", {class: "vote-answer"}, answerTree(vote.answer)),
        h("meter", {min: "0", max: "1", value: String(vote.weight_share), "aria-label": label}), h("span", {}, label));
    })),
    h("p", {class: "quiet"}, confidenceText(pith), weighed ? ` Weighed by ${pith.vote}.` : ""),
  ];
}

const STATES = {writing: "writes …", done: "done", unused: "not needed", stopped: "stopped"};
const ENDS = {budget: "out of budget", decided: "vote was decided", deadline: "out of time", context: "context full"};

class BranchCard {
  constructor(index) {
    this.name = `Branch ${index + 1}`;
    this.element = build(h("section", {class: "card", "aria-label": this.name},
      h("div", {class: "card-head"}), h("div", {class: "card-text", tabindex: "0", role: "region", "aria-label": `Text of branch ${index + 1}`}),
      h("div", {class: "card-foot"})), document);
    [this.head, this.text, this.foot] = this.element.children;
  }

  show(answer, branch, index) {
    const state = branchState(answer, branch);
    const winners = answer.pith?.votes?.[0]?.branches ?? [];
    const wins = winners.includes(index);
    const best = wins && answer.pith.best_branch === index;
    this.element.className = `card ${state}${wins ? " wins" : ""}${best ? " best" : ""}`;
    const other = answer.pith && branch.answer ? "other answer" : STATES[state];
    const badge = best ? "★ speaks for the winner" : wins ? "✓ agrees" : ENDS[branch.finish_reason] ?? other;
    update(this.head, [h("strong", {}, this.name), h("span", {class: "badge"}, badge)]);
    if (state === "writing") {
      const written = branch.content || branch.reasoning;
      update(this.text, [h("p", {class: branch.content ? "" : "thought-text"}, written.slice(-TAIL))]);
      this.text.scrollTop = this.text.scrollHeight;
    } else {
      update(this.text, [branch.reasoning ? thoughtTree(branch.reasoning, "Thought") : [], markdown(branch.content)].flat());
    }
    const facts = [];
    if (branch.answer) facts.push(h("dt", {}, "answer"), h("dd", {}, answerTree(branch.answer)));
    else if (state === "done") facts.push(h("dt", {}, "answer"), h("dd", {}, "none"));
    if (typeof branch.verifier_score === "number") facts.push(h("dt", {}, "verifier"), h("dd", {}, branch.verifier_score.toFixed(2)));
    if (state === "done") facts.push(h("dt", {}, "score"), h("dd", {title: "Mean probability that the model gave its own tokens"}, branch.score.toFixed(2)));
    if (branch.tokens > 0) facts.push(h("dt", {}, "tokens"), h("dd", {}, String(branch.tokens)));
    update(this.foot, facts.length > 0 ? [h("dl", {}, facts)] : []);
  }
}

export class AnswerView {
  #cards = [];

  constructor() {
    this.element = build(h("li", {class: "answer"}, h("span", {class: "hidden"}, "Answer:"), h("div"), h("div", {class: "verdicts"}), h("div", {class: "cards"}),
      h("div", {class: "content"}), h("p", {class: "end"}), h("p", {class: "quiet statistics"}),
      h("div", {class: "actions"}, button("Copy", "Copy the answer", "copy-answer"), button("Regenerate", "Write another answer", "regenerate"))), document);
    [, this.thought, this.verdict, this.cards, this.content, this.end, this.statistics] = this.element.children;
  }

  show(answer) {
    const writing = answer.state === "writing";
    this.element.setAttribute("aria-busy", String(writing));
    this.element.classList.toggle("writing", writing);
    this.#showThought(answer, writing);
    const progress = writing && answer.wanted > 1 ? [h("p", {class: "quiet"}, progressText(answer))] : voteTrees(answer);
    update(this.verdict, progress);
    for (const [index, branch] of answer.branches.entries()) {
      if (!this.#cards[index]) {
        this.#cards[index] = new BranchCard(index);
        this.cards.append(this.#cards[index].element);
      }
      this.#cards[index].show(answer, branch, index);
    }
    update(this.content, markdown(answer.content));
    if (writing && !answer.content && !answer.reasoning && answer.branches.length === 0) {
      update(this.content, [h("p", {class: "quiet waiting"}, "Reading the question …")]);
    }
    this.end.textContent = endText(answer);
    this.end.className = answer.state === "failed" ? "end error" : "end quiet";
    this.statistics.textContent = writing ? "" : statistics(answer);
  }

  // One element for all its life: it stays as open as the reader has left it.
  #showThought(answer, writing) {
    if (!answer.reasoning) return;
    const tokens = answer.usage?.completion_tokens_details?.reasoning_tokens;
    const done = answer.content || !writing;
    const label = done ? `Thought${tokens && answer.wanted === 0 ? ` · ${tokens} tokens` : ""}` : "Thinking …";
    if (!this.thought.firstChild) this.thought.append(build(thoughtTree("", label), document));
    const [summary, text] = this.thought.firstChild.children;
    if (summary.textContent !== label) summary.textContent = label;
    update(text, markdown(answer.reasoning));
  }
}
