"""Requests of different kinds in one conversation: each is answered for what it is, whatever came before."""
from corpus import arithmetic, help, lists, scenes, small_talk, unknown
from corpus.record import Sample, assistant, user


def about_hone(draw):
    text, fact = help.question(draw)
    return text, assistant(fact.answer), {"contains": fact.needs}


def about_else(draw):
    return unknown.question(draw), assistant(unknown.ANSWER), {"contains": [unknown.DECISIVE]}


def a_sum(draw):
    text, reply, value = arithmetic.exchange(draw)
    return text, reply, {"number": value}


def a_list(draw):
    text, reply, answer = lists.exchange(draw)
    return text, reply, {"exact": answer}


def chatter(draw):
    text, answer, decisive = small_talk.exchange(draw)
    return text, assistant(answer), {"contains": [decisive]}


def a_scene(draw):
    scene = scenes.Scene(draw)
    return scene.story + " " + scene.question, assistant(scene.long), {"contains": [scene.short]}


KINDS = {about_hone: 32, about_else: 15, a_sum: 20, a_list: 16, chatter: 9, a_scene: 8}


def sample(draw):
    messages, before = scenes.system_turn(draw, 15), None
    for _ in range(draw.weighted([2, 3, 4, 5], [30, 30, 25, 15])):
        if "reasoning_content" in (messages[-1] if messages else {}) and draw.chance(60):
            arithmetic.forget_reasoning(messages[-1])
        # Mostly another kind than before; questions about Hone also come in rows, as they do.
        kind = before
        while kind is before and not (kind is about_hone and draw.chance(35)):
            kind = draw.weighted(list(KINDS), KINDS.values())
        text, reply, check = kind(draw)
        messages += [user(text), reply]
        before = kind
    return Sample(messages, check, max_tokens=256)
