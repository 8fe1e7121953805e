// All conversations, the one that is open, and the answers on their way; says what changed and keeps it in the browser.
import {browser_shelf} from '../page/shelf';
import {Signal} from '../page/signal';
import {Answering} from './answering';
import {add_message, can_continue, choose_branch, kDefaultSettings, merge, new_conversation, path, remove_message, type Conversation,
        type Message, type Settings} from './conversation';
import {read_settings} from './reading';
import {Store} from './store';

const kSettingsKey = 'hone.settings';
const kOpenKey = 'hone.open';
const kSaveEveryMs = 700;
const kSaveShare = 30;  // while an answer grows, saving takes at most one part in so many of the time
const kNothingKept = 'This browser keeps nothing for this page: export what you want to have later.';

function kept_settings(): Settings {
  try {
    return read_settings(JSON.parse(browser_shelf.get(kSettingsKey) || '{}'));
  } catch {
    return structuredClone(kDefaultSettings);
  }
}

/** An answer that has no end was on its way when its page went. */
function mark_unfinished(conversation: Conversation): void {
  for (const message of Object.values(conversation.messages)) {
    if (message.role !== 'assistant' || message.finish || message.failure) continue;
    message.failure = {kind: 'cut', message: 'The page was closed before the answer was whole.'};
  }
}

export class Chats {
  readonly list_changed = new Signal<void>();
  readonly opened = new Signal<Conversation>();
  readonly thread_changed = new Signal<Conversation>();  // messages came, went or forked
  readonly message_changed = new Signal<Message>();
  readonly answering_changed = new Signal<Conversation>();
  readonly trouble_changed = new Signal<string>();  // why conversations are not kept; '' if they are

  #store = new Store();
  #keeps = false;
  #conversations = new Map<string, Conversation>();
  #answers = new Map<string, Answering>();
  #unsaved = new Map<string, ReturnType<typeof setTimeout>>();
  #save_ms = 0;  // what the last one took of the page's time
  current: Conversation = new_conversation(kept_settings());

