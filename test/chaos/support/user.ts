import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeProcess } from '../../support/cluster.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import type { Attempt } from './attempt.js';
import { Device } from './device.js';
import type { Random } from './random.js';

/** A device is closed by its user at most this long after its claim began: while it claims, waits, or is established. */
const CLOSE_WITHIN_MS = 80;

/** The devices of one user, which fight for the one connection. */
export class User {
  readonly id: string;
  readonly random: Random;
  /** Of this round, and the survivor of the one before. */
  attempts: Attempt[] = [];
  private readonly nodes: readonly NodeProcess[];
  private readonly token: string;
  private devices: Device[] = [];
  private readonly leaving = new Set<Device>();
  /** Devices that were closed by the user in this round. */
  quits = 0;
  /** Connects in this round. */
  dialled = 0;
  /** Connections that nodes accepted and that ended, by node and its life. */
  private readonly ended = new Map<string, number>();

  constructor(id: string, nodes: readonly NodeProcess[], random: Random) {
    this.id = id;
    this.nodes = nodes;
    this.random = random;
    this.token = token(id, { lifetimeS: 24 * 3600 });
  }

  /** Every connection is either the established one or over, and nobody is about to dial. */
  get isSettled(): boolean {
    if (this.established.length > 1 || this.devices.some((device) => device.isWaiting)) return false;
    return this.attempts.every((attempt) => attempt.isEstablished || attempt.ending !== null);
  }

  get established(): Attempt[] {
    return this.attempts.filter((attempt) => attempt.isEstablished);
  }

  /** The devices' newest sockets: what becomes of the others concerns nobody. */
  get violations(): string[] {
    return [
      ...this.devices.flatMap((device) => device.violations),
      ...this.attempts.flatMap((attempt) => attempt.violations),
    ];
  }

  /** Two to five simultaneous connects to random nodes, some of one device, with random closes in between. */
  async burst(): Promise<void> {
    const { random } = this;
    const closes: Promise<void>[] = [];
    for (let left = random.int(2, 5); left > 0; ) {
      const kept = this.devices.find((device) => device.isEstablished && !this.leaving.has(device));
      // The device that is connected tries once more, as after a network that it believes dead.
      const again = kept !== undefined && kept.current?.client !== null && random.chance(0.2);
      const device = again ? kept : this.device(random.chance(0.5));
      device.dial();
      left -= 1;
      while (left > 0 && device.current?.client && random.chance(0.4)) {
        if (random.chance(0.5)) await sleep(random.int(1, 15));
        device.dial();
        left -= 1;
      }
      if (random.chance(0.25)) closes.push(this.closeLater(device));
      if (random.chance(0.3)) await sleep(random.int(1, 10));
    }
    await Promise.all(closes);
  }

  /** One more device; it comes when nobody else does. */
  dialOnce(): Attempt {
    return this.device(false).dial();
  }

  /** How many connections this user had, and has no more, with the node in its present life. */
  endedOn({ id, log }: NodeProcess): number {
    return this.ended.get(`${id}/${log.listens}`) ?? 0;
  }

  /** Forgets what ended. */
  nextRound(): void {
    this.quits = 0;
    this.dialled = 0;
    this.attempts = this.attempts.filter((attempt) => attempt.isEstablished);
    this.devices = this.devices.filter((device) => device.isEstablished);
  }

  async stop(): Promise<void> {
    for (const device of this.devices) device.quit('terminate');
    for (const attempt of this.attempts) if (!attempt.ending) attempt.close('terminate');
    await Promise.all(this.attempts.map((attempt) => attempt.socket.ended));
  }

  describe(): string {
    return [`${this.id}:`, ...this.attempts.map((attempt) => `  ${attempt.describe()}`)].join('\n');
  }

  private device(withClient: boolean): Device {
    const { random } = this;
    const device = new Device({
      token: this.token,
      clientId: withClient ? random.id() : null,
      random,
      nodes: this.nodes,
      onAttempt: (attempt) => {
        this.attempts.push(attempt);
        this.dialled += 1;
        void attempt.socket.ended.then(() => this.count(attempt));
      },
    });
    this.devices.push(device);
    return device;
  }

  private count(attempt: Attempt): void {
    if (!attempt.wasAccepted) return;
    const key = `${attempt.node}/${attempt.life}`;
    this.ended.set(key, (this.ended.get(key) ?? 0) + 1);
  }

  private async closeLater(device: Device): Promise<void> {
    this.leaving.add(device);
    const how = this.random.chance(0.5) ? 'close' : 'terminate';
    const delay = this.random.int(0, CLOSE_WITHIN_MS);
    // Not before: a dead socket's claim would come at any later time, and rightly replace whoever is there then.
    await until(() => device.isAccepted, { what: `the upgrades of ${this.id} are answered`, timeoutMs: 15_000 });
    await sleep(delay);
    device.quit(how);
    this.quits += 1;
    this.leaving.delete(device);
  }
}
