// An answer as the tokens that the model drew, coloured by how likely each was, with what else was likely at its place.
import type {Token} from '../api/chat';
import {el} from '../page/dom';
import {percent} from '../page/numbers';

// Classes p0 (likely) to p6 (hardly) by the probability of the token.
const kSteps = [0.9, 0.6, 0.35, 0.15, 0.05, 0.01];

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
  const drawn_is_top = token.top.some(([text, logprob]) => text === token.text && logprob === token.logprob);
  const rows = token.top.map(([text, logprob]) =>
    alternative_row(text, logprob, text === token.text && logprob === token.logprob));
  if (!drawn_is_top) rows.push(alternative_row(token.text, token.logprob, true));
  return [el('div', {class: 'token-head'}, el('code', {}, visible(token.text)),
             el('span', {class: 'number'}, `log p ${token.logprob.toFixed(3)}`)),
          el('ol', {}, ...rows)];
}

function legend(tokens: Token[]): HTMLElement {
  const mean = tokens.reduce((sum, token) => sum + token.logprob, 0) / Math.max(tokens.length, 1);
  const steps = [...kSteps.map(step => `≥ ${step * 100} %`), `< ${kSteps.at(-1)! * 100} %`];
  return el('div', {class: 'token-legend'},
            el('span', {}, 'Probability'),
            ...steps.map((text, i) => el('span', {class: 'step'}, el('i', {class: `token p${i}`}), text)),
            el('span', {class: 'mean'}, `perplexity ${Math.exp(-mean).toFixed(2)}`));
}

/** All tokens in reading order, those of thinking and tool calls too. Arrow keys move from token to token. */
export function token_view(tokens: Token[]): HTMLElement {
  const card = el('div', {class: 'token-card', role: 'tooltip', hidden: true});
  const text = el('div', {class: 'token-text', role: 'list', 'aria-label': 'Tokens of the answer; arrow keys move between them'});
  const view = el('div', {class: 'token-view'}, legend(tokens), text, card);

  const show = (target: HTMLElement): void => {
    const token = tokens[Number(target.dataset.index)];
    card.replaceChildren(...details(token));
    card.hidden = false;
    const frame = view.getBoundingClientRect();
    const box = (target.getClientRects()[0] ?? target.getBoundingClientRect());
    const left = Math.max(0, Math.min(box.left - frame.left, frame.width - card.offsetWidth));
    card.style.left = `${left}px`;
    card.style.top = `${box.bottom - frame.top + 6}px`;
  };
  const hide = (): void => {
    card.hidden = true;
  };

  tokens.forEach((token, i) => {
    const piece = el('span', {class: `token p${shade(token.logprob)}`, 'data-index': i, role: 'listitem', tabindex: i ? -1 : 0,
                              'aria-label': `${visible(token.text)}, ${percent(Math.exp(token.logprob))}`},
                     token.text.replace(/\n/g, '↵'));
    text.append(piece);
    if (token.text.includes('\n')) text.append(el('br'));
  });
  const token_at = (event: Event): HTMLElement | null => (event.target as HTMLElement).closest?.('.token-text .token') ?? null;
  text.addEventListener('mouseover', event => {
    const target = token_at(event);
    if (target) show(target);
  });
  text.addEventListener('mouseleave', hide);
  text.addEventListener('focusin', event => show(token_at(event)!));
  text.addEventListener('focusout', hide);
  text.addEventListener('click', event => token_at(event)?.focus());
  text.addEventListener('keydown', event => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const target = token_at(event);
    if (event.key === 'Escape') hide();
    if (!step || !target) return;
    const next = text.querySelector<HTMLElement>(`[data-index="${Number(target.dataset.index) + step}"]`);
    if (!next) return;
    event.preventDefault();
    target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return view;
}
