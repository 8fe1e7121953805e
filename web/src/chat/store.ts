// Conversations in the browser's IndexedDB, one record each. Where there is none (a private window), they live as long as the page.
import type {Conversation} from './conversation';

const kDatabase = 'hone';
const kTable = 'conversations';

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export class Store {
  #database: IDBDatabase | null = null;

  /** All that is kept; empty where the browser keeps nothing. */
  async open(): Promise<Conversation[]> {
    try {
      const opening = indexedDB.open(kDatabase, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(kTable, {keyPath: 'id'});
      this.#database = await settled(opening);
      return await settled(this.#table('readonly').getAll()) as Conversation[];
    } catch {
      this.#database = null;
      return [];
    }
  }

  get keeps(): boolean {
    return this.#database !== null;
  }

  async save(conversation: Conversation): Promise<void> {
    if (this.#database) await settled(this.#table('readwrite').put(conversation));
  }

  async remove(id: string): Promise<void> {
    if (this.#database) await settled(this.#table('readwrite').delete(id));
  }

  #table(mode: IDBTransactionMode): IDBObjectStore {
    return this.#database!.transaction(kTable, mode).objectStore(kTable);
  }
}
