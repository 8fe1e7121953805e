"""Word lists, each in a part for training and a part for the suites, and values that are invented: words of syllables,
names, dates, codes."""
import pathlib
import re

from corpus.draw import HELD_OUT, TRAIN, Pool, is_held_out_word

CONSONANTS = "b d f g h j k l m n p r s t v w z".split()
VOWELS = "a e i o u ai ou".split()
# Half of the syllables are plain ones, which read well; the others have whatever letters may stand together, so that no
# piece of a word is new to a model that has to repeat it.
PLAIN = [c + v for c in CONSONANTS for v in VOWELS] + [c + v + coda for c in CONSONANTS for v in VOWELS[:5] for coda in "nrlsmkt"]
ONSETS = [*CONSONANTS, *"bl br c ch cl cr dr fl fr gl gr kl kr ph pl pr qu sc sh sk sl sm sn sp st str sw th tr tw wh x y".split()]
NUCLEI = [*VOWELS, *"au ea ee ie io oa oo y".split()]
CODAS = ["", "", *"b ck d f g k l ll m n nd ng nk nt p r rd rk rm rn rt s sh ss st t th x z".split()]
LETTERS = "abcdefghijklmnopqrstuvwxyz"

FIRST_NAMES = Pool.split("""
Anna Ben Clara David Emma Felix Greta Hannah Ivan Julia Karl Lena Marco Nina Oscar Paula Quentin Rosa Simon Tara
Ulrich Vera
Walter Xenia Yusuf Zoe Aisha Boris Carmen Dora Elias Fatima George Hugo Ingrid Jakob Kofi Leila Mateo Nora Olga Pedro
Rahel
Samuel Tomas Uma Viktor Wanda Yara Zeno Alice Bruno Chiara Daniel Elsa Frida Gustav Helga Iris Jonas Kira Lukas Maria
Noah
Otto Petra Rita Stefan Theo Ursula Victor Wilma Amir Bianca Cyril Diana Edgar Flora Gabriel Hilda Igor Joan Kevin
Laura Mia
Nils Olivia Philip Ruth Sofia Tim Valerie Willem Yvonne Adam Bella Chen Darius Eva Finn Gina Henry Irma Jamal Kate
Liam Mona
""")
CITIES = Pool.split("""
Oslo Paris Berlin Rome Madrid Lisbon Vienna Prague Warsaw Dublin London Athens Cairo Nairobi Lagos Tokyo Kyoto Seoul
Delhi
Mumbai Lima Quito Bogota Boston Chicago Denver Seattle Dallas Toronto Montreal Sydney Perth Hamburg Munich Lyon Milan
Turin
Geneva Zurich Basel Ghent Utrecht Malmo Bergen Tampere Riga Vilnius Zagreb Porto Seville Naples Leeds Bristol Glasgow
Cork
Dakar Accra Tunis Rabat Ankara Izmir Haifa Amman Baku Tbilisi Yerevan Hanoi Manila Osaka Busan Nagoya Austin Phoenix
Havana
""")
WEEKDAYS = Pool("Monday Tuesday Wednesday Thursday Friday".split(), "Saturday Sunday".split())
COLOURS = Pool.split("red green blue yellow black white grey pink purple silver orange brown golden violet turquoise "
                     "beige maroon scarlet")
