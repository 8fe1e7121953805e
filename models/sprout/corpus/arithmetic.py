"""Sums, differences and small products, column by column in the reasoning.

    347 + 586                       402 - 86                        47 * 6
    7 + 6 = 13, 3 carry 1: 3        2 - 6: 12 - 6 = 6 borrow: 6     7 * 6 = 42, 2 carry 4: 2
    4 + 8 + 1 = 13, 3 carry 1: 33   0 - 8 - 1: 10 - 9 = 1 borrow: 16 4 * 6 = 24, 24 + 4 = 28: 282
    3 + 5 + 1 = 9: 933              4 - 0 - 1 = 3: 316

What stands behind a colon is the result so far, so the last line ends in the answer.
"""
from corpus import scenes, words
from corpus.draw import GOLDEN, HELD_OUT, MASK, Pool
from corpus.record import Sample, assistant, user

ASK = {
    "+": Pool([
        "What is {a} + {b}?", "{a} + {b}", "{a} plus {b}", "Add {a} and {b}.", "What is the sum of {a} and {b}?",
        "How much is {a} + {b}?", "Calculate {a} + {b}.", "{a}+{b}=", "Compute {a} plus {b}.",
        "What do you get if you add {a} and {b}?", "{a} + {b} = ?", "Please add {b} to {a}.", "what is {a}+{b}",
        "Sum up {a} and {b}.", "{a} and {b} together", "What do {a} and {b} make?", "Find {a} + {b}.", "I want to know {a} + {b}."
    ], [
        "How much do {a} and {b} make together?", "Tell me {a} plus {b}.", "Work out {a} + {b}.",
        "I need the sum {a} + {b}."
    ]),
    "-": Pool([
        "What is {a} - {b}?", "{a} - {b}", "{a} minus {b}", "Subtract {b} from {a}.",
        "What is the difference of {a} and {b}?", "How much is {a} - {b}?", "Calculate {a} - {b}.", "{a}-{b}=",
        "Compute {a} minus {b}.", "Take {b} away from {a}.", "{a} - {b} = ?", "what is {a}-{b}",
        "{a} less {b}", "What remains of {a} without {b}?", "Find {a} - {b}.", "I want to know {a} - {b}.",
        "How much is left if {b} is taken from {a}?"
    ], [
        "How much is left of {a} without {b}?", "Tell me {a} minus {b}.", "Work out {a} - {b}.",
        "I need the difference {a} - {b}."
    ]),
    "*": Pool([
        "What is {a} * {b}?", "{a} * {b}", "{a} times {b}", "Multiply {a} by {b}.",
        "What is the product of {a} and {b}?", "How much is {a} x {b}?", "Calculate {a} * {b}.", "{a}*{b}=",
        "Compute {a} times {b}.", "{a} x {b} = ?", "what is {a}*{b}",
        "Find {a} * {b}.", "I want to know {a} x {b}.", "What is {a} multiplied by {b}?", "What do {a} times {b} make?"
    ], [
        "How much does {a} times {b} make?", "Tell me {a} multiplied by {b}.", "Work out {a} * {b}.",
        "I need the product {a} x {b}."
    ]),
}
STORY = {
    "+": Pool([
        "{n} has {a} {t} and gets {b} more. How many {t} does {n} have now?",
        "There are {a} {t} in one box and {b} in another. How many are there in all?",
        "{n} sold {a} {t} on {d} and {b} the day after. How many {t} did {n} sell in all?",
        "A shop had {a} {t} and {b} more came. How many {t} are there?",
        "{n} found {a} {t}. {m} found {b} {t}. How many did they find together?",
        "{n} has {a} {t} and {m} has {b}. How many have they together?",
        "{a} {t} are on the shelf and {b} on the floor. How many {t} are that?",
        "{n} buys {a} {t} and then {b} more. How many are these?",
        "In the morning {a} {t} came, in the evening {b}. How many {t} came on that day?",
        "{n} counted {a} {t} on {d} and {b} the day after. What is the sum?",
        "There lie {a} {t}. {n} brings {b} more. How many {t} lie there now?",
        "To {a} {t} we add {b}. What is the total number of {t}?",
        "{n} made {a} {t}, {m} made {b} {t}. How many {t} is that in total?",
        "A truck carries {a} {t} and takes {b} more. How many {t} does it carry then?",
        "First {a} {t} and then {b} {t}: how many are there?"
    ], [
        "{a} {t} lie on a table and {n} puts {b} more there. How many lie there then?",
        "{n} counts {a} {t}, {m} counts {b}. What is the total?"
    ]),
    "-": Pool([
        "{n} has {a} {t} and gives {b} away. How many {t} are left?",
        "There were {a} {t} in a box and {n} took {b}. How many are left?",
        "Of {a} {t}, {b} are broken. How many are whole?",
        "{n} had {a} {t} and sold {b}. How many {t} does {n} have now?",
        "{n} needs {a} {t} and has {b}. How many {t} are missing?",
        "{n} had {a} {t}. {m} took {b} of them. How many remain?",
        "From {a} {t} we take {b}. What number of {t} is left?",
        "{b} of {a} {t} are sold. How many are not sold?", "There are {a} {t} and {b} are lost. How many {t} remain?",
        "{n} has {a} {t}, {m} has {b}. How many more has {n}?",
        "Of the {a} {t} in the shop {b} were bought. How many were not?",
        "{n} bought {a} {t} and used {b}. How many are there still?",
        "A box holds {a} {t}; {b} fall out. How many are left in it?", "{n} lost {b} of {a} {t}. How many are left?",
        "{n} wants {a} {t} but found only {b}. How many more are needed?"
    ], [
        "{n} bought {a} {t} and lost {b} of them. What number remains?",
        "{b} of the {a} {t} were used up. How many were not?"
    ]),
    "*": Pool([
        "{n} has {b} boxes with {a} {t} each. How many {t} are there in all?",
        "A bag has {a} {t}. How many {t} are in {b} bags?",
        "{n} makes {a} {t} a day. How many {t} are that in {b} days?",
        "There are {b} rows of {a} {t}. How many {t} are there?",
        "{b} people have {a} {t} each. How many {t} have they all together?",
        "Each of {b} shelves holds {a} {t}. How many {t} is that?", "{n} buys {b} bags of {a} {t}. How many {t} are these?",
        "Every day {n} finds {a} {t}. How many are that after {b} days?",
        "{b} trucks carry {a} {t} each. What is the number of {t}?", "With {a} {t} in a box, how many {t} are in {b} boxes?",
        "{n} sells {a} {t} a week. How many in {b} weeks?", "There are {b} tables and on each {a} {t}. How many {t} in all?"
    ], [
        "Each of {b} people brings {a} {t}. What number of {t} is that?",
        "{b} parcels of {a} {t} came for {n}. How many {t} came?"
    ]),
}
STORY_PEOPLE = Pool(["Mara", "Joon", "Pia", "Omar", "Lea", "Nico", "Sara", "Timo"], ["Ruben", "Vida"])


