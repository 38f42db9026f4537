import { PerMinute } from '../../observability/metrics/perMinute.js';
import type { NodeParts } from '../nodeParts.js';

const QUEUE_WORKERS = 'queue_workers';

/** The work of one node's workers: the answer to the bus command `queue_workers`. Counts are events. */
export interface NodeWorkers {
  readonly node_id: string;
  readonly standing_aside: boolean;
  readonly processed_per_minute: number;
  readonly failed_per_minute: number;
  readonly lanes: readonly {
    readonly queue: string;
    readonly processed: number;
    readonly failed: number;
    readonly direct: number;
    readonly queued: number;
    readonly retrying: { readonly since: string; readonly attempts: number } | null;
  }[];
}

/** The workers of the whole cluster: every node is asked, and nodes that do not answer are named (G7). */
export class QueueWorkers {
  private readonly processed: PerMinute;
  private readonly failed: PerMinute;

  constructor(private readonly parts: Pick<NodeParts, 'queues' | 'commands' | 'clock' | 'nodeId' | 'settings'>) {
    this.processed = new PerMinute(parts.clock, () => sum(this.lanes(), 'processed'));
    this.failed = new PerMinute(parts.clock, () => sum(this.lanes(), 'failed'));
    parts.commands.handle(QUEUE_WORKERS, () => this.own());
  }

  start(): void {
    this.processed.start();
    this.failed.start();
  }

  stop(): void {
    this.processed.stop();
    this.failed.stop();
  }

  /** Answers within COMMAND_TIMEOUT_MS. */
  async read(): Promise<{ readonly workers: readonly NodeWorkers[]; readonly missing: readonly string[] }> {
    const { commands, settings } = this.parts;
    const answers = await commands.askAll(QUEUE_WORKERS, null, settings.commandTimeoutMs);
    const workers = ([...answers.answers.values()] as NodeWorkers[]).sort((a, b) => (a.node_id < b.node_id ? -1 : 1));
    return { workers, missing: commands.missingNodes(answers) };
  }

  private own(): NodeWorkers {
    const { queues, nodeId } = this.parts;
    return {
      node_id: nodeId,
      standing_aside: queues.stats().standingAside,
      processed_per_minute: this.processed.read(),
      failed_per_minute: this.failed.read(),
      lanes: this.lanes(),
    };
  }

  private lanes(): NodeWorkers['lanes'] {
    return this.parts.queues.stats().lanes.map(({ queue, direct, queued, retrying, ...worker }) => ({
      queue,
      processed: worker.appended + worker.duplicates + worker.expired,
      failed: worker.poisoned,
      direct,
      queued,
      // The text is an error of a library: it goes to the log only.
      retrying: retrying && { since: new Date(retrying.since).toISOString(), attempts: retrying.attempts },
    }));
  }
}

function sum(lanes: NodeWorkers['lanes'], what: 'processed' | 'failed'): number {
  return lanes.reduce((total, lane) => total + lane[what], 0);
}
