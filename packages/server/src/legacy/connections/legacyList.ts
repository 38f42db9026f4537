import type { LegacyGroup, LegacyUsers } from '@unified-ws/protocol';
import type { NodeParts } from '../../admin/nodeParts.js';
import { merge } from '../../admin/reports/clusterStats.js';
import { AppError } from '../../util/appError.js';
import type { LegacyParts } from './legacyParts.js';

const LIST = 'legacy.list';
const DEFAULT_LEGACY_PAGE = 100;

type Connected = LegacyUsers['users'][number]['connections'][number];

interface SliceRequest {
  readonly after: string | null;
  readonly limit: number;
}

/** The answer of one node: the first of its users, ordered by id. */
interface Slice {
  readonly users: readonly (readonly [userId: string, connections: readonly Connected[]])[];
  readonly more: boolean;
  readonly byGroup: Readonly<Record<LegacyGroup, number>>;
}

type LegacyListParts = Pick<LegacyParts, 'table' | 'rollouts'> & Pick<NodeParts, 'commands' | 'settings' | 'nodeId'>;

/** Users of the legacy endpoints on all nodes, in pages by user id. */
export class LegacyList {
  private readonly parts: LegacyListParts;

  constructor(parts: LegacyListParts) {
    this.parts = parts;
    parts.commands.handle(LIST, (request) => this.slice(request as SliceRequest));
  }

  /**
   * Answers within COMMAND_TIMEOUT_MS.
   *
   * @throws AppError VALIDATION_ERROR for a malformed cursor.
   */
  async page(limit = DEFAULT_LEGACY_PAGE, cursor?: string): Promise<LegacyUsers> {
    const { commands, rollouts, settings } = this.parts;
    const request: SliceRequest = { after: cursor === undefined ? null : readCursor(cursor), limit };
    const { answers, missing } = await commands.askAll(LIST, request, settings.commandTimeoutMs);
    const slices = [...answers.values()] as Slice[];
    const merged = new Map<string, Connected[]>();
    for (const [userId, connections] of slices.flatMap(({ users }) => users)) {
      merged.set(userId, [...(merged.get(userId) ?? []), ...connections]);
    }
    const ids = [...merged.keys()].sort();
    const page = ids.slice(0, limit);
    const more = ids.length > limit || slices.some((slice) => slice.more);
    const last = page.at(-1);
    const byGroup = merge(slices.map((slice) => slice.byGroup));
    return {
      users: page.map((userId) => {
        const { endpoint, enforced } = rollouts.decide(userId);
        return { user_id: userId, connections: merged.get(userId) ?? [], assigned: endpoint, enforced };
      }),
      total_connections: Object.values(byGroup).reduce((sum, count) => sum + count, 0),
      connections_by_group: byGroup,
      next_cursor: more && last !== undefined ? Buffer.from(last).toString('base64url') : null,
      missing_nodes: commands.missingNodes({ answers, missing }),
    };
  }

  private slice({ after, limit }: SliceRequest): Slice {
    const { table, nodeId } = this.parts;
    const ids: string[] = [];
    const byUser = new Map(table.users());
    for (const userId of byUser.keys()) if (after === null || userId > after) ids.push(userId);
    const users = ids
      .sort()
      .slice(0, limit)
      .map((userId) => {
        const connections = [...(byUser.get(userId) ?? [])].map(({ group, connectedAt, types }): Connected => {
          const connected_at = new Date(connectedAt).toISOString();
          return { group, node_id: nodeId, connected_at, subscribed_events: [...(types?.names ?? [])] };
        });
        return [userId, connections] as const;
      });
    return { users, more: ids.length > limit, byGroup: table.countByGroup() };
  }
}

function readCursor(text: string): string {
  const after = Buffer.from(text, 'base64url').toString();
  if (after !== '' && Buffer.from(after).toString('base64url') === text) return after;
  const errors = [{ path: '/cursor', message: 'is not a cursor of this list' }];
  throw new AppError('VALIDATION_ERROR', 'The query of the list is not valid.', { details: { errors } });
}
