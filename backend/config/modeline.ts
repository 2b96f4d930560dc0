// The line by which editors find the schema of a configuration file.

/** What yaml-language-server reads; a path or a URL follows. */
export const MODELINE = '# yaml-language-server: $schema=';
