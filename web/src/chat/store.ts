// Conversations in the browser's IndexedDB, one record each. Where there is none (a private window), they live as long as the page.
// Pages in other tabs keep theirs in the same place: each tells the others what it saved and removed.
import {Signal} from '../page/signal';
import type {Conversation} from './conversation';
import {read_conversation} from './reading';

const kDatabase = 'hone';
const kTable = 'conversations';

interface Told {
  id: string;
  removed: boolean;
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Null of a damaged record, which stays where it is. */
function read_record(record: unknown): Conversation | null {
  try {
    return read_conversation(record);
  } catch (problem) {
    console.info('A conversation that the browser keeps cannot be shown:', (problem as Error).message);
    return null;
  }
}

export class Store {
  readonly told = new Signal<Told>();  // by a page in another tab
  #database: IDBDatabase | null = null;
  #channel = new BroadcastChannel(kDatabase);

  constructor() {
    this.#channel.onmessage = (event: MessageEvent<Told>) => this.told.emit(event.data);
  }

  /** All that is kept. Throws where the browser keeps nothing. */
  async open(): Promise<Conversation[]> {
    const opening = indexedDB.open(kDatabase, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(kTable, {keyPath: 'id'});
    this.#database = await settled(opening);
    this.#database.onversionchange = () => this.#database?.close();  // whoever clears the browser's data waits for nobody
    const records = await settled(this.#database.transaction(kTable).objectStore(kTable).getAll()) as unknown[];
    return records.map(read_record).filter((one): one is Conversation => one !== null);
  }

  async load(id: string): Promise<Conversation | null> {
    if (!this.#database) return null;
    const record: unknown = await settled(this.#database.transaction(kTable).objectStore(kTable).get(id));
    return record === undefined ? null : read_record(record);
  }

  /** Throws where there is no room; the pages in other tabs hear of it if they are to. */
  async save(conversation: Conversation, tell: boolean): Promise<void> {
    await this.#write(table => table.put(conversation));
    if (tell) this.#channel.postMessage({id: conversation.id, removed: false});
  }

  async remove(id: string): Promise<void> {
    await this.#write(table => table.delete(id));
    this.#channel.postMessage({id, removed: true});
  }

  // That a request succeeded does not say that it is kept: room may end when the transaction does.
  #write(change: (table: IDBObjectStore) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#database) return reject(new Error('nothing is kept'));
      const transaction = this.#database.transaction(kTable, 'readwrite');
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('the browser gave up'));
      change(transaction.objectStore(kTable));
    });
  }
}
