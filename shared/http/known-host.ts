/**
 * Refuses requests that were addressed to another host (421). A node that listens on loopback and
 * has no token trusts whoever can reach it, and a page in a browser on the same machine can: by a
 * name of the page's own that is made to resolve to 127.0.0.1 (DNS rebinding). The browser then
 * says that name in `Host`.
 */
import type { Context } from 'koa';
import { PROBLEM_KINDS, type Problem } from './problem';

/** Where a node listens, and the URL that others are told. */
export interface Address {
  readonly host: string;
  readonly publicUrl: string | null;
}

/** Whether a host name, or an address, is this machine's own. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true;
  return /^(?:::ffff:)?127(?:\.[0-9]{1,3}){3}$/.test(name);
}

/**
 * Refuses (421) a `Host` that is neither loopback nor that of the public URL; any port is served,
 * since tunnels change it. A request without the header (HTTP/1.0) comes from no browser, and is
 * served.
 */
export function hostGuard({ publicUrl }: Pick<Address, 'publicUrl'>): (ctx: Context) => Problem | null {
  const own = publicUrl === null ? null : new URL(publicUrl).hostname.replace(BRACKETS, '');
  // Most requests name the same host as the one before.
  let served: string | undefined;
  return (ctx) => {
    const { host } = ctx.req.headers;
    if (host === undefined || host === served) return null;
    const name = nameIn(host);
    if (isLoopback(name) || name === own) {
      served = host;
      return null;
    }
    const detail = `this node serves localhost, and not ${host}; to reach it by that name set PUBLIC_URL or API_TOKEN`;
    return { kind: PROBLEM_KINDS.misdirected, detail };
  };
}

const BRACKETS = /[[\]]/g;

/** The name or address of a Host header, without its port, brackets and the dot of the root. */
function nameIn(host: string): string {
  const name = host.replace(/:[0-9]*$/, '').replace(BRACKETS, '');
  return name.replace(/\.$/, '').toLowerCase();
}
