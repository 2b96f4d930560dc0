// Stand-ins for the host in protocol tests: hooks and a logger that write down what they are told.
import type { Logger } from '../../backend/log.ts';
import type { RegionFd, RegionIoFd, VfioUserHooks } from '../../backend/vfio-user/hooks.ts';
import type { Session } from '../../backend/vfio-user/session.ts';

export class RecordingHooks implements VfioUserHooks {
  /** In order: `attach`, `detach`, `unmap 1000 2000` (hexadecimal), `interrupts 0 5`. */
  readonly calls: string[] = [];
  /** Called with each entry, while it happens. */
  on: (call: string) => void = () => {};
  session: Session | undefined;
  readonly #answers: Partial<VfioUserHooks>;

  constructor(answers: Pick<Partial<VfioUserHooks>, 'regionFd' | 'ioFds'> = {}) {
    this.#answers = answers;
  }

  regionFd(region: number): RegionFd | undefined {
    return this.#answers.regionFd?.(region);
  }

  ioFds(region: number): readonly RegionIoFd[] {
    return this.#answers.ioFds?.(region) ?? [];
  }

  onAttach(session: Session): void {
    this.session = session;
    this.#record('attach');
  }

  onDetach(): void {
    this.#record('detach');
  }

  onDmaUnmap(_dma: unknown, address: bigint, size: bigint): void {
    this.#record(`unmap ${address.toString(16)} ${size.toString(16)}`);
  }

  onInterruptsChanged(vector: number, count: number): void {
    this.#record(`interrupts ${vector} ${count}`);
  }

  #record(call: string): void {
    this.calls.push(call);
    this.on(call);
  }
}

export interface LogLine {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly text: string;
}

export function recordingLog(lines: LogLine[]): Logger {
  const at = (level: string) => (fields: object, text: string) => {
    lines.push({ level, fields: fields as Record<string, unknown>, text });
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
