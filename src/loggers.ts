/** The loggers that a node has ready: the default one, one of JSON lines, and one for pino. */
import { attempt } from './base/arguments.js'
import { describe, isError } from './base/describe.js'
import { errorRecord, errorText } from './base/error-text.js'
import type { Logger, LogLevel } from './base/log.js'
import { oneOf, type Rules, readOptions, rule } from './base/options.js'

const DETAILS_MAX = 2_000
const LINE_MAX = 16_000

/** Warnings and errors to standard error, so that standard output stays the program's own. */
export const stderrLogger: Logger = {
  debug() {},
  info() {},
  warn: (message, details) => void process.stderr.write(text('warning:', message, details)),
  error: (message, details) => void process.stderr.write(text('error:', message, details)),
}

function text(level: string, message: string, details: unknown): string {
  const start = `[citadel] ${level} ${worded(message)}`
  if (details === undefined) return `${start}\n`
  if (isError(details)) return `${start}: ${errorText(details)}\n`
  return `${start} ${describe(details, DETAILS_MAX)}\n`
}

const worded = (message: unknown): string =>
  typeof message === 'string' ? message : describe(message)

export interface JsonLoggerOptions {
  /** The least that is written: `info` unless given. */
  level?: LogLevel
  /** Where the lines go; standard error unless given. */
  write?: (line: string) => void
}

const RULES: Rules<JsonLoggerOptions> = {
  level: oneOf('debug', 'info', 'warn', 'error'),
  write: rule.callback,
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

/** One JSON object a line: `time`, `level`, `msg`, and `err` or `details` where there are some. */
export function jsonLogger(given?: JsonLoggerOptions): Logger {
  const options = readOptions('jsonLogger', given, RULES)
  const { level: least = 'info', write = (line) => void process.stderr.write(line) } = options
  const at =
    (level: LogLevel): Logger[LogLevel] =>
    (message, details) => {
      if (RANK[level] < RANK[least]) return undefined
      const head = { time: new Date().toISOString(), level, msg: worded(message) }
      return attempt(() => write(`${jsonLine(head, details)}\n`))
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function jsonLine(head: object, details: unknown): string {
  if (details === undefined) return JSON.stringify(head)
  if (isError(details)) return JSON.stringify({ ...head, err: errorRecord(details) })
  try {
    const line = JSON.stringify({ ...head, details }, printable)
    if (line.length <= LINE_MAX) return line
  } catch {
    // A cycle, or a getter that throws: it is told in words.
  }
  return JSON.stringify({ ...head, details: describe(details, DETAILS_MAX) })
}

/** Errors inside details would print as `{}`, and big integers not at all. */
const printable = (_key: string, value: unknown): unknown => {
  if (isError(value)) return describe(value)
  return typeof value === 'bigint' ? `${value}` : value
}

/** What of pino is used: the object first, then the message. */
export type PinoMethod = (fields: object, message?: string) => void
export type PinoLike = Readonly<Record<LogLevel, PinoMethod>>

/** Speaks to a pino logger, which wants errors as `err` and all else in an object before the message. */
export function pinoLogger(pino: PinoLike): Logger {
  const at =
    (level: LogLevel): Logger[LogLevel] =>
    (message, details) =>
      attempt(() => pino[level](pinoFields(details), message))
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** What all pino loggers have, whatever their release. */
const PINO = Symbol.for('pino.serializers')

/** The logger of a node. One of pino, which would take an error for something to format, is spoken to as it expects. */
export function loggerOf(given: Logger | undefined): Logger {
  if (given === undefined) return stderrLogger
  return attempt(() => PINO in given) ? pinoLogger(given as unknown as PinoLike) : given
}

function pinoFields(details: unknown): object {
  if (details === undefined) return {}
  return isError(details) ? { err: details } : { details }
}
