export {
  type Client,
  createClientOf,
  type Handler,
  type Off,
  type RequestOptions,
  type SubscribeOptions,
} from './client.js';
export type { ConnectionState, ConnectionStatus, StateReason } from './connectionState.js';
export { type Core, type CoreListener, createCore, type OwningCore } from './core.js';
export { type ClientOptions, createClient, errorHandler } from './createClient.js';
export {
  type AbortSignalLike,
  defaultEnvironment,
  type Environment,
  type SocketLike,
  type WebSocketLike,
} from './environment.js';
export { type ErrorFacts, errorOf, factsOf } from './errorFacts.js';
export {
  type ClientErrorCode,
  NoReplyError,
  RequestError,
  UnauthorizedError,
  UnifiedError,
} from './errors.js';
export { events } from './eventStream.js';
export type { AnyEvent, EventOf, EventTypeOf, Gap, Scope, Selector, ServerEvent, TypesOf } from './events.js';
export type { Positions, ResumePoint } from './progress.js';
export { type Apply, type FetchState, snapshot } from './snapshot.js';
export type { GetToken, TokenReason } from './tokens.js';
export type { EventMap } from './types/eventMap.js';
export type { CoreOptions, PositionStore } from './types/options.js';
export type { Counted, Report, Transition } from './types/report.js';
export type { RequestMap, RequestType } from './types/requestMap.js';
