// Markdown of a model, which is not trusted. HTML in it is shown as text, pictures become links (nothing is fetched from elsewhere),
// links go to http, https and mailto only, and what the parser makes of the rest passes the sanitiser.
//
// While an answer streams the text is split into blocks, and only those whose source changed are made anew: what stands does not flicker,
// and a selection in it stays.
import DOMPurify from 'dompurify';
import {marked} from 'marked';
import {copy_text, el, icon_button} from '../page/dom';
import {icon} from '../page/icons';
import {highlighted} from './highlight';

const kTags = ['a', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'li', 'ol', 'p', 'pre', 'span',
               'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul', 'input'];
const kAttributes = ['href', 'title', 'align', 'start', 'class', 'type', 'checked', 'disabled'];

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

function sanitised(html: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(html, {
    ALLOWED_TAGS: kTags, ALLOWED_ATTR: kAttributes, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i, RETURN_DOM_FRAGMENT: true,
  });
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
  }
  for (const table of fragment.querySelectorAll('table')) {
    const frame = el('div', {class: 'table-frame', tabindex: 0, role: 'region', 'aria-label': 'Table'});
    table.replaceWith(frame);
    frame.append(table);
  }
  return fragment;
}

class Renderer extends marked.Renderer {
  html(text: string): string {
    return escaped(text);
  }

  image(href: string | null, _title: string | null, text: string): string {
    return `<a href="${escaped(href ?? '')}">${escaped(text || href || 'picture')}</a>`;
  }
}

const kOptions: marked.MarkedOptions = {...marked.getDefaults(), renderer: new Renderer(), headerIds: false, mangle: false};

/** A block of code with its language and a button that copies it. */
class CodeBlock {
  readonly element: HTMLElement;
  #code = el('code');
  #text = '';

  constructor(language: string) {
    const copy = icon_button(icon('copy'), 'Copy the code', async () => {
      if (!await copy_text(this.#text)) return;
      copy.replaceChildren(icon('check'));
      setTimeout(() => copy.replaceChildren(icon('copy')), 1500);
    });
    this.element = el('figure', {class: 'code'}, el('figcaption', {}, el('span', {}, language || 'text'), copy),
                      el('pre', {tabindex: 0, 'aria-label': `Code${language ? `, ${language}` : ''}`}, this.#code));
  }

  update(text: string, language: string): void {
    if (text === this.#text) return;
    this.#text = text;
    const markup = highlighted(text, language);
    if (markup === null) this.#code.textContent = text;
    else this.#code.replaceChildren(sanitised(markup));
  }
}

interface Block {
  raw: string;
  kind: string;
  element: HTMLElement;
  code?: CodeBlock;
}

function language_of(token: marked.Tokens.Code): string {
  return (token.lang ?? '').trim().split(/\s/)[0].toLowerCase();
}

/** The rendering of one growing text. */
export class MarkdownView {
  readonly element = el('div', {class: 'markdown'});
  #blocks: Block[] = [];
  #text = '';

  update(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    // A line end more: without it code whose fence is not closed yet would be a paragraph in every other frame.
    const tokens = marked.lexer(`${text}\n`, kOptions).filter(token => token.type !== 'space' && token.type !== 'def');
    tokens.forEach((token, i) => this.#update_block(i, token));
    for (const block of this.#blocks.splice(tokens.length)) block.element.remove();
  }

  #update_block(index: number, token: marked.Token): void {
    const before = this.#blocks[index];
    if (before && before.raw === token.raw && before.kind === token.type) return;
    if (before?.code && token.type === 'code' && before.kind === `code ${language_of(token)}`) {
      before.raw = token.raw;
      return before.code.update(token.text, language_of(token));
    }
    const block = this.#new_block(token);
    if (before) before.element.replaceWith(block.element);
    else this.element.append(block.element);
    this.#blocks[index] = block;
  }

  #new_block(token: marked.Token): Block {
    if (token.type === 'code') {
      const language = language_of(token);
      const code = new CodeBlock(language);
      code.update(token.text, language);
      return {raw: token.raw, kind: `code ${language}`, element: code.element, code};
    }
    const element = el('div', {class: 'block'});
    element.append(sanitised(marked.parser([token], kOptions)));
    return {raw: token.raw, kind: token.type, element};
  }
}
