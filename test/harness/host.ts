/** A host inside the test's own process, from the YAML that a user would write, with a run-dir that goes away with it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../backend/config/load.ts';
import type { NumaNodes } from '../../backend/config/numa-nodes.ts';
import { Host } from '../../backend/host.ts';
import type { PortStats, RingStats } from '../../backend/host-stats.ts';
import type { Logger } from '../../backend/log.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
}

export class TestHost {
  readonly host: Host;
  readonly runDir: string;
  readonly log: LogLine[];
  #closed: Promise<void> | undefined;

  private constructor(host: Host, runDir: string, log: LogLine[]) {
    this.host = host;
    this.runDir = runDir;
    this.log = log;
  }

  /** `yaml` without run-dir; `nodes` are those that it may name, the machine's when not given; `after`: where that host, which has ended, was. */
  static async start(yaml: string, nodes?: NumaNodes, after?: TestHost): Promise<TestHost> {
    const runDir = after?.runDir ?? mkdtempSync(join(tmpdir(), 'ptnet-host-'));
    mkdirSync(runDir, { recursive: true });
    const log: LogLine[] = [];
    try {
      const config = parseConfig(`run-dir: ${runDir}\n${yaml}`, 'test.yaml', {}, nodes);
      return new TestHost(await Host.start(config, { log: recorder(log) }), runDir, log);
    } catch (error) {
      rmSync(runDir, { recursive: true, force: true });
      throw error;
    }
  }

  /** A VM's sockets, memory device first. */
  sockets(vm: string): string[] {
    return this.host.vms.find(({ name }) => name === vm)!.devices.map(({ socketPath }) => socketPath);
  }

  port(name: string): PortStats {
    return this.host.stats([name]).ports[0]!;
  }

  ring(port: string, dir: 'tx' | 'rx', ring = 0): RingStats {
    return this.port(port).rings.find((candidate) => candidate.dir === dir && candidate.ring === ring)!;
  }

  /** Packets of all rings of one direction. */
  packets(port: string, dir: 'tx' | 'rx'): number {
    return this.port(port).rings.reduce((sum, ring) => sum + (ring.dir === dir ? ring.packets : 0), 0);
  }

  /** Packets dropped on all rings of one direction, of any cause. */
  drops(port: string, dir: 'tx' | 'rx'): number {
    const rings = this.port(port).rings.filter((ring) => ring.dir === dir);
    return rings.reduce((sum, ring) => sum + Object.values(ring.drops).reduce((a, b) => a + b, 0), 0);
  }

  warnings(): string[] {
    return this.log
      .filter(({ level }) => level === 'warn' || level === 'error')
      .map(({ message }) => message);
  }

  /** Once, however often it is asked for. */
  close(): Promise<void> {
    this.#closed ??= this.host.close().then(() => rmSync(this.runDir, { recursive: true, force: true }));
    return this.#closed;
  }
}

function recorder(lines: LogLine[]): Logger {
  const record = (level: LogLine['level']) => (_fields: object, message: string) => {
    lines.push({ level, message });
  };
  return { debug: record('debug'), info: record('info'), warn: record('warn'), error: record('error') };
}