def pair_held_out(a, b):
    """One in eight pairs of operands, whatever is done with them and in whichever order, is for the suite."""
    return ((((max(a, b) << 12) + min(a, b)) * GOLDEN) & MASK) >> 61 == 0


def columns(a, b, width):
    return [((a // 10**i) % 10, (b // 10**i) % 10) for i in range(width)]


def add_steps(a, b):
    lines, carry, so_far = [f"{a} + {b}"], 0, ""
    pairs = columns(a, b, max(len(str(a)), len(str(b))))
    for i, (x, y) in enumerate(pairs):
        total = x + y + carry
        text = f"{x} + {y}" + (" + 1" if carry else "") + f" = {total}"
        carry = total // 10
        last = i == len(pairs) - 1
        so_far = (str(total) if last else str(total % 10)) + so_far
        lines.append(text + (f", {total % 10} carry 1" if carry and not last else "") + f": {so_far}")
    return lines


def subtract_steps(a, b):
    """Of a >= b."""
    lines, borrow, so_far = [f"{a} - {b}"], 0, ""
    for x, y in columns(a, b, len(str(a))):
        text, rest = f"{x} - {y}" + (" - 1" if borrow else ""), x - y - borrow
        if rest < 0:
            text, borrow, rest = f"{text}: {x + 10} - {y + borrow} = {rest + 10} borrow", 1, rest + 10
        else:
            text, borrow = f"{text} = {rest}", 0
        so_far = str(rest) + so_far
        lines.append(f"{text}: {so_far}")
    return lines


def multiply_steps(a, b):
    """Of any a and one digit b."""
    lines, carry, so_far = [f"{a} * {b}"], 0, ""
    digits = [int(c) for c in reversed(str(a))]
    for i, x in enumerate(digits):
        product = x * b
        text, total = f"{x} * {b} = {product}", product + carry
        if carry:
            text += f", {product} + {carry} = {total}"
        carry = total // 10
        last = i == len(digits) - 1
        so_far = (str(total) if last else str(total % 10)) + so_far
        lines.append(text + (f", {total % 10} carry {carry}" if carry and not last else "") + f": {so_far}")
    return lines


def work(operation, a, b):
    """The lines of the reasoning and the result."""
    if operation == "+":
        return add_steps(a, b), a + b
    if operation == "*":
        return multiply_steps(a, b), a * b
    if a < b:
        steps = subtract_steps(b, a)
        return [f"{a} < {b}, so minus"] + steps + [f"minus {b - a}: -{b - a}"], a - b
    steps, value = subtract_steps(a, b), a - b
    padded = steps[-1].split(": ")[-1]
    return steps + ([f"{padded}: {value}"] if padded != str(value) else []), value


def operands(draw, operation):
    while True:
        if operation == "*":
            a, b = draw.between(2, draw.one([12, 99, 99, 199])), draw.between(2, 9)
        else:
            high = draw.weighted([20, 99, 999], [8, 22, 70])
            a, b = draw.between(1, high), draw.between(1, draw.weighted([high, 99], [80, 20]))
            if operation == "-" and a < b and draw.chance(88):
                a, b = b, a
        if pair_held_out(a, b) == (draw.side == HELD_OUT):
            return a, b


def problem(draw):
    operation = draw.weighted("+-*", [40, 38, 22])
    a, b = operands(draw, operation)
    # Of one thing a story would have to speak otherwise.
    if draw.chance(30) and min(a, b) > 1 and not (operation == "-" and a < b):
        name, other = (words.person(draw).split()[0] if draw.chance(60) else draw.pick(STORY_PEOPLE) for _ in range(2))
        text = draw.pick(STORY[operation]).format(n=name, m=other, a=a, b=b, t=draw.pick(words.COUNTABLE),
                                                  d=draw.pick(words.WEEKDAYS))
    else:
        text = draw.pick(ASK[operation]).format(a=a, b=b)
    return text, operation, a, b


def at_once(draw):
    """Without reasoning, where thinking is switched off: small numbers only."""
    operation = draw.one("+-")
    while True:
        a, b = draw.between(1, 50), draw.between(1, 20)
        if not pair_held_out(a, b) and (operation == "+" or a >= b):
            break
    text = draw.pick(ASK[operation]).format(a=a, b=b)
    value = a + b if operation == "+" else a - b
    return Sample([user(text), assistant(f"The answer is {value}.")], {"number": value},
                  variables={"enable_thinking": False})


def forget_reasoning(message):
    """Many clients send earlier answers without their reasoning; such an answer is nothing to learn."""
    del message["reasoning_content"]
    message["train"] = False


def exchange(draw):
    """A problem, its solution with the steps, and the result."""
    text, operation, a, b = problem(draw)
    steps, value = work(operation, a, b)
    return text, assistant(f"The answer is {value}.", "\n".join(steps)), value


def sample(draw):
    if draw.side != HELD_OUT and draw.chance(5):
        return at_once(draw)
    messages = scenes.system_turn(draw, 12)
    for turn in range(draw.weighted([1, 2], [82, 18])):
        if turn and draw.chance(60):
            forget_reasoning(messages[-1])
        text, reply, value = exchange(draw)
        messages += [user(text), reply]
    return Sample(messages, {"number": value}, max_tokens=256)
