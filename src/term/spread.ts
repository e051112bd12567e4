/**
 * Numbers as keys of a Map or a Set. V8 hashes them without a secret, so whoever knows the function can
 * choose numbers that all fall into one chain of the table, and a map of 120,000 of them takes 20 s to
 * build. Here the same function is computed, and the chains are measured before the table is built.
 * Strings are hashed with a secret, and objects by chance. Checked against V8 11 to 13.
 */

/** Chains of so many keys are short, whatever the keys. */
const FEW = 32
/** Steps along chains that a key may cost on average; chance needs one or two. */
const STEPS_MAX = 16
const CHAINS_MAX = 2 ** 18

const view = new DataView(new ArrayBuffer(8))

/** Whether a table with these keys is built in linear time. */
export function areSpread(keys: readonly unknown[]): boolean {
  if (keys.length <= FEW) return true
  const mask = chainsOf(keys.length) - 1
  const lengths = new Uint32Array(mask + 1)
  let numbers = 0
  let steps = 0
  for (const key of keys) {
    const hash = hashOf(key)
    if (hash === undefined) continue
    const chain = hash & mask
    numbers++
    steps += lengths[chain]!
    lengths[chain] = lengths[chain]! + 1
  }
  const byChance = (numbers * numbers) / (2 * lengths.length)
  return steps <= STEPS_MAX * numbers + 2 * byChance
}

/** V8 has a chain for every two places, and as many places as the next power of two. */
const chainsOf = (count: number): number =>
  Math.min(CHAINS_MAX, 2 ** Math.max(0, Math.ceil(Math.log2(count)) - 1))

function hashOf(key: unknown): number | undefined {
  if (typeof key === 'number') {
    if ((key | 0) === key) return hashOf32(key)
    view.setFloat64(0, key)
    return hashOf64(view.getUint32(0), view.getUint32(4))
  }
  if (typeof key !== 'bigint') return undefined
  const low = BigInt.asUintN(64, key < 0n ? -key : key)
  return hashOf64(Number(low >> 32n), Number(low & 0xffff_ffffn))
}

/** `ComputeUnseededHash` of V8. */
function hashOf32(key: number): number {
  let hash = key | 0
  hash = (~hash + (hash << 15)) | 0
  hash ^= hash >>> 12
  hash = (hash + (hash << 2)) | 0
  hash ^= hash >>> 4
  hash = Math.imul(hash, 2057)
  return hash ^ (hash >>> 16)
}

/** `ComputeLongHash` of V8, in two halves. */
function hashOf64(keyHigh: number, keyLow: number): number {
  let sum = (~keyLow >>> 0) + ((keyLow << 18) >>> 0)
  const shifted = (keyHigh << 18) | (keyLow >>> 14)
  let high = (~keyHigh + shifted + carry(sum)) | 0
  let low = sum | 0
  low ^= (low >>> 31) | (high << 1)
  high ^= high >>> 31
  const product = (low >>> 0) * 21
  high = (Math.imul(high, 21) + Math.floor(product / 2 ** 32)) | 0
  low = product | 0
  low ^= (low >>> 11) | (high << 21)
  high ^= high >>> 11
  sum = (low >>> 0) + ((low << 6) >>> 0)
  high = (high + ((high << 6) | (low >>> 26)) + carry(sum)) | 0
  low = sum | 0
  return low ^ ((low >>> 22) | (high << 10))
}

const carry = (sum: number): number => (sum >= 2 ** 32 ? 1 : 0)
