import {
  CLOSE,
  type ClientData,
  type ClientMessageType,
  clientMessages,
  envelopeSchema,
  errorCodes,
  isClientMessageType,
  MAX_MESSAGE_ID_LENGTH,
  type ServerData,
  type ServerMessageType,
} from '@unified-ws/protocol';
import type { ErrorObject } from 'ajv';
import { parseMessage } from '../connections/inbound/parseMessage.js';
import { requireFinite } from '../connections/inbound/requireFinite.js';
import type { Connection } from '../connections/lifecycle/connection.js';
import type { Core } from '../core.js';
import type { Settings } from '../settings/settings.js';
import { AppError } from '../util/appError.js';
import { compileSchema, type Validator } from '../util/compileSchema.js';
import { Pipeline } from './pipeline.js';

type Reply<T extends ClientMessageType> = (typeof clientMessages)[T]['reply'] extends infer R
  ? R extends ServerMessageType
    ? ServerData<R>
    : undefined
  : never;

/** Handles one message of an established connection. Returns the data of the reply. */
type Handler<T extends ClientMessageType> = (
  connection: Connection,
  data: ClientData<T>,
) => Reply<T> | Promise<Reply<T>>;

/** Messages of an open connection. `authenticate` comes before it is open. */
type OpenMessageType = Exclude<ClientMessageType, 'authenticate'>;
export type Handlers = { readonly [T in OpenMessageType]: Handler<T> };
type AnyHandler = (connection: Connection, data: unknown) => unknown;

interface DispatcherParts extends Pick<Core, 'clock' | 'report'>, Pick<Settings, 'maxConsecutiveErrors'> {
  readonly handlers: Handlers;
  /** Counts a message of a known type, or an error by its code. */
  readonly onMessage: (type: ClientMessageType) => void;
  readonly onError: (connection: Connection, error: AppError) => void;
  /** A message was answered with an error. */
  readonly onRefused: (connection: Connection, error: AppError, type: string) => void;
}

/** Faults of the client: too many in a row end the connection. Failures of the server do not count. */
const CLIENT_FAULTS: ReadonlySet<string> = new Set([
  'MESSAGE_ERROR',
  'VALIDATION_ERROR',
  'UNKNOWN_MESSAGE_TYPE',
  'PERMISSION_DENIED',
]);

const MAX_ERRORS_TOLD = 10;

/**
 * Messages that need not wait for the replies to earlier messages of the same type. Otherwise one publisher could queue only one event
 * per round trip. They still take effect in order, and are answered in order.
 */
const PIPELINED: ReadonlySet<ClientMessageType> = new Set(['publish_event']);

interface Envelope {
  readonly type: string;
  readonly data?: unknown;
  readonly id?: string;
}

/** Parses, validates, permits and dispatches the messages of clients. Answers every failure with exactly one error code. */
export class Dispatcher {
  private readonly parts: DispatcherParts;
  private readonly envelope: Validator<Envelope>;
  private readonly data: ReadonlyMap<string, Validator>;
  private readonly pipeline = new Pipeline();

  constructor(parts: DispatcherParts) {
    this.parts = parts;
    this.envelope = compileSchema<Envelope>(envelopeSchema);
    this.data = new Map(Object.entries(clientMessages).map(([type, { data }]) => [type, compileSchema(data)]));
  }

  /** Handles a message of an open connection. Undefined if it is done already; the promise never rejects. */
  handle(connection: Connection, text: Buffer): Promise<void> | undefined {
    // The message may have waited behind others. A user who was banned meanwhile must not give another order.
    if (!connection.isOpen()) return undefined;
    let id: string | undefined;
    let asked = '';
    try {
      const message = parseMessage(text);
      // Read before the envelope is checked, so that the error reaches the request with this id.
      id = idOf(message);
      const { type, data: given } = this.checked(message);
      if (!isClientMessageType(type) || type === 'authenticate') throw this.unknownType(connection, type);
      const earlier = this.pipeline.idle(connection);
      if (earlier && !PIPELINED.has(type)) return earlier.then(() => this.handle(connection, text));
      asked = type;
      this.parts.onMessage(type);
      const { permission, reply } = clientMessages[type];
      if (permission !== null && !connection.clearance?.permissions.has(permission)) {
        throw new AppError('PERMISSION_DENIED', `This needs the permission ${permission}.`, {
          details: { permission },
        });
      }
      const data = this.validated(type, given);
      const result = (this.parts.handlers[type] as AnyHandler)(connection, data);
      if (result instanceof Promise) {
        if (PIPELINED.has(type)) {
          const work = result.then(
            (value) => () => this.answer(connection, reply, value, id),
            (error: unknown) => () => this.fail(connection, error, id, type),
          );
          return this.pipeline.add(connection, work);
        }
        return result.then(
          (value) => this.answer(connection, reply, value, id),
          (error: unknown) => this.fail(connection, error, id, type),
        );
      }
      this.answer(connection, reply, result, id);
    } catch (error) {
      const fail = (): void => this.fail(connection, error, id, asked);
      if (this.pipeline.idle(connection)) return this.pipeline.add(connection, Promise.resolve(fail));
      fail();
    }
    return undefined;
  }

