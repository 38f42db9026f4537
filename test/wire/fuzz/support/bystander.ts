import type { TestClient } from '../../../support/client.js';

/** Somebody who wants nothing but to be served while others send junk. */
export class Bystander {
  private readonly client: TestClient;
  private over = false;
  private life: Promise<void> = Promise.resolve();
  pings = 0;
  worstMs = 0;

  constructor(client: TestClient) {
    this.client = client;
  }

  start(): void {
    this.life = this.live();
    // `stop` throws it; until then it is nobody's.
    this.life.catch(() => undefined);
  }

  /** @throws Error when a ping was not answered. */
  async stop(): Promise<void> {
    this.over = true;
    try {
      await this.life;
    } finally {
      await this.client.close();
    }
  }

  private async live(): Promise<void> {
    while (!this.over) {
      const before = performance.now();
      await this.client.request('ping');
      this.worstMs = Math.max(this.worstMs, performance.now() - before);
      this.pings += 1;
      this.client.frames.length = 0;
    }
  }
}
