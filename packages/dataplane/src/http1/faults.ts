/**
 * Everything that can be wrong with a message, with the status that says so and the reason that logs and metrics carry.
 */

export interface Fault {
  readonly status: number;
  readonly reason: string;
}

const fault = (status: number, reason: string): Fault => ({ status, reason });

/** A message that breaks the grammar or its limits. Toward a backend each of them is a 502. */
export const FAULT = {
  badRequestLine: fault(400, 'bad-request-line'),
  badMethod: fault(400, 'bad-method'),
  badTarget: fault(400, 'bad-target'),
  badStatusLine: fault(400, 'bad-status-line'),
  badHeaderName: fault(400, 'bad-header-name'),
  badHeaderValue: fault(400, 'bad-header-value'),
  spaceBeforeColon: fault(400, 'space-before-colon'),
  obsFold: fault(400, 'obs-fold'),
  bareCr: fault(400, 'bare-cr'),
  bareLf: fault(400, 'bare-lf'),
  badHost: fault(400, 'bad-host'),
  badContentLength: fault(400, 'bad-content-length'),
  duplicateContentLength: fault(400, 'duplicate-content-length'),
  badTransferEncoding: fault(400, 'bad-transfer-encoding'),
  lengthAndTransferEncoding: fault(400, 'content-length-and-transfer-encoding'),
  transferEncodingInHttp10: fault(400, 'transfer-encoding-in-http10'),
  badConnection: fault(400, 'bad-connection-field'),
  badMaxForwards: fault(400, 'bad-max-forwards'),
  traceWithBody: fault(400, 'trace-with-body'),
  badChunkSize: fault(400, 'bad-chunk-size'),
  badChunk: fault(400, 'bad-chunk'),
  badChunkExtension: fault(400, 'bad-chunk-extension'),
  badTrailer: fault(400, 'bad-trailer'),
  incomplete: fault(400, 'incomplete-message'),
  timeout: fault(408, 'client-timeout'),
  bodyTooLarge: fault(413, 'body-too-large'),
  targetTooLong: fault(414, 'target-too-long'),
  headTooLarge: fault(431, 'head-too-large'),
  tooManyFields: fault(431, 'too-many-fields'),
  trailersTooLarge: fault(431, 'trailers-too-large'),
  methodTooLong: fault(501, 'method-too-long'),
  connectUnsupported: fault(501, 'connect-unsupported'),
  unknownTransferCoding: fault(501, 'unknown-transfer-coding'),
  version: fault(505, 'http-version'),
  // 417 is the one status that RFC 9110 §10.1.1 names for an expectation that cannot be met.
  expectation: fault(417, 'expectation-failed'),
  loop: fault(502, 'loop-detected'),
  noRoute: fault(503, 'no-route'),
  noBackend: fault(503, 'no-backend'),
  overload: fault(503, 'overload'),
  queueFull: fault(503, 'queue-full'),
  queueTimeout: fault(503, 'queue-timeout'),
  unsupportedUpstream: fault(502, 'upstream-protocol-unsupported'),
  connectFailure: fault(502, 'upstream-connect-failure'),
  tlsFailure: fault(502, 'upstream-tls-failure'),
  connectTimeout: fault(504, 'upstream-connect-timeout'),
  upstreamReset: fault(502, 'upstream-reset'),
  upstreamInvalid: fault(502, 'upstream-invalid-response'),
  responseTooLarge: fault(502, 'response-too-large'),
  upstreamTimeout: fault(504, 'upstream-timeout'),
} as const satisfies Record<string, Fault>;
