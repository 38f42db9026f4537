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

const contracts = new Map<string, Promise<Contract>>();

/** The contract of a target, read once. */
export function contractOf(url: string): Promise<Contract> {
  let contract = contracts.get(url);
  if (!contract) {
    contract = Promise.resolve(new Contract());
    contracts.set(url, contract);
  }
  return contract;
}
