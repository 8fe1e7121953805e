// The messages of the open conversation. Follows the end while an answer grows, unless the user has scrolled away.
import {el, icon_button, paced} from '../page/dom';
import {icon, mark} from '../page/icons';
import type {Chats} from './chats';
import {path, type Message} from './conversation';
import {MessageView} from './message_view';
import {model_of} from './request';

const kNearEnd = 80, kAtEnd = 2;  // pixels

export class Thread {
  readonly element: HTMLElement;
  #scroller = el('div', {class: 'scroller', tabindex: -1});
  #list = el('div', {class: 'thread', role: 'log', 'aria-live': 'off', 'aria-label': 'Conversation'});
  #to_end = icon_button(icon('down'), 'Go to the end', () => this.to_end(), {class: 'icon-button to-end', hidden: true});
  #said = el('div', {class: 'off-screen', 'aria-live': 'polite', role: 'status'});
  #views = new Map<string, MessageView>();
  #follows = true;
  #top = 0;  // where the view was scrolled to

  constructor(private chats: Chats, private empty: (model: string) => HTMLElement) {
    this.#scroller.append(this.#list);
    this.element = el('div', {class: 'thread-frame'}, this.#scroller, this.#to_end, this.#said);
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), {passive: true});
    chats.opened.on(() => this.#draw(true));
    chats.thread_changed.on(conversation => conversation === chats.current && this.#draw());
    chats.answering_changed.on(conversation => conversation === chats.current && this.#answering_changed());
    const changed = new Set<Message>();
    const draw = paced(() => {
      for (const message of changed) this.#views.get(message.id)?.update();
      changed.clear();
      this.#follow();
    });
    chats.message_changed.on(message => {
      changed.add(message);
      draw();
    });
  }

  to_end(): void {
    this.#follows = true;
    this.#to_end.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  last(role: 'user' | 'assistant'): MessageView | undefined {
    const message = path(this.chats.current).filter(other => other.role === role).at(-1);
    return message && this.#views.get(message.id);
  }

  refresh(): void {
    this.#draw();
  }

  #follow(): void {
    if (this.#follows) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  // Who scrolls up a little wants to read there, though the end is still near.
  #scrolled(): void {
    const {scrollHeight, scrollTop, clientHeight} = this.#scroller;
    const left = scrollHeight - scrollTop - clientHeight;
    if (left <= kAtEnd) this.#follows = true;
    else if (scrollTop < this.#top) this.#follows = false;
    else if (left < kNearEnd) this.#follows = true;
    this.#top = scrollTop;
    this.#to_end.hidden = this.#follows;
  }

  #draw(is_other = false): void {
    const shown = path(this.chats.current);
    const held = this.#held_button();
    const kept = new Map<string, MessageView>();
    for (const message of shown) {
      if (message.role === 'tool') continue;
      const before = is_other ? undefined : this.#views.get(message.id);
      kept.set(message.id, before ?? new MessageView(message, this.chats));
      before?.update();
    }
    for (const [id, view] of this.#views) if (kept.get(id) !== view) view.dispose();
    const has_new_answer = this.chats.is_answering() && [...kept.keys()].some(id => !this.#views.has(id));
    this.#views = kept;
    const elements: Element[] = [...kept.values()].map(view => view.element);
    if (!elements.length) elements.push(this.empty(model_of(this.chats.current)));
    // What stays is not touched: it may have the focus.
    let same = 0;
    while (same < elements.length && this.#list.children[same] === elements[same]) ++same;
    while (this.#list.children.length > same) this.#list.lastElementChild!.remove();
    this.#list.append(...elements.slice(same));
    this.#list.classList.toggle('empty', !kept.size);
    if (held && document.activeElement === document.body) [...kept.values()][held.place]?.focus_button(held.name);
    if (is_other || has_new_answer) this.to_end();
  }

  /** The button below a message that has the focus: its place among the messages, and what it is called. */
  #held_button(): {place: number; name: string} | null {
    const button = document.activeElement?.closest('.message footer button');
    const place = [...this.#views.values()].findIndex(view => view.element.contains(button ?? null));
    return button && place >= 0 ? {place, name: button.getAttribute('aria-label') ?? ''} : null;
  }

  #answering_changed(): void {
    for (const view of this.#views.values()) view.update();
    const answer = this.last('assistant')?.message;
    if (this.chats.is_answering()) this.#said.textContent = 'Answering';
    else if (answer?.failure) this.#said.textContent = '';  // the alert speaks
    else this.#said.textContent = `Answer complete. ${answer?.content.slice(0, 400) ?? ''}`;
    this.#follow();
  }
}

/** What an empty conversation shows. */
export function welcome(model: string, suggestions: [string, () => void][]): HTMLElement {
  return el('div', {class: 'welcome'}, mark(), el('h2', {}, 'What can I do for you?'),
            el('p', {class: 'quiet'}, model ? `You talk to ${model}, on this machine.` : 'Waiting for the server.'),
            el('div', {class: 'suggestions'}, ...suggestions.map(([text, take]) =>
              el('button', {type: 'button', class: 'suggestion', onclick: take}, text))));
}
