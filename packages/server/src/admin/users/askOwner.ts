import type { Owner } from '../../registry/store/registryTypes.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { NodeParts } from '../nodeParts.js';

/** The owner does not know the connection: its release is under way, or the user moved. Read the registry again after this, milliseconds. */
export const REREAD_MS = 25;
/** While an owner does not answer, the registry is read again this often, milliseconds. */
const FOLLOW_MS = 150;
const WAITING = Symbol('waiting');

/**
 * Sends a command to the owner's node that the command was decided for (C14). Returns the node's answer; `gone` when another node owns the
 * user meanwhile (a node that does not answer must not use up the time needed to follow a user who has left it); or undefined
 * when no answer came in time.
 */
export async function askOwner(
  { store, commands }: Pick<NodeParts, 'store' | 'commands'>,
  userId: string,
  owner: Owner,
  command: { readonly name: string; readonly data: unknown },
  leftMs: number,
): Promise<unknown> {
  const reply = commands.request(owner.lease, command.name, command.data, leftMs);
  for (;;) {
    const answer = await withTimeout(reply, FOLLOW_MS, WAITING);
    if (answer !== WAITING) return answer;
    const now = await store.owner(userId);
    // No owner is stored: the connection was released, perhaps by this order, whose answer is still on its way.
    if (now !== null && now.conn !== owner.conn) return 'gone';
  }
}
