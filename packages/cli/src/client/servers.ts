/**
 * The addresses that `--server` may give: `host:port` or a URL, several with commas.
 */

/** Where a node alone and the nodes of the demo and of compose listen. */
export const DEFAULT_SERVERS = '127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403';

/** Throws a plain Error where one of them cannot be understood. */
export function parseServers(text: string): URL[] {
  const servers = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (servers.length === 0) throw new Error('no server given');
  return servers.map((item) => {
    const url = URL.parse(item.includes('://') ? item : `http://${item}`);
    if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
      throw new Error(`"${item}" is not HOST:PORT or a URL`);
    }
    return url;
  });
}
