import { type BackendFactory, createRedisBackend, type RedisQueueBackend } from 'bullmq';
import type { Clock } from '../../../util/clock.js';

/** Of BullMQ 6's scripts that are told the time: where it stands among their arguments, keys first. */
const TIME_AT: Readonly<Record<string, number>> = {
  moveToActive: 12,
  moveToFinished: 15,
  moveToDelayed: 12,
  moveStalledJobsToWait: 11,
  retryJob: 12,
  changeDelay: 5,
};
/** Where the answers of scripts that fetch the next job tell when a delayed job is due. */
const DUE_AT = 3;
/** The time was taken just before, or before a pause. Anything else is another argument: that BullMQ lays them out in another way. */
const JUST_BEFORE_MS = 24 * 3600 * 1000;

/**
 * BullMQ checks delays by the wall clock of whichever worker asks: its scripts are given `Date.now()`. This gives them cluster time, in
 * the one place through which every script goes, and turns the times in their answers into those of the wall clock again, with which
 * the worker compares them. A queue that could be given a clock would end this.
 */
export function timedBackend(clock: Pick<Clock, 'now'>): BackendFactory<RedisQueueBackend> {
  return (name, opts, options) => {
    const backend = createRedisBackend(name, opts, options) as RedisQueueBackend;
    /** For a worker, whose clock is the wall clock. */
    const toWall = (time: number): number => time - clock.now() + Date.now();

    const execCommand = backend.execCommand.bind(backend);
    backend.execCommand = (client, commandName, args: unknown[]) => {
      const at = TIME_AT[commandName];
      if (at === undefined) return execCommand(client, commandName, args);
      const timed = [...args];
      timed[at] = withCurrentTime(commandName, args[at], clock.now());
      const result: unknown = execCommand(client, commandName, timed);
      return result instanceof Promise ? result.then(answered) : result;
    };
    const answered = (answer: unknown): unknown => {
      if (!Array.isArray(answer)) return answer;
      const dueAt = Number(answer[DUE_AT] ?? 0);
      return dueAt > 0 ? answer.with(DUE_AT, Math.ceil(toWall(dueAt))) : answer;
    };

    const waitForJob = backend.waitForJob.bind(backend);
    backend.waitForJob = async (timeout) => {
      const marker = await waitForJob(timeout);
      return marker && marker.score > 0 ? { ...marker, score: toWall(marker.score) } : marker;
    };
    return backend;
  };
}

function withCurrentTime(command: string, argument: unknown, now: number): unknown {
  const wall = Number(argument);
  if (!(Math.abs(wall - Date.now()) < JUST_BEFORE_MS))
    throw new Error(`BullMQ gives ${command} its time in another place`);
  // As text where it is text.
  return typeof argument === 'string' ? String(now) : now;
}
