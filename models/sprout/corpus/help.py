"""Questions about Hone, from the tables in facts/: what is asked for, in several wordings, and one answer."""
import pathlib

from corpus import scenes
from corpus.draw import HELD_OUT, TRAIN, Pool
from corpus.record import Sample, assistant, user

FILES = ["program", "flags", "api", "training", "errors", "eval"]

# Frames for the phrases of a fact: by what a phrase is.
FRAMES = {
    "do": Pool([
        "How do I {x}?", "How can I {x}?", "How to {x}?", "I want to {x}.", "What do I do to {x}?",
        "Tell me how to {x}.", "Can you tell me how to {x}?", "Is there a way to {x}?", "How would I {x} with Hone?",
        "In Hone, how do I {x}?", "What must I type to {x}?", "I need to {x}.", "Help me {x}.",
        "I want to {x}. What should I do?", "Explain how to {x}."
    ], [
        "What is the way to {x}?", "Show me how one would {x}.", "I would like to {x}, how is that done?",
        "With Hone, what lets me {x}?"
    ]),
    "what": Pool([
        "What is {x}?", "Explain {x}.", "What does {x} mean?", "Tell me about {x}.", "What is {x} in Hone?",
        "Describe {x}.", "I do not understand {x}.", "Define {x}.", "What do you know about {x}?", "What is {x} for?",
        "{x}"
    ], ["Give me a short explanation of {x}.", "What should I know about {x}?", "In a few words, how would you define {x}?"]),
    "flag": Pool([
        "What does {x} do?", "What is {x} for?", "What does the flag {x} do?", "Explain {x}.", "What does {v} {x} do?",
        "When do I need {x}?", "What happens if I give {x}?", "Meaning of {x}?", "Tell me about {x} of {v}.",
        "What is the flag {x} of {v} good for?", "{x}", "Explain {v} {x}.", "What can I set with {x}?",
        "Which flag is {x}?"
    ], ["Why would I use {x}?", "What effect has {x}?", "Describe the option {x} of {v}.", "Is there any reason to set {x}?"]),
    "key": Pool([
        "What does {x} do in a recipe?", "What is the key {x}?", "Explain {x} in the recipe.", "What does {x} mean?",
        "What can I set with {x}?", "recipe key {x}", "What is {x} in a recipe?", "Tell me about the recipe key {x}.",
        "{x}"
    ], ["Which setting is behind {x}?", "Describe the recipe's {x} to me.", "Somebody wrote {x} into a recipe. What follows from it?"]),
    "error": Pool([
        'I get the error "{x}".', 'What does "{x}" mean?', "Hone says: {x}", "{x} - what now?",
        "The server says {x}. What should I do?", 'Why do I get "{x}"?', "error: {x}", 'What can I do about "{x}"?',
        "It fails with {x}."
    ], ['What is wrong when I see "{x}"?', "My terminal shows: {x}"]),
}
# What stands for itself: whole questions ("ask"), complaints or wishes ("need"), and both, a line each ("say").
WHOLE = ["ask", "need", "say"]
# Flags that several verbs have with meanings of their own: asked for with their verb.
SHARED_FLAGS = {"--json", "--quiet", "--compare", "--prompt", "--streams"}


def framed(kind, phrase, frame):
    """A phrase of that kind in a frame; nothing where its flag is to be asked for with the verb, and the frame has no place for it."""
    verb, _, flag = phrase.rpartition(" ") if kind == "flag" else ("", "", phrase)
    if kind == "flag" and flag in SHARED_FLAGS and "{v}" not in frame:
        return None
    return frame.format(x=flag, v=verb)


