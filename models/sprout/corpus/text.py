"""Plain documents for pretraining: what teaches letters, words, copying and keeping count soonest.

Each kind repeats what it has said before, in another form, so that a model which looks back predicts the rest.
"""
import functools
import pathlib
import re

from corpus import arithmetic, help, lists, scenes, slots, tools, unknown, words
from corpus.draw import Pool
from corpus.record import dump

KINDS = {
    "pairs": 14,
    "objects": 12,
    "repeats": 9,
    "sums": 11,
    "stories": 14,
    "sentences": 10,
    "questions": 9,
    "facts": 7,
    "spelling": 6,
    "orders": 4,
    "forms": 4
}

PLACES_OF = Pool([
    "{n} lives in {c}.", "The home of {n} is {c}.", "{n} works in {c}.", "{n} comes from {c}.", "You find {n} in {c}."
], ["{c} is the home of {n}."])
PATTERNS = Pool.lines("""
The {a} {t} is {a2}.
{n} has a {a} {t} and {n2} has a {a2} {t2}.
Every {t} in {c} is {a}.
{n} and {n2} went to {c} with a {t}.
There is no {t} without a {t2}.
If the {t} is {a}, {n} will {v} it.
{n} wants to {v} the {t} before {w}.
We {v} a {t} on {w} and a {t2} on {w2}.
The {t} of {n} is {a}, but that of {n2} is {a2}.
On {d} at {h}, {n} will {v} {k} {ts} in {c}.
{n} said: "The {t} is {a}." {n2} did not agree.
It takes {k} minutes to {v} the {t}.
Where is the {t}? It is in {c}, beside the {t2}.
Who will {v} the {t}? {n} will.
The {t} costs {k} and the {t2} costs {k2}.
{n} is older than {n2}, and {n2} is older than {n3}.
First {v} the {t}, then {v2} the {t2}.
When {n} came to {c}, the {t} was {a}.
Nobody in {c} has seen such a {a} {t}.
This {t} is as {a} as that {t2}.
""")


def fill(draw, pattern):
    """A sentence of a pattern; parts that it does not have are not drawn."""
    parts = {}
    for key, make in MAKERS.items():
        if "{" + key + "}" in pattern:
            parts[key] = make(draw)
    return words.with_articles(pattern.format(**parts))


MAKERS = {
    "t": words.thing,
    "t2": words.thing,
    "ts": lambda d: words.plural(words.thing(d)),
    "n": lambda d: words.person(d).split()[0],
    "n2": lambda d: words.person(d).split()[0],
    "n3": lambda d: words.person(d).split()[0],
    "a": lambda d: d.pick(words.ADJECTIVES),
    "a2": lambda d: d.pick(words.ADJECTIVES),
    "c": words.place,
    "v": lambda d: d.pick(tools.VERBS),
    "v2": lambda d: d.pick(tools.VERBS),
    "w": lambda d: d.pick(words.WEEKDAYS),
    "w2": lambda d: d.pick(words.WEEKDAYS),
    "d": words.date,
    "h": words.time,
    "k": lambda d: d.number(2, 99),
    "k2": lambda d: d.number(2, 99)
}


@functools.lru_cache(maxsize=None)
def words_of_documents():
    """The different words of Hone's documents, in their order: what copying meets beside invented words."""
    found = re.findall(r"(?<!\S)[A-Za-z][A-Za-z_/.-]{2,15}(?=[,.;:]?\s)", "\n".join(hone_documents()))
    return list(dict.fromkeys(found))


def any_value(draw):
    return draw.one([
        words.word, words.person, words.place, words.date, words.time, words.code, words.email, words.thing,
        lambda d: d.number(2, 9999), lambda d: d.pick(words.COLOURS), lambda d: d.one(words_of_documents()),
        lambda d: d.one(words_of_documents())
    ])(draw)


def pairs(draw):
    """Keys with values, and then some of the values again."""
    keys = slots.distinct_words(draw, draw.between(3, 8))
    table = [(key, any_value(draw)) for key in keys]
    mark = draw.one([": ", " = ", " -> ", " is "])
    lines = [f"{key}{mark}{value}" for key, value in table]
    again = draw.shuffled(table)[:draw.between(2, len(table))]
    ask = draw.one(["{}?", "What is {}?", "{}", "get {}"])
    return "\n".join(lines) + "\n\n" + "\n".join(f"{ask.format(key)} {value}" for key, value in again)


def random_object(draw, depth=0):
    out = {}
    for key in slots.distinct_words(draw, draw.between(2, 4)):
        kind = draw.below(8)
        if kind == 0 and depth == 0:
            out[key] = random_object(draw, 1)
        elif kind == 1:
            out[key] = slots.distinct_words(draw, draw.between(2, 3))
        elif kind == 2:
            out[key] = draw.one([True, False, None])
        else:
            out[key] = any_value(draw)
    return out


