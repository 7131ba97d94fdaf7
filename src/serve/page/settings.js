// What the controls below the question say, and the request that follows from it.

const NAME = "pith.settings";
const TOKENS = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768];
const SECONDS = [2, 5, 10, 20, 30, 60, 120, 300, 600];
const BRANCHES = [2, 4, 8, 16, 32, 64, 128];

export const DEFAULTS = {think: "auto", branches: 0, vote: "", answer: "number", unit: "tokens", tokens: 0, seconds: 0};

// Kept by the browser; those of another version, or that somebody changed, give way to the defaults.
export function load(storage) {
  let kept = null;
  try {
    kept = JSON.parse(storage.getItem(NAME));
  } catch {
    // Not ours.
  }
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, typeof kept?.[name] === typeof value ? kept[name] : value]));
}

export function save(storage, settings) {
  try {
    storage.setItem(NAME, JSON.stringify(settings));
  } catch {
    // They last as long as the page then.
  }
}

function upTo(values, limit) {
  if (limit === null) return values;
  return [...values.filter((value) => value < limit), limit];
}

// What there is to choose from, of the pith object of a model (/v1/models); 0 is for "as the server has it".
export function choices(about) {
  const {limits} = about;
  return {
    branches: [0, 1, ...upTo(BRANCHES, limits.branches).filter((count) => count > 1)],
    tokens: [0, ...upTo(TOKENS, limits.max_tokens)],
    seconds: [0, ...upTo(SECONDS, limits.deadline)],
    verifier: about.has_verifier,
  };
}

// With what this server does not offer left out.
export function within(settings, offered) {
  const known = (name) => (offered[name].includes(settings[name]) ? settings[name] : 0);
  return {
    ...settings,
    branches: known("branches"), tokens: known("tokens"), seconds: known("seconds"),
    vote: settings.vote === "verifier" && !offered.verifier ? "" : settings.vote,
  };
}

export function budgetText(settings, about) {
  if (settings.unit === "seconds") {
    if (settings.seconds > 0) return `${settings.seconds} s`;
    return about.limits.deadline === null ? "no limit" : `${about.limits.deadline} s`;
  }
  if (settings.tokens > 0) return `${settings.tokens} tokens`;
  return settings.branches > 0 ? `${about.defaults.budget} tokens` : "no limit";
}

// Without the questions that were never answered: stopped at once, or refused.
function conversation(messages) {
  return messages.filter((message, i) => message.content !== "" && messages[i + 1]?.content !== "")
    .map(({role, content}) => ({role, content}));
}

// The body of a request of /v1/chat/completions.
export function requestOf(settings, messages) {
  const request = {messages: conversation(messages), think: settings.think};
  if (settings.branches > 0) {
    Object.assign(request, {branches: settings.branches, answer: settings.answer, include_branches: true});
    if (settings.vote) request.vote = settings.vote;
  }
  if (settings.unit === "seconds") {
    if (settings.seconds > 0) request.deadline = settings.seconds;
  } else if (settings.tokens > 0) {
    request[settings.branches > 0 ? "budget" : "max_tokens"] = settings.tokens;
  }
  return request;
}
