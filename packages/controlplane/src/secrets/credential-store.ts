/**
 * What this node is known by at the moment: the tokens of its API, its certificates towards nodes and callers; and until when the
 * certificates are good, those of the configuration included. Who may use them is decided elsewhere.
 */
import { CERTIFICATE_WARN_MS, certificatesOf } from '@flotilla/shared/runtime';
import type { Credentials } from '../ports.ts';

export interface CertificateAge {
  /** `node`: towards the other nodes; `api`: towards callers; `authority`: who signs for nodes; `listener`: of the configuration. */
  readonly use: 'node' | 'api' | 'authority' | 'listener';
  /** Its subject, or its name in the configuration. */
  readonly name: string;
  /** ISO 8601. Of a chain: when its first certificate ends. */
  readonly validTo: string;
  /** Whole days from now; negative once it has expired. */
  readonly daysLeft: number;
}

interface Span {
  readonly subject: string;
  readonly endMs: number;
}

interface Configured {
  readonly name: string;
  readonly certPem: string;
}

const DAY_MS = 86_400_000;

export class CredentialStore {
  #current: Credentials;
  readonly #configured: () => Iterable<Configured>;
  /** By PEM text: status is asked for often, certificates change seldom. */
  #spans = new Map<string, readonly Span[]>();

  /** `configured`: the certificates of the replicated configuration. */
  constructor(credentials: Credentials, configured: () => Iterable<Configured>) {
    this.#current = credentials;
    this.#configured = configured;
  }

  get current(): Credentials {
    return this.#current;
  }

  replace(credentials: Credentials): void {
    this.#current = credentials;
  }

  /** The node's own first. */
  ages(nowMs: number): CertificateAge[] {
    const { raftTls, apiTls } = this.#current;
    const spans = new Map<string, readonly Span[]>();
    const read = (pem: string): readonly Span[] => {
      const known = this.#spans.get(pem) ?? certificatesOf(pem).map(spanOf);
      spans.set(pem, known);
      return known;
    };
    const ages: CertificateAge[] = [];
    const add = (use: CertificateAge['use'], name: string, { endMs }: Span): void => {
      const daysLeft = Math.floor((endMs - nowMs) / DAY_MS);
      ages.push({ use, name, validTo: new Date(endMs).toISOString(), daysLeft });
    };
    const addChain = (use: CertificateAge['use'], name: string | null, pem: string): void => {
      const chain = read(pem);
      const first = chain.toSorted((a, b) => a.endMs - b.endMs)[0];
      if (first !== undefined) add(use, name ?? chain[0]?.subject ?? '', first);
    };
    if (raftTls !== null) addChain('node', null, raftTls.certPem);
    if (apiTls !== null) addChain('api', null, apiTls.certPem);
    for (const one of raftTls === null ? [] : read(raftTls.caPem)) add('authority', one.subject, one);
    for (const { name, certPem } of this.#configured()) addChain('listener', name, certPem);
    this.#spans = spans;
    return ages;
  }
}

const REMEDY: Readonly<Record<CertificateAge['use'], string>> = {
  node: 'replace its files (flotilla certs issue) and send the node SIGHUP',
  api: 'replace its files and send the node SIGHUP',
  authority: 'make a new one (flotilla certs init) and issue certificates by it before that day',
  listener: 'PUT a new one at /v1/certificates',
};

/** What status shows: the node's own certificates, and of the configured ones those that are to be replaced. */
export function worthShowing(age: CertificateAge): boolean {
  return age.use !== 'listener' || expiryWarning(age) !== null;
}

/** For people; null while there is time enough. */
export function expiryWarning({ use, name, validTo, daysLeft }: CertificateAge): string | null {
  if (daysLeft * DAY_MS >= CERTIFICATE_WARN_MS) return null;
  const when = daysLeft < 0 ? 'expired on' : `expires in ${daysLeft} days, on`;
  return `the ${use} certificate ${name} ${when} ${validTo}: ${REMEDY[use]}`;
}

function spanOf(certificate: { readonly subject: string; readonly validTo: string }): Span {
  return { subject: certificate.subject.replaceAll('\n', ', '), endMs: Date.parse(certificate.validTo) };
}
