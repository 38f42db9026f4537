import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Command } from 'ioredis';
import type { RedisClient } from './connect.js';

export type ScriptArgument = string | number | Buffer;

/** What one run of a script is given. */
export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly ScriptArgument[];
}

/** In the text of a script that is composed of others: each becomes a function of its own KEYS and ARGV. */
const INCLUDE = /^local (\w+) = include\('(\w+)'\)$/gm;
const SHEBANG = /^#!.*\n/;

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

  /**
   * Reads a script that runs others as parts of itself (`local name = include('part')`), so that they are one step.
   *
   * @throws Error when a part is not among those given.
   */
  static compose(name: string, url: URL, parts: Readonly<Record<string, LuaScript>>): LuaScript {
    const source = readFileSync(url, 'utf8').replace(INCLUDE, (_line, local: string, part: string) => {
      const script = parts[part];
      if (script === undefined) throw new Error(`the script ${name} includes ${part}, which is not there`);
      return `local ${local} = function(KEYS, ARGV)\n${script.source.replace(SHEBANG, '')}\nend`;
    });
    return new LuaScript(name, source);
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
