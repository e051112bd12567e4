/**
 * The logger of a user as the node speaks to it: what it throws stays here, and what it gets is one
 * line of bounded length, whatever a peer or a user has put into it.
 */
import { describe, isError, oneLine, textField } from './describe.js'
import { errorText } from './error-text.js'
import { failsLater } from './guard.js'
import type { Logger, LogLevel } from './log.js'

const LINE_MAX = 2_000
/** Errors that are longer are shown by the node itself, cut. */
const ERROR_MAX = 32_000

/** Told once of a logger that fails; there is no other place left. */
export type LogFailed = (error: unknown) => void

export function safeLog(logger: Logger, failed: LogFailed): Logger {
  const at = guarded(logger, failed, (message) => oneLine(message, LINE_MAX))
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** The same for the words of the user: they may have as many lines as they like. */
export function userLog(logger: Logger, failed: LogFailed): Logger {
  const at = guarded(logger, failed, (message) =>
    typeof message === 'string' ? message : describe(message),
  )
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function guarded(logger: Logger, failed: LogFailed, worded: (message: string) => string) {
  return (level: LogLevel): Logger[LogLevel] =>
    (message, details) => {
      const line = worded(message)
      try {
        const answer: unknown =
          details === undefined ? logger[level](line) : logger[level](line, bounded(details))
        failsLater(answer, failed)
      } catch (error) {
        retold(logger, level, `${line} ${describe(details)}`, error, failed)
      }
    }
}

/** A logger may fail on the details, such as an error with a getter that throws. */
function retold(
  logger: Logger,
  level: LogLevel,
  line: string,
  error: unknown,
  failed: LogFailed,
): void {
  try {
    failsLater(logger[level](line), failed)
  } catch {
    failed(error)
  }
}

function bounded(details: unknown): unknown {
  if (!isError(details)) return details
  const size = textField(details, 'message').length + textField(details, 'stack').length
  if (size > 0 && size <= ERROR_MAX) return details
  return oneLine(errorText(details), LINE_MAX)
}

/** So that what fails at each line is told of once. */
export function once(tell: LogFailed): LogFailed {
  let told = false
  return (error) => {
    if (!told) tell(error)
    told = true
  }
}
