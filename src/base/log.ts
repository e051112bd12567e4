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

/** Errors inside details would print as `{}`, and big integers not at all. */
const printable = (_key: string, value: unknown): unknown => {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  return typeof value === 'bigint' ? `${value}n` : value
}

function line(level: string, message: string, details: unknown): string {
  if (details === undefined) return `[citadel] ${level} ${message}\n`
  const text = typeof details === 'string' ? details : JSON.stringify(details, printable)
  return `[citadel] ${level} ${message} ${text}\n`
}

/** Warnings and errors to standard error, so that standard output stays the program's own. */
export const stderrLogger: Logger = {
  debug() {},
  info() {},
  warn: (message, details) => void process.stderr.write(line('warning:', message, details)),
  error: (message, details) => void process.stderr.write(line('error:', message, details)),
}
