/** The error of this folder: an artifact that cannot be had, with the reason and what would help. */
export class ArtifactError extends Error {
  override readonly name = 'ArtifactError';
  readonly code = 'ERR_PTNET_ARTIFACT';
}
