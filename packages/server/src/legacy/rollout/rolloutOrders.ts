import type { RolloutBody, RolloutChanged, RolloutReport, UserRollout } from '@unified-ws/protocol';
import type { Actor, Ended } from '../../admin/audit/audit.js';
import type { NodeParts } from '../../admin/nodeParts.js';
import { LuaScript } from '../../redis/luaScript.js';
import { nodeOfLease } from '../../registry/nodes/lease.js';
import { presentLeases } from '../../registry/nodes/presentLeases.js';
import { AppError } from '../../util/appError.js';
import type { RandomBytes } from '../../util/pooledRandom.js';
import { bucketOf } from './rolloutDecision.js';
import { addForecast, type Forecast, forecastOf, modeFacts, NO_FORECAST } from './rolloutForecast.js';
import { type RolloutState, rolloutFields } from './rolloutState.js';
import type { Rollouts } from './rollouts.js';

const script = LuaScript.load('rollout', new URL('./lua/rollout.lua', import.meta.url));

/** Bus commands: put the newest state in force; report it, and the users. */
const TAKE = 'rollout.take';
const FACTS = 'rollout.facts';

/** A change starts from the state in force, and is repeated if another change came first. This many conflicts in a row do not happen. */
const ATTEMPTS = 20;

type NodeInForce = RolloutReport['nodes'][number];
/** The new state instead of the one in force; null: nothing to change. */
type Change = (now: RolloutState, at: string) => RolloutState | null;

interface NodeTaken extends NodeInForce {
  /** The node has read the state from Redis since the command. */
  readonly taken: boolean;
}

interface NodeForecast extends NodeInForce {
  readonly forecast: Forecast;
}

interface RolloutOrdersParts
  extends Pick<
    NodeParts,
    'settings' | 'nodeId' | 'clock' | 'report' | 'redis' | 'keys' | 'table' | 'commands' | 'failureDetector' | 'audit'
  > {
  readonly rollouts: Rollouts;
  readonly randomBytes: RandomBytes;
}

/**
 * Admin operations on the roll-out, for the whole cluster. Redis stores the change, and every node is asked to put it in force and to
 * confirm. A node that is cut off reads the state before it serves again.
 */
export class RolloutOrders {
  private readonly parts: RolloutOrdersParts;

  constructor(parts: RolloutOrdersParts) {
    this.parts = parts;
    parts.commands.handle(TAKE, () => this.take());
    parts.commands.handle(FACTS, () => this.facts());
  }

  /** @throws AppError UNAVAILABLE when Redis or the nodes do not answer. */
  async describe(): Promise<RolloutReport> {
    const { rollouts, settings } = this.parts;
    await this.reached(() => rollouts.refresh());
    const { state } = rollouts;
    const { answers, missing } = await this.ask<NodeForecast>(FACTS, settings.commandTimeoutMs);
    const total = answers.map(({ forecast }) => forecast).reduce(addForecast, NO_FORECAST);
    const nodes = answers.map(({ forecast: _, ...node }) => node);
    return { ...shown(state), modes: modeFacts(total), nodes, missing_nodes: missing };
  }

  /** The decision for a user on this node, and its reasons. */
  user(userId: string): UserRollout {
    const { rollouts } = this.parts;
    const { mode, version, userList, forceLegacy } = rollouts.state;
    return {
      user_id: userId,
      ...rollouts.decide(userId),
      mode,
      version,
      bucket: bucketOf(userId),
      in_user_list: userList.has(userId),
      in_force_legacy: forceLegacy.has(userId),
    };
  }

  /** @throws AppError CONFLICT when the caller has not seen the newest state, UNAVAILABLE when Redis does not answer. */
  change(body: RolloutBody, actor: Actor): Promise<RolloutChanged> {
    return this.order('rollout_change', body.reason, actor, (now) => {
      if (body.version !== undefined && body.version !== now.version) {
        throw new AppError('CONFLICT', 'The roll-out was changed in the meantime; read it again.', {
          details: { version: now.version },
        });
      }
      return {
        ...now,
        mode: body.mode,
        percentage: body.percentage,
        userList: new Set(body.user_list),
        forceLegacy: new Set(body.force_legacy),
        enforce: body.enforce,
        rolledBack: null,
      };
    });
  }

  /**
   * The emergency: assigns everybody to the legacy endpoints and opens these to all, whatever was in force. A repeat changes nothing, and
   * asks all nodes again.
   *
   * @throws AppError UNAVAILABLE when Redis does not answer.
   */
  rollBack(reason: string | undefined, actor: Actor): Promise<RolloutChanged> {
    return this.order('rollout_rollback', reason, actor, (now, at) => {
      if (now.mode === 'disabled' && !now.enforce) return null;
      const { mode, enforce } = now;
      const rolledBack = { mode, enforce, at, by: actor.userId, reason: reason ?? '' };
      return { ...now, mode: 'disabled', enforce: false, rolledBack };
    });
  }

