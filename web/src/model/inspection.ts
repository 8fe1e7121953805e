// What /v1/hone/model tells: the same as `hone inspect --json`.
import {get_json} from '../api/http';

export interface Architecture {
  model_type: string;
  layers: number;
  hidden: number;
  vocabulary: number;
  max_positions: number;
  heads: number;
  kv_heads: number;
  head_dim: number;
  experts: number;            // 0 of a dense model
  experts_per_token: number;
}

export interface TensorInfo {
  name: string;
  role: string;
  n: number;
  k: number;
  stored: string;
  stored_bytes: number;
  format: string;
  bytes: number;
  shares_bytes: boolean;
}

export interface RoleTotal {
  role: string;
  format: string;
  tensors: number;
  parameters: number;
  bytes: number;
}

export interface Inspection {
  kind: string;
  architecture: Architecture;
  parameters: number;
  active_parameters: number;
  memory: {
    weights: number;
    weights_per_token: number;
    kv_per_token: number;
    cache_holds: {gib: number; tokens: number}[];
  };
  totals: RoleTotal[];
  tensors: TensorInfo[];
}

export function load_inspection(): Promise<Inspection> {
  return get_json<Inspection>('/v1/hone/model');
}

/** What the roles are called on the page. */
export const kRoleNames: Record<string, string> = {
  embedding: 'Embedding', head: 'Head', linear: 'Attention and linear', expert: 'Experts', router: 'Routers', norm: 'Norms',
};
