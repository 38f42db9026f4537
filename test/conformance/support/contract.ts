import type { Frame } from './frames.js';

/** The schemas that the target publishes of what it sends. */
export class Contract {
  /** What is wrong with a frame of the server; null: nothing. */
  frameFault(_frame: Frame): string | null {
    return null;
  }

  /** What is wrong with an answer of the REST interface; null: nothing. */
  answerFault(
    _method: string,
    _path: string,
    _answer: { readonly status: number; readonly body: unknown },
  ): string | null {
    return null;
  }
}

let contract: Promise<Contract> | null = null;

/** The contract of the target, read once. All targets of a run are of one implementation. */
export function contractOf(_url: string): Promise<Contract> {
  contract ??= Promise.resolve(new Contract());
  return contract;
}
