import { randomBytes } from 'node:crypto';
import type { Core } from '../core.js';
import { withTimeout } from '../util/withTimeout.js';
import type { Bus } from './bus.js';
import type { ReplyMessage, RequestMessage } from './busMessages.js';

/** Handles a command from another node or from this one. The result goes back as JSON. */
export type CommandHandler = (data: unknown) => unknown | Promise<unknown>;

interface CommandsParts extends Pick<Core, 'report'> {
  readonly bus: Bus;
  readonly lease: () => string;
  /** Leases not known dead, including this node's. */
  readonly liveLeases: () => readonly string[];
  /** Names the nodes of leases that did not answer. */
  readonly nameMissing: (answered: readonly string[], missing: readonly string[]) => string[];
}

export interface Answers {
  /** By lease. */
  readonly answers: ReadonlyMap<string, unknown>;
  /** Leases that did not answer in time. */
  readonly missing: readonly string[];
}

/** Requests between nodes over the bus. A request, its reply, or both may be lost: each has a deadline and never hangs (G4). */
export class Commands {
  private readonly parts: CommandsParts;
  private readonly handlers = new Map<string, CommandHandler>();
  private readonly waiting = new Map<string, (data: unknown) => void>();

  constructor(parts: CommandsParts) {
    this.parts = parts;
  }

  handle(command: string, handler: CommandHandler): void {
    this.handlers.set(command, handler);
  }

  /** The reply, or undefined when none came within `timeoutMs`. */
  async request(lease: string, command: string, data: unknown, timeoutMs: number): Promise<unknown> {
    const { bus } = this.parts;
    const own = this.parts.lease();
    if (lease === own) return this.run(command, data);
    const id = randomBytes(9).toString('base64url');
    const reply = new Promise<unknown>((resolve) => {
      this.waiting.set(id, resolve);
      bus.send(lease, { t: 'request', id, to: own, command, data });
    });
    return withTimeout(reply, timeoutMs, undefined).finally(() => this.waiting.delete(id));
  }

  /** Every lease not known dead, including this node's. */
  everybody(): string[] {
    return [...new Set([...this.parts.liveLeases(), this.parts.lease()])];
  }

  /** Asks several nodes at once. @param leases left out: every live lease, including this node's. */
  async askAll(
    command: string,
    data: unknown,
    timeoutMs: number,
    leases: readonly string[] = this.everybody(),
  ): Promise<Answers> {
    const answers = new Map<string, unknown>();
    const missing: string[] = [];
    await Promise.all(
      leases.map(async (lease) => {
        const answer = await this.request(lease, command, data, timeoutMs);
        if (answer === undefined) missing.push(lease);
        else answers.set(lease, answer);
      }),
    );
    return { answers, missing };
  }

  /**
   * The nodes that did not answer, and those of `gone`, which died and are no longer asked. Dead nodes are named until housekeeping removes them, about
   * a minute; otherwise they would vanish as if they had been shut down in good order (G7).
   */
  missingNodes({ answers, missing }: Answers, gone: readonly string[] = []): string[] {
    return this.parts.nameMissing([...answers.keys()], [...missing, ...gone]);
  }

  /** A request that came over the bus. */
  onRequest(request: RequestMessage): void {
    const { bus, report } = this.parts;
    this.run(request.command, request.data)
      .then((data) => bus.send(request.to, { t: 'reply', id: request.id, data: data ?? null }))
      .catch((error: unknown) => report(error, `commands.${request.command}`));
  }

  onReply(reply: ReplyMessage): void {
    this.waiting.get(reply.id)?.(reply.data);
  }

  private async run(command: string, data: unknown): Promise<unknown> {
    const handler = this.handlers.get(command);
    if (!handler) throw new Error(`unknown command ${command}`);
    return handler(data);
  }
}
