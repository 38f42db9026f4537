export type {
  TestConnectionView,
  TestEvent,
  TestEventType,
  TestPriority,
  TestServerOptions,
  TestTokenOptions,
} from './testOptions.js';
export { createTestServer, type TestServer } from './testServer.js';
export type { TestWebSocketClass } from './testSocket.js';
