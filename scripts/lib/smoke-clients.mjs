import { setTimeout as delay } from 'node:timers/promises';
import { Stop } from './entry.mjs';

/** Waits until `check` gives a truthy value, and returns that. Fails with `what` and the last error at the deadline. */
export async function until(what, check, deadlineMs = 60_000) {
  const deadline = performance.now() + deadlineMs;
  let last = '';
  while (performance.now() < deadline) {
    try {
      const value = await check();
      if (value) return value;
    } catch (error) {
      last = ` (${error.message})`;
    }
    await delay(100);
  }
  throw new Stop(`after ${deadlineMs / 1000} s still not: ${what}${last}`);
}

/** One user: connects again after every close that asks for it, and remembers what it saw. */
export class SmokeUser {
  #WebSocket;
  #url;
  #token;
  #wanted = true;
  socket;
  establishedData;
  events = [];
  closes = [];
  replies = [];

  constructor(WebSocket, url, { sub, token }) {
    this.#WebSocket = WebSocket;
    this.#url = url;
    this.#token = token;
    this.sub = sub;
  }

  get nodeId() {
    return this.establishedData?.node_id;
  }

  connect() {
    const socket = new this.#WebSocket(this.#url, { headers: { authorization: `Bearer ${this.#token}` } });
    this.socket = socket;
    socket.on('message', (data) => this.#read(JSON.parse(data.toString())));
    // 'close' follows.
    socket.on('error', () => socket.terminate());
    socket.on('close', (code) => this.#closed(code));
    return this;
  }

  #read(message) {
    if (message.scope) this.events.push(message.id);
    else if (message.type === 'connection_established') this.establishedData = message.data;
    else if (message.reply_to) this.replies.push(message);
  }

  #closed(code) {
    if (this.establishedData) this.closes.push(code);
    this.establishedData = undefined;
    // As the protocol says: 4000-4099 stays away. A refused upgrade closes with 1006.
    if (this.#wanted && (code === 1006 || code >= 4200)) setTimeout(() => this.#wanted && this.connect(), 200);
  }

  /** Sends a request and waits for its reply. */
  async ask(type, data) {
    const id = `${type}-${this.replies.length}-${Date.now()}`;
    this.socket.send(JSON.stringify({ type, id, data }));
    return until(`${type} is answered`, () => this.replies.find((reply) => reply.reply_to === id), 10_000);
  }

  end() {
    this.#wanted = false;
    this.socket.terminate();
  }
}

/** How many users each node has: Map of node id to count. */
export function spread(users) {
  const counts = new Map();
  for (const { nodeId } of users) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  return counts;
}
