import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Catalogue, OPENAPI_PATH } from '@unified-ws/protocol';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { ContractClient, type OpenApiContract, openApiContract } from '../../support/contract.js';
import { type FillJob, fillQueues } from '../../support/queueFill.js';
import { adminToken } from '../../support/tokens.js';
import { type EventNode, startEventNode } from '../../unit/server/events/support.js';
import { SeenLists } from './seenLists.js';
import { type LocalNode, World } from './world.js';

/** A node, the document that it serves, and an admin who knows nothing but that. */
export interface RestContract {
  readonly world: World;
  readonly node: LocalNode;
  readonly contract: OpenApiContract;
  readonly api: ContractClient;
  readonly lists: SeenLists;
  /** The catalogue that a reload puts in force. */
  writeCatalogue(catalogue: Catalogue | string): void;
  /** Puts jobs into the queue as a node does, of unknown event types too. */
  fill(name: string, count: number, job: FillJob): Promise<void>;
  stop(): Promise<void>;
}

export async function startRestContract(): Promise<RestContract> {
  const dir = mkdtempSync(join(tmpdir(), 'uws-contract-'));
  const file = join(dir, 'catalogue.json');
  writeFileSync(file, JSON.stringify(loadCatalogue().raw));
  const world = new World();
  await world.start();
  const node = await world.node({ EVENT_CATALOGUE: file, COMMAND_TIMEOUT_MS: '1000', LEGACY_ENDPOINTS: 'true' });
  const publisher: EventNode = await startEventNode(world.redis.url, { workers: false, partitions: 1 });
  const document: unknown = await (await fetch(`${node.http}${OPENAPI_PATH}`)).json();
  const lists = new SeenLists(document);
  const contract = openApiContract(document);
  const base = (): string => node.http;
  return {
    world,
    node,
    contract,
    lists,
    api: new ContractClient(contract, base, adminToken(), (id, { status, body }) => {
      const { path, method } = contract.operation(id);
      lists.add(path, method, status, body);
    }),
    writeCatalogue: (catalogue) =>
      writeFileSync(file, typeof catalogue === 'string' ? catalogue : JSON.stringify(catalogue)),
    fill: (name, count, job) => fillQueues(publisher.queues, name, count, () => job),
    stop: async () => {
      await publisher.stop();
      await world.stop();
      rmSync(dir, { recursive: true });
    },
  };
}
