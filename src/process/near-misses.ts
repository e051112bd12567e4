/** Methods that look like misspelt life-cycle methods: nobody would ever call them as those. */

/** Without the case, and without what some write between words. */
const plain = (name: string): string => name.toLowerCase().replace(/[_$-]/g, '')

/** Up to this length another letter makes another word. */
const SHORT = 5

/** The life-cycle method that was meant by the name of a method, if one is that near. */
export function nearMiss(name: string, lifecycle: Iterable<string>): string | undefined {
  for (const known of lifecycle) {
    if (name === known) return undefined
    if (plain(name) === plain(known) || isOneOff(plain(name), plain(known))) return known
  }
  return undefined
}

/** One letter too many or too few, another one, or two swapped. */
function isOneOff(name: string, known: string): boolean {
  if (Math.abs(name.length - known.length) > 1 || known.length < 4) return false
  let at = 0
  while (at < known.length && name[at] === known[at]) at++
  const [left, right] = [name.slice(at), known.slice(at)]
  if (left.slice(1) === right) return true
  if (left === right.slice(1)) return name.length > SHORT - 1
  if (name.length !== known.length) return false
  if (left.slice(1) === right.slice(1)) return known.length > SHORT
  return left[0] === right[1] && left[1] === right[0] && left.slice(2) === right.slice(2)
}
