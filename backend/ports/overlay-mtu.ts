// How long packets may be that an interface of the host sends into an overlay: what tunnels take from those that carry them, and who is set to more than gets through.
import type { OverlayLink } from '../../native/interfaces.ts';

const ETHERNET = 14;
const IPV4 = 20;
const IPV6 = 40;
/** A tag's bytes count only inside of a tunnel: on a wire a frame may be longer by them than the mtu says. */
const VLAN_TAG = 4;
/** Between the outer IP header and the inner Ethernet header, without options (RFC 7348, RFC 8926, RFC 2784). */
const TUNNEL_HEADERS: Record<string, number> = {
  vxlan: 8 + 8,
  geneve: 8 + 8,
  gretap: 4,
  ip6gretap: 4,
};

/** Bytes that `link` takes from the packets of what carries it. */
export function overheadOf(link: Pick<OverlayLink, 'kind' | 'ipv6'>, lowerKind = ''): number {
  const headers = TUNNEL_HEADERS[link.kind];
  if (headers !== undefined)
    return headers + ETHERNET + (link.ipv6 || link.kind === 'ip6gretap' ? IPV6 : IPV4);
  return link.kind === 'vlan' && lowerKind in TUNNEL_HEADERS ? VLAN_TAG : 0;
}

interface Way {
  readonly bytes: number;
  /** What makes it so. */
  readonly why: string;
}

/** The longest packet that gets through a link, and all that carries it. */
function wayOf(link: OverlayLink, links: ReadonlyMap<number, OverlayLink>, deep = 0): Way {
  const own = { bytes: link.mtu, why: `'${link.name}' has mtu ${link.mtu}` };
  const lower = links.get(link.lower);
  // Links can be stacked, but not for ever.
  if (!lower || deep > 8 || (link.kind !== 'vlan' && !(link.kind in TUNNEL_HEADERS))) return own;
  const taken = overheadOf(link, lower.kind);
  const below = wayOf(lower, links, deep + 1);
  if (below.bytes - taken >= link.mtu) return own;
  const why = taken === 0 ? '' : `, and ${link.kind} takes ${taken}`;
  return { bytes: below.bytes - taken, why: `${below.why}${why}` };
}

const isOverlay = ({ kind }: OverlayLink): boolean => kind === 'vlan' || kind in TUNNEL_HEADERS;

/**
 * What is wrong with the mtu of an interface that is an overlay, or stands in a bridge with some: a sentence without its
 * subject; undefined when all that it is set to gets through, or when there is none.
 */
export function overlayProblem(list: readonly OverlayLink[], index: number): string | undefined {
  const links = new Map(list.map((link) => [link.index, link]));
  const self = links.get(index);
  if (!self) return undefined;
  const bridge = links.get(self.master);
  const beside = bridge ? list.filter((link) => link.master === bridge.index) : [self];
  const narrow = beside
    .filter(isOverlay)
    .map((link) => ({ link, way: wayOf(link, links) }))
    .toSorted((a, b) => a.way.bytes - b.way.bytes)[0];
  if (!narrow || self.mtu <= narrow.way.bytes) return undefined;
  const { link, way } = narrow;
  const by = link === self ? 'packets' : `what goes by '${link.name}' of its bridge '${bridge!.name}'`;
  return `has an mtu of ${self.mtu}, and ${by} may have ${way.bytes} bytes at most (${way.why}): an mtu of ${way.bytes}, for it and for the guests that send there, would be right`;
}
