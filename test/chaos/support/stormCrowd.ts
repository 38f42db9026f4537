import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface StormOrder {
  readonly id: number;
  /** Users who connect, and stay connected from then on. */
  readonly enter?: readonly string[];
  /** Where all connect from now on, in turn. */
  readonly ports?: readonly number[];
}

export interface StormAnswer {
  readonly id: number;
  readonly tally: StormTally;
}

export interface StormTally {
  readonly established: number;
  /** Upgrades that were answered by a status. */
  readonly refused: number;
  /** Established connections that ended. */
  readonly ended: number;
  /** The first close codes of established connections; those of a node that died get none. */
  readonly codes: readonly number[];
  readonly longestHintMs: number;
  /** The number of the last event that each has: the least and the greatest. */
  readonly least: number;
  readonly most: number;
  /** The first of what should not be. */
  readonly violations: readonly string[];
}

const CHILD = fileURLToPath(new URL('./stormChild.js', import.meta.url));

/** Thousands of clients, in processes of their own, that come back at once with their positions whenever they lose their node. */
export class StormCrowd {
  private readonly children: readonly ChildProcess[];
  private readonly waiting = new Map<number, (answer: StormAnswer) => void>();
  private orders = 0;

  constructor(processes: number) {
    this.children = Array.from({ length: processes }, () => fork(CHILD));
    for (const child of this.children) {
      child.on('message', (answer: StormAnswer) => this.waiting.get(answer.id)?.(answer));
    }
  }

  /** Resolves when all are established. */
  async enter(users: readonly string[], ports: readonly number[]): Promise<void> {
    const { length } = this.children;
    await Promise.all(
      this.children.map((child, index) =>
        this.order(child, { enter: users.filter((_, n) => n % length === index), ports }),
      ),
    );
  }

  /** Where those whose connection ends go. */
  async aim(ports: readonly number[]): Promise<void> {
    await Promise.all(this.children.map((child) => this.order(child, { ports })));
  }

  async read(): Promise<StormTally> {
    const tallies = await Promise.all(this.children.map((child) => this.order(child, {})));
    const sum = (key: 'established' | 'refused' | 'ended'): number => tallies.reduce((all, one) => all + one[key], 0);
    return {
      established: sum('established'),
      refused: sum('refused'),
      ended: sum('ended'),
      longestHintMs: Math.max(...tallies.map(({ longestHintMs }) => longestHintMs)),
      least: Math.min(...tallies.map(({ least }) => least)),
      most: Math.max(...tallies.map(({ most }) => most)),
      codes: tallies.flatMap(({ codes }) => codes),
      violations: tallies.flatMap(({ violations }) => violations),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }),
    );
  }

  private async order(child: ChildProcess, order: Omit<StormOrder, 'id'>): Promise<StormTally> {
    this.orders += 1;
    const id = this.orders;
    const answered = new Promise<StormAnswer>((resolve) => this.waiting.set(id, resolve));
    child.send({ id, ...order } satisfies StormOrder);
    const { tally } = await answered;
    this.waiting.delete(id);
    return tally;
  }
}
