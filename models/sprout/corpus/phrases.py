"""More phrasings that training has and suites do not: `phrases/MODULE.POOL.txt`, a template a line, for each pool that has a file."""
import pathlib

from corpus.draw import Pool

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
