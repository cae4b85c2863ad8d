/** Vocabulary of Flotilla, pure: errors, the contract between the threads. Schemas are at `./schema`, tools at `./runtime`. */
export * from './errors.ts';
export type * from './contract/explain.ts';
export * from './contract/snapshot.ts';
export * from './contract/threads.ts';
export type * from './schema/config.ts';
export type * from './schema/listener.ts';
export type * from './schema/pool.ts';
export * from './pins/layout.ts';
export { PIN_RECORD_BYTES } from './pins/pin-capture.ts';
export * from './pins/pin-reader.ts';
export * from './pins/pin-writer.ts';
