/** Key exchange of TLS between nodes, the preferred one first: safe against a quantum computer, or at least against today's. */
export const keyExchange = 'X25519MLKEM768:X25519';
