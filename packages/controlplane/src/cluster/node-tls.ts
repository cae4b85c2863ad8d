/**
 * How nodes speak to one another's API. Where it is https, the certificate is always checked: against the authority of the
 * APIs where one is set, the one between nodes, this node's own certificate (which all nodes may share) and those that the
 * system trusts. It must name the host that was dialled or, since addresses change and identities do not, the node itself.
 */
import { checkServerIdentity, type PeerCertificate, rootCertificates } from 'node:tls';
import type { Credentials } from '../ports.ts';

export interface NodeTls {
  /** PEM texts; trusted. */
  readonly ca: readonly string[];
}

export interface TlsChecks {
  readonly ca: string[];
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
}

/** Null: plain http. */
export function nodeTlsOf({ apiTls, apiTlsCa = null, raftTls }: Credentials): NodeTls | null {
  if (apiTls === null && apiTlsCa === null) return null;
  const own = [apiTlsCa, raftTls?.caPem, apiTls?.certPem].filter((pem) => typeof pem === 'string');
  return { ca: [...own, ...rootCertificates] };
}

/** Options of one https request. `id`: the node that must answer; null where any member will do. */
export function checkedBy(tls: NodeTls, id: string | null): TlsChecks {
  return {
    ca: [...tls.ca],
    checkServerIdentity: (host, certificate) =>
      id !== null && namesOf(certificate).includes(id) ? undefined : checkServerIdentity(host, certificate),
  };
}

function namesOf({ subject, subjectaltname = '' }: PeerCertificate): string[] {
  const alternatives = subjectaltname.split(', ').flatMap((name) => (name.startsWith('DNS:') ? [name.slice(4)] : []));
  return [...alternatives, ...[subject?.CN ?? []].flat()];
}
