"""One request, some tools, and the call that does it. Names, descriptions and arguments of the tools are invented."""
from corpus import scenes, slots, words
from corpus.draw import HELD_OUT, Pool
from corpus.record import Sample, assistant, call, result, user

VERBS = Pool.split("""
book cancel create delete send find order move rename print open close start stop pay return reserve confirm check
update
add remove assign archive schedule publish upload download copy share lock unlock repair inspect measure count sort
paint
pack ship deliver collect sell rent lend borrow record play pause test build plant water feed clean wash mix heat cool
fill
empty weigh charge replace requisition approve reject invite remind report translate register submit track enrol
""")
VERBS.add_training(words.more("verbs"))
DESCRIPTIONS = Pool(
    [
        "{V} {a}.", "Use this to {v} {a}.", "{V} {a} for somebody.", "Tool to {v} {a}.", "{V} one {n}.",
        "Can {v} {a}.", "Call it to {v} {a}.", "A way to {v} {a}.", "{V} the given {n}.", "Helps to {v} {a}.",
        "Needed to {v} {a}.", "{V} {a}, as the arguments say."
    ],
    ["Lets you {v} {a}.", "For when somebody wants to {v} {a}."])
REQUESTS = Pool([
    "{V} {a}{s}.", "Please {v} {a}{s}.", "Can you {v} {a}{s}?", "I need you to {v} {a}{s}.", "{V} the {n}{s}.",
    "Could you {v} the {n}{s}?", "I want to {v} {a}{s}.", "{V} {a}{s}, please.", "Hi, {v} {a}{s}.",
    "We have to {v} {a}{s}.", "Go and {v} the {n}{s}.", "Help me {v} {a}{s}.", "I would like to {v} {a}{s}.",
    "Could somebody {v} {a}{s}?", "You should {v} the {n}{s}.", "My boss wants to {v} {a}{s}.",
    "Can we {v} the {n}{s}?", "Now {v} {a}{s}.", "Kindly {v} the {n}{s}.", "It is time that we {v} {a}{s}.",
    "Be so good and {v} {a}{s}.", "I have to {v} the {n}{s}.", "Let us {v} {a}{s}.", "Next, {v} the {n}{s}."
], [
    "Would you kindly {v} {a}{s}?", "Time to {v} {a}{s}.", "It would be great to {v} the {n}{s}.",
    "My wish is to {v} {a}{s}."
])
DONE = Pool(["ok", "done", "success", "accepted", "queued"], ["completed", "carried out"])
STATUS_KEYS = Pool("status state outcome".split(), ["progress"])


def tool_name(draw, verb, noun, style):
    noun = noun.replace(" ", "_")
    if style == "camel":
        return verb + noun[:1].upper() + noun[1:]
    if style == "dotted":
        return f"{noun}.{verb}"
    if style == "dashed":
        return f"{verb}-{noun}"
    if style == "noun_first":
        return f"{noun}_{verb}"
    if style == "opaque":
        return f"{words.word(draw)}_{draw.number(10, 99)}"
    return f"{verb}_{noun}"


NAME_STYLES = ["snake"] * 10 + ["camel"] * 4 + ["dotted", "dashed", "noun_first", "noun_first", "opaque"]


class Action:
    """A verb and a noun, as words and as a tool."""

    def __init__(self, draw, verb, noun, style):
        self.verb, self.noun, self.style = verb, noun, style
        self.name = tool_name(draw, verb, noun, style)

    def fill(self, text, slots_text=""):
        return text.format(v=self.verb, V=words.sentence_start(self.verb), n=self.noun, a=words.article(self.noun),
                           s=slots_text)

    def tool(self, draw, fields, optional=()):
        """`fields` are required, `optional` are not; the order of all is mixed where there are optional ones."""
        order = draw.shuffled(list(fields) + list(optional)) if optional else list(fields)
        parameters = {
            "type": "object",
            "properties": {
                f.key: f.schema
                for f in order
            },
            "required": [f.key for f in order if f in fields]
        }
        return function(self.name, self.fill(draw.pick(DESCRIPTIONS)), parameters)


def function(name, description, parameters):
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def actions(draw, count):
    """Different actions in one style of names; some share their verb or their noun with the first."""
    style = draw.one(NAME_STYLES)
    out, seen = [], set()
    while len(out) < count:
        verb, noun = draw.pick(VERBS), words.thing(draw)
        if out and draw.chance(25):
            verb = out[0].verb
        elif out and draw.chance(25):
            noun = out[0].noun
        action = Action(draw, verb, noun, style)
        if (verb, noun) in seen or action.name in [a.name for a in out]:
            continue
        seen.add((verb, noun))
        out.append(action)
    return out


def key_style(action):
    return "camel" if action.style == "camel" else "snake"


def random_tool(draw, action):
    fields = slots.slots(draw, draw.weighted([1, 2, 3], [40, 40, 20]), action.noun, key_style(action))
    return action.tool(draw, fields)


def slots_text(draw, fields):
    """All phrases, in any order."""
    text, comma = "", False
    for i, slot in enumerate(draw.shuffled(fields)):
        # What does not go on with a sentence, or stands behind a bare label, would run into what was before.
        text += (", " if not slots.goes_on(slot) or comma or i and draw.chance(60) else " ") + slot.phrase
        comma = slot.kind in ("boolean", "list", "text")
    return text


def told_call(draw, chosen):
    """Tool, arguments and a request for an action."""
    count = draw.weighted([1, 2, 3, 4], [25, 40, 25, 10])
    fields = slots.slots(draw, count + (1 if draw.chance(25) else 0), chosen.noun, key_style(chosen))
    given, optional = fields[:count], fields[count:]
    # An optional argument that what is said might seem to give makes two answers right.
    told = " ".join(f.phrase for f in given)
    optional = [f for f in optional if not slots.could_be_read(f, told, any(g.kind == "text" for g in given))]
    tool = chosen.tool(draw, given, optional)
    order = [f for key in tool["function"]["parameters"]["properties"] for f in given if f.key == key]
    arguments = {f.key: f.value for f in order}
    return tool, arguments, lambda: chosen.fill(draw.pick(REQUESTS), slots_text(draw, given))


def call_sample(draw, tool_count):
    chosen, *others = actions(draw, tool_count)
    tool, arguments, request = told_call(draw, chosen)
    tools = draw.shuffled([tool] + [random_tool(draw, other) for other in others])
    return tools, chosen, arguments, request()


def sample(draw):
    tools, chosen, arguments, request = call_sample(draw, draw.weighted([1, 2, 3, 4, 5, 6], [22, 24, 20, 14, 10, 10]))
    messages = scenes.system_turn(draw) + [user(request)]
    asked = len(messages)
    messages.append(call(chosen.name, arguments))
    if draw.side != HELD_OUT and draw.chance(35):
        messages += outcome(draw, chosen)
    return Sample(messages, {"tool_call": {"name": chosen.name, "arguments": arguments}}, tools, asked)


def outcome(draw, action):
    """What the tool answers, and the sentence that tells it."""
    if draw.chance(20):
        reason = slots.sentence(draw) if draw.chance(50) else f"no such {action.noun}"
        return [result({"error": reason}), assistant(f"That did not work: {reason}.")]
    status, number = draw.pick(DONE), words.code(draw)
    key = draw.pick(STATUS_KEYS)
    if draw.chance(50):
        return [result({key: status, "id": number}), assistant(f"Done. The {key} is {status}, the id is {number}.")]
    return [result({key: status}), assistant(f"Done. The {key} is {status}.")]
