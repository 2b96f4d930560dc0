/** What can go wrong with a test VM, told with the end of its console. */

/** A VM that did not do what the test waited for. */
export class VmError extends Error {
  override readonly name: string = 'VmError';
}

/** A command that the agent answered with `ok: false`; `json` is its whole answer. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly json: Readonly<Record<string, unknown>>;

  constructor(vm: string, command: string, json: Readonly<Record<string, unknown>>) {
    super(`${vm}: agent command '${command}' failed: ${String(json.error ?? 'no reason given')}`);
    this.json = json;
  }
}

/** A QMP command that QEMU refused; `qmpClass` is QEMU's error class. */
export class QmpError extends Error {
  override readonly name = 'QmpError';
  readonly qmpClass: string;

  constructor(command: string, error: { class: string; desc: string }) {
    super(`QMP ${command}: ${error.desc}`);
    this.qmpClass = error.class;
  }
}
