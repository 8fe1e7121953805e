"""A short note and a schema with invented keys: the JSON object that the note fills it with."""
from corpus import slots, words
from corpus.draw import Pool
from corpus.record import Sample, assistant, dump, system, user

ASKS = Pool([
    "Extract the data as JSON with these keys:", "Turn the note into JSON. Keys:",
    "Read the note and answer with JSON of this form:", "Give me a JSON object with the following fields:",
    "Fill this JSON from the note:", "Extract JSON. Fields:", "Answer only with JSON. The keys are:",
    "Write the note as JSON with:", "JSON with these fields, null where the note says nothing:",
    "Make JSON of the note, with the fields:", "Find these things in the note, as JSON:", "Which values has the note? Keys:",
    "Put the note into a JSON object. Its keys:", "Return a JSON object with exactly these keys:"
], [
    "From the note, make a JSON object with:", "Convert what follows to JSON having the keys:",
    "I need these fields as JSON:"
])
SCHEMA_ASKS = Pool([
    "Extract JSON that follows this schema:", "Answer with JSON for this schema:",
    "Read the note into this JSON schema:", "JSON schema:",
    "Fill this schema from the note, as JSON:", "The JSON must match this schema:", "Give JSON for the note. Schema:",
    "Here is a JSON schema. Answer with an object that fits it:"
], ["Produce JSON valid under this schema:", "Use this schema for the JSON:"])
NOTE_MARKS = Pool(["Note: {}", "The note: {}", "Text: {}", 'Note:\n{}', '"{}"', "Here is the note: {}"],
                  ["What was written: {}", "Memo: {}"])

# What a note is about. No names and places: those are fields.
SUBJECTS = Pool([
    "{A} {t}", "One {t}", "Somebody wrote about {a} {t}", "Call about {a} {t}", "Request: {t}", "New {t}", "The {t}",
    "{A} {j} {t}", "The {j} {t} again", "They want {a} {t}", "News of the {t}",
    "About the {t}", "{A} {t} came up", "Do not forget the {t}", "We talked about {a} {t}", "Next is the {j} {t}"
], ["Concerning {a} {t}", "A question about the {j} {t}", "It is the {t}"])
ITEM_KEYS = Pool("item product thing object subject topic what".split(), "goods matter".split())
ITEM_DESCRIPTIONS = Pool(["the thing it is about", "what it is about", "the product", "name of the thing"],
                         ["the thing in question", "which object is meant"])


def form(slot):
    """The type of a field in words."""
    kind = slot.schema["type"]
    if "enum" in slot.schema:
        return "one of " + ", ".join(slot.schema["enum"])
    return {"array": "list of strings"}.get(kind, kind)


def as_lines(fields):
    return "\n".join(f"- {f.key}: {f.schema.get('description', f.label)} ({form(f)})" for f in fields)


def as_inline(fields):
    return ", ".join(
        f"{f.key} ({f.schema['description']}; {form(f)})" if "description" in f.schema else f"{f.key} ({form(f)})"
        for f in fields)


def in_words(slot):
    return form(slot) if "enum" in slot.schema else slot.schema.get("description", form(slot))


def as_template(fields):
    return dump({f.key: in_words(f) for f in fields})


def as_schema(fields):
    properties = {f.key: f.schema for f in fields}
    return dump({"type": "object", "properties": properties, "required": list(properties)})


def as_sentence(slot):
    """The phrase; a value that begins it is written as it is."""
    phrase = slot.phrase.removeprefix("and ")
    return (phrase if phrase.startswith(slots.shown(slot.value)) else words.sentence_start(phrase)) + "."


def note(draw, given, thing):
    text = words.with_articles(draw.pick(SUBJECTS).format(t=thing, a="a", A="A", j=draw.pick(words.ADJECTIVES)))
    told = [f for f in draw.shuffled(given) if f.phrase]
    phrases = [f.phrase for f in told]
    style = draw.below(3)
    if not told:
        return text + "."
    if style == 0:
        return text + (" " if slots.goes_on(told[0]) else ": ") + ", ".join(phrases) + "."
    if style == 1:
        return text + ". " + " ".join(as_sentence(f) for f in told)
    return text + "; " + "; ".join(phrases)


def item_field(draw, thing):
    """The subject of the note itself, which no phrase has to tell."""
    key = draw.pick(ITEM_KEYS)
    return slots.Slot(key, {"type": "string", "description": draw.pick(ITEM_DESCRIPTIONS)}, thing, "", key)


