/** Helpers for tests of every package. */
export * from './wait-for.ts';
export * from './ports.ts';
export { ONE as CERTIFICATE_ONE, TWO as CERTIFICATE_TWO } from '../schema/testing/certificates.ts';
