import type { AuditOutcome } from '@unified-ws/protocol';
import type { Core } from '../../core.js';
import { LuaScript } from '../../redis/luaScript.js';
import { AppError } from '../../util/appError.js';
import { withTimeout } from '../../util/withTimeout.js';

/** Who does something, from where, and what he may. */
export interface Actor {
  readonly userId: string;
  readonly ip: string;
  readonly via: 'websocket' | 'rest';
  readonly roles: ReadonlySet<string>;
  readonly permissions: ReadonlySet<string>;
}

/** What is ordered. */
export interface Order {
  readonly action: string;
  readonly target: string;
  /** The admin's words. */
  readonly reason: string | undefined;
  /** What else the order says. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** What of it is of users or for them: kept in the stream, never in the log. */
  readonly content?: Readonly<Record<string, unknown>>;
}

/** What came of it: the answer, the record's words, and `unknown` where it is not known although there is an answer. */
export type Ended<T> = readonly [answer: T, result: string, outcome?: AuditOutcome];

/** Entries kept. An order makes two: when it is begun, and when it has ended. */
const MAX_ENTRIES = 100_000;
/** An order does not wait longer than this for its record: with Redis away it stands in the log alone, milliseconds. */
const PATIENCE_MS = 500;
/** `result` of an order that has not ended. */
export const BEGUN = 'begun';
/** Errors that tell that nothing was done. Whatever else an order ends with, it may have taken effect. */
const REFUSALS: ReadonlySet<string> = new Set(['VALIDATION_ERROR', 'PERMISSION_DENIED', 'CONFLICT', 'RATE_LIMITED']);

const script = LuaScript.load('audit', new URL('./lua/audit.lua', import.meta.url));

interface Begun {
  end(result: string, outcome: AuditOutcome): void;
}

/**
 * What admins did: a stream in Redis, and the log in case Redis is away. An entry is written before an order takes effect, and another
 * that names it when it has ended, so that an order whose node dies in between is on record. `AuditLog` shows the two as one.
 */
export class Audit {
  /** @param parts `shownAddress`: LOG_ADDRESSES, for the line in the log; the stream keeps the address as it is. */
  constructor(
    private readonly parts: Pick<Core, 'redis' | 'keys' | 'clock' | 'logger' | 'report'> & {
      readonly shownAddress: (ip: string) => string | undefined;
    },
  ) {}

  /**
   * Carries out an order, on record whatever comes of it. The answer does not wait for the second entry; what Redis did not take is reported.
   *
   * @param failure makes the record's words of the code of the error that the order ends with.
   * @throws what `work` does.
   */
  async order<T>(
    actor: Actor,
    order: Order,
    work: () => Promise<Ended<T>>,
    failure: (code: string) => string = (code) => code,
  ): Promise<T> {
    const begun = await this.begin(actor, order);
    try {
      const [answer, result, outcome = 'done'] = await work();
      begun.end(result, outcome);
      return answer;
    } catch (error) {
      const code = error instanceof AppError ? error.code : 'UNEXPECTED_ERROR';
      begun.end(failure(code), REFUSALS.has(code) ? 'refused' : 'unknown');
      throw error;
    }
  }

  private async begin(actor: Actor, { action, target, reason = '', details, content }: Order): Promise<Begun> {
    const who = { by: actor.userId, ip: actor.ip, via: actor.via };
    const what = { action, target, reason };
    const said = (details ?? content) ? { details: JSON.stringify({ ...details, ...content }) } : {};
    const fields = { at: new Date(this.parts.clock.now()).toISOString(), ...who, ...what, ...said };
    const logged = { ...what, details, ...who, ip: this.parts.shownAddress(actor.ip) };
    this.parts.logger.info({ audit: { ...logged, result: BEGUN } }, `audit: ${action} begun`);
    const written = this.append({ ...fields, result: BEGUN, outcome: 'unknown' });
    await withTimeout(written, PATIENCE_MS, null);
    return {
      end: (result, outcome) => {
        this.parts.logger.info({ audit: { ...logged, result, outcome } }, `audit: ${action}`);
        void written.then((id) => {
          const ended = { ...fields, result, outcome, ended_at: new Date(this.parts.clock.now()).toISOString() };
          return this.append(id === null ? ended : { ...ended, of: id });
        });
      },
    };
  }

  /** @returns its id; null: Redis did not take it. */
  private async append(entry: Readonly<Record<string, string>>): Promise<string | null> {
    try {
      const fields = Object.entries(entry).flat();
      return String(await script.run(this.parts.redis, [this.parts.keys.audit()], [MAX_ENTRIES, ...fields]));
    } catch (error) {
      this.parts.report(error, 'operations.audit');
      return null;
    }
  }
}
