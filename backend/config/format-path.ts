// A place in a configuration as messages write it.
import { quoted, shown } from './quote.ts';

/** `vms.vm1.devices[0].port`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const part = /^[\w-]+$/.test(String(key)) ? shown(String(key)) : quoted(String(key));
    return text === '' ? part : `${text}.${part}`;
  }, '');
}
