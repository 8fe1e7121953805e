"""Short lists to sort, count, reverse and choose from, with the reasoning that each takes.

    sort      4 31 7: least 4 / 31 7: least 7 / 31: least 31     what is left, and its least
    others    1 mora / 2 belu / 3 tika                           the items with their numbers
"""
from corpus import scenes, words
from corpus.draw import Pool
from corpus.record import Sample, assistant, user

FORMS = Pool(["{l}"] * 15 + ["[{l}]", "({l})"] * 4, ["<{l}>", "{{{l}}}"])
SORT_NUMBERS = Pool([
    "Sort these numbers: {l}", "Sort from smallest to largest: {l}", "Put in ascending order: {l}", "Sort {l}",
    "Order the numbers {l}", "Arrange {l} from small to large.", "Sort the list {l} in ascending order.",
    "Please sort: {l}", "smallest first: {l}", "Bring {l} into order, from small to large.",
    "Write these from the smallest to the largest: {l}", "Sorted upwards: {l}", "What is {l} in ascending order?",
    "Begin with the smallest and sort {l}.", "I need {l} sorted.", "{l} sorted, please", "Rank from low to high: {l}"
], ["Bring {l} into ascending order.", "Which is the sorted form of {l}?", "Sorted, beginning with the smallest: {l}"])
SORT_DOWN = Pool([
    "Sort from largest to smallest: {l}", "Sort in descending order: {l}", "Put in descending order: {l}",
    "Arrange {l} from large to small.", "Sort {l}, largest first.", "largest first: {l}",
    "Order {l} from the largest down.", "Bring {l} into order, from large to small.", "Sorted downwards: {l}",
    "Write these from the largest to the smallest: {l}", "What is {l} in descending order?",
    "Begin with the largest and sort {l}.", "Rank from high to low: {l}", "Please sort down: {l}"
], ["Bring {l} into descending order.", "Sorted, beginning with the largest: {l}"])
SORT_WORDS = Pool([
    "Sort these words: {l}", "Sort alphabetically: {l}", "Put in alphabetical order: {l}",
    "Order the words {l} from A to Z.", "Alphabetise {l}", "Sort the names {l}.", "Arrange {l} alphabetically.",
    "Please sort by the alphabet: {l}", "Bring the words {l} into order.", "Sort from A to Z: {l}",
    "What is {l} in alphabetical order?", "Write these by the alphabet: {l}", "{l} by the alphabet, please",
    "Which order has {l} in a dictionary?", "A to Z: {l}"
], ["Bring {l} into alphabetical order.", "From A to Z, please: {l}"])
COUNT = Pool([
    "How many items are in this list: {l}", "Count the items: {l}", "How many words are these: {l}", "Count: {l}",
    "How long is the list {l}?", "How many entries has {l}?", "Tell me how many there are: {l}",
    "What is the number of items in {l}?", "How many are there: {l}", "Give the number of items: {l}",
    "How many things are named in {l}?", "{l}: how many items is that?", "Count what is in {l}.",
    "What is the count of items in {l}?", "Please count {l}", "Say how many these are: {l}"
], ["Of how many items is {l} made?", "Please give the count of {l}."])
REVERSE = Pool([
    "Reverse the list: {l}", "Reverse {l}", "Write in reverse order: {l}", "Turn the order around: {l}",
    "Say these backwards: {l}", "List these from last to first: {l}", "Give me {l} in reverse.", "Please reverse: {l}",
    "{l} from the end, please", "Write {l} from the end.", "Put the last of {l} first, and so on.",
    "What is {l} in the opposite order?", "Begin at the end: {l}", "Flip the list {l}.", "Backwards: {l}",
    "I want {l} the other way round."
], ["Put {l} in the opposite order.", "From the end to the beginning: {l}"])
FIRST = Pool([
    "What is the first item of {l}?", "First of {l}?", "Which comes first in {l}?", "Give me the first of {l}.",
    "Name the first item: {l}", "What stands first in {l}?", "Which item begins {l}?", "Tell me the first: {l}",
    "Which one is the first in {l}?", "The first entry of {l}, please.", "At the beginning of {l} is what?"
], ["With what does {l} begin?", "Tell me the first entry of {l}."])
LAST = Pool([
    "What is the last item of {l}?", "Last of {l}?", "Which comes last in {l}?", "Give me the last of {l}.",
    "Name the last item: {l}", "What stands last in {l}?", "Which item ends {l}?", "Tell me the last: {l}",
    "Which one is the last in {l}?", "The last entry of {l}, please.", "At the end of {l} is what?"
], ["With what does {l} end?", "Tell me the last entry of {l}."])
NTH = Pool([
    "What is the {o} item of {l}?", "Which is the {o} in {l}?", "Give me number {i} of {l}.", "Name the {o} item: {l}",
    "Item {i} of {l}?", "What is at place {i} of {l}?", "Tell me the {o}: {l}", "The {o} entry of {l}, please.",
    "Which one is the {o} in {l}?", "What stands at position {i} of {l}?", "Entry {i}: {l}"
], ["What stands at place {i} in {l}?", "Tell me the {o} entry of {l}."])
LARGEST = Pool([
    "What is the largest of {l}?", "Which number is the largest: {l}", "Find the maximum of {l}.", "Largest of {l}?",
    "Biggest number in {l}?", "Which of {l} is the greatest?", "What is the highest value in {l}?",
    "Tell me the largest: {l}", "The maximum of {l}, please.", "Which number of {l} is at the top?", "Greatest: {l}"
], ["Tell me the greatest number in {l}.", "What is the top value of {l}?"])
SMALLEST = Pool([
    "What is the smallest of {l}?", "Which number is the smallest: {l}", "Find the minimum of {l}.", "Smallest of {l}?",
    "Least number in {l}?", "Which of {l} is the lowest?", "What is the least value in {l}?",
    "Tell me the smallest: {l}", "The minimum of {l}, please.", "Which number of {l} is at the bottom?", "Lowest: {l}"
], ["Tell me the lowest number in {l}.", "What is the bottom value of {l}?"])
LONGEST = Pool([
    "Which word is the longest: {l}", "What is the longest of {l}?", "Find the longest word in {l}.",
    "Longest word of {l}?", "Which of {l} is longest?", "Tell me the longest: {l}",
    "Which word of {l} has the greatest number of letters?", "The word with most letters in {l}?", "Most letters: {l}",
    "The longest word of {l}, please."
], ["Tell me the word with the most letters: {l}", "Which of {l} has most letters?"])
CONTAINS = Pool(
    ["Is {x} in the list {l}?", "Does {l} contain {x}?", "Check whether {x} is one of {l}.", "Is {x} among {l}?",
     "Is {x} one of {l}?", "Can you find {x} in {l}?", "{x}: is it in {l}?", "Tell me whether {x} is in {l}.",
     "Do you find {x} among {l}?", "Look for {x} in {l}: is it there?"],
    ["Do you see {x} in {l}?", "Can {x} be found in {l}?"])
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"]
KINDS = {
    "sort_numbers": 16,
    "sort_down": 8,
    "sort_words": 14,
    "count": 12,
    "reverse": 14,
    "first": 4,
    "last": 6,
    "nth": 8,
    "largest": 7,
    "smallest": 5,
    "longest": 6,
    "contains": 6
}


