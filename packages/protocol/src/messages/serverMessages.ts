import type { FromSchema } from '../schemas/schema.js';
import { clusterMessages } from './serverMessages/cluster.js';
import { connectionMessages } from './serverMessages/connection.js';
import type { ServerMessageDefinition } from './serverMessages/definition.js';
import { sessionMessages } from './serverMessages/session.js';

export type {
  SubscriptionChangeReason,
  SubscriptionError,
} from './serverMessages/connection.js';
export { limitsSchema, type ResumeResult } from './serverMessages/session.js';

/** Every message of the server that is not an event, by its type. */
export const serverMessages = {
  ...sessionMessages,
  ...connectionMessages,
  ...clusterMessages,
} as const satisfies Readonly<Record<string, ServerMessageDefinition>>;

export type ServerMessageType = keyof typeof serverMessages;

/** The `data` of a server message. */
export type ServerData<T extends ServerMessageType> = FromSchema<(typeof serverMessages)[T]['data']>;
