import { randomBytes } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { Compression, WINDOW_BITS } from '@unified-ws/server/delivery/frames/compression';
import { textFrame } from '@unified-ws/server/delivery/frames/frame';
import { cachedFrame, type Framed } from '@unified-ws/server/delivery/frames/frameCache';
import { expect } from 'chai';

/** What a peer makes of a compressed frame, with a window no larger than the one promised. */
function inflated(frame: Buffer): string {
  expect(frame[0], 'FIN, RSV1, text').to.equal(0xc1);
  const short = (frame[1] ?? 0) & 0x7f;
  const header = short === 126 ? 4 : 2;
  const length = short === 126 ? frame.readUInt16BE(2) : short;
  expect(frame.length).to.equal(header + length);
  const tail = Buffer.from([0, 0, 0xff, 0xff]);
  // RFC 7692 §7.2.1: what each flush ends with is not sent. Many peers forgive it.
  expect(frame.subarray(-4).equals(tail)).to.equal(false);
  return inflateRawSync(Buffer.concat([frame.subarray(header), tail]), {
    windowBits: WINDOW_BITS,
    finishFlush: 2,
  }).toString();
}

describe('compressed frames', () => {
  let now = 0;
  const make = () => new Compression({ mono: () => now });
  const zones = (count: number) =>
    JSON.stringify(
      Array.from({ length: count }, (_, n) => ({ zone: `zone${n}.example.org`, ttl: 3600 + n, ok: true })),
    );

  it('must be readable by themselves, each one: the peer keeps nothing between messages', () => {
    const compression = make();
    for (const count of [7, 50, 500, 1000]) {
      const text = `${zones(count)} ünïcode 😀`;
      const frame = compression.frame(textFrame(text));
      expect(inflated(frame)).to.equal(text);
      expect(frame.length).to.be.below(text.length / 2);
    }
    expect(compression.counts.frames).to.equal(4);
    expect(compression.counts.bytesOut).to.be.below(compression.counts.bytesIn / 3);
  });

  it('that would be larger, or hold the event loop up, go out as they are', () => {
    const compression = make();
    const noise = textFrame('x'.repeat(3000));
    randomBytes(3000).copy(noise, 4);
    for (const frame of [textFrame('{"type":"tick"}'), textFrame(zones(5)), textFrame(zones(2000)), noise]) {
      expect(compression.frame(frame)).to.equal(frame);
    }
    expect(compression.counts.skipped, 'for want of time').to.equal(0);
  });

  it('a storm must leave the event loop most of its time: what is beyond goes out as it is', () => {
    const compression = make();
    const frame = textFrame(zones(500));
    let compressed = 0;
    for (let n = 0; n < 500; n += 1) if (compression.frame(frame) !== frame) compressed += 1;
    expect(compressed).to.be.within(30, 60);
    expect(compression.counts.skipped).to.equal(500 - compressed);
    now += 1000;
    expect(compression.frame(frame)).to.not.equal(frame);
  });

  it('are built once for all who get the same bytes, and never mixed with what others may see', () => {
    const compression = make();
    const entry: Framed = {};
    let built = 0;
    const frame = (hidden: string, compress: boolean) =>
      cachedFrame(entry, hidden, compress ? compression : null, () => {
        built += 1;
        return textFrame(`${hidden}${zones(20)}`);
      });
    const all = [frame('', true), frame('', false), frame('api_key\n', false), frame('api_key\n', true)];
    expect(new Set(all).size).to.equal(4);
    expect([frame('', true), frame('', false), frame('api_key\n', false), frame('api_key\n', true)]).to.deep.equal(all);
    expect(built).to.equal(2);
    expect(compression.counts.frames).to.equal(2);
    expect(inflated(all[0] as Buffer)).to.equal(zones(20));
    expect(inflated(all[3] as Buffer)).to.equal(`api_key\n${zones(20)}`);
  });
});
