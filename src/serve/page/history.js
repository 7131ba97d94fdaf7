// Chats in localStorage, each under a key of its own: two tabs do not undo each other's.

const PREFIX = "pith.chat.";
const MOST_CHATS = 200;
const MOST_CHARACTERS = 4_000_000;  // browsers give 5 million
const FORMAT = "pith-chats";

const text = (value) => typeof value === "string";

// A chat is {id, title, updated, messages}; a message {role, content, ..} (answer.js).
function isChat(value) {
  return value !== null && typeof value === "object" && text(value.id) && /^[\w-]{1,64}$/.test(value.id) &&
    text(value.title) && Number.isFinite(value.updated) && Array.isArray(value.messages) &&
    value.messages.every((message) => message !== null && typeof message === "object" && text(message.content) &&
      (message.role === "user" || (message.role === "assistant" && text(message.reasoning) && Array.isArray(message.branches) &&
        message.branches.every((branch) => branch !== null && typeof branch === "object" && text(branch.content) && text(branch.reasoning)))));
}

export class History {
  constructor(storage) {
    this.storage = storage;
  }

  #read(key) {
    try {
      const chat = JSON.parse(this.storage.getItem(key));
      return isChat(chat) ? chat : null;
    } catch {
      return null;
    }
  }
  #keys() {
    const keys = [];
    for (let i = 0; i < this.storage.length; ++i) {
      const key = this.storage.key(i);
      if (key.startsWith(PREFIX)) keys.push(key);
    }
    return keys;
  }

  // Newest first.
  all() {
    return this.#keys().map((key) => this.#read(key)).filter((chat) => chat !== null).sort((a, b) => b.updated - a.updated);
  }

  // The oldest give way. Whether it was kept: a browser may allow no storage, or too little.
  put(chat) {
    const value = JSON.stringify(chat);
    const others = this.all().filter((other) => other.id !== chat.id);
    const sizes = others.map((other) => this.storage.getItem(PREFIX + other.id).length);
    let total = sizes.reduce((sum, size) => sum + size, value.length);
    while (true) {
      if (others.length < MOST_CHATS && total <= MOST_CHARACTERS) {
        try {
          this.storage.setItem(PREFIX + chat.id, value);
          return true;
        } catch {
          // Full: one more gives way.
        }
      }
      if (others.length === 0) return false;
      this.storage.removeItem(PREFIX + others.pop().id);
      total -= sizes.pop();
    }
  }

  has(id) {
    return this.storage.getItem(PREFIX + id) !== null;
  }
  remove(id) {
    this.storage.removeItem(PREFIX + id);
  }
  clear() {
    for (const key of this.#keys()) this.storage.removeItem(key);
  }

  toJson() {
    return JSON.stringify({format: FORMAT, version: 1, chats: this.all()}, null, 1);
  }
  // Adds the chats of an export; those with the same id are replaced. How many; throws.
  fromJson(json) {
    let file = null;
    try {
      file = JSON.parse(json);
    } catch {
      // Told below.
    }
    if (file?.format !== FORMAT || file.version !== 1 || !Array.isArray(file.chats) || !file.chats.every(isChat)) {
      throw new Error("This is no file of chats that pith has exported.");
    }
    return file.chats.sort((a, b) => a.updated - b.updated).filter((chat) => this.put(chat)).length;
  }
}
