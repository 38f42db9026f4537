import { bearerToken, SUBPROTOCOL, selectProtocol, tokenFromRequest } from '@unified-ws/server/auth/tokenFromRequest';
import { expect } from 'chai';

const request = (authorization?: string, protocols?: string, url = '/api/unified/ws') => ({
  headers: { authorization, 'sec-websocket-protocol': protocols },
  url,
});

describe('tokenFromRequest', () => {
  it('looks at header, subprotocol and query, in this order', () => {
    const url = '/api/unified/ws?resume=x&token=q';
    expect(tokenFromRequest(request('Bearer h', 'unified.v1, bearer.s', url))).to.deep.equal({
      token: 'h',
      carrier: 'header',
    });
    expect(tokenFromRequest(request(undefined, 'unified.v1, bearer.s', url))).to.deep.equal({
      token: 's',
      carrier: 'subprotocol',
    });
    expect(tokenFromRequest(request(undefined, 'unified.v1', url))).to.deep.equal({ token: 'q', carrier: 'query' });
    expect(tokenFromRequest(request())).to.deep.equal({ token: null, carrier: 'none' });
  });

  it('passes over an authorization that is not ours, such as that of a proxy', () => {
    for (const header of ['Basic dTpw', 'Bearer', 'Bearer ', 'BearerX', '']) {
      expect(tokenFromRequest(request(header, undefined, '/ws?token=q')).carrier, header).to.equal('query');
    }
  });

  it('does not fall through to a second carrier when the first holds an empty token', () => {
    expect(tokenFromRequest(request(undefined, 'bearer.,unified.v1', '/ws?token=q'))).to.deep.equal({
      token: '',
      carrier: 'subprotocol',
    });
    expect(tokenFromRequest(request(undefined, undefined, '/ws?token='))).to.deep.equal({
      token: '',
      carrier: 'query',
    });
  });

  it('takes the scheme in any case and decodes the query', () => {
    expect(bearerToken('bearer  a.b.c ')).to.equal('a.b.c');
    expect(tokenFromRequest(request(undefined, undefined, '/ws?token=a%2Eb.c&token=other')).token).to.equal('a.b.c');
    expect(tokenFromRequest(request(undefined, undefined, '/ws?token=%E0%A4%A')).carrier).to.equal('query');
  });
});

describe('selectProtocol', () => {
  it('never selects the one that holds the token', () => {
    expect(selectProtocol(request(undefined, 'bearer.a.b.c, unified.v1'))).to.equal(SUBPROTOCOL);
    expect(selectProtocol(request(undefined, 'bearer.a.b.c'))).to.equal(null);
    expect(selectProtocol(request())).to.equal(null);
  });
});
