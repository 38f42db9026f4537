import type { LegacyGroup } from '@unified-ws/protocol';
import { LegacyClient, type LegacyClientOptions } from '../../support/legacyClient.js';
import { adminToken, token } from '../../support/tokens.js';
import { type Answer, call } from '../../unit/server/http/support.js';

/** The legacy clients of a suite. */
export class LegacyClients {
  private readonly all: LegacyClient[] = [];

  /** Dials and does not wait. */
  dial(node: { readonly ws: string }, group: LegacyGroup | (string & {}), options: LegacyClientOptions): LegacyClient {
    const client = new LegacyClient(node.ws, group, options);
    this.all.push(client);
    return client;
  }

  /** An established connection of the user, of the role `user` unless told otherwise. */
  async connect(
    node: { readonly ws: string },
    group: LegacyGroup,
    user: string,
    roles: readonly string[] = ['user'],
  ): Promise<LegacyClient> {
    const client = this.dial(node, group, { token: token(user, { roles }) });
    await client.established();
    return client;
  }

  end(): void {
    for (const client of this.all.splice(0)) client.terminate();
  }
}

/** Publishes and fails unless it was accepted. Returns the event's id. */
export async function publish(node: { readonly http: string }, event: object): Promise<string> {
  const answer: Answer = await call(node, 'events', { json: event, token: adminToken() });
  if (answer.status !== 202) throw new Error(`not accepted: ${answer.text}`);
  return String(answer.body.event_id);
}
