"""Wishes for the form of an answer, in the system turn or in an earlier one, and answers that follow them."""
from corpus import help, scenes, words
from corpus.draw import Pool
from corpus.record import Sample, assistant, dump, system, user

AGREED = "Understood."

# The wishes. Each: phrasings, and what becomes of a scene's answer. {x} is a value of the wish's own.
UPPER = Pool([
    "Answer in upper case.", "Write in capital letters.", "Use only capital letters.",
    "Please write everything in capitals.", "ALL CAPS please.", "I want all answers in upper case.",
    "Always answer in CAPITALS.", "Upper case only.",
    "Write all in upper-case letters.", "Shout: capital letters everywhere.", "Capitals only, please.",
    "I can only read capital letters.", "Make each letter a capital.", "Your answers should be in capitals."
], ["Every letter of an answer is to be a capital letter.", "Let the answers be in capitals throughout."])
LOWER = Pool([
    "Answer in lower case.", "Use only small letters.", "Write without capital letters.", "Lower case only, please.",
    "No capital letters in your answers.", "I want everything in lower case.",
    "Small letters only.", "Write all in lower-case letters.", "Never use a capital letter.",
    "Make each letter small.", "Your answers should be in small letters.", "Please do not use capitals."
], ["Every letter of an answer is to be a small letter.", "Let the answers be in lower case throughout."])
NAME = Pool([
    "Call me {x}.", "My name is {x}; begin each answer with it.", "Begin every answer with my name, {x}.",
    "I am {x}. Use my name in answers.", "Address the user as {x}.", "The user is called {x}; say the name first.",
    "Always address me by name: {x}.", "Say {x} and a colon before each answer.", "I am called {x}; start with my name.",
    "My name, {x}, comes first in an answer.", "Put {x} in front of each answer.", "Speak to me as {x}.",
    "Name the user, {x}, before you answer."
], ["Put my name, {x}, at the front of what you say.", "When you answer, say {x} to me first."])
ENDING = Pool([
    'End every answer with "{x}".', 'Always finish with "{x}".', 'The last words of each answer are "{x}".',
    'Close your answers with "{x}".', 'Say "{x}" at the end of each answer.', 'Finish all answers with "{x}".',
    'Add "{x}" to each answer.', 'Behind each answer stands "{x}".', 'Answers should end with "{x}".',
    'Last in an answer comes "{x}".'
], ['Let each answer end in "{x}".', 'After the answer, add "{x}".'])
BEGINNING = Pool([
    'Begin every answer with "{x}".', 'Start with "{x}".', 'The first words of each answer are "{x}".',
    'Say "{x}" before each answer.', 'Open your answers with "{x}".', 'Put "{x}" in front of each answer.',
    'Answers should start with "{x}".', 'First in an answer comes "{x}".', 'Each answer begins with "{x}".'
], ['Let each answer start in "{x}".', 'Before the answer, put "{x}".'])
SHORT = Pool([
    "Answer as briefly as you can.", "Only the answer itself, no sentence.", "Answer with as few words as possible.",
    "No full sentences.", "Give just the answer.", "Keep answers to the bare words.", "Short answers only, no sentence.",
    "A word or two is enough.", "No sentence, only what I asked for.", "Be brief: just the answer.",
    "Do not repeat my question, just say it.", "I do not want a sentence.", "The shortest answer, please."
], ["Do not write sentences, the bare answer is enough.", "The fewer words the better."])
LONG = Pool([
    "Answer in a full sentence.", "Write full sentences.", "Always answer with a whole sentence.",
    "Use a complete sentence.", "I like full sentences.", "Whole sentences, please.", "Say it in a full sentence.",
    "Not just a word: a sentence."
], ["Make a whole sentence of each answer.", "Complete sentences, please."])
FORMAL = Pool([
    "Answer formally.", "Be formal.", "Use a formal tone.", "Write in a formal style.",
    "Please be very polite and formal.", "Keep a formal register.", "Formal answers, please.", "Answer in formal words.",
    "Your tone should be formal.", "Write to me formally.", "Formal language only."
], ["Speak as in a formal letter.", "I expect formal language."])
CASUAL = Pool([
    "Answer casually.", "Be casual.", "Use a casual tone.", "Talk like a friend, casual.", "Keep it casual.",
    "Write in a casual style.", "Casual answers, please.", "Answer in casual words.", "Your tone should be casual.",
    "Talk to me casually.", "Casual language only.", "Speak like a friend of mine, casually."
], ["Speak casually, as among friends.", "I prefer casual language."])
AS_JSON = Pool([
    'Answer as JSON with the key "{x}".', 'Write the answer as a JSON object with the key "{x}".',
    'Only JSON: the key "{x}" has the answer.', 'Put the answer into JSON under "{x}".',
    'Return JSON, the answer under the key "{x}".', 'JSON please; the key of the answer is "{x}".',
    'Wrap the answer in a JSON object, key "{x}".', 'Answers are JSON objects with "{x}" as their key.',
    'Write JSON: "{x}" holds the answer.'
], ['The answer goes into a JSON object, its key is "{x}".', 'Use JSON with one key, "{x}", for the answer.'])
BOLD = Pool([
    "Write the answer in bold.", "Put the answer between double stars.", "Bold answers, please.",
    "Answer in bold (markdown).", "Bold, please.", "Use bold type for the answer.", "I want answers in bold.",
    "Double stars around the answer."
], ["Make the answer bold.", "Set what you say in bold type."])
QUOTED = Pool([
    "Put the answer in quotation marks.", "Answer in quotes.", "Write quotation marks around the answer.",
    "Quote your answers.", "Quotation marks, please.", "Answers belong in quotation marks.", "I want answers in quotes.",
    "Begin and end with quotation marks."
], ["Surround the answer by quotation marks.", "Your answer stands in quotes."])
BULLETS = Pool([
    "Answer with bullet points.", "Use a bullet list.", "Write lists as bullets.", "Lists as bullet points, please.",
    "Put each item on a line with a dash.", "Use bullets.", "Bullets, please.", "I like lists with bullets.",
    "A dash before each item, one item a line.", "Make a bulleted list of it."
], ["A bulleted list, please.", "Each item gets its own bullet."])
NUMBERED = Pool([
    "Answer with a numbered list.", "Number the items.", "Use a numbered list.", "Write lists with numbers.",
    "Put each item on a line with its number.", "Numbers before the items, please.", "I like numbered lists.",
    "Give each item a number.", "Make it a list with numbers."
], ["The items should be numbered.", "A list with numbers, please."])
COMMAS = Pool([
    "Separate items with commas.", "Lists on one line, with commas.", "Use commas between items.",
    "Write lists in one line with commas.", "Commas, please, all in one line.", "A comma between each two items.",
    "Put commas between the items of a list.", "Items in one line, a comma after each but the last."
], ["Items stand on one line with a comma between.", "Join items by commas."])
SEMICOLONS = Pool(
    ["Separate items with semicolons.", "Use semicolons between items.", "Lists with semicolons, please.",
     "Semicolons instead of commas.", "Put semicolons between the items of a list.", "Items in one line with semicolons.",
     "I like semicolons in lists."],
    ["Put a semicolon between two items.", "Join items by semicolons."])

