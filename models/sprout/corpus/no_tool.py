"""Tools are there, but none is for what is asked: sprout says so, or answers what needs no tool."""
from corpus import help, scenes, small_talk, tools, unknown, words
from corpus.draw import Pool
from corpus.record import Sample, assistant, user

NO_TOOL = "None of my tools can do that."

ERRANDS = Pool([
    "What is the {l} of my {n}?", "Tell me the {l} of the {n} in {c}.", "Find out who has the {n}.",
    "Show me all {ns} in {c}.", "Is there {a} in {c}?", "How many {ns} are there in {c}?", "Send {p} {a}.",
    "Remind {p} about the {n}.", "Call {p} now.", "Bring {a} to {p}.", "I need the {l} of the {n}.",
    "Where is the {n} of {p}?", "Which {n} has {p}?", "Look up the {n} of {p}.", "Who has ordered the {n}?",
    "Is the {n} of {p} ready?", "Tell {p} that the {n} has come.", "Let me know the {l} of my {n}.",
    "Change the {l} of the {n}.", "Add the {n} to my list."
], ["Look whether {p} has {a}.", "Give me a list of the {ns} of {p}.", "Ring up {p}."])


def sample(draw):
    count = draw.weighted([1, 2, 3, 4, 5], [30, 28, 20, 12, 10])
    # Some tools do the same with another thing; none does anything with this one.
    wanted, *others = tools.actions(draw, count + 1)
    others = [a for a in others if a.noun != wanted.noun]
    if not others:
        return sample(draw)
    toolset = [tools.random_tool(draw, a) for a in others]
    text, answer, decisive = exchange(draw, wanted)
    messages = scenes.system_turn(draw, 15) + [user(text), assistant(answer)]
    contains = [decisive] if isinstance(decisive, str) else list(decisive)
    return Sample(messages, {"tool_call": None, "contains": contains}, toolset)


def exchange(draw, wanted):
    """A request that no tool is for, if none does anything with what is `wanted`; the answer, and what decides."""
    kind = draw.weighted(["action", "errand", "help", "talk", "scene", "unknown"], [44, 14, 12, 10, 12, 8])
    if kind == "action":
        fields = tools.slots.slots(draw, draw.weighted([0, 1, 2], [30, 45, 25]), wanted.noun)
        text = wanted.fill(draw.pick(tools.REQUESTS), tools.slots_text(draw, fields))
        answer = decisive = NO_TOOL
    elif kind == "errand":
        text = draw.pick(ERRANDS).format(l=tools.slots.label_words(draw), n=wanted.noun, a=words.article(wanted.noun),
                                         ns=words.plural(wanted.noun), c=words.place(draw), p=words.person(draw))
        answer = decisive = NO_TOOL
    elif kind == "help":
        text, fact = help.question(draw)
        answer, decisive = fact.answer, fact.needs
    elif kind == "talk":
        text, answer, decisive = small_talk.exchange(draw)
    elif kind == "unknown":
        # Of the world only: who asks for a thing or a person might mean that a tool is to look for it.
        text, answer, decisive = unknown.knowledge_question(draw), unknown.ANSWER, unknown.DECISIVE
    else:
        scene = scenes.Scene(draw)
        text, answer, decisive = scene.story + " " + scene.question, scene.long, scene.short
    return text, answer, decisive
