import { type Notice, PENALTY } from '../../observability/health/notices.js';
import { AGREEMENTS } from '../../settings/agreement.js';
import type { Clock } from '../../util/clock.js';
import type { FailureDetector } from './failureDetector.js';
import { nodeOfLease } from './lease.js';
import type { NodeCard, NodeCards } from './nodeCards.js';

export interface DifferencesParts {
  readonly failureDetector: Pick<FailureDetector, 'live'>;
  readonly cards: Pick<NodeCards, 'of' | 'own'>;
  readonly clock: Pick<Clock, 'mono'>;
  /** A difference that is normal during a rolling deploy is reported only when it has lasted this long, ms. */
  readonly reportAfterMs: number;
}

/** In what live nodes differ, by their cards, and since when. A node of a version before the cards is left out. */
export class Differences {
  private readonly parts: DifferencesParts;
  private readonly since = new Map<string, number>();

  constructor(parts: DifferencesParts) {
    this.parts = parts;
  }

  /** To be called each second. */
  look(): void {
    const now = this.parts.clock.mono();
    for (const { name, rule } of AGREEMENTS) {
      if (rule === 'peer') continue;
      if (this.values(name).size < 2) this.since.delete(name);
      else if (!this.since.has(name)) this.since.set(name, now);
    }
  }

  notices(): Notice[] {
    const { clock, reportAfterMs } = this.parts;
    return AGREEMENTS.flatMap(({ name, rule }) => {
      const since = this.since.get(name);
      if (since === undefined || (rule === 'told' && clock.mono() - since < reportAfterMs)) return [];
      const values = [...this.values(name)]
        .map(([value, nodes]) => `${value} (${[...new Set(nodes)].sort().join(', ')})`)
        .sort();
      const penalty = rule === 'refused' ? PENALTY.unhealthy : PENALTY.degraded;
      return [{ text: `settings: ${name} differs between the nodes: ${values.join(', ')}`, penalty }];
    });
  }

  /** In what this node differs from the live nodes although it must not: it may not work beside them. Null: nothing. */
  refusal(): string | null {
    const { failureDetector, cards } = this.parts;
    for (const { name, rule, why } of AGREEMENTS) {
      const own = cards.own.settings[name];
      if (rule !== 'refused' || own === undefined) continue;
      for (const lease of failureDetector.live()) {
        const other = valueOn(cards.of(lease), name);
        if (typeof other !== 'string' || idOf(other) === idOf(own)) continue;
        return `${name}: this node has ${own}, and ${nodeOfLease(lease)} has ${other}; ${why}`;
      }
    }
    return null;
  }

  /** Value -> nodes that have it. */
  private values(name: string): Map<string, string[]> {
    const { failureDetector, cards } = this.parts;
    const found = new Map<string, [string, string[]]>();
    for (const lease of failureDetector.live()) {
      const value = valueOn(cards.of(lease), name);
      if (typeof value !== 'string') continue;
      const id = idOf(value);
      const [text, nodes] = found.get(id) ?? [value, []];
      found.set(id, [text, [...nodes, nodeOfLease(lease)]]);
    }
    return new Map(found.values());
  }
}

/** A node that is about to be refused does not count: it would keep the correct nodes out. */
function valueOn(card: Partial<NodeCard> | undefined, name: string): string | undefined {
  return card?.joined === true ? card.settings?.[name] : undefined;
}

/** A value may end with a note for people: ` at <place>`. */
function idOf(value: string): string {
  return value.split(' at ', 1)[0] as string;
}
