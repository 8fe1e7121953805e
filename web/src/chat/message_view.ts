// One message as it is shown. An answer shows its thinking (folded), its text, its calls, what went wrong, and the ways on.
import {copy_button} from '../page/copy_button';
import {el, icon_button, text_button} from '../page/dom';
import {icon} from '../page/icons';
import {duration} from '../page/numbers';
import type {Chats} from './chats';
import {branch_of, can_continue, path, results_behind, type Message} from './conversation';
import {failure_view, type Way} from './failure_view';
import {MarkdownView} from './markdown';
import {message_facts} from './message_facts';
import {TokenView} from './token_view';
import {answered_calls, growing_calls, open_calls} from './tool_card';

function thinking_label(message: Message, is_running: boolean): string {
  if (message.reasoning_ms !== undefined) return `Thought for ${duration(message.reasoning_ms)}`;
  return is_running ? 'Thinking' : 'Thought';
}

export class MessageView {
  readonly element: HTMLElement;
  #markdown = new MarkdownView();
  #thinking = new MarkdownView();
  #thinking_label = el('span');
  #thinking_box: HTMLDetailsElement = el('details', {class: 'thinking', hidden: true, ontoggle: () => this.#update_thinking()},
                                         el('summary', {}, this.#thinking_label), this.#thinking.element);
  #calls = el('div');
  #failure = el('div');
  #tokens: TokenView | null = null;  // while it is shown
  #waiting = el('div', {class: 'waiting', hidden: true, 'aria-hidden': 'true'}, el('i'), el('i'), el('i'));
  #footer = el('footer');
  #body = el('div', {class: 'body'});
  #end_failure: () => void = () => undefined;
  #was_running = false;
  #drawn_end = '';  // what of the end was drawn: calls, failure and footer are made anew only when it changes

  constructor(readonly message: Message, private chats: Chats) {
    const name = message.role === 'user' ? 'You' : 'Answer';
    this.element = el('article', {class: `message ${message.role}`, 'aria-label': name, 'data-id': message.id});
    if (message.role === 'user') {
      this.#body.append(el('div', {class: 'said'}, message.content));
    } else {
      this.#body.append(this.#thinking_box, this.#markdown.element, this.#calls, this.#waiting, this.#failure);
    }
    this.element.append(this.#body, this.#footer);
    this.update();
  }

  get is_running(): boolean {
    return this.chats.is_growing(this.message);
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
    if (this.#tokens) {
      this.#tokens.element.remove();
      this.#tokens = null;
    } else {
      this.#tokens = new TokenView();
      this.#markdown.element.after(this.#tokens.element);
    }
    this.#markdown.element.hidden = this.#tokens !== null;
    this.#drawn_end = '';
    this.update();
  }

  /** Turns the user's message into a field; sending makes a branch. */
  edit(): void {
    const open = this.#body.querySelector<HTMLTextAreaElement>('.edit textarea');
    if (open) return open.focus();
    const field = el('textarea', {class: 'field', rows: 3, value: this.message.content, 'aria-label': 'Edit the message'});
    const close = (): void => {
      this.#body.replaceChildren(el('div', {class: 'said'}, this.message.content));
      this.#footer.hidden = false;
      this.#footer.querySelector<HTMLElement>('.edit-message')?.focus();
    };
    const send = (): void => {
      const text = field.value.trim();
      if (!text) return;
      close();
      this.chats.send(text, this.message);
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
    if (this.#tokens) this.#tokens.update(message.tokens ?? []);
    else this.#markdown.update(message.content);
    this.#thinking_box.hidden = !message.reasoning;
    if (message.reasoning) this.#thinking_label.textContent = thinking_label(message, running);
    this.#update_thinking();
    this.#thinking_box.classList.toggle('running', running && message.reasoning_ms === undefined);
    this.#waiting.hidden = !running || !!message.content || !!message.reasoning || !!message.calls?.length;
    this.element.setAttribute('aria-busy', String(running));
  }

  /** Long thinking costs nothing while it is folded. */
  #update_thinking(): void {
    if (this.#thinking_box.open) this.#thinking.update(this.message.reasoning ?? '');
  }

  #update_end(): void {
    const {message} = this;
    const running = this.is_running;
    const [index, siblings] = branch_of(this.chats.current, message);
    const shown = path(this.chats.current);
    const place = shown.findIndex(other => other.id === message.id);
    const is_last = place === shown.length - 1;
    const state = JSON.stringify([running, index, siblings, is_last, message.failure, message.calls, message.finish]);
    if (state === this.#drawn_end) return;
    this.#drawn_end = state;
    const ends = this.#was_running && !running;
    this.#was_running = running;
    this.#draw_calls(running, is_last, results_behind(shown, place));
    this.#end_failure();
    this.#failure.replaceChildren();
    if (message.failure && !running) {
      const is_ours = this.chats.is_answered_here(message);
      const {element, end} = failure_view(message.failure, this.#ways(), is_last && is_ours, ends && is_ours);
      this.#failure.append(element);
      this.#end_failure = end;
    }
    const held = this.#footer.contains(document.activeElement) ? document.activeElement!.getAttribute('aria-label') : null;
    this.#draw_footer(running, is_last, index, siblings);
    if (held) this.focus_button(held);
  }

  /** Gives the focus to a button below the message by what it is called, or to one near it. */
  focus_button(name: string): void {
    const buttons = [...this.#footer.querySelectorAll<HTMLButtonElement>('button:not(:disabled)')];
    (buttons.find(button => button.getAttribute('aria-label') === name) ?? buttons[0])?.focus();
  }

  /** On from a failure: the first is gone by itself where the server said when. */
  #ways(): Way[] {
    const again = {label: 'Answer again', run: () => this.chats.regenerate(this.message)};
    if (this.message.failure?.kind === 'context' || !this.#can_continue()) return [{...again, label: 'Retry'}];
    return [{label: 'Continue', run: () => this.chats.continue_answer(this.message)}, again];
  }

  #can_continue(): boolean {
    return can_continue(this.message) && path(this.chats.current).at(-1)?.id === this.message.id;
  }

  #draw_calls(running: boolean, is_last: boolean, results: Map<string, string>): void {
    const {calls} = this.message;
    this.#calls.replaceChildren();
    if (!calls?.length) return;
    if (running) return this.#calls.append(growing_calls(calls));
    this.#calls.append(is_last && !this.message.failure ? open_calls(calls, given => this.chats.send_results(given))
                                                        : answered_calls(calls, results));
  }

  #draw_footer(running: boolean, is_last: boolean, index: number, siblings: number): void {
    const {message, chats} = this;
    this.#footer.replaceChildren();
    if (running) return;
    if (siblings > 1) {
      const back = icon_button(icon('left'), 'Previous branch', () => chats.choose(message, -1), {disabled: index === 0});
      const on = icon_button(icon('right'), 'Next branch', () => chats.choose(message, 1), {disabled: index === siblings - 1});
      this.#footer.append(el('span', {class: 'branches', role: 'group', 'aria-label': 'Branches'}, back,
                             el('span', {class: 'number'}, `${index + 1}/${siblings}`), on));
    }
    if (is_last && !message.failure && this.#can_continue()) {
      this.#footer.append(text_button('Continue', () => chats.continue_answer(message), {class: 'button continue'}));
    }
    this.#footer.append(copy_button('Copy the message', () => message.content));
    if (message.role === 'user') {
      this.#footer.append(icon_button(icon('edit'), 'Edit the message', () => this.edit(), {class: 'icon-button edit-message'}));
      return;
    }
    this.#footer.append(icon_button(icon('again'), 'Answer again', () => chats.regenerate(message)));
    if (message.tokens?.length) {
      this.#footer.append(icon_button(icon('tokens'), 'Token view', () => this.toggle_tokens(),
                                      {'aria-pressed': String(this.#tokens !== null), class: 'icon-button tokens-button'}));
    }
    this.#footer.append(el('span', {class: 'facts'}, message_facts(message)));
  }
}
