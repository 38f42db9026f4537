import { deflateOffer } from '@unified-ws/server/connections/upgrade/deflateOffer';
import { expect } from 'chai';

describe('an offer of compression', () => {
  it('as browsers and libraries make it must be accepted, or nobody ever gets a compressed event', () => {
    for (const offer of [
      'permessage-deflate',
      'permessage-deflate; client_max_window_bits',
      'permessage-deflate; client_no_context_takeover; server_no_context_takeover;client_max_window_bits=8',
      'permessage-deflate; server_max_window_bits=15; server_no_context_takeover',
      'permessage-deflate; server_max_window_bits = "13"',
    ]) {
      expect(deflateOffer(offer), offer).to.equal(offer);
    }
  });

  it('that cannot be kept must be declined and not refused: the client can do without', () => {
    for (const offer of [
      undefined,
      '',
      'x-webkit-deflate-frame',
      'permessage-bzip2',
      'permessage-deflate; x="\\"',
      'permessage-deflate; unknown',
      'permessage-deflate; server_max_window_bits',
      'permessage-deflate; server_max_window_bits=12',
      'permessage-deflate; server_max_window_bits=7',
      'permessage-deflate; client_max_window_bits=16',
      'permessage-deflate; client_max_window_bits=',
      'permessage-deflate; client_max_window_bits; client_max_window_bits=10',
      'permessage-deflate; server_no_context_takeover=1',
      'permessage-deflate; server_no_context_takeover=10',
      'permessage-deflate;',
      ',;=,',
    ]) {
      expect(deflateOffer(offer), String(offer)).to.equal(undefined);
    }
  });

  it('of several must be the first one that can be kept', () => {
    const offers =
      'foo, permessage-deflate; server_max_window_bits=10 , permessage-deflate; client_max_window_bits, permessage-deflate';
    expect(deflateOffer(offers)).to.equal('permessage-deflate; client_max_window_bits');
  });
});
