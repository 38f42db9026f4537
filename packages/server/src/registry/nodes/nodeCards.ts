/** What a node says about itself to all other nodes. Any field may be absent: the node may be of another version. */
export interface NodeCard {
  /** NODE_ID. */
  readonly node: string;
  /** Id of this process, from its start to its end. Its lease may change meanwhile. */
  readonly process: string;
  /** Of the product. */
  readonly version: string;
  readonly host: string;
  readonly pid: number;
  /** LEASE_TTL_MS. */
  readonly lease_ttl_ms: number;
  /** The processes that share its port. */
  readonly group: string;
  /** Whether the node was found compatible with the others: only then do other nodes rely on its card. */
  readonly joined: boolean;
  /** Whether nothing stops the node from serving. */
  readonly fit: boolean;
  /** What nodes may not, or should not, differ in (settings/agreement.ts), by name. */
  readonly settings: Readonly<Record<string, string>>;
  /** When it last saw a node of a version before the cards, cluster time; absent: never. */
  readonly old_seen?: number;
}

const MARK = 'mark';
/** Redis may lose a card with its data, so this many cards of leases that Redis no longer knows are kept: their leases are checked by them. */
const KEPT_GONE = 256;

/**
 * The cards of all nodes as stored in Redis, at most one beat old. They are read and written with the beats, and only when
 * a card changed. A node of a version before the cards has none.
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

  /** This node's card as stored in Redis. */
  get ownText(): string {
    return this.text;
  }

  /** Mark of the cards that were read last. */
  get mark(): string {
    return this.known;
  }

  /** Changes this node's card. The next beat writes it. */
  declare(facts: Partial<NodeCard>): void {
    this.card = { ...this.card, ...facts };
    this.text = JSON.stringify(this.card);
  }

  /** Sets the value of something in which nodes should not differ. */
  agree(name: string, value: string): void {
    if (this.card.settings[name] !== value) this.declare({ settings: { ...this.card.settings, [name]: value } });
  }

  /** The card of a lease; undefined when the lease has none, or none was read yet. */
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

/** Null when the text is no card: another version may have written it. Fields of the wrong type are left out. */
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
