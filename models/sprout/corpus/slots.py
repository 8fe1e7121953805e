"""Values with a key, a schema and a phrase that tells them in a sentence: arguments of tools, fields of notes.

A slot is *typed* where its phrase says only what kind of thing the value is ("on 2024-03-14"), so that the schema's
description has to be understood; or *labelled* where the phrase has the words of the key ("with a priority of 12").
"""
import re

from corpus import words
from corpus.draw import Pool


class Slot:
    __slots__ = ("key", "schema", "value", "phrase", "label", "kind", "labelled")

    def __init__(self, key, schema, value, phrase, label, kind=None, labelled=False):
        self.key, self.schema, self.value, self.phrase, self.label, self.kind = key, schema, value, phrase, label, kind
        self.labelled = labelled


# Kind -> keys, descriptions, phrases for requests ("Book a room for Mara").
TYPED = {
    "person": (Pool("name person customer guest who contact_person full_name client_name".split(),
                    "participant recipient visitor_name".split()),
               Pool([
                   "name of the person", "who it is for", "full name", "the person's name", "name of the customer",
                   "the person concerned", "for whom", "somebody's name", "first and last name", "whose it is"
               ], ["name of whoever it concerns", "the individual's name"]),
               Pool([
                   "for {}", "on behalf of {}", "in the name of {}", "as {} asked", "since {} needs it",
                   "as a favour to {}", "{} would like it", "the name is {}", "at the wish of {}"
               ],
                    ["under the name {}", "because {} wants it"])),
    "city": (Pool("city place town location where site".split(), "venue_city whereabouts".split()),
             Pool([
                 "name of the city", "where it is", "the place", "city or town", "location", "where to go",
                 "in which town", "the town it is in"
             ],
                  ["which town it concerns", "name of the location"]),
             Pool([
                 "in {}", "over in {}", "at our office in {}", "here in {}", "somewhere in {}", "at the place in {}",
                 "right in {}", "near {}"
             ], ["in the city of {}", "located in {}"])),
    "date": (Pool("date day on_date when due_date".split(), "calendar_day scheduled_date".split()),
             Pool([
                 "date as YYYY-MM-DD", "the day, as YYYY-MM-DD", "date", "which day (YYYY-MM-DD)",
                 "on what day, YYYY-MM-DD", "YYYY-MM-DD", "the date in question"
             ],
                  ["calendar date, YYYY-MM-DD", "day in the form YYYY-MM-DD"]),
             Pool([
                 "on {}", "for the day {}", "by {}", "on the date {}", "planned for {}", "with the date {}",
                 "not before {}", "until {}"
             ], ["due {}", "dated {}"])),
    "time": (Pool("time at start_time hour clock_time".split(), "begin_at time_of_day".split()),
             Pool([
                 "time as HH:MM", "time of day, HH:MM", "when it starts (HH:MM)", "start time", "HH:MM",
                 "the hour as HH:MM", "at what time, HH:MM"
             ],
                  ["clock time in the form HH:MM", "hour and minute, HH:MM"]),
             Pool([
                 "at {}", "at {} sharp", "starting at {}", "at the time {}", "around {}", "with the time {}",
                 "to start at {}", "from {} on"
             ],
                  ["from {} onwards", "beginning at {}"])),
    "email": (Pool("email mail email_address send_to".split(), "mailbox reply_to".split()),
              Pool([
                  "e-mail address", "address to write to", "the e-mail of the person", "e-mail", "address for mail",
                  "who gets the mail", "an address with @"
              ],
                   ["electronic mail address", "where to send mail"]),
              Pool([
                  "with e-mail {}", "reachable at {}", "and tell {}", "writing to {}", "e-mail {}", "with a mail to {}",
                  "and send word to {}", "the address is {}"
              ],
                   ["with {} as the address", "to be confirmed to {}"])),
    "code": (Pool("code id number order_id ticket_id reference_code".split(), "tracking_code file_number".split()),
             Pool([
                 "the code", "identifier", "order number", "reference", "id of the order", "number on the ticket",
                 "letters and digits of the code", "its id", "the number it has"
             ],
                  ["unique code", "the number it is filed under"]),
             Pool([
                 "with code {}", "number {}", "with the number {}", "under code {}", "for order {}", "id {}",
                 "known as {}", "under the number {}", "it has the id {}"
             ],
                  ["filed as {}", "which has the code {}"])),
    "text": (Pool("text message body note comment content".split(), "remark wording".split()),
             Pool([
                 "what it says", "the text", "words of the message", "text of the note", "what to write", "a text",
                 "the quoted words"
             ],
                  ["the wording", "what should be written"]),
             Pool([
                 'saying "{}"', 'with the text "{}"', 'with the message "{}"', 'and write "{}"', 'the text is "{}"',
                 'with the note "{}"', 'to say "{}"', 'it says "{}"'
             ],
                  ['that reads "{}"', 'with the words "{}"'])),
}

