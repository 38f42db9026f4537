/** The end of every message between nodes. A message is one JSON object; old nodes neither read nor write this field. */
export interface Signature {
  /** Replaces the message's last brace. */
  readonly end: string;
}

/** For parts outside a node, and for a node that does not know its installation yet: its messages are accepted everywhere. */
export const UNSIGNED: Signature = { end: '}' };

/** At the top level of the message: after a nested object another brace would follow. */
const SIGNED = /,"installation":"([\w-]{1,64})"\}$/;
/** Longer than any signature. */
const TAIL_CHARACTERS = 100;
/** Former ids of this installation: messages of nodes that do not know the new id yet still belong to it. */
const KEPT_FORMER = 4;

/**
 * The installation of this node: all nodes of one prefix in one database of one Redis. Pub/sub ignores databases, so each
 * message names its installation, and messages of other installations are dropped.
 *
 * The id is stored in Redis. Each beat (beat.lua) writes the id that its node knows if Redis has none, and reads the stored one. A
 * Redis that lost its data has the id again within a beat, and nodes that bring different ids agree on the first.
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
   * @param onChange the stored id differs from the one this node knew: Redis lost its data while no node could restore the id, or it is another Redis.
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

  /** Whether a message belongs to this installation, as one without a signature does. Messages of others are counted. */
  admits(text: string): boolean {
    if (!this.agreed || text.endsWith(this.ending)) return true;
    const id = SIGNED.exec(text.slice(-TAIL_CHARACTERS))?.[1];
    if (id === undefined || this.former.includes(id)) return true;
    this.foreign += 1;
    return false;
  }
}
