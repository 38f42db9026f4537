import { LogStream } from '@unified-ws/server/observability/log/logStream';
import { expect } from 'chai';

const fail = (code: string): never => {
  throw Object.assign(new Error(code), { code });
};

describe('the log', () => {
  /** What each descriptor has got, and a stream whose standard output takes `accept(bytes)` of what it is given. */
  function streamOf(accept: (size: number) => number): {
    readonly log: LogStream;
    readonly got: Record<number, string>;
  } {
    const got: Record<number, string> = { 1: '', 2: '' };
    const log = new LogStream((fd, bytes) => {
      const taken = fd === 1 ? accept(bytes.length) : bytes.length;
      got[fd] += Buffer.from(bytes.subarray(0, taken)).toString();
      return taken;
    });
    return { log, got };
  }

  it('must go elsewhere while its pipe is closed, and come back when there is a reader again', () => {
    let closed = true;
    const { log, got } = streamOf((size) => (closed ? fail('EPIPE') : size));
    log.write('one\n');
    expect(log.failing).to.equal('EPIPE');
    closed = false;
    log.write('two\n');
    expect(got).to.deep.equal({ 1: 'two\n', 2: 'one\n' });
    expect({ failing: log.failing, ...log.astray }).to.deep.equal({ failing: null, stderr: 1, nowhere: 0 });
  });

  it('must keep lines whole when a slow reader leaves room for half a line', () => {
    let room = 6;
    const { log, got } = streamOf((size) => {
      if (room === 0) fail('EAGAIN');
      const taken = Math.min(size, room);
      room -= taken;
      return taken;
    });
    log.write('first\nsec'.slice(0, 6));
    log.write('a line that waits\n');
    expect(log.failing, 'nothing of it was taken').to.equal('EAGAIN');
    room = 8;
    log.write('half a line\n');
    log.write('not between\n');
    room = 1000;
    log.write('last\n');
    expect(got[1]).to.equal('first\nhalf a line\nlast\n');
    expect(got[2]).to.equal('a line that waits\nnot between\n');
  });

  it('must not stop the node line by line for a reader that stands still', () => {
    const { log } = streamOf(() => fail('EAGAIN'));
    const began = performance.now();
    for (let n = 0; n < 1000; n += 1) log.write('a line\n');
    // One wait of a tenth of a second, not a thousand.
    expect(performance.now() - began).to.be.below(5000);
    expect(log.astray.stderr).to.equal(1000);
  });

  it('must not throw when there is nobody left to tell', () => {
    const log = new LogStream(() => fail('EPIPE'));
    log.write('a line\n');
    expect(log.astray).to.deep.equal({ stderr: 0, nowhere: 1 });
  });
});