  async begin(): Promise<void> {
    try {
      for (const conversation of await this.#store.open()) this.#conversations.set(conversation.id, conversation);
      this.#keeps = true;
    } catch {
      this.trouble_changed.emit(kNothingKept);
    }
    this.#conversations.forEach(mark_unfinished);
    this.#store.told.on(({id, removed}) => void (removed ? this.#forget(id) : this.#take_over(id)));
    addEventListener('pagehide', () => this.save_all());
    document.addEventListener('visibilitychange', () => document.hidden && this.save_all());
    this.list_changed.emit();
    const last = this.#conversations.get(browser_shelf.get(kOpenKey));
    if (last && !this.has(this.current)) this.open(last.id);  // unless the user has begun already
  }

  /** Newest first. */
  list(): Conversation[] {
    return [...this.#conversations.values()].sort((a, b) => b.changed - a.changed);
  }

  /** Whether it has joined the list. */
  has(conversation: Conversation): boolean {
    return this.#conversations.has(conversation.id);
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
    if (this.#keeps) this.#store.remove(id).then(() => this.trouble_changed.emit(''), (problem: Error) => this.#tell(problem));
    this.#forget(id);
  }

  rename(conversation: Conversation, title: string): void {
    conversation.title = title.trim();
    this.#save(conversation);
    this.list_changed.emit();
  }

  /** Takes conversations from elsewhere; of those that are here already, the messages that are missing. */
  add(conversations: Conversation[]): void {
    for (const given of conversations) {
      const ours = this.#conversations.get(given.id);
      if (ours) merge(ours, given);
      else this.#conversations.set(given.id, given);
      mark_unfinished(given);
      this.#save(ours ?? given);
    }
    this.list_changed.emit();
    if (conversations[0]) this.open(conversations[0].id);
  }

  /** Settings go with the conversation, and new ones begin with the latest. */
  change_settings(change: Partial<Settings>): void {
    Object.assign(this.current.settings, change);
    browser_shelf.set(kSettingsKey, JSON.stringify(this.current.settings));
    if (this.has(this.current)) this.#changed(this.current);
  }

  /** A message of the user's at the end of what is shown, or (an edit) beside `instead_of`; and its answer. */
  send(text: string, instead_of?: Message): void {
    const conversation = this.current;
    if (!this.has(conversation)) {
      this.#conversations.set(conversation.id, conversation);
      browser_shelf.set(kOpenKey, conversation.id);
    }
    this.#when_free(conversation, () => {
      const parent = instead_of ? instead_of.parent : path(conversation).at(-1)?.id ?? '';
      add_message(conversation, parent, 'user', text);
      this.list_changed.emit();
      this.#answer(conversation, path(conversation));
    });
  }

  /** The results of all calls of the last answer, in their order; and what the model makes of them. */
  send_results(results: {call_id: string; content: string}[]): void {
    const conversation = this.current;
    if (this.is_answering(conversation)) return;
    let parent = path(conversation).at(-1)!.id;
    for (const {call_id, content} of results) {
      const message = add_message(conversation, parent, 'tool', content);
      message.call_id = call_id;
      parent = message.id;
    }
    this.#answer(conversation, path(conversation));
  }

  /** Another answer beside this one, or instead of one of which nothing came. */
  regenerate(message: Message): void {
    const conversation = this.current;
    this.#when_free(conversation, () => {
      const before = this.#before(conversation, message);
      if (!before) return;
      if (message.failure && !message.content && !message.reasoning && !message.calls?.length) remove_message(conversation, message);
      this.#answer(conversation, before);
    });
  }

  /** Goes on with an answer that was cut, in the same message. */
  continue_answer(message: Message): void {
    const conversation = this.current;
    const before = this.#before(conversation, message);
    if (before && can_continue(message) && !this.is_answering(conversation)) this.#run(conversation, before, message);
  }

  choose(message: Message, step: number): void {
    choose_branch(this.current, message, step);
    this.#save(this.current);
    this.thread_changed.emit(this.current);
  }

  is_answering(conversation = this.current): boolean {
    return this.#answers.has(conversation.id);
  }

  /** Whether this message is the answer on its way. */
  is_growing(message: Message): boolean {
    return this.#answers.get(this.current.id)?.message === message;
  }

  stop(): void {
    this.#answers.get(this.current.id)?.stop();
  }

  save_all(): void {
    for (const id of [...this.#unsaved.keys()]) this.#save(this.#conversations.get(id)!);
  }

  /** What is shown before the message; null if it is not shown, or nothing is before it. */
  #before(conversation: Conversation, message: Message): Message[] | null {
    const shown = path(conversation);
    const index = shown.findIndex(other => other.id === message.id);
    return index > 0 ? shown.slice(0, index) : null;
  }

  /** Runs it at once, or when the answer on its way has stopped. */
  #when_free(conversation: Conversation, run: () => void): void {
    const running = this.#answers.get(conversation.id);
    if (!running) return run();
    running.stop();
    void running.done.then(() => this.has(conversation) && this.#when_free(conversation, run));
  }

  #answer(conversation: Conversation, before: Message[]): void {
    this.#run(conversation, before, add_message(conversation, before.at(-1)!.id, 'assistant', ''));
  }

  #run(conversation: Conversation, before: Message[], message: Message): void {
    const answering = new Answering(conversation, before, message, () => {
      this.message_changed.emit(message);
      this.#changed(conversation);
    });
    this.#answers.set(conversation.id, answering);
    this.#save(conversation, false);
    this.thread_changed.emit(conversation);
    this.answering_changed.emit(conversation);
    void answering.done.then(() => {
      this.#answers.delete(conversation.id);
      this.#save(conversation);
      this.message_changed.emit(message);
      this.answering_changed.emit(conversation);
    });
  }

  #show(conversation: Conversation): void {
    this.current = conversation;
    browser_shelf.set(kOpenKey, conversation.id);
    this.opened.emit(conversation);
  }

  #forget(id: string): void {
    this.#answers.get(id)?.stop();
    clearTimeout(this.#unsaved.get(id));
    this.#unsaved.delete(id);
    this.#conversations.delete(id);
    this.list_changed.emit();
    if (this.current.id === id) this.open_new();
  }

  /** What a page in another tab has kept of it. */
  async #take_over(id: string): Promise<void> {
    const theirs = await this.#store.load(id).catch(() => null);
    if (!theirs) return;
    const ours = this.#conversations.get(id);
    if (!ours) {
      this.#conversations.set(id, theirs);
    } else {
      const {took, lacks} = merge(ours, theirs);
      ours.title = theirs.title || ours.title;
      if (took) this.thread_changed.emit(ours);
      if (lacks && !this.is_answering(ours)) this.#save(ours);
    }
    this.list_changed.emit();
  }

  #changed(conversation: Conversation): void {
    if (this.#unsaved.has(conversation.id) || !this.has(conversation)) return;
    const wait = Math.max(kSaveEveryMs, kSaveShare * this.#save_ms);
    this.#unsaved.set(conversation.id, setTimeout(() => this.#save(conversation, !this.is_answering(conversation)), wait));
  }

  #save(conversation: Conversation, tell = true): void {
    clearTimeout(this.#unsaved.get(conversation.id));
    this.#unsaved.delete(conversation.id);
    if (!this.#keeps || !this.has(conversation)) return;
    const began = performance.now();
    this.#store.save(conversation, tell).then(() => this.trouble_changed.emit(''), (problem: Error) => this.#tell(problem));
    this.#save_ms = performance.now() - began;  // the record is copied before save() returns
  }

  #tell(problem: Error): void {
    const is_full = problem.name === 'QuotaExceededError';
    this.trouble_changed.emit(is_full ? 'The browser has no room for more: export conversations, then delete some.'
                                      : `The browser does not keep the conversations (${problem.message}). Export what you want to have.`);
  }
}
