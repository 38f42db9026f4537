import { CLOSE, envelopeSchema } from '@unified-ws/protocol';
import type { NodeParts } from '../../admin/nodeParts.js';
import { parseMessage } from '../../connections/inbound/parseMessage.js';
import { textFrame } from '../../delivery/frames/frame.js';
import { joinCohort } from '../../delivery/joinCohort.js';
import { AppError } from '../../util/appError.js';
import type { LegacyConnection } from './legacyConnection.js';
import type { LegacyParts } from './legacyParts.js';

/** Messages of old clients. `supported_types` in the answer to an unknown message lists these. */
const TYPES = ['ping', 'get_system_info', 'subscribe_events', 'subscribe', 'get_stats'] as const;
type Type = (typeof TYPES)[number];
/** A text frame `ping` without JSON gets a frame `pong` without JSON. */
const RAW_PING = 'ping';
const MAX_TYPE_LENGTH = envelopeSchema.properties.type.maxLength;

type LegacyMessagesParts = Pick<LegacyParts, 'authority' | 'deprecations' | 'errors' | 'counts'> &
  Pick<NodeParts, 'settings' | 'fanout' | 'report'>;

type Message = Readonly<Record<string, unknown>>;

/** The messages of old clients. Each does what its reply says, which was not always so in the predecessor. */
export class LegacyMessages {
  private readonly parts: LegacyMessagesParts;
  private readonly handlers: Readonly<Record<Type, (connection: LegacyConnection, message: Message) => void>>;

  constructor(parts: LegacyMessagesParts) {
    this.parts = parts;
    const subscribe = (connection: LegacyConnection, message: Message): void => this.subscribe(connection, message);
    this.handlers = {
      ping: (connection) => connection.tellBare('pong'),
      get_system_info: (connection) => connection.tell('system_info', this.systemInfo(connection)),
      subscribe_events: subscribe,
      subscribe,
      get_stats: (connection) => connection.tell('stats', statsOf(connection)),
    };
  }

  /** Handles a message of an established connection. */
  handle(connection: LegacyConnection, text: Buffer): void {
    let counted = 'other';
    try {
      if (text.length === RAW_PING.length && text.toString('latin1') === RAW_PING) {
        counted = 'raw_ping';
        connection.sendFrame(textFrame('pong'));
      } else {
        const message = parseMessage(text) as Message;
        const type = typeOf(message);
        counted = type;
        this.handlers[type](connection, message);
      }
      connection.succeeded();
    } catch (error) {
      this.fail(connection, error);
    } finally {
      this.parts.counts.messages.add(counted);
    }
  }

  /** The predecessor only echoed the list and subscribed to nothing. */
  private subscribe(connection: LegacyConnection, message: Message): void {
    const { authority, fanout, settings } = this.parts;
    const { maxSubscriptions } = settings;
    const asked = askedTypes(message);
    if (asked.length > maxSubscriptions) {
      throw new AppError('VALIDATION_ERROR', `At most ${maxSubscriptions} event types can be subscribed to.`);
    }
    // The reply follows the change.
    connection.asked = asked;
    authority.evaluate(connection);
    joinCohort(fanout, connection);
    connection.tell('subscription_updated', { subscribed_events: connection.types?.names ?? [] });
  }

  private systemInfo(connection: LegacyConnection): object {
    const { fanout, deprecations } = this.parts;
    const { endpoint, reason, enforced } = deprecations.decide(connection.userId);
    return {
      router_stats: {
        total_events_processed: fanout.counts.events,
        events_routed: fanout.counts.deliveries,
        is_running: true,
      },
      feature_flags: { unified_enabled: true, legacy_endpoints: true, assigned: endpoint, reason, enforced },
      timestamp: connection.time(),
    };
  }

  private fail(connection: LegacyConnection, error: unknown): void {
    const { errors, report, settings } = this.parts;
    if (!(error instanceof AppError)) {
      report(error, 'legacy.messages');
      errors.tell(connection, new AppError('MESSAGE_HANDLER_ERROR', 'The message could not be processed.'));
      return;
    }
    errors.tell(connection, error);
    // F7 of the predecessor: invalid messages were answered for ever.
    if (connection.failed() >= settings.maxConsecutiveErrors) connection.end(CLOSE.TOO_MANY_ERRORS);
  }
}

function typeOf({ type }: Message): Type {
  if (typeof type !== 'string' || type === '' || type.length > MAX_TYPE_LENGTH) {
    throw new AppError('MESSAGE_ERROR', "The message must contain a 'type' field.");
  }
  const known = TYPES.find((name) => name === type);
  if (known !== undefined) return known;
  throw new AppError('UNKNOWN_MESSAGE_TYPE', `Unknown message type: ${type}`, {
    details: { supported_types: TYPES },
  });
}

/** Old clients put the list into `data` or beside it, as `event_types` or `events`. */
function askedTypes(message: Message): readonly string[] {
  const { data } = message;
  const inner = typeof data === 'object' && data !== null ? (data as Message) : {};
  const list = inner.event_types ?? inner.events ?? message.event_types ?? message.events;
  if (!Array.isArray(list) || !list.every((type) => typeof type === 'string')) {
    throw new AppError('VALIDATION_ERROR', 'event_types must be a list of names of event types.');
  }
  return list;
}

function statsOf(connection: LegacyConnection): object {
  const { group, connectedAt, messages, types } = connection;
  return {
    connection_type: group,
    connected_at: new Date(connectedAt).toISOString(),
    messages_received: messages,
    subscribed_events: types?.names ?? [],
  };
}
