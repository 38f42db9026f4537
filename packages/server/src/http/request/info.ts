import {
  ASYNCAPI_PATH,
  BEARER_PREFIX,
  clientMessages,
  closeCodes,
  ERROR_CODES,
  errorCodes,
  type InfoReport,
  OPENAPI_PATH,
  PRIORITIES,
  PROTOCOL_VERSION,
  REST_BASE,
  SEVERITIES,
  SUBPROTOCOL,
  serverMessages,
  WS_PATH,
} from '@unified-ws/protocol';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import { MAX_EVENT_BYTES } from '../../events/event/storedEvent.js';
import { serverVersion } from '../../observability/serverVersion.js';
import type { Settings } from '../../settings/settings.js';

/** Maximum size of a request body, bytes. */
export const MAX_BODY_BYTES = 1024 * 1024;

/** The capabilities of this service. Public: nothing depends on the caller or on the connected users. */
export class Info {
  private readonly settings: Settings;
  private readonly catalogue: () => EventCatalogue;
  private readonly version = serverVersion();
  private made: { readonly of: EventCatalogue; readonly body: InfoReport } | null = null;

  constructor(settings: Settings, catalogue: () => EventCatalogue) {
    this.settings = settings;
    this.catalogue = catalogue;
  }

  read(): InfoReport {
    const catalogue = this.catalogue();
    // A reload of the catalogue creates a new object.
    if (this.made?.of !== catalogue) this.made = { of: catalogue, body: this.make(catalogue) };
    return this.made.body;
  }

  private make(catalogue: EventCatalogue): InfoReport {
    return {
      endpoint: WS_PATH,
      description: 'One WebSocket per user in the whole cluster, for all event types.',
      version: this.version,
      protocol: PROTOCOL_VERSION,
      subprotocol: SUBPROTOCOL,
      rest: REST_BASE,
      openapi: OPENAPI_PATH,
      asyncapi: ASYNCAPI_PATH,
      connection_policy: this.settings.connectionPolicy,
      supported_event_types: catalogue.types(),
      event_types: Object.fromEntries(
        catalogue.types().flatMap((type) => {
          const definition = catalogue.get(type);
          if (!definition) return [];
          const { category, priority, severity, permission, delivery = 'durable' } = definition;
          return [[type, { category, priority, severity, delivery, permission }]];
        }),
      ),
      event_priorities: PRIORITIES,
      event_severities: SEVERITIES,
      supported_messages: {
        client_to_server: Object.entries(clientMessages).map(([type, { meaning, permission, reply, data }]) => {
          return { type, description: meaning, permission, reply, data };
        }),
        server_to_client: Object.entries(serverMessages).map(([type, { meaning }]) => ({ type, description: meaning })),
      },
      error_codes: ERROR_CODES.map((code) => {
        const { meaning, recoverable } = errorCodes[code];
        return { code, description: meaning, recoverable };
      }),
      close_codes: closeCodes.map(({ code, meaning, reconnect }) => ({ code, description: meaning, reconnect })),
      authentication: {
        methods: [
          { carrier: 'header', example: 'Authorization: Bearer <token>' },
          { carrier: 'subprotocol', example: `Sec-WebSocket-Protocol: ${SUBPROTOCOL}, ${BEARER_PREFIX}<token>` },
          { carrier: 'query', example: `${WS_PATH}?token=<token>` },
          { carrier: 'message', example: '{"type":"authenticate","data":{"token":"<token>"}}' },
        ],
        timeout_ms: this.settings.authTimeoutMs,
      },
      limits: this.limits(),
    };
  }

  private limits(): InfoReport['limits'] {
    const { settings } = this;
    return {
      max_connections_per_node: settings.maxConnections,
      max_payload: settings.maxPayload,
      max_subscriptions: settings.maxSubscriptions,
      message_rate: settings.messageRate,
      message_burst: settings.messageBurst,
      max_consecutive_errors: settings.maxConsecutiveErrors,
      max_event_bytes: MAX_EVENT_BYTES,
      max_body_bytes: MAX_BODY_BYTES,
      heartbeat_interval_ms: settings.heartbeatIntervalMs,
      ping_interval_ms: settings.pingIntervalMs,
      ping_timeout_ms: settings.pingTimeoutMs,
    };
  }
}
