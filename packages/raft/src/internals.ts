/** What lies below the ports: for a simulator that puts a disk and a network of its own there and leaves codec and store as they are. */
export type { Message } from './core/messages.ts';
export type { Lane } from './core/effects.ts';
export type { Database, KeyRange, Operation, StoreHost } from './storage/host.ts';
export type { Witness } from './storage/witness.ts';
export { ByteWriter } from './codec/bytes.ts';
export { messageTag, readMessage, writeMessage } from './codec/messages.ts';
export { FrameReader, writeFrame } from './transport/framing.ts';
