/**
 * A private certificate authority for the nodes of one cluster: makes the CA, issues certificates that name a node, reads
 * both back. Texts in, texts out; where they are kept is in `files.ts`.
 */
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, randomBytes, X509Certificate as NodeCertificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** Node's own type of the keys of Web Crypto. */
type KeyPair = Awaited<ReturnType<typeof generateKeys>>;

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
/** Clocks of nodes may be this far behind that of the authority. */
const BACKDATED_MS = 3_600_000;
const SERIAL_BYTES = 16;

export interface PemPair {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface Issue {
  readonly nodeId: string;
  /** Names and addresses under which the node is reached, beside its id. */
  readonly hosts: readonly string[];
  readonly days: number;
}

export async function createAuthority(name: string, days: number): Promise<PemPair> {
  const keys = await generateKeys();
  const nowMs = Date.now();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(nowMs + days * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      // No further authority below this one.
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certPem: pem(certificate), keyPem: await exportKey(keys) };
}

/** Throws where the authority's key is not that of its certificate. */
export async function issueCertificate(authority: PemPair, { nodeId, hosts, days }: Issue): Promise<PemPair> {
  const issuer = new X509Certificate(authority.certPem);
  if (!new NodeCertificate(authority.certPem).checkPrivateKey(createPrivateKey(authority.keyPem)))
    throw new Error('the key of the authority does not belong to its certificate');
  const signingKey = await importKey(authority.keyPem);
  const keys = await generateKeys();
  const nowMs = Date.now();
  const endMs = Math.min(nowMs + days * DAY_MS, issuer.notAfter.getTime());
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [nodeId] }],
    issuer: issuer.subjectName,
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(endMs),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      // Nodes dial one another, so each is client and server.
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([...new Set([nodeId, ...hosts])].map(alternativeName)),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return { certPem: pem(certificate), keyPem: await exportKey(keys) };
}

/** What `certs show` tells of a certificate. */
export interface CertificateView {
  readonly subject: string;
  readonly issuer: string;
  readonly names: string;
  readonly validFrom: string;
  readonly validTo: string;
  readonly daysLeft: number;
  readonly isAuthority: boolean;
  readonly serialNumber: string;
  readonly fingerprint: string;
  /** Signed by the authority that was given; null: none was given, or it is the authority itself. */
  readonly trusted: boolean | null;
}

/** Throws where the text is no certificate. */
export function viewCertificate(certPem: string, caPem: string | null): CertificateView {
  const one = new NodeCertificate(certPem);
  const endMs = Date.parse(one.validTo);
  return {
    subject: one.subject.replaceAll('\n', ', '),
    issuer: one.issuer.replaceAll('\n', ', '),
    names: one.subjectAltName ?? '',
    validFrom: new Date(one.validFrom).toISOString(),
    validTo: new Date(endMs).toISOString(),
    daysLeft: Math.floor((endMs - Date.now()) / DAY_MS),
    isAuthority: one.ca,
    serialNumber: one.serialNumber,
    fingerprint: one.fingerprint256,
    trusted: caPem === null || one.ca ? null : isSignedBy(one, new NodeCertificate(caPem)),
  };
}

function isSignedBy(certificate: NodeCertificate, authority: NodeCertificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(createPublicKey(authority.toString()));
}

function alternativeName(name: string): JsonGeneralName {
  return { type: isIP(name) === 0 ? 'dns' : 'ip', value: name };
}

/** Positive, and random as CAs have to make them. */
function serialNumber(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = (bytes[0] ?? 0) & 0x7f || 1;
  return bytes.toString('hex');
}

const generateKeys = () => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);

async function exportKey(keys: KeyPair): Promise<string> {
  return `${PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')}\n`;
}

function importKey(keyPem: string) {
  const [der] = PemConverter.decode(keyPem);
  if (der === undefined) throw new Error('the key of the authority is not PEM');
  return crypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}

const pem = (certificate: X509Certificate): string => `${certificate.toString('pem')}\n`;
