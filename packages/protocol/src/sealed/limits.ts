// spec sealed 7
/** Largest message (RFC 5322, with CRLF) that can be sealed, and that is opened. */
export const maxMessageBytes = 25_000_000;

/**
 * Largest sealed message: the largest message with what protection adds, armored in lines of 64 characters, which makes 66 bytes of 48; and
 * room for what mail systems put in front.
 */
export const maxSealedBytes = 36_000_000;

/** Session keys that one message may bring, and signatures. */
export const maxSessionKeys = 32;
export const maxSignatures = 8;
