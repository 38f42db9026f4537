import type { MailBatch, UserMessage } from '@unified-ws/server/bus/busMessages';
import type { AppendedMail } from '@unified-ws/server/events/mailbox/mailboxes';
import { MailCourier } from '@unified-ws/server/events/mailbox/mailCourier';
import { expect } from 'chai';
import { storedEvent, until } from '../support.js';

function mail(userId: string, lease: string, size = 10): AppendedMail {
  const event = storedEvent(`e-${userId}`, { text: 'ü"'.repeat(size) });
  const entries = [{ tag: 'tag', event, text: JSON.stringify(event) }];
  return { userId, lease, epoch: 'epoch', first: 7, prevTag: 'prev', head: 9, entries };
}

describe('what was appended to mailboxes', () => {
  const sent: { lease: string; text: string }[] = [];
  const local: MailBatch[] = [];
  const reports: unknown[] = [];
  let broken = false;
  const courier = new MailCourier({
    bus: { sendText: (lease, text) => sent.push({ lease, text }) },
    clock: { now: () => 1_800_000_000_000, mono: () => 0 },
    lease: () => 'own.1',
    deliver: (batch) => {
      if (broken) throw new Error('broken');
      local.push(batch);
    },
    report: (error) => reports.push(error),
  });
  beforeEach(() => {
    sent.length = 0;
    local.length = 0;
  });

  it('goes to each node in one message a turn, whole, and to nobody when nobody is connected', async () => {
    for (const [user, lease] of [
      ['a', 'one.1'],
      ['"b"', 'two.1'],
      ['c', 'one.1'],
      ['d', ''],
    ]) {
      courier.send(mail(user as string, lease as string));
    }
    expect(sent).to.deep.equal([]);
    await until('the end of the turn', () => sent.length > 0);
    expect(sent.map(({ lease }) => lease)).to.deep.equal(['one.1', 'two.1']);
    const messages = sent.map(({ text }) => JSON.parse(text) as UserMessage);
    expect(messages.map(({ boxes }) => boxes.map(({ user }) => user))).to.deep.equal([['a', 'c'], ['"b"']]);
    const { event } = mail('a', '').entries[0] as { event: unknown };
    expect(messages[0]).to.deep.include({ t: 'user' });
    expect(messages[0]?.boxes[0]).to.deep.equal({
      user: 'a',
      epoch: 'epoch',
      first: 7,
      prev_tag: 'prev',
      head: 9,
      events: [['tag', event]],
    });
  });

  it('is cut into messages that do not hold up the bus', async () => {
    for (let n = 0; n < 6; n += 1) courier.send(mail(`u${n}`, 'one.1', 20_000));
    await until('the end of the turn', () => sent.length > 0);
    expect(sent).to.have.length(2);
    for (const { text } of sent) expect(text.length).to.be.below(300 * 1024);
  });

  // Seen red without the bound: 900 KB for each of 1,000 users of a node had Redis end its subscriber.
  it('is only told of when it is large, or an event for many users of a node overruns its subscription', async () => {
    courier.send(mail('large', 'one.1', 50_000));
    courier.send(mail('small', 'one.1'));
    await until('the end of the turn', () => sent.length > 0);
    const [{ text } = { text: '' }] = sent;
    const { boxes } = JSON.parse(text) as UserMessage;
    expect(boxes.map(({ events }) => events.length)).to.deep.equal([0, 1]);
    expect(boxes[0]).to.include({ user: 'large', head: 9 });
  });

  it('for a user of this node needs no message, and a failure there does not fail the append', () => {
    courier.send(mail('a', 'own.1'));
    expect(local).to.have.length(1);
    broken = true;
    courier.send(mail('b', 'own.1'));
    expect(reports).to.have.length(1);
    expect(sent).to.deep.equal([]);
  });
});
