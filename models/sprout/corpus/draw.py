"""Random draws that are the same on every machine and Python, and the split of all vocabulary into two sides.

A `Draw` is a SplitMix64 generator that belongs to one record: its seed is a hash of names and numbers, so records do
not depend on each other. It also knows its side: "train", or "held_out" for the suites. Whatever carries meaning
(words, names, phrasing templates, numbers, dates) is drawn through it, from the part of a `Pool` or of a number range
that belongs to that side, so that a suite cannot share with training what was not meant to be shared.
"""
import hashlib

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15

TRAIN, HELD_OUT = 0, 1


class Pool:
    """A list whose two parts are drawn on the two sides. `Pool.every` has all of them, for the tests."""

    every = []

    def __init__(self, train, held_out):
        self.sides = (tuple(train), tuple(held_out))
        common = set(self.sides[0]) & set(self.sides[1])
        assert not common, common
        assert self.sides[0] and self.sides[1]
        Pool.every.append(self)

    @classmethod
    def split(cls, items, every=6):
        """Each `every`th item is held out. `items`: a list, or words with blanks or line breaks between."""
        items = items.split() if isinstance(items, str) else items
        return cls([x for i, x in enumerate(items) if i % every != every - 1],
                   [x for i, x in enumerate(items) if i % every == every - 1])

    def add_training(self, items):
        """More items that training has and suites do not."""
        known = set(self.sides[0]) | set(self.sides[1])
        self.sides = (self.sides[0] + tuple(x for x in items if x not in known), self.sides[1])

    @classmethod
    def lines(cls, text, every=6):
        return cls.split([line.strip() for line in text.strip().splitlines()], every)


def is_held_out(number):
    """Numbers from 10 on belong to one of the sides; about one in eight is held out."""
    return number >= 10 and ((number * GOLDEN) & MASK) >> 61 == 0


def is_held_out_word(text):
    """Invented words belong to one of the sides, one in eight to the suites."""
    return hashlib.blake2b(text.encode(), digest_size=1).digest()[0] % 8 == 3


class Draw:
    __slots__ = ("state", "side", "values")

    def __init__(self, side, *names):
        key = "/".join(str(name) for name in names).encode()
        self.state = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")
        self.side = side
        self.values = []  # names, numbers, dates, codes: what a suite must not share with training

    def bits(self):
        self.state = (self.state + GOLDEN) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n):
        return ((self.bits() >> 32) * n) >> 32

    def between(self, low, high):
        """An integer that is no name of anything: how many, which. Both ends are included."""
        return low + self.below(high - low + 1)

    def chance(self, percent):
        return self.below(100) < percent

    def one(self, items):
        """Of things that both sides share: kinds, forms."""
        return items[self.below(len(items))]

    def weighted(self, items, weights):
        at = self.below(sum(weights))
        for item, weight in zip(items, weights):
            if at < weight:
                return item
            at -= weight
        raise AssertionError

    def pick(self, pool):
        return self.one(pool.sides[self.side])

    def some(self, pool, count):
        """`count` different items of a pool."""
        items = pool.sides[self.side]
        assert count <= len(items), (count, items)
        out = []
        while len(out) < count:
            item = self.one(items)
            if item not in out:
                out.append(item)
        return out

    def shuffled(self, items):
        out = list(items)
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out

    def number(self, low, high):
        """A number that a text tells. On the held-out side it is 10 or more."""
        held_out = self.side == HELD_OUT
        while True:
            n = low + self.below(high - low + 1)
            if is_held_out(n) == held_out:
                self.values.append(str(n))
                return n

    def told(self, value):
        """Notes a value that the other side cannot have."""
        self.values.append(value)
        return value
