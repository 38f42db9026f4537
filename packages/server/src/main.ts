import cluster from 'node:cluster';
import { CatalogueError, loadCatalogue } from './events/catalogue/eventCatalogue.js';
import { createNode } from './node.js';
import { messageOf } from './observability/log/errorRecord.js';
import { createLogger, type Logger } from './observability/log/logger.js';
import { LogStream } from './observability/log/logStream.js';
import { logProcess } from './observability/log/processLog.js';
import { Scrubber } from './observability/log/scrubber.js';
import { type Answers, joinProcessGroup, ProcessGroup, type Siblings } from './processGroup.js';
import { createRedis, parseRedisUrl } from './redis/connect.js';
import { requireVersion } from './redis/inspectRedis.js';
import { describeSettings, loadSettings, type Settings, SettingsError, secretsOf } from './settings/settings.js';

/** Exit codes: 0 ended as requested, 1 failed, 2 invalid settings. */
const FAILED = 1;
const WRONG_SETTINGS = 2;

const args = process.argv.slice(2);
const checkOnly = args.includes('--check');
const settings = readSettings();
const scrubber = new Scrubber(secretsOf(settings));
checkCatalogue(settings);
if (checkOnly) await check(settings);
else if (settings.nodes > 1 && cluster.isPrimary) runGroup(settings);
else await runNode(settings);

function readSettings(): Settings {
  try {
    return loadSettings(
      process.env,
      args.filter((arg) => arg !== '--check'),
    );
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(WRONG_SETTINGS);
  }
}

/** An invalid catalogue ends a start with the place of the fault, like an invalid setting. */
function checkCatalogue(settings: Settings): void {
  try {
    loadCatalogue(settings.eventCatalogue);
  } catch (error) {
    if (!(error instanceof CatalogueError)) throw error;
    process.stderr.write(`EVENT_CATALOGUE: ${error.message}\n`);
    process.exit(WRONG_SETTINGS);
  }
}

/** `--check`: whether the settings are valid, and whether Redis answers and is new enough. */
async function check(settings: Settings): Promise<void> {
  const redis = createRedis(parseRedisUrl(settings.redisUrl), 'command', {
    commandTimeoutMs: settings.redisCommandTimeoutMs,
    name: `${settings.nodeId}:check`,
  });
  let failure: unknown = null;
  redis.on('error', (error: unknown) => {
    failure = error;
  });
  try {
    await redis.connect();
    const version = await requireVersion(redis, 'REDIS_URL');
    process.stdout.write(`${JSON.stringify({ settings: describeSettings(settings), redis: version })}\n`);
  } catch (error) {
    process.stderr.write(`Redis: ${textOf(failure ?? error)}\n`);
    process.exitCode = FAILED;
  } finally {
    redis.disconnect();
  }
}

function runGroup(settings: Settings): void {
  const options = { secrets: secretsOf(settings), destination: new LogStream() };
  const logger = createLogger(settings.logLevel, settings.nodeId, options);
  logProcess(logger);
  const group = new ProcessGroup(settings, logger);
  onStop(() => group.stop());
  onReload(() => group.reload(), logger);
  group.start();
}

async function runNode(settings: Settings): Promise<void> {
  let stop = (): void => undefined;
  const siblings = (answers: Answers): Siblings => joinProcessGroup(answers, () => stop());
  const node = createNode(settings, cluster.isWorker ? { siblings } : {});
  logProcess(node.logger);
  stop = onStop(() => node.stop());
  onReload(() => node.reloadCatalogue(), node.logger);
  try {
    await node.start();
  } catch (error) {
    node.logger.fatal({ err: error }, 'the node could not start');
    process.exitCode = FAILED;
    stop();
  }
}

/** For standard error, which the log's scrubber does not see. */
function textOf(error: unknown): string {
  return scrubber.text(messageOf(error));
}

/** SIGHUP. The result, also a refusal, is in the log. */
function onReload(reload: () => Promise<void>, logger: Logger): void {
  process.on('SIGHUP', () => {
    // Not to standard error: if its reader is gone, a write would end the process.
    reload().catch((error: unknown) => logger.error({ err: error }, 'the reload failed'));
  });
}

/** Ends the process when `end` is done, at the first signal. Further signals are ignored. */
function onStop(end: () => Promise<void>): () => void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    end().then(
      () => process.exit(),
      (error: unknown) => {
        process.stderr.write(`${textOf(error)}\n`);
        process.exit(FAILED);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return stop;
}
