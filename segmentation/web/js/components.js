// scipy.ndimage.label with diagonal neighbours: components numbered in the order of their first pixel, row by row.

// mask: anything that is zero outside. -> { labels: Int32Array, count }
export function components(mask, width, height) {
  const labels = new Int32Array(width * height);
  let count = 0, stack = new Int32Array(1024);
  for (let start = 0; start < labels.length; start++) {
    if (!mask[start] || labels[start]) continue;
    labels[start] = ++count;
    stack[0] = start;
    for (let size = 1; size > 0;) {
      const at = stack[--size], x = at % width, y = (at - x) / width;
      if (size + 8 > stack.length) { const larger = new Int32Array(2 * stack.length); larger.set(stack); stack = larger; }
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++)
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const next = row * width + column;
          if (mask[next] && !labels[next]) { labels[next] = count; stack[size++] = next; }
        }
    }
  }
  return { labels, count };
}
