import type { MailBatch, UserMessage } from '@unified-ws/server/bus/messages';
import type { AppendedMail } from '@unified-ws/server/events/mailbox';
import { MailCourier } from '@unified-ws/server/events/mailCourier';
import { expect } from 'chai';
import { storedEvent, until } from './support.js';

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
    for (let n = 0; n < 6; n += 1) courier.send(mail(`u${n}`, 'one.1', 50_000));
    await until('the end of the turn', () => sent.length > 0);
    const users = sent.map(({ text }) => (JSON.parse(text) as UserMessage).boxes.map(({ user }) => user));
    expect(users).to.deep.equal([['u0'], ['u1'], ['u2'], ['u3'], ['u4'], ['u5']]);
    for (let n = 0; n < 6; n += 1) courier.send(mail(`u${n}`, 'one.1', 20_000));
    sent.length = 0;
    await until('the end of the turn', () => sent.length > 0);
    expect(sent).to.have.length(2);
    for (const { text } of sent) expect(text.length).to.be.below(300 * 1024);
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
