"""Questions about anything but Hone: sprout says that it does not know."""
import re

from corpus import help, scenes, words, world
from corpus.draw import TRAIN, Pool
from corpus.record import Sample, assistant, user

ANSWER = "I don't know that. I am sprout, a small model, and I only know about Hone."
DECISIVE = "I don't know that"

DO = Pool.lines("""
cook {food}
bake {food}
make {food}
repair {a_thing}
clean {a_thing}
sell {a_thing}
buy {a_thing}
paint {a_thing}
build {a_thing}
treat {illness}
get rid of {illness}
install {soft}
update {soft}
learn {soft}
uninstall {soft}
configure {soft}
open a file in {soft}
fix a crash of {soft}
travel to {country}
move to {country}
get from {city} to {city2}
find a job in {city}
rent a flat in {city}
learn to swim
learn the piano
lose weight
sleep better
save money
write a letter to {person}
train a {animal}
feed a {animal}
stop the {animal} from biting
grow tomatoes
win at chess
change a tyre
file my taxes
open a bank account
get a passport
plan a wedding
choose a {thing}
wash {a_thing}
start a company in {country}
remove a stain from {a_thing}
measure {a_thing}
speak with {person}
serve {food} to guests
serve {food} with {food2}
train for a race
pack a {thing}
export a {thing} to {country}
set the port of {soft}
stop {soft}
start {soft} on {city} time
load a {thing} into a van
score a goal
run {soft} faster
""")

# The frames that wrap the parts; the last ones, and the last of the words that fill them, are for the suites.
QUESTIONS = Pool(
    """
What is the capital of {country}?
Who was {famous}?
Who is {famous}?
When was {famous} born?
Where did {famous} live?
Tell me about {famous}.
What did {famous} do?
How many people live in {country}?
What language do they speak in {country}?
Who is the president of {country}?
What is the currency of {country}?
How large is {country}?
What is the weather in {city}?
Will it rain in {city} today?
What time is it in {city}?
What can I see in {city}?
How far is it from {city} to {city2}?
Is {city} in {country}?
What is the population of {city}?
Which hotel in {city} is good?
How do I {do}?
How can I {do}?
Can you tell me how to {do}?
I want to {do}. What should I do?
Explain how to {do}.
Show me how to {do}.
Help me {do}.
What is the best way to {do}?
What does {soft} do?
What is {soft}?
Which version of {soft} is the newest?
Is {soft} free?
Why does {soft} crash?
How fast is {soft}?
Which port does {soft} use?
What does the error {code} of {soft} mean?
What flags does {soft} have?
What does --{word} of {soft} do?
What does the flag --{word} do?
What does hone {word} do?
What is the {word} endpoint for?
What is the key {word} for?
Who develops {soft}?
What is {science}?
Explain {science}.
How does {science} work?
Why is {science} important?
What causes {illness}?
What helps against {illness}?
I have {illness}. What should I take?
Is {illness} dangerous?
What are the symptoms of {illness}?
How long does a {animal} live?
What does a {animal} eat?
How fast can a {animal} run?
Where do {animals} live?
How heavy is a {animal}?
When was {event}?
Who won {event}?
Why did {event} happen?
Tell me about {event}.
What is the price of a {thing}?
How much does a {thing} cost in {city}?
Where can I buy a {thing}?
Who invented the {thing}?
What is a {thing} made of?
What is a {word}?
Who is {person}?
What is the phone number of {person}?
How old is {person}?
Where does {person} live?
What does the word {word} mean?
Translate {thing} into French.
What is {thing} in German?
Write a poem about a {thing}.
Tell me a joke about a {animal}.
Sing a song about {city}.
What is the news today?
What happened in {year}?
What day is it today?
Recommend me a film.
Which book should I read?
Who wrote {word}?
What is the meaning of life?
Is there a god?
Who will win the next election?
Should I buy shares of {soft}?
Why is the sky blue?
How tall is Mount Everest?
How many legs has a {animal}?
What is the recipe for {food}?
How many calories has {food}?
How long do I have to cook {food}?
What wine goes with {food}?
What do you think about {famous}?
Do you like {food}?
What is the fastest {animal}?
Who plays in {word}?
Which doctor treats {illness}?
Name three cities in {country}.
List the rivers of {country}.
Write a story about {person} and a {animal}.
Write a program in {soft}.
How do I write a loop in {soft}?
What is the distance to {science}?
Do {animals} sleep?
""".strip().splitlines(), """
Which city is the capital of {country}?
For what is {famous} known?
In which year did {famous} die?
What should I pack for a trip to {country}?
Describe {famous} in a few words.
I would like to {do}, any tips?
What are the steps to {do}?
Which medicine is good for {illness}?
Could {illness} be something serious?
What is {soft} used for?
Does {soft} run on my phone?
My {soft} shows the error {code}, what now?
Give a short introduction to {science}.
What do scientists say about {science}?
Are {animals} dangerous?
What colour is a {animal}?
How did {event} end?
In what year did {event} begin?
Is a {thing} expensive?
Where was the first {thing} made?
Have you heard of {person}?
What is the birthday of {person}?
How warm is it in {city} right now?
Which river flows through {city}?
Is {food} healthy?
What do I need for {food}?
Compose a song about a {thing}.
How is {thing} spelled in Spanish?
What was important in the year {year}?
Who owns {soft}?
What is --{word} good for in {soft}?
For what do I need hone {word}?
""".strip().splitlines())

