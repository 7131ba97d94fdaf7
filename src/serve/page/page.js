// The page: what happens on which event.
import {addChunk, newAnswer, stored} from "./answer.js";
import {ApiError, health, servedModel, setKey, streamChat} from "./api.js";
import {ChatList} from "./chats.js";
import {Controls} from "./controls.js";
import {History} from "./history.js";
import {plainText} from "./markdown.js";
import {requestOf} from "./settings.js";
import {build, h} from "./tree.js";
import {AnswerView, questionElement} from "./view.js";

const HEALTH_MS = 15_000;
const LEAST_FRAME_MS = 60;
const MOST_TITLE = 60;

const $ = (id) => document.getElementById(id);

// localStorage, or where the browser gives none, memory.
function browserStorage() {
  try {
    localStorage.getItem("");
    return localStorage;
  } catch {
    const map = new Map();
    return {
      get length() { return map.size; },
      key: (i) => [...map.keys()][i],
      getItem: (name) => map.get(name) ?? null,
      setItem: (name, value) => map.set(name, value),
      removeItem: (name) => map.delete(name),
    };
  }
}

const storage = browserStorage();
const history = new History(storage);
const newChat = () => ({id: Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  title: "", updated: Date.now(), messages: []});

let chat = newChat();
let running = null;    // AbortController of the answer at work
let editing = false;   // the question below replaces the last one
let isKnown = false;   // the model
const controls = new Controls(storage);
const list = new ChatList(history, {open, notice, current: () => chat});

function notice(text) {
  $("notice").textContent = text;
}

// ---- The conversation

function lastIsAnswer() {
  return chat.messages.at(-1)?.role === "assistant";
}

function showChat() {
  const elements = chat.messages.map((message) => {
    if (message.role === "user") return questionElement(message);
    try {
      const view = new AnswerView();
      view.show(message);
      return view.element;
    } catch {
      // From a file that somebody changed.
      return build(h("li", {class: "answer error"}, "This answer cannot be shown."), document);
    }
  });
  $("log").replaceChildren(...elements);
  $("welcome").hidden = elements.length > 0;
  $("log").lastElementChild?.scrollIntoView({block: "end"});
}

function keep(kept) {
  kept.updated = Date.now();
  if (!kept.title) kept.title = kept.messages[0].content.trim().slice(0, MOST_TITLE);
  const messages = kept.messages.map((message) => (message.role === "user" ? message : stored(message)));
  if (!history.put({...kept, messages})) notice("The browser's store is full or closed: this chat lasts as long as the page.");
  list.show();
}

function isAtEnd() {
  return innerHeight + scrollY >= document.documentElement.scrollHeight - 40;
}

// Shows the answer as it grows, not more often than it takes to draw it a few times over.
function liveView(answer) {
  const view = new AnswerView();
  let timer = null;
  let cost = 0;
  const draw = () => {
    timer = null;
    const follow = isAtEnd();
    const start = performance.now();
    view.show(answer);
    cost = performance.now() - start;
    if (follow) scrollTo(0, document.documentElement.scrollHeight);
  };
  return {
    element: view.element,
    changed: () => { timer ??= setTimeout(draw, Math.max(LEAST_FRAME_MS, 4 * cost)); },
    finish: () => { clearTimeout(timer); draw(); },
  };
}

function setRunning(controller) {
  running = controller;
  $("stop").hidden = controller === null;
  $("send").hidden = controller !== null;
  document.body.classList.toggle("running", controller !== null);
}

// Answers the last question.
async function answerIt() {
  if (running) return;
  notice("");
  const request = requestOf(controls.settings, chat.messages);
  const answer = newAnswer(request);
  const live = liveView(answer);
  const mine = chat;
  mine.messages.push(answer);
  $("log").append(live.element);
  $("welcome").hidden = true;
  live.finish();
  scrollTo(0, document.documentElement.scrollHeight);
  $("spoken").textContent = "Answering.";
  const controller = new AbortController();
  setRunning(controller);
  const start = performance.now();
  let refusal = null;
  try {
    await streamChat(request, controller.signal, (chunk) => {
      addChunk(answer, chunk, (performance.now() - start) / 1000);
      live.changed();
    });
  } catch (error) {
    if (error.name === "AbortError") {
      answer.state = "stopped";
    } else {
      refusal = error;
      answer.state = "failed";
      answer.error = error instanceof ApiError ? error.message : `The server cannot be reached (${error.message}).`;
      if (error.retryAfter) answer.error += ` Try again in ${error.retryAfter} s.`;
    }
  }
  setRunning(null);
  live.finish();
  $("spoken").textContent = answer.error ?? `Answer: ${plainText(answer.content)}`;
  if (mine === chat || history.has(mine.id)) keep(mine);  // else it was deleted meanwhile
  if (refusal?.status === 401) askForKey(regenerate);
}

