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
  #is_asking = false;  // a row is being renamed, or waits for a yes or no: it stays until that is done
  #kept = el('p', {class: 'problem kept', role: 'alert', hidden: true});
  #list = el('ul', {class: 'conversations', 'aria-label': 'Conversations'});
  #problem = el('p', {class: 'problem', role: 'alert', hidden: true});
  #file = el('input', {type: 'file', accept: '.json,application/json', hidden: true, 'aria-label': 'File to import', onchange: () => void this.#import()});

  constructor(private chats: Chats, private picked: () => void) {
    this.element = el('div', {class: 'conversation-list'},
                      el('button', {type: 'button', class: 'button new-conversation', onclick: () => {
                        chats.open_new();
                        picked();
                      }}, icon('plus'), 'New conversation'),
                      el('label', {class: 'search'}, icon('search'), this.search), this.#list, this.#problem, this.#kept,
                      el('div', {class: 'list-actions'}, text_button('Import', () => this.#file.click(), {class: 'link'}),
                         text_button('Export all', () => download('hone-conversations.json', 'application/json', to_json(chats.list())),
                                     {class: 'link'}), this.#file));
    const draw = once_a_frame(() => this.#draw());
    chats.list_changed.on(draw);
    chats.opened.on(draw);
    chats.answering_changed.on(draw);
    chats.trouble_changed.on(trouble => {
      if (this.#kept.textContent !== trouble) this.#kept.textContent = trouble;
      this.#kept.hidden = !trouble;
    });
    this.search.addEventListener('keydown', event => {
      if (event.key !== 'Escape' || !this.search.value) return;
      event.stopPropagation();  // it empties the field, and stops no answer
    });
    this.#draw();
  }

  #draw(): void {
    if (this.#is_asking) return;
    const held = this.#list.contains(document.activeElement) ? document.activeElement!.closest('li')?.dataset.id : undefined;
    const name = document.activeElement?.getAttribute('aria-label');
    const found = this.chats.list().filter(conversation => matches(conversation, this.search.value));
    this.#list.replaceChildren(...found.map(conversation => this.#row(conversation)));
    if (held) this.#focus(held, name ?? null);
    if (!found.length) {
      const text = this.search.value ? 'Nothing found' : 'Conversations are kept in this browser.';
      this.#list.append(el('li', {class: 'quiet none'}, text));
    }
  }

  #done(id: string): void {
    this.#is_asking = false;
    this.#draw();
    this.#focus(id, null);
  }

  /** The button of that name in the row of that conversation, or its title; where it is gone, the first row's. */
  #focus(id: string, name: string | null): void {
    const rows = [...this.#list.children] as HTMLElement[];
    const row = rows.find(other => other.dataset.id === id) ?? rows[0];
    const buttons = [...row?.querySelectorAll('button') ?? []];
    (buttons.find(button => name && button.getAttribute('aria-label') === name) ?? buttons[0] ?? this.search).focus();
  }

  #row(conversation: Conversation): HTMLElement {
    const is_current = conversation.id === this.chats.current.id;
    const title = title_of(conversation);
    const open = el('button', {type: 'button', class: 'title', 'aria-current': is_current ? 'true' : null, title, onclick: () => {
      this.chats.open(conversation.id);
      this.picked();
    }}, title, this.chats.is_answering(conversation) ? el('i', {class: 'running', title: 'Answering'}) : null);
    const row: HTMLElement = el('li', {class: is_current ? 'current' : null, 'data-id': conversation.id}, open,
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
      if (field.contains(document.activeElement)) return this.#done(conversation.id);
      this.#is_asking = false;
      this.#draw();
    };
    field.addEventListener('blur', () => end(true));
    field.addEventListener('keydown', event => {
      if (event.key === 'Enter' && !event.isComposing) end(true);
      if (event.key === 'Escape') end(false);
      event.stopPropagation();
    });
    this.#is_asking = true;
    row.replaceChildren(field);
    field.focus();
    field.select();
  }

  #confirm_removal(row: HTMLElement, conversation: Conversation): void {
    const remove = text_button('Delete', () => {
      this.chats.remove(conversation.id);
      this.#done(conversation.id);
    }, {class: 'button danger'});
    this.#is_asking = true;
    row.replaceChildren(el('span', {class: 'ask'}, 'Delete for good?'), remove, text_button('Keep', () => this.#done(conversation.id)));
    row.addEventListener('keydown', event => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      this.#done(conversation.id);
    });
    row.addEventListener('focusout', event => {
      if (!this.#is_asking || row.contains(event.relatedTarget as Node | null)) return;
      this.#is_asking = false;
      this.#draw();
    });
    remove.focus();
  }

  #say(problem: string): void {
    this.#problem.textContent = problem;
    this.#problem.hidden = !problem;
  }

  async #import(): Promise<void> {
    const file = this.#file.files?.[0];
    this.#problem.hidden = true;
    if (!file) return;
    try {
      const {conversations, problem} = from_json(await file.text());
      this.chats.add(conversations);
      this.#say(problem);
      if (!problem) this.picked();
    } catch (problem) {
      this.#say((problem as Error).message);
    }
    this.#file.value = '';
  }
}