SENTENCES = Pool([
    "{n} is ready", "please bring the {t}", "the {t} is {a}", "call {n} back", "see you in {c}",
    "the {t} from {c} has come", "no {t} today", "{n} will be late", "thank you for the {t}", "keep the {t} {a}",
    "two more {t} parts are due", "do not open the {t}", "we start in {c}", "ask {n} about the {t}",
    "the {a} {t} is gone", "meet me at the {t}"
], ["{n} has left {c}", "nobody can find the {a} {t}", "remember the {t} for {n}", "the {t} needs paint", "wait for {n} here"])

LABELLED_PHRASES = Pool([
    "with {l} {v}", "with a {l} of {v}", "with the {l} set to {v}", "{l} {v}", "using {v} as the {l}", "the {l} is {v}",
    "{l}: {v}", "and make the {l} {v}", "with {v} as the {l}", "having a {l} of {v}", "set the {l} to {v}",
    "its {l} is {v}", "the {l} should be {v}", "with {v} for the {l}", "and take {v} as the {l}", "{l} at {v}"
], ["its {l} being {v}", "taking {v} for the {l}", "where the {l} should be {v}"])
LABELLED_DESCRIPTIONS = Pool([
    "the {l}", "{l} to use", "{l} of the {n}", "which {l}", "value of the {l}", "the {l} for it", "a {l}", "its {l}",
    "the {l} that is wished"
],
                             ["what {l} it has", "the wanted {l}"])
TRUE_PHRASES = Pool([
    "with {l}", "with {l} on", "and switch {l} on", "{l} enabled", "and turn on {l}", "{l} included", "{l}: yes",
    "together with {l}", "{l} switched on"
], ["including {l}", "{l} turned on"])
FALSE_PHRASES = Pool([
    "without {l}", "with {l} off", "and switch {l} off", "{l} disabled", "and turn off {l}", "{l} left out", "{l}: no",
    "but no {l}", "{l} switched off"
],
                     ["leaving out {l}", "{l} turned off"])
BOOLEAN_DESCRIPTIONS = Pool(["whether {l} is on", "true for {l}", "if {l} is wanted", "with {l} or without", "{l} or not"], ["is {l} asked for"])
LIST_PHRASES = Pool([
    "with the {l} {v}", "with {v} as {l}", "{l}: {v}", "the {l} are {v}", "using {v} as the {l}", "set the {l} to {v}",
    "and take {v} for the {l}"
],
                    ["having the {l} {v}", "where the {l} are {v}"])


def sentence(draw):
    text = draw.pick(SENTENCES).format(n=words.person(draw), t=words.thing(draw), a=draw.pick(words.ADJECTIVES),
                                       c=words.place(draw))
    return draw.told(words.sentence_start(text) if draw.chance(60) else text)


VALUES = {
    "person": words.person,
    "city": words.place,
    "date": words.date,
    "time": words.time,
    "email": words.email,
    "code": words.code,
    "text": sentence
}


def styled(draw, label, style):
    """The words of a label as a key in the style of a tool: snake, camel or one word."""
    parts = label.replace("_", " ").split()
    if style == "camel":
        return parts[0] + "".join(p.capitalize() for p in parts[1:])
    return "_".join(parts)


def typed(draw, kind, style="snake"):
    keys, descriptions, phrases = TYPED[kind]
    value = VALUES[kind](draw)
    key = styled(draw, draw.pick(keys), style)
    schema = {"type": "string", "description": draw.pick(descriptions)}
    return Slot(key, schema, value, draw.pick(phrases).format(value), key, kind)


# Of labelled slots; an enum's is one of its options.
LABELLED_VALUES = {
    "integer": lambda draw: draw.number(2, draw.one([60, 400, 9000])),
    "number": words.price,
    "word": words.word,
    "code": words.code,
    "boolean": lambda draw: draw.chance(50),
    "list": lambda draw: draw.some(words.NOUN_TAGS, draw.between(2, 3)) if draw.chance(50) else distinct_words(
        draw, draw.between(2, 3)),
    "text": sentence,
}


def label_words(draw):
    return draw.pick(words.LABELS).replace("_", " ") if draw.chance(55) else words.word(draw)


def shown(value):
    """A value as a text tells it."""
    if isinstance(value, list):
        return words.listed([shown(v) for v in value])
    return str(value)


