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
