// One message as it is shown. An answer shows its thinking (folded), its text, its calls, what went wrong, and the ways on.
import {copy_text, el, icon_button, text_button} from '../page/dom';
import {icon} from '../page/icons';
import {duration, plural, rate} from '../page/numbers';
import type {Chats} from './chats';
import {branch_of, path, type Message} from './conversation';
import {failure_view} from './failure_view';
import {MarkdownView} from './markdown';
import {token_view} from './token_view';
import {answered_calls, growing_calls, open_calls} from './tool_card';

function facts(message: Message): string {
  const out = [];
  if (message.model) out.push(message.model);
  const tokens = message.usage?.completion_tokens ?? message.tokens?.length;
  if (tokens) out.push(plural(tokens, 'token'));
  if (tokens && tokens > 1 && message.decode_ms) out.push(`${rate((tokens - 1) / message.decode_ms * 1000)} tokens/s`);
  if (message.first_token_ms !== undefined) out.push(`first after ${duration(message.first_token_ms)}`);
  if (message.finish === 'length') out.push('cut at the most tokens');
  if (message.finish === 'stopped') out.push('stopped');
  return out.join(' · ');
}

function thinking_label(message: Message, is_running: boolean): string {
  if (message.reasoning_ms !== undefined) return `Thought for ${duration(message.reasoning_ms)}`;
  return is_running ? 'Thinking' : 'Thought';
}

export class MessageView {
  readonly element: HTMLElement;
  #markdown = new MarkdownView();
  #thinking = new MarkdownView();
  #thinking_label = el('span');
  #thinking_box = el('details', {class: 'thinking', hidden: true}, el('summary', {}, this.#thinking_label), this.#thinking.element);
  #calls = el('div');
  #failure = el('div');
  #tokens = el('div', {hidden: true});
  #waiting = el('div', {class: 'waiting', hidden: true, 'aria-hidden': 'true'}, el('i'), el('i'), el('i'));
  #footer = el('footer');
  #body = el('div', {class: 'body'});
  #end_failure: () => void = () => undefined;
  #drawn_end = '';  // what of the end was drawn: calls, failure and footer are made anew only when it changes
  shows_tokens = false;

  constructor(readonly message: Message, private chats: Chats) {
    const name = message.role === 'user' ? 'You' : 'Answer';
    this.element = el('article', {class: `message ${message.role}`, 'aria-label': name, 'data-id': message.id});
    if (message.role === 'user') {
      this.#body.append(el('div', {class: 'said'}, message.content));
    } else {
      this.#body.append(this.#thinking_box, this.#markdown.element, this.#tokens, this.#calls, this.#waiting, this.#failure);
    }
    this.element.append(this.#body, this.#footer);
    this.update();
  }

  get is_running(): boolean {
    return this.chats.is_answering() && path(this.chats.current).at(-1)?.id === this.message.id;
  }

  update(): void {
    if (this.message.role === 'assistant') this.#update_answer();
    this.#update_end();
  }

  /** Ends what would go on without being seen. */
  dispose(): void {
    this.#end_failure();
  }

  toggle_tokens(): void {
    if (!this.message.tokens?.length) return;
    this.shows_tokens = !this.shows_tokens;
    this.#tokens.hidden = !this.shows_tokens;
    this.#markdown.element.hidden = this.shows_tokens;
    this.#tokens.replaceChildren(...(this.shows_tokens ? [token_view(this.message.tokens)] : []));
    this.#drawn_end = '';
    this.update();
  }

  /** Turns the user's message into a field; sending makes a branch. */
  edit(): void {
    const field = el('textarea', {class: 'field', rows: 3, value: this.message.content, 'aria-label': 'Edit the message'});
    const close = (): void => {
      this.#body.replaceChildren(el('div', {class: 'said'}, this.message.content));
      this.#footer.hidden = false;
    };
    const send = (): void => {
      if (field.value.trim()) this.chats.send(field.value.trim(), this.message);
    };
    field.addEventListener('keydown', event => {
      if (event.key === 'Escape') close();
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
      }
      event.stopPropagation();
    });
    this.#body.replaceChildren(el('div', {class: 'edit'}, field, el('div', {class: 'actions'},
      text_button('Cancel', close), text_button('Send as a new branch', send, {class: 'button primary'}))));
    this.#footer.hidden = true;
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }

  #update_answer(): void {
    const {message} = this;
    const running = this.is_running;
    this.#markdown.update(message.content);
    this.#thinking_box.hidden = !message.reasoning;
    if (message.reasoning) {
      this.#thinking.update(message.reasoning);
      this.#thinking_label.textContent = thinking_label(message, running);
    }
    this.#thinking_box.classList.toggle('running', running && message.reasoning_ms === undefined);
    this.#waiting.hidden = !running || !!message.content || !!message.reasoning || !!message.calls?.length;
    this.element.setAttribute('aria-busy', String(running));
  }

  #update_end(): void {
    const {message} = this;
    const running = this.is_running;
    const [index, siblings] = branch_of(this.chats.current, message);
    const is_last = path(this.chats.current).at(-1)?.id === message.id;
    const state = JSON.stringify([running, index, siblings, is_last, message.failure, message.calls, message.finish]);
    if (state === this.#drawn_end) return;
    this.#drawn_end = state;
    this.#draw_calls(running, is_last);
    this.#end_failure();
    this.#failure.replaceChildren();
    if (message.failure && !running) {
      const {element, end} = failure_view(message.failure, () => this.chats.regenerate(message));
      this.#failure.append(element);
      this.#end_failure = end;
    }
    this.#draw_footer(running, index, siblings);
  }

  #draw_calls(running: boolean, is_last: boolean): void {
    const {calls} = this.message;
    this.#calls.replaceChildren();
    if (!calls?.length) return;
    if (running) return this.#calls.append(growing_calls(calls));
    const shown = path(this.chats.current);
    const results = new Map(shown.filter(other => other.role === 'tool').map(other => [other.call_id ?? '', other.content]));
    this.#calls.append(is_last && !this.message.failure ? open_calls(calls, given => this.chats.send_results(given))
                                                        : answered_calls(calls, results));
  }

  #draw_footer(running: boolean, index: number, siblings: number): void {
    const {message, chats} = this;
    this.#footer.replaceChildren();
    if (running) return;
    if (siblings > 1) {
      const back = icon_button(icon('left'), 'Previous branch', () => chats.choose(message, -1), {disabled: index === 0});
      const on = icon_button(icon('right'), 'Next branch', () => chats.choose(message, 1), {disabled: index === siblings - 1});
      this.#footer.append(el('span', {class: 'branches', role: 'group', 'aria-label': 'Branches'}, back,
                             el('span', {class: 'number'}, `${index + 1}/${siblings}`), on));
    }
    const copy = icon_button(icon('copy'), 'Copy the message', async () => {
      if (await copy_text(message.content)) copy.replaceChildren(icon('check'));
      setTimeout(() => copy.replaceChildren(icon('copy')), 1500);
    });
    this.#footer.append(copy);
    if (message.role === 'user') {
      this.#footer.append(icon_button(icon('edit'), 'Edit the message', () => this.edit()));
      return;
    }
    this.#footer.append(icon_button(icon('again'), 'Answer again', () => chats.regenerate(message)));
    if (message.tokens?.length) {
      this.#footer.append(icon_button(icon('tokens'), 'Token view', () => this.toggle_tokens(),
                                      {'aria-pressed': String(this.shows_tokens), class: 'icon-button tokens-button'}));
    }
    this.#footer.append(el('span', {class: 'facts'}, facts(message)));
  }
}
