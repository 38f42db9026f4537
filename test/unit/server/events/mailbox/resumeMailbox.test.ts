import { resumeMailbox } from '@unified-ws/server/events/mailbox/resumeMailbox';
import type { ClaimedMailbox } from '@unified-ws/server/registry/store/registryTypes';
import { expect } from 'chai';

const BOX: ClaimedMailbox = {
  epoch: 'e',
  offset: 20,
  tag: 't20',
  acked: 5,
  ackedTag: 't5',
  first: 11,
  floorTag: 't10',
  resumeTag: null,
};
const at = (offset: number, tag = `t${offset}`, epoch = 'e') => ({ epoch, offset, tag });

describe('a mailbox position', () => {
  const cases: readonly [string, Parameters<typeof resumeMailbox>, string, number | null][] = [
    ['none was given', [null, BOX], 'fresh', 5],
    ['none was given, and there is no mailbox', [null, null], 'fresh', null],
    ['there is no mailbox any more', [at(3), null], 'none', null],
    ['another epoch', [at(12, 't12', 'other'), BOX], 'none', 5],
    ['beyond the head: the mailbox went back', [at(21), BOX], 'none', 5],
    ['the head', [at(20), BOX], 'full', 20],
    ['the head with another tag: the mailbox went back', [at(20, 'other'), BOX], 'none', 5],
    ['in between', [at(15), { ...BOX, resumeTag: 't15' }], 'full', 15],
    ['in between with another tag', [at(15), { ...BOX, resumeTag: 'other' }], 'none', 5],
    ['just before the oldest entry: nothing is missing', [at(10), BOX], 'full', 10],
    ['just before the oldest entry with another tag', [at(10, 'other'), BOX], 'none', 5],
    ['before what was trimmed', [at(8), BOX], 'partial', 8],
    ['the acknowledged one, and more was trimmed', [at(5), BOX], 'partial', 5],
    ['the acknowledged one', [at(5), { ...BOX, first: 6, floorTag: 't5' }], 'full', 5],
    ['the acknowledged one with another tag', [at(5, 'other'), BOX], 'none', 5],
    ['before the acknowledged one', [at(4), BOX], 'partial', 5],
    ['the beginning', [at(0, ''), { ...BOX, acked: 0, ackedTag: '', first: 1, floorTag: '' }], 'full', 0],
    ['the beginning, and more was trimmed', [at(0, ''), { ...BOX, acked: 0, ackedTag: '' }], 'partial', 0],
  ];
  for (const [name, [given, box], result, from] of cases) {
    it(`is checked ${result}: ${name}`, () => {
      const resume = resumeMailbox(given, box);
      expect(resume.result).to.equal(result);
      expect(resume.from?.offset ?? null).to.equal(from);
      if (resume.from) expect(resume.from.tag).to.equal(from === 0 ? '' : `t${from}`);
    });
  }
});
