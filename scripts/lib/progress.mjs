import { dim, duration } from './terminal.mjs';

/** Without a terminal a line comes at most this often. */
const LINE_MS = 10_000;
const REDRAW_MS = 500;
/** Before this share is done, what is left is not foretold. */
const FORETOLD_FROM = 0.05;

/** How far a run of jobs is: one line that is drawn again and again on a terminal, a line now and then elsewhere. */
export class Progress {
  #jobs;
  #began = performance.now();
  #begun = new Map();
  #ended = new Set();
  #timer;
  #foretells;
  #drawn = false;

  /** @param foretells whether the estimates of the jobs say how long the run takes. */
  constructor(jobs, { foretells }) {
    this.#jobs = jobs;
    this.#foretells = foretells;
    const live = process.stdout.isTTY && !process.env.CI;
    this.#timer = setInterval(() => (live ? this.#draw() : console.log(this.#text())), live ? REDRAW_MS : LINE_MS);
  }

  begin(job) {
    this.#begun.set(job, performance.now());
  }

  /** The job has ended; `text` is shown for it. */
  end(job, text) {
    this.#ended.add(job);
    this.print(text);
  }

  /** Shows lines that stay. */
  print(text) {
    this.#erase();
    console.log(text);
  }

  stop() {
    clearInterval(this.#timer);
    this.#erase();
  }

  #erase() {
    if (this.#drawn) process.stdout.write('\r\u001b[K');
    this.#drawn = false;
  }

  #draw() {
    this.#erase();
    process.stdout.write(this.#text().slice(0, process.stdout.columns ?? 80));
    this.#drawn = true;
  }

  #text() {
    const suites = [...new Set(this.#jobs.map(({ suite }) => suite))].map((suite) => {
      const all = this.#jobs.filter((job) => job.suite === suite);
      const files = (jobs) => jobs.reduce((sum, job) => sum + job.files.length, 0);
      return `${suite} ${files(all.filter((job) => this.#ended.has(job)))}/${files(all)}`;
    });
    const left = this.#left();
    return dim(`  ... files done: ${suites.join(', ')}${left === undefined ? '' : `; about ${duration(left)} left`}`);
  }

  /** Milliseconds, by what is done of the estimates until now. */
  #left() {
    const now = performance.now();
    const sum = (jobs, of) => jobs.reduce((total, job) => total + of(job), 0);
    const done = sum(this.#jobs, (job) => {
      if (this.#ended.has(job)) return job.estimateMs;
      return Math.min(job.estimateMs, now - (this.#begun.get(job) ?? now));
    });
    const all = sum(this.#jobs, ({ estimateMs }) => estimateMs);
    if (!this.#foretells || done < FORETOLD_FROM * all) return undefined;
    return ((all - done) * (now - this.#began)) / done;
  }
}
