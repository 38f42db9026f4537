import { expect } from 'chai';
import { covers } from '../support/coverage.js';
import { FaultWorld } from './world.js';

const SECRET_TEXT = 'what nobody is to know';

describe('faults: the server itself is wrong', () => {
  covers(
    {
      server: ['error'],
      errors: ['MESSAGE_HANDLER_ERROR', 'UNEXPECTED_ERROR'],
      needs: ['faults', 'secret'],
    },
    'the client is told that it failed, not why, and everything else works on',
    async (t) => {
      const fault = `throw new Error('${SECRET_TEXT}');`;
      const world = await FaultWorld.start(t, {
        mutations: [
          {
            file: 'messages/handlers/healthHandlers.js',
            from: 'health_check: (connection) => {',
            to: `health_check: () => { ${fault}`,
          },
          { file: 'http/routes/auditRoutes.js', from: 'auditLog.page(', to: `(() => { ${fault} })(` },
        ],
      });
      const client = await t.user({}, world.url);
      const { type, data } = await client.request('health_check');
      expect(type).to.equal('error');
      expect(data).to.include({ error_code: 'MESSAGE_HANDLER_ERROR', recoverable: true });
      expect(JSON.stringify(data)).to.not.include(SECRET_TEXT);
      await client.settled();
      const answer = await t.rest('GET', '/audit', { target: world.target });
      expect(answer.status).to.equal(500);
      expect(answer.body).to.include({ code: 'UNEXPECTED_ERROR' });
      expect(JSON.stringify(answer.body)).to.not.include(SECRET_TEXT);
      expect((await t.rest('GET', '/stats', { target: world.target })).status).to.equal(200);
    },
  );
});
