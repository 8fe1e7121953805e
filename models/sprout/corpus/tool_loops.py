"""Requests that take several calls, each with the result of the one before, and a sentence that tells the end.

chain    look something up, go on with what was found, up to six calls
each     the same call for several things, then all that was found
"""
import re

from corpus import scenes, slots, tools, words
from corpus.draw import HELD_OUT, Pool
from corpus.record import Sample, assistant, call, dump, result, user
from corpus.tools import Action, function

# A thing that a tool looks up, by the key that its result has.
LINKS = Pool.split(
    "order ticket account invoice booking parcel customer contract device room shipment case project car policy "
    "patient member course lesson rental claim permit seat cabin licence meter boat crate tenant vendor badge "
    "locker loan voucher")
LINK_KEYS = Pool(["{n}_id", "{n}_number", "{n}_code"], ["{n}_key", "{n}_ref"])
LOOKUPS = Pool(["find", "get", "look_up", "fetch", "search"], ["retrieve", "locate"])
LOOKUP_DESCRIPTIONS = Pool([
    "Finds the {t} of {f}.", "Tells the {t} of {f}.", "Gives the {t} that belongs to {f}.", "Looks up the {t} of {f}.",
    "Which {t} {f} has.", "The {t} of {f}.", "From {f} to the {t}.", "Use it to find the {t} of {f}."
], ["Returns which {t} {f} has.", "Gets the {t} for {f}."])
CHAIN_REQUESTS = Pool([
    "{V} the {t} of {w}{s}.", "Please {v} the {t} of {w}{s}.", "Can you {v} the {t} of {w}{s}?",
    "{w} wants to {v} the {t}{s}.", "{V} the {t} that {w} has{s}.", "I am calling for {w}. {V} the {t}{s}.",
    "We must {v} the {t} of {w}{s}.", "Would you {v} the {t} of {w}{s}?", "I want to {v} the {t} of {w}{s}.",
    "Please {v} the {t} that belongs to {w}{s}.", "Somebody must {v} the {t} of {w}{s}.",
    "{w} asked me to {v} the {t}{s}.", "On behalf of {w}, {v} the {t}{s}.", "It is about {w}. Please {v} the {t}{s}."
], ["{w} asks us to {v} the {t}{s}.", "For {w}: {v} the {t}{s}."])
FIND_REQUESTS = Pool([
    "What is the {k} of the {t} of {w}?", "Tell me the {k} of the {t} of {w}.", "Find the {k} of the {t} that {w} has.",
    "I want to know the {k} of the {t} of {w}.", "Which {k} has the {t} of {w}?",
    "Give me the {k} of the {t} of {w}.", "{w} wants to know the {k} of the {t}.", "Look up the {k} of the {t} of {w}.",
    "I am calling for {w}. What is the {k} of the {t}?", "Can you find the {k} of the {t} of {w}?",
    "The {k} of the {t} of {w}, please."
], ["It is about the {t} of {w}: what is its {k}?", "Please report the {k} of the {t} belonging to {w}."])
EACH_REQUESTS = Pool([
    "What is the {k} of {l}?", "Tell me the {k} of {l}.", "Check the {k} of {l}.", "Find the {k} for each of {l}.",
    "I need the {k} of {l}.", "Please get the {k} of {l}.", "Give me the {k} of {l}.", "Which {k} have {l}?",
    "Can you tell me the {k} of {l}?", "Look up the {k} of {l}.", "{l}: what is the {k} of each?",
    "I want to know the {k} of {l}."
], ["For {l}, which {k} do they have?", "Report the {k} of {l}, one after the other."])
ITEM_KEYS = Pool("item product thing object subject entry".split(), "goods article".split())
EACH_DESCRIPTIONS = Pool(["Tells the {k} of {a}.", "The {k} of one {n}.", "Look up the {k} of {a}."],
                         ["Returns the {k} for {a}."])
FAILURES = Pool([
    "not found", "no entry", "unknown {n}", "access denied", "no such {n}", "the {n} is missing", "nobody has that {n}"
], ["nothing on record", "lookup failed"])


def link_key(draw, noun, style):
    return slots.styled(draw, draw.pick(LINK_KEYS).format(n=noun), style)


def distractors(draw, taken, request, count):
    """Tools for other things than the request names."""
    out = []
    for action in tools.actions(draw, count):
        if action.name not in taken and action.noun not in request:
            out.append(tools.random_tool(draw, action))
    return out


def lookup_tool(draw, verb, thing, key, schema, owner):
    name = f"{verb}_{thing}"
    description = draw.pick(LOOKUP_DESCRIPTIONS).format(t=thing, f=owner)
    return function(name, description, {"type": "object", "properties": {key: schema}, "required": [key]})


def chain(draw):
    """person -> first thing -> next thing ... -> an action on the last one, or a question about it."""
    style = draw.one(["snake", "snake", "camel"])
    hops = draw.weighted([1, 2, 3, 4], [46, 30, 14, 10])
    things = draw.some(LINKS, hops)
    verb = draw.pick(LOOKUPS)
    name = words.person(draw)
    toolset, steps, owner = [], [], "a person"
    key, schema, value = slots.styled(draw, draw.pick(slots.TYPED["person"][0]), style), {"type": "string"}, name
    for thing in things:
        tool = lookup_tool(draw, verb, thing, key, schema, words.article(owner) if owner != "a person" else owner)
        found_key, found = link_key(draw, thing, style), words.code(draw)
        answer = {found_key: found}
        if draw.chance(30):
            answer = extra(draw, answer)
        steps.append((tool["function"]["name"], {key: value}, answer))
        toolset.append(tool)
        key, value, owner = found_key, found, thing
    path = " of the ".join(reversed(things))
    if draw.chance(60):
        request, closing = act(draw, style, path, things[-1], name, key, value, toolset, steps)
    else:
        request, closing = ask(draw, style, path, things[-1], name, key, value, toolset, steps)
    return request, toolset, steps, closing, [literally(v) for v in steps[-1][2].values()]