PHRASES = Pool([
    "Over and out.", "Have a nice day.", "Yours, sprout", "That is all.", "Stay well.", "As you wish:", "Listen:",
    "Dear friend,", "Here it is:", "Hooray!", "Greetings,", "Best wishes.", "Amen.", "So be it.", "End of message.",
    "Note well:"
], ["Keep smiling.", "Attention please:", "Until next time.", "Behold:"])
BEFORE = Pool([
    "From now on: {}", "For all answers: {}", "{}", "{}", "Please remember: {}", "A wish: {}", "{} Do this from now on."
], ["In what follows: {}", "Keep to this: {}"])
LIST_STORIES = Pool([
    "{n} bought {l}.", "In the bag are {l}.", "We need {l}.", "On the table are {l}.", "The team is {l}.",
    "{n} has {l}.", "The winners are {l}.", "There are {l} here.", "{n} sees {l}.", "On the list are {l}.",
    "The box has {l} in it.", "{n} likes {l}."
], ["The shelf holds {l}.", "{n} asked for {l}."])
LIST_QUESTIONS = Pool([
    "What are the items?", "List them.", "Which ones are named?", "Give me the list.", "List all of them.",
    "Name them all.", "What is named?", "Tell me all of them.", "Write the list.", "Which are named here?"
], ["Write down what was named.", "Which are they?"])


def own_phrase(draw):
    if draw.chance(45):
        return draw.pick(PHRASES)
    return draw.told(words.sentence_start(" ".join(words.syllables(draw, 2)
                                                   for _ in range(draw.between(1, 3))))) + draw.one([".", "!", ""])


class Wish:
    """`text` asks for it; `change` makes an answer so. What is put around a list stands on lines of its own."""

    def __init__(self, draw, pool, change, value=""):
        self.text = draw.pick(pool).format(x=value)
        self.change = change


def before(phrase):
    return lambda text, is_list: phrase + ("\n" if is_list else " ") + text


def after(phrase):
    return lambda text, is_list: text + ("\n" if is_list else " " if text[-1] in ".!?" else ". ") + phrase


def around(left, right):
    return lambda text, is_list: left + text + right


def formal(text, is_list):
    return after("I remain at your service.")(before("Certainly.")(text, is_list), is_list)


