/** Where a node says what its owner should know. `console` and pino fit. */
export interface Logger {
  debug(message: string, details?: unknown): void
  info(message: string, details?: unknown): void
  warn(message: string, details?: unknown): void
  error(message: string, details?: unknown): void
}

/** Says nothing. */
export const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
}

const line = (level: string, message: string, details: unknown): string =>
  details === undefined
    ? `[citadel] ${level} ${message}\n`
    : `[citadel] ${level} ${message} ${typeof details === 'string' ? details : JSON.stringify(details)}\n`

/** Warnings and errors to standard error, so that standard output stays the program's own. */
export const stderrLogger: Logger = {
  debug() {},
  info() {},
  warn: (message, details) => void process.stderr.write(line('warning:', message, details)),
  error: (message, details) => void process.stderr.write(line('error:', message, details)),
}
