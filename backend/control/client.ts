// Asks a running host over its control socket, for the commands and for programs: every answer is one of the API's.
import { existsSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { CONTROL_SOCKET, DEFAULT_RUN_DIR, FILES_SOCKET, READ_SOCKET } from '../config/run-dir.ts';
import { PtnetError } from '../errors.ts';
import type { ProgramState } from '../programs/leases.ts';
import { VERSION } from '../version.ts';
import type { Json } from './edits.ts';
import { handOver } from './hand-over.ts';
import type { NewPersistentPort, PersistentPortState } from './persistent.ts';
import type { Problem } from './problem.ts';
import type { NewProgram } from './programs.ts';
import type {
  ChangesState,
  HostInfo,
  MemberState,
  PortState,
  RegionState,
  StationState,
  StatsState,
  SwitchState,
  VmState,
  WorkerState,
} from './schemas.ts';

const API = 1;
/** A host answers within a turn of its event loop; one that is stopped does not. */
const ANSWER_MS = 10_000;
const BODY_BYTES_MAX = 256 * 2 ** 20;

/** The host said no, or there is none; `problem` is its own answer. */
export class ControlError extends PtnetError {
  readonly problem: Problem | undefined;
  constructor(message: string, options: { cause?: unknown; problem?: Problem } = {}) {
    super('ERR_CONTROL', message, options);
    this.problem = options.problem;
  }
}

export interface ClientOptions {
  /** Of the host; the default one when not given. */
  readonly runDir?: string | undefined;
}

export interface ChangeOptions {
  readonly dryRun?: boolean | undefined;
  readonly force?: boolean | undefined;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

type WithFd<P> = P extends { file: string } ? Omit<P, 'file'> & { readonly fd: number } : P;
/** A descriptor of this process stands for the file, which is handed over; it stays this process's. */
export type ProgramToStart = WithFd<NewProgram>;

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export class ControlClient {
  readonly runDir: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  #socket: string;

  /** Nothing is asked before the first question. */
  constructor({ runDir = DEFAULT_RUN_DIR }: ClientOptions = {}) {
    this.runDir = runDir;
    this.#socket = join(runDir, CONTROL_SOCKET);
  }

  /** A host that answers, of an API that this client knows. @throws ControlError */
  static async connect(options: ClientOptions = {}): Promise<ControlClient> {
    const client = new ControlClient(options);
    await client.host();
    return client;
  }

  async host(): Promise<HostInfo> {
    const answer = await this.#ask('GET', '/v1/host');
    const host = answer.status === 200 ? (JSON.parse(answer.text) as Partial<HostInfo>) : {};
    if (host.api === API) return host as HostInfo;
    const theirs = host.version === undefined ? 'another version' : `version ${host.version}`;
    throw new ControlError(
      `${this.#socket}: the host there is of ${theirs}, and this is ${VERSION}: the 'ptnet' that started it would be right`,
    );
  }

  vms = (): Promise<VmState[]> => this.get('/v1/vms');
  vm = (name: string): Promise<VmState> => this.get(`/v1/vms/${encodeURIComponent(name)}`);
  ports = (): Promise<PortState[]> => this.get('/v1/ports');
  port = (name: string): Promise<PortState> => this.get(`/v1/ports/${encodeURIComponent(name)}`);
  members = (): Promise<MemberState[]> => this.get('/v1/members');
  switches = (): Promise<SwitchState[]> => this.get('/v1/switches');
  switch = (name: string): Promise<SwitchState> => this.get(`/v1/switches/${encodeURIComponent(name)}`);
  stations = (vale: string): Promise<StationState[]> =>
    this.get(`/v1/switches/${encodeURIComponent(vale)}/stations`);
  regions = (): Promise<RegionState[]> => this.get('/v1/regions');
  workers = (): Promise<WorkerState[]> => this.get('/v1/workers');
  stats = (): Promise<StatsState> => this.get('/v1/stats');
  /** What the host is now, as a configuration file. */
  config = async (): Promise<string> => this.#checked(await this.#ask('GET', '/v1/config'));
  metrics = async (): Promise<string> => this.#checked(await this.#ask('GET', '/metrics'));

  async get<T>(path: string): Promise<T> {
    return JSON.parse(this.#checked(await this.#ask('GET', path))) as T;
  }

  /** @throws ControlError with the host's reason; then nothing has changed. */
  async change(
    method: Exclude<Method, 'GET'>,
    path: string,
    body?: Json,
    { dryRun, force }: ChangeOptions = {},
  ): Promise<ChangesState> {
    const query = new URLSearchParams({
      ...(dryRun && { 'dry-run': 'true' }),
      ...(force && { force: 'true' }),
    });
    const where = query.size === 0 ? path : `${path}${path.includes('?') ? '&' : '?'}${query}`;
    const sent = body === undefined ? undefined : { type: 'application/json', text: JSON.stringify(body) };
    return JSON.parse(this.#checked(await this.#ask(method, where, sent))) as ChangesState;
  }

  /** Brings the host to what a file says; relative paths in it start where this process works. @param file its name, for messages */
  async apply(text: string, file: string, { dryRun, force }: ChangeOptions = {}): Promise<ChangesState> {
    const query = new URLSearchParams({
      file,
      folder: process.cwd(),
      ...(dryRun && { 'dry-run': 'true' }),
      ...(force && { force: 'true' }),
    });
    const answer = await this.#ask('PUT', `/v1/config?${query}`, { type: 'application/yaml', text });
    return JSON.parse(this.#checked(answer)) as ChangesState;
  }

  /** Starts a capture, a replayer or a bridge in the host; it ends when nobody asks for it for 10 seconds. */
  async startProgram(program: ProgramToStart): Promise<ProgramState> {
    const start = (asked: NewProgram) => this.#program('POST', '/v1/programs', JSON.stringify(asked));
    if (program.kind === 'bridge') return start(program);
    const { fd, ...asked } = program;
    const path = join(this.runDir, FILES_SOCKET);
    const file = await handOver(path, fd).catch((error: NodeJS.ErrnoException) => {
      throw this.#explain(error, path);
    });
    try {
      return await start({ ...asked, file: file.name });
    } finally {
      file.close();
    }
  }
  program = (id: number): Promise<ProgramState> => this.get(`/v1/programs/${id}`);
  stopProgram = (id: number): Promise<ProgramState> => this.#program('DELETE', `/v1/programs/${id}`);

  async #program(method: Method, path: string, text?: string): Promise<ProgramState> {
    const sent = text === undefined ? undefined : { type: 'application/json', text };
    return JSON.parse(this.#checked(await this.#ask(method, path, sent))) as ProgramState;
  }

  persistentPorts = (): Promise<PersistentPortState[]> => this.get('/v1/persistent-ports');
  /** Makes (PUT, with what it is to be) or removes one; with a switch, puts it there or takes it off. */
  async changePersistentPort(
    method: 'PUT' | 'DELETE',
    name: string,
    how: { readonly shape?: NewPersistentPort; readonly on?: string } = {},
  ): Promise<PersistentPortState> {
    const one = `/v1/persistent-ports/${encodeURIComponent(name)}`;
    const path = how.on === undefined ? one : `${one}/switches/${encodeURIComponent(how.on)}`;
    const sent = how.shape && { type: 'application/json', text: JSON.stringify(how.shape) };
    return JSON.parse(this.#checked(await this.#ask(method, path, sent))) as PersistentPortState;
  }

  close(): void {
    this.#agent.destroy();
  }

  #checked({ status, type, text }: Answer): string {
    if (status >= 200 && status < 300) return text;
    if (!type.startsWith('application/problem+json'))
      throw new ControlError(`${this.#socket}: answered ${status}: another program than a ptnet host`);
    const problem = JSON.parse(text) as Problem;
    throw new ControlError(problem.problems?.join('\n') ?? problem.detail, { problem });
  }

  /** Who may not change the host may still ask. */
  async #ask(method: Method, path: string, body?: { type: string; text: string }): Promise<Answer> {
    try {
      return await this.#send(method, path, body);
    } catch (error) {
      const other = join(this.runDir, READ_SOCKET);
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EACCES' || method !== 'GET' || this.#socket === other || !existsSync(other))
        throw this.#explain(error as NodeJS.ErrnoException);
      this.#socket = other;
      return this.#ask(method, path);
    }
  }

  #send(method: Method, path: string, body?: { type: string; text: string }): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = {
        socketPath: this.#socket,
        method,
        path,
        agent: this.#agent,
        timeout: ANSWER_MS,
        headers: body && { 'Content-Type': body.type, 'Content-Length': Buffer.byteLength(body.text) },
      };
      const sent = request({ ...options, headers: options.headers ?? {} }, (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > BODY_BYTES_MAX)
            response.destroy(new Error(`an answer of more than ${BODY_BYTES_MAX} bytes`));
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      });
      sent.on('timeout', () => sent.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
      sent.on('error', reject);
      sent.end(body?.text);
    });
  }

  #explain(error: NodeJS.ErrnoException, at = this.#socket): ControlError {
    const text: Record<string, string> = {
      ENOENT: `${at}: no host is running there: 'ptnet up FILE' starts one, and --run-dir says where another one is`,
      ECONNREFUSED: `${at}: no host is running there, this is left of one that has ended: 'ptnet up FILE' starts one`,
      EACCES: `${at}: this user may not: the host's user would be right, or 'control: { group: NAME }' in the file`,
      ENOTDIR: `${at}: no run-dir: a folder would be right`,
      ETIMEDOUT: `${at}: the host does not answer: it is stopped, or very busy`,
    };
    return new ControlError(text[error.code ?? ''] ?? `${at}: ${error.message}`, { cause: error });
  }
}
