/** Relays that are on their way out at one time, of all that wait. */
export const inHand = 4_096;
