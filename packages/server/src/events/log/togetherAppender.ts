import type { Core } from '../../core.js';
import { LuaScript, type ScriptArgument, type ScriptCall } from '../../redis/luaScript.js';
import { jsonBytesAtMost, type StoredEvent } from '../event/storedEvent.js';
import type { Mailboxes } from '../mailbox/mailboxes.js';
import { MAX_BATCH_CHARACTERS, MAX_MESSAGE_CHARACTERS, type MailCourier } from '../mailbox/mailCourier.js';
import { AppendedPlaces } from './appendedPlaces.js';
import { type AppendResult, type BroadcastLog, readAppend } from './broadcastLog.js';
import { type IdleAppend, type IdleAppender, type LaneCalls, type LaneState, laneState } from './idleAppender.js';

export interface TogetherAppenderParts extends Pick<Core, 'redis' | 'keys' | 'clock' | 'installation'> {
  readonly log: BroadcastLog;
  readonly mailboxes: Mailboxes;
  readonly courier: Pick<MailCourier, 'deliver'>;
  /** Of this node. */
  readonly lease: () => string;
  /** Tells whether a queue is idle, and records how events end: the scripts whose calls `appendIfIdle` gets. */
  readonly idle: LuaScript;
  readonly outcomes: LuaScript;
}

/** Bounds of one script call, which runs alone in Redis: events times mailboxes, and characters. */
const MAX_MAILS = 500;
const MAX_CHARACTERS = 1024 * 1024;

/** The events of one call. */
interface Turn {
  readonly broadcast: StoredEvent[];
  readonly places: number[];
  readonly byUser: Map<string, { readonly mail: StoredEvent[]; readonly places: number[] }>;
  mails: number;
  characters: number;
}

/**
 * Appends where one Redis holds the log, all mailboxes and pub/sub: one script call appends the events of a turn to wherever they
 * belong, and publishes them. In a Redis Cluster `Appender` does the same by a call for each mailbox.
 */
export class TogetherAppender implements IdleAppender {
  private readonly parts: TogetherAppenderParts;
  private readonly script: LuaScript;

  constructor(parts: TogetherAppenderParts) {
    const { log, mailboxes, idle, outcomes } = parts;
    this.parts = parts;
    const includes = { idle, outcomes, log: log.script, box: mailboxes.appendScript };
    this.script = LuaScript.compose('together', new URL('./lua/together.lua', import.meta.url), includes);
  }

  /** As `Appender.append`. */
  async append(events: readonly StoredEvent[]): Promise<AppendResult> {
    const places = new AppendedPlaces(events);
    let epoch = '';
    // One after the other: when the first of two calls fails and the second does not, the order is lost.
    for (const turn of turnsOf(events)) {
      const appended = await this.run(turn, null, places);
      // Without a lane the append is not put off.
      if (typeof appended !== 'string') epoch = appended.epoch || epoch;
    }
    return places.result(epoch);
  }

  async appendIfIdle(events: readonly StoredEvent[], lane: LaneCalls): Promise<IdleAppend | LaneState> {
    const turn = emptyTurn();
    for (const [place, event] of events.entries()) {
      const { target_user_ids: [userId] = [], ...mail } = event;
      add(turn, place, userId === undefined ? event : mail, userId);
    }
    const places = new AppendedPlaces(events);
    const done = await this.run(turn, lane, places);
    return typeof done === 'string' ? done : { ...places.result(done.epoch), recorded: done.recorded };
  }

  /** The epoch is '' without broadcasts. */
  private async run(
    turn: Turn,
    lane: LaneCalls | null,
    appended: AppendedPlaces,
  ): Promise<{ readonly epoch: string; readonly recorded: string } | LaneState> {
    const { redis, keys, clock, installation, log, mailboxes, courier, lease } = this.parts;
    const own = lease();
    const { broadcast, places, byUser } = turn;
    const logged =
      broadcast.length === 0
        ? { ...NO_CALL, tags: [] }
        : log.appendCall(
            broadcast,
            broadcast.map((event) => JSON.stringify(event)),
          );
    const { idle, outcomes: noted } = lane ?? { idle: NO_CALL, outcomes: NO_CALL };
    const boxes = [...byUser].map(([userId, { mail, places }]) => ({
      userId,
      places,
      call: mailboxes.appendCall(userId, mail),
    }));
    const scriptKeys = [...idle.keys, ...logged.keys, ...noted.keys];
    const args: ScriptArgument[] = [
      own,
      keys.nodeChannel(''),
      installation.end,
      clock.now(),
      MAX_BATCH_CHARACTERS,
      MAX_MESSAGE_CHARACTERS,
      ...[idle, logged, noted].flatMap((call) => [call.keys.length, call.args.length]),
      boxes.length,
      ...idle.args,
      ...logged.args,
      ...noted.args,
    ];
    for (const { userId, call } of boxes) {
      scriptKeys.push(...call.keys);
      args.push(JSON.stringify(userId), call.keys.length, call.args.length, ...call.args);
    }
    // A pipeline would wait for the answers of the one before it, and costs more than it saves: an eighth of the CPU of an event.
    const answer = await this.script.runAlone(redis, scriptKeys, args);
    if (!Array.isArray(answer)) return laneState(answer) ?? 'busy';
    const reply = answer as unknown as readonly [unknown, readonly unknown[], string];
    let epoch = '';
    if (broadcast.length > 0) {
      const result = readAppend(reply[0], logged.tags);
      epoch = result.epoch;
      appended.addLogged(places, result);
    }
    for (const [index, { userId, places, call }] of boxes.entries()) {
      const { positions, mail } = call.read(reply[1][index]);
      appended.addMailed(userId, places, positions);
      if (mail.lease === own && own !== '') courier.deliver(mail);
    }
    return { epoch, recorded: reply[2] };
  }
}

const NO_CALL: ScriptCall = { keys: [], args: [] };

function emptyTurn(): Turn {
  return { broadcast: [], places: [], byUser: new Map(), mails: 0, characters: 0 };
}

/** Events in their order, divided so that each call is bounded. One for many users may be spread over several calls. */
function* turnsOf(events: readonly StoredEvent[]): Generator<Turn> {
  let turn = emptyTurn();
  for (const [place, event] of events.entries()) {
    const { target_user_ids: targets, ...mail } = event;
    const size = jsonBytesAtMost(mail);
    for (const userId of targets === undefined ? [undefined] : new Set(targets)) {
      if (turn.mails > 0 && (turn.mails >= MAX_MAILS || turn.characters + size > MAX_CHARACTERS)) {
        yield turn;
        turn = emptyTurn();
      }
      turn.characters += size;
      add(turn, place, userId === undefined ? event : mail, userId);
    }
  }
  if (turn.mails > 0) yield turn;
}

function add(turn: Turn, place: number, event: StoredEvent, userId: string | undefined): void {
  turn.mails += 1;
  if (userId === undefined) {
    turn.broadcast.push(event);
    turn.places.push(place);
    return;
  }
  const known = turn.byUser.get(userId);
  if (known) {
    known.mail.push(event);
    known.places.push(place);
  } else turn.byUser.set(userId, { mail: [event], places: [place] });
}