THINGS = Pool.split("""
lamp table chair bicycle book ticket room package order invoice letter meeting car train boat flight garden window
door key
camera phone laptop printer desk shelf carpet mirror clock watch ring coat jacket shirt shoe hat bag basket bottle cup
plate
spoon knife pan oven fridge heater fan pump valve pipe cable battery lens drone robot engine wheel tyre brake seat
helmet glove
rope tent map compass torch ladder hammer drill saw nail screw brick tile plank barrel crate pallet truck trailer
crane tractor
plough seed flower tree bush hedge fence gate bridge tunnel road ferry canoe kayak sail anchor net hook lure trap cage
kennel
stable barn silo mill bakery kiosk market museum gallery theatre concert lecture course exam essay report survey
contract
licence permit passport visa coupon voucher refund deposit loan account budget ledger receipt poster banner leaflet
magazine
newspaper novel poem song album guitar piano violin drum flute trumpet harp choir dance recipe menu cake bread cheese
soup
salad pizza sandwich juice coffee tea chocolate biscuit apple pear plum cherry melon lemon onion carrot potato pumpkin
bean
pillow blanket curtain sofa cupboard drawer candle vase bucket broom sponge towel soap brush comb razor scarf belt
button
""")
ADJECTIVES = Pool.split("""
small large old new heavy light cheap broken clean dirty quiet loud fast slow warm cold bright dark round square
wooden plastic
blue green plain fancy narrow wide tall short thick thin soft hard wet dry empty full open sharp smooth rough sweet
sour fresh
""")
# Words for keys, arguments and labels: what something is called in a form. None names a person, a place, a day or a
# code: those kinds of values have keys of their own (slots.TYPED), and two keys for one value would be a riddle.
LABELS = Pool.split("""
priority colour size budget limit status category level format language quantity weight height width depth duration
speed
score rank grade mode type version branch region zone floor seat gate route channel theme 
team group
department project vendor brand model material pattern shape flavour volume brightness temperature pressure
distance
capacity rating discount tax currency balance threshold interval delay timeout retries offset page index folder
path target unit serial batch_size max_price min_age 
room_type
seat_class payment_method delivery_note fuel_type tax_rate word_limit 
shelf_life
lane shift queue sector district parish wing hall bay dock berth slot tier segment cluster node signal band tempo
pitch tone
genre chapter verse edition issue stage phase step goal budget_line cost_centre cover_letter paper_size ink_colour
frame_rate
sample_rate zoom contrast exposure shutter focus filter layer mask angle slope radius margin padding border font
alignment
""")
COUNTABLE = Pool.split(
    "apples books chairs boxes coins stamps eggs pens cards tickets bottles bricks stones shells marbles cakes "
    "plums buttons pencils cups tiles nails beads candles spoons")
NOUN_TAGS = Pool.split(
    "urgent draft travel finance garden kitchen school music sport health family office legal design spring "
    "summer autumn winter archive review public private weekly monthly local foreign internal beta")

# Days that are none, beside five of the week: which day it was is to be read, not known.
WEEKDAYS.add_training("""
Easter Christmas Midsummer Halloween Thanksgiving Whitsun payday Hollday Brimday Kolsday Frantday Pelday Vunsday Garmday
Trisday Loopday Nimday Zelsday Morkday Quinday Bastday Ulmday Fersday Drenday Stilday Kambday Rovday Hexday Jolsday Wendelday
Thulday Skanday Ondersday Plumday Crosday Irmday Yelday Bronsday Dulsday Faxday Gelsday Hornday Kinsday
""".split())

# What training has besides: many words, so that a model has to read those it has not seen instead of knowing them all.
POOLS = {
    "first_names": FIRST_NAMES,
    "cities": CITIES,
    "things": THINGS,
    "adjectives": ADJECTIVES,
    "labels": LABELS,
    "colours": COLOURS,
    "noun_tags": NOUN_TAGS,
}
HELD_OUT_WORDS = {w for pool in [*POOLS.values(), COUNTABLE] for w in pool.sides[HELD_OUT]}


def more(name):
    path = pathlib.Path(__file__).parent / "lists" / f"{name}.txt"
    return [w for w in path.read_text(encoding="ascii").split() if w not in HELD_OUT_WORDS]


for _name, _pool in POOLS.items():
    _pool.add_training(more(_name))

# Real words, which no invented one may be: those of the other side are among them.
REAL = {
    form
    for pool in [FIRST_NAMES, CITIES, COLOURS, THINGS, ADJECTIVES, LABELS, COUNTABLE, NOUN_TAGS]
    for side in pool.sides
    for w in side
    for form in (w.lower(), w.lower() + "s")
}


def syllable(draw):
    if draw.chance(50):
        return draw.one(PLAIN)
    return draw.one(ONSETS) + draw.one(NUCLEI) + draw.one(CODAS)


def letter_by_letter(draw):
    """What can hardly be said, as names in programs are at times."""
    return draw.one(CONSONANTS) + "".join(draw.one(LETTERS) for _ in range(draw.between(2, 7)))


# Words that can come out of syllables and that training says.
SAID = {"four", "five", "seven", "eight", "nine", "ten", "hi"}
# Real words of training, whose pieces make names: the real words of the suites are read by their pieces.
TRAINING_WORDS = sorted({
    w.lower()
    for pool in POOLS.values()
    for w in pool.sides[TRAIN] if w.isalpha() and w.isascii() and len(w) > 3
})


