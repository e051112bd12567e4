/** What the options of both programs may be. */
import { InvalidArgumentError } from 'commander'

export function positive(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count > 0) return count
  throw new InvalidArgumentError('a whole number above 0 is needed')
}
