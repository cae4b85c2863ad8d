/**
 * `flotilla certs`: a private authority for the nodes of a cluster, certificates from it, the key that certificates are
 * encrypted with at rest. Works on files and asks no cluster, `reseal` excepted.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT, errorText } from '@flotilla/shared';
import type { CertificateView } from '../certs/authority.ts';
import { filesOf, readText, refuseToOverwrite, SECRET_MODE, writePair, writeWhole } from '../certs/files.ts';
import { CliError } from '../cli-error.ts';
import { type OutputFormat, OUTPUT_FORMATS, renderList, renderRecord } from '../output/render.ts';
import { apiCommand, apiContext, examples, remark, show, wholeNumber } from './api-command.ts';

const DIRECTORY_DEFAULT = 'certs';
const AUTHORITY_DAYS = 3650;
const NODE_DAYS = 825;
const DAYS_MAX = 36_500;
const KEY_BYTES = 32;
const ID = /^[a-z0-9]([a-z0-9-]{0,62})$/;
const HOST = /^(\*\.)?[a-zA-Z0-9]([a-zA-Z0-9._-]{0,251})$/;

interface InitOptions {
  readonly dir: string;
  readonly name: string;
  readonly days: number;
  readonly force?: boolean;
}

interface IssueOptions {
  readonly dir: string;
  readonly host: readonly string[];
  readonly days: number;
  readonly force?: boolean;
}

export function registerCerts(program: Command): void {
  const certs = new Command('certs')
    .description('Make a private CA and the certificates that nodes show one another; look at them')
    .addCommand(initCommand())
    .addCommand(issueCommand())
    .addCommand(showCommand())
    .addCommand(keyCommand())
    .addCommand(resealCommand())
    .addHelpText(
      'after',
      examples('certs init', 'certs issue n1 --host 10.0.0.1 --host n1.internal', 'certs show', 'certs key key.txt'),
    );
  program.addCommand(certs);
}

/** The X.509 library takes a while to load, which no other command should wait for. */
const loadAuthority = () => import('../certs/authority.ts');

const directoryOption = (): Option =>
  new Option('-d, --dir <dir>', 'where the files are kept').default(DIRECTORY_DEFAULT);

const daysOption = (standard: number): Option =>
  new Option('--days <n>', 'how long it is valid').default(standard).argParser((text: string) => {
    const days = wholeNumber(text);
    if (days < 1 || days > DAYS_MAX) throw new InvalidArgumentError(`must be from 1 to ${DAYS_MAX}`);
    return days;
  });

function initCommand(): Command {
  return new Command('init')
    .description('Make a certificate authority: ca.pem, for every node, and ca-key.pem, for nobody')
    .addOption(directoryOption())
    .option('--name <name>', 'its name', 'flotilla cluster CA')
    .addOption(daysOption(AUTHORITY_DAYS))
    .option('--force', 'overwrite the one that is there: all its certificates become useless')
    .action(async ({ dir, name, days, force }: InitOptions) => {
      const files = filesOf(dir, 'ca');
      refuseToOverwrite([files.cert, files.key], force === true);
      const { createAuthority } = await loadAuthority();
      writePair(files, await createAuthority(name, days));
      show(`${files.cert}  goes to every node\n${files.key}  stays here: whoever has it can be a node`);
      remark(
        `Next: one certificate for each node, e.g.\n  ./flotilla certs issue n1 --host 10.0.0.1${inDirectory(dir)}`,
      );
    })
    .addHelpText('after', examples('certs init', 'certs init --dir /secure/certs --days 1825'));
}

function issueCommand(): Command {
  return new Command('issue')
    .description('Issue the certificate of one node, for the other nodes and for its API')
    .argument('<node>', 'node id; becomes its common name', nodeId)
    .addOption(directoryOption())
    .option('--host <name>', 'name or address that the node is reached by; repeat for more', addHost, [])
    .addOption(daysOption(NODE_DAYS))
    .option('--force', 'overwrite the one that is there')
    .action(async (node: string, { dir, host, days, force }: IssueOptions) => {
      const ca = filesOf(dir, 'ca');
      const files = filesOf(dir, node);
      const missing = `make the authority first: ./flotilla certs init${inDirectory(dir)}`;
      const authority = { certPem: readText(ca.cert, missing), keyPem: readText(ca.key, missing) };
      refuseToOverwrite([files.cert, files.key], force === true);
      const { issueCertificate } = await loadAuthority();
      try {
        writePair(files, await issueCertificate(authority, { nodeId: node, hosts: host, days }));
      } catch (error) {
        if (error instanceof CliError) throw error;
        throw new CliError(EXIT.failure, `the authority in ${dir} cannot be used: ${errorText(error)}`);
      }
      const lines = { FLOTILLA_TLS_CA: ca.cert, FLOTILLA_TLS_CERT: files.cert, FLOTILLA_TLS_KEY: files.key };
      for (const [name, path] of Object.entries(lines)) show(`${name}=${resolve(path)}`);
      remark(
        `Next: copy these three files to ${node} and start it with the settings above (mutual TLS between nodes).\n` +
          'The same certificate can serve the API: FLOTILLA_API_TLS_CERT and FLOTILLA_API_TLS_KEY; clients then use --ca ' +
          `${ca.cert}.` +
          (host.length === 0
            ? `\nNo --host was given: as a certificate of the API it is good for the name ${node} only.`
            : ''),
      );
    })
    .addHelpText('after', examples('certs issue n1 --host 10.0.0.1 --host n1.internal', 'certs issue n2 --days 90'));
}

