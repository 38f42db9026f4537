/** What every message between nodes ends with. A message is one JSON object; old nodes do not read this field, and write none. */
export interface Signature {
  /** In the place of the message's last brace. */
  readonly end: string;
}

/** Of parts that are not of a node, and of a node that does not know its installation yet: its messages are taken everywhere. */
export const UNSIGNED: Signature = { end: '}' };

/** At the top level of the message: after a nested object another brace would follow. */
const SIGNED = /,"installation":"([\w-]{1,64})"\}$/;
/** More than the signature is long. */
const TAIL_CHARACTERS = 100;
/** Ids that this installation had before: messages of nodes that have not heard of the change yet are still its own. */
const KEPT_FORMER = 4;

/**
 * Which installation this node belongs to: all nodes of one prefix in one database of one Redis. Pub/sub knows no databases, so each
 * message says whose it is, and what is another installation's is dropped.
 *
 * The id lies in Redis. Each beat (beat.lua) writes the one that its node knows where none is, and takes the one that is there: a
 * Redis that lost its data has it again within a beat, and nodes that brought different ones agree on the first.
 */
export class Installation implements Signature {
  /** Messages of other installations that were dropped. */
  foreign = 0;
  private readonly onChange: (id: string, former: string) => void;
  private current: string;
  private agreed = false;
  private ending = UNSIGNED.end;
  private former: string[] = [];

  /**
   * @param candidate the id to write where none is.
   * @param onChange it has another id than this node knew: Redis lost its data while nobody was there to write it again, or is another.
   */
  constructor(candidate: string, onChange: (id: string, former: string) => void = () => undefined) {
    this.current = candidate;
    this.onChange = onChange;
  }

  get id(): string {
    return this.current;
  }

  get end(): string {
    return this.ending;
  }

  /** Takes the id that Redis has. */
  agree(id: string): void {
    if (this.agreed && id === this.current) return;
    const former = this.current;
    const changed = this.agreed;
    this.agreed = true;
    this.current = id;
    this.ending = `,"installation":${JSON.stringify(id)}}`;
    if (!changed) return;
    this.former = [former, ...this.former.filter((one) => one !== id)].slice(0, KEPT_FORMER);
    this.onChange(id, former);
  }

  /** Signs a message, the text of one JSON object that is not empty. */
  sign(text: string): string {
    return this.agreed ? text.slice(0, -1) + this.ending : text;
  }

  /** Whether a message is of this installation; a message without a signature is. What is not is counted. */
  admits(text: string): boolean {
    if (!this.agreed || text.endsWith(this.ending)) return true;
    const id = SIGNED.exec(text.slice(-TAIL_CHARACTERS))?.[1];
    if (id === undefined || this.former.includes(id)) return true;
    this.foreign += 1;
    return false;
  }
}
