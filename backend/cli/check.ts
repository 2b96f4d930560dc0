// `ptnet check`: says of a configuration what is well, what may not be meant, and what cannot work here.
import { basename } from 'node:path';
import { check as checkThis } from '../check/check.ts';
import { type Finding, summarize } from '../check/finding.ts';
import { shellWords } from '../check/qemu-command.ts';
import { checkText } from '../check/static.ts';
import type { HostConfig } from '../config/host-config.ts';
import { alternatives, nearest } from '../config/nearest.ts';
import { readConfigFile, readTextFile } from '../config/read-file.ts';
import { ConfigurationError } from '../errors.ts';
import { describeFindings, wantsColors } from './findings-text.ts';
import { interruptible } from './interrupt.ts';
import type { Io } from './io.ts';

export interface CheckCommandOptions {
  readonly runDir?: string;
  /** `VM=FILE`, each. */
  readonly command: readonly string[];
  readonly live: boolean;
  readonly vm: boolean;
  readonly attached: boolean;
  readonly all: boolean;
  readonly json: boolean;
}

/** What --json prints; scripts read these keys. */
interface Report {
  readonly file: string;
  readonly summary: ReturnType<typeof summarize>;
  readonly findings: readonly Finding[];
}

/** Resolves to whether there is no failure. */
export async function check(file: string, options: CheckCommandOptions, io: Io): Promise<boolean> {
  const overrides = options.runDir === undefined ? {} : { runDir: options.runDir };
  const { config, findings: own } = checkText(readConfigFile(file), file, overrides);
  const findings = [...own];
  if (config !== undefined) {
    const commands = readCommands(options.command, config);
    const onProgress = progress(io);
    await interruptible(io, async (signal) => {
      const wanted = {
        commands,
        live: options.live,
        vm: options.vm,
        attached: options.attached,
        onProgress,
        signal,
      };
      for await (const finding of checkThis(config, wanted)) findings.push(finding);
    });
  }
  const summary = summarize(findings);
  const report: Report = { file, summary, findings };
  io.out(
    options.json ? `${JSON.stringify(report)}\n` : describeFindings(findings, options.all, wantsColors()),
  );
  return summary.fail === 0;
}

/** What is being tried, at most so often. */
const PROGRESS_MS = 500;

function progress(io: Io): (what: string) => void {
  let last = 0;
  return (what) => {
    if (Date.now() - last < PROGRESS_MS) return;
    last = Date.now();
    io.err(`ptnet: ${what}\n`);
  };
}

/** @throws ConfigurationError for a VM that is not there, and for a file without a QEMU command. */
function readCommands(given: readonly string[], config: HostConfig): Map<string, readonly string[]> {
  return new Map(
    given.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new ConfigurationError(`--command ${text}: 'vm1=start-vm1.sh' would be right`);
      const [vm, file] = [text.slice(0, at), text.slice(at + 1)];
      const names = [...config.vms.keys()];
      if (!names.includes(vm)) {
        const guess = nearest(vm, names);
        throw new ConfigurationError(
          `--command ${text}: there is no VM '${vm}': ${alternatives(guess ? [guess] : names)} would be right`,
        );
      }
      return [vm, readCommand(file)];
    }),
  );
}

function readCommand(file: string): string[] {
  const words = shellWords(readTextFile(file));
  const start = words.findIndex((word) => /^(qemu-system-\w+|qemu-kvm|kvm)$/.test(basename(word)));
  if (start < 0)
    throw new ConfigurationError(
      `--command: ${file} has no QEMU command: one with qemu-system-x86_64 would be right`,
    );
  return words.slice(start);
}
