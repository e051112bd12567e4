/**
 * The field of a row that holds a user's key beside its id. A string that is its own id is not sent
 * twice: null stands for it, except where the id says that the key is null itself.
 */

import { frozen } from '../../term/kept.js'
import { termKey } from '../../term/key.js'

const NULL_ID = termKey(null)

export function packKey(id: string, key: unknown): unknown {
  return key === id ? null : key
}

export function unpackKey(id: string, field: unknown): unknown {
  return field === null && id !== NULL_ID ? id : frozen(field)
}
