import { reconnectPolicy } from '@unified-ws/protocol';
import { TestClient } from '../../support/client.js';
import type { NodeProcess } from '../../support/cluster.js';
import { adminToken } from '../../support/tokens.js';
import { until } from '../../support/wait.js';

const RETRY_MS = 200;

/** Keeps broadcasts running through an admin's connection to one node; comes back after each fault. */
export class Publisher {
  /** Accepted by the cluster. */
  accepted = 0;
  /** Answered with an error, as it should be while Redis is away. */
  refused = 0;
  private readonly name: string;
  private readonly node: NodeProcess;
  private readonly intervalMs: number;
  private client: TestClient | null = null;
  private timer: NodeJS.Timeout | null = null;
  private retry: NodeJS.Timeout | null = null;
  private count = 0;
  private stopped = false;

  constructor(name: string, node: NodeProcess, intervalMs: number) {
    this.name = name;
    this.node = node;
    this.intervalMs = intervalMs;
  }

  async start(): Promise<void> {
    this.dial();
    this.timer = setInterval(() => this.publish(), this.intervalMs);
    await until(() => this.accepted > 0, { what: `${this.name} publishes` });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearInterval(this.timer);
    if (this.retry) clearTimeout(this.retry);
    await this.client?.close();
  }

  private publish(): void {
    if (!this.client?.establishedData || !this.client.isOpen) return;
    this.count += 1;
    const data = { event_type: 'zone_updated', data: { from: this.name, n: this.count } };
    this.client.send('publish_event', data, String(this.count));
  }

  private dial(): void {
    const client = new TestClient(this.node.ws, {
      token: adminToken(this.name),
      keep: false,
      onFrame: ({ type }) => {
        if (type === 'event_accepted') this.accepted += 1;
        else if (type === 'error') this.refused += 1;
      },
    });
    this.client = client;
    void client.ended.then(({ code }) => {
      if (!this.stopped && reconnectPolicy(code) !== 'never') this.retry = setTimeout(() => this.dial(), RETRY_MS);
    });
  }
}
