import type { StateReason } from './connectionState.js';

/** How long a connection must have been established to count as stable, milliseconds. */
export const STABLE_MS = 10_000;
const FIRST_MS = 500;
const LONGEST_MS = 30_000;
/** Between two attempts at least. */
const APART_MS = 1000;
const MINUTE_MS = 60_000;
/** Attempts in any minute at most. */
const PER_MINUTE = 12;
/** A hint beyond this is a mistake of the server. */
const LONGEST_HINT_MS = 300_000;

/** What a client does after a close: docs/PROTOCOL.md, "Close codes". By the range alone, so that codes added later count too. */
export type AfterClose = 'stop' | 'new_token' | 'retry';

/** Faults of RFC 6455 count as a breach of the protocol: the same client would do the same again. */
const FAULTS = [1002, 1003, 1007, 1009];

export function afterClose(code: number): AfterClose {
  const range = Math.floor(code / 100);
  if (range === 40 || FAULTS.includes(code)) return 'stop';
  return range === 41 ? 'new_token' : 'retry';
}

/** The server's wish in a close reason, `reconnect_after_ms=<n>`; 0: none. */
export function hintIn(reason: string): number {
  return hintMs(Number(/(?:^|\W)reconnect_after_ms=(\d+)/.exec(reason)?.[1]));
}

/** Milliseconds that can be meant; 0 for anything else. */
export function hintMs(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.min(value, LONGEST_HINT_MS) : 0;
}

/** Full jitter: up to 500 ms before the first attempt, doubled with each failure, up to 30 s. */
export function backoffMs(failures: number, random: number): number {
  return random * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 16));
}

/**
 * The earliest time of an attempt, whatever asks for it: at most one a second and twelve a minute, and one a minute from hidden pages.
 *
 * @param attempts times of the attempts so far, ascending.
 */
export function earliestAttempt(attempts: readonly number[], isHidden: boolean): number {
  const at = (index: number): number => attempts.at(index) ?? Number.NEGATIVE_INFINITY;
  return Math.max(at(-1) + (isHidden ? MINUTE_MS : APART_MS), at(-PER_MINUTE) + MINUTE_MS);
}

/** The attempts that still count for `earliestAttempt`, with the one at `now`. */
export function withAttempt(attempts: readonly number[], now: number): readonly number[] {
  return [...attempts.slice(1 - PER_MINUTE), now];
}

/** How the state names a close after which the client comes back. */
export function reasonOf(code: number): StateReason {
  if (code === 4200) return 'draining';
  const range = Math.floor(code / 100);
  return range === 41 ? 'token' : range === 42 ? 'come_back' : 'lost';
}
