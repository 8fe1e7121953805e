// What /v1/models lists: the model and its adapters.
import {Signal} from '../page/signal';
import {get_json} from './http';

export interface ServedModel {
  id: string;
  parent: string | null;  // of an adapter: the model
  max_model_len: number;
}

let known: ServedModel[] = [];
export const models_changed = new Signal<void>();  // another model after a restart, an adapter more or less

export function models(): ServedModel[] {
  return known;
}

/** Asks the server, and tells where it is something else than before. Throws a RequestFailed. */
export async function load_models(): Promise<void> {
  const {data} = await get_json<{data: ServedModel[]}>('/v1/models');
  if (JSON.stringify(data) === JSON.stringify(known)) return;
  known = data;
  models_changed.emit();
}

/** The model itself, which a conversation uses that names none or one that is gone. */
export function base_model(): ServedModel | undefined {
  return known.find(model => !model.parent) ?? known[0];
}
