// What /v1/models lists: the model and its adapters.
import {Signal} from '../page/signal';
import {get_json} from './http';

export interface ServedModel {
  id: string;
  parent: string | null;  // of an adapter: the model
  max_model_len: number;
}

let known: ServedModel[] = [];
export const models_changed = new Signal<ServedModel[]>();

export function models(): ServedModel[] {
  return known;
}

export async function load_models(): Promise<ServedModel[]> {
  known = (await get_json<{data: ServedModel[]}>('/v1/models')).data;
  models_changed.emit(known);
  return known;
}

/** The model itself, which a conversation uses that names none or one that is gone. */
export function base_model(): ServedModel | undefined {
  return known.find(model => !model.parent) ?? known[0];
}
