// The kinds of port, one row each: whoever asks something about a port by its kind asks its row.
import { echo } from './echo.ts';
import type { PortKind } from './kind.ts';
import { monitor } from './monitor.ts';
import { netmap } from './netmap.ts';
import { nullKind } from './null.ts';
import { pipe } from './pipe.ts';
import { tap } from './tap.ts';
import { vale } from './vale.ts';

export type { Complaint, InterfaceKey, MemberMaker, PlacedPort, PortKind, PortMaker } from './kind.ts';

/** A row stands under the kind that its names have. */
function table<Rows extends { readonly [K in keyof Rows]: PortKind<{ readonly kind: K & string }> }>(
  rows: Rows,
): Rows {
  return rows;
}

export const PORT_KINDS = table({ vale, pipe, null: nullKind, echo, tap, netmap, monitor });

type Rows = typeof PORT_KINDS;
export type PortName = { [K in keyof Rows]: Rows[K] extends PortKind<infer Name> ? Name : never }[keyof Rows];

/** All rows; each may be asked about names of its own kind only. */
export const ALL_KINDS = Object.values(PORT_KINDS) as readonly PortKind<PortName>[];

export function kindOf(name: PortName): PortKind<PortName> {
  return PORT_KINDS[name.kind] as PortKind<PortName>;
}