def distinct(draw, count, make):
    items = []
    while len(items) < count:
        item = make(draw)
        if item not in items:
            items.append(item)
    return items


def numbers(draw, count):
    high = draw.weighted([99, 999, 9999], [45, 45, 10])
    return distinct(draw, count, lambda d: d.number(1 if high > 99 else 10, high) if d.side else d.number(1, high))


def any_items(draw, count):
    kind = draw.below(4)
    if kind == 3:
        return [str(n) for n in numbers(draw, count)]
    make = [words.word, words.thing, lambda d: words.person(d).split()[0]][kind]
    return distinct(draw, count, make)


def initials(draw, count):
    """Words with different first letters."""
    taken = set()

    def one(d):
        while True:
            w = draw.one([words.word, words.thing, lambda d: words.person(d).split()[0].lower()])(d)
            if w[0] not in taken:
                taken.add(w[0])
                return w

    return distinct(draw, count, one)


def sorting(items, name, best):
    """Lines of what is left with its least (largest, first), and the items in order."""
    left, lines, out = list(items), [], []
    while left:
        chosen = best(left)
        lines.append(" ".join(str(i) for i in left) + f": {name} {chosen}")
        left.remove(chosen)
        out.append(chosen)
    return lines, out


def numbered(items):
    return [f"{n} {item}" for n, item in enumerate(items, 1)]


