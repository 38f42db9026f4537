import { REST_BASE } from '@unified-ws/protocol';
import { TestClient } from '../../../support/client.js';
import { token } from '../../../support/tokens.js';

export interface VictimsOptions {
  readonly node: { readonly ws: string; readonly http: string };
  readonly adminToken: string;
  readonly users: readonly string[];
  readonly onFinding: (finding: string) => void;
}

/** Users who are disconnected and banned, and come back each time. */
export class Victims {
  private readonly options: VictimsOptions;
  private readonly clients = new Map<string, TestClient>();
  private over = false;
  private lives: Promise<void>[] = [];
  /** How often one was ended. */
  ended = 0;

  constructor(options: VictimsOptions) {
    this.options = options;
  }

  start(): void {
    this.lives = this.options.users.map((user) => this.live(user));
  }

  async stop(): Promise<void> {
    this.over = true;
    await Promise.all([...this.clients.values()].map((client) => client.close()));
    await Promise.all(this.lives);
  }

  private async live(user: string): Promise<void> {
    const { node, onFinding } = this.options;
    while (!this.over) {
      const client = new TestClient(node.ws, { token: token(user), keep: false });
      this.clients.set(user, client);
      const { code, reason } = await client.ended;
      if (this.over) return;
      this.ended += 1;
      // 1006: the node is gone, and whoever fuzzes it finds that out.
      if (code === 1006) return;
      if (code === 4003) await this.unban(user);
      else if (code !== 4002) onFinding(`the connection of ${user} ended with ${code} ${reason}`);
    }
  }

  private async unban(user: string): Promise<void> {
    const { node, adminToken, onFinding } = this.options;
    const headers = { authorization: `Bearer ${adminToken}` };
    const response = await fetch(`${node.http}${REST_BASE}/users/${user}/ban`, { method: 'DELETE', headers });
    if (response.status !== 200) onFinding(`lifting a ban was answered ${response.status} ${await response.text()}`);
    else await response.arrayBuffer();
  }
}