COMPLAINTS = Pool(
    """
My {thing} is broken.
The {thing} does not work.
My {animal} will not eat.
I lost my {thing} in {city}.
I need a new {thing}.
The train to {city} is late.
My {soft} is too slow.
{soft} does not start.
{soft} takes too much memory.
I have no time for {food}.
{person} did not call me back.
I forgot the password of {soft}.
I want a holiday in {country}.
I am bored.
I cannot sleep.
My back hurts.
The {thing} is too heavy.
I would like {food} for dinner.
My neighbour has a loud {animal}.
There is no {thing} in {city}.
I get the error {code} in {soft}.
It is too cold in {city}.
Only {person} knows the answer.
The price of a {thing} should fall.
We want more {food}.
I have {illness} since {day}.
My order {code} did not come.
{person} wants to sell a {thing}.
best hotel {city}
{famous} birthday
weather {city} {day}
price {thing}
capital {country}
recipe {food}
{soft} download
""".strip().splitlines(), """
My old {thing} makes a noise.
Somebody stole my {thing} in {city}.
The {animal} of {person} is ill.
I would rather live in {country}.
Where my {thing} is, nobody can tell.
{soft} shows a blue page.
cheap flights to {country}
I burnt the {food}.
""".strip().splitlines())

# About Hone, but nothing that a fact tells: the name alone is no reason for an answer.
NEAR_HONE = Pool(
    """
Who wrote Hone?
Who invented Hone?
When was Hone released?
How old is Hone?
How much does Hone cost?
What does Hone cost in {country}?
Is Hone better than {soft}?
How does Hone compare with {soft}?
Is Hone faster than {soft}?
Can Hone replace {soft}?
Does Hone work together with {soft}?
Is Hone a part of {soft}?
Does {famous} use Hone?
Who uses Hone?
How many people use Hone?
Is there a Hone meeting in {city}?
Where in {country} can I learn Hone?
Does Hone speak the language of {country}?
Can Hone {do}?
Does Hone help me to {do}?
Can I {do} with Hone?
Does Hone know {famous}?
Does Hone know what {science} is?
Can Hone explain {event}?
Does Hone have a {thing}?
Does Hone come with a {thing}?
Does Hone run on a {thing}?
Can I connect a {thing} to Hone?
Does Hone need a {thing}?
Which {thing} does Hone use?
What colour is the {thing} of Hone?
Is Hone available for my {thing}?
Does Hone make pictures of {animals}?
Can Hone draw a {animal}?
Can Hone recognise a {animal} in a photo?
Can Hone hear music?
Can Hone read my mail from {person}?
Is {person} on the team of Hone?
What is the phone number of Hone's support?
Who is the boss of Hone?
Has Hone an office?
Is there a book about Hone?
What does the {word} of Hone do?
What is {word} in Hone?
What is the {word} mode of Hone?
How do I switch on {word} in Hone?
Hone says {word} {word2}, why?
Which university made Hone?
Is there a song about Hone?
What will Hone look like in {year}?
Why is Hone called Hone?
Has Hone won a prize?
Do doctors treat {illness} with Hone?
I use Hone and have {illness}.
My {thing} broke while Hone was running.
""".strip().splitlines(), """
What made {famous} choose Hone?
In which year did Hone begin?
Would {person} like Hone?
How is Hone different from {soft}?
Should I take Hone or {soft}?
May I {do} by means of Hone?
Is a {thing} part of Hone?
Will Hone work with my {thing}?
Has Hone a {word} setting?
Can Hone tell me about {event}?
How do people in {country} use Hone?
Could Hone paint a {animal} for me?
""".strip().splitlines())


