// All conversations, the one that is open, and the answers on their way; says what changed and keeps it in the browser.
import {Signal} from '../page/signal';
import {Answering} from './answering';
import {add_message, choose_branch, kDefaultSettings, new_conversation, path, remove_message, type Conversation,
        type Message, type Settings} from './conversation';
import {Store} from './store';

const kSettingsKey = 'hone.settings';
const kOpenKey = 'hone.open';
const kSaveEveryMs = 700;

function kept_settings(): Settings {
  try {
    const kept = JSON.parse(localStorage.getItem(kSettingsKey) ?? '{}') as Partial<Settings>;
    return {...kDefaultSettings, ...kept, sampling: {...kDefaultSettings.sampling, ...kept.sampling}};
  } catch {
    return structuredClone(kDefaultSettings);
  }
}

export class Chats {
  readonly list_changed = new Signal<void>();
  readonly opened = new Signal<Conversation>();
  readonly thread_changed = new Signal<Conversation>();  // messages came, went or forked
  readonly message_changed = new Signal<Message>();
  readonly answering_changed = new Signal<Conversation>();

  #store = new Store();
  #conversations = new Map<string, Conversation>();
  #answers = new Map<string, Answering>();
  #unsaved = new Map<string, ReturnType<typeof setTimeout>>();
  current: Conversation = new_conversation(kept_settings());

  async begin(): Promise<void> {
    for (const conversation of await this.#store.open()) this.#conversations.set(conversation.id, conversation);
    addEventListener('pagehide', () => this.save_all());
    document.addEventListener('visibilitychange', () => document.hidden && this.save_all());
    this.list_changed.emit();
    const last = this.#conversations.get(localStorage.getItem(kOpenKey) ?? '');
    if (last) this.open(last.id);
  }

  get keeps(): boolean {
    return this.#store.keeps;
  }

  /** Newest first. */
  list(): Conversation[] {
    return [...this.#conversations.values()].sort((a, b) => b.changed - a.changed);
  }

  open(id: string): void {
    const found = this.#conversations.get(id);
    if (!found) return;
    this.#show(found);
  }

  /** An empty conversation, which joins the list with its first message. */
  open_new(): void {
    this.#show(new_conversation(kept_settings()));
  }

  remove(id: string): void {
    this.#answers.get(id)?.stop();
    clearTimeout(this.#unsaved.get(id));
    this.#unsaved.delete(id);
    this.#conversations.delete(id);
    void this.#store.remove(id);
    this.list_changed.emit();
    if (this.current.id === id) this.open_new();
  }

  rename(conversation: Conversation, title: string): void {
    conversation.title = title.trim();
    this.#save(conversation);
    this.list_changed.emit();
  }

  /** Takes conversations from elsewhere; those that are here already are replaced. */
  add(conversations: Conversation[]): void {
    for (const conversation of conversations) {
      this.#conversations.set(conversation.id, conversation);
      void this.#store.save(conversation);
    }
    this.list_changed.emit();
    if (conversations[0]) this.open(conversations[0].id);
  }

  /** Settings go with the conversation, and new ones begin with the latest. */
  change_settings(change: Partial<Settings>): void {
    Object.assign(this.current.settings, change);
    localStorage.setItem(kSettingsKey, JSON.stringify(this.current.settings));
    if (this.#conversations.has(this.current.id)) this.#save(this.current);
  }

  /** A message of the user's at the end of what is shown, or (an edit) beside `instead_of`; and its answer. */
  send(text: string, instead_of?: Message): void {
    const conversation = this.current;
    const running = this.#answers.get(conversation.id);
    if (running) {
      running.stop();
      void running.done.then(() => this.current === conversation && this.send(text, instead_of));
      return;
    }
    const parent = instead_of ? instead_of.parent : path(conversation).at(-1)?.id ?? '';
    this.#conversations.set(conversation.id, conversation);
    add_message(conversation, parent, 'user', text);
    localStorage.setItem(kOpenKey, conversation.id);
    this.list_changed.emit();
    this.answer(conversation);
  }

  /** The results of all calls of the last answer, in their order; and what the model makes of them. */
  send_results(results: {call_id: string; content: string}[]): void {
    let parent = path(this.current).at(-1)!.id;
    for (const {call_id, content} of results) {
      const message = add_message(this.current, parent, 'tool', content);
      message.call_id = call_id;
      parent = message.id;
    }
    this.answer(this.current);
  }

  /** Another answer beside this one, or instead of one of which nothing came. */
  regenerate(message: Message): void {
    const shown = path(this.current);
    const index = shown.findIndex(other => other.id === message.id);
    if (index <= 0 || this.is_answering()) return;
    const is_empty = message.failure && !message.content && !message.reasoning && !message.calls?.length;
    if (is_empty) remove_message(this.current, message);
    this.answer(this.current, shown.slice(0, index));
  }

  /** Answers the last of `before`. */
  answer(conversation: Conversation, before: Message[] = path(conversation)): void {
    if (this.is_answering(conversation)) return;
    const message = add_message(conversation, before.at(-1)!.id, 'assistant', '');
    const answering = new Answering(conversation, before, message, () => {
      this.message_changed.emit(message);
      this.#changed(conversation);
    });
    this.#answers.set(conversation.id, answering);
    this.#save(conversation);
    this.thread_changed.emit(conversation);
    this.answering_changed.emit(conversation);
    void answering.done.then(() => {
      this.#answers.delete(conversation.id);
      if (this.#conversations.has(conversation.id)) this.#save(conversation);
      this.message_changed.emit(message);
      this.answering_changed.emit(conversation);
    });
  }

  choose(message: Message, step: number): void {
    choose_branch(this.current, message, step);
    this.#save(this.current);
    this.thread_changed.emit(this.current);
  }

  is_answering(conversation = this.current): boolean {
    return this.#answers.has(conversation.id);
  }

  stop(): void {
    this.#answers.get(this.current.id)?.stop();
  }

  save_all(): void {
    for (const id of this.#unsaved.keys()) this.#save(this.#conversations.get(id)!);
  }

  #show(conversation: Conversation): void {
    this.current = conversation;
    localStorage.setItem(kOpenKey, conversation.id);
    this.opened.emit(conversation);
  }

  #changed(conversation: Conversation): void {
    if (this.#unsaved.has(conversation.id) || !this.#conversations.has(conversation.id)) return;
    this.#unsaved.set(conversation.id, setTimeout(() => this.#save(conversation), kSaveEveryMs));
  }

  #save(conversation: Conversation): void {
    clearTimeout(this.#unsaved.get(conversation.id));
    this.#unsaved.delete(conversation.id);
    void this.#store.save(conversation);
  }
}
