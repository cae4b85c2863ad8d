/**
 * Who a mutually authenticated client is, for the backend: `X-Forwarded-Client-Cert` in the form that Envoy made common.
 *
 * Only for certificates that the listener's CA vouched for. What a subject contains was chosen by whoever asked for the certificate,
 * so nothing of it may end the quotes or the line.
 */
import type { TlsIdentity } from './connection.ts';

/** The field line with its end; '' where the client showed no certificate. */
export function clientCertificateField(tls: TlsIdentity | null): string {
  if (tls === null || tls.clientFingerprint === '') return '';
  return `X-Forwarded-Client-Cert: Hash=${tls.clientFingerprint};Subject="${quoted(tls.clientSubject)}"\r\n`;
}

/** Node gives one attribute per line; here they stand side by side. */
function quoted(subject: string): string {
  let text = '';
  for (const character of subject.replaceAll('\n', ',')) {
    const code = character.codePointAt(0) ?? 0;
    if (character === '"' || character === '\\') text += `\\${character}`;
    else if (code >= 0x20 && code < 0x7f) text += character;
    else text += `\\u{${code.toString(16)}}`;
  }
  return text;
}
