export { type Outbox, type OutboxSet, openOutbox, type QueuedPacket } from './outbox.ts';
export type { OutboxPacket } from './packetfile.ts';
