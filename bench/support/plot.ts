/** A plot with logarithmic axes, as SVG: what grows in proportion is a straight line that rises by a decade with each decade. */

export interface Series {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

// Told apart by those who see fewer colours, on white and on black.
const colours = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#b58900",
  "#56b4e9",
  "#8a5fbf",
  "#e34a6f",
  "#6b8e23",
  "#7f7f7f",
];
const [width, height, left, top, bottom] = [900, 460, 70, 20, 50];
const plotWidth = 520;

export function plot(series: readonly Series[], titles: { readonly x: string; readonly y: string }): string {
  const all = series.flatMap(({ points }) => points);
  const xs = decades(all.map(({ x }) => x));
  const ys = decades(all.map(({ y }) => y));
  const at = (value: number, [from, to]: [number, number]) => (Math.log10(value) - from) / (to - from);
  const x = (value: number) => (left + at(value, xs) * plotWidth).toFixed(1);
  const y = (value: number) => (height - bottom - at(value, ys) * (height - top - bottom)).toFixed(1);
  const lines = [
    ...ticks(xs).flatMap((value) => [
      `<path d="M${x(value)} ${top}V${height - bottom}" class="grid"/>`,
      `<text x="${x(value)}" y="${height - bottom + 18}" text-anchor="middle">${shown(value)}</text>`,
    ]),
    ...ticks(ys).flatMap((value) => [
      `<path d="M${left} ${y(value)}H${left + plotWidth}" class="grid"/>`,
      `<text x="${left - 8}" y="${Number(y(value)) + 4}" text-anchor="end">${shown(value)}</text>`,
    ]),
    `<text x="${left + plotWidth / 2}" y="${height - 10}" text-anchor="middle">${titles.x}</text>`,
    `<text x="16" y="${height / 2}" text-anchor="middle" transform="rotate(-90 16 ${height / 2})">${titles.y}</text>`,
    ...series.flatMap(({ name, points }, index) => {
      const colour = colours[index % colours.length];
      const path = points.map((point) => `${x(point.x)} ${y(point.y)}`).join("L");
      const at = top + 14 + index * 20;
      return [
        `<path d="M${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        ...points.map((point) => `<circle cx="${x(point.x)}" cy="${y(point.y)}" r="3" fill="${colour}"/>`),
        `<path d="M${left + plotWidth + 20} ${at - 4}h18" stroke="${colour}" stroke-width="3"/>`,
        `<text x="${left + plotWidth + 44}" y="${at}">${name}</text>`,
      ];
    }),
  ];
  const style =
    "text{font:13px sans-serif;fill:#444}.grid{stroke:#8884;fill:none}@media(prefers-color-scheme:dark){text{fill:#ccc}}";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"><style>${style}</style>\n${lines.join("\n")}\n</svg>\n`;
}

/** The powers of ten around them. */
function decades(values: readonly number[]): [number, number] {
  const logs = values.map((value) => Math.log10(value));
  return [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
}

function ticks([from, to]: [number, number]): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
}

function shown(value: number): string {
  return value >= 1 ? value.toLocaleString("en") : String(Number(value.toPrecision(1)));
}
