import {
  type AllConnections,
  type AllConnectionsRequest,
  CONNECTIONS_CURSOR_PATTERN,
  DEFAULT_CONNECTIONS_PAGE,
} from '@unified-ws/protocol';
import type { Answers } from '../../bus/commands.js';
import { ENDED } from '../../registry/nodes/failureDetector.js';
import { nodeOfLease } from '../../registry/nodes/lease.js';
import { AppError } from '../../util/appError.js';
import type { NodeParts } from '../nodeParts.js';
import { mergeSlices, shareOf } from './connectionPage.js';
import { type Slice, type SliceRequest, sliceOf } from './connectionSlice.js';

const CONNECTIONS = 'connections';
/** Clocks of two nodes asked for two pages are assumed to agree this closely, ms; otherwise a dead node could be reported twice. */
const CLOCK_SKEW_MS = 5000;
const CURSOR = new RegExp(CONNECTIONS_CURSOR_PATTERN);

/** The state of a listing. The cursor holds all of it: no node stores anything. */
interface Cursor {
  /** Time of the listing's first page, wall-clock ms. */
  readonly beganAt: number;
  readonly after: string | null;
}

/**
 * The open connections of the cluster, page by page. A page is a range of users, in an order that does not change with connections or
 * nodes: a user connected throughout the listing is in exactly one range, and so appears exactly once.
 */
export class ConnectionList {
  private readonly parts: NodeParts;

  constructor(parts: NodeParts) {
    this.parts = parts;
    parts.commands.handle(CONNECTIONS, (request) => sliceOf(parts, request as SliceRequest));
  }

  /**
   * Answers within COMMAND_TIMEOUT_MS.
   *
   * @param filterPath path of the filter in the request, for errors.
   * @throws AppError VALIDATION_ERROR for an invalid cursor or an unknown category.
   */
  async page(
    { limit = DEFAULT_CONNECTIONS_PAGE, cursor, filter = {} }: AllConnectionsRequest,
    filterPath = '/filter',
  ): Promise<AllConnections> {
    const { commands, settings, catalogue, clock } = this.parts;
    const { beganAt, after } = cursor === undefined ? { beganAt: clock.now(), after: null } : readCursor(cursor);
    if (filter.category !== undefined && catalogue().categoriesOf(filter.category).length === 0) {
      throw invalid(`${filterPath}/category`, 'is not a category of the event catalogue');
    }
    const leases = await this.leases(filter.node_id);
    const request: SliceRequest = { after, limit: shareOf(limit, leases.length), filter };
    const asked = await commands.askAll(CONNECTIONS, request, settings.commandTimeoutMs, leases);
    const slices = [...asked.answers.values()] as Slice[];
    const { taken, until } = mergeSlices(slices, limit);
    return {
      connections: Object.fromEntries(taken.map((connection) => [connection.user_id, connection])),
      total_count: slices.reduce((sum, { total }) => sum + total, 0),
      next_cursor: until === null ? null : writeCursor({ beganAt, after: until }),
      missing_nodes: this.missing(asked, beganAt, filter.node_id),
    };
  }

  /** As Redis knows the nodes now: a node that joined less than a second ago is not known here yet, but may have connections. */
  private async leases(nodeId: string | undefined): Promise<string[]> {
    const { redis, keys, failureDetector, commands, report } = this.parts;
    const leases = new Set(commands.everybody());
    try {
      for (const [lease, beat] of Object.entries(await redis.hgetall(keys.nodes()))) {
        if (beat === ENDED) leases.delete(lease);
        else if (!failureDetector.isDead(lease)) leases.add(lease);
      }
    } catch (error) {
      report(error, 'operations.connections');
    }
    return [...leases].filter((lease) => nodeId === undefined || nodeOfLease(lease) === nodeId);
  }

  /** A node that died during the listing is named until its end, although the node is known dead and no longer asked. */
  private missing({ answers, missing }: Answers, beganAt: number, nodeId: string | undefined): string[] {
    const { failureDetector, clock, commands } = this.parts;
    const died = failureDetector.diedSince(clock.mono() - (clock.now() - beganAt) - CLOCK_SKEW_MS);
    const named = commands.missingNodes({ answers, missing }, died);
    if (nodeId === undefined) return named;
    return answers.size === 0 ? [nodeId] : [];
  }
}

function writeCursor({ beganAt, after }: Cursor): string {
  return `${beganAt.toString(36)}.${Buffer.from(after ?? '').toString('base64url')}`;
}

function readCursor(text: string): Cursor {
  if (!CURSOR.test(text)) throw invalid('/cursor', 'is not a cursor of this list');
  const dot = text.indexOf('.');
  return {
    beganAt: Number.parseInt(text.slice(0, dot), 36),
    after: Buffer.from(text.slice(dot + 1), 'base64url').toString(),
  };
}

function invalid(path: string, message: string): AppError {
  return new AppError('VALIDATION_ERROR', 'The query of the list of connections is not valid.', {
    details: { errors: [{ path, message }] },
  });
}
