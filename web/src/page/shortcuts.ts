// Keys that work anywhere on the page, and the overlay (?) that lists them.
import {el, icon_button} from './dom';
import {icon} from './icons';
import {browser_shelf} from './shelf';

export interface Shortcut {
  key: string;        // as KeyboardEvent.key has it
  label: string;
  run: () => void;
  while_typing?: boolean;  // also while a field has the focus
}

const kOffKey = 'hone.single_keys_off';

// What works where the focus is.
const kFocusKeys: [string, string][] = [
  ['Enter', 'Send the message'],
  ['Shift Enter', 'New line'],
  ['↑', 'Edit the last message, in an empty field'],
  ['← →', 'Token view: the token before or behind'],
  ['← →', 'Engine: look back and on in a paused picture'],
];

function is_typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(TEXTAREA|INPUT|SELECT)$/.test(target.tagName));
}

/** Keys of one character can be switched off: who dictates, or hits keys by accident, sets nothing off then (WCAG 2.2, 2.1.4). */
export class Shortcuts {
  #known: Shortcut[] = [];
  #dialog = el('dialog', {class: 'dialog shortcuts', 'aria-label': 'Keyboard shortcuts'});

  constructor() {
    document.addEventListener('keydown', event => this.#key(event));
    this.#dialog.addEventListener('click', event => event.target === this.#dialog && this.#dialog.close());
    this.add({key: '?', label: 'Show or hide these keys', run: () => this.show()});
  }

  add(...shortcuts: Shortcut[]): void {
    this.#known.push(...shortcuts);
  }

  show(): void {
    if (this.#dialog.open) return this.#dialog.close();
    const rows = [...kFocusKeys, ...this.#known.map(({key, label}): [string, string] => [key, label])];
    this.#dialog.replaceChildren(
      el('header', {}, el('h2', {}, 'Keyboard'), icon_button(icon('close'), 'Close', () => this.#dialog.close())),
      el('label', {class: 'check'}, el('input', {type: 'checkbox', checked: !browser_shelf.get(kOffKey), onchange: (event: Event) =>
        browser_shelf.set(kOffKey, (event.target as HTMLInputElement).checked ? '' : 'off')}),
         el('span', {}, 'Keys of one character work, where no field has the focus')),
      el('dl', {}, ...rows.flatMap(([keys, label]) => [
        el('dt', {}, ...keys.split(' ').map(key => el('kbd', {}, key === 'Escape' ? 'Esc' : key))), el('dd', {}, label)])));
    if (!this.#dialog.isConnected) document.body.append(this.#dialog);
    this.#dialog.showModal();
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (document.querySelector('dialog[open]') && event.key !== '?') return;
    const typing = is_typing(event.target);
    const found = this.#known.find(shortcut => shortcut.key === event.key && (!typing || shortcut.while_typing));
    if (!found || (found.key.length === 1 && browser_shelf.get(kOffKey))) return;
    if (event.key !== 'Escape') event.preventDefault();
    found.run();
  }
}
