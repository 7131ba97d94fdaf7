"""Requests for a load: prompts of mixed lengths, made from a seed, at temperature 0."""

import random

SYSTEM = "You are a helpful assistant."
THINGS = ["apples", "stamps", "bricks", "letters", "coins", "books", "trees", "bottles"]
PEOPLE = ["Ada", "Tom", "Mira", "Jun", "Lena", "Omar", "Rosa", "Finn"]
ASKED = [
    "How many does {person} have in the end?",
    "Write a short story about {person} and the {things}.",
    "Explain step by step how you would count them.",
    "Give three pieces of advice to {person}.",
]
SENTENCES = [
    "{person} has {n} {things} and gives {m} of them to {other}.",
    "On the next day {other} brings back {m} {things}, but {n} are broken.",
    "A box holds {n} {things}; {person} fills {m} boxes and begins another one.",
    "{other} says that {n} of the {things} belong to {person}, and the rest to nobody.",
    "Since it rains, the {things} are carried into the house, {m} at a time.",
]
# Of ten requests so many with a story of so many sentences: about 60, 150 and 650 tokens.
LENGTHS = [(5, 1), (4, 6), (1, 35)]


def sentence(rng, text):
    person, other = rng.sample(PEOPLE, 2)
    return text.format(
        person=person, other=other, things=rng.choice(THINGS), n=rng.randint(3, 99), m=rng.randint(2, 9)
    )


def make(count, most_tokens, seed=1):
    """So many chat requests, no two alike. Every fourth wants log-probabilities too: bits that
    texts do not show."""
    rng = random.Random(seed)
    lengths = [length for share, length in LENGTHS for _ in range(share)]
    result = []
    for number in range(count):
        story = [sentence(rng, rng.choice(SENTENCES)) for _ in range(lengths[number * 7 % 10])]
        text = f"Case {number}. {' '.join(story)} {sentence(rng, rng.choice(ASKED))}"
        request = {
            "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}],
            "temperature": 0,
            "max_tokens": rng.randint(max(most_tokens // 4, 1), most_tokens),
        }
        if number % 4 == 3:
            request["logprobs"] = True
        result.append(request)
    return result
