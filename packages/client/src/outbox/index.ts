export { type CarriageFile, type ReadyCarriage, stageFiles } from './files.ts';
export { type Outbox, type OutboxSet, openOutbox, type QueuedPacket } from './outbox.ts';
export type { Next, OutboxPacket } from './packetfile.ts';
export type { Staged } from './staged.ts';
