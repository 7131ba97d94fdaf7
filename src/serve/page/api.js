// The server's API. Addresses are relative to the page's, so that it works below a path too.
import {SseParser} from "./sse.js";

const KEY = "pith.key";

export class ApiError extends Error {
  constructor(status, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;  // seconds
  }
}

// Kept as long as the tab is.
export function setKey(key) {
  sessionStorage.setItem(KEY, key);
}

async function call(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = {...options.headers, ...(key ? {Authorization: `Bearer ${key}`} : {})};
  const response = await fetch(path, {...options, headers, cache: "no-store"});
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  throw new ApiError(response.status, body?.error?.message ?? `the server answered with status ${response.status}`, retryAfter);
}

// The served model: its object of /v1/models.
export async function servedModel() {
  return (await (await call("v1/models")).json()).data[0];
}

// "ok", "draining" or "unreachable".
export async function health() {
  try {
    return (await (await fetch("health", {cache: "no-store"})).json()).status;
  } catch {
    return "unreachable";
  }
}

// Calls `onChunk` with each chunk of the answer to `request`; ends with it. Throws ApiError,
// and AbortError when `signal` is.
export async function streamChat(request, signal, onChunk) {
  const response = await call("v1/chat/completions", {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({...request, stream: true, stream_options: {include_usage: true}}),
    signal,
  });
  const parser = new SseParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  while (true) {
    const {done, value} = await reader.read();
    if (done) throw new ApiError(0, "the connection ended before the answer did");
    for (const data of parser.push(value)) {
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ApiError(0, chunk.error.message);
      onChunk(chunk);
    }
  }
}
