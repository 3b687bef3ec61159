// A row for each nucleus: number, centroid from the centre of the top left pixel, and area, in pixels.
export function measureNuclei(labels, count, width, height) {
  const area = new Float64Array(count), sumX = new Float64Array(count), sumY = new Float64Array(count);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++) {
      const nucleus = labels[at] - 1;
      if (nucleus < 0) continue;
      area[nucleus]++;
      sumX[nucleus] += x;
      sumY[nucleus] += y;
    }
  return { area, x: sumX.map((sum, nucleus) => sum / area[nucleus]), y: sumY.map((sum, nucleus) => sum / area[nucleus]) };
}
