// The conversations that the browser keeps: open, search, rename, delete, import, export.
import {el, download, icon_button, once_a_frame, text_button} from '../page/dom';
import {icon} from '../page/icons';
import type {Chats} from './chats';
import {matches, title_of, type Conversation} from './conversation';
import {from_json, to_json} from './exchange';

export class ConversationList {
  readonly element: HTMLElement;
  readonly search = el('input', {type: 'search', class: 'field', placeholder: 'Search', 'aria-label': 'Search the conversations',
                                 oninput: () => this.#draw()});
  #list = el('ul', {class: 'conversations', 'aria-label': 'Conversations'});
  #problem = el('p', {class: 'problem', role: 'alert', hidden: true});
  #file = el('input', {type: 'file', accept: '.json,application/json', hidden: true, 'aria-label': 'File to import', onchange: () => void this.#import()});

  constructor(private chats: Chats, private picked: () => void) {
    this.element = el('div', {class: 'conversation-list'},
                      el('button', {type: 'button', class: 'button new-conversation', onclick: () => {
                        chats.open_new();
                        picked();
                      }}, icon('plus'), 'New conversation'),
                      el('label', {class: 'search'}, icon('search'), this.search), this.#list, this.#problem,
                      el('div', {class: 'list-actions'}, text_button('Import', () => this.#file.click(), {class: 'link'}),
                         text_button('Export all', () => download('hone-conversations.json', 'application/json', to_json(chats.list())),
                                     {class: 'link'}), this.#file));
    const draw = once_a_frame(() => this.#draw());
    chats.list_changed.on(draw);
    chats.opened.on(draw);
    chats.answering_changed.on(draw);
    this.#draw();
  }

  #draw(): void {
    const found = this.chats.list().filter(conversation => matches(conversation, this.search.value));
    this.#list.replaceChildren(...found.map(conversation => this.#row(conversation)));
    if (!found.length) {
      const text = this.search.value ? 'Nothing found' : 'Conversations are kept in this browser.';
      this.#list.append(el('li', {class: 'quiet none'}, text));
    }
  }

  #row(conversation: Conversation): HTMLElement {
    const is_current = conversation.id === this.chats.current.id;
    const title = title_of(conversation);
    const open = el('button', {type: 'button', class: 'title', 'aria-current': is_current ? 'true' : null, title, onclick: () => {
      this.chats.open(conversation.id);
      this.picked();
    }}, title, this.chats.is_answering(conversation) ? el('i', {class: 'running', title: 'Answering'}) : null);
    const row: HTMLElement = el('li', {class: is_current ? 'current' : null}, open,
                   icon_button(icon('edit'), `Rename ${title}`, () => this.#rename(row, conversation)),
                   icon_button(icon('trash'), `Delete ${title}`, () => this.#confirm_removal(row, conversation)));
    return row;
  }

  #rename(row: HTMLElement, conversation: Conversation): void {
    const field = el('input', {class: 'field', value: title_of(conversation), 'aria-label': 'Name of the conversation'});
    let done = false;
    const end = (keep: boolean): void => {
      if (done) return;
      done = true;
      if (keep) this.chats.rename(conversation, field.value);
      this.#draw();
    };
    field.addEventListener('blur', () => end(true));
    field.addEventListener('keydown', event => {
      if (event.key === 'Enter') end(true);
      if (event.key === 'Escape') end(false);
      event.stopPropagation();
    });
    row.replaceChildren(field);
    field.focus();
    field.select();
  }

  #confirm_removal(row: HTMLElement, conversation: Conversation): void {
    const remove = text_button('Delete', () => this.chats.remove(conversation.id), {class: 'button danger'});
    row.replaceChildren(el('span', {class: 'ask'}, 'Delete for good?'), remove, text_button('Keep', () => this.#draw()));
    row.addEventListener('keydown', event => event.key === 'Escape' && this.#draw());
    remove.focus();
  }

  async #import(): Promise<void> {
    const file = this.#file.files?.[0];
    this.#problem.hidden = true;
    if (!file) return;
    try {
      this.chats.add(from_json(await file.text()));
      this.picked();
    } catch (problem) {
      this.#problem.textContent = (problem as Error).message;
      this.#problem.hidden = false;
    }
    this.#file.value = '';
  }
}
