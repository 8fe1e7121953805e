// Markdown of a model, which is not trusted. HTML in it is shown as text, pictures become links (nothing is fetched from elsewhere),
// links go to http, https and mailto only, and what the parser makes of the rest passes the sanitiser. What the parser cannot take
// (nesting without end) is shown as it is.
//
// While an answer streams the text is split into blocks. Those far enough from the end that nothing which comes can change them are not
// read again, and only those whose source changed are made anew: what stands does not flicker, and a selection in it stays.
import {marked} from 'marked';
import {el} from '../page/dom';
import {CodeBlock} from './code_block';
import {sanitised} from './sanitiser';

const kLoose = 3;           // blocks at the end of a growing text that may still change
const kMostInline = 5000;   // characters of a paragraph: what takes longer to read is no prose, and the parser's time grows with the square

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
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

class Lexer extends marked.Lexer {
  inlineTokens(source: string, tokens: marked.Token[] = []): marked.Token[] {
    if (source.length <= kMostInline) return super.inlineTokens(source, tokens as never) as marked.Token[];
    tokens.push({type: 'text', raw: source, text: escaped(source)});
    return tokens;
  }
}

/** Code in a list or a quotation is a block of code, too. */
function open_code_blocks(fragment: DocumentFragment): DocumentFragment {
  for (const pre of fragment.querySelectorAll('pre')) {  // in a list or a quotation
    const language = /(?:^|\s)language-(\S+)/.exec(pre.firstElementChild?.className ?? '')?.[1] ?? '';
    const code = new CodeBlock(language);
    code.update((pre.textContent ?? '').replace(/\n$/, ''), language);
    pre.replaceWith(code.element);
  }
  return fragment;
}

/** A block as the parser found it, and where it begins in the text. */
interface Piece {
  token: marked.Token;
  source: string;  // its lines as they were written: the parser makes blanks of tabs
  at: number;
  begins_line: boolean;
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

/** What is between the fences. */
function code_of(token: marked.Tokens.Code, source: string): string {
  if (!source.includes('\t') || !/^(```|~~~)/.test(source)) return token.text;
  const lines = source.replace(/\n+$/, '').split('\n').slice(1);
  if (/^ {0,3}(`{3,}|~{3,})\s*$/.test(lines.at(-1) ?? '')) lines.pop();
  return lines.join('\n');
}

/** Where the line after the next `count` line ends begins. */
function behind_lines(text: string, at: number, count: number): number {
  for (; count > 0; --count) {
    const end = text.indexOf('\n', at);
    if (end < 0) return text.length;
    at = end + 1;
  }
  return at;
}

/** The rendering of one growing text. */
export class MarkdownView {
  readonly element = el('div', {class: 'markdown'});
  #blocks: Block[] = [];
  #text = '';
  #links: marked.TokensList | null = null;  // where [names] lead
  #known_links = 0;
  #settled = 0;           // blocks that stay as they are
  #settled_at = 0;        // where the next one begins

  update(given: string): void {
    const text = given.includes('\r') ? given.replace(/\r\n?/g, '\n') : given;
    if (text === this.#text) return;
    if (!text.startsWith(this.#text)) this.#settled = this.#settled_at = 0;
    this.#text = text;
    try {
      this.#draw();
    } catch {
      this.#forget();
      this.element.append(el('div', {class: 'block plain'}, text));
    }
  }

  #draw(): void {
    let pieces = this.#read();
    if (this.#links && Object.keys(this.#links.links).length !== this.#known_links) {
      this.#known_links = Object.keys(this.#links.links).length;  // a link's target that was named at last is for what stands, too
      this.#forget();
      pieces = this.#read();
    }
    if (!this.#blocks.length) this.element.replaceChildren();
    pieces.forEach((piece, i) => this.#update_block(this.#settled + i, piece));
    for (const block of this.#blocks.splice(this.#settled + pieces.length)) block.element.remove();
    let last = pieces.length - kLoose;
    while (last > 0 && !pieces[last].begins_line) --last;
    if (last <= 0) return;
    this.#settled += last;
    this.#settled_at = pieces[last].at;
  }

  #forget(): void {
    this.#blocks = [];
    this.#settled = this.#settled_at = 0;
    this.element.replaceChildren();
  }

  /** The blocks behind those that are settled. */
  #read(): Piece[] {
    const text = this.#text.slice(this.#settled_at);
    const lexer = new Lexer(kOptions);
    if (this.#links) Object.assign(lexer.tokens.links, this.#links.links);
    // A line end more: without it code whose fence is not closed yet would be a paragraph in every other frame.
    const tokens = lexer.lex(`${text}\n`);
    this.#links = tokens;
    const pieces: Piece[] = [];
    let at = 0, begins_line = true;
    for (const token of tokens) {
      const end = behind_lines(text, at, token.raw.split('\n').length - 1);
      if (token.type !== 'space' && token.type !== 'def') {
        pieces.push({token, source: text.slice(at, Math.max(end, at)), at: this.#settled_at + at, begins_line});
      }
      begins_line = token.raw.endsWith('\n');
      at = end;
    }
    return pieces;
  }

  #update_block(index: number, {token, source}: Piece): void {
    const before = this.#blocks[index];
    if (before && before.raw === token.raw && before.kind === token.type) return;
    if (before?.code && token.type === 'code' && before.kind === `code ${language_of(token)}`) {
      before.raw = token.raw;
      return before.code.update(code_of(token, source), language_of(token));
    }
    const block = this.#new_block(token, source);
    if (before) before.element.replaceWith(block.element);
    else this.element.append(block.element);
    this.#blocks[index] = block;
  }

  #new_block(token: marked.Token, source: string): Block {
    if (token.type === 'code') {
      const language = language_of(token);
      const code = new CodeBlock(language);
      code.update(code_of(token, source), language);
      return {raw: token.raw, kind: `code ${language}`, element: code.element, code};
    }
    const element = el('div', {class: 'block'});
    element.append(open_code_blocks(sanitised(marked.parser([token], kOptions))));
    return {raw: token.raw, kind: token.type, element};
  }
}
