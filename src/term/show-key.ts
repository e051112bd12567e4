/** How a key, an id or a group is shown to people: as they wrote it, and not longer than a line. */
import { describeQuoted } from '../base/describe.js'

const KEY_MAX = 300

export const showKey = (key: unknown): string => describeQuoted(key, KEY_MAX)