def told(value, path=""):
    """The leaves of an object, a line each."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from told(inner, path + key + ".")
        else:
            yield f"{path}{key} is {dump(inner)}"


def objects(draw):
    """An object, then its leaves in words; or the other way round."""
    value = random_object(draw)
    lines = list(told(value))
    if draw.chance(50):
        return dump(value) + "\n" + "\n".join(draw.shuffled(lines))
    return "\n".join(lines) + "\n" + dump(value)


def repeats(draw):
    """A sequence several times, and sequences backwards, or all but one."""
    items = [str(any_value(draw)) for _ in range(draw.between(3, 9))]
    line = draw.one([" ", ", ", "; "]).join(items)
    kind = draw.below(4)
    if kind == 0:
        return "\n".join([line] * draw.between(2, 4))
    if kind == 1:
        return f"{line}\nbackwards: {' '.join(items[::-1])}\nforwards: {' '.join(items)}"
    if kind == 2:
        return "\n".join([line] + [f"after {a} comes {b}" for a, b in draw.shuffled(zip(items, items[1:]))])
    gone = draw.one(items)
    return f"{line}\nwithout {gone}: {' '.join(i for i in items if i != gone)}"


def sums(draw):
    out = []
    for _ in range(draw.between(2, 5)):
        operation = draw.weighted("+-*", [40, 38, 22])
        a, b = arithmetic.operands(draw, operation)
        lines, value = arithmetic.work(operation, a, b)
        out.append("\n".join(lines) +
                   f"\n{a} {operation} {b} = {value}" if draw.chance(70) else f"{a} {operation} {b} = {value}")
    return "\n\n".join(out)


def stories(draw):
    """Situations, and questions about them."""
    told_so_far, asked = [], []
    for _ in range(draw.between(1, 4)):
        scene = scenes.Scene(draw)
        told_so_far.append(scene.story)
        asked.append(f"{scene.question} {scene.long}" if draw.
                     chance(60) else f"{scene.question} {words.sentence_start(scene.short)}")
    people = [(words.person(draw), words.place(draw)) for _ in range(draw.below(3))]
    told_so_far += [draw.pick(PLACES_OF).format(n=n, c=c) for n, c in people]
    asked += [f"Where is {n}? {n} is in {c}." for n, c in people]
    return " ".join(draw.shuffled(told_so_far)) + "\n" + "\n".join(draw.shuffled(asked))


def sentences(draw):
    return " ".join(fill(draw, draw.pick(PATTERNS)) for _ in range(draw.between(3, 8)))


def questions(draw):
    """What people ask, in a row: about Hone with the answers, and about other things."""
    out = []
    for _ in range(draw.between(2, 5)):
        if draw.chance(60):
            text, fact = help.question(draw)
            out.append(f"Q: {text}\nA: {fact.answer}")
        else:
            out.append(f"Q: {unknown.question(draw)}\nA: {unknown.ANSWER}")
    return "\n".join(out)


def facts(draw):
    """What Hone's facts say, with the phrases that lead there."""
    out = []
    for _ in range(draw.between(2, 5)):
        fact = draw.one(help.FACTS)
        kind = draw.one(fact.kinds)
        phrase = draw.one(fact.phrases[kind])
        out.append(phrase + (" " if phrase[-1] in ".?" else ": ") + fact.answer)
    return "\n".join(out)


def spelling(draw):
    out = []
    for _ in range(draw.between(3, 7)):
        w = draw.one([words.word, words.thing, lambda d: words.person(d).split()[0], words.place])(draw).split()[0]
        kind = draw.below(5)
        if kind == 0:
            out.append(f"{w}: {' '.join(w)}")
        elif kind == 1:
            out.append(f"{w} in capitals: {w.upper()}, in small letters: {w.lower()}")
        elif kind == 2:
            out.append(f"{w} begins with {w[0]} and ends with {w[-1]}")
        elif kind == 3:
            out.append(f"{w} has {len(w)} letters")
        else:
            out.append(f"{w} backwards: {w[::-1]}")
    return "\n".join(out)


def orders(draw):
    if draw.chance(50):
        items = lists.numbers(draw, draw.between(2, 6))
        lines, out = lists.sorting(items, "least", min)
    else:
        items = lists.initials(draw, draw.between(2, 6))
        lines, out = lists.sorting(items, "first", min)
    return f"{lists.joined(items)}\n" + "\n".join(lines) + f"\nsorted: {lists.joined(out)}"


def forms(draw):
    """A tool, a request and its arguments, as one document."""
    toolset, chosen, arguments, request = tools.call_sample(draw, draw.between(1, 3))
    return "\n".join(dump(t["function"]) for t in toolset) + f"\n{request}\n" + dump({
        "name": chosen.name,
        "arguments": arguments
    })


def document(draw):
    return globals()[draw.weighted(list(KINDS), list(KINDS.values()))](draw)


def hone_documents():
    """Hone's README.md and docs/ in pieces of some paragraphs, as they were when sprout was trained: `documents.txt`, so that
    who mends a document does not change what sprout is trained on."""
    piece = ""
    for paragraph in pathlib.Path(__file__).with_name("documents.txt").read_text(encoding="utf-8").split("\n\n"):
        if len(piece) + len(paragraph) > 3000 and piece:
            yield piece.strip()
            piece = ""
        piece += paragraph + "\n\n"
    if piece.strip():
        yield piece.strip()
