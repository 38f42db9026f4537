import { type EventState, FORGOTTEN, START, TAGS } from './state.js';

/** Bytes of a state that hold a tag or a position, and bytes that hold a bit per tag. */
export interface References {
  readonly positions: readonly number[];
  readonly masks: readonly number[];
}

const renamed = new Uint8Array(START);
const facts = new Uint8Array(TAGS * 4);

/** Forgets the tags that nothing names any more and closes the ranks, so that histories that end alike are one state. */
export function compact(s: EventState, { positions, masks }: References): void {
  let used = 0;
  for (const index of positions) {
    const position = s.get(index);
    if (position > 0 && position < START) used |= 1 << position;
  }
  for (const index of masks) used |= s.get(index) << 1;
  let next = 0;
  let moved = false;
  for (let tag = 1; tag <= TAGS; tag += 1) {
    renamed[tag] = (used & (1 << tag)) === 0 ? 0 : ++next;
    if (renamed[tag] !== tag && s.eventOf(tag) !== 0) moved = true;
  }
  for (let tag = 1; tag <= TAGS; tag += 1) {
    const before = s.prevOf(tag);
    if (before > 0 && before < START && renamed[before] === 0 && s.eventOf(tag) !== 0) s.setPrevOf(tag, FORGOTTEN);
  }
  if (!moved) return;
  for (let tag = 1; tag <= TAGS; tag += 1) {
    const to = renamed[tag] as number;
    if (to === 0) continue;
    const before = s.prevOf(tag);
    facts[to * 4 - 4] = s.eventOf(tag);
    facts[to * 4 - 3] = s.epochOf(tag);
    facts[to * 4 - 2] = s.offsetOf(tag);
    facts[to * 4 - 1] = before > 0 && before < START ? (renamed[before] as number) : before;
  }
  for (let tag = 1; tag <= TAGS; tag += 1) {
    if (tag > next) s.setFacts(tag, 0, 0, 0, 0);
    else s.setFacts(tag, at(tag, 0), at(tag, 1), at(tag, 2), at(tag, 3));
  }
  for (const index of positions) {
    const position = s.get(index);
    if (position > 0 && position < START) s.set(index, renamed[position] as number);
  }
  for (const index of masks) {
    let bits = 0;
    for (let tag = 1; tag <= TAGS; tag += 1) {
      if ((s.get(index) & (1 << (tag - 1))) !== 0) bits |= 1 << ((renamed[tag] as number) - 1);
    }
    s.set(index, bits);
  }
}

function at(tag: number, fact: number): number {
  return facts[tag * 4 - 4 + fact] as number;
}
