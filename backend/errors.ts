// The error classes, by who must act on them.
export class PtnetError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The user's configuration is wrong: one line that names the object, what is wrong and what would be right. */
export class ConfigurationError extends PtnetError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('ERR_CONFIGURATION', message, options);
  }
}