  /**
   * Reads the `authenticate` message of a connection that is not authenticated.
   *
   * @throws AppError for anything else.
   */
  readAuthenticate(connection: Connection, text: Buffer): ClientData<'authenticate'> {
    const message = parseMessage(text);
    connection.authenticateId = idOf(message);
    const { type, data } = this.checked(message);
    if (type !== 'authenticate') {
      throw new AppError('AUTH_ERROR', 'The first message must be authenticate.', { details: { reason: 'missing' } });
    }
    return this.validated('authenticate', data) as ClientData<'authenticate'>;
  }

  /** Sends an error. Before connection_established it answers the `authenticate` message, if there was one. */
  sendError(connection: Connection, error: AppError, replyTo = connection.authenticateId): void {
    connection.errorSent();
    this.parts.onError(connection, error);
    const { errors, supported_types, ...details } = error.details ?? {};
    const body = {
      message: error.message,
      error_code: error.code,
      timestamp: new Date(this.parts.clock.now()).toISOString(),
      recoverable: error.recoverable ?? errorCodes[error.code].recoverable,
      ...(Object.keys(details).length > 0 ? { details } : {}),
    };
    if (Array.isArray(errors)) {
      connection.send('validation_error', { ...body, errors: errors as { path: string; message: string }[] }, replyTo);
    } else if (Array.isArray(supported_types)) {
      connection.send('error', { ...body, supported_types: supported_types as string[] }, replyTo);
    } else {
      connection.send('error', body, replyTo);
    }
  }

  private checked(value: object): Envelope {
    if (!this.envelope(value)) {
      throw new AppError('MESSAGE_ERROR', `The message is malformed: ${describe(this.envelope.errors?.[0], '')}`);
    }
    return value;
  }

  private validated(type: ClientMessageType, data: unknown = {}): unknown {
    requireFinite(data);
    const validate = this.data.get(type) as Validator;
    if (validate(data)) return data;
    const errors = (validate.errors ?? []).slice(0, MAX_ERRORS_TOLD).map((error) => ({
      path: error.instancePath,
      message: describe(error, 'data'),
    }));
    throw new AppError('VALIDATION_ERROR', `The data of ${type} is not valid.`, { details: { errors } });
  }

  /** Lists the messages that this user may send. */
  private unknownType(connection: Connection, type: string): AppError {
    const supported = Object.entries(clientMessages)
      .filter(([name, { permission }]) => {
        return name !== 'authenticate' && (permission === null || connection.clearance?.permissions.has(permission));
      })
      .map(([name]) => name);
    return new AppError('UNKNOWN_MESSAGE_TYPE', `There is no message of the type ${JSON.stringify(type)}.`, {
      details: { supported_types: supported },
    });
  }

  /**
   * F3 of the predecessor: a reply that could not be written as JSON was treated as a broken connection, which then stayed silent. Here it
   * fails only its own request. If a pipeline threw it on, all later replies would stop.
   */
  private answer(connection: Connection, reply: ServerMessageType | null, data: unknown, id: string | undefined): void {
    try {
      this.succeed(connection, reply, data, id);
    } catch (error) {
      this.fail(connection, error, id);
    }
  }

  private succeed(
    connection: Connection,
    reply: ServerMessageType | null,
    data: unknown,
    id: string | undefined,
  ): void {
    if (reply !== null) connection.send(reply, data as ServerData<typeof reply>, id);
    connection.succeeded();
  }

  private fail(connection: Connection, error: unknown, replyTo: string | undefined, asked = ''): void {
    if (!connection.isOpen()) return;
    let refusal: AppError;
    if (error instanceof AppError) {
      refusal = error;
    } else {
      this.parts.report(error, 'dispatch.handle');
      refusal = new AppError('MESSAGE_HANDLER_ERROR', 'The message could not be processed.');
    }
    this.parts.onRefused(connection, refusal, asked);
    this.sendError(connection, refusal, replyTo);
    if (!CLIENT_FAULTS.has(refusal.code)) return;
    // F7 of the predecessor: every frame reset the count before it was parsed, so invalid frames were answered for ever.
    if (connection.failed() >= this.parts.maxConsecutiveErrors) connection.end(CLOSE.TOO_MANY_ERRORS);
  }
}

/** The id of a message whose envelope may otherwise be malformed. */
function idOf(message: object): string | undefined {
  const id: unknown = Object.hasOwn(message, 'id') ? (message as { id: unknown }).id : undefined;
  return typeof id === 'string' && id !== '' && id.length <= MAX_MESSAGE_ID_LENGTH ? id : undefined;
}

function describe(error: ErrorObject | undefined, root: string): string {
  if (!error) return 'it does not match its schema';
  const place = error.instancePath === '' ? root : error.instancePath;
  const extra =
    error.keyword === 'additionalProperties' ? ` (${String(error.params.additionalProperty).slice(0, 64)})` : '';
  return `${place} ${error.message ?? 'is not valid'}${extra}`.trim();
}
