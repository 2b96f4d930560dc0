// The client's side of handing a file to a host: its descriptor over a connection, for the name that the host gives it.
import { Channel } from '../../native/os.ts';

/** A host answers within a turn of its event loop. */
const ANSWER_MS = 10_000;

export interface HandedOver {
  /** What the host calls it. */
  readonly name: string;
  /** The host forgets it, unless it was asked to do something with it. */
  close(): void;
}

/** @param path of the host's socket for it. @throws SystemError, or one with code ETIMEDOUT or ECONNRESET when the host does not take it. */
export async function handOver(path: string, fd: number): Promise<HandedOver> {
  const channel = Channel.connect(path);
  let timer: NodeJS.Timeout | undefined;
  try {
    const name = await new Promise<string>((resolve, reject) => {
      const fail = (code: string) => reject(Object.assign(new Error(code), { code }));
      timer = setTimeout(() => fail('ETIMEDOUT'), ANSWER_MS);
      let text = '';
      channel.start(
        (bytes) => {
          text += Buffer.from(bytes).toString('latin1');
          const end = text.indexOf('\n');
          if (end >= 0) resolve(text.slice(0, end));
        },
        () => fail('ECONNRESET'),
      );
      channel.send(Uint8Array.of(0), [fd]);
    });
    return { name, close: () => channel.close() };
  } catch (error) {
    channel.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