function ask(text) {
  if (editing && chat.messages.length > 0) {
    if (lastIsAnswer()) chat.messages.pop();
    chat.messages.pop();
  }
  setEditing(false);
  chat.messages.push({role: "user", content: text});
  keep(chat);
  showChat();
  answerIt();
}

function open(other) {
  running?.abort();
  chat = other ?? newChat();
  setEditing(false);
  notice("");
  showChat();
  list.show();
  $("question").focus();
}

function regenerate() {
  if (running || !lastIsAnswer()) return;
  chat.messages.pop();
  showChat();
  answerIt();
}

function setEditing(on) {
  editing = on;
  $("send").textContent = on ? "Replace" : "Send";
  document.body.classList.toggle("editing", on);
}

function editLast() {
  const question = chat.messages.findLast((message) => message.role === "user");
  if (running || !question) return;
  $("question").value = question.content;
  setEditing(true);
  resize();
  $("question").focus();
}

function submit() {
  const text = $("question").value.trim();
  if (!text || running) return;
  $("question").value = "";
  resize();
  ask(text);
}

function resize() {
  const area = $("question");
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}

async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers keep the clipboard from pages without TLS of other machines.
    getSelection().selectAllChildren(from);
    document.execCommand("copy");
  }
  $("spoken").textContent = "Copied.";
}

$("log").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const item = button.closest("li.answer, li.question");
  if (button.classList.contains("copy-code")) {
    const code = button.closest(".code").querySelector("pre");
    copy(code.textContent, code);
  } else if (button.classList.contains("copy-answer")) {
    const message = chat.messages[[...$("log").children].indexOf(item)];
    copy(message.content, item.querySelector(".content"));
  } else if (button.classList.contains("regenerate")) {
    regenerate();
  } else if (button.classList.contains("edit")) {
    editLast();
  } else {
    return;
  }
  if (/^copy/.test(button.className)) {
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }
});

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
$("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
$("question").addEventListener("input", resize);
$("stop").addEventListener("click", () => {
  running?.abort();
  $("question").focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || $("key-dialog").open) return;
  if (running) {
    running.abort();
  } else if (editing) {
    $("question").value = "";
    setEditing(false);
    resize();
  } else if (list.isOpen) {
    list.toggle(false);
  }
});

// ---- The model

async function readModel() {
  try {
    const found = await servedModel();
    controls.setModel(found);
    isKnown = true;
    notice(found.pith.chats ? "" : "This model has no chat template: it continues texts (/v1/completions), but does not chat.");
  } catch (error) {
    if (error.status === 401) askForKey(() => {});
    else notice(error instanceof ApiError ? error.message : "The server cannot be reached.");
  }
}

async function showHealth() {
  if (document.hidden) return;
  const state = await health();
  const words = {ok: "ready", draining: "going down", unreachable: "not reachable"};
  const text = words[state] ?? state;
  if ($("health").textContent !== text) $("health").textContent = text;
  $("health").className = state;
  if (state === "ok" && !isKnown && !$("key-dialog").open) readModel();
}

// ---- The key

let afterKey = null;

function askForKey(then) {
  afterKey = then;
  if (!$("key-dialog").open) $("key-dialog").showModal();
  $("key").focus();
}

$("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  setKey($("key").value.trim());
  $("key").value = "";
  $("key-dialog").close();
  await readModel();
  if (isKnown) afterKey?.();
});
$("key-cancel").addEventListener("click", () => {
  $("key-dialog").close();
});
$("key-dialog").addEventListener("close", () => $("question").focus());

list.show();
showChat();
readModel();
showHealth();
setInterval(showHealth, HEALTH_MS);
document.addEventListener("visibilitychange", showHealth);