interface ShowOptions {
  readonly dir: string;
  readonly output: OutputFormat;
}

function showCommand(): Command {
  return new Command('show')
    .description('Show certificates: whom they name, how long they are valid, whether the CA signed them')
    .argument('[files...]', 'PEM files; all of the directory where none is given')
    .addOption(directoryOption())
    .addOption(new Option('-o, --output <format>', 'how results are shown').choices(OUTPUT_FORMATS).default('table'))
    .action(async (files: string[], { dir, output }: ShowOptions) => {
      const ca = filesOf(dir, 'ca').cert;
      const paths = files.length > 0 ? files : certificatesIn(dir);
      const caPem = certificatesIn(dir).includes(ca) ? readText(ca, 'it was there a moment ago') : null;
      const { viewCertificate } = await loadAuthority();
      const views = paths.map((path) => ({ file: path, ...view(path, (text) => viewCertificate(text, caPem)) }));
      show(
        renderList(output, {
          value: { items: views },
          rows: views,
          columns: [
            { title: 'file', of: ({ file }) => file },
            { title: 'subject', of: ({ subject }) => subject },
            { title: 'names', of: ({ names }) => names },
            { title: 'valid to', of: ({ validTo }) => validTo },
            { title: 'days left', of: ({ daysLeft }) => daysLeft },
            { title: 'is', of: standing },
          ],
        }),
      );
    })
    .addHelpText('after', examples('certs show', 'certs show certs/n1.pem --output json'));
}

function standing({ isAuthority, trusted, daysLeft }: CertificateView): string {
  if (daysLeft < 0) return 'expired';
  if (isAuthority) return 'the CA';
  if (trusted === null) return 'a certificate';
  return trusted ? 'signed by the CA' : 'NOT signed by the CA';
}

function keyCommand(): Command {
  return new Command('key')
    .description('Draw a key that private keys of certificates are encrypted with at rest (FLOTILLA_KEY_FILE)')
    .argument('<file>', 'where to write it; with --rotate it goes before the keys that are there')
    .option('--rotate', 'keep the keys of the file as old ones, which can still be read')
    .action((file: string, { rotate }: { readonly rotate?: boolean }) => {
      const old = rotate === true ? readText(file, 'there is no key to rotate') : '';
      if (rotate !== true && existsSync(file))
        throw new CliError(
          EXIT.failure,
          `${file} exists already: --rotate adds a new key to it, which is used from then on`,
        );
      writeWhole(file, `${randomBytes(KEY_BYTES).toString('base64')}\n${old}`, SECRET_MODE);
      show(`FLOTILLA_KEY_FILE=${resolve(file)}`);
      remark(
        'Next: give every node the same file, keep a copy apart from backups, and start the nodes one by one; after a rotation: certs reseal.',
      );
    })
    .addHelpText('after', examples('certs key /etc/flotilla/key.txt', 'certs key /etc/flotilla/key.txt --rotate'));
}

function resealCommand(): Command {
  return apiCommand('reseal', 'Encrypt all private keys that the cluster keeps with its newest key')
    .action(async (_options, command: Command) => {
      const { client, format } = apiContext(command);
      const call = { method: 'POST', path: '/v1/certificates/reseal' };
      const { body } = await client.call<{ keyId: string | null; resealed: readonly string[] }>(call);
      const names = body.resealed.length === 0 ? '(none: all have it)' : body.resealed.join(', ');
      show(renderRecord(format, body, Object.entries({ key: body.keyId ?? '(none)', 'encrypted anew': names })));
    })
    .addHelpText('after', examples('certs reseal'));
}

function view(path: string, read: (text: string) => CertificateView): CertificateView {
  const text = readText(path, 'name a PEM file');
  try {
    return read(text);
  } catch (error) {
    throw new CliError(EXIT.failure, `${path} is not a certificate: ${errorText(error)}`);
  }
}

function certificatesIn(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith('.pem') && !name.endsWith('-key.pem'));
    return names.sort().map((name) => join(directory, name));
  } catch (error) {
    throw new CliError(EXIT.failure, `${directory} cannot be read: ${errorText(error)}`);
  }
}

const inDirectory = (directory: string): string => (directory === DIRECTORY_DEFAULT ? '' : ` --dir ${directory}`);

function nodeId(text: string): string {
  if (!ID.test(text) || text === 'ca')
    throw new InvalidArgumentError('must match [a-z0-9]([a-z0-9-]{0,62}), and not be "ca"');
  return text;
}

function addHost(text: string, before: readonly string[]): readonly string[] {
  if (isIP(text) === 0 && !HOST.test(text)) throw new InvalidArgumentError('must be a name or an IP address, no port');
  return [...before, text];
}
