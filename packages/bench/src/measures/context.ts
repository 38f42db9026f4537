import { join } from 'node:path';
import type { Native } from '../load/native.js';

/** The parameters of every measurement. */
export interface Context {
  readonly native: Native | null;
  /** For request files, profiles and compiled programs: build/bench. */
  readonly dir: string;
  readonly sizes: Sizes;
  /** Names of the servers to measure; empty: all. */
  readonly only: readonly string[];
  readonly profile: boolean;
  /** Prints one line for people. */
  readonly say: (line: string) => void;
}

export interface Sizes {
  /** Connections of the fan-out. */
  readonly subscribers: number;
  /** Length of a paced run, seconds. */
  readonly seconds: number;
  /** Messages of the burst. */
  readonly burst: number;
  /** Connects of the ramp and idle connections of the memory measure. */
  readonly connections: number;
  /** Users who move from node to node. */
  readonly moves: number;
  /** Clients that reconnect to a replay, and clients that stay connected meanwhile. */
  readonly returning: number;
  readonly staying: number;
  /** Events of a run through the queue. */
  readonly queued: number;
}

export const FULL: Sizes = {
  subscribers: 2000,
  seconds: 8,
  burst: 300,
  connections: 10_000,
  moves: 2000,
  returning: 500,
  staying: 500,
  queued: 50_000,
};
export const SMALL: Sizes = {
  subscribers: 500,
  seconds: 2,
  burst: 300,
  connections: 1000,
  moves: 200,
  returning: 100,
  staying: 100,
  queued: 10_000,
};

/** One row of the result file. */
export interface Row {
  readonly measure: string;
  readonly server: string;
  readonly load: string;
  readonly values: Readonly<Record<string, number | string | null>>;
  /** What limited the run or the quality of its figures. */
  readonly capped_by: string;
}

export function fileIn(context: Context, name: string): string {
  return join(context.dir, name);
}

export function wanted(context: Context, server: string): boolean {
  return context.only.length === 0 || context.only.includes(server);
}
