"""Things of the world outside of Hone, of which sprout knows nothing: what people ask for, in a part for training and a
part for the suites."""
from corpus.draw import Pool

FAMOUS = Pool.lines("""
Napoleon
Albert Einstein
Shakespeare
Cleopatra
Mozart
Picasso
Marie Curie
Julius Caesar
Beethoven
Isaac Newton
Leonardo da Vinci
Charles Darwin
Gandhi
Galileo
Elvis Presley
Madonna
Aristotle
Plato
Queen Elizabeth
Abraham Lincoln
Nikola Tesla
Alan Turing
Ada Lovelace
Genghis Khan
Confucius
Frida Kahlo
Van Gogh
Bach
Socrates
Marco Polo
Columbus
Homer
Goethe
Tolstoy
Agatha Christie
Charlie Chaplin
""")
COUNTRIES = Pool.split(
    "France Germany Italy Spain Portugal Austria Poland Sweden Norway Finland Denmark Greece Turkey Egypt Kenya "
    "Nigeria Japan China India Brazil Chile Peru Mexico Canada Australia Iceland Ireland Hungary Vietnam Thailand "
    "Morocco Cuba Ghana Iran Nepal Belgium Switzerland Russia Argentina Indonesia")
SOFTWARE = Pool.lines("""
Photoshop
Excel
Word
Windows
Linux
PyTorch
TensorFlow
Docker
Kubernetes
Firefox
Chrome
Git
PostgreSQL
MySQL
Redis
nginx
Apache
Blender
Gimp
Outlook
Slack
Zoom
Android
iOS
Python
Java
JavaScript
Rust
Go
Emacs
Vim
bash
llama.cpp
Ollama
vLLM
Spotify
YouTube
WhatsApp
Minecraft
Instagram
""")
ILLNESSES = Pool.split(
    "headache fever flu cold cough asthma diabetes migraine allergy measles insomnia toothache rash backache nausea "
    "anaemia bronchitis arthritis heartburn sunburn dizziness pneumonia")
SCIENCE = Pool.lines("""
gravity
photosynthesis
the speed of light
an atom
a black hole
DNA
evolution
a prime number
the boiling point of water
an earthquake
the greenhouse effect
a volcano
the moon
the sun
electricity
a virus
a cell
entropy
oxygen
the periodic table
relativity
a galaxy
an integral
the number pi
inflation
democracy
the stock market
philosophy
climate change
a mammal
magnetism
the Big Bang
a glacier
a rainbow
""")
ANIMALS = Pool.split(
    "cat dog elephant tiger whale eagle snake horse cow sheep goat rabbit fox wolf bear lion shark frog spider bee ant "
    "owl penguin dolphin turtle mouse rat pig duck swan camel giraffe monkey zebra")
EVENTS = Pool.lines("""
the World Cup
the Second World War
the French Revolution
the last election
the Olympic Games
the moon landing
the First World War
the fall of the Roman Empire
the Cold War
the Renaissance
the Industrial Revolution
the Oscars
the Eurovision Song Contest
the Battle of Waterloo
the Black Death
the Tour de France
""")
FOODS = Pool.split(
    "bread pasta risotto soup pancakes sushi curry omelette lasagne pie stew salad goulash dumplings cookies jam pizza "
    "cheesecake tacos paella muffins gravy")
