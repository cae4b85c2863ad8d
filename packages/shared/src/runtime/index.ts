/** Tools that need libraries: logger, codec, metrics. */
export * from './log.ts';
export * from '../schema/certificates.ts';
