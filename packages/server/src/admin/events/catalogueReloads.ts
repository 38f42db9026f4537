import { createHash } from 'node:crypto';
import type { NodeReload } from '@unified-ws/protocol';
import type { Progress } from '../../connections/lifecycle/authority.js';
import type { Catalogues } from '../../events/catalogue/catalogues.js';
import { CatalogueError } from '../../events/catalogue/eventCatalogue.js';
import { nodeOfLease } from '../../registry/nodes/lease.js';
import { presentLeases } from '../../registry/nodes/presentLeases.js';
import { AppError } from '../../util/appError.js';
import type { RandomBytes } from '../../util/pooledRandom.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { Actor } from '../audit/audit.js';
import type { NodeParts } from '../nodeParts.js';

export interface ClusterReload {
  readonly result: 'applied' | 'refused';
  readonly nodes: readonly NodeReload[];
  /** Nodes that did not answer: which catalogue they use is unknown. */
  readonly missing_nodes: readonly string[];
}

const PREPARE = 'catalogue.prepare';
const APPLY = 'catalogue.apply';

/** Reloads the event catalogue without dropping a connection. */
export class CatalogueReloads {
  constructor(
    private readonly parts: Pick<
      NodeParts,
      | 'catalogues'
      | 'authority'
      | 'table'
      | 'unregistered'
      | 'fanout'
      | 'commands'
      | 'redis'
      | 'keys'
      | 'failureDetector'
      | 'report'
      | 'audit'
      | 'logger'
      | 'nodeId'
      | 'settings'
    > & { readonly randomBytes: RandomBytes },
  ) {
    parts.commands.handle(PREPARE, (id) => this.prepare(String(id)));
    parts.commands.handle(APPLY, (id) => this.apply(String(id)));
  }

  /** Reloads this node only (SIGHUP); the result is in the log. */
  async local(): Promise<NodeReload> {
    const id = this.newId();
    const ready = this.prepare(id);
    return ready.result === 'ready' ? this.apply(id) : ready;
  }

  /**
   * Reloads the whole cluster in two steps: every node reads and checks its own file, and only when all are valid do all nodes put them in
   * force. Otherwise some nodes would know types that others drop. Answers within COMMAND_TIMEOUT_MS.
   *
   * @throws AppError UNAVAILABLE when Redis does not answer: nothing has changed then.
   */
  cluster(reason: string | undefined, actor: Actor): Promise<ClusterReload> {
    return this.parts.audit.order(actor, { action: 'catalogue_reload', target: 'cluster', reason }, async () => {
      const reload = await this.everywhere();
      const { result, nodes, missing_nodes: missing } = reload;
      const errors = nodes.flatMap(({ node_id, error }) => (error === null ? [] : [`${node_id}: ${error}`]));
      const lacking = missing.length === 0 ? '' : `, missing: ${missing.join(' ')}`;
      const summary = `${[result, ...errors].join('; ')}${lacking}`;
      return [reload, summary, result === 'refused' ? 'refused' : 'done'];
    });
  }

  private async everywhere(): Promise<ClusterReload> {
    const id = this.newId();
    const prepared = await this.ask(await this.leases(), PREPARE, id);
    const sound = [...prepared.nodes.values()].every(({ result }) => result === 'ready');
    const done = sound ? await this.ask([...prepared.nodes.keys()], APPLY, id) : { nodes: prepared.nodes, missing: [] };
    const result = sound ? 'applied' : 'refused';
    const reports = [...done.nodes.values()];
    const missingNodes = [...prepared.missing, ...done.missing].map(nodeOfLease);
    return { result, nodes: reports, missing_nodes: missingNodes };
  }

  private async leases(): Promise<string[]> {
    const { redis, keys, failureDetector, report } = this.parts;
    try {
      return await presentLeases(redis, keys, failureDetector);
    } catch (error) {
      report(error, 'operations.catalogue');
      throw new AppError('UNAVAILABLE', 'The server cannot read the list of nodes; try again.', { cause: error });
    }
  }

  private async ask(
    leases: readonly string[],
    command: string,
    id: string,
  ): Promise<{ readonly nodes: ReadonlyMap<string, NodeReload>; readonly missing: readonly string[] }> {
    const { commands, settings } = this.parts;
    const nodes = new Map<string, NodeReload>();
    const missing: string[] = [];
    const asked = leases.map(async (lease) => {
      const answer = (await commands.request(lease, command, id, settings.commandTimeoutMs / 2)) as
        | NodeReload
        | undefined;
      if (answer === undefined) missing.push(lease);
      else nodes.set(lease, answer);
    });
    await Promise.all(asked);
    return { nodes, missing };
  }

  private prepare(id: string): NodeReload {
    const { catalogues, logger } = this.parts;
    try {
      return this.answer('ready', catalogues.prepare(id));
    } catch (error) {
      // Any other error is a bug in this server, not a fault in the file.
      if (!(error instanceof CatalogueError)) throw error;
      logger.error({ reason: error.message }, 'the new event catalogue is not valid; the old one stays in force');
      return { ...this.answer('refused', null), error: error.message };
    }
  }

  private async apply(id: string): Promise<NodeReload> {
    const { catalogues, authority, table, unregistered, fanout, logger, report, settings } = this.parts;
    // L5: events accepted under the old catalogue are delivered under it.
    fanout.flush();
    if (!catalogues.apply(id)) return this.answer('overtaken', null);
    const progress: Progress = { connections: 0, changed: 0 };
    const answer = this.answer('applied', catalogues.catalogue);
    const { digest, event_types: types } = answer;
    const check = authority.reevaluateAll(table.all(), progress).then(() => unregistered.reevaluateAll(progress));
    const done = check.then(
      () => logger.info({ digest, types, ...progress }, 'event catalogue reloaded'),
      (error: unknown) => report(error, 'operations.catalogue'),
    );
    // The new catalogue is in force by now; with very many connections the answer does not wait until the last is notified.
    await withTimeout(done, settings.commandTimeoutMs / 4, undefined);
    return { ...answer, connections: progress.connections, changed_connections: progress.changed };
  }

  private answer(result: NodeReload['result'], catalogue: Catalogues['catalogue'] | null): NodeReload {
    return {
      node_id: this.parts.nodeId,
      result,
      error: null,
      digest: catalogue && createHash('sha256').update(JSON.stringify(catalogue.raw)).digest('hex').slice(0, 16),
      event_types: catalogue?.types().length ?? 0,
      connections: 0,
      changed_connections: 0,
    };
  }

  private newId(): string {
    return Buffer.from(this.parts.randomBytes(9)).toString('base64url');
  }
}