def filled(template, label, value="", noun=""):
    return template.replace("a {l}", words.article(label)).format(l=label, v=value, n=noun)


def labelled(draw, noun, style="snake", label=None):
    label = label or label_words(draw)
    key = styled(draw, label, style)
    kind = draw.weighted(["integer", "number", "word", "enum", "boolean", "list", "code", "quoted"],
                         [26, 8, 12, 18, 12, 8, 8, 8])
    description = filled(draw.pick(LABELLED_DESCRIPTIONS), label, noun=noun)
    phrases = LABELLED_PHRASES
    if kind == "integer":
        value, schema = LABELLED_VALUES[kind](draw), {"type": "integer"}
    elif kind == "number":
        value, schema = LABELLED_VALUES[kind](draw), {"type": "number"}
    elif kind in ("word", "code"):
        value, schema = LABELLED_VALUES[kind](draw), {"type": "string"}
    elif kind == "enum":
        pool = draw.one([words.COLOURS, words.ADJECTIVES, words.NOUN_TAGS, None])
        options = draw.some(pool, draw.between(2, 3)) if pool else distinct_words(draw, draw.between(2, 4))
        value, schema = draw.one(options), {"type": "string", "enum": options}
    elif kind == "boolean":
        value, schema = LABELLED_VALUES[kind](draw), {"type": "boolean"}
        description = draw.pick(BOOLEAN_DESCRIPTIONS).format(l=label)
        phrases = TRUE_PHRASES if value else FALSE_PHRASES
    elif kind == "list":
        value = LABELLED_VALUES[kind](draw)
        schema, phrases = {"type": "array", "items": {"type": "string"}}, LIST_PHRASES
    else:
        value, schema = LABELLED_VALUES["text"](draw), {"type": "string"}
        return Slot(key, schema | {"description": description}, value,
                    filled(draw.pick(phrases), label, f'"{value}"'), label, "text", True)
    if draw.chance(80):
        schema = schema | {"description": description}
    return Slot(key, schema, value, filled(draw.pick(phrases), label, shown(value)), label, kind, True)


def again(draw, slot):
    """The slot with another value, in another phrase."""
    kind = slot.kind
    if not slot.labelled:
        value = VALUES[kind](draw)
        return Slot(slot.key, slot.schema, value, draw.pick(TYPED[kind][2]).format(value), slot.label, kind)
    value = draw.one(slot.schema["enum"]) if kind == "enum" else LABELLED_VALUES[kind](draw)
    phrases = LABELLED_PHRASES
    if kind == "boolean":
        phrases = TRUE_PHRASES if value else FALSE_PHRASES
    elif kind == "list":
        phrases = LIST_PHRASES
    told = f'"{value}"' if kind == "text" else shown(value)
    return Slot(slot.key, slot.schema, value, filled(draw.pick(phrases), slot.label, told), slot.label, kind, True)


def distinct_words(draw, count):
    out = []
    while len(out) < count:
        w = words.word(draw)
        if w not in out:
            out.append(w)
    return out


# First words of phrases that go on with a sentence, beside those in -ing that add or take away nothing.
JOINING = set("""
about accompanied ahead along as at based because before bound but by catalogued coded complete dated down due during e-mailed
filed following for forwarded free from given headed identified in labelled like linked listed located mailed marked minus near
not numbered of on once out over pencilled plus promptly punctually reachable recorded registered right scheduled serial
since situated slated so sometime tagged that tied timed to under until up via when where which while whose with within
without worded and around
""".split())


def goes_on(slot):
    word = slot.phrase.split(" ")[0]
    return word in JOINING or word.endswith("ing") and word not in ("including", "leaving")


def could_be_read(slot, text, quoted):
    """Whether a text that does not tell a slot might seem to: an option of its enum is said for something else, or a
    quoted sentence (`quoted`: there is one) names a person or a place where that is what the slot asks for."""
    if slot.kind in ("person", "city") and quoted:
        return True
    options = slot.schema.get("enum", [])
    return any(re.search(rf"\b{re.escape(option)}\b", text) for option in options)


def slots(draw, count, noun, style="snake", typed_share=50, without=()):
    """Different keys, and at most one typed slot of each kind, none of the kinds `without`."""
    out, keys, kinds = [], set(), []
    while len(out) < count:
        if draw.chance(typed_share):
            kind = draw.one(list(TYPED))
            if kind in kinds or kind in without:
                continue
            slot = typed(draw, kind, style)
            if slot.key in keys:
                continue
            kinds.append(kind)
        else:
            slot = labelled(draw, noun, style)
            if slot.key in keys:
                continue
        keys.add(slot.key)
        out.append(slot)
    return out
