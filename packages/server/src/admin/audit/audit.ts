import type { AuditOutcome } from '@unified-ws/protocol';
import type { Core } from '../../core.js';
import { LuaScript } from '../../redis/luaScript.js';
import { AppError } from '../../util/appError.js';
import { withTimeout } from '../../util/withTimeout.js';

/** Who acts, from where, and with which permissions. */
export interface Actor {
  readonly userId: string;
  readonly ip: string;
  readonly via: 'websocket' | 'rest';
  readonly roles: ReadonlySet<string>;
  readonly permissions: ReadonlySet<string>;
}

/** The order. */
export interface Order {
  readonly action: string;
  readonly target: string;
  /** The admin's reason. */
  readonly reason: string | undefined;
  /** Other details of the order. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Details about users or addressed to users: kept in the stream, never in the log. */
  readonly content?: Readonly<Record<string, unknown>>;
}

/** The result: the answer, the text for the record, and `unknown` when the effect is unknown although there is an answer. */
export type Ended<T> = readonly [answer: T, result: string, outcome?: AuditOutcome];

/** Entries kept. An order makes two: at its beginning and at its end. */
const MAX_ENTRIES = 100_000;
/** An order waits at most this long for its record, milliseconds. When Redis is away, the order is only in the log. */
const PATIENCE_MS = 500;
/** `result` of an order that has not ended. */
export const BEGUN = 'begun';
/** Error codes that mean that nothing was done. After any other error the order may have taken effect. */
const REFUSALS: ReadonlySet<string> = new Set(['VALIDATION_ERROR', 'PERMISSION_DENIED', 'CONFLICT', 'RATE_LIMITED']);

const script = LuaScript.load('audit', new URL('./lua/audit.lua', import.meta.url));

interface Begun {
  end(result: string, outcome: AuditOutcome): void;
}

/**
 * Records what admins did, in a stream in Redis and in the log (in case Redis is away). One entry is written before an order takes effect,
 * a second one that names the first when the order ends. So an order whose node dies in between is recorded. `AuditLog` joins the two.
 */
export class Audit {
  /** @param parts `shownAddress`: LOG_ADDRESSES, for the line in the log; the stream keeps the address as it is. */
  constructor(
    private readonly parts: Pick<Core, 'redis' | 'keys' | 'clock' | 'logger' | 'report'> & {
      readonly shownAddress: (ip: string) => string | undefined;
    },
  ) {}

  /**
   * Carries out an order and records its result. The answer does not wait for the second entry; an entry that Redis did not take is reported.
   *
   * @param failure makes the text of the record from the error code that the order ends with.
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
