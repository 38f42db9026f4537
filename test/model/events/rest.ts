import type { Model } from '../explore.js';

/** A model that tells, while it emits a step, whether the step happens by itself. */
export interface ProgressModel extends Model {
  readonly isProgress: boolean;
}

/**
 * How many states cannot come to rest by themselves: those from which the steps that need no fault and no whim of a client
 * lead round in circles for ever. For small models: it keeps every step.
 */
export function restless(model: ProgressModel): { readonly states: number; readonly restless: number } {
  const numbers = new Map<string, number>();
  const states: Uint8Array[] = [];
  const before: number[][] = [];
  const calm: number[] = [];
  const numberOf = (state: Uint8Array): number => {
    const key = Buffer.from(state.buffer, state.byteOffset, state.byteLength).toString('latin1');
    let number = numbers.get(key);
    if (number === undefined) {
      number = states.length;
      numbers.set(key, number);
      states.push(Uint8Array.from(state));
      before.push([]);
    }
    return number;
  };
  numberOf(model.initial());
  for (let at = 0; at < states.length; at += 1) {
    const rests = model.expand(states[at] as Uint8Array, (next) => {
      const number = numberOf(next);
      if (model.isProgress) (before[number] as number[]).push(at);
    });
    if (rests) calm.push(at);
  }
  const reached = new Uint8Array(states.length);
  for (const at of calm) reached[at] = 1;
  for (let at = calm.pop(); at !== undefined; at = calm.pop()) {
    for (const earlier of before[at] as number[]) {
      if (reached[earlier] === 1) continue;
      reached[earlier] = 1;
      calm.push(earlier);
    }
  }
  return { states: states.length, restless: reached.filter((is) => is === 0).length };
}
