"""Small situations with facts that can be asked for, and the system turns that records begin with."""
from corpus import words
from corpus.draw import Pool
from corpus.record import system

SYSTEMS = Pool([
    "You are a helpful assistant.", "You are sprout.", "You are sprout, a small model made with Hone.",
    "You help people at work.", "You are an assistant. Be correct.", "Answer well.", "You are a polite helper.",
    "You work at the desk of {c}.", "Today is {d}.", "You help {n}."
], ["Assist whoever asks.", "You are the office helper of {n}.", "It is {d} now."])


def system_text(draw):
    return draw.pick(SYSTEMS).format(c=words.place(draw), d=words.date(draw), n=words.person(draw))


def system_turn(draw, percent=25):
    return [system(system_text(draw))] if draw.chance(percent) else []


# Past form and base form of what somebody does with a thing.
DEEDS = Pool.split([("bought", "buy"), ("sold", "sell"), ("found", "find"), ("lost", "lose"), ("painted", "paint"),
                    ("repaired", "repair"), ("ordered", "order"), ("collected", "collect"), ("cleaned", "clean"),
                    ("opened", "open"), ("borrowed", "borrow"), ("packed", "pack"), ("built", "build"),
                    ("moved", "move"), ("measured", "measure"), ("rented", "rent"), ("carried", "carry"),
                    ("showed", "show")])
DEEDS.add_training(tuple(pair.split()) for pair in """
hid hide, wrapped wrap, dropped drop, kicked kick, washed wash, dried dry, burned burn, broke break, fixed fix, glued glue,
polished polish, scratched scratch, weighed weigh, photographed photograph, drew draw, sketched sketch, described describe,
admired admire, praised praise, tested test, tried try, used use, needed need, wanted want, chose choose, picked pick,
returned return, replaced replace, swapped swap, traded trade, stole steal, won win, inherited inherit, donated donate,
kept keep, stored store, stacked stack, loaded load, unloaded unload, lifted lift, pushed push, pulled pull, dragged drag,
threw throw, caught catch, balanced balance, locked lock, unlocked unlock, hung hang, mounted mount,
assembled assemble, designed design, invented invent, imported import, exported export, shipped ship, delivered deliver,
received receive, inspected inspect, counted count, labelled label, marked mark, folded fold, bent bend,
decorated decorate, covered cover, buried bury, discovered discover, noticed notice, forgot forget
""".replace("\n", " ").split(","))
# What a text tells, with a question for each part of it.
STORIES = Pool([
    "{n} {past} {a} {t} in {c} on {w}.", "On {w}, {n} {past} {a} {t} in {c}.", "In {c}, {n} {past} {a} {t} on {w}.",
    "Last {w} {n} was in {c} and {past} {a} {t}.", "{n} was in {c} on {w}. There {n} {past} {a} {t}."
], ["It was {w} when {n} {past} {a} {t} in {c}.", "{c} is where {n} {past} {a} {t}; that was on {w}."])
WHO = Pool(["Who {past} the {t}?", "Who was it that {past} the {t}?", "Tell me who {past} the {t}.", "Say who {past} the {t}.",
            "Which person {past} the {t}?", "The {t}: who {past} it?"],
           ["What is the name of the one who {past} the {t}?"])
WHAT = Pool(["What did {n} {base}?", "Tell me what {n} {past}.", "What was it that {n} {past}?", "Say what {n} {past}.",
             "What thing was it that {n} {past}?", "{n} {past} something: what?"],
            ["Which thing did {n} {base}?"])
WHERE = Pool(["Where did {n} {base} the {t}?", "In which city did {n} {base} the {t}?", "Where was {n}?",
              "Tell me where {n} {past} the {t}.", "In what place did {n} {base} the {t}?", "The {t}: where did {n} {base} it?"],
             ["What is the city in which {n} {past} the {t}?"])
WHEN = Pool([
    "When did {n} {base} the {t}?", "On which day did {n} {base} the {t}?", "What day was it when {n} {past} the {t}?",
    "Tell me when {n} {past} the {t}.", "Say on what day {n} {past} the {t}.", "The {t}: when did {n} {base} it?"
], ["Which day of the week did {n} {base} the {t}?"])


class Scene:
    """`story`, a `question`, its answer in a word (`short`) and in a sentence (`long`)."""

    def __init__(self, draw):
        past, base = draw.pick(DEEDS)
        self.name = words.person(draw).split()[0]
        self.thing = words.thing(draw)
        adjective = draw.pick(words.ADJECTIVES)
        self.city, self.day = words.place(draw), draw.pick(words.WEEKDAYS)
        parts = {
            "n": self.name,
            "t": self.thing,
            "past": past,
            "base": base,
            "c": self.city,
            "w": self.day,
            "a": words.article(adjective),
            "adj": adjective
        }
        self.parts = parts
        self.story = draw.pick(STORIES).format(**parts)
        kind = draw.below(4)
        self.question = draw.pick([WHO, WHAT, WHERE, WHEN][kind]).format(**parts)
        self.short = [self.name, f"{words.article(adjective)} {self.thing}", self.city, self.day][kind]
        self.long = [
            f"{self.name} {past} the {self.thing}.", f"{self.name} {past} {words.article(adjective)} {self.thing}.",
            f"{self.name} {past} the {self.thing} in {self.city}.",
            f"{self.name} {past} the {self.thing} on {self.day}."
        ][kind]
        self.kind = ["who", "what", "where", "when"][kind]


OPENINGS = Pool(
    ["Hi, {}", "Hello, {}", "Please: {}", "A question: {}", "Hey sprout, {}", "Quick question: {}", "ok, {}"],
    ["One thing: {}", "Good day, {}"])


def roughened(draw, question):
    """As people type: sometimes with an opening, without the question mark, in lower case at the start."""
    if draw.chance(14):
        first, _, rest = question.partition(" ")
        lowered = first.lower() if first in QUESTION_WORDS else first
        question = draw.pick(OPENINGS).format(lowered + " " + rest if rest else lowered)
    if draw.chance(22) and question[-1] in ".?":
        question = question[:-1]
    first, _, rest = question.partition(" ")
    if draw.chance(18) and first in QUESTION_WORDS and rest:
        question = first.lower() + " " + rest
    return question


QUESTION_WORDS = set(
    "What Who When Where How Which Why Is Are Can Do Does Tell Explain Show Help I Will Should Could Please Give Name "
    "List Write My In For Describe Have Compose".split()) - {"I"}
