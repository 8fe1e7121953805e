// Markdown of a model, which is not trusted. HTML in it is shown as text, pictures become links (nothing is fetched from elsewhere),
// links go to http, https and mailto only, and what the parser makes of the rest passes the sanitiser. What the parser cannot take
// (nesting without end) is shown as it is.
//
// While an answer streams only blocks whose source changed are made anew: what stands does not flicker, and a selection in it stays.
import {marked} from 'marked';
import {el} from '../page/dom';
import {CodeBlock} from './code_block';
import {BlockReader, code_of, escaped, type SourceBlock} from './markdown_blocks';
import {sanitised} from './sanitiser';

class Renderer extends marked.Renderer {
  html(text: string): string {
    return escaped(text);
  }

  image(href: string | null, _title: string | null, text: string): string {
    return `<a href="${escaped(href ?? '')}">${escaped(text || href || 'picture')}</a>`;
  }
}

const kOptions: marked.MarkedOptions = {...marked.getDefaults(), renderer: new Renderer(), headerIds: false, mangle: false};

/** Code in a list or a quotation is a block of code, too. */
function open_code_blocks(fragment: DocumentFragment): DocumentFragment {
  for (const pre of fragment.querySelectorAll('pre')) {
    const language = /(?:^|\s)language-(\S+)/.exec(pre.firstElementChild?.className ?? '')?.[1] ?? '';
    const code = new CodeBlock(language);
    code.update((pre.textContent ?? '').replace(/\n$/, ''), language);
    pre.replaceWith(code.element);
  }
  return fragment;
}

function language_of(token: marked.Tokens.Code): string {
  return (token.lang ?? '').trim().split(/\s/)[0].toLowerCase();
}

interface Block {
  raw: string;
  kind: string;
  element: HTMLElement;
  code?: CodeBlock;
}

/** The rendering of one growing text. */
export class MarkdownView {
  readonly element = el('div', {class: 'markdown'});
  #reader = new BlockReader();
  #blocks: Block[] = [];
  #text = '';

  update(given: string): void {
    const text = given.includes('\r') ? given.replace(/\r\n?/g, '\n') : given;
    if (text === this.#text) return;
    this.#text = text;
    try {
      this.#draw(text);
    } catch {
      this.#reader.forget();
      this.#blocks = [];
      this.element.replaceChildren(el('div', {class: 'block plain'}, text));
    }
  }

  #draw(text: string): void {
    const {from, blocks, anew} = this.#reader.read(text);
    if (anew) this.#blocks = [];
    if (!this.#blocks.length) this.element.replaceChildren();
    blocks.forEach((block, i) => this.#update_block(from + i, block));
    for (const block of this.#blocks.splice(from + blocks.length)) block.element.remove();
  }

  #update_block(index: number, given: SourceBlock): void {
    const before = this.#blocks[index];
    const {token} = given;
    if (before && before.raw === token.raw && before.kind === token.type) return;
    if (before?.code && token.type === 'code' && before.kind === `code ${language_of(token)}`) {
      before.raw = token.raw;
      return before.code.update(code_of(given), language_of(token));
    }
    const block = this.#new_block(given);
    if (before) before.element.replaceWith(block.element);
    else this.element.append(block.element);
    this.#blocks[index] = block;
  }

  #new_block(given: SourceBlock): Block {
    const {token} = given;
    if (token.type === 'code') {
      const language = language_of(token);
      const code = new CodeBlock(language);
      code.update(code_of(given), language);
      return {raw: token.raw, kind: `code ${language}`, element: code.element, code};
    }
    const element = el('div', {class: 'block'});
    element.append(open_code_blocks(sanitised(marked.parser([token], kOptions))));
    return {raw: token.raw, kind: token.type, element};
  }
}
