// All conversations, the one that is open, and the answers on their way; says what changed and keeps it in the browser.
import {browser_shelf} from '../page/shelf';
import {Signal} from '../page/signal';
import {hold_answer, tells_who_answers, when_nobody_answers} from './answer_locks';
import {Answering} from './answering';
import {add_message, can_continue, change_settings, choose_branch, is_unfinished, kDefaultSettings, merge, new_conversation, path, take_back,
        type Conversation, type Message, type Settings} from './conversation';
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

export class Chats {
  readonly list_changed = new Signal<void>();
  readonly opened = new Signal<Conversation>();
  readonly thread_changed = new Signal<Conversation>();  // messages came, went or forked
  readonly message_changed = new Signal<Message>();
  readonly answering_changed = new Signal<Conversation>();
  readonly settings_changed = new Signal<Conversation>();  // not by who shows them
  readonly trouble_changed = new Signal<string>();  // why conversations are not kept; '' if they are

  #store = new Store();
  #keeps = false;
  #conversations = new Map<string, Conversation>();
  #answers = new Map<string, Answering>();
  #answered_here = new WeakSet<Message>();
  #unfinished = new Set<Message>();  // answers without an end, which a page in another tab may be writing
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
    for (const conversation of this.#conversations.values()) this.#await_ends(conversation);
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
    void this.#save(conversation);
    this.list_changed.emit();
  }

  /** Takes conversations from elsewhere; of those that are here already, the messages that are missing. */
  add(conversations: Conversation[]): void {
    for (const given of conversations) {
      const ours = this.#conversations.get(given.id);
      if (ours) merge(ours, given, this.#answers.get(ours.id)?.message.id);
      else this.#conversations.set(given.id, given);
      void this.#save(ours ?? given);
      this.#await_ends(ours ?? given);
    }
    this.list_changed.emit();
    if (conversations[0]) this.open(conversations[0].id);
  }

  /** Settings go with the conversation, and new ones begin with what was chosen last. */
  change_settings(change: Partial<Settings>): void {
    browser_shelf.set(kSettingsKey, JSON.stringify({...kept_settings(), ...change}));
    change_settings(this.current, change);
    this.#changed(this.current);
  }

  /** Settings of the open conversation alone. */
  set_up(change: Partial<Settings>): void {
    change_settings(this.current, change);
    this.#changed(this.current);
    this.settings_changed.emit(this.current);
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
      take_back(conversation, message);
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
    void this.#save(this.current);
    this.thread_changed.emit(this.current);
  }

  is_answering(conversation = this.current): boolean {
    return this.#answers.has(conversation.id);
  }

  /** Whether this message is the answer on its way, here or in another tab. */
  is_growing(message: Message): boolean {
    return this.#answers.get(this.current.id)?.message === message || this.#unfinished.has(message);
  }

  /** Whether this page asked for the answer: of what it failed at, this page tells and tries again. */
  is_answered_here(message: Message): boolean {
    return this.#answered_here.has(message);
  }

  stop(): void {
    this.#answers.get(this.current.id)?.stop();
  }

  save_all(): void {
    for (const id of [...this.#unsaved.keys()]) void this.#save(this.#conversations.get(id)!);
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
    const let_go = hold_answer(message);
    this.#answers.set(conversation.id, answering);
    this.#answered_here.add(message);
    void this.#save(conversation);
    this.thread_changed.emit(conversation);
    this.answering_changed.emit(conversation);
    void answering.done.then(() => {
      this.#answers.delete(conversation.id);
      void this.#save(conversation).then(let_go);
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
      const {took, took_settings, lacks} = merge(ours, theirs, this.#answers.get(id)?.message.id);
      ours.title = theirs.title || ours.title;
      if (took) this.thread_changed.emit(ours);
      if (took_settings) this.settings_changed.emit(ours);
      if (lacks && !this.is_answering(ours)) void this.#save(ours);
    }
    if (tells_who_answers()) this.#await_ends(ours ?? theirs);
    this.list_changed.emit();
  }

  /** Answers without an end grow in another tab, or their page was closed. */
  #await_ends(conversation: Conversation): void {
    for (const message of Object.values(conversation.messages)) {
      if (!is_unfinished(message) || this.#unfinished.has(message) || this.#answers.get(conversation.id)?.message === message) continue;
      this.#unfinished.add(message);
      void when_nobody_answers(message).then(() => this.#end_unfinished(conversation, message));
    }
  }

  async #end_unfinished(conversation: Conversation, message: Message): Promise<void> {
    if (this.has(conversation)) await this.#take_over(conversation.id);  // what the other page made of it
    this.#unfinished.delete(message);
    if (!this.has(conversation)) return;
    if (is_unfinished(message)) {
      message.failure = {kind: 'cut', message: 'The page was closed before the answer was whole.'};
      void this.#save(conversation);
    }
    this.message_changed.emit(message);
  }

  #changed(conversation: Conversation): void {
    if (this.#unsaved.has(conversation.id) || !this.has(conversation)) return;
    const wait = Math.max(kSaveEveryMs, kSaveShare * this.#save_ms);
    this.#unsaved.set(conversation.id, setTimeout(() => void this.#save(conversation, !this.is_answering(conversation)), wait));
  }

  /** Fulfilled when it is kept, or cannot be. */
  async #save(conversation: Conversation, tell = true): Promise<void> {
    clearTimeout(this.#unsaved.get(conversation.id));
    this.#unsaved.delete(conversation.id);
    if (!this.#keeps || !this.has(conversation)) return;
    const began = performance.now();
    const saving = this.#store.save(conversation, tell);
    this.#save_ms = performance.now() - began;  // the record is copied before save() returns
    await saving.then(() => this.trouble_changed.emit(''), (problem: Error) => this.#tell(problem));
  }

  #tell(problem: Error): void {
    const is_full = problem.name === 'QuotaExceededError';
    this.trouble_changed.emit(is_full ? 'The browser has no room for more: export conversations, then delete some.'
                                      : `The browser does not keep the conversations (${problem.message}). Export what you want to have.`);
  }
}