  /** @throws AppError CONFLICT when there is no roll-back to undo, UNAVAILABLE when Redis does not answer. */
  restore(reason: string | undefined, actor: Actor): Promise<RolloutChanged> {
    return this.order('rollout_restore', reason, actor, (now) => {
      if (now.rolledBack === null) {
        throw new AppError('CONFLICT', 'There is no roll-back since the roll-out was last set.', {
          details: { version: now.version },
        });
      }
      const { mode, enforce } = now.rolledBack;
      return { ...now, mode, enforce, rolledBack: null };
    });
  }

  private order(action: string, reason: string | undefined, actor: Actor, change: Change): Promise<RolloutChanged> {
    return this.parts.audit.order(actor, { action, target: 'cluster', reason }, () =>
      this.carryOut(reason, actor, change),
    );
  }

  private async carryOut(reason: string | undefined, actor: Actor, change: Change): Promise<Ended<RolloutChanged>> {
    const { clock, settings } = this.parts;
    const startedAt = clock.mono();
    const at = new Date(clock.now()).toISOString();
    const changed = await this.commit((now) => {
      const next = change(now, at);
      return (
        next && { ...next, version: now.version + 1, changedAt: at, changedBy: actor.userId, reason: reason ?? '' }
      );
    });
    const state = changed ?? this.parts.rollouts.state;
    const { answers, missing } = await this.ask<NodeTaken>(TAKE, settings.commandTimeoutMs);
    const nodes = answers.filter(({ taken }) => taken).map(({ taken: _, ...node }) => node);
    const missing_nodes = [...missing, ...answers.filter(({ taken }) => !taken).map((node) => node.node_id)];
    const result = changed === null ? 'unchanged' : 'changed';
    const lacking = missing_nodes.length === 0 ? '' : `, missing: ${missing_nodes.join(' ')}`;
    const took_ms = Math.round(clock.mono() - startedAt);
    const answer: RolloutChanged = { result, ...shown(state), nodes, missing_nodes, took_ms };
    return [answer, `${result}, version ${state.version}: ${inWords(state)}${lacking}`];
  }

  /** @returns the state in force now, or null when there was nothing to change. */
  private async commit(change: (now: RolloutState) => RolloutState | null): Promise<RolloutState | null> {
    const { rollouts, redis, keys, randomBytes } = this.parts;
    const newTag = Buffer.from(randomBytes(9)).toString('base64url');
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      await this.reached(() => rollouts.refresh());
      const next = change(rollouts.state);
      if (next === null) return null;
      const fields = Object.entries(rolloutFields(next)).flat();
      const took = await this.reached(() => script.run(redis, [keys.rollout()], [rollouts.tag, newTag, ...fields]));
      if (took === 1) return next;
    }
    throw new AppError('CONFLICT', 'The roll-out is being changed by others; try again.');
  }

  /** Redis has the change. Redis also lists the nodes; if it just stopped answering, the failure detector does. */
  private async ask<T>(
    command: string,
    timeoutMs: number,
  ): Promise<{ readonly answers: readonly T[]; readonly missing: readonly string[] }> {
    const { commands, redis, keys, failureDetector, report } = this.parts;
    const leases = await presentLeases(redis, keys, failureDetector).catch((error: unknown) => {
      report(error, 'operations.rollout');
      return commands.everybody();
    });
    const { answers, missing } = await commands.askAll(command, null, timeoutMs, leases);
    return { answers: [...answers.values()] as T[], missing: missing.map(nodeOfLease) };
  }

  private async take(): Promise<NodeTaken> {
    const { rollouts, report } = this.parts;
    const taken = await rollouts.refresh().then(
      () => true,
      (error: unknown) => {
        report(error, 'operations.rollout');
        return false;
      },
    );
    return { ...this.inForce(), taken };
  }

  private async facts(): Promise<NodeForecast> {
    const { rollouts, table } = this.parts;
    return { ...this.inForce(), forecast: await forecastOf(rollouts.state, table.all()) };
  }

  private inForce(): NodeInForce {
    const { rollouts, nodeId } = this.parts;
    return { node_id: nodeId, version: rollouts.state.version, legacy_endpoints: rollouts.legacyEndpoints };
  }

  private async reached<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.parts.report(error, 'operations.rollout');
      const text = 'The roll-out cannot be reached; a change may have taken effect. Repeat it: nothing is done twice.';
      throw new AppError('UNAVAILABLE', text, { cause: error });
    }
  }
}

function inWords({ mode, percentage, userList, forceLegacy, enforce }: RolloutState): string {
  const lists = `${userList.size} listed, ${forceLegacy.size} forced to legacy`;
  return `${mode}, ${percentage} %, ${lists}, ${enforce ? 'enforced' : 'not enforced'}`;
}

function shown(state: RolloutState): Omit<RolloutReport, 'modes' | 'nodes' | 'missing_nodes'> {
  return {
    mode: state.mode,
    percentage: state.percentage,
    user_list: [...state.userList],
    force_legacy: [...state.forceLegacy],
    enforce: state.enforce,
    version: state.version,
    changed_at: state.changedAt,
    changed_by: state.changedBy,
    reason: state.reason,
    rolled_back: state.rolledBack,
  };
}
