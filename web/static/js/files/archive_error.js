/** Why a file cannot be imported. */

/**
 * @typedef {"notArchive" | "archiveNewer" | "archiveDamaged" | "archiveTooLarge" | "archiveUnreadable"
 *   | ReturnType<typeof import("../ui/part_loader.js").missingPart>} ArchiveProblem
 */

export class ArchiveError extends Error {
  /** @param {ArchiveProblem} problem */
  constructor(problem) {
    super(problem);
    this.name = "ArchiveError";
    this.problem = problem;
  }
}
