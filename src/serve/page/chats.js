// The list of chats beside the conversation.
import {build, h} from "./tree.js";

const $ = (id) => document.getElementById(id);

export class ChatList {
  // `open(chat)` shows one, null a new one; `current()` is the one that is shown; `notice(text)`
  // tells the reader something.
  constructor(history, {open, current, notice}) {
    Object.assign(this, {history, open, current, notice});
    $("show-chats").addEventListener("click", () => this.toggle($("chats").hidden));
    $("new-chat").addEventListener("click", () => this.#choose(null));
    $("delete-all").addEventListener("click", () => this.#deleteAll());
    $("export").addEventListener("click", () => this.#export());
    $("import").addEventListener("click", () => $("import-file").click());
    $("import-file").addEventListener("change", () => this.#import());
  }

  get isOpen() {
    return !$("chats").hidden;
  }

  toggle(open) {
    $("chats").hidden = !open;
    $("show-chats").setAttribute("aria-expanded", String(open));
    document.body.classList.toggle("with-chats", open);
    if (!open) $("show-chats").focus();
  }

  show() {
    $("chat-list").replaceChildren(...this.history.all().map((chat) => this.#item(chat)));
  }

  #item(chat) {
    const item = build(h("li", {}, h("button", {type: "button", class: "open-chat"}, chat.title),
      h("button", {type: "button", class: "delete-chat", "aria-label": `Delete ${chat.title}`, title: "Delete"}, "×")), document);
    const [title, remove] = item.children;
    const isShown = chat.id === this.current().id;
    if (isShown) title.setAttribute("aria-current", "true");
    title.addEventListener("click", () => this.#choose(chat));
    remove.addEventListener("click", () => {
      this.history.remove(chat.id);
      if (isShown) this.open(null);
      else this.show();
    });
    return item;
  }

  #choose(chat) {
    // On a narrow screen the list covers the chat.
    if (!matchMedia("(min-width: 64rem)").matches) this.toggle(false);
    this.open(chat);
  }

  #deleteAll() {
    if (!confirm("Delete all chats of this browser?")) return;
    this.history.clear();
    this.open(null);
  }

  #export() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([this.history.toJson()], {type: "application/json"}));
    link.download = "pith-chats.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async #import() {
    const [file] = $("import-file").files;
    if (!file) return;
    try {
      this.notice(`${this.history.fromJson(await file.text())} chats were imported.`);
    } catch (error) {
      this.notice(error.message);
    }
    $("import-file").value = "";
    this.show();
  }
}
