/** What is asked of the data plane's choice without sending a request. */

/** A request that never was, for `GET /v1/explain`. */
export interface ExplainRequest {
  readonly listener: string;
  readonly method: string;
  /** Lower case, no port where the default is meant; '' where the client names none. */
  readonly host: string;
  /** With its query. */
  readonly path: string;
  readonly clientIp: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** The committed pin of a session. */
  readonly pinOf?: (pool: string, key: string) => string | null;
}
