/** Errors as loggers show them: name and message on one line, then the stack. Never throws. */
import { describe, fieldOf, isError, oneLine, textField } from './describe.js'

const MESSAGE_MAX = 1_000
const FRAMES_MAX = 30
const FRAME_MAX = 300
const CAUSES_MAX = 3
const FRAME = /^\s+at /

export interface ErrorRecord {
  name: string
  message: string
  /** Where it was made, without the line that repeats the message. */
  stack: string
  cause?: ErrorRecord
}

export function errorRecord(error: Error, causes = CAUSES_MAX): ErrorRecord {
  const cause = fieldOf(error, 'cause')
  const record: ErrorRecord = {
    name: oneLine(textField(error, 'name') || 'Error'),
    message: oneLine(textField(error, 'message'), MESSAGE_MAX),
    stack: framesOf(error),
  }
  return isError(cause) && causes > 0
    ? { ...record, cause: errorRecord(cause, causes - 1) }
    : record
}

function framesOf(error: Error): string {
  const frames: string[] = []
  for (const line of textField(error, 'stack')
    .slice(0, FRAMES_MAX * FRAME_MAX)
    .split('\n')) {
    if (FRAME.test(line) && frames.length < FRAMES_MAX) frames.push(oneLine(line, FRAME_MAX))
  }
  return frames.join('\n')
}

/** `TypeError: x is not a function`, then its stack, then what caused it. */
export function errorText(error: Error): string {
  return recordText(errorRecord(error))
}

function recordText({ name, message, stack, cause }: ErrorRecord): string {
  const lines = [message === '' ? name : `${name}: ${message}`]
  if (stack !== '') lines.push(stack)
  if (cause !== undefined) lines.push(`  caused by ${recordText(cause)}`)
  return lines.join('\n')
}

/** What a log line says of a value that somebody threw: for an error the logger shows the rest. */
export const thrown = (error: unknown): string =>
  isError(error) ? 'failed' : `failed: it threw ${describe(error)}`

/** What goes with such a line: the error itself, or nothing. */
export const details = (error: unknown): Error | undefined => (isError(error) ? error : undefined)
