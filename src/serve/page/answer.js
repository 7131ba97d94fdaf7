// An answer while it is written, and afterwards: what the chunks of a stream add up to. A
// plain value, which goes into the history as it is.

const MOST_STORED = 6000;  // characters of one branch

export function newAnswer(request) {
  return {
    role: "assistant", content: "", reasoning: "",
    wanted: request.branches ?? 0,  // branches; 0: plain text
    branches: [],  // {content, reasoning, answer, score, verifier_score, tokens, finish_reason}
    pith: null, usage: null, firstToken: null, state: "writing", error: null,
  };
}

function branchOf(answer, index) {
  while (answer.branches.length <= index) answer.branches.push({content: "", reasoning: ""});
  return answer.branches[index];
}

// `seconds` since the request was sent.
export function addChunk(answer, chunk, seconds) {
  const pith = chunk.pith;
  if (chunk.usage) answer.usage = chunk.usage;
  if (chunk.choices.length === 0 && pith?.branch !== undefined) {
    const {branch: index, content, reasoning_content: reasoning, ...end} = pith;
    const branch = branchOf(answer, index);
    if (content !== undefined || reasoning !== undefined) {
      branch.content += content ?? "";
      branch.reasoning += reasoning ?? "";
      answer.firstToken ??= seconds;
    } else {
      Object.assign(branch, end);
    }
  }
  for (const choice of chunk.choices) {
    const {content, reasoning_content: reasoning} = choice.delta;
    if (content || reasoning) answer.firstToken ??= seconds;
    answer.content += content ?? "";
    answer.reasoning += reasoning ?? "";
    if (choice.finish_reason) answer.state = "done";
    if (choice.finish_reason && pith) finish(answer, pith);
  }
}

function finish(answer, {branches, ...pith}) {
  answer.pith = pith;
  for (const {branch: index, text, reasoning, ...end} of branches ?? []) {
    Object.assign(branchOf(answer, index), end, {content: text, reasoning});
  }
}

// As it goes into the history.
export function stored(answer) {
  const cut = (text) => (text.length > MOST_STORED ? `${text.slice(0, MOST_STORED)} …` : text);
  return {...answer, branches: answer.branches.map((branch) => ({...branch, content: cut(branch.content), reasoning: cut(branch.reasoning)}))};
}

// "branch" of what becomes of it: it has not begun, writes, or is done.
export function branchState(answer, branch) {
  if (branch.finish_reason) return branch.tokens > 0 ? "done" : "unused";
  return answer.state === "writing" ? "writing" : "stopped";
}

const percent = (share) => `${Math.round(100 * share)} %`;

// What a confidence is, and is not.
export function confidenceText(pith) {
  if (pith.confidence_kind === "calibrated") {
    return `${percent(pith.confidence)} likely to be right, as calibrated on the pack's own questions; yours may differ.`;
  }
  const answered = pith.votes.reduce((sum, vote) => sum + vote.branches.length, 0);
  if (answered === 1) return "Only one branch answered: there is nothing that it could agree with.";
  return `${percent(pith.confidence)} of the vote agrees. That is agreement, not the chance of being right.`;
}

export function thinkText(pith) {
  const how = pith.thinking ? "thought first" : "answered at once";
  return pith.think_probability === null ? how : `${how} (switcher: ${percent(pith.think_probability)} that thinking is needed)`;
}

// Tokens a second of all branches together from the first token on; null where it cannot be said.
export function tokensPerSecond(answer) {
  const timing = answer.pith?.timing;
  const tokens = (answer.usage?.completion_tokens ?? 0) - 1;
  const seconds = timing ? timing.total_s - timing.first_token_s : 0;
  return tokens > 0 && timing.first_token_s > 0 && seconds > 0 ? tokens / seconds : null;
}

export function statistics(answer) {
  const parts = [];
  const {pith, usage} = answer;
  const speed = tokensPerSecond(answer);
  if (speed !== null) parts.push(`${speed.toFixed(1)} tokens a second${answer.wanted > 1 ? ", all branches together" : ""}`);
  const first = pith?.timing.first_token_s || answer.firstToken;
  if (first) parts.push(`first token after ${first.toFixed(2)} s`);
  if (pith) parts.push(`${pith.timing.total_s.toFixed(1)} s in all`);
  if (usage) parts.push(`${usage.completion_tokens} tokens`);
  if (pith?.timing.queued_s >= 0.1) parts.push(`queued ${pith.timing.queued_s.toFixed(1)} s`);
  if (pith?.saved_tokens > 0) parts.push(`${pith.saved_tokens} tokens saved by stopping early`);
  if (pith?.plan) parts.push(`planned ${pith.plan.branches} branches of ${pith.plan.budget_tokens} tokens`);
  if (pith) parts.push(thinkText(pith));
  return parts.join(" · ");
}

// Why it ends where it does, where that is not because it was done; else "".
export function endText(answer) {
  if (answer.state === "stopped") return "You stopped it.";
  if (answer.state === "failed") return answer.error;
  const reasons = answer.pith?.finish_reasons ?? [];
  if (reasons.includes("budget")) return "Its budget ran out.";
  if (reasons.includes("context")) return "The context is full.";
  if (reasons.includes("deadline")) return "Its time ran out.";
  return "";
}
