/** Consensus: pure core, driver, LevelDB storage, TCP transport. */
export * from './core/types.ts';
export type { CoreConfig } from './core/config.ts';
export { DEFAULT_CORE_CONFIG } from './core/config.ts';
export type { CoreStatus, PeerStatus } from './core/port.ts';
export type * from './driver/ports.ts';
export type * from './driver/options.ts';
export type { DiskState } from './driver/disk-watch.ts';
export type { SnapshotPolicy } from './driver/snapshots.ts';
export type { Committed } from './driver/proposals.ts';
export { RaftError } from './driver/errors.ts';
export type { RaftErrorCode } from './driver/errors.ts';
export { RaftNode } from './driver/raft-node.ts';
export { systemClock, systemRandom, silentLogger } from './driver/system.ts';
export { LevelStorage, openStorage } from './storage/level-storage.ts';
export type { LevelStorageOptions } from './storage/level-storage.ts';