def label_lines(draw, given):
    """A form instead of a sentence: key words and values."""
    mark = draw.one([": ", " = ", " - ", ": "])
    lines = []
    for field in draw.shuffled(given):
        value = ("no", "yes")[field.value] if isinstance(field.value, bool) else slots.shown(field.value)
        lines.append(field.label.replace("_", " ") + mark + value)
    return draw.one(["\n", "; ", ", "]).join(lines)


def nested(draw, fields, value):
    """Two or more fields move into an object of their own."""
    inner = fields[-2:]
    key = words.word(draw)
    value = {f.key: value[f.key] for f in fields[:-2]} | {key: {f.key: value[f.key] for f in inner}}
    schema = {"type": "object", "properties": {f.key: f.schema for f in inner}, "required": [f.key for f in inner]}
    return slots.Slot(key, schema, None, "", key), value


def riddle(absent, given, text):
    """Whether a note has something that fits a field which it does not tell."""
    quoted = any(f.kind == "text" for f in given)
    return any(slots.could_be_read(f, text, quoted) or
               (not isinstance(f.value, bool) and slots.shown(f.value) in text) for f in absent)


def sample(draw):
    return begin(draw)[0]


def begin(draw):
    """A sample, and how to make more notes for what it asks for."""
    count = draw.weighted([2, 3, 4, 5], [28, 36, 24, 12])
    in_form = draw.chance(25)
    fields = slots.slots(draw, count, "note", draw.one(["snake", "snake", "camel"]), 0 if in_form else 50)
    thing = words.thing(draw)
    absent = [f for f in fields if draw.chance(20)][:1]
    item = item_field(draw, thing) if not in_form and draw.chance(35) else None
    if item and item.key not in [f.key for f in fields]:
        fields.insert(draw.below(len(fields) + 1), item)
    given = [f for f in fields if f not in absent]
    text = label_lines(draw, given) if in_form else note(draw, given, thing)
    if riddle(absent, given, text):
        return begin(draw)
    value = {f.key: None if f in absent else f.value for f in fields}
    shape = draw.weighted(["lines", "inline", "template", "schema"], [30, 20, 25, 25])
    described, outer = fields, None
    if shape in ("template", "schema") and len(fields) >= 4 and draw.chance(40):
        outer, value = nested(draw, fields, value)
        described = fields[:-2] + [outer]
        if shape == "template":
            shown = dump({f.key: in_words(f) for f in fields[:-2]} | {outer.key: {f.key: in_words(f) for f in fields[-2:]}})
    if shape == "lines":
        ask = draw.pick(ASKS) + "\n" + as_lines(fields)
    elif shape == "inline":
        ask = draw.pick(ASKS) + " " + as_inline(fields)
    elif shape == "template":
        ask = draw.pick(ASKS) + " " + (as_template(fields) if described is fields else shown)
    else:
        ask = draw.pick(SCHEMA_ASKS) + " " + as_schema(described)
    marked = draw.pick(NOTE_MARKS).format(text)
    order = draw.below(3)
    if order == 0:
        messages = [system(ask), user(text)]
    elif order == 1:
        messages = [user(ask + "\n" + marked)]
    else:
        messages = [user(marked + "\n" + ask)]
    messages.append(assistant(dump(value)))
    return Sample(messages, {"json": value}, max_tokens=256), lambda: another(draw, fields, item, outer, in_form)


def another(draw, fields, item, outer, in_form):
    """A note with other values, and its JSON."""
    thing = words.thing(draw)
    now = [slots.Slot(f.key, f.schema, thing, "", f.label) if f is item else slots.again(draw, f) for f in fields]
    absent = [f for f in now if draw.chance(20)][:1]
    given = [f for f in now if f not in absent]
    text = label_lines(draw, given) if in_form else note(draw, given, thing)
    if riddle(absent, given, text):
        return another(draw, fields, item, outer, in_form)
    value = {f.key: None if f in absent else f.value for f in now}
    if outer:
        inner = {f.key: value.pop(f.key) for f in now[-2:]}
        value[outer.key] = inner
    return text, value


def conversation(draw):
    """More notes for the same fields: what was asked for holds until something else is."""
    first, more = begin(draw)
    for _ in range(draw.between(1, 4)):
        text, value = more()
        text = draw.pick(NOTE_MARKS).format(text) if draw.chance(40) else text
        first.messages += [user(text), assistant(dump(value))]
    return first
