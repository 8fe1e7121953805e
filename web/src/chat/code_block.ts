// A block of code with its language and a button that copies it.
import {copy_button} from '../page/copy_button';
import {el} from '../page/dom';
import {highlighted} from './highlight';
import {sanitised} from './sanitiser';

export class CodeBlock {
  readonly element: HTMLElement;
  #code = el('code');
  #text = '';
  #is_plain = true;

  constructor(language: string) {
    this.element = el('figure', {class: 'code'},
                      el('figcaption', {}, el('span', {}, language || 'text'), copy_button('Copy the code', () => this.#text)),
                      el('pre', {tabindex: 0, 'aria-label': `Code${language ? `, ${language}` : ''}`}, this.#code));
  }

  update(text: string, language: string): void {
    if (text === this.#text) return;
    const markup = highlighted(text, language);
    if (markup !== null) this.#code.replaceChildren(sanitised(markup));
    else if (this.#is_plain && text.startsWith(this.#text)) this.#code.append(text.slice(this.#text.length));
    else this.#code.textContent = text;
    this.#is_plain = markup === null;
    this.#text = text;
  }
}
