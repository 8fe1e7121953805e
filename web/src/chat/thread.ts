// The messages of the open conversation. Follows the end while an answer grows, unless the user has scrolled away.
import {el, icon_button, once_a_frame} from '../page/dom';
import {icon, mark} from '../page/icons';
import type {Chats} from './chats';
import {path, type Message} from './conversation';
import {MessageView} from './message_view';
import {model_of} from './request';

const kNearEnd = 80;  // pixels

export class Thread {
  readonly element: HTMLElement;
  #scroller = el('div', {class: 'scroller', tabindex: -1});
  #list = el('div', {class: 'thread', role: 'log', 'aria-live': 'off', 'aria-label': 'Conversation'});
  #to_end = icon_button(icon('down'), 'Go to the end', () => this.to_end(), {class: 'icon-button to-end', hidden: true});
  #said = el('div', {class: 'off-screen', 'aria-live': 'polite', role: 'status'});
  #views = new Map<string, MessageView>();
  #follows = true;

  constructor(private chats: Chats, private empty: (model: string) => HTMLElement) {
    this.#scroller.append(this.#list);
    this.element = el('div', {class: 'thread-frame'}, this.#scroller, this.#to_end, this.#said);
    this.#scroller.addEventListener('scroll', () => {
      const left = this.#scroller.scrollHeight - this.#scroller.scrollTop - this.#scroller.clientHeight;
      this.#follows = left < kNearEnd;
      this.#to_end.hidden = this.#follows;
    }, {passive: true});
    chats.opened.on(() => this.#draw(true));
    chats.thread_changed.on(conversation => conversation === chats.current && this.#draw());
    chats.answering_changed.on(conversation => conversation === chats.current && this.#answering_changed());
    const changed = new Set<Message>();
    const draw = once_a_frame(() => {
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

  #draw(is_other = false): void {
    const shown = path(this.chats.current);
    const kept = new Map<string, MessageView>();
    for (const message of shown) {
      if (message.role === 'tool') continue;
      const before = is_other ? undefined : this.#views.get(message.id);
      kept.set(message.id, before ?? new MessageView(message, this.chats));
      before?.update();
    }
    for (const [id, view] of this.#views) if (kept.get(id) !== view) view.dispose();
    this.#views = kept;
    const elements: Element[] = [...kept.values()].map(view => view.element);
    if (!elements.length) elements.push(this.empty(model_of(this.chats.current)));
    const same = elements.length === this.#list.children.length && elements.every((node, i) => node === this.#list.children[i]);
    if (!same) this.#list.replaceChildren(...elements);
    this.#list.classList.toggle('empty', !kept.size);
    if (is_other || this.chats.is_answering()) this.to_end();
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
