#!/usr/bin/env python3
"""OpenAI's own client against a running server: what it sends is understood, what it reads is whole.

    tools/get-clients clients
    pith serve -m smollm2-135m --port 8080 &
    PYTHONPATH=clients/python python3 tests/cli/clients/check_openai.py http://127.0.0.1:8080 [API-KEY]
"""

import sys

import openai

MESSAGES = [{"role": "user", "content": "What is 2 + 2?"}]


def check(condition, what):
    if not condition:
        sys.exit(f"check_openai: {what}")


def check_models(client):
    model = client.models.list().data[0].id
    check(client.models.retrieve(model).id == model, "the model is not found by its name")
    return model


def check_chat(client, model):
    options = {"model": model, "messages": MESSAGES, "seed": 1, "max_completion_tokens": 24}
    whole = client.chat.completions.create(**options, n=2, logprobs=True, top_logprobs=2)
    check([choice.index for choice in whole.choices] == [0, 1], "choices are missing")
    check(whole.choices[0].finish_reason in ("stop", "length"), "the finish reason")
    check(len(whole.choices[0].logprobs.content[0].top_logprobs) == 2, "log-probabilities")
    check(whole.usage.prompt_tokens_details.cached_tokens >= 0, "cached tokens")
    check(whole.usage.completion_tokens_details.reasoning_tokens >= 0, "reasoning tokens")

    stream = client.chat.completions.create(
        **options, stream=True, stream_options={"include_usage": True}
    )
    text, usage = "", None
    for chunk in stream:
        usage = chunk.usage or usage
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
    check(text == whole.choices[0].message.content, "a stream says something else")
    check(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, "usage of a stream")


def check_vote(client, model):
    own = {"branches": 3, "budget": 32, "include_branches": True, "think": "on"}
    answer = client.chat.completions.create(model=model, messages=MESSAGES, extra_body=own)
    check(len(answer.pith["branches"]) == 3, "branches are missing")
    seen = set()
    for chunk in client.chat.completions.create(
        model=model, messages=MESSAGES, extra_body=own, stream=True
    ):
        if not chunk.choices:
            seen.add(chunk.pith["branch"])
    check(seen == {0, 1, 2}, "branches are not shown live")


def check_completion(client, model):
    answer = client.completions.create(model=model, prompt="2 + 2 =", max_tokens=4, logprobs=2, seed=1)
    check(answer.choices[0].logprobs.tokens, "log-probabilities of completions")
    stream = client.completions.create(model=model, prompt="2 + 2 =", max_tokens=4, stream=True)
    check(any(chunk.choices[0].finish_reason for chunk in stream), "a completion does not end")


def check_responses(client, model):
    first = client.responses.create(
        model=model, input="My name is Ada.", instructions="Be short.", max_output_tokens=16
    )
    # A text may be empty: the first token can end the turn.
    check(first.usage.output_tokens > 0, "a response without tokens")
    check(client.responses.retrieve(first.id).output_text == first.output_text, "not stored")
    text, last = "", None
    for event in client.responses.create(
        model=model, input="Who am I?", previous_response_id=first.id, max_output_tokens=16, stream=True
    ):
        last = event
        if event.type == "response.output_text.delta":
            text += event.delta
    check(last.type in ("response.completed", "response.incomplete"), "a response does not end")
    check(last.response.output_text == text, "a response's stream says something else")
    check(last.response.usage.input_tokens > first.usage.input_tokens, "earlier turns are missing")
    with client.responses.stream(model=model, input="Hi", max_output_tokens=8) as stream:
        types = [event.type for event in stream]
    check(types[-1] in ("response.completed", "response.incomplete"), "the stream helper")
    client.responses.delete(first.id)


def check_errors(client, model):
    try:
        client.chat.completions.create(model=model, messages=MESSAGES, temperature=3)
        check(False, "a temperature of 3 is taken")
    except openai.BadRequestError as error:
        check(error.param == "temperature", "the error names no field")
    try:
        client.chat.completions.create(model="another", messages=MESSAGES)
        check(False, "an unknown model is taken")
    except openai.NotFoundError as error:
        check(error.code == "model_not_found", "the error has no code")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    key = sys.argv[2] if len(sys.argv) == 3 else "none"
    client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=key, max_retries=0)
    model = check_models(client)
    for part in (check_chat, check_vote, check_completion, check_responses, check_errors):
        part(client, model)
    print(f"openai {openai.__version__} and {model}: all as it should be")


if __name__ == "__main__":
    main()
