/** The detail of a close by the peer, with a code of the peer's choice. */
export const BY_PEER = 'by the peer';
