// Where the user writes; every conversation has a draft of its own. Enter sends, Shift+Enter makes a line,
// Escape stops the answer, arrow up in an empty field edits the last message.
import {el, icon_button} from '../page/dom';
import {icon} from '../page/icons';
import {tab_shelf} from '../page/shelf';
import type {Chats} from './chats';

const kDraftKey = 'hone.draft';  // and the conversation's id; one that has no message yet has none
const kMostPixels = 240;

export class Composer {
  readonly element: HTMLElement;
  readonly field = el('textarea', {class: 'composer-field', rows: 1, placeholder: 'Write a message', 'aria-label': 'Message',
                                   enterkeyhint: 'send'});
  #key = kDraftKey;  // of the draft
  #button = icon_button(icon('send'), 'Send', () => this.#act(), {class: 'icon-button send'});

  constructor(private chats: Chats, private edit_last: () => void) {
    this.field.addEventListener('input', () => this.#changed());
    this.field.addEventListener('keydown', event => this.#pressed(event));
    this.element = el('div', {class: 'composer'},
                      el('div', {class: 'composer-box'}, this.field, this.#button),
                      el('p', {class: 'hint'}, el('kbd', {}, 'Enter'), ' sends, ', el('kbd', {}, 'Shift'), ' ', el('kbd', {}, 'Enter'),
                         ' makes a line, ', el('kbd', {}, '?'), ' shows all keys'));
    chats.answering_changed.on(() => this.#draw());
    chats.opened.on(() => this.#open_draft());
    this.#open_draft();
  }

  set(text: string): void {
    this.field.value = text;
    this.#changed();
    this.field.focus();
  }

  /** Once the field is on the page its height can be measured. */
  fit(): void {
    this.#fit();
  }

  /** Where the focus is nowhere: the field, or where that would bring up a keyboard, the button. */
  take_focus(): void {
    if (document.activeElement !== document.body) return;
    if (matchMedia('(hover: hover)').matches) this.field.focus();
    else this.#button.focus();
  }

  #pressed(event: KeyboardEvent): void {
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      if (!this.chats.is_answering()) this.#act();
    } else if (event.key === 'ArrowUp' && !this.field.value) {
      event.preventDefault();
      this.edit_last();
    }
  }

  #act(): void {
    if (this.chats.is_answering()) return this.chats.stop();
    const text = this.field.value.trim();
    if (!text) return;
    this.set('');
    this.chats.send(text);
    this.#key = this.#draft_key();
  }

  #draft_key(): string {
    return this.chats.has(this.chats.current) ? `${kDraftKey} ${this.chats.current.id}` : kDraftKey;
  }

  #open_draft(): void {
    this.#key = this.#draft_key();
    this.field.value = tab_shelf.get(this.#key);
    this.#fit();
    this.#draw();
  }

  #changed(): void {
    tab_shelf.set(this.#key, this.field.value);
    this.#fit();
    this.#draw();
  }

  #fit(): void {
    this.field.style.height = 'auto';
    this.field.style.height = `${Math.min(this.field.scrollHeight, kMostPixels)}px`;
  }

  #draw(): void {
    const answering = this.chats.is_answering();
    const label = answering ? 'Stop' : 'Send';
    if (this.#button.title !== label || !this.#button.firstChild) {
      this.#button.replaceChildren(icon(answering ? 'stop' : 'send'));
      this.#button.title = label;
      this.#button.setAttribute('aria-label', label);
    }
    this.#button.disabled = !answering && !this.field.value.trim();
  }
}
