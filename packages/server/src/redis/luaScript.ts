import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Command } from 'ioredis';
import type { RedisClient } from './connect.js';

export type ScriptArgument = string | number | Buffer;

/**
 * A Lua script that Redis runs atomically. It is called by hash; a server that does not know the hash (restarted, failed over,
 * emptied) gets the text once more. Every script is idempotent, so a call may be repeated.
 */
export class LuaScript {
  readonly name: string;
  readonly source: string;
  private readonly sha: string;

  constructor(name: string, source: string) {
    this.name = name;
    this.source = source;
    this.sha = createHash('sha1').update(source).digest('hex');
  }

  /** Reads a script that lies beside its caller, e.g. `new URL('./lua/claim.lua', import.meta.url)`. */
  static load(name: string, url: URL): LuaScript {
    return new LuaScript(name, readFileSync(url, 'utf8'));
  }

  async run(redis: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    try {
      return await redis.evalsha(this.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (isSentElsewhere(error)) return this.runAlone(redis, keys, args);
      if (!isUnknown(error)) throw error;
      return redis.eval(this.source, keys.length, ...keys, ...args);
    }
  }

  /**
   * Like `run`, but outside any pipeline. In a pipeline, an answer MOVED reaches the caller, and the client keeps its old map of
   * shards; alone, the client follows MOVED and reads the map of slots again.
   */
  async runAlone(redis: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    const send = (name: string, script: string): Promise<unknown> => {
      const command = new Command(name, [script, keys.length, ...keys, ...args], { replyEncoding: 'utf8' });
      redis.sendCommand(command);
      return command.promise;
    };
    try {
      return await send('evalsha', this.sha);
    } catch (error) {
      if (!isUnknown(error)) throw error;
      return send('eval', this.source);
    }
  }
}

function isUnknown(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

/** The slot has moved, and the script did not run. A pipeline follows MOVED only when all its commands got the same answer. */
function isSentElsewhere(error: unknown): boolean {
  return error instanceof Error && /^(?:MOVED|ASK|TRYAGAIN) /.test(error.message);
}
