import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface CrowdOrder {
  readonly id: number;
  /** Ended first. */
  readonly close: readonly string[];
  readonly open: readonly (readonly [user: string, port: number])[];
}

export interface CrowdAnswer {
  readonly order?: number;
  /** Connection ids by user: of those that got connection_established. */
  readonly opened?: Readonly<Record<string, string>>;
  readonly failure?: string;
  /** A user whose connection ended without an order. */
  readonly lost?: string;
}

const CHILD = fileURLToPath(new URL('./crowdChild.js', import.meta.url));

/** Thousands of idle connections, in processes of their own. They answer no pings. */
export class Crowd {
  /** User → id of the connection that is open. */
  readonly open = new Map<string, string>();
  private readonly children: readonly ChildProcess[];
  private readonly waiting = new Map<number, (answer: CrowdAnswer) => void>();
  private readonly fault = new Set<string>();
  private orders = 0;

  constructor(processes: number) {
    this.children = Array.from({ length: processes }, () => fork(CHILD));
    for (const child of this.children) {
      child.on('message', (answer: CrowdAnswer) => {
        if (answer.lost !== undefined) this.open.delete(answer.lost);
        if (answer.failure !== undefined) this.fault.add(answer.failure);
        if (answer.order !== undefined) this.waiting.get(answer.order)?.(answer);
      });
    }
  }

  /** Opens connections of users who have none. @throws Error when one gets no connection_established. */
  async enter(users: readonly (readonly [user: string, port: number])[]): Promise<void> {
    await this.change([], users);
    const missing = users.filter(([user]) => !this.open.has(user));
    if (missing.length > 0)
      throw new Error(`${missing.length} got no connection_established; ${[...this.fault].join()}`);
  }

  /** Ends the connections of some users, and opens those of others. */
  async change(close: readonly string[], open: readonly (readonly [user: string, port: number])[]): Promise<void> {
    for (const user of close) this.open.delete(user);
    await Promise.all(
      this.children.map(async (child, index) => {
        const own = (user: string): boolean => this.childOf(user) === index;
        const order = { close: close.filter(own), open: open.filter(([user]) => own(user)) };
        if (order.close.length + order.open.length === 0) return;
        this.orders += 1;
        const id = this.orders;
        const answered = new Promise<CrowdAnswer>((resolve) => this.waiting.set(id, resolve));
        child.send({ id, ...order } satisfies CrowdOrder);
        const { opened = {} } = await answered;
        this.waiting.delete(id);
        for (const [user, connection] of Object.entries(opened)) this.open.set(user, connection);
      }),
    );
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

  /** A user stays in one process, so that what is ordered of it has an order. */
  private childOf(user: string): number {
    let sum = 0;
    for (let i = 0; i < user.length; i += 1) sum += user.charCodeAt(i);
    return sum % this.children.length;
  }
}