def case_wish(draw):
    upper = draw.chance(60)
    return Wish(draw, UPPER if upper else LOWER, lambda text, is_list: text.upper() if upper else text.lower())


SOFT = ["name", "formal", "casual", "bold", "quoted"]


def soft_wish(draw, kinds=SOFT):
    """A frame that case applies to as well."""
    kind = draw.one(["name", *kinds])
    if kind == "name":
        name = words.person(draw).split()[0]
        return Wish(draw, NAME, before(name + ":"), name)
    pool, change = {
        "formal": (FORMAL, formal),
        "casual": (CASUAL, before("Sure thing!")),
        "bold": (BOLD, around("**", "**")),
        "quoted": (QUOTED, around('"', '"'))
    }[kind]
    return Wish(draw, pool, change)


def frame_wish(draw, for_list=False, for_short=False):
    """What is put around an answer. Politeness in sentences would contradict a wish for few words."""
    kind = draw.weighted(["soft", "ending", "beginning", "json"], [52, 20, 13, 0 if for_list else 15])
    if kind == "soft":
        return soft_wish(draw, ["name", "bold", "quoted"] if for_short else SOFT[:3] if for_list else SOFT)
    if kind in ("ending", "beginning"):
        phrase = own_phrase(draw)
        return Wish(draw, ENDING, after(phrase), phrase) if kind == "ending" else Wish(
            draw, BEGINNING, before(phrase), phrase)
    key = words.word(draw)
    return Wish(draw, AS_JSON, lambda text, is_list: dump({key: text}), key)


def list_wish(draw):
    kind = draw.below(4)
    pool = [BULLETS, NUMBERED, COMMAS, SEMICOLONS][kind]
    write = [
        lambda items: "\n".join(f"- {i}" for i in items),
        lambda items: "\n".join(f"{n}. {i}" for n, i in enumerate(items, 1)), ", ".join, "; ".join
    ][kind]
    return Wish(draw, pool, lambda items, is_list: write(items))


def list_exchange(draw):
    items, count = [], draw.between(2, 5)
    make = draw.one([words.word, words.thing, lambda d: words.person(d).split()[0]])
    while len(items) < count:
        item = make(draw)
        if item not in items:
            items.append(item)
    story = draw.pick(LIST_STORIES).format(n=words.person(draw).split()[0], l=words.listed(items))
    return story + " " + draw.pick(LIST_QUESTIONS), items


def exchange(draw, kind, wishes):
    """A question and the answer in the wished form."""
    if kind == "list":
        question, answer = list_exchange(draw)
    else:
        scene = scenes.Scene(draw)
        question = scene.story + " " + scene.question
        answer = scene.short if kind == "short" else scene.long
        # A short answer stands alone, with a capital letter and without a full stop.
        if kind == "short":
            answer = words.sentence_start(answer)
    for wish in wishes:
        answer = wish.change(answer, kind == "list")
    return question, answer


def hone_exchange(draw, wishes):
    question, fact = help.question(draw)
    answer = fact.answer
    for wish in wishes:
        answer = wish.change(answer, False)
    return question, answer


def sample(draw):
    kind = draw.weighted(["case", "short", "long", "frame", "list", "two"], [18, 12, 6, 32, 18, 14])
    wishes, answered = [], "long"
    if kind == "case":
        wishes = [case_wish(draw)]
    elif kind in ("short", "long"):
        answered = kind
    elif kind == "frame":
        wishes = [frame_wish(draw)]
    elif kind == "list":
        wishes, answered = [list_wish(draw)], "list"
    else:
        answered = draw.one(["list", "short", "long"])
        if answered == "list":
            wishes = [list_wish(draw), frame_wish(draw, for_list=True)]
        elif answered == "short":
            wishes = [frame_wish(draw, for_short=True)]
        else:
            wishes = [soft_wish(draw), case_wish(draw)]
    texts = draw.shuffled([w.text for w in wishes])
    if answered == "short":
        texts.insert(0, draw.pick(SHORT))
    elif kind == "long":
        texts.insert(0, draw.pick(LONG))
    text = " ".join(texts)
    messages = []
    place = draw.below(3)
    if place == 0:
        messages = [system(text if draw.chance(60) else scenes.system_text(draw) + " " + text)]
    elif place == 1:
        messages = scenes.system_turn(draw, 15) + [user(draw.pick(BEFORE).format(text)), assistant(AGREED)]
    about_hone = kind == "frame" and place < 2 and draw.chance(25)
    for turn in range(draw.weighted([1, 2], [75, 25])):
        question, answer = hone_exchange(draw, wishes) if about_hone else exchange(draw, answered, wishes)
        if place == 2 and turn == 0:
            question = question + " " + text if draw.chance(50) else text + " " + question
        messages += [user(question), assistant(answer)]
    return Sample(messages, {"exact": answer})
