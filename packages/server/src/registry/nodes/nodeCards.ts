/** What a node tells all others of itself. Any field may be absent: the node may be of another version. */
export interface NodeCard {
  /** NODE_ID. */
  readonly node: string;
  /** Of this one process, from its start to its end; a lease may be lost meanwhile. */
  readonly process: string;
  /** Of the product. */
  readonly version: string;
  readonly host: string;
  readonly pid: number;
  /** LEASE_TTL_MS. */
  readonly lease_ttl_ms: number;
  /** The processes that share its port. */
  readonly group: string;
  /** Whether it was found that it may work beside the others: what it says of itself counts from then on. */
  readonly joined: boolean;
  /** Whether nothing keeps it from serving. */
  readonly fit: boolean;
  /** What nodes may not, or should not, differ in (settings/agreement.ts), by name. */
  readonly settings: Readonly<Record<string, string>>;
  /** When it last saw a node of a version before the cards, cluster time; absent: never. */
  readonly old_seen?: number;
}

const MARK = 'mark';
/** Cards of leases that Redis does not know any more are kept up to so many: a lease whose card went with the data is checked by it. */
const KEPT_GONE = 256;

/**
 * The cards of all nodes, as Redis has them, at most a beat old. They are written and read with the beats, and only when
 * something changed. A node of a version before the cards has none.
 */
export class NodeCards {
  private card: NodeCard;
  private text: string;
  private known = '';
  private readonly cards = new Map<string, Partial<NodeCard>>();

  constructor(own: NodeCard) {
    this.card = own;
    this.text = JSON.stringify(own);
  }

  /** This node's card. */
  get own(): NodeCard {
    return this.card;
  }

  /** The same, as it lies in Redis. */
  get ownText(): string {
    return this.text;
  }

  /** Names the cards that were taken last. */
  get mark(): string {
    return this.known;
  }

  /** Changes this node's card; the next beat writes it. */
  declare(facts: Partial<NodeCard>): void {
    this.card = { ...this.card, ...facts };
    this.text = JSON.stringify(this.card);
  }

  /** Tells the value of something that nodes should not differ in. */
  agree(name: string, value: string): void {
    if (this.card.settings[name] !== value) this.declare({ settings: { ...this.card.settings, [name]: value } });
  }

  /** The card of a lease; undefined when it has none, or none was heard of yet. */
  of(lease: string): Partial<NodeCard> | undefined {
    return this.cards.get(lease);
  }

  /** Takes what beat.lua answered. */
  take(flat: readonly string[]): void {
    if (flat.length === 0) return;
    const found = new Set<string>();
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const [lease, text] = [flat[i] as string, flat[i + 1] as string];
      if (lease === MARK) {
        this.known = text;
        continue;
      }
      const card = parse(text);
      if (!card) continue;
      found.add(lease);
      // Again at the end, in the order of the map.
      this.cards.delete(lease);
      this.cards.set(lease, card);
    }
    let surplus = this.cards.size - found.size - KEPT_GONE;
    for (const lease of this.cards.keys()) {
      if (surplus <= 0) break;
      if (found.has(lease)) continue;
      this.cards.delete(lease);
      surplus -= 1;
    }
  }
}

/** Null for what is no card: another version may have written it. Fields of a type that is not theirs are left out. */
function parse(text: string): Partial<NodeCard> | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const card: Record<string, unknown> = { ...value };
  for (const name of ['node', 'process', 'version', 'host', 'group'])
    if (typeof card[name] !== 'string') delete card[name];
  for (const name of ['pid', 'lease_ttl_ms', 'old_seen']) if (!(Number(card[name]) > 0)) delete card[name];
  if (typeof card.settings !== 'object' || card.settings === null) delete card.settings;
  return card;
}
