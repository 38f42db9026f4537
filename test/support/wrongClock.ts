// Preloaded into a node (`NodeProcessOptions.preload`): its wall clock is off by WALL_CLOCK_OFFSET_MS. Its monotonic clock is right.

const offset = Number(process.env.WALL_CLOCK_OFFSET_MS ?? 0);
const RealDate = Date;
const realNow = Date.now;

class WrongDate extends RealDate {
  constructor(...args: readonly unknown[]) {
    if (args.length === 0) super(WrongDate.now());
    else super(...(args as [number]));
  }

  static override now(): number {
    return realNow() + offset;
  }
}

globalThis.Date = WrongDate as DateConstructor;