def in_frames_of_help(draw):
    """Worded as questions about Hone are, so that wording alone tells nothing."""
    kind = draw.one(["do", "what", "flag", "key", "error"])
    flag = "--" + words.word(draw) + ("-" + words.word(draw) if draw.chance(30) else "")
    phrase = {
        "do": draw.pick(DO),
        "what": draw.one(["{science}", "a {thing}", "{soft}", "the {word}", "{event}"]),
        "flag": flag,
        "key": f"{words.word(draw)}.{words.word(draw)}",
        "error": f"{words.word(draw)} {words.word(draw)} {words.word(draw)}"
    }[kind]
    verb = draw.one(["{soft}", "hone " + words.word(draw)])
    return draw.pick(help.FRAMES[kind]).format(x=phrase, v=verb).replace("with Hone",
                                                                         "at home").replace("In Hone, ", "")


def question(draw):
    kind = draw.weighted(["question", "complaint", "frame", "near"], [50, 16, 20, 14])
    text = in_frames_of_help(draw) if kind == "frame" else draw.pick({
        "question": QUESTIONS,
        "complaint": COMPLAINTS,
        "near": NEAR_HONE
    }[kind])
    return filled(draw, text)


def knowledge_question(draw):
    """About what the world knows, in no words that ask for something to be done."""
    while True:
        text = draw.pick(QUESTIONS)
        if set(re.findall(r"\{(\w+)\}", text)) <= KNOWLEDGE and re.search(r"\{", text):
            return filled(draw, text)


KNOWLEDGE = {"country", "famous", "illness", "science", "animal", "animals", "event"}


def filled(draw, text):
    if "{do}" in text:
        text = text.replace("{do}", draw.pick(DO))
    thing = words.thing(draw)
    lower = "hone {word}" in text or "--{word}" in text or "the {word}" in text or "key {word}" in text or "Hone" in text
    city, city2 = words.place(draw), words.place(draw)
    animal = draw.pick(world.ANIMALS)
    text = text.format(country=draw.pick(world.COUNTRIES), famous=draw.pick(world.FAMOUS), soft=draw.pick(
        world.SOFTWARE), illness=draw.pick(world.ILLNESSES), science=draw.pick(world.SCIENCE),
                       animal=animal, animals=words.plural(animal), event=draw.pick(world.EVENTS), food=draw.pick(world.FOODS),
                       food2=draw.pick(world.FOODS), city=city, city2=city2, thing=thing, a_thing=words.article(thing),
                       word=words.word(draw) if lower else words.word(draw).capitalize(),
                       word2=words.word(draw), person=words.person(draw),
                       code=words.code(draw), year=draw.number(1100, 2030), day=draw.pick(words.WEEKDAYS))
    text = words.with_articles(text)
    if draw.side == TRAIN and draw.chance(8):
        return help.keywords(draw, text)
    return scenes.roughened(draw, text)


def sample(draw):
    return Sample(scenes.system_turn(draw) + [user(question(draw)), assistant(ANSWER)], {"contains": [DECISIVE]})
