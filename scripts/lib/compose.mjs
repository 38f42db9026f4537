import { Stop } from './entry.mjs';
import { root } from './paths.mjs';
import { run } from './processes.mjs';

async function composeCommand() {
  for (const [command, ...first] of [['docker', 'compose'], ['docker-compose']]) {
    const { code } = await run(command, [...first, 'version']);
    if (code === 0) return [command, first];
  }
  throw new Stop('Neither `docker compose` nor `docker-compose` is here.');
}

/** One compose project of this repository. Every command fails loudly. */
export class ComposeProject {
  #command;
  #first;
  #env;

  static async create(name, env) {
    const [command, first] = await composeCommand();
    return new ComposeProject(command, [...first, '-p', name], env);
  }

  constructor(command, first, env) {
    this.#command = command;
    this.#first = first;
    this.#env = env;
  }

  async #run(command, args) {
    const { code, output } = await run(command, args, { cwd: root, env: { ...process.env, ...this.#env } });
    if (code !== 0) throw new Stop(`${command} ${args.join(' ')} failed:\n${output.trim()}`);
    return output;
  }

  compose(...args) {
    return this.#run(this.#command, [...this.#first, ...args]);
  }

  build() {
    return this.compose('build');
  }

  /** Starts or scales; containers that run stay as they are. */
  scale(nodes) {
    return this.compose('up', '-d', '--no-build', '--no-recreate', '--scale', `node=${nodes}`);
  }

  down() {
    return this.compose('down', '-v', '--remove-orphans', '-t', '1');
  }

  logs() {
    return this.compose('logs', '--no-color', '--tail=40');
  }

  /** Containers of a service (all without one) that run, with the time of their start: Map of id to time. */
  async running(service) {
    const ids = (await this.compose('ps', '-q', ...(service ? [service] : []))).split('\n').filter(Boolean);
    if (ids.length === 0) return new Map();
    const output = await this.#run('docker', [
      'inspect',
      '-f',
      '{{.Id}} {{.State.StartedAt}} {{.State.Running}}',
      ...ids,
    ]);
    const lines = output
      .trim()
      .split('\n')
      .map((line) => line.split(' '));
    return new Map(lines.filter(([, , alive]) => alive === 'true').map(([id, since]) => [id, since]));
  }
}
