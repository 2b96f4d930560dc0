/** Tells on stderr what takes long, so that a first run does not look stuck. */
export function progress(text: string): void {
  process.stderr.write(`ptnetmap: ${text}\n`);
}
