// The blocks of a Markdown text that grows. Those far enough from its end that nothing which comes can change them are not read again,
// so that a long answer costs what is new of it.
import {marked} from 'marked';

const kLoose = 3;           // blocks at the end of a growing text that may still change
const kMostInline = 5000;   // characters of a paragraph: more is no prose, and the parser's time grows with the square of them

/** A block as the parser found it. */
export interface SourceBlock {
  token: marked.Token;
  source: string;  // its lines as they were written: the parser makes blanks of tabs
}

interface PlacedBlock extends SourceBlock {
  at: number;
  is_certain: boolean;  // that it begins there
}

export function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

class Lexer extends marked.Lexer {
  inlineTokens(source: string, tokens: marked.Token[] = []): marked.Token[] {
    if (source.length <= kMostInline) return super.inlineTokens(source, tokens as never) as marked.Token[];
    tokens.push({type: 'text', raw: source, text: escaped(source)});
    return tokens;
  }
}

/** Where the next line begins. */
function next_line(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end + 1;
}

/** The place of the first line from `at` on that is not blank. */
function skip_blank_lines(text: string, at: number): number {
  for (let next = next_line(text, at); at < text.length; at = next, next = next_line(text, at)) {
    if (text.slice(at, next).trim()) break;
  }
  return at;
}

function without_blanks(text: string): string {
  return text.replace(/\s+/g, '');
}

/** What the parser made of the text, with the place of each block: it tells none, and loses blank lines behind lists. */
function placed(tokens: marked.Token[], text: string): PlacedBlock[] {
  const blocks: PlacedBlock[] = [];
  let at = 0, is_in_line = false;
  for (const token of tokens) {
    if (token.type !== 'space') at = skip_blank_lines(text, is_in_line ? next_line(text, at) : at);
    const begin = at;
    for (let count = token.raw.split('\n').length - 1; count > 0; --count) at = next_line(text, at);
    is_in_line = !token.raw.endsWith('\n');
    if (token.type === 'space' || token.type === 'def') continue;
    const first = without_blanks(text.slice(begin, next_line(text, begin)));
    blocks.push({token, source: text.slice(begin, is_in_line ? next_line(text, at) : at), at: begin,
                 is_certain: first === without_blanks(token.raw.trimStart().split('\n', 1)[0])});
  }
  return blocks;
}

export class BlockReader {
  #text = '';
  #links: Record<string, unknown> = {};  // where [names] lead
  #settled = 0;     // blocks that are not read again
  #settled_at = 0;  // where the next one begins

  /**
   * The blocks from number `from` on; those before are as they were. `anew`: even what has the same source is another block now. Throws what
   * the parser does.
   */
  read(text: string): {from: number; blocks: SourceBlock[]; anew: boolean} {
    if (!text.startsWith(this.#text)) this.forget();
    this.#text = text;
    const known = Object.keys(this.#links).length;
    let blocks = this.#blocks();
    // A target that is named at last is that of what stands, too.
    const anew = Object.keys(this.#links).length !== known && this.#settled > 0;
    if (anew) {
      this.#settled = this.#settled_at = 0;
      blocks = this.#blocks();
    }
    const from = this.#settled;
    let loose = blocks.length - kLoose;
    while (loose > 0 && !blocks[loose].is_certain) --loose;
    if (loose > 0) {
      this.#settled_at += blocks[loose].at;
      this.#settled += loose;
    }
    return {from, blocks, anew};
  }

  forget(): void {
    this.#text = '';
    this.#links = {};
    this.#settled = this.#settled_at = 0;
  }

  #blocks(): PlacedBlock[] {
    const text = this.#text.slice(this.#settled_at);
    const lexer = new Lexer(marked.getDefaults());
    Object.assign(lexer.tokens.links, this.#links);
    // A line end more: without it code whose fence is not closed yet would be a paragraph in every other frame.
    const tokens = lexer.lex(`${text}\n`);
    this.#links = {...tokens.links};
    return placed(tokens, text);
  }
}

/** What is between the fences, tabs and all. */
export function code_of({token, source}: SourceBlock): string {
  const {text} = token as marked.Tokens.Code;
  if (!source.includes('\t') || !/^(```|~~~)/.test(source)) return text;
  const lines = source.replace(/\n+$/, '').split('\n').slice(1);
  if (/^ {0,3}(`{3,}|~{3,})\s*$/.test(lines.at(-1) ?? '')) lines.pop();
  return lines.join('\n');
}