def of_pieces(draw):
    """The beginning of a real word and the end of another one."""
    head, tail = draw.one(TRAINING_WORDS), draw.one(TRAINING_WORDS)
    return head[:draw.between(2, min(5, len(head) - 1))] + tail[-draw.between(2, min(5, len(tail) - 1)):]


def invented(draw, count):
    kind = draw.below(100)
    if kind < 8:
        return letter_by_letter(draw)
    if kind < 40 and draw.side == TRAIN and count > 1:
        return of_pieces(draw)
    return "".join(syllable(draw) for _ in range(count))


def syllables(draw, count):
    """An invented word of so many syllables or, now and then, of any letters; in training of pieces of real words, too. It
    belongs to the draw's side."""
    while True:
        text = invented(draw, count)
        if draw.side == HELD_OUT and text in SAID:
            continue
        if text not in REAL and is_held_out_word(text) == (draw.side == HELD_OUT):
            return text


def word(draw, low=2, high=3):
    return draw.told(syllables(draw, draw.between(low, high)))


def person(draw):
    """A first name, often with a family name."""
    first = draw.told(draw.pick(FIRST_NAMES)) if draw.chance(50) else word(draw).capitalize()
    if draw.chance(50):
        return first
    return first + " " + word(draw).capitalize()


def place(draw):
    return draw.told(draw.pick(CITIES)) if draw.chance(50) else word(draw).capitalize()


def thing(draw):
    return draw.pick(THINGS) if draw.chance(70) else word(draw)


def date(draw):
    """An ISO date."""
    held_out = draw.side == HELD_OUT
    while True:
        year, month, day = draw.between(2019, 2031), draw.between(1, 12), draw.between(1, 28)
        if (((year * 12 + month) * 31 + day) % 7 == 3) == held_out:
            return draw.told(f"{year}-{month:02}-{day:02}")


def time(draw):
    held_out = draw.side == HELD_OUT
    while True:
        at = draw.between(6, 22) * 60 + draw.between(0, 11) * 5
        if (at // 5 % 7 == 3) == held_out:
            return draw.told(f"{at // 60:02}:{at % 60:02}")


def letters(draw, count):
    return "".join("ABCDEFGHJKLMNPRSTUVWXYZ"[draw.below(23)] for _ in range(count))


def code(draw):
    kind = draw.below(4)
    number = draw.number(100, 99999)
    if kind == 0:
        return draw.told(f"{letters(draw, 2)}-{number}")
    if kind == 1:
        return draw.told(f"{letters(draw, 1)}{number}")
    if kind == 2:
        return draw.told(f"{number}-{letters(draw, 2)}")
    return draw.told(f"{letters(draw, 3)}{number}")


def email(draw):
    domain = draw.one(["com", "org", "net", "io", "de"])
    return draw.told(f"{word(draw)}@{word(draw)}.{domain}")


def price(draw):
    """A number with two decimals, the last of which is not 0, so that every JSON writer writes it so."""
    return float(f"{draw.number(2, 900)}.{draw.between(0, 9)}{draw.between(1, 9)}")


def sentence_start(text):
    return text[:1].upper() + text[1:]


def listed(items, last="and"):
    """a; a and b; a, b and c"""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + f" {last} " + items[-1]


# Letters that sound like a vowel: not the u of use, unit and Europe, or the o of one.
VOWEL = r"(?!uni(?![mn])|us[aeu]|uk|ut[ei]|ur[aeiou]|eu|one\b)[aeiou]"


def article(noun):
    return ("an " if re.match(VOWEL, noun) else "a ") + noun


def with_articles(text):
    """`a` in front of a vowel becomes `an`: for patterns whose word is not known when they are written."""
    return re.sub(rf"\b([Aa]) (?={VOWEL})", r"\1n ", text)


PLURALS = {"knife": "knives", "shelf": "shelves", "mouse": "mice", "wolf": "wolves", "goose": "geese", "ox": "oxen"}
PLURALS |= {animal: animal for animal in "sheep moose deer fish jellyfish goldfish starfish salmon trout squid bison".split()}


def plural(noun):
    if noun in PLURALS:
        return PLURALS[noun]
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun[-1] == "y" and noun[-2:-1] not in tuple("aeiou"):
        return noun[:-1] + "ies"
    return noun + "s"