def joined(items):
    return ", ".join(str(i) for i in items)


def task(draw, kind):
    """(phrasing, items, values for the phrasing, reasoning, answer)"""
    count = draw.weighted([2, 3, 4, 5, 6, 7], [6, 24, 28, 22, 12, 8])
    if kind in ("sort_numbers", "sort_down", "largest", "smallest"):
        items = numbers(draw, count)
        if kind == "sort_numbers":
            lines, out = sorting(items, "least", min)
            return SORT_NUMBERS, items, {}, lines, joined(out)
        if kind == "sort_down":
            lines, out = sorting(items, "largest", max)
            return SORT_DOWN, items, {}, lines, joined(out)
        best, pool, name = (max, LARGEST, "largest") if kind == "largest" else (min, SMALLEST, "least")
        return pool, items, {}, running(items, best, name), str(best(items))
    if kind == "sort_words":
        items = initials(draw, min(count, 6))
        lines = [" ".join(f"{w[0]} {w}" for w in items)]
        rest, out = sorting(items, "first", min)
        return SORT_WORDS, items, {}, lines + rest, joined(out)
    if kind == "longest":
        items = lengths(draw, min(count, 5))
        lines = [f"{w} {len(w)}" for w in items]
        return LONGEST, items, {}, lines, max(items, key=len)
    items = any_items(draw, max(count, 2))
    if kind == "count":
        return COUNT, items, {}, numbered(items), str(len(items))
    if kind == "reverse":
        return REVERSE, items, {}, numbered(items), joined(items[::-1])
    if kind == "first":
        return FIRST, items, {}, None, items[0]
    if kind == "last":
        return LAST, items, {}, numbered(items), items[-1]
    if kind == "nth":
        at = draw.below(len(items))
        return NTH, items, {"o": ORDINALS[at], "i": at + 1}, numbered(items), items[at]
    present = draw.chance(50)
    wanted = draw.one(items) if present else absent_item(draw, items)
    return CONTAINS, items, {"x": wanted}, numbered(items), "Yes." if present else "No."


def absent_item(draw, items):
    while True:
        other = any_items(draw, 2)[0]
        if other not in items and other.isdigit() == items[0].isdigit():
            return other


def running(items, best, name):
    """The best of the items so far, item by item."""
    lines, top = [], items[0]
    for item in items:
        top = best(top, item)
        lines.append(f"{item}: {name} {top}")
    return lines


def lengths(draw, count):
    """Words of which one is longer than all others by two letters or more."""
    while True:
        items = distinct(draw, count, lambda d: d.told(words.syllables(d, d.between(1, 4))))
        sizes = sorted((len(w) for w in items), reverse=True)
        if sizes[0] >= sizes[1] + 2:
            return items


def exchange(draw):
    """A request, the reply with its steps, and the answer."""
    kind = draw.weighted(list(KINDS), list(KINDS.values()))
    pool, items, values, reasoning, answer = task(draw, kind)
    separator = draw.weighted([", ", " ", "; "], [70, 20, 10])
    shown = draw.pick(FORMS).format(l=separator.join(str(i) for i in items))
    text = draw.pick(pool).format(l=shown, **values)
    return text, assistant(answer, "\n".join(reasoning) if reasoning else None), answer


def sample(draw):
    text, reply, answer = exchange(draw)
    return Sample(scenes.system_turn(draw, 12) + [user(text), reply], {"exact": answer}, max_tokens=256)