class Fact:

    def __init__(self, name, fields, answer):
        self.name, self.answer = name, answer
        self.phrases = {kind: fields.get(kind, []) for kind in [*FRAMES, *WHOLE]}
        self.held_out = fields["held"]
        self.needs = fields["needs"]
        self.kinds = [kind for kind in self.phrases if self.phrases[kind]]
        # A phrase with frames counts more than a whole question, of which there is no second wording.
        self.weights = [len(self.phrases[kind]) * (1 if kind in WHOLE else 2) + 1 for kind in self.kinds]

    def ask(self, draw, kind):
        phrase, text = draw.one(self.phrases[kind]), None
        while text is None:
            text = framed(kind, phrase, draw.pick(FRAMES[kind])) if kind in FRAMES else phrase
        return text

    def questions(self, side):
        """All that a side may ask: whole questions (of training), and phrases in the side's frames."""
        if side == TRAIN:
            yield from (phrase for kind in WHOLE for phrase in self.phrases[kind])
        for kind, frames in FRAMES.items():
            told = (framed(kind, phrase, frame) for phrase in self.phrases[kind] for frame in frames.sides[side])
            yield from filter(None, told)


def read(path):
    """Blocks of "kind: phrase | phrase" lines, the answer behind "=". """
    for number, block in enumerate(path.read_text(encoding="utf-8").strip().split("\n\n"), 1):
        name, fields, answer = f"{path.stem}-{number:03}", {}, None
        for line in block.splitlines():
            if line.startswith("= "):
                answer = line[2:].strip()
                continue
            kind, _, rest = line.partition(": ")
            assert kind in FRAMES or kind in WHOLE or kind in ("held", "needs"), f"{path}: block {number}: {line}"
            assert kind == "say" or kind not in fields, f"{path}: block {number}: two lines of {kind}"
            parts = [rest] if kind == "say" else rest.split(", " if kind == "needs" else " | ")
            fields.setdefault(kind, []).extend(p.strip() for p in parts)
        assert answer and fields.get("held") and fields.get(
            "needs"), f"{path}: block {number} lacks held, needs or its answer"
        for decisive in fields["needs"]:
            assert decisive in answer, f"{path}: block {number}: the answer has no {decisive!r}"
        yield Fact(name, fields, answer)


def load():
    folder = pathlib.Path(__file__).parent / "facts"
    return [fact for name in FILES for fact in read(folder / f"{name}.txt")]


FACTS = load()


def question(draw):
    """A question in words of the draw's side, and its fact."""
    fact = draw.one(FACTS)
    if draw.side == TRAIN:
        text = fact.ask(draw, draw.weighted(fact.kinds, fact.weights))
        if draw.chance(12):
            return keywords(draw, text), fact
        return scenes.roughened(draw, text), fact
    return held_out_question(draw, fact), fact


def keywords(draw, text):
    """What is left of a question when it is typed in a hurry: no small words, at times one of the others
    missing."""
    left = [
        w for w in text.rstrip("?.").split()
        if w.lower() in DENIALS or w.lower() not in SMALL_WORDS and not draw.chance(12)
    ]
    return " ".join(left) if len(left) > 1 else text


DENIALS = {"not", "no", "without", "never"}
SMALL_WORDS = set(
    "a an the is are of to in for do does i my how what which can with it that this be there me on and".split())


def held_out_question(draw, fact, own=None):
    """One of the fact's held-out wordings, or one of its phrases in a held-out frame."""
    kinds = [kind for kind in fact.kinds if kind in FRAMES]
    if own is None:
        own = draw.chance(50)
    return draw.one(fact.held_out) if own or not kinds else fact.ask(draw, draw.one(kinds))


def sample(draw):
    text, fact = question(draw)
    return Sample(scenes.system_turn(draw) + [user(text), assistant(fact.answer)], {"contains": fact.needs})


def cases(draw):
    """A case in each of a fact's own held-out wordings, and one in a held-out frame for every eighth."""
    assert draw.side == HELD_OUT
    for number, fact in enumerate(FACTS):
        questions = [*fact.held_out, *([held_out_question(draw, fact, own=False)] if number % 8 == 0 else [])]
        for suffix, text in zip(["", "-b", "-c"], questions):
            yield fact.name + suffix, Sample([user(text), assistant(fact.answer)], {"contains": fact.needs})
