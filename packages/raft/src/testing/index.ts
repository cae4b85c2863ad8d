/** For tests and simulators: stores, networks and state machines in memory, and the suites that real ones pass too. */
export { TestCluster } from './cluster.ts';
export type { ClusterOptions, Member } from './cluster.ts';
export { MemoryDisk, MemoryStorage } from './memory-storage.ts';
export { MemoryNetwork, MemoryTransport } from './memory-transport.ts';
export { RecordingMachine } from './recording-machine.ts';
export { storageCases } from './storage-suite.ts';
export type { NamedCase, StorageSubject } from './storage-suite.ts';
export { transportCases } from './transport-suite.ts';
export type { TransportSubject } from './transport-suite.ts';
export type { Message } from '../core/messages.ts';
export type { Lane } from '../core/effects.ts';
/** What a simulator puts in the place of disk and sockets, with the store's logic and the codec left as they are. */
export type { Database, KeyRange, Operation, StoreHost } from '../storage/host.ts';
export type { Witness } from '../storage/witness.ts';
export { ByteWriter } from '../codec/bytes.ts';
export { messageTag, readMessage, writeMessage } from '../codec/messages.ts';
export { FrameReader, writeFrame } from '../transport/framing.ts';
