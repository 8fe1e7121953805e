// An answer as the tokens that the model drew, coloured by how likely each was, with what else was likely at its place.
import type {Token} from '../api/chat';
import {el, text_button} from '../page/dom';
import {count, percent} from '../page/numbers';

// Classes p0 (likely) to p6 (hardly) by the probability of the token.
const kSteps = [0.9, 0.6, 0.35, 0.15, 0.05, 0.01];
let cards = 0;  // made so far: each has an id
const kShown = 4000;  // elements are costly: so many tokens at once

function shade(logprob: number): number {
  const probability = Math.exp(logprob);
  const index = kSteps.findIndex(step => probability >= step);
  return index < 0 ? kSteps.length : index;
}

/** Spaces and line ends that can be seen. */
function visible(text: string): string {
  return text.replace(/ /g, '·').replace(/\n/g, '↵').replace(/\t/g, '⇥') || '(empty)';
}

function alternative_row(text: string, logprob: number, is_drawn: boolean): HTMLElement {
  const bar = el('span', {class: 'bar'});
  bar.style.setProperty('--share', String(Math.exp(logprob)));
  return el('li', is_drawn ? {class: 'drawn'} : {}, el('code', {}, visible(text)), bar, el('span', {class: 'number'}, percent(Math.exp(logprob))));
}

/** The card beside a token. */
function details(token: Token): HTMLElement[] {
  const drawn = token.top.findIndex(([text, logprob]) => text === token.text && logprob === token.logprob);
  const rows = token.top.map(([text, logprob], i) => alternative_row(text, logprob, i === drawn));
  if (drawn < 0) rows.push(alternative_row(token.text, token.logprob, true));
  return [el('div', {class: 'token-head'}, el('code', {}, visible(token.text)),
             el('span', {class: 'number'}, `log p ${token.logprob.toFixed(3)}`)),
          el('ol', {}, ...rows)];
}

/** All tokens in reading order, those of thinking and tool calls too. Arrow keys move from token to token. */
export class TokenView {
  readonly element: HTMLElement;
  #tokens: Token[] = [];
  #drawn = 0;
  #most = kShown;
  #sum = 0;  // of the log-probabilities of the first #summed
  #summed = 0;
  #mean = el('span', {class: 'mean'});
  #text = el('div', {class: 'token-text', role: 'list', 'aria-label': 'Tokens of the answer; arrow keys move between them'});
  #card = el('div', {class: 'token-card', role: 'tooltip', id: `token-card-${++cards}`, hidden: true});
  #described: HTMLElement | null = null;  // the token that the card is about
  #more = text_button('', () => {
    this.#most += kShown;
    this.update(this.#tokens);
  }, {class: 'button more-tokens', hidden: true});

  constructor() {
    this.element = el('div', {class: 'token-view'}, this.#legend(), this.#text, this.#more, this.#card);
    this.#listen();
  }

  /** The same tokens as before, and perhaps more. */
  update(tokens: Token[]): void {
    this.#tokens = tokens;
    for (; this.#summed < tokens.length; ++this.#summed) this.#sum += tokens[this.#summed].logprob;
    this.#mean.textContent = `perplexity ${Math.exp(-this.#sum / Math.max(tokens.length, 1)).toFixed(2)}`;
    const pieces: HTMLElement[] = [];
    for (; this.#drawn < Math.min(tokens.length, this.#most); ++this.#drawn) {
      pieces.push(this.#piece(tokens[this.#drawn], this.#drawn));
      if (tokens[this.#drawn].text.includes('\n')) pieces.push(el('br'));
    }
    this.#text.append(...pieces);
    const left = tokens.length - this.#drawn;
    this.#more.hidden = left === 0;
    this.#more.textContent = `Show ${count(Math.min(kShown, left))} more of ${count(left)} tokens`;
  }

  #piece(token: Token, index: number): HTMLElement {
    return el('span', {class: `token p${shade(token.logprob)}`, 'data-index': index, role: 'listitem', tabindex: index ? -1 : 0,
                       'aria-label': `${visible(token.text)}, ${percent(Math.exp(token.logprob))}`}, token.text.replace(/\n/g, '↵'));
  }

  #legend(): HTMLElement {
    const steps = [...kSteps.map(step => `≥ ${step * 100} %`), `< ${kSteps.at(-1)! * 100} %`];
    return el('div', {class: 'token-legend'}, el('span', {}, 'Probability'),
              ...steps.map((text, i) => el('span', {class: 'step'}, el('i', {class: `token p${i}`}), text)), this.#mean);
  }

  #show(target: HTMLElement | null): void {
    if (!target) return;
    this.#hide();
    this.#described = target;
    target.setAttribute('aria-describedby', this.#card.id);
    const card = this.#card;
    card.replaceChildren(...details(this.#tokens[Number(target.dataset.index)]));
    card.hidden = false;
    const frame = this.element.getBoundingClientRect();
    const box = target.getClientRects()[0] ?? target.getBoundingClientRect();
    card.style.left = `${Math.max(0, Math.min(box.left - frame.left, frame.width - card.offsetWidth))}px`;
    card.style.top = `${box.bottom - frame.top + 6}px`;
  }

  #hide(): void {
    this.#card.hidden = true;
    this.#described?.removeAttribute('aria-describedby');
  }

  #listen(): void {
    const text = this.#text;
    const token_at = (event: Event): HTMLElement | null => (event.target as HTMLElement).closest?.('.token-text .token') ?? null;
    text.addEventListener('mouseover', event => this.#show(token_at(event)));
    text.addEventListener('mouseleave', () => this.#hide());
    text.addEventListener('focusin', event => this.#show(token_at(event)));
    text.addEventListener('focusout', () => this.#hide());
    text.addEventListener('click', event => token_at(event)?.focus());
    text.addEventListener('keydown', event => {
      if (event.key === 'Escape' && !this.#card.hidden) {
        this.#hide();
        event.stopPropagation();  // the answer goes on
      }
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      const target = token_at(event);
      const next = step && target && text.querySelector<HTMLElement>(`[data-index="${Number(target.dataset.index) + step}"]`);
      if (!next) return;
      event.preventDefault();
      target.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  }
}
