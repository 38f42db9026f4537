/** Version of the wire protocol that this client speaks; the first subprotocol that it offers. */
export const PROTOCOL = 'unified.v1';
