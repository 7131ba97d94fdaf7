#!/usr/bin/env python3
"""LiteLLM, through which many programs reach models, against a running server.

    tools/get-clients clients
    pith serve -m smollm2-135m --port 8080 &
    PYTHONPATH=clients/python python3 tests/cli/clients/check_litellm.py http://127.0.0.1:8080 [API-KEY]
"""

import importlib.metadata
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch one
import litellm  # noqa: E402

litellm.suppress_debug_info = True  # advice to people, on standard output

MESSAGES = [{"role": "user", "content": "What is 2 + 2?"}]


def check(condition, what):
    if not condition:
        sys.exit(f"check_litellm: {what}")


def check_chat(options):
    options = options | {"messages": MESSAGES, "seed": 1, "max_tokens": 24}
    whole = litellm.completion(**options, n=2)
    check([choice.index for choice in whole.choices] == [0, 1], "choices are missing")
    check(whole.usage.total_tokens > whole.usage.prompt_tokens, "usage")
    stream = litellm.completion(**options, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    check(text == whole.choices[0].message.content, "a stream says something else")


def check_own_fields(options):
    own = {"branches": 3, "budget": 32}
    answer = litellm.completion(**options, messages=MESSAGES, extra_body=own)
    check(answer.choices[0].message.content, "a vote without text")


def check_errors(options):
    try:
        litellm.completion(**options, messages=MESSAGES, temperature=3)
        check(False, "a temperature of 3 is taken")
    except litellm.BadRequestError as error:
        check("temperature" in str(error), "the error names no field")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    key = sys.argv[2] if len(sys.argv) == 3 else "none"
    options = {"model": "openai/default", "api_base": sys.argv[1] + "/v1", "api_key": key, "num_retries": 0}
    for part in (check_chat, check_own_fields, check_errors):
        part(options)
    print(f"litellm {importlib.metadata.version('litellm')}: all as it should be")


if __name__ == "__main__":
    main()
