#!/usr/bin/env node
// OpenAI's own client for JavaScript against a running server, as check_openai.py is for Python.
//
//     tools/get-clients clients
//     pith serve -m smollm2-135m --port 8080 &
//     NODE_PATH=clients/node/node_modules node tests/cli/clients/check_openai.mjs http://127.0.0.1:8080 [API-KEY]
import {createRequire} from "node:module";

const require = createRequire(import.meta.url);
const OpenAI = require("openai");
const {VERSION} = require("openai/version");

const messages = [{role: "user", content: "What is 2 + 2?"}];

function check(condition, what) {
  if (condition) return;
  console.error(`check_openai: ${what}`);
  process.exit(1);
}

async function refused(promise, kind) {
  try {
    await promise;
  } catch (error) {
    check(error instanceof kind, `another error: ${error}`);
    return error;
  }
  check(false, "it is not refused");
}

async function checkModels(client) {
  const [model] = (await client.models.list()).data;
  check((await client.models.retrieve(model.id)).id === model.id, "the model is not found by its name");
  return model.id;
}

async function checkChat(client, model) {
  const options = {model, messages, seed: 1, max_completion_tokens: 24};
  const whole = await client.chat.completions.create({...options, n: 2, logprobs: true, top_logprobs: 2});
  check(whole.choices.map((choice) => choice.index).join() === "0,1", "choices are missing");
  check(["stop", "length"].includes(whole.choices[0].finish_reason), "the finish reason");
  check(whole.choices[0].logprobs.content[0].top_logprobs.length === 2, "log-probabilities");
  check(whole.usage.prompt_tokens_details.cached_tokens >= 0, "cached tokens");

  const stream = await client.chat.completions.create({...options, stream: true, stream_options: {include_usage: true}});
  let text = "";
  let usage = null;
  for await (const chunk of stream) {
    usage = chunk.usage ?? usage;
    for (const choice of chunk.choices) text += choice.delta.content ?? "";
  }
  check(text === whole.choices[0].message.content, "a stream says something else");
  check(usage.total_tokens === usage.prompt_tokens + usage.completion_tokens, "usage of a stream");

  const helper = client.chat.completions.stream(options);
  check((await helper.finalContent()) === text, "the stream helper says something else");
}

async function checkAbort(client, model) {
  const stream = await client.chat.completions.create({model, messages, stream: true});
  for await (const _ of stream) break;  // which closes the connection
  check((await client.models.list()).data.length === 1, "no answer after a stream was left");
}

async function checkVote(client, model) {
  const own = {branches: 3, budget: 32, include_branches: true, think: "on"};
  const answer = await client.chat.completions.create({model, messages, ...own});
  check(answer.pith.branches.length === 3, "branches are missing");
  const seen = new Set();
  for await (const chunk of await client.chat.completions.create({model, messages, ...own, stream: true})) {
    if (chunk.choices.length === 0) seen.add(chunk.pith.branch);
  }
  check([...seen].sort().join() === "0,1,2", "branches are not shown live");
}

async function checkCompletion(client, model) {
  const answer = await client.completions.create({model, prompt: "2 + 2 =", max_tokens: 4, logprobs: 2, seed: 1});
  check(answer.choices[0].logprobs.tokens.length > 0, "log-probabilities of completions");
  let ended = false;
  for await (const chunk of await client.completions.create({model, prompt: "2 + 2 =", max_tokens: 4, stream: true})) {
    ended ||= Boolean(chunk.choices[0]?.finish_reason);
  }
  check(ended, "a completion does not end");
}

async function checkResponses(client, model) {
  const first = await client.responses.create({model, input: "My name is Ada.", instructions: "Be short.", max_output_tokens: 16});
  // A text may be empty: the first token can end the turn.
  check(first.usage.output_tokens > 0, "a response without tokens");
  check((await client.responses.retrieve(first.id)).output_text === first.output_text, "not stored");
  let text = "";
  let last = null;
  const stream = await client.responses.create({
    model, input: "Who am I?", previous_response_id: first.id, max_output_tokens: 16, stream: true,
  });
  for await (const event of stream) {
    last = event;
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  check(["response.completed", "response.incomplete"].includes(last.type), "a response does not end");
  const parts = last.response.output.flatMap((item) => item.type === "message" ? item.content : []);
  check(parts.map((part) => part.text).join("") === text, "a response's stream says something else");
  check(last.response.usage.input_tokens > first.usage.input_tokens, "earlier turns are missing");
  await client.responses.delete(first.id);
  await refused(client.responses.retrieve(first.id), OpenAI.NotFoundError);
}

async function checkErrors(client, model) {
  const hot = await refused(client.chat.completions.create({model, messages, temperature: 3}), OpenAI.BadRequestError);
  check(hot.param === "temperature", "the error names no field");
  const other = await refused(client.chat.completions.create({model: "another", messages}), OpenAI.NotFoundError);
  check(other.code === "model_not_found", "the error has no code");
}

const [url, apiKey = "none"] = process.argv.slice(2);
check(url, "which server? node check_openai.mjs http://127.0.0.1:8080 [API-KEY]");
const client = new OpenAI({baseURL: `${url}/v1`, apiKey, maxRetries: 0});
const model = await checkModels(client);
for (const part of [checkChat, checkAbort, checkVote, checkCompletion, checkResponses, checkErrors]) {
  await part(client, model);
}
console.log(`openai ${VERSION} on node ${process.versions.node} and ${model}: all as it should be`);
