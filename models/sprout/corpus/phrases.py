"""More phrasings that training has and suites do not: `phrases/MODULE.POOL.txt`, a template a line, for each pool that has a file.
And what training gives up, so that suites are new to it."""
import pathlib
import re

from corpus.draw import HELD_OUT, TRAIN, Pool

FOLDER = pathlib.Path(__file__).parent / "phrases"
OPERATIONS = {"+": "plus", "-": "minus", "*": "times"}
PARTS_OF_A_SLOT = ("keys", "descriptions", "phrases")


def named_pools(module):
    """(name, pool) of all pools of a module, also of those in its tables."""
    for name, value in vars(module).items():
        if isinstance(value, Pool):
            yield name, value
        elif isinstance(value, dict):
            for key, part in value.items():
                if isinstance(part, Pool):
                    yield f"{name}.{OPERATIONS.get(key, key)}", part
                elif isinstance(part, tuple) and all(isinstance(p, Pool) for p in part):
                    yield from ((f"{key}.{kind}", pool) for kind, pool in zip(PARTS_OF_A_SLOT, part))


def add_to(module):
    for name, pool in named_pools(module):
        path = FOLDER / f"{module.__name__.rsplit('.', 1)[-1]}.{name}.txt"
        if path.exists():
            pool.add_training(line.replace("\\n", "\n") for line in path.read_text(encoding="ascii").splitlines() if line)


def words_of(template):
    return frozenset(re.findall(r"\{\w*\}|[\w']+", template.lower()))


def is_near(one, other):
    """Whether two templates, as sets of words, share three words in four of both together. Of fewer than three words none is."""
    return min(len(one), len(other)) >= 3 and 4 * len(one & other) >= 3 * len(one | other)


def part_sides():
    """Takes from training the templates that are near to a held-out one of their pool, and the words that any pool holds out."""
    names = {item.lower() for pool in Pool.every for item in pool.sides[HELD_OUT] if is_name(item)}
    for pool in Pool.every:
        held_out = [words_of(item) for item in pool.sides[HELD_OUT] if isinstance(item, str)]

        def is_apart(item):
            if not isinstance(item, str):
                return True
            words = words_of(item)
            return not (is_name(item) and item.lower() in names) and not any(is_near(words, other) for other in held_out)

        pool.sides = tuple(filter(is_apart, pool.sides[TRAIN])), pool.sides[HELD_OUT]


def is_name(item):
    return isinstance(item, str) and re.fullmatch(r"\w+", item)
