import { expect } from 'chai';
import { type Emit, explore, type Model } from './explore.js';

/** Two counters from 0 to `limit`, each raised by one a step; at rest when both are full. */
class Counters implements Model {
  readonly widths = [5, 5];
  constructor(
    private readonly limit: number,
    private readonly forbidden?: readonly [number, number],
  ) {}

  initial(): Uint8Array {
    return new Uint8Array(2);
  }

  expand(state: Uint8Array, emit: Emit): boolean {
    const [a = 0, b = 0] = state;
    if (a < this.limit) emit(Uint8Array.of(a + 1, b), 1);
    if (b < this.limit) emit(Uint8Array.of(a, b + 1), 2);
    return a === this.limit && b === this.limit;
  }

  violation(state: Uint8Array): string | undefined {
    return this.forbidden?.every((value, index) => state[index] === value) ? 'forbidden' : undefined;
  }

  violationAtEnd(): string | undefined {
    return this.forbidden ? 'rest' : undefined;
  }
}

describe('the breadth-first explorer', () => {
  it('sees every state once and says that it did', () => {
    const { states, atEnd, depth, exhausted } = explore(new Counters(31), 2000);
    expect({ states, atEnd, depth, exhausted }).to.deep.equal({ states: 1024, atEnd: 1, depth: 62, exhausted: true });
  });

  it('does not call a search complete that its budget ended', () => {
    const { states, exhausted } = explore(new Counters(31), 1000);
    expect({ states, exhausted }).to.deep.equal({ states: 1000, exhausted: false });
  });

  it('finds the shortest trace to a violation', () => {
    const { finding } = explore(new Counters(31, [2, 1]), 2000);
    expect(finding?.invariant).to.equal('forbidden');
    expect(finding?.trace.map(({ state }) => [...state])).to.have.lengthOf(4);
    expect([...(finding?.trace.at(-1)?.state ?? [])]).to.deep.equal([2, 1]);
  });

  it('checks states at rest by the invariants of rest', () => {
    const { finding } = explore(new Counters(1, [9, 9]), 2000);
    expect(finding?.invariant).to.equal('rest');
    expect(finding?.trace).to.have.lengthOf(3);
  });
});
