/** What needs a library or the time of day, apart from the pure vocabulary: the logger, the look into certificates. */
export * from './log.ts';
export * from '../schema/certificates.ts';
