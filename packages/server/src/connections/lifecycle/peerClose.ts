/** The detail of a close that came from the peer, with a code of its choice. */
export const BY_PEER = 'by the peer';
