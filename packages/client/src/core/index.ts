export { Client, type Handler, type Off, type RequestOptions, type SubscribeOptions } from './client.js';
export type { ConnectionState, ConnectionStatus, StateReason } from './connectionState.js';
export { Core, type CoreLike, type CoreListener } from './core.js';
export { type ClientOptions, createClient, errorHandler } from './createClient.js';
export {
  type AbortSignalLike,
  defaultEnvironment,
  type Environment,
  type SocketLike,
  type WakeSignal,
  type WebSocketLike,
} from './environment.js';
export {
  type ClientErrorCode,
  type ErrorFacts,
  errorOf,
  NoReplyError,
  RequestError,
  UnauthorizedError,
  UnifiedError,
} from './errors.js';
export type { EventMap } from './eventMap.js';
export type { AnyEvent, EventOf, EventTypeOf, Gap, Scope, Selector, ServerEvent, TypesOf } from './events.js';
export type { Report, ReportCounts, Transition } from './journal.js';
export type { CoreOptions, PositionStore } from './options.js';
export type { Positions, ResumePoint } from './progress.js';
export type { RequestMap, RequestType } from './requestMap.js';
export type { Apply, FetchState } from './snapshot.js';
export type { GetToken, TokenReason } from './tokens.js';
