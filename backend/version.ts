// The version of this package, as it says it of itself to others.
import { packageVersion } from './package-files.ts';

export const VERSION = packageVersion();