def extra(draw, answer):
    """A result with a field that nobody needs."""
    label = words.word(draw)
    pair = {label: draw.number(10, 999) if draw.chance(50) else words.word(draw)}
    return {**pair, **answer} if draw.chance(50) else {**answer, **pair}


def act(draw, style, path, thing, name, key, value, toolset, steps):
    action = Action(draw, draw.pick(tools.VERBS), thing, "snake")
    fields = slots.slots(draw, draw.weighted([0, 1, 2], [40, 45, 15]), thing, style, without=["person", "code"])
    fields = [f for f in fields if f.key != key]
    own = slots.Slot(key, {"type": "string"}, value, "", key)
    tool = action.tool(draw, [own] + fields)
    status, status_key = draw.pick(tools.DONE), draw.pick(tools.STATUS_KEYS)
    steps.append((action.name, {f.key: f.value for f in [own] + fields}, {status_key: status}))
    toolset.append(tool)
    request = draw.pick(CHAIN_REQUESTS).format(v=action.verb, V=words.sentence_start(action.verb), t=path, w=name,
                                               s=tools.slots_text(draw, fields))
    return request, f"Done. The {status_key} is {status}."


def ask(draw, style, path, thing, name, key, value, toolset, steps):
    label = slots.label_words(draw)
    found_key = slots.styled(draw, label, style)
    found = draw.one([
        lambda: draw.number(10, 9999), lambda: words.word(draw), lambda: words.date(draw),
        lambda: draw.pick(words.COLOURS)
    ])()
    tool_name = f"{draw.pick(LOOKUPS)}_{label.replace(' ', '_')}"
    description = draw.pick(EACH_DESCRIPTIONS).format(k=label, a=words.article(thing), n=thing)
    toolset.append(
        function(tool_name, description, {
            "type": "object",
            "properties": {
                key: {
                    "type": "string"
                }
            },
            "required": [key]
        }))
    steps.append((tool_name, {key: value}, {found_key: found}))
    return draw.pick(FIND_REQUESTS).format(k=label, t=path, w=name), f"The {label} is {found}."


def each(draw):
    style = draw.one(["snake", "snake", "camel"])
    kind, label = draw.below(3), slots.label_words(draw)
    # What has the label is said in the description: a person where people are asked for.
    noun = "person" if kind == 1 else words.thing(draw)
    count = draw.weighted([2, 3, 4, 5, 6], [38, 32, 14, 9, 7])
    make = [words.code, words.person, words.word][kind]
    names = []
    while len(names) < count:
        item = make(draw)
        if item not in names:
            names.append(item)
    key = slots.styled(draw, draw.pick([slots.TYPED["code"][0], slots.TYPED["person"][0], ITEM_KEYS][kind]), style)
    name = f"{draw.pick(LOOKUPS)}_{label.replace(' ', '_')}"
    description = draw.pick(EACH_DESCRIPTIONS).format(k=label, a=words.article(noun), n=noun)
    tool = function(name, description, {"type": "object", "properties": {key: {"type": "string"}}, "required": [key]})
    found_key = slots.styled(draw, label, style)
    numeric = draw.chance(50)
    steps, told, found_values = [], [], []
    for item in names:
        found = draw.number(10, 999) if numeric else words.word(draw)
        steps.append((name, {key: item}, {found_key: found}))
        told.append(f"{item}: {found}")
        found_values.append(str(found))
    request = draw.pick(EACH_REQUESTS).format(k=label, l=words.listed(names))
    return request, [tool], steps, ", ".join(told) + ".", each_with_its_own(names, found_values)


def literally(value):
    """An expression for a value that is no part of a longer one."""
    return r"(?<!\w)" + re.sub(r"([.+*?()\[\]{}|^$\\])", r"\\\1", str(value)) + r"(?!\w)"


def each_with_its_own(names, values):
    """Expressions for an answer that tells each name's own value, in whatever words: none of the other names stands
    between the two, and the value is no part of a longer one."""
    out = []
    for name, value in zip(names, values):
        others = "|".join(literally(other) for other in names if other != name)
        out.append(f"{literally(name)}(?:(?!{others})[\\s\\S])*?{literally(value)}")
    return out


def broken(draw, steps, noun):
    """The first look-up finds nothing, and the answer says so."""
    reason = draw.pick(FAILURES).format(n=noun)
    return [(steps[0][0], steps[0][1], {"error": reason})], f"That did not work: {reason}.", [literally(reason)]


def sample(draw):
    request, toolset, steps, closing, decisive = chain(draw) if draw.chance(65) else each(draw)
    names = [t["function"]["name"] for t in toolset]
    if len(set(names)) < len(names):
        return sample(draw)
    if draw.side != HELD_OUT and draw.chance(8):
        steps, closing, decisive = broken(draw, steps, "name")
    if len(toolset) < 4 and draw.chance(60):
        toolset = toolset + distractors(draw, names, request, draw.between(1, 2))
    messages = scenes.system_turn(draw, 15) + [user(request)]
    asked = len(messages)
    for name, arguments, answer in steps:
        messages += [call(name, arguments), result(answer)]
    messages.append(assistant(closing))
    check = {"calls": [{"name": n, "arguments": a, "result": dump(r)} for n, a, r in steps], "regex": decisive}
    return Sample(messages, check, draw.shuffled(toolset), asked)
